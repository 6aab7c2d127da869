"""The type for millions of labels: codes in memory, vectors in half precision in a file that is read row by row."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import faiss
import numpy as np
import pytest
from brute_force import SOURCE, skill, table_of, unit_vectors
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError, StorageError
from jobsearch.index import embedding, halves, reader
from jobsearch.index import vectors as module
from jobsearch.index.build import Options, build_index
from jobsearch.index.concepts import nearest_concepts
from jobsearch.index.export import export_index
from jobsearch.index.halves import Halves
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.recall import TARGET, calibrate, probes
from jobsearch.index.rows import Rows
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.progress import silent
from jobsearch.taxonomy.library import BUILTIN, find_taxonomy
from jobsearch.taxonomy.model import Taxonomy

COUNT, DIM = 4000, 512


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two that wait for each other take ten times as long where tests run side by side."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


# --- real labels by the real encoder -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labels() -> list[str]:
    every = sorted({label for _, label, _ in find_taxonomy(BUILTIN).labels()})
    return every[:: len(every) // COUNT][:COUNT]


@pytest.fixture(scope="module")
def embeddings(labels: list[str], use_encoder: Encoder) -> Embeddings:
    return use_encoder.encode(labels)


@pytest.fixture(scope="module")
def queries(labels: list[str], use_encoder: Encoder) -> Embeddings:
    return use_encoder.encode(probes(labels))


@pytest.fixture(scope="module")
def cosines(embeddings: Embeddings, queries: Embeddings) -> np.ndarray:
    return queries.astype(np.float64) @ embeddings.astype(np.float64).T


@pytest.fixture(scope="module")
def built(labels: list[str], embeddings: Embeddings, use_encoder: Encoder) -> Vectors:
    kind = find_type("compact", COUNT, DIM)
    built = Vectors.build(embeddings, kind)
    return built.with_settings(calibrate(built, kind, use_encoder, labels).settings)


@pytest.fixture(scope="module")
def path(built: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compact") / "vectors.faiss"
    built.write(path)
    return path


@pytest.fixture(scope="module", params=["built", "read"])
def vectors(
    request: pytest.FixtureRequest, built: Vectors, path: Path, labels: list[str], use_encoder: Encoder
) -> Vectors:
    if request.param == "built":
        return built
    read = Vectors.read(path, {})
    return read.with_settings(calibrate(read, find_type("compact", COUNT, DIM), use_encoder, labels).settings)


def test_it_finds_nearly_all_of_the_ten_nearest_with_their_exact_cosines(
    vectors: Vectors, queries: Embeddings, cosines: np.ndarray
) -> None:
    scores, rows = vectors.search(queries, 40)
    assert np.all(rows >= 0)
    # Half precision has 11 binary digits, so a vector moves by 2^-12 at the most; in 512 directions it moves by far
    # less, in any one of them: 5e-5 was measured over a million labels.
    own = np.take_along_axis(cosines, rows, axis=1)
    assert 1e-6 < abs(scores - own).max() < 1e-4
    assert np.sqrt(np.mean((scores - own) ** 2)) < 2e-5
    tenth = np.sort(cosines, axis=1)[:, -10][:, None]
    # 2e-4: what rounding may do to a label and to the tenth.
    assert np.mean(own[:, :10] >= tenth - 2e-4) >= TARGET - 0.005
    assert np.all(np.diff(scores, axis=1) <= 0)
    assert all(len(set(own)) == 40 for own in rows.tolist())


def test_cells_that_are_not_visited_are_not_found(vectors: Vectors, queries: Embeddings, cosines: np.ndarray) -> None:
    _, rows = vectors.with_settings({"n_probe": 1}).search(queries, 10)
    tenth = np.sort(cosines, axis=1)[:, -10][:, None]
    assert np.mean(np.take_along_axis(cosines, rows, axis=1) >= tenth - 2e-4) < 0.8


def test_where_too_few_are_found_what_is_missing_comes_last(vectors: Vectors, queries: Embeddings) -> None:
    """One cell of 64 has not all labels."""
    scores, rows = vectors.with_settings({"n_probe": 1}).search(queries[:20], COUNT)
    assert (scores.shape, rows.shape) == ((20, COUNT), (20, COUNT))
    for own_scores, own in zip(scores, rows, strict=True):
        found = int(np.count_nonzero(own >= 0))
        assert 0 < found < COUNT
        assert np.all(own[found:] == -1)
        assert np.all(own_scores[found:] < -1e38)
        assert np.all(own_scores[:found] >= -1.001)


def test_a_file_answers_as_what_was_written_and_has_the_rounded_vectors(
    built: Vectors, path: Path, queries: Embeddings, embeddings: Embeddings
) -> None:
    read = Vectors.read(path, {"n_probe": 8})
    for before, after in zip(
        built.with_settings({"n_probe": 8}).search(queries, 10), read.search(queries, 10), strict=True
    ):
        assert np.array_equal(before, after)
    assert np.array_equal(np.load(path.with_name("vectors.npy")), embeddings.astype(np.float16))
    # The codes take 64 bytes a label and the number of each 8, beside the middle of each of 64 cells.
    assert path.stat().st_size < COUNT * 80 + 64 * DIM * 4 + 100_000


def test_the_file_of_the_vectors_is_not_mapped(path: Path, queries: Embeddings) -> None:
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("the kernel does not tell what is mapped")
    read = Vectors.read(path, {"n_probe": 8})
    read.search(queries, 10)
    read.exact(queries[:1], 10, Rows.between(0, COUNT))
    assert read.embeddings[100:200].shape == (100, DIM)
    mapped = maps.read_text(encoding="utf-8")
    assert str(path) in mapped
    assert str(path.with_name("vectors.npy")) not in mapped


def test_the_vectors_outlive_their_file_s_name(path: Path, tmp_path: Path, queries: Embeddings) -> None:
    for file in path.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    read = Vectors.read(tmp_path / path.name, {"n_probe": 8})
    before = read.search(queries, 10)
    for file in tmp_path.iterdir():
        file.unlink()
    assert np.array_equal(read.search(queries, 10)[0], before[0])


EVERY_THIRD = np.arange(COUNT) % 3 == 0
SUBSETS = {
    "all": Rows.between(0, COUNT),
    "range": Rows.between(100, 900),
    "mask": Rows.between(0, COUNT).where(EVERY_THIRD),
    "few": Rows.between(0, COUNT).where(np.arange(COUNT) % 400 == 7),
    "last": Rows.between(COUNT - 1, COUNT),
}


@pytest.mark.parametrize("block", [8192, 130])
@pytest.mark.parametrize("subset", SUBSETS)
def test_exact_search_is_brute_force_over_the_rows(
    vectors: Vectors,
    queries: Embeddings,
    cosines: np.ndarray,
    subset: str,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(halves, "_BLOCK", block)
    rows = SUBSETS[subset]
    for count in {1, min(10, len(rows)), len(rows)}:
        scores, found = vectors.exact(queries[:9], count, rows)
        expected = np.sort(cosines[:9, rows.numbers()])[:, ::-1][:, :count]
        assert scores.shape == found.shape == (9, count)
        assert abs(scores - expected).max() < 1e-4
        assert np.all(rows.have(found))
        assert np.all(np.diff(scores, axis=1) <= 0)
        assert abs(scores - np.take_along_axis(cosines[:9], found, axis=1)).max() < 1e-4
        assert all(len(set(own)) == count for own in found.tolist())


def test_both_searches_score_a_label_alike(vectors: Vectors, queries: Embeddings) -> None:
    scores, rows = vectors.search(queries, 10)
    for query, own_scores, own_rows in zip(queries[:50], scores, rows, strict=False):
        exact, found = vectors.exact(query[None], COUNT, Rows.between(0, COUNT))
        assert abs(exact[0][np.argsort(found[0])][own_rows] - own_scores).max() < 1e-6


# --- building slice by slice -------------------------------------------------------------------------------------


def content_of(vectors: Vectors, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    vectors.write(folder / "vectors.faiss")
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("name", ["flat", "pq", "IVF8,PQ4x4fs,RFlat", "compact"])
def test_adding_slice_by_slice_changes_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = unit_vectors(1300, 16)
    kind = find_type(name, *embeddings.shape)
    whole = content_of(Vectors.build(embeddings, kind), tmp_path / "whole")
    monkeypatch.setattr(module, "_ADDED", 200)
    assert content_of(Vectors.build(embeddings, kind), tmp_path / "sliced") == whole


def test_a_sample_to_train_with_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = unit_vectors(2000, 16)
    kind = find_type("compact", *embeddings.shape)
    whole = content_of(Vectors.build(embeddings, kind), tmp_path / "whole")
    monkeypatch.setattr(module, "_TRAINED", 1300)
    first, second = (content_of(Vectors.build(embeddings, kind), tmp_path / name) for name in ("first", "second"))
    assert first == second
    assert first["vectors.faiss"] != whole["vectors.faiss"]
    assert first["vectors.npy"] == whole["vectors.npy"]
    assert np.array_equal(module._sample(embeddings), embeddings[np.linspace(0, 1999, 1300).astype(int)])


def test_single_precision_is_rounded_as_it_is_read() -> None:
    embeddings = unit_vectors(50, 32)
    rounded = embeddings.astype(np.float16)
    for kept in (embeddings, rounded):
        seen = Halves(kept)
        assert (len(seen), seen.shape, seen.dtype) == (50, (50, 32), np.float16)
        assert seen[10:20].dtype == np.float32
        assert np.array_equal(seen[10:20], rounded[10:20])
        assert np.array_equal(seen[np.array([7, 3])], rounded[[7, 3]])
    with pytest.raises(ValueError, match="expected float16"):
        Halves(embeddings.astype(np.float64))
    with pytest.raises(ValueError, match="expected float16"):
        Halves(rounded[0])


# --- in an index -------------------------------------------------------------------------------------------------

# Turned, since the check of a build expects numbers of about the size that USE's have: all below 0.25.
TURN = np.linalg.qr(np.random.default_rng(0).standard_normal((DIM, DIM)))[0].astype(np.float32)
# Turned one by one: on some processors BLAS rounds a row by its place among the others.
ENCODER = Wrapped(
    HashEncoder(DIM),
    encode=lambda texts: np.array([row @ TURN for row in HashEncoder(DIM).encode(texts)], "f4").reshape(-1, DIM),
)
WORDS = ("sales", "night", "steel", "water", "team", "crane", "garden", "school", "law", "bread", "train")
# 1,331: as many as 32 cells need.
TEXTS = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS]


def skills(texts: Sequence[str]) -> Taxonomy:
    """Return a taxonomy with one concept a label, and one of the labels twice."""
    concepts = [skill(f"{number:04d}", text) for number, text in enumerate(texts)]
    return Taxonomy.of(SOURCE, [*concepts, skill("again", texts[0])])


def build(directory: Path, texts: Sequence[str] = TEXTS, kind: str | None = "compact") -> IndexVersion:
    return build_index(skills(texts), ENCODER, IndexDirectory(directory), options=Options(kind))


@pytest.fixture(autouse=True)
def opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are opened with the encoder that is turned."""
    monkeypatch.setattr(reader, "open_encoder", lambda path, verify: ENCODER)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "t"


