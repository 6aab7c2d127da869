"""How much of the exact answer an approximate index finds, and the setting that finds enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.index.rows import Rows
from jobsearch.index.types import IndexType
from jobsearch.index.vectors import RowVectors, Scores, Vectors

AT = 10
# Labels fetched for each hit wanted: several may be of one concept. The search fetches as many.
FETCH = 4
# A build takes the fastest setting with this recall; a little above the .99 that the default promises.
TARGET = 0.995
_PROBES = 500
# Scores closer than this are a tie: float32 rounding may order equal labels either way.
TIE = 1e-6


@dataclass(frozen=True)
class Recall:
    """Recall of an index against exact search over the same vectors.

    Args:
        value: mean share of the 10 nearest labels that are found, 0 to 1.
        queries: how many queries it was measured with.
        settings: the knobs of searching that it holds for.
    """

    value: float
    queries: int
    settings: Mapping[str, int]


def probes(labels: Sequence[str]) -> list[str]:
    """Return queries that are as far from any label as real vacancy titles are: each joins halves of two labels.

    Evenly spread over the labels, always the same for the same labels. A label with a word changed would be too easy
    (`tests/benchmarks/index_types.py` compares with real titles).
    """
    rows = np.unique(np.linspace(0, len(labels) - 1, min(_PROBES, len(labels))).astype(int)).tolist()
    texts = []
    for position, row in enumerate(rows):
        words, others = labels[row].split(), labels[rows[position - len(rows) // 2]].split()
        texts.append(" ".join([*words[: (len(words) + 1) // 2], *others[len(others) // 2 :]]))
    return texts


def recall(vectors: RowVectors, queries: Embeddings, k: int = AT, truth: RowVectors | None = None) -> float:
    """Measure recall@k of `vectors.search` against exact search; equal scores are equally right.

    Args:
        vectors: the index.
        queries: float32 (n, dim), unit rows, n at least 1.
        k: labels wanted; fewer where there are fewer.
        truth: searched exactly; default: `vectors`.
    """
    return _share_found(vectors, queries, _exact(vectors if truth is None else truth, queries, k))


def _exact(vectors: RowVectors, queries: Embeddings, k: int) -> Scores:
    """Return the k highest cosines of each query, or all where there are fewer."""
    scores, _ = vectors.exact(queries, min(k, len(vectors)), Rows.between(0, len(vectors)))
    return scores


def _share_found(vectors: RowVectors, queries: Embeddings, exact: Scores) -> float:
    k = exact.shape[1]
    scores, rows = vectors.search(queries, min(FETCH * k, len(vectors)))
    return float(np.mean((rows[:, :k] >= 0) & (scores[:, :k] >= exact[:, -1:] - TIE)))


def calibrate(vectors: Vectors, kind: IndexType, encoder: Encoder, labels: Sequence[str]) -> Recall:
    """Find the fastest setting that reaches `TARGET`, or the slowest there is.

    Args:
        vectors: the index, of type `kind`.
        kind: names the knob and its values.
        encoder: made the vectors.
        labels: one a row.
    """
    queries = encoder.encode(probes(labels))
    exact = _exact(vectors, queries, AT)  # once for all settings: of ten million labels that takes minutes
    if not kind.knob:
        return Recall(_share_found(vectors, queries, exact), len(queries), {})
    for value in kind.ladder:
        settings = {kind.knob: value}
        measured = Recall(_share_found(vectors.with_settings(settings), queries, exact), len(queries), settings)
        if measured.value >= TARGET:
            break
    return measured
