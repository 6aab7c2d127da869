"""The same questions to FAISS and to Milvus: hits, filters and errors must be the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import ESCO, BruteForce, ByMeaning, made_up, of_kind, unit_vectors
from encoders import HashEncoder

pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'jobsearch[milvus]'")

from jobsearch.comparison import compare
from jobsearch.engine import JobSearch
from jobsearch.errors import QueryError
from jobsearch.filters import Filter
from jobsearch.hits import Hit
from jobsearch.index.recall import probes, recall
from jobsearch.index.rows import Rows
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.integrations import milvus_vectors as module
from jobsearch.integrations.milvus_store import Pushed, Store
from jobsearch.integrations.milvus_vectors import MilvusVectors

pytestmark = pytest.mark.slow

DIM = 64
QUERIES = ["sales manager", "Crane operatr", "bäcker", "データ"]
URIS = [f"{ESCO}occupation/{number:03d}" for number in range(30)]
FILTERS: dict[str, Filter] = {
    "none": Filter(),
    "language": Filter(language="de"),
    "isco": Filter(isco="25"),
    "allowed": Filter(allowed=URIS[:7]),
    "excluded": Filter(excluded=URIS),
    "score": Filter(min_score=0.6),
    "all": Filter(language="en", isco="2", allowed=URIS, excluded=URIS[:9], min_score=0.2),
    "nothing": Filter(allowed=["urn:not:there"]),
}


@pytest.fixture(scope="module")
def place(make_pushing: Callable[[str], Any]) -> Any:
    found = make_pushing("contract")
    found.build(crowd=60, size=60)
    return found


@pytest.fixture(scope="module")
def faiss(place: Any) -> JobSearch:
    return JobSearch.open(place.directory.path)


@pytest.fixture(
    scope="module", params=["FLAT", *(pytest.param(name, marks=pytest.mark.slow) for name in ("HNSW", "IVF_FLAT"))]
)
def milvus(place: Any, request: pytest.FixtureRequest) -> JobSearch:
    place.push(request.param)
    return JobSearch.open(place.address)


@pytest.fixture(params=["as it is", pytest.param("in small parts", marks=pytest.mark.slow)])
def whole(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Once with limits so small that what a large index does happens here: many searches, lists and reads a query."""
    if request.param == "in small parts":
        for name, value in {"MOST_ROWS": 150, "_LISTED": 100, "_QUERIES": 2, "_READ": 100}.items():
            monkeypatch.setattr(module, name, value)
    return request.param == "as it is"


def check_same(found: list[Hit], expected: list[Hit], whole: bool = True) -> None:
    """All fields but the last bits of numbers.

    Where more is fetched and filtered afterwards, as FAISS does with large indexes, other candidates may be there: what
    was found by, and who shares the probability, may differ then, and nothing else.
    """
    values: dict[str, Any] = {"score": 0.0, "cosine": 0.0, "words": 0.0, "confidence": None}
    bare = values if whole else {**values, "matched_by": "", "good_match": None}
    assert [replace(hit, **bare) for hit in found] == [replace(hit, **bare) for hit in expected]
    for name in ("score", "cosine", "words", *(("confidence",) if whole else ())):
        values = [[getattr(hit, name) for hit in hits] for hits in (found, expected)]
        assert [value is None for value in values[0]] == [value is None for value in values[1]]
        assert [v for v in values[0] if v is not None] == pytest.approx(
            [v for v in values[1] if v is not None], abs=2e-6
        )


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("both", name) for name in ("none", "isco", "all", "nothing")),
        *(("meaning", name) for name in ("none", "language", "allowed", "excluded", "score")),
        *(pytest.param("both", name, marks=pytest.mark.slow) for name in ("language", "allowed", "excluded", "score")),
        *(pytest.param("words", name, marks=pytest.mark.slow) for name in ("none", "all")),
    ],
)
def test_hits_are_the_same(milvus: JobSearch, faiss: JobSearch, whole: bool, name: str, mode: Any) -> None:
    where = FILTERS[name]
    for kind, k in (("all", 10), ("occupation", 3)):
        found = milvus.search_many(QUERIES, k, kind, where, mode)  # type: ignore[arg-type]
        for own, expected in zip(found, faiss.search_many(QUERIES, k, kind, where, mode), strict=True):  # type: ignore[arg-type]
            check_same(own, expected, whole)