def test_the_whole_way_from_a_build_to_hits(directory: Path) -> None:
    version = build(directory)
    assert (version.manifest.index_type, version.manifest.factory) == ("compact", "IVF32,PQ128x4fs")
    assert {"vectors.faiss", "vectors.npy"} <= set(version.manifest.files)
    assert version.manifest.recall["recall@10"] >= TARGET
    queries = ENCODER.encode(["night train", "law clerk", TEXTS[400]])
    cosines = queries.astype(np.float64) @ ENCODER.encode(list(version.labels.texts)).astype(np.float64).T
    every = Rows.between(0, len(version.labels))
    third, few = (every.where(np.arange(len(version.labels)) % step == 0) for step in (3, 300))
    for rows in (every, Rows.between(100, 900), third, few):
        k = min(10, len(rows))
        for own, found in zip(
            cosines, nearest_concepts(version.vectors, version.labels, queries, k, rows), strict=True
        ):
            # One label a concept, but for the two that have the same one: each concept's cosine is its label's.
            best = np.sort(own[rows.numbers()])[::-1][:k]
            assert [score for score, _ in found] == pytest.approx(best.tolist(), abs=2e-4)
            assert [score for score, _ in found] == pytest.approx([own[row] for _, row in found], abs=1e-4)
    uri = version.labels.uris[0]
    near = JobSearch.open(directory).similar(uri, k=3)
    assert all(hit.uri != uri and 0 < hit.score <= 1 for hit in near)


