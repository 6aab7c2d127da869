"""Labels folded into concepts all at once: exactly what the plain way gives, which is kept here as the yardstick."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from brute_force import SOURCE, unit_vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsearch.encoder.protocol import Embeddings
from jobsearch.index import concepts as module
from jobsearch.index import vectors as searching
from jobsearch.index.concepts import Found, nearest_concepts, nearest_rows
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.rows import Rows
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.taxonomy.model import Concept, Taxonomy

TIE = 1e-6


def plain(
    vectors: Vectors, labels: LabelTable, queries: Embeddings, k: int, rows: Rows, min_score: float
) -> list[list[Found]]:
    """Find what `nearest_concepts` must find, one query at a time and one label at a time."""
    found: list[list[Found]] = [[] for _ in queries]
    open_queries, count = list(range(len(queries))), max(32, 4 * k)
    while open_queries:
        whole = count >= len(rows)
        scores, numbers = module.fetch(vectors, queries[open_queries], count, rows)
        short = []
        for query, own_scores, own_rows in zip(open_queries, scores, numbers, strict=True):
            kept = rows.have(own_rows)
            best = fold(labels, own_scores[kept].tolist(), own_rows[kept].tolist())
            last = float(own_scores[-1]) if own_rows[-1] >= 0 else -2.0
            certain = len(best) >= k and last <= best[k - 1][0] - TIE
            if whole or certain or -2.0 < last < min_score:
                found[query] = [entry for entry in best[:k] if entry[0] >= min_score]
            else:
                short.append(query)
        open_queries, count = short, count * 4
    return found


def fold(labels: LabelTable, scores: list[float], rows: list[int]) -> list[Found]:
    def order(row: int) -> tuple[bool, int]:
        return not labels.is_preferred(row), row

    best: dict[int, Found] = {}
    top: dict[int, float] = {}
    for score, row in zip(scores, rows, strict=True):
        concept = int(labels.concept_of[row])
        highest = top.setdefault(concept, score)
        if concept not in best or (highest - score < TIE and order(row) < order(best[concept][1])):
            best[concept] = (score, row)
    groups: list[list[Found]] = []
    for entry in sorted(best.values(), key=lambda entry: -entry[0]):
        if groups and groups[-1][0][0] - entry[0] < TIE:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return list(itertools.chain.from_iterable(sorted(group, key=lambda entry: order(entry[1])) for group in groups))


DIM, LABELS = 16, 600


@pytest.fixture(scope="module")
def labels() -> LabelTable:
    """150 concepts of 4 labels, half of them skills."""
    records = [
        Concept(f"urn:{n:03d}", "occupation" if n % 2 else "skill", f"{n} 0", tuple(f"{n} {i}" for i in range(1, 4)))
        for n in range(150)
    ]
    return LabelTable(pack_labels(Taxonomy.of(SOURCE, records)))


def vectors_with_ties(seed: int, copies: int, noise: float) -> Vectors:
    """Return vectors of which many are copies of others, exact or very nearly so."""
    random = np.random.default_rng(seed)
    embeddings = unit_vectors(LABELS, DIM, seed)[random.integers(0, LABELS // copies, LABELS)]
    embeddings += noise * random.standard_normal(embeddings.shape).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Vectors.build(embeddings, find_type("flat", LABELS, DIM))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    copies=st.sampled_from([1, 2, 10, 60]),
    noise=st.sampled_from([0.0, 1e-7, 1e-6, 3e-6]),
    k=st.sampled_from([1, 2, 3, 10, 75, 150]),
    skills=st.booleans(),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    min_score=st.sampled_from([-2.0, 0.0, 0.4, 0.7]),
)
def test_it_is_exactly_the_plain_way(
    labels: LabelTable, seed: int, copies: int, noise: float, k: int, skills: bool, share: float, min_score: float
) -> None:
    vectors = vectors_with_ties(seed, copies, noise)
    queries = np.concatenate([unit_vectors(4, DIM, seed + 1), vectors.embeddings[:4]])
    rows = Rows.between(*labels.rows("skill" if skills else None))
    if share < 1:
        rows = rows.where(np.random.default_rng(seed).random(LABELS) < share)
    assert nearest_concepts(vectors, labels, queries, k, rows, min_score) == plain(
        vectors, labels, queries, k, rows, min_score
    )


@pytest.mark.parametrize("index_type", ["sq8", "HNSW4,Flat"])
def test_of_an_approximate_index_too(labels: LabelTable, index_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "EXACT_UP_TO", 0)
    monkeypatch.setattr(searching, "_MOST_FETCHED", 0.9)
    embeddings = vectors_with_ties(0, 2, 1e-7).embeddings
    vectors = Vectors.build(np.array(embeddings), find_type(index_type, LABELS, DIM))
    queries = unit_vectors(40, DIM, 5)
    for rows in (
        Rows.between(0, LABELS),
        Rows.between(0, 450),
        Rows.between(0, LABELS).where(np.arange(LABELS) % 3 > 0),
    ):
        for k in (1, 5, 40):
            for least in (-2.0, 0.5):
                expected = plain(vectors, labels, queries, k, rows, least)
                assert nearest_concepts(vectors, labels, queries, k, rows, least) == expected


def test_arrays_hold_the_same_without_gaps(labels: LabelTable) -> None:
    vectors, queries = vectors_with_ties(3, 10, 1e-6), unit_vectors(30, DIM, 9)
    rows = Rows.between(0, LABELS)
    for least in (-2.0, 0.3, 0.99):
        scores, numbers = nearest_rows(vectors, labels, queries, 6, rows, least)
        assert (scores.shape, numbers.shape) == ((30, 6), (30, 6))
        lists = nearest_concepts(vectors, labels, queries, 6, rows, least)
        for own_scores, own_rows, own in zip(scores, numbers, lists, strict=True):
            assert list(zip(own_scores[: len(own)], own_rows[: len(own)], strict=True)) == own
            assert np.all(own_rows[len(own) :] == -1)


def test_of_a_tie_only_what_reaches_the_lowest_score_is_left(labels: LabelTable) -> None:
    """The first of a tie, by its place in the table, may be the lower one and miss the bound; the second stays."""
    embeddings = np.zeros((LABELS, DIM), np.float32)
    embeddings[:, 2] = 1
    high, low = 0.5000004, 0.5000001
    embeddings[8, :2] = low, np.sqrt(1 - low**2)  # a preferred label: before the other in a tie
    embeddings[13, :2] = high, np.sqrt(1 - high**2)  # an alternative label of another concept
    embeddings[[8, 13], 2] = 0
    vectors = Vectors.build(embeddings, find_type("flat", LABELS, DIM))
    query, rows = np.eye(1, DIM, dtype=np.float32), Rows.between(0, LABELS)
    assert labels.is_preferred(8)
    assert not labels.is_preferred(13)
    assert [row for _, row in nearest_concepts(vectors, labels, query, 2, rows, 0.4)[0]] == [8, 13]
    assert [row for _, row in nearest_concepts(vectors, labels, query, 2, rows, 0.5000003)[0]] == [13]
    assert nearest_rows(vectors, labels, query, 2, rows, 0.5000003)[1].tolist() == [[13, -1]]


def test_ties_are_rare_enough_for_the_fast_way(labels: LabelTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing ties, the plain way is not taken."""
    monkeypatch.setattr(module, "_best_rows", None)
    vectors = vectors_with_ties(0, 1, 1e-2)
    found = nearest_concepts(vectors, labels, unit_vectors(50, DIM, 3), 3, Rows.between(0, LABELS))
    assert [len(own) for own in found] == [3] * 50
