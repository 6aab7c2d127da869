"""The tuned encoder that is shipped: whole, small, better, and refused when it is not what it was."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from jobsearch.encoder import architecture as arch
from jobsearch.encoder import shipped
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import default_encoder, find_encoder
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.shipped import (
    DELTA,
    ROWS,
    SHIPPED_LANGUAGES,
    SHIPPED_NAME,
    pack,
    shipped_config,
    shipped_weights,
)
from jobsearch.encoder.tensorfile import read_tensors
from jobsearch.encoder.weights import WeightSet, table_rows
from jobsearch.errors import EncoderError, TuningError
from jobsearch.home import builtin_encoder_directory
from jobsearch.taxonomy.library import BUILTIN, find_taxonomy
from jobsearch.tuning.models import delete_model, list_models, newest_model, read_record


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files, used in their place."""
    folder = Path(shutil.copytree(builtin_encoder_directory(), tmp_path / "encoder"))
    monkeypatch.setattr(shipped, "builtin_encoder_directory", lambda: folder)
    return folder


def test_it_is_the_base_with_other_dense_tensors_and_other_rows_where_training_saw_tokens() -> None:
    weights, base = shipped_weights(), packaged_weights("lower")
    assert (weights.name, weights.case) == (SHIPPED_NAME, "lower")
    assert weights.fingerprint == shipped_config()["fingerprint"] != base.fingerprint
    every = np.arange(arch.VOCABULARY)
    moved = abs(table_rows(weights.tensors, every) - table_rows(base.tensors, every)).max(axis=1)
    other = np.zeros(arch.VOCABULARY, np.bool_)
    other[read_tensors(builtin_encoder_directory() / DELTA)[ROWS]] = True
    assert moved[~other].max() < 1e-5
    # Most of the vocabulary is of languages that no label was in.
    assert 0.02 < (moved[other] > 1e-3).sum() / arch.VOCABULARY < 0.3
    for name in arch.dense_shapes():
        assert not np.array_equal(weights.tensors[name], base.tensors[name]), name
        assert abs(weights.tensors[name] - base.tensors[name]).max() < 1


def test_it_stays_small() -> None:
    content = [path.read_bytes() for path in builtin_encoder_directory().iterdir()]
    assert sum(map(len, content)) < 21_000_000
    # In a wheel, which is what travels.
    assert sum(len(zlib.compress(each)) for each in content) < 12_000_000


def test_similar_titles_move_together_and_different_ones_do_not() -> None:
    titles = ["data scientist", "machine learning engineer", "pastry chef", "midwife"]
    others = [concept.preferred_label for concept in find_taxonomy(BUILTIN).concepts if concept.kind == "occupation"]
    together, apart, stands = [], [], []
    for weights in (packaged_weights("lower"), shipped_weights()):
        vectors, some = (LeanEncoder(weights).encode(texts) for texts in (titles, others[::10]))
        cosines, usual = vectors @ vectors.T, (some @ some.T)[np.triu_indices(len(some), 1)]
        together.append(cosines[0, 1])
        apart.append(max(cosines[0, 2:]))
        stands.append((cosines[0, 1] - usual.mean()) / usual.std())
    assert together[1] > together[0] + 0.01
    assert together[1] - apart[1] > together[0] - apart[0] + 0.08
    assert stands[1] > stands[0] + 0.4