def test_what_is_exported_is_single_precision_of_the_rounded(directory: Path, tmp_path: Path) -> None:
    version = build(directory)
    export_index(version, tmp_path / "exported", "npy")
    exported = np.load(tmp_path / "exported" / "vectors.npy")
    assert exported.dtype == np.float32
    expected = ENCODER.encode(list(version.labels.texts)).astype(np.float16)
    assert np.array_equal(exported, expected)


@pytest.mark.parametrize("damage", ["missing", "altered", "of another index"])
def test_vectors_that_are_not_those_of_the_codes_are_refused(directory: Path, damage: str) -> None:
    build(directory)
    file = directory / "versions" / "0001" / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    if damage == "altered":
        file.write_bytes(content)
    if damage == "of another index":
        Halves(unit_vectors(7, DIM)).write(file)
    with pytest.raises(IndexCorruptError, match=r"vectors\.npy"):
        open_version(IndexDirectory(directory))


def test_a_file_of_another_shape_is_not_taken_for_the_vectors(path: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors.faiss").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="does not keep the vectors whole"):
        Vectors.read(tmp_path / "vectors.faiss", {})
    Halves(unit_vectors(COUNT - 1, DIM)).write(tmp_path / "vectors.npy")
    with pytest.raises(ValueError, match=rf"{COUNT} vectors of width 512, their file \(3999, 512\)"):
        Vectors.read(tmp_path / "vectors.faiss", {})


# --- vectors that are too large for the memory -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat", "sq8", "compact"])
def test_an_index_is_the_same_where_the_vectors_of_its_build_are_in_a_file(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files_of(name: str) -> dict[str, bytes]:
        build(tmp_path / name, kind=kind)
        folder = tmp_path / name / "versions" / "0001"
        return {file.name: file.read_bytes() for file in folder.glob("*.*") if file.name != "manifest.json"}

    in_memory = files_of("memory")
    made: list[tuple[int, int]] = []
    temporary = embedding.RowFile.temporary
    monkeypatch.setattr(embedding, "_IN_MEMORY", 0)
    monkeypatch.setattr(embedding, "_SLICE", 500)
    monkeypatch.setattr(
        embedding.RowFile,
        "temporary",
        lambda folder, shape, dtype: made.append(shape) or temporary(folder, shape, dtype),
    )
    assert files_of("file") == in_memory
    assert made == [(1332, 512)]


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_build_leaves_none_of_them(directory: Path, interrupted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_IN_MEMORY", 0)
    seen: list[Path] = []

    def encode(texts: Sequence[str]) -> Embeddings:
        seen.extend(path for path in directory.rglob("*") if path.is_file() and path.stat().st_size > 100_000)
        if interrupted:
            raise KeyboardInterrupt
        return ENCODER.encode(texts)

    index, encoder = IndexDirectory(directory), Wrapped(ENCODER, encode=encode)
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            build_index(skills(TEXTS), encoder, index, options=Options("compact"))
        assert [path for path in directory.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []
    else:
        build_index(skills(TEXTS), encoder, index, options=Options("compact"))
        assert not (directory / "unfinished").exists()
    assert seen == []


def test_a_file_that_may_not_grow_so_large_is_a_storage_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real limit: 1,332 vectors take 2,727,936 bytes."""
    monkeypatch.setattr(embedding, "_IN_MEMORY", 0)
    directory.mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_700_000, before[1]))
    try:
        with pytest.raises(StorageError, match="ulimit -f"):
            embedding.embed_labels(*table_of([*TEXTS, "x"], ENCODER), ENCODER, IndexDirectory(directory), silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- vectors of an earlier version -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [("compact", "compact", True), ("flat", "compact", True), ("compact", "flat", False), ("flat", "sq8", True)],
)
def test_rounded_vectors_are_taken_only_where_they_are_rounded_anyway(
    directory: Path, before: str, after: str, taken: bool
) -> None:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> Embeddings:
        asked.extend(texts)
        return ENCODER.encode(texts)

    build(directory, kind=before)
    version = build_index(
        skills(TEXTS), Wrapped(ENCODER, encode=encode), IndexDirectory(directory), options=Options(after)
    )
    assert (not set(TEXTS) & set(asked)) is taken
    dtype = np.float16 if after == "compact" else np.float32
    expected = ENCODER.encode(list(version.labels.texts)).astype(dtype)
    assert np.array_equal(version.vectors.embeddings[:], expected)


def test_a_rounded_part_of_an_interrupted_build_is_not_taken_by_an_exact_one(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_SLICE", 400)
    monkeypatch.setattr(embedding, "_SLICES_KEPT", 2)
    index, asked = IndexDirectory(directory), []

    def failing(texts: Sequence[str]) -> Embeddings:
        asked.append(len(texts))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return ENCODER.encode(texts)

    with pytest.raises(KeyboardInterrupt):
        build_index(skills(TEXTS), Wrapped(ENCODER, encode=failing), index, options=Options("compact"))
    (part,) = (directory / "unfinished").rglob("*.safetensors")
    assert part.stat().st_size < 800 * (512 * 2 + 100)
    for name, dtype, embedded in (("compact", np.float16, 531), ("flat", np.float32, 1331)):
        asked.clear()
        rows = embedding.embed_labels(
            *table_of(TEXTS, ENCODER),
            Wrapped(ENCODER, encode=lambda texts: asked.append(len(texts)) or ENCODER.encode(texts)),
            index,
            silent,
            dtype,
        )
        assert (name, sum(asked)) == (name, embedded)
        assert np.array_equal(rows[:], ENCODER.encode(TEXTS).astype(dtype))
