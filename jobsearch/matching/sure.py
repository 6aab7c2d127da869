"""How sure hits are, for many titles at once: the confidences of a search by meaning, as arrays.

`jobsearch.confidence` has the formula, for one title's hits; called for each title it would take longer than searching.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jobsearch.confidence import ALTERNATIVE, CALIBRATIONS, SAME, SHARING, Floats

Flags = npt.NDArray[np.bool_]
# Titles are matched by meaning alone, so these are the constants that were fitted for it.
CALIBRATION = CALIBRATIONS["meaning"]


def sure_of(scores: Floats, kinds: npt.NDArray[np.uint8], preferred: Flags, found: Flags, more: bool) -> Floats:
    """Return the probability that each candidate is the concept meant, of those of its kind.

    Args:
        scores: of each title's nearest concepts, (n, m), best first; 1 for a label that is the title.
        kinds: of the concepts, (n, m).
        preferred: whether each one's nearest label is its preferred one, (n, m).
        found: where there is a concept, (n, m); where not, nothing of the others counts.
        more: whether there are concepts beyond the m that were looked for.

    Returns:
        Float64 (n, m), 0 to 1, and 0 where there is no concept.
    """
    # Concepts that were not seen are no nearer than the last one, if there are any.
    beyond = found.all(axis=1, keepdims=True) & more
    sure = np.zeros(scores.shape)
    for kind in np.unique(kinds[found]).tolist():
        own = found & (kinds == kind)
        same = own & (scores >= SAME)
        outdone = same & ~preferred & (same & preferred).any(axis=1, keepdims=True)
        sure += _shares(np.where(outdone, ALTERNATIVE, scores), own, np.where(beyond, scores[:, -1:], -np.inf))
    return sure


def _shares(counted: Floats, own: Flags, unseen: Floats) -> Floats:
    """Share the probability out among the candidates of one kind, those that are its `own`."""
    there = own.any(axis=1, keepdims=True)
    best = np.where(there, np.where(own, counted, -np.inf).max(axis=1, keepdims=True), 0.0)
    least = np.where(own, counted, np.inf).min(axis=1, keepdims=True)
    weights = np.exp(CALIBRATION.sharpness * (np.where(own, counted, -np.inf) - best))
    total = np.sort(weights, axis=1)[:, -SHARING:].sum(axis=1, keepdims=True)
    missing = np.maximum(SHARING - np.count_nonzero(own, axis=1, keepdims=True), 0)
    total += missing * np.exp(CALIBRATION.sharpness * (np.minimum(unseen, least) - best))
    found: Floats = weights / np.where(there, total, 1.0)
    found /= 1 + np.exp(-CALIBRATION.offset - CALIBRATION.slope * best)
    return found
