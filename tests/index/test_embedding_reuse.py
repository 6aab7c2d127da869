"""Labels are embedded once: what an earlier version or an interrupted build has is taken, if the encoder made it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from brute_force import SOURCE, skill, table_of
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.errors import StorageError
from jobsearch.index import embedding
from jobsearch.index.build import Options, build_index
from jobsearch.index.manifest import FORMAT_VERSION
from jobsearch.index.reader import IndexVersion
from jobsearch.index.versions import IndexDirectory
from jobsearch.progress import silent
from jobsearch.taxonomy.model import Taxonomy

pytestmark = pytest.mark.usefixtures("hash_encoders")
DIM = 32


@pytest.fixture
def directory(tmp_path: Path) -> IndexDirectory:
    return IndexDirectory(tmp_path / "t")


def skills(*labels: str) -> Taxonomy:
    """Return a taxonomy with one concept a label."""
    return Taxonomy.of(SOURCE, [skill(label.replace(" ", "-"), label) for label in labels])


class Counting(Wrapped):
    """A hash encoder that keeps what it was asked for, and fails when it is asked the `fails_at`-th time."""

    def __init__(self, salt: str = "", fails_at: int | None = None) -> None:
        inner = HashEncoder(DIM, salt)
        super().__init__(inner, encode=self._count)
        self._inner, self._fails_at = inner, fails_at
        self.asked: list[list[str]] = []

    def _count(self, texts: Sequence[str]) -> Embeddings:
        self.asked.append(list(texts))
        if len(self.asked) == self._fails_at:
            raise KeyboardInterrupt
        return self._inner.encode(texts)

    @property
    def labels(self) -> list[str]:
        """The labels embedded: all but the last call, which is for the queries that recall is measured with."""
        return [text for texts in self.asked[:-1] for text in texts]


def check(version: IndexVersion, encoder: Encoder) -> None:
    """Check that each row is its own label's vector."""
    texts = list(version.labels.texts)
    assert np.array_equal(version.vectors.embeddings, encoder.encode(texts))


# --- earlier versions --------------------------------------------------------------------------------------------


def test_labels_of_an_earlier_version_are_not_embedded_again(directory: IndexDirectory) -> None:
    first, second = Counting(), Counting()
    build_index(skills("bake", "cook", "weld"), first, directory)
    assert first.labels == ["bake", "cook", "weld"]
    steps: list[tuple[str, int, int]] = []
    version = build_index(skills("clean", "cook", "weld", "drive"), second, directory, lambda *step: steps.append(step))
    assert second.labels == ["clean", "drive"]
    assert [step for step in steps if step[0] == "embedding labels"] == [
        ("embedding labels", 0, 2),
        ("embedding labels", 2, 2),
    ]
    check(version, HashEncoder(DIM))


def test_an_unchanged_taxonomy_is_not_embedded_at_all(directory: IndexDirectory) -> None:
    build_index(skills("bake", "cook"), Counting(), directory)
    encoder = Counting()
    check(build_index(skills("bake", "cook"), encoder, directory), HashEncoder(DIM))
    assert encoder.labels == []


def test_all_versions_are_looked_into_not_only_the_newest(directory: IndexDirectory) -> None:
    build_index(skills("bake", "cook"), Counting(), directory)
    build_index(skills("weld"), Counting(), directory)
    encoder = Counting()
    check(build_index(skills("bake", "weld", "drive"), encoder, directory), HashEncoder(DIM))
    assert encoder.labels == ["drive"]


@pytest.mark.parametrize("index_type", ["hnsw", "sq8", "HNSW4,Flat", "IVF2,SQ8,RFlat"])
def test_vectors_are_taken_bit_by_bit_from_a_version_of_any_type(directory: IndexDirectory, index_type: str) -> None:
    labels = [f"skill {n}" for n in range(80)]
    build_index(skills(*labels), HashEncoder(DIM), directory, options=Options(index_type))
    encoder = Counting()
    version = build_index(skills(*labels[::2], "weld"), encoder, directory, options=Options("flat"))
    assert encoder.labels == ["weld"]
    check(version, HashEncoder(DIM))


