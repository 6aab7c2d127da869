"""How crowded it is around each label: some are near whatever is typed, and would be found too often.

In spaces of many dimensions a few points, the hubs, are among the nearest of far more others than the rest (M.
Radovanović et al., "Hubs in Space", JMLR 2010). A label's hubness is its mean cosine with the nearest preferred labels
of other concepts. Searching takes a share of it off (`lexical.fusion.HUBNESS`): cross-domain similarity local scaling,
CSLS, with labels standing for queries (A. Conneau et al., "Word Translation Without Parallel Data", 2018,
arXiv:1710.04087).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings

# Preferred labels that count as near.
NEAREST = 10
# With fewer preferred labels than this the nearest are not near, and nothing is taken off.
LEAST = 200
# More are not compared with: so many stand for them. All of ESCO's occupations are fewer, its skills are not.
_MOST = 4096
# An odd number that mixes the bits of what it is multiplied with: 2^64 by the golden ratio.
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SLICE = 8192


def hubness(
    embeddings: Any,
    concept_of: npt.NDArray[np.integer[Any]],
    preferred: npt.NDArray[np.bool_],
    group_of: npt.NDArray[np.integer[Any]] | None = None,
) -> npt.NDArray[np.float32]:
    """Return how near each label is to labels of other concepts, against the mean label of its group.

    Args:
        embeddings: float32 or float16 (labels, dim), unit rows, in memory or in a file.
        concept_of: each label's concept.
        preferred: which labels are preferred: in a group one of each concept.
        group_of: which labels are compared with each other, such as those of a kind and language; default: all.

    Returns:
        Float32 (labels,), of mean 0 in each group, all 0 where a group has too few preferred labels. Where it has more
        than 4,096, so many are drawn to stand for all.
    """
    found = np.zeros(len(concept_of), np.float32)
    for group in [None] if group_of is None else np.unique(group_of).tolist():
        rows = np.arange(len(concept_of)) if group_of is None else np.flatnonzero(group_of == group)
        references = rows[preferred[rows]]
        if len(references) < LEAST:
            continue
        if len(references) > _MOST:
            references = references[_drawn(embeddings, references)]
        crowd = _mean_cosines(embeddings, concept_of, rows, references)
        found[rows] = crowd - crowd.mean(dtype=np.float64)
    return found


def _mean_cosines(
    embeddings: Any,
    concept_of: npt.NDArray[np.integer[Any]],
    rows: npt.NDArray[np.int64],
    references: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    import faiss

    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(_floats(embeddings[references]))
    of_reference = concept_of[references]
    means = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _SLICE):
        part = rows[start : start + _SLICE]
        # One more than count: a label's own concept is among the references at most once.
        cosines, near = index.search(_floats(embeddings[part]), NEAREST + 1)
        cosines[of_reference[near] == concept_of[part, None]] = -2
        means[start : start + len(part)] = np.sort(cosines, axis=1)[:, -NEAREST:].mean(axis=1)
    return means


def _drawn(embeddings: Any, references: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the places of `_MOST` references, drawn by what their vectors are: one more or less moves one of them."""
    first = np.concatenate(
        [_floats(embeddings[references[at : at + _SLICE]])[:, :2] for at in range(0, len(references), _SLICE)]
    )
    mixed = np.ascontiguousarray(first).view(np.uint64)[:, 0] * _MIX
    return np.sort(np.argsort(mixed, kind="stable")[:_MOST])


def _floats(embeddings: Any) -> Embeddings:
    return np.ascontiguousarray(embeddings, np.float32)
