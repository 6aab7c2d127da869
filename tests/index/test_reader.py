"""Opening a version: parts that do not belong together are refused, also where every checksum fits."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from encoders import HashEncoder
from safetensors.numpy import save_file

from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import (
    EncoderError,
    EncoderMismatchError,
    IndexCorruptError,
    IndexFormatError,
    IndexingError,
    IndexNotFoundError,
)
from jobsearch.index.build import build_index
from jobsearch.index.check import check_version
from jobsearch.index.labels import pack_labels
from jobsearch.index.manifest import FORMAT_VERSION, Manifest, describe_files
from jobsearch.index.reader import open_version
from jobsearch.index.rows import Rows
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.words import Words
from jobsearch.taxonomy.model import Taxonomy


@pytest.fixture(scope="module")
def original(
    small_taxonomy: Taxonomy, use_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> IndexDirectory:
    directory = IndexDirectory(tmp_path_factory.mktemp("original") / "small")
    build_index(small_taxonomy, use_encoder, directory)
    return directory


@pytest.fixture
def directory(original: IndexDirectory, tmp_path: Path) -> IndexDirectory:
    """A copy of an index, to be damaged: its files are links, so replace one, never write into it."""
    shutil.copytree(original.path, tmp_path / "small", copy_function=os.link)
    return IndexDirectory(tmp_path / "small")


@pytest.fixture
def cheap(hash_encoders: None, small_taxonomy: Taxonomy, tmp_path: Path) -> IndexDirectory:
    """The same taxonomy with an encoder that opens at once, where it is not about the encoder."""
    build_index(small_taxonomy, HashEncoder(), IndexDirectory(tmp_path / "small"))
    return IndexDirectory(tmp_path / "small")


def forge(directory: IndexDirectory, **changes: object) -> None:
    """Write a manifest that fits the files as they are now."""
    path = directory.version_path("0001")
    manifest = dataclasses.replace(Manifest.read(path, ""), files=describe_files(path), **changes)  # type: ignore[arg-type]
    (path / "manifest.json").unlink()
    (path / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def put(directory: IndexDirectory, name: str, content: bytes) -> None:
    path = directory.version_path("0001") / name
    path.unlink()
    path.write_bytes(content)


def vectors_file(vectors: np.ndarray) -> bytes:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors.astype(np.float32))
    return faiss.serialize_index(index).tobytes()


def test_a_whole_version_opens(directory: IndexDirectory, use_encoder: Encoder) -> None:
    version = open_version(directory)
    assert (version.name, version.version, len(version.labels)) == ("small", "0001", 13)
    assert version.encoder.fingerprint == use_encoder.fingerprint
    check_version(version)
    forge(directory)  # what the tests below build on: a forged manifest by itself changes nothing
    check_version(open_version(directory))


# --- which version ---------------------------------------------------------------------------------------------


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="no index 'nowhere'"):
        open_version(IndexDirectory(tmp_path / "nowhere"))


@pytest.mark.parametrize("version", ["0002", "1", "../versions/0001", "/"])
def test_a_version_that_is_not_there(cheap: IndexDirectory, version: str) -> None:
    with pytest.raises(IndexNotFoundError, match="it has: 0001"):
        open_version(cheap, version)


def test_a_pointer_to_a_version_that_was_removed(cheap: IndexDirectory) -> None:
    put_pointer = cheap.path / "current"
    put_pointer.unlink()
    put_pointer.write_text("0007\n")
    with pytest.raises(IndexingError, match=r"0007.*jobsearch index build --name \S+/small`"):
        open_version(cheap)


# --- damage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("vectors.faiss", "labels.safetensors", "words.safetensors", "about.safetensors"),
        *("encoder/config.json", "encoder/weights.safetensors"),
    ],
)
def test_one_changed_bit_is_found_on_opening(directory: IndexDirectory, name: str) -> None:
    content = bytearray((directory.version_path("0001") / name).read_bytes())
    content[len(content) // 2] ^= 1
    put(directory, name, bytes(content))
    with pytest.raises(IndexCorruptError) as raised:
        open_version(directory)
    assert str(directory.version_path("0001") / name) in str(raised.value)
    assert directory.mend in str(raised.value)


def test_another_format_version_is_refused(cheap: IndexDirectory) -> None:
    path = cheap.version_path("0001") / "manifest.json"
    text = path.read_text(encoding="utf-8").replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 3')
    put(cheap, "manifest.json", text.encode())
    with pytest.raises(IndexFormatError, match=f"format version 3, this release reads {FORMAT_VERSION}"):
        open_version(cheap)


# --- parts that do not belong together -------------------------------------------------------------------------


def test_another_encoder_of_the_same_width_is_refused(
    directory: IndexDirectory, use_encoder: Encoder, other_encoder: Encoder
) -> None:
    """The weight set is valid, as wide, and fits the checksums; the vectors are the old encoder's all the same."""
    path = directory.version_path("0001")
    shutil.rmtree(path / "encoder")
    other_encoder.save(path / "encoder")
    forge(directory)
    assert other_encoder.dim == use_encoder.dim
    with pytest.raises(EncoderMismatchError) as raised:
        open_version(directory)
    for part in (use_encoder.fingerprint[:12], other_encoder.fingerprint[:12], directory.mend):
        assert part in str(raised.value)


