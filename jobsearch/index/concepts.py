"""From labels to concepts: the labels of a concept compete, and the best one speaks for it.

A label that is what was typed comes first, with a score of 1, whatever its vector: its description is in that, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings
from jobsearch.index.labels import LabelTable
from jobsearch.index.recall import FETCH, TIE
from jobsearch.index.rows import Rows
from jobsearch.index.vectors import RowNumbers, RowVectors, Scores

# A concept by its best label: (score, row of the label).
Found = tuple[float, int]
Floats = npt.NDArray[np.float64]
Exact = Mapping[int, RowNumbers]
_LEAST_FETCHED = 32
# Queries that are folded sooner one by one than all at once.
_FEW = 4


def nearest_concepts(
    vectors: RowVectors,
    labels: LabelTable,
    queries: Embeddings,
    k: int,
    rows: Rows,
    min_score: float = -2.0,
    exact: Exact = MappingProxyType({}),
) -> list[list[Found]]:
    """Find the k nearest concepts of each query, fetching more labels until k are certain.

    Args:
        vectors, labels: the rows to search.
        queries: float32 (n, dim), unit rows.
        k: concepts wanted.
        rows: the rows that may be found.
        min_score: score below which a label is not found.
        exact: rows of the labels that queries are, by the query's place (`spelling.Spellings.find`).

    Returns:
        For each query k concepts, or fewer only where fewer are left by `rows` and `min_score`; best first, equal
        scores ordered by preferred label, then by the table's order. An approximate index may miss some and put the
        next ones in their place; scores are always exact.
    """
    scores, numbers = nearest_rows(vectors, labels, queries, k, rows, min_score, exact)
    return [
        [(score, row) for score, row in zip(own_scores, own_rows, strict=True) if row >= 0]
        for own_scores, own_rows in zip(scores.tolist(), numbers.tolist(), strict=True)
    ]


def nearest_rows(
    vectors: RowVectors,
    labels: LabelTable,
    queries: Embeddings,
    k: int,
    rows: Rows,
    min_score: float = -2.0,
    exact: Exact = MappingProxyType({}),
) -> tuple[Floats, RowNumbers]:
    """Find the k nearest concepts of each query (see `nearest_concepts`), as arrays.

    Returns:
        Scores (n, k), cosines or 1, best first, and the rows of the labels; where there is no more, row -1 and no
        score.
    """
    found_scores = np.full((len(queries), k), -2.0)
    found_rows = np.full((len(queries), k), -1, np.int64)
    open_queries = np.arange(len(queries))
    count = max(_LEAST_FETCHED, FETCH * k)
    while len(open_queries):
        # Short of concepts, an approximate index is asked for ever more, until exact search is the faster way.
        whole = count >= len(rows)
        fetched, numbers = fetch(vectors, queries[open_queries], count, rows)
        # In double precision, as the scores are given back: a bound of the caller's is not rounded before it is kept.
        scores = fetched.astype(np.float64)
        best_scores, best_rows = _best(labels, scores, numbers, k, rows)
        last = np.where(numbers[:, -1] >= 0, scores[:, -1], -2.0)
        # Below the k-th concept there must be a lower score, else a tie may have been cut off.
        certain = (best_rows[:, -1] >= 0) & (last <= best_scores[:, -1] - TIE)
        done = certain | ((last > -2.0) & (last < min_score)) | whole
        low = best_scores < min_score
        if low.any():
            best_rows[low] = -1
            order = np.argsort(low, axis=1, kind="stable")  # of a tie the first may be too low and the second not
            best_scores = np.take_along_axis(best_scores, order, axis=1)
            best_rows = np.take_along_axis(best_rows, order, axis=1)
        found_scores[open_queries[done]] = best_scores[done]
        found_rows[open_queries[done]] = best_rows[done]
        open_queries, count = open_queries[~done], count * 4
    for query, spelled in exact.items():
        _put_first(labels, spelled[rows.have(spelled)], found_scores[query], found_rows[query])
    return found_scores, found_rows


def _put_first(labels: LabelTable, spelled: RowNumbers, scores: Floats, rows: RowNumbers) -> None:
    """Move the concepts of rows that are what was typed to the front, in place, with a score of 1."""
    best: dict[int, int] = {}
    for row in sorted(spelled.tolist(), key=lambda row: _order(labels, row)):
        best.setdefault(int(labels.concept_of[row]), row)
    kept = (rows >= 0) & ~np.isin(labels.concept_of[rows], list(best))
    for values, first in ((scores, [1.0] * len(best)), (rows, list(best.values()))):
        found = [*first, *values[kept].tolist()][: len(values)]
        values[: len(found)] = found


def fetch(vectors: RowVectors, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
    """Return the nearest `count` of some rows, or somewhat more or fewer where the index finds others that are not."""
    if len(rows) == 0:
        return np.full((len(queries), 1), -2.0, np.float32), np.full((len(queries), 1), -1, np.int64)
    return vectors.nearest(queries, count, rows)


def _best(labels: LabelTable, scores: Floats, numbers: RowNumbers, k: int, rows: Rows) -> tuple[Floats, RowNumbers]:
    """Fold labels into the k best concepts of each query: at once where no scores tie, one by one where some do.

    Args:
        labels: the table.
        scores, numbers: labels of each query, best first; row -1 where there are no more.
        k: concepts wanted.
        rows: the rows that count.
    """
    best_scores, best_rows = np.full((len(scores), k), -2.0), np.full((len(scores), k), -1, np.int64)
    kept = rows.have(numbers)
    clear = np.zeros(len(scores), np.bool_)
    if len(scores) > _FEW:
        places, clear = _clear(labels, scores, numbers, k, kept)
        chosen = places[clear]
        best_scores[clear] = np.take_along_axis(scores[clear], chosen, axis=1)
        best_rows[clear] = np.take_along_axis(numbers[clear], chosen, axis=1)
    for query in np.flatnonzero(~clear).tolist():
        own = kept[query]
        found = _best_rows(labels, scores[query, own].tolist(), numbers[query, own].tolist())[:k]
        for place, (score, row) in enumerate(found):
            best_scores[query, place], best_rows[query, place] = score, row
    return best_scores, best_rows


def _clear(
    labels: LabelTable, scores: Floats, numbers: RowNumbers, k: int, kept: npt.NDArray[np.bool_]
) -> tuple[RowNumbers, npt.NDArray[np.bool_]]:
    """Find the place of each of the k best concepts' first label, and tell for which queries these are the answer.

    They are if there are k among the first labels, and no two neighbours tie down to the label behind the k-th.
    """
    width = min(scores.shape[1], FETCH * k)
    # Rows that count come first, in their order.
    order = np.argsort(~kept, axis=1, kind="stable")[:, :width]
    count = np.take_along_axis(kept, order, axis=1)
    concepts = np.where(count, labels.concept_of[np.take_along_axis(numbers, order, axis=1)], -1)
    by_concept = np.argsort(concepts, axis=1, kind="stable")
    concepts = np.take_along_axis(concepts, by_concept, axis=1)
    new = np.ones(concepts.shape, np.bool_)
    new[:, 1:] = concepts[:, 1:] != concepts[:, :-1]
    first = np.empty(new.shape, np.bool_)
    np.put_along_axis(first, by_concept, new, axis=1)
    first &= count
    places = np.argsort(~first, axis=1, kind="stable")[:, :k]
    if places.shape[1] < k:
        return np.zeros((len(scores), k), np.int64), np.zeros(len(scores), np.bool_)
    # Twice the width of a tie, so that rounding here decides nothing.
    ordered = np.where(count, np.take_along_axis(scores, order, axis=1), -2.0)
    tied = np.zeros(first.shape, np.bool_)
    tied[:, :-1] = ordered[:, :-1] - ordered[:, 1:] < 2 * TIE
    last = places[:, -1]
    clear = np.count_nonzero(first, axis=1) >= k
    clear &= ~tied.any(axis=1) | (np.argmax(tied, axis=1) > last)
    clear &= (last < width - 1) | (width == scores.shape[1])  # else the label behind the k-th was not looked at
    return np.take_along_axis(order, places, axis=1), clear


def _best_rows(labels: LabelTable, scores: list[float], rows: list[int]) -> list[Found]:
    """Return each concept's best label, best concept first."""
    best: dict[int, Found] = {}
    top: dict[int, float] = {}
    for score, row in zip(scores, rows, strict=True):
        concept = int(labels.concept_of[row])
        highest = top.setdefault(concept, score)  # rows come best first
        if concept not in best or (highest - score < TIE and _order(labels, row) < _order(labels, best[concept][1])):
            best[concept] = (score, row)
    ordered = sorted(best.values(), key=lambda entry: -entry[0])
    return list(itertools.chain.from_iterable(_tie_groups(labels, ordered)))


def _tie_groups(labels: LabelTable, ordered: list[Found]) -> list[list[Found]]:
    groups: list[list[Found]] = []
    for entry in ordered:
        if groups and groups[-1][0][0] - entry[0] < TIE:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return [sorted(group, key=lambda entry: _order(labels, entry[1])) for group in groups]


def _order(labels: LabelTable, row: int) -> tuple[bool, int]:
    """Sort key of equal scores: preferred labels first, then the table's order, which is that of the URIs."""
    return (not labels.is_preferred(row), row)
