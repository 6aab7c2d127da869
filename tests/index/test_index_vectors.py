"""Vectors of every index type against brute force by value, in memory and mapped from a file."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import faiss
import numpy as np
import pytest
from brute_force import unit_vectors

from jobsearch.encoder.protocol import Embeddings
from jobsearch.index.rows import Rows
from jobsearch.index.types import TYPE_NAMES, find_type
from jobsearch.index.vectors import Vectors

# Enough for 4-bit codes; `ivf` itself needs more, so a smaller one of its kind stands for it. `test_compact` has the
# type that keeps other vectors.
COUNT, DIM = 640, 32
IVF = "IVF8,PQ8x4fs,RFlat"
TYPES = (*(name for name in TYPE_NAMES if name not in ("ivf", "compact")), IVF, "HNSW16,Flat", "IVF16,SQ8,RFlat")
SETTINGS = {IVF: {"n_probe": 4}, "IVF16,SQ8,RFlat": {"n_probe": 8}, "hnsw": {"ef_search": 64}, "pq": {"k_factor": 8}}


@pytest.fixture(scope="module")
def embeddings() -> Embeddings:
    return unit_vectors(COUNT, DIM)


@pytest.fixture(scope="module")
def queries() -> Embeddings:
    return unit_vectors(20, DIM, seed=1)


@pytest.fixture(scope="module")
def cosines(embeddings: Embeddings, queries: Embeddings) -> np.ndarray:
    return queries.astype(np.float64) @ embeddings.astype(np.float64).T


@pytest.fixture(scope="module", params=TYPES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def built(name: str, embeddings: Embeddings) -> Vectors:
    return Vectors.build(embeddings, find_type(name, COUNT, DIM)).with_settings(SETTINGS.get(name, {}))


@pytest.fixture(scope="module")
def path(name: str, built: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vectors") / "vectors.faiss"
    built.write(path)
    return path


@pytest.fixture(scope="module", params=["built", "read"])
def vectors(request: pytest.FixtureRequest, name: str, built: Vectors, path: Path) -> Vectors:
    return built if request.param == "built" else Vectors.read(path, SETTINGS.get(name, {}))


# --- what is kept ------------------------------------------------------------------------------------------------


def test_the_vectors_are_kept_bit_by_bit(vectors: Vectors, embeddings: Embeddings) -> None:
    assert (len(vectors), vectors.dim) == (COUNT, DIM)
    assert vectors.embeddings.dtype == np.float32
    assert np.array_equal(vectors.embeddings, embeddings)
    assert not vectors.embeddings.flags.writeable


def test_a_file_is_mapped_not_read(path: Path) -> None:
    """The vectors lie within the pages that the kernel has mapped from the file."""
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("the kernel does not tell what is mapped")
    vectors = Vectors.read(path, {})
    lines = [line for line in maps.read_text(encoding="utf-8").splitlines() if line.endswith(str(path))]
    spans = [[int(part, 16) for part in line.split()[0].split("-")] for line in lines]
    first = vectors.embeddings.__array_interface__["data"][0]
    last = first + vectors.embeddings.nbytes
    assert any(start <= first and last <= stop for start, stop in spans), lines


def test_the_array_outlives_the_index_and_the_file(path: Path, embeddings: Embeddings, tmp_path: Path) -> None:
    copy = tmp_path / "vectors.faiss"
    copy.write_bytes(path.read_bytes())
    array = Vectors.read(copy, {}).embeddings
    row = array[7]
    copy.unlink()
    gc.collect()
    # Were the memory given back, this would take it.
    overwritten = [np.full((COUNT, DIM), 7, np.float32) for _ in range(20)]
    assert np.array_equal(array, embeddings)
    assert np.array_equal(row, embeddings[7])
    assert len(overwritten) == 20


def test_a_built_array_outlives_its_index(embeddings: Embeddings) -> None:
    array = Vectors.build(embeddings.copy(), find_type("sq8", COUNT, DIM)).embeddings
    gc.collect()
    overwritten = [np.full((COUNT, DIM), 7, np.float32) for _ in range(20)]
    assert np.array_equal(array, embeddings)
    assert len(overwritten) == 20


def test_other_settings_share_the_vectors(built: Vectors) -> None:
    other = built.with_settings({"k_factor": 2, "n_probe": 1, "ef_search": 16})
    assert np.shares_memory(other.embeddings, built.embeddings)


def test_an_index_of_no_vectors_has_an_empty_array() -> None:
    vectors = Vectors(faiss.IndexFlatIP(8), {})
    assert (len(vectors), vectors.dim, vectors.embeddings.shape) == (0, 8, (0, 8))


# --- searching ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 10, 100])
def test_scores_are_exact_whatever_the_type(
    vectors: Vectors, name: str, queries: Embeddings, cosines: np.ndarray, count: int
) -> None:
    scores, rows = vectors.search(queries, count)
    assert (scores.shape, rows.shape) == ((20, count), (20, count))
    assert np.all(np.diff(scores, axis=1) <= 0)
    for query in range(20):
        found = rows[query][rows[query] >= 0]
        assert len(set(found.tolist())) == len(found)
        assert np.all(rows[query][len(found) :] == -1)  # what is missing comes last
        assert abs(scores[query, : len(found)] - cosines[query, found]).max() < 1e-6
    if name == "flat":
        assert abs(scores - np.sort(cosines)[:, ::-1][:, :count]).max() < 1e-6


def test_a_file_finds_what_was_found_before_it_was_written(
    name: str, built: Vectors, path: Path, queries: Embeddings
) -> None:
    read = Vectors.read(path, SETTINGS.get(name, {}))
    for before, after in zip(built.search(queries, 10), read.search(queries, 10), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("factory", "low", "high"),
    [
        ("IVF16,SQ8,RFlat", {"n_probe": 1}, {"n_probe": 16}),
        ("HNSW4,Flat", {"ef_search": 10}, {"ef_search": 640}),
        ("PQ8x4fs,RFlat", {"k_factor": 1}, {"k_factor": 64}),
        ("HNSW32,SQ4,RFlat", {"k_factor": 1}, {"k_factor": 64}),
    ],
)
def test_the_knob_is_in_force(
    factory: str,
    low: dict[str, int],
    high: dict[str, int],
    embeddings: Embeddings,
    queries: Embeddings,
    cosines: np.ndarray,
) -> None:
    kind = find_type(factory, COUNT, DIM)
    assert {kind.knob} == set(low) == set(high)  # the one that a build turns
    built = Vectors.build(embeddings, kind)
    best = np.sort(cosines)[:, -10][:, None]
    shares = [np.mean(built.with_settings(knob).search(queries, 10)[0] >= best - 1e-6) for knob in (low, high)]
    assert shares[0] < 0.9
    assert shares[1] > 0.98


EVERY_THIRD = np.arange(COUNT) % 3 == 0


SUBSETS = {
    "all": Rows.between(0, COUNT),
    "range": Rows.between(100, 300),
    "last": Rows.between(COUNT - 1, COUNT),
    "mask": Rows.between(0, COUNT).where(EVERY_THIRD),
    "mask in range": Rows.between(101, 300).where(EVERY_THIRD),
    "one": Rows.between(101, 300).where(np.arange(COUNT) == 299),
}


@pytest.mark.parametrize("subset", SUBSETS)
def test_exact_search_is_brute_force_over_the_rows(
    vectors: Vectors, queries: Embeddings, cosines: np.ndarray, subset: str
) -> None:
    rows = SUBSETS[subset]
    for count in {1, min(10, len(rows)), len(rows)}:
        scores, found = vectors.exact(queries, count, rows)
        expected = np.sort(cosines[:, rows.numbers()])[:, ::-1][:, :count]
        assert abs(scores - expected).max() < 1e-6
        assert np.all(rows.have(found))
        assert abs(scores - np.take_along_axis(cosines, found, axis=1)).max() < 1e-6
        assert all(len(set(own)) == count for own in found.tolist())


def test_queries_may_be_a_part_of_a_larger_array(built: Vectors, queries: Embeddings) -> None:
    """Such an array is not contiguous, which FAISS cannot take."""
    wide = np.concatenate([queries, queries], axis=1)[:, :DIM]
    assert not wide.flags.c_contiguous
    rows = Rows.between(0, COUNT)
    assert np.array_equal(built.search(wide, 5)[1], built.search(queries, 5)[1])
    assert np.array_equal(built.exact(wide, 5, rows)[1], built.exact(queries, 5, rows)[1])


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "metric", "said"),
    [
        ("SQ8", faiss.METRIC_INNER_PRODUCT, "IndexScalarQuantizer does not keep the vectors whole"),
        ("PQ8x4fs", faiss.METRIC_INNER_PRODUCT, "IndexPQFastScan does not keep the vectors whole"),
        ("IVF8,Flat", faiss.METRIC_INNER_PRODUCT, "IndexIVFFlat does not keep the vectors whole"),
        ("HNSW8,SQ8", faiss.METRIC_INNER_PRODUCT, "IndexScalarQuantizer does not keep the vectors whole"),
        ("SQ8,Refine(SQ8)", faiss.METRIC_INNER_PRODUCT, "IndexScalarQuantizer does not keep the vectors whole"),
        ("Flat", faiss.METRIC_L2, "the metric is 1, expected 0"),
        ("HNSW8,Flat", faiss.METRIC_L2, "the metric is 1, expected 0"),
    ],
)
def test_an_index_with_other_vectors_or_another_metric_is_refused(
    embeddings: Embeddings, factory: str, metric: int, said: str
) -> None:
    index = faiss.index_factory(DIM, factory, metric)
    index.train(embeddings)
    index.add(embeddings)
    with pytest.raises(ValueError, match=re.escape(said)):
        Vectors(index, {})


def test_an_index_that_lost_some_of_its_vectors_is_refused(embeddings: Embeddings) -> None:
    index = faiss.index_factory(DIM, "SQ8,RFlat", faiss.METRIC_INNER_PRODUCT)
    index.train(embeddings)
    index.add(embeddings)
    index.ntotal += 1
    with pytest.raises(ValueError, match="does not keep the vectors whole"):
        Vectors(index, {})