def test_hits_are_those_of_brute_force(milvus: JobSearch) -> None:
    """Without FAISS in between: cosines in float64 of all labels, folded into concepts."""
    engine, force = ByMeaning(milvus._place, milvus.opened), BruteForce(made_up(0, 60, 60, 30), HashEncoder(DIM))
    for query in QUERIES:
        for kind in ("occupation", "skill", "all"):
            hits = engine.search(query, 12, kind)  # type: ignore[arg-type]
            force.check(hits, query, 12, kind, of_kind(kind))


@pytest.mark.usefixtures("whole")
def test_all_concepts_are_found_where_all_are_asked_for(milvus: JobSearch, faiss: JobSearch) -> None:
    every = milvus.opened.labels.concepts()
    for mode in ("both", "meaning"):
        found, expected = (engine.search("school", every, mode=mode) for engine in (milvus, faiss))  # type: ignore[arg-type]
        assert len(found) == every
        check_same(found, expected)


def test_the_rest_is_the_same(milvus: JobSearch, faiss: JobSearch) -> None:
    for uri in (URIS[0], f"{ESCO}occupation/crowd", f"{ESCO}skill/070"):
        check_same(milvus.similar(uri, 7), faiss.similar(uri, 7))
        assert milvus.concept(uri) == faiss.concept(uri)
        check_same(milvus.search(uri, 4), faiss.search(uri, 4))
    check_same(milvus.search("2511", 9), faiss.search("2511", 9))
    for found, expected in (
        (milvus.recommend_skills("night nurse", 6), faiss.recommend_skills("night nurse", 6)),
        *[[engine.recommend_titles(["bread baker", f"{ESCO}skill/070"], 6) for engine in (milvus, faiss)]],
    ):
        assert [one.uri for one in found] == [one.uri for one in expected]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-6)
    assert np.array_equal(milvus.embed(QUERIES), faiss.embed(QUERIES))


def test_a_comparison_takes_either(milvus: JobSearch, faiss: JobSearch) -> None:
    (one,) = compare(faiss, milvus, ["sales manager"], 10)
    assert [hit.uri for hit in one.base] == [hit.uri for hit in one.tuned]
    assert all(move.base_rank == move.tuned_rank for move in one.moves)


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: engine.search(""),
        lambda engine: engine.search("x", k=0),
        lambda engine: engine.search("x", k=100_000),
        lambda engine: engine.search("x", kind="title"),
        lambda engine: engine.search("x", mode="taste"),
        lambda engine: engine.search("x", where=Filter(language="fr")),
        lambda engine: engine.search_many("x"),
        lambda engine: engine.similar("urn:not:there"),
        lambda engine: engine.concept("urn:not:there"),
        lambda engine: engine.recommend_titles([]),
    ],
)
def test_errors_are_the_same(milvus: JobSearch, faiss: JobSearch, ask: Callable[[JobSearch], Any]) -> None:
    told = []
    for engine in (milvus, faiss):
        with pytest.raises(QueryError) as raised:
            ask(engine)
        told.append(str(raised.value))
    assert told[0] == told[1]


def test_recall_is_what_was_promised(milvus: JobSearch, faiss: JobSearch) -> None:
    """The very labels, not the hits: FLAT finds all of them, a graph or cells nearly all."""
    queries = faiss.embed(probes(list(faiss.opened.labels.texts))[::5])
    found = recall(milvus.opened.vectors, queries, truth=faiss.opened.vectors)  # type: ignore[arg-type]
    assert found >= (1 if milvus.opened.vectors._type == "FLAT" else 0.99)  # type: ignore[attr-defined]


# --- the vectors by themselves: whatever `Vectors` answers ------------------------------------------------------


COUNT = 700


@pytest.fixture(scope="module")
def pair(make_pushing: Callable[[str], Any]) -> Iterator[tuple[MilvusVectors, Vectors]]:
    vectors = unit_vectors(COUNT, DIM)
    store: Store = make_pushing("vectors").store()
    store.create("v", Pushed("t", "0001", "", "", DIM, COUNT, "FLAT", None, ""))
    for start in range(0, COUNT, 128):
        store.insert("v", start, vectors[start : start + 128])
    parameters = store.client.prepare_index_params()
    parameters.add_index("vector", index_type="FLAT", metric_type="IP")
    store.client.create_index("v", parameters)
    store.load("v")
    yield (
        MilvusVectors(store, "v", COUNT, DIM, "FLAT", fresh=True),
        Vectors.build(vectors, find_type("flat", COUNT, DIM)),
    )
    store.drop("v")