def test_another_encoder_of_the_same_width_embeds_everything(directory: IndexDirectory) -> None:
    build_index(skills("bake", "cook"), Counting(), directory)
    encoder = Counting("tuned")
    version = build_index(skills("bake", "cook"), encoder, directory)
    assert encoder.labels == ["bake", "cook"]
    check(version, HashEncoder(DIM, "tuned"))
    # And back again: now there is a version of each, and each is taken from its own.
    for salt in ("", "tuned"):
        encoder = Counting(salt)
        check(build_index(skills("bake", "cook"), encoder, directory), HashEncoder(DIM, salt))
        assert encoder.labels == []


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["a bit of a vector", "the labels", "the manifest", "a file is missing"])
def test_a_damaged_version_is_not_taken_from(directory: IndexDirectory, damage: str) -> None:
    build_index(skills("bake", "cook"), Counting(), directory)
    path = directory.version_path("0001")
    if damage == "a bit of a vector":
        content = bytearray((path / "vectors.faiss").read_bytes())
        content[-5] ^= 1
        replace_file(path / "vectors.faiss", bytes(content))
    elif damage == "the labels":
        replace_file(path / "labels.safetensors", (path / "labels.safetensors").read_bytes().replace(b"bake", b"cake"))
    elif damage == "the manifest":
        text = (path / "manifest.json").read_text(encoding="utf-8")
        replace_file(path / "manifest.json", text.replace('"dim": 32', '"dim": 31').encode())
    else:
        (path / "vectors.faiss").unlink()
    encoder = Counting()
    check(build_index(skills("bake", "cake", "cook"), encoder, directory), HashEncoder(DIM))
    assert encoder.labels == ["bake", "cake", "cook"]


def test_of_several_versions_only_the_damaged_one_is_passed_over(directory: IndexDirectory) -> None:
    build_index(skills("bake", "cook"), Counting(), directory)
    build_index(skills("bake", "weld"), Counting(), directory)
    (directory.version_path("0002") / "vectors.faiss").unlink()
    encoder = Counting()
    build_index(skills("bake", "cook", "weld"), encoder, directory)
    assert encoder.labels == ["weld"]


# --- interrupted builds ------------------------------------------------------------------------------------------

