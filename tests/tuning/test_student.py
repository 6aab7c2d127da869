"""What is trained: the native network in its cheap form, and any SavedModel, each behind one shape."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoders import HashEncoder
from students import BUCKETS, DIM, export_word_model, native_base, native_student, tf

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.keras_encoder import RUN_GAP, lay_out
from jobsearch.encoder.keras_model import PADDING, TRAINED_ROWS
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import find_weights
from jobsearch.encoder.savedmodel import SavedModelEncoder
from jobsearch.encoder.text import Tokenizer
from jobsearch.encoder.weights import table_rows
from jobsearch.errors import TuningError
from jobsearch.tuning.recipes import find_recipe
from jobsearch.tuning.student import NativeStudent, SavedModelStudent, assign, make_student, values_of

LONG = " ".join(f"word{number % 37} engineer" for number in range(300))
MIXED = [
    "nurse",
    "",
    "Senior software developer (m/w/d)",
    LONG,
    "a",
    "nurse",
    " ",
    "Softwareentwickler für eingebettete Systeme",
    "软件工程师",
    LONG[:900],
]
NO_DRAW = np.zeros(2, np.int32)


# --- the form that training uses -----------------------------------------------------------------------------------


def test_lay_out_puts_sentences_end_to_end() -> None:
    distinct, place, sentence = lay_out([[1, 7, 2], [1, 2], [1, 7, 7, 2]])
    run = [-1, -1, 1, 7, 2, -1, -1, 1, 2, -1, -1, 1, 7, 7, 2, -1, -1]
    assert distinct.tolist() == [PADDING, 1, 2, 7]
    assert distinct[place].tolist() == run
    assert sentence.tolist() == [0] * 7 + [1] * 4 + [2] * 6
    assert [array.dtype for array in (distinct, place, sentence)] == [np.int32] * 3
    assert RUN_GAP == max(arch.LEFT_CONTEXT.values()) == max(n - 1 - arch.LEFT_CONTEXT[n] for n in arch.ORDERS)


def test_embed_run_equals_encode() -> None:
    student = native_student()
    ids = student._keras.token_ids(MIXED)
    assert len(ids[1]) == 2
    assert len(ids[3]) > 600
    run = student._model.embed_run(*lay_out(ids), len(ids)).numpy()
    assert (run.dtype, run.shape) == (np.float32, (len(MIXED), arch.DIM))
    assert abs(run - student._keras.encode(MIXED)).max() < 1e-5
    assert abs(run - LeanEncoder(native_base()).encode(MIXED)).max() < 1e-5


def test_a_sentence_does_not_depend_on_its_neighbours() -> None:
    student = native_student()
    ids = student._keras.token_ids(MIXED)
    together = student._model.embed_run(*lay_out(ids), len(ids)).numpy()
    turned = student._model.embed_run(*lay_out(ids[::-1]), len(ids)).numpy()[::-1]
    alone = np.concatenate([student._model.embed_run(*lay_out([one]), 1).numpy() for one in ids])
    assert abs(together - turned).max() < 1e-5
    assert abs(together - alone).max() < 1e-5


def test_gradients_reach_every_trainable_tensor_and_are_those_of_call() -> None:
    student = native_student()
    texts = [text for text in MIXED if text != LONG]
    ids = student._keras.token_ids(texts)
    target = np.random.default_rng(1).normal(size=(len(texts), arch.DIM)).astype(np.float32)
    found = []
    for padded in (False, True):
        with tf.GradientTape() as tape:
            if padded:
                longest = max(map(len, ids))
                embedded = student._model(np.array([row + [PADDING] * (longest - len(row)) for row in ids], np.int32))
            else:
                embedded = student._model.embed_run(*lay_out(ids), len(ids))
            loss = tf.reduce_sum(embedded * target)
        found.append(tape.gradient(loss, student.variables))
    assert len(student.variables) == len(arch.dense_shapes()) == 34
    for variable, run, call in zip(student.variables, *found, strict=True):
        assert run is not None, variable.path
        assert np.any(run), variable.path
        scale = float(tf.reduce_max(tf.abs(call)))
        assert float(tf.reduce_max(tf.abs(run - call))) < 1e-4 * scale, variable.path


# --- the native student --------------------------------------------------------------------------------------------


def embedded(student: Any, texts: list[str], draw: Any = NO_DRAW) -> np.ndarray:
    return student.embed(student.inputs(texts), len(texts), draw).numpy()


@pytest.fixture
def without_dropout(monkeypatch: pytest.MonkeyPatch) -> NativeStudent:
    student = native_student()
    monkeypatch.setattr(student, "_recipe", replace(student._recipe, dropout=0.0))
    return student


def test_the_case_setting_is_applied(without_dropout: NativeStudent) -> None:
    upper, lower = embedded(without_dropout, ["SENIOR Nurse", "senior nurse"])
    assert abs(upper - lower).max() < 1e-6


def test_long_texts_are_cut_and_keep_their_end_mark(without_dropout: NativeStudent) -> None:
    most = without_dropout._recipe.max_tokens
    distinct, place, sentence = without_dropout.inputs([LONG, "nurse"])
    tokens = [int(token) for token in distinct[place[sentence == 0]] if token != PADDING]
    whole = without_dropout._keras.token_ids([LONG])[0]
    assert tokens == [*whole[: most - 1], arch.END_ID]
    assert len(tokens) == most
    assert [int(t) for t in distinct[place[sentence == 1]] if t != PADDING] == without_dropout._keras.token_ids(
        ["nurse"]
    )[0]


@pytest.mark.slow
def test_of_the_table_the_rows_of_the_texts_are_trained_and_no_others() -> None:
    recipe = find_recipe("default", train_table=True, dropout=0.0)
    student = NativeStudent(native_base(), recipe, ["Nurse", "night nurse", "nurse"])
    tokens = sorted({token for ids in Tokenizer(native_base().tokenizer_model)(["night nurse"]) for token in ids})
    (rows,) = (variable for variable in student.variables if variable.name == TRAINED_ROWS)
    assert tuple(rows.shape) == (len(tokens), arch.TOKEN_WIDTH)
    assert len(student.variables) == len(native_student().variables) + 1
    texts = ["night nurse", "welder"]
    assert abs(student.encoder("before", {}).encode(texts) - LeanEncoder(native_base()).encode(texts)).max() < 3e-4

    rows.assign(rows + 0.3)
    table = student.weights("tuned", {}).tensors[arch.TABLE].astype(np.float32)
    moved = table - table_rows(native_base().tensors, np.arange(arch.VOCABULARY))
    assert abs(moved[tokens] - 0.3).max() < 1e-2  # half precision of values up to 16
    assert abs(np.delete(moved, tokens, axis=0)).max() < 1e-2
    whole = NativeStudent(native_base(), recipe)
    assert [tuple(v.shape) for v in whole.variables if v.name == TRAINED_ROWS] == [(arch.VOCABULARY, arch.TOKEN_WIDTH)]


def test_dropout_follows_the_draw() -> None:
    student = native_student()
    texts = ["senior nurse", "software developer"]
    plain = student._model.embed_run(*student.inputs(texts), 2).numpy()
    first, again, second = (embedded(student, texts, np.array([5, step], np.int32)) for step in (1, 1, 2))
    assert np.array_equal(first, again)
    assert abs(first - second).max() > 0.01
    assert abs(first - plain).max() > 0.01
    assert ((first * plain).sum(axis=1) > 0.5).all()  # and is no destruction
    assert abs(np.linalg.norm(first, axis=1) - 1).max() < 1e-6


def test_dropout_is_the_same_for_equal_texts_of_a_step() -> None:
    first, second = embedded(native_student(), ["senior nurse", "senior nurse"], np.array([1, 1], np.int32))
    assert abs(first - second).max() < 1e-6


def test_without_dropout_the_draw_does_not_matter(without_dropout: NativeStudent) -> None:
    texts = ["senior nurse"]
    expected = LeanEncoder(native_base()).encode(texts)
    for draw in (NO_DRAW, np.array([1, 2], np.int32)):
        assert abs(embedded(without_dropout, texts, draw) - expected).max() < 1e-5


def test_values_go_out_and_in_again() -> None:
    student = native_student()
    start = values_of(student.variables)
    before = student.encoder("before", {})
    try:
        assign(student.variables, {name: value * 1.01 for name, value in start.items()})
        changed = student.encoder("after", {"from": "before"})
        assert changed.name == "after"
        assert changed.fingerprint != before.fingerprint
        assert abs(changed.encode(["nurse"]) - before.encode(["nurse"])).max() > 1e-3
    finally:
        assign(student.variables, start)
    assert student.encoder("again", {}).fingerprint == before.fingerprint == native_base().fingerprint


def test_equal_start_values_are_copies() -> None:
    student = native_student()
    start = values_of(student.variables)
    kept = {name: value.copy() for name, value in start.items()}
    try:
        assign(student.variables, {name: value * 0 for name, value in start.items()})
        assert all(np.array_equal(start[name], kept[name]) for name in kept)
    finally:
        assign(student.variables, kept)


# --- a SavedModel ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_word_model(tmp_path_factory.mktemp("model") / "words")


@pytest.fixture
def base(saved: Path) -> SavedModelEncoder:
    found = find_weights(str(saved), "lower")
    assert isinstance(found, SavedModelEncoder)
    return found


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    gc.collect()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_savedmodel_is_embedded_as_its_encoder_does(base: SavedModelEncoder) -> None:
    student = make_student(base, find_recipe("default"))
    assert isinstance(student, SavedModelStudent)
    texts = ["Senior NURSE", "baker", ""]
    assert abs(embedded(student, texts) - base.encode(texts)).max() < 1e-6
    assert embedded(student, texts).shape == (3, DIM)
    assert len(student.inputs(texts)) == len(student.signature())
    assert sorted(tuple(variable.shape) for variable in student.variables) == [(DIM, DIM), (BUCKETS, DIM)]


def test_training_a_savedmodel_leaves_its_encoder_alone(base: SavedModelEncoder) -> None:
    before = base.encode(["nurse", "baker"])
    student = make_student(base, find_recipe("default"))
    for variable in student.variables:
        variable.assign(variable * 2 + 1)
    assert np.array_equal(base.encode(["nurse", "baker"]), before)
    changed = student.encoder("after", {})
    assert changed.name == "after"
    assert changed.fingerprint != base.fingerprint
    assert abs(changed.encode(["nurse", "baker"]) - embedded(student, ["nurse", "baker"])).max() < 1e-6
    assert abs(changed.encode(["nurse", "baker"]) - before).max() > 1e-3


def test_an_encoder_keeps_the_weights_that_it_was_made_with(base: SavedModelEncoder) -> None:
    student = make_student(base, find_recipe("default"))
    first = student.encoder("first", {})
    rows = first.encode(["nurse"])
    for variable in student.variables:
        variable.assign(variable * 2 + 1)
    assert np.array_equal(first.encode(["nurse"]), rows)


def test_copies_of_a_savedmodel_go_when_nobody_needs_them(base: SavedModelEncoder, temporary: Path) -> None:
    student = make_student(base, find_recipe("default"))
    encoders = [student.encoder(str(number), {}) for number in range(3)]
    assert len(list(temporary.iterdir())) == 4
    encoders[0].save(temporary.parent / "kept")
    del encoders, student
    gc.collect()
    assert list(temporary.iterdir()) == []
    assert (temporary.parent / "kept" / "saved_model" / "saved_model.pb").is_file()


def test_a_savedmodel_without_trainable_variables_is_refused(tmp_path: Path) -> None:
    frozen = find_weights(str(export_word_model(tmp_path / "frozen", trainable=False)), "lower")
    with pytest.raises(TuningError) as caught:
        make_student(frozen, find_recipe("default"))
    assert str(caught.value) == (
        f"encoder {str(tmp_path / 'frozen')!r} has no weights that can be trained; name another with --base"
    )


def test_an_encoder_of_another_kind_is_refused() -> None:
    with pytest.raises(TuningError, match=r"^encoder 'hash' has no weights that can be trained; name another"):
        make_student(HashEncoder(), find_recipe("default"))