def test_its_record_says_how_it_was_made_and_that_its_gate_let_it_pass() -> None:
    record = read_record(builtin_encoder_directory())
    assert (record["name"], record["gate"]["verdict"]) == (SHIPPED_NAME, "accepted")
    assert record["base"]["fingerprint"] == packaged_weights("lower").fingerprint == shipped_config()["base"]
    assert record["teacher"]["name"]
    # Nothing of the machine that it was made on.
    assert not Path(record["teacher"]["name"]).is_absolute()
    card = (builtin_encoder_directory() / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {SHIPPED_NAME}\n")
    assert "Teacher:" in card


def test_it_is_found_by_name_and_is_the_default_for_the_languages_that_it_knows() -> None:
    assert find_encoder(SHIPPED_NAME).fingerprint == shipped_config()["fingerprint"]
    assert find_encoder(SHIPPED_NAME, "keep").case == "keep"
    for known in (("en",), ("de",), ("en", "fr"), tuple(sorted(SHIPPED_LANGUAGES))):
        assert default_encoder(known) == SHIPPED_NAME
    assert default_encoder(("sv",)) == default_encoder(("en", "sv")) == "use"


def test_it_is_listed_as_a_model_and_stays(jobsearch_home: Path) -> None:
    assert [record["name"] for record in list_models()] == [SHIPPED_NAME]
    assert newest_model() == SHIPPED_NAME
    with pytest.raises(TuningError, match="stays"):
        delete_model(SHIPPED_NAME)


@pytest.mark.slow
def test_altered_files_are_refused(copied: Path) -> None:
    content = bytearray((copied / DELTA).read_bytes())
    content[-1] ^= 1
    (copied / DELTA).write_bytes(content)
    with pytest.raises(EncoderError, match="altered"):
        shipped_weights()
    (copied / DELTA).write_bytes(content[:1000])
    with pytest.raises(EncoderError, match="cannot be read"):
        shipped_weights()
    (copied / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EncoderError, match="base is missing"):
        shipped_weights()
    (copied / "config.json").unlink()
    with pytest.raises(EncoderError, match="install jobsearch again"):
        shipped_weights()


def test_another_base_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps({**config, "base": "0" * 64}), encoding="utf-8")
    with pytest.raises(EncoderError, match="made from other USE weights"):
        shipped_weights()


@pytest.mark.slow
def test_what_is_packed_comes_back_in_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = packaged_weights("lower")
    moved = {name: base.tensors[name] * np.float32(1.001) for name in arch.dense_shapes()}
    tuned = WeightSet({**base.tensors, **moved}, base.tokenizer_model, "lower", "mine", {"seed": 1})
    packed = pack(tuned, tmp_path)
    monkeypatch.setattr(shipped, "builtin_encoder_directory", lambda: tmp_path)
    back = shipped_weights()
    assert back.fingerprint == packed.fingerprint
    assert back.lineage == {"seed": 1}
    rows = [LeanEncoder(weights).encode(["plumber", "night nurse"]) for weights in (tuned, back)]
    assert abs(rows[0] - rows[1]).max() < 2e-3


@pytest.mark.slow
def test_a_tuned_table_comes_back_too_and_only_its_changed_rows_are_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = packaged_weights("lower")
    table = table_rows(base.tensors, np.arange(arch.VOCABULARY)).astype(np.float16)
    ids = np.array([7, 4096, 70_000, arch.VOCABULARY - 1])
    table[ids] += np.random.default_rng(0).normal(size=(len(ids), arch.TOKEN_WIDTH)).astype(np.float16)
    dense = {name: base.tensors[name] for name in arch.dense_shapes()}
    tuned = WeightSet({**dense, arch.TABLE: table}, base.tokenizer_model, "lower", "mine", {})
    packed = pack(tuned, tmp_path)
    monkeypatch.setattr(shipped, "builtin_encoder_directory", lambda: tmp_path)
    back = shipped_weights()
    assert back.fingerprint == packed.fingerprint
    assert read_tensors(tmp_path / DELTA)[ROWS].tolist() == ids.tolist()
    every = np.arange(arch.VOCABULARY)
    moved = abs(table_rows(back.tensors, every) - table_rows(base.tensors, every)).max(axis=1)
    assert moved[~np.isin(every, ids)].max() < 1e-5
    step = base.tensors[arch.TABLE_SCALE][ids % arch.SHARDS]
    off = abs(table_rows(back.tensors, ids) - table[ids].astype(np.float32)).max(axis=1)
    assert (off <= step / 6 + 0.01).all()  # half a third of the base's step, and half precision
