"""The nearest concepts of exact and approximate indexes against brute force by value, within any rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from brute_force import unit_vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsearch.encoder.protocol import Embeddings
from jobsearch.index import vectors as module
from jobsearch.index.concepts import Found, nearest_concepts
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.rows import Rows
from jobsearch.index.types import EXACT_UP_TO, find_type
from jobsearch.index.vectors import Vectors
from jobsearch.taxonomy.model import Concept, Source, Taxonomy


def table_of(concepts: int, labels: int) -> LabelTable:
    """Return a table of occupations with so many labels each: label n of all stands in row n."""
    records = [
        Concept(f"urn:{number:05d}", "occupation", f"{number} 0", tuple(f"{number} {n}" for n in range(1, labels)))
        for number in range(concepts)
    ]
    return LabelTable(pack_labels(Taxonomy.of(Source("t", "1", "here"), records)))


class Truth:
    """What is to be found: cosines in float64, folded into concepts."""

    def __init__(self, vectors: Vectors, labels: LabelTable, queries: Embeddings) -> None:
        self.cosines = queries.astype(np.float64) @ vectors.embeddings.astype(np.float64).T
        self.concept_of = labels.concept_of

    def best(self, query: int, rows: Rows, min_score: float = -2.0) -> list[float]:
        """Return the best cosine of each concept that is left, highest first."""
        best: dict[int, float] = {}
        for row in np.arange(self.cosines.shape[1])[rows.numbers()].tolist():
            concept, score = int(self.concept_of[row]), float(self.cosines[query, row])
            best[concept] = max(score, best.get(concept, -2.0))
        return sorted((score for score in best.values() if score >= min_score), reverse=True)

    def check_each(self, query: int, found: Sequence[Found], rows: Rows) -> None:
        """Check that each score is that of its row, the row may be found, and no concept comes twice."""
        scores, numbers = [score for score, _ in found], np.array([row for _, row in found], int)
        assert scores == pytest.approx(self.cosines[query, numbers].tolist(), abs=1e-6)
        assert np.all(np.diff(scores) <= 1e-6)
        assert np.all(rows.have(numbers))
        assert len(set(self.concept_of[numbers].tolist())) == len(found)


DIM = 32
QUERIES = unit_vectors(12, DIM, seed=1)


# --- an index that is large enough to be approximate by itself ----------------------------------------------------

LARGE = EXACT_UP_TO + 808  # 3,000 concepts of 3 labels


@pytest.fixture(scope="module")
def large() -> tuple[Vectors, LabelTable, Truth]:
    assert LARGE == 9000
    vectors = Vectors.build(unit_vectors(LARGE, DIM), find_type(None, LARGE, DIM)).with_settings({"k_factor": 2})
    labels = table_of(3000, 3)
    return vectors, labels, Truth(vectors, labels, QUERIES)


def test_a_large_index_is_approximate_and_its_scores_are_exact(large: tuple[Vectors, LabelTable, Truth]) -> None:
    vectors, labels, truth = large
    rows = Rows.between(0, LARGE)
    found = nearest_concepts(vectors, labels, QUERIES, 10, rows)
    missed = 0
    for query, own in enumerate(found):
        assert len(own) == 10
        truth.check_each(query, own, rows)
        missed += sum(score < truth.best(query, rows)[9] - 1e-6 for score, _ in own)
    # With two candidates scored for each label wanted codes decide much: this is no exact search in disguise.
    assert 0 < missed < 60


MANY = {
    "a range": Rows.between(100, LARGE - 100),  # 8,800: so many that exact search is not the first choice
    "a mask": Rows.between(0, LARGE).where(np.arange(LARGE) % 20 > 0),  # 8,550
}
FEW = {
    "a range": Rows.between(100, 400),
    "all that exact search is for": Rows.between(0, EXACT_UP_TO),
    "a mask": Rows.between(0, LARGE).where(np.arange(LARGE) % 7 == 0),
    "a mask in a range": Rows.between(3000, 6000).where(np.arange(LARGE) % 100 == 0),
    "one": Rows.between(0, LARGE).where(np.arange(LARGE) == 4567),
    "none": Rows.between(0, LARGE).where(np.zeros(LARGE, bool)),
    "an empty range": Rows.between(LARGE, LARGE),
}


@pytest.mark.parametrize("subset", MANY)
def test_an_approximate_search_keeps_to_its_rows_and_finds_as_many_as_wanted(
    large: tuple[Vectors, LabelTable, Truth], subset: str
) -> None:
    vectors, labels, truth = large
    for k in (1, 20, 130):
        for query, own in enumerate(nearest_concepts(vectors, labels, QUERIES, k, MANY[subset])):
            assert len(own) == k
            truth.check_each(query, own, MANY[subset])


@pytest.mark.parametrize("subset", FEW)
def test_a_filter_that_leaves_few_rows_is_answered_exactly(
    large: tuple[Vectors, LabelTable, Truth], subset: str
) -> None:
    vectors, labels, truth = large
    rows = FEW[subset]
    for k in (1, 10, 2000):
        for query, own in enumerate(nearest_concepts(vectors, labels, QUERIES[:3], k, rows)):
            truth.check_each(query, own, rows)
            assert [score for score, _ in own] == pytest.approx(truth.best(query, rows)[:k], abs=1e-6)


def test_all_concepts_of_a_large_index_are_found(large: tuple[Vectors, LabelTable, Truth]) -> None:
    vectors, labels, truth = large
    rows = Rows.between(0, LARGE)
    for query, own in enumerate(nearest_concepts(vectors, labels, QUERIES[:2], 3000, rows)):
        truth.check_each(query, own, rows)
        assert [score for score, _ in own] == pytest.approx(truth.best(query, rows), abs=1e-6)


@pytest.mark.parametrize("min_score", [-1.0, 0.3, 0.45, 0.55, 1.0])
def test_a_lowest_score_holds_on_an_approximate_index(
    large: tuple[Vectors, LabelTable, Truth], min_score: float
) -> None:
    vectors, labels, truth = large
    rows = Rows.between(0, LARGE)
    for query, own in enumerate(nearest_concepts(vectors, labels, QUERIES, 50, rows, min_score)):
        truth.check_each(query, own, rows)
        assert all(score >= min_score for score, _ in own)
        assert len(own) <= len(truth.best(query, rows, min_score)[:50])
        if min_score == -1:
            assert len(own) == 50


# --- any rows, any k, an index that misses much -------------------------------------------------------------------

SMALL = 640  # 160 concepts of 4 labels


@pytest.fixture(scope="module")
def small() -> Iterator[dict[str, tuple[Vectors, LabelTable, Truth]]]:
    labels, embeddings = table_of(160, 4), unit_vectors(SMALL, DIM)
    made = {}
    for name, knob in {"Flat": {}, "IVF16,SQ8,RFlat": {"n_probe": 1}, "HNSW4,Flat": {}, "pq": {}}.items():
        vectors = Vectors.build(embeddings, find_type(name, SMALL, DIM)).with_settings(knob)
        made[name] = vectors, labels, Truth(vectors, labels, QUERIES)
    with pytest.MonkeyPatch.context() as patch:  # so that so few rows are not searched exactly at once
        patch.setattr(module, "EXACT_UP_TO", 0)
        patch.setattr(module, "_MOST_FETCHED", 0.9)
        yield made


SMALL_ROWS = st.builds(
    lambda bounds, mask: Rows.between(min(bounds), max(bounds)).where(mask) if len(mask) else Rows.between(*bounds),
    st.tuples(st.integers(0, SMALL), st.integers(0, SMALL)).map(sorted),
    st.one_of(
        st.just(np.zeros(0, bool)),
        st.builds(
            lambda seed, share: np.random.default_rng(seed).random(SMALL) < share,
            st.integers(0, 99),
            st.sampled_from([0, 0.01, 0.3, 0.97]),
        ),
    ),
)


@pytest.mark.parametrize("name", ["Flat", "IVF16,SQ8,RFlat", "HNSW4,Flat", "pq"])
@settings(max_examples=40)
@given(rows=SMALL_ROWS, k=st.integers(1, 170), min_score=st.sampled_from([-2.0, -0.1, 0.2, 0.4]))
def test_k_concepts_are_found_wherever_there_are_k(
    small: dict[str, tuple[Vectors, LabelTable, Truth]], name: str, rows: Rows, k: int, min_score: float
) -> None:
    vectors, labels, truth = small[name]
    for query, own in enumerate(nearest_concepts(vectors, labels, QUERIES[:2], k, rows, min_score)):
        truth.check_each(query, own, rows)
        left = truth.best(query, rows, min_score)[:k]
        if min_score == -2 or name == "Flat":
            assert len(own) == len(left)
        else:
            assert len(own) <= len(left)
            assert all(score >= min_score for score, _ in own)
        if name == "Flat":
            assert [score for score, _ in own] == pytest.approx(left, abs=1e-6)


def test_the_small_indexes_are_searched_approximately(
    small: dict[str, tuple[Vectors, LabelTable, Truth]],
) -> None:
    """Else the test above would prove nothing: with one cell of 16 visited, most of the nearest are missed."""
    vectors, labels, truth = small["IVF16,SQ8,RFlat"]
    rows = Rows.between(0, SMALL)
    found = nearest_concepts(vectors, labels, QUERIES, 5, rows)
    assert sum(own[0][0] < truth.best(query, rows)[0] - 1e-6 for query, own in enumerate(found)) >= 3


def test_no_queries_find_nothing(small: dict[str, tuple[Vectors, LabelTable, Truth]]) -> None:
    vectors, labels, _ = small["pq"]
    assert nearest_concepts(vectors, labels, QUERIES[:0], 5, Rows.between(0, SMALL)) == []