MANY = [f"skill {n:02d}" for n in range(20)]


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two labels a slice, put on the disk every three slices: after 6, 12 and 18 labels."""
    monkeypatch.setattr(embedding, "_SLICE", 2)
    monkeypatch.setattr(embedding, "_SLICES_KEPT", 3)


def unfinished(directory: IndexDirectory) -> list[Path]:
    return sorted((directory.path / "unfinished").rglob("*.safetensors"))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize(
    ("fails_at", "kept"),
    [
        (3, 0),  # the third slice fails: 4 labels are done, and nothing was kept
        (4, 6),
        (8, 12),
        (10, 18),
        (11, 18),  # the labels are done, and the queries to measure recall with fail
    ],
)
def test_an_interrupted_build_goes_on_where_it_was(directory: IndexDirectory, fails_at: int, kept: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(skills(*MANY), Counting(fails_at=fails_at), directory)
    assert not directory.exists
    assert directory.versions() == []
    encoder = Counting()
    version = build_index(skills(*MANY), encoder, directory)
    assert encoder.labels == MANY[kept:]
    check(version, HashEncoder(DIM))
    assert not (directory.path / "unfinished").exists()


@pytest.mark.usefixtures("small_slices")
def test_a_build_interrupted_again_and_again_gets_done(directory: IndexDirectory) -> None:
    """Each go gets four slices far, and keeps three."""
    done: list[str] = []
    for _ in range(2):
        encoder = Counting(fails_at=5)
        with pytest.raises(KeyboardInterrupt):
            build_index(skills(*MANY), encoder, directory)
        assert not set(done) & {text for texts in encoder.asked for text in texts}
        done += [text for texts in encoder.asked[:3] for text in texts]
    encoder = Counting()
    check(build_index(skills(*MANY), encoder, directory), HashEncoder(DIM))
    assert encoder.labels == MANY[12:]


@pytest.mark.usefixtures("small_slices")
def test_an_interrupted_build_by_another_encoder_is_not_taken_from(directory: IndexDirectory) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(skills(*MANY), Counting(fails_at=8), directory)
    encoder = Counting("tuned", fails_at=5)
    with pytest.raises(KeyboardInterrupt):
        build_index(skills(*MANY), encoder, directory)
    assert encoder.asked[0] == MANY[:2]
    # Each has its own part, and takes it.
    for salt, kept in (("tuned", 6), ("", 12)):
        shutil.copytree(directory.path, directory.path.parent / f"{salt}-")
        encoder = Counting(salt)
        version = build_index(skills(*MANY), encoder, IndexDirectory(directory.path.parent / f"{salt}-"))
        assert encoder.labels == MANY[kept:]
        check(version, HashEncoder(DIM, salt))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("damage", ["a bit", "cut short", "empty", "not a tensor file", "tensors of another kind"])
def test_a_damaged_part_is_embedded_again(directory: IndexDirectory, damage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(skills(*MANY), Counting(fails_at=8), directory)
    first, second = unfinished(directory)
    content = first.read_bytes()
    lost = MANY[:6] if MANY[0].encode() in content else MANY[6:12]
    match damage:
        case "a bit":
            first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "cut short":
            first.write_bytes(content[:-100])
        case "empty":
            first.write_bytes(b"")
        case _:
            # With the name that fits its content, so that the checksum does not tell.
            whole = b"nothing" if damage == "not a tensor file" else b"\x02\0\0\0\0\0\0\0{}"
            first.write_bytes(whole)
            first.rename(first.with_stem(embedding.hash_file(first)))
    encoder = Counting()
    version = build_index(skills(*MANY), encoder, directory)
    assert sorted(encoder.labels) == sorted([*lost, *MANY[12:]])
    check(version, HashEncoder(DIM))
    assert not second.exists()


@pytest.mark.usefixtures("small_slices")
def test_a_killed_writers_leftover_is_no_part(directory: IndexDirectory) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(skills(*MANY), Counting(fails_at=4), directory)
    (part,) = unfinished(directory)
    part.rename(part.parent / ".part")  # killed between writing and renaming
    encoder = Counting(fails_at=5)
    with pytest.raises(KeyboardInterrupt):
        build_index(skills(*MANY), encoder, directory)
    assert encoder.asked[0] == MANY[:2]
    assert unfinished(directory) == [part]  # and it was in nobody's way


@pytest.mark.usefixtures("small_slices")
def test_a_build_without_interruption_leaves_nothing_behind(directory: IndexDirectory) -> None:
    build_index(skills(*MANY), Counting(), directory)
    assert {path.name for path in directory.path.iterdir()} == {"current", "versions", ".lock", ".pointer.lock"}


@pytest.mark.usefixtures("small_slices")
def test_a_disk_that_is_full_in_between_is_a_storage_error(directory: IndexDirectory) -> None:
    """A real one: everything written to /dev/full is refused for lack of space."""
    folder = directory.path / "unfinished" / f"{HashEncoder(DIM).fingerprint}-{FORMAT_VERSION}"
    folder.mkdir(parents=True)
    (folder / ".part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="the disk is full"):
        build_index(skills(*MANY), Counting(), directory)
    assert not directory.exists


def test_embedding_by_itself_gives_the_rows_in_the_order_asked(directory: IndexDirectory) -> None:
    encoder = HashEncoder(DIM)
    texts = ["weld", "bake", "weld", "cook", "bake"]
    rows = embedding.embed_labels(*table_of(texts, encoder), encoder, directory, silent)
    assert np.array_equal(rows, encoder.encode(texts))
    assert rows.dtype == np.float32