def test_another_case_setting_is_another_encoder(directory: IndexDirectory, use_encoder: Encoder) -> None:
    """Same weights, but the queries would be spelt otherwise than the labels."""
    from jobsearch.encoder.weights import load_weights

    encoder = directory.version_path("0001") / "encoder"
    weights = load_weights(encoder, verify=False).with_case("keep")
    shutil.rmtree(encoder)
    weights.save(encoder)
    forge(directory)
    with pytest.raises(EncoderMismatchError, match=use_encoder.fingerprint[:12]):
        open_version(directory)


def test_an_encoder_that_is_none_is_told_with_the_indexs_name(directory: IndexDirectory) -> None:
    put(directory, "encoder/config.json", b'{"format_version": 1, "architecture": "word2vec"}')
    forge(directory)
    with pytest.raises(EncoderError, match=r"the encoder of index 'small': .*'word2vec'"):
        open_version(directory)


def test_another_width_in_the_manifest_is_refused(cheap: IndexDirectory) -> None:
    forge(cheap, dim=256)
    with pytest.raises(EncoderMismatchError, match="256 wide"):
        open_version(cheap)


def test_another_metric_is_refused(cheap: IndexDirectory) -> None:
    forge(cheap, metric="l2")
    with pytest.raises(IndexCorruptError):
        open_version(cheap)


@pytest.mark.parametrize("shape", [(12, 512), (14, 512), (0, 512), (13, 256), (13, 513)])
def test_vectors_that_do_not_fit_the_labels_are_refused(cheap: IndexDirectory, shape: tuple[int, int]) -> None:
    put(cheap, "vectors.faiss", vectors_file(np.ones(shape)))
    forge(cheap)
    with pytest.raises(IndexCorruptError, match=rf"{shape[0]} vectors of width {shape[1]} for 13 labels and width 512"):
        open_version(cheap)


def test_labels_that_do_not_fit_the_vectors_are_refused(cheap: IndexDirectory, small_taxonomy: Taxonomy) -> None:
    smaller = Taxonomy(small_taxonomy.source, small_taxonomy.concepts[:-1])
    (cheap.version_path("0001") / "labels.safetensors").unlink()
    save_file(pack_labels(smaller), cheap.version_path("0001") / "labels.safetensors")
    forge(cheap)
    with pytest.raises(IndexCorruptError, match="13 vectors of width 512 for 12 labels"):
        open_version(cheap)


@pytest.mark.parametrize("labels", [0, 12, 14])
def test_words_that_do_not_fit_the_labels_are_refused(cheap: IndexDirectory, labels: int) -> None:
    (cheap.version_path("0001") / "words.safetensors").unlink()
    save_file(Words.build(["baker"] * labels), cheap.version_path("0001") / "words.safetensors")
    forge(cheap)
    with pytest.raises(IndexCorruptError, match=rf"index 'small' has words of {labels} labels, expected 13; .*build"):
        open_version(cheap)


@pytest.mark.parametrize("name", ["words.safetensors", "labels.safetensors", "about.safetensors"])
@pytest.mark.parametrize("forged", [False, True])
def test_a_file_that_is_missing_is_told(cheap: IndexDirectory, name: str, forged: bool) -> None:
    (cheap.version_path("0001") / name).unlink()
    if forged:
        forge(cheap)
    with pytest.raises(IndexCorruptError, match=rf"{name}.*jobsearch index build --name \S+/small`"):
        open_version(cheap)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def empty(content: bytes) -> bytes:
    return b""


def noise(content: bytes) -> bytes:
    return bytes(np.random.default_rng(0).integers(0, 256, len(content), np.uint8))


def no_columns(content: bytes) -> bytes:
    return b"\x02\0\0\0\0\0\0\0{}"


@pytest.mark.parametrize("change", [cut, empty, noise, no_columns])
@pytest.mark.parametrize("name", ["vectors.faiss", "labels.safetensors", "words.safetensors", "about.safetensors"])
def test_files_that_are_no_index_are_told_even_if_the_checksums_fit(
    cheap: IndexDirectory, name: str, change: Callable[[bytes], bytes]
) -> None:
    put(cheap, name, change((cheap.version_path("0001") / name).read_bytes()))
    forge(cheap)
    with pytest.raises(
        IndexCorruptError, match=r"index 'small' cannot be read .*jobsearch index build --name \S+/small`"
    ):
        open_version(cheap)


# --- an open version -------------------------------------------------------------------------------------------


def test_a_version_answers_after_its_folder_was_removed(original: IndexDirectory, tmp_path: Path) -> None:
    shutil.copytree(original.path, tmp_path / "small")
    version = open_version(IndexDirectory(tmp_path / "small"))
    shutil.rmtree(tmp_path / "small")
    labels = list(version.labels.texts)
    scores, rows = version.vectors.search(version.encoder.encode(labels), 1)
    assert [labels[row] for row in rows[:, 0]] == labels
    assert abs(scores - 1).max() < 1e-5
    assert version.labels.entry(0, "en").labels == ("baker", "bread maker", "oven hand")


@pytest.mark.parametrize("rows", [(0, 13), (0, 9), (9, 13), (4, 5)])
def test_nearest_finds_what_brute_force_finds_within_the_rows(cheap: IndexDirectory, rows: tuple[int, int]) -> None:
    version = open_version(cheap)
    queries = version.encoder.encode(["baking", "Leiter", "kitchen help"])
    everything = queries.astype(np.float64) @ version.vectors.embeddings.astype(np.float64).T
    scores, found = version.vectors.exact(queries, rows[1] - rows[0], Rows.between(*rows))
    for query in range(3):
        assert sorted(found[query]) == list(range(*rows))
        assert np.all(np.diff(scores[query]) <= 0)
        assert abs(scores[query] - everything[query, found[query]]).max() < 1e-5