ROWS = {
    "all": Rows.between(0, COUNT),
    "a range": Rows.between(100, 480),
    "one": Rows.between(699, 700),
    "every third": Rows.between(0, COUNT).where(np.arange(COUNT) % 3 == 0),
    "nearly all of a range": Rows.between(50, 600).where(np.arange(COUNT) % 11 > 0),
}


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("whole", ["as it is", "in small parts"], indirect=True)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("count", [pytest.param(10, marks=pytest.mark.slow), COUNT])
def test_searching_is_the_same(pair: tuple[MilvusVectors, Vectors], rows: Rows, count: int) -> None:
    remote, local = pair
    queries = unit_vectors(5, DIM, 3)
    wanted = min(count, len(rows))
    scores, numbers = remote.exact(queries, wanted, rows)
    expected, right = local.exact(queries, wanted, rows)
    assert (scores.dtype, numbers.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert np.array_equal(numbers, right)
    # `nearest` may give more or fewer, and others among them; those that count are the best there are.
    _, all_right = local.exact(queries, len(rows), rows)
    near_scores, near = remote.nearest(queries, count, rows)
    for query in range(len(queries)):
        kept = near[query][rows.have(near[query])]
        assert np.all(np.diff(near_scores[query]) <= 0)
        assert np.array_equal(kept, all_right[query][: len(kept)])
        assert wanted // 2 <= len(kept)
        assert count < len(rows) or len(kept) == len(rows)


def test_vectors_are_read_as_from_an_array(pair: tuple[MilvusVectors, Vectors]) -> None:
    remote, local = pair
    assert (len(remote), remote.dim, remote.embeddings.shape) == (COUNT, DIM, (COUNT, DIM))
    for rows in (slice(5, 9), slice(0, 0), slice(690, None), np.array([7, 3, 7, 699]), np.array([], np.int64)):
        read = remote.embeddings[rows]
        assert read.dtype == np.float32
        assert np.array_equal(read, local.embeddings[rows])


def test_more_than_milvus_gives_is_refused(
    pair: tuple[MilvusVectors, Vectors], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    monkeypatch.setattr(module, "_SEARCHES", 5)
    queries = unit_vectors(1, DIM, 3)
    with pytest.raises(QueryError, match=r"700 labels of 700 are asked for, and Milvus gives 10 a search; ask for"):
        pair[0].exact(queries, COUNT, ROWS["all"])
    assert pair[0].exact(queries, 45, Rows.between(0, 45))[1].shape == (1, 45)  # five searches of ten


def test_a_row_that_is_gone_is_told(pair: tuple[MilvusVectors, Vectors], tmp_path: Path) -> None:
    from jobsearch.errors import VectorStoreError

    remote, _ = pair
    short = MilvusVectors(remote._store, "v", COUNT + 1, DIM, "FLAT")
    with pytest.raises(
        VectorStoreError, match="has no row 700, expected 701 rows; push it again with `jobsearch index"
    ):
        short.embeddings[np.array([3, COUNT])]


def test_what_a_graph_does_not_reach_is_read(
    pair: tuple[MilvusVectors, Vectors], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a filter leaves are asked for, and Milvus gives half of them: all are found all the same."""
    remote, local = pair
    search = Store.search

    def half(self: Store, *arguments: Any, **more: Any) -> Any:
        return [(scores[::2], rows[::2]) for scores, rows in search(self, *arguments, **more)]

    monkeypatch.setattr(Store, "search", half)
    queries = unit_vectors(2, DIM, 3)
    for rows in (ROWS["a range"], ROWS["every third"]):
        scores, numbers = remote.nearest(queries, len(rows), rows)
        expected, right = local.exact(queries, len(rows), rows)
        assert np.array_equal(numbers, right)
        np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert (remote.exact(queries, 9, ROWS["all"])[1] < 0).sum() == 2 * 4  # of some, what was not found is not there


def test_of_equal_scores_the_first_row_comes_first() -> None:
    scores, rows = np.array([0.5, 0.7, 0.7, 0.1], np.float32), np.array([4, 9, 2, 1])
    assert module._best(scores, rows, 3)[1].tolist() == [2, 9, 4]
