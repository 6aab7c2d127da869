"""From labels to concepts: the labels of a concept compete, and the best one speaks for it."""

from __future__ import annotations

import itertools

import numpy as np

from jobsearch.encoder.protocol import Embeddings
from jobsearch.index.labels import LabelTable
from jobsearch.index.recall import FETCH
from jobsearch.index.rows import Rows
from jobsearch.index.types import EXACT_UP_TO
from jobsearch.index.vectors import RowNumbers, Scores, Vectors

# A concept by its best label: (cosine, row of the label).
Found = tuple[float, int]
# Scores closer than this are a tie: float32 rounding may order equal labels either way.
_TIE = 1e-6
_LEAST_FETCHED = 32
# Share of all labels that may be fetched before scoring each of them is the faster way.
_MOST_FETCHED = 1 / 16


def nearest_concepts(
    vectors: Vectors,
    labels: LabelTable,
    queries: Embeddings,
    k: int,
    rows: Rows,
    min_score: float = -2.0,
) -> list[list[Found]]:
    """Find the k nearest concepts of each query, fetching more labels until k are certain.

    Args:
        vectors, labels: the rows to search.
        queries: float32 (n, dim), unit rows.
        k: concepts wanted.
        rows: the rows that may be found.
        min_score: cosine below which a label is not found.

    Returns:
        For each query k concepts, or fewer only where fewer are left by `rows` and `min_score`; best first, equal
        scores ordered by preferred label, then by the table's order. An approximate index may miss some and put the
        next ones in their place; scores are always exact.
    """
    found: list[list[Found]] = [[] for _ in queries]
    open_queries = list(range(len(queries)))
    count = max(_LEAST_FETCHED, FETCH * k)
    while open_queries:
        # Short of concepts, an approximate index is asked for ever more, until exact search is the faster way.
        whole = count >= len(rows)
        scores, numbers = _fetch(vectors, queries[open_queries], count, rows)
        short = []
        for query, own_scores, own_rows in zip(open_queries, scores, numbers, strict=True):
            kept = rows.have(own_rows)
            best = _best_rows(labels, own_scores[kept].tolist(), own_rows[kept].tolist())
            last = float(own_scores[-1]) if own_rows[-1] >= 0 else -2.0
            # Below the k-th concept there must be a lower score, else a tie may have been cut off.
            certain = len(best) >= k and last <= best[k - 1][0] - _TIE
            if whole or certain or -2.0 < last < min_score:
                found[query] = [entry for entry in best[:k] if entry[0] >= min_score]
            else:
                short.append(query)
        open_queries, count = short, count * 4
    return found


def _fetch(vectors: Vectors, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
    """Return the nearest `count` of some rows, or somewhat more or fewer where the index finds others that are not."""
    if len(rows) == 0:
        return np.empty((len(queries), 1), np.float32), np.full((len(queries), 1), -1, np.int64)
    # A filter drops some of what the index finds: so much more is fetched.
    fetched = count * len(vectors) // len(rows)
    if len(rows) <= EXACT_UP_TO or fetched > _MOST_FETCHED * len(vectors):
        return vectors.exact(queries, min(count, len(rows)), rows)
    return vectors.search(queries, fetched)


def _best_rows(labels: LabelTable, scores: list[float], rows: list[int]) -> list[Found]:
    """Return each concept's best label, best concept first."""
    best: dict[int, Found] = {}
    top: dict[int, float] = {}
    for score, row in zip(scores, rows, strict=True):
        concept = int(labels.concept_of[row])
        highest = top.setdefault(concept, score)  # rows come best first
        if concept not in best or (highest - score < _TIE and _order(labels, row) < _order(labels, best[concept][1])):
            best[concept] = (score, row)
    ordered = sorted(best.values(), key=lambda entry: -entry[0])
    return list(itertools.chain.from_iterable(_tie_groups(labels, ordered)))


def _tie_groups(labels: LabelTable, ordered: list[Found]) -> list[list[Found]]:
    groups: list[list[Found]] = []
    for entry in ordered:
        if groups and groups[-1][0][0] - entry[0] < _TIE:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return [sorted(group, key=lambda entry: _order(labels, entry[1])) for group in groups]


def _order(labels: LabelTable, row: int) -> tuple[bool, int]:
    """Sort key of equal scores: preferred labels first, then the table's order, which is that of the URIs."""
    return (not labels.is_preferred(row), row)
