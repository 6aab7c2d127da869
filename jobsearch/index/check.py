"""Checking a version beyond its checksums: that its vectors are its labels' embeddings, and that labels find them.

The same for the sentences about its concepts, as far as it has them.
"""

from __future__ import annotations

import numpy as np

from jobsearch.errors import IndexingError
from jobsearch.index.reader import IndexVersion
from jobsearch.index.recall import AT, FETCH

SAMPLE = 64
# float32 rounding differs a little with the batch that a text is in.
_TOLERANCE = 1e-4
# Share of the sample that an approximate index may fail to find by its own label.
_MISSED = 0.05


def check_version(version: IndexVersion, sample: int = SAMPLE) -> int:
    """Re-encode a sample of a version's labels with its encoder, compare with its vectors, and search for each.

    Args:
        version: an opened version; opening compared files with checksums and rows with counts.
        sample: how many labels, evenly spread; all if there are fewer.

    Returns:
        How many labels were checked.

    Raises:
        IndexingError: counts do not fit, a stored vector differs from what label and sentence are embedded as, or
            labels do not find themselves.
    """
    labels = version.labels
    counts = {"labels": len(labels), "concepts": labels.concepts()}
    for what, seen in counts.items():
        if version.manifest.counts[what] != seen:
            raise IndexingError(
                f"index {version.name!r}, version {version.version} holds {seen} {what}, its manifest says "
                f"{version.manifest.counts[what]}; build it again"
            )
    rows = np.unique(np.linspace(0, len(labels) - 1, min(sample, len(labels))).astype(int))
    texts = [labels.texts[int(row)] for row in rows]
    queries = version.about.describe(version.encoder.encode(texts), labels.concept_of[rows])
    # Half precision rounds a number below 1 by half a step of 2 to the -11 at most.
    tolerance = _TOLERANCE + (2**-11 if version.vectors.embeddings.dtype == np.float16 else 0)
    offs = np.abs(version.vectors.embeddings[rows] - queries).max(axis=1)
    # As many as recall was measured with: an approximate index asked for one alone looks at fewer candidates.
    scores, found = version.vectors.search(queries, min(FETCH * AT, len(labels)))
    itself = (found[:, 0] >= 0) & (np.abs(scores[:, 0] - 1) <= tolerance)
    # An approximate index may miss a few; a vector that is not its label's may not be found by right.
    may_miss = version.manifest.recall["recall@10"] < 1 and np.mean(~itself) <= _MISSED
    for text, off, score, right in zip(texts, offs, scores[:, 0], itself, strict=True):
        if not off <= tolerance or not (right or may_miss):
            raise IndexingError(
                f"index {version.name!r}, version {version.version}: the vector of label {text!r} is off by {off:.1e} "
                f"and its best score is {float(score):.4f}, expected below {tolerance:.0e} and 1.0000; build it again"
            )
    _check_about(version, sample)
    return len(rows)


def _check_about(version: IndexVersion, sample: int) -> None:
    """Re-encode a sample of the sentences about concepts, and compare them with their vectors."""
    about = version.about
    places = np.unique(np.linspace(0, len(about) - 1, min(sample, len(about))).astype(int))
    texts = [about.texts[int(place)] for place in places]
    if not texts:
        return
    offs = np.abs(about.vectors[places] - version.encoder.encode(texts)).max(axis=1)
    for text, off in zip(texts, offs, strict=True):
        if not off <= _TOLERANCE:
            raise IndexingError(
                f"index {version.name!r}, version {version.version}: the vector of the description {text!r} is off by "
                f"{off:.1e}, expected below {_TOLERANCE:.0e}; build it again"
            )
