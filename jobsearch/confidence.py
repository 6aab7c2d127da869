"""How sure a hit is: scores turned into probabilities.

The nearer the best candidate, the likelier the right concept is among the first ten; and among these, the more a score
stands out, the likelier it is the right one:

    confidence(i) = logistic(offset + slope · best score) · softmax(sharpness · scores)(i)

Each kind has its own candidates: an occupation does not make a skill less likely. The constants are fitted on real
vacancy titles coded by people and on inputs that are no titles, half of each, and measured on the other half:
`tests/benchmarks/confidence.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobsearch.lexical.fusion import Mode
from jobsearch.taxonomy.model import KINDS, Kind

Floats = npt.NDArray[np.float64]
# Candidates of a kind that share the probability.
SHARING = 10
# The least probability that the right concept is among the first ten, from which on a score is a good match's.
GOOD = 1 / 3
# The score that a concept counts with of which what was typed is an alternative label, where it is another one's
# preferred label: of 89 such vacancy titles the other one was meant 65 times, and one of these 5 times.
ALTERNATIVE = 0.82
# From this score on a label is what was typed.
SAME = 1 - 1e-6


def looked_at(k: int, kind: Kind | None, concepts: int) -> int:
    """Return how many concepts to find by meaning: the hits, and whatever else shares the probability.

    All of these are looked at, however few hits are wanted and however high they must score.

    Args:
        k: hits wanted.
        kind: what is searched, None for both.
        concepts: how many there are of that.
    """
    return min(max(k, SHARING if kind else len(KINDS) * SHARING), concepts)


@dataclass(frozen=True)
class Calibration:
    """What turns scores into probabilities.

    Args:
        offset, slope: of the logistic function of the best score.
        sharpness: how much more likely a higher score is: one higher by 0.1 is `exp(0.1 · sharpness)` times as likely.
    """

    offset: float
    slope: float
    sharpness: float

    @property
    def good_score(self) -> float:
        """The least score of a good match."""
        return (math.log(GOOD / (1 - GOOD)) - self.offset) / self.slope

    def confidences(self, scores: Floats, unseen: float | None = None, nearest: float | None = None) -> Floats:
        """Return the probability that each candidate is the concept meant.

        Args:
            scores: of the candidates of one kind, (n,), in any order, its best ones.
            unseen: score, at most, that is taken for those missing among the first ten; None: there are no others.
            nearest: score that tells how likely the right one is among these; None: the best one.

        Returns:
            Float64 (n,), 0 to 1; those of the best ten sum up to 1 at most.
        """
        if not len(scores):
            return np.empty(0)
        best = float(scores.max())
        missing = max(0, SHARING - len(scores)) if unseen is not None else 0
        sharing = np.sort(np.concatenate([np.full(missing, min(unseen or 0.0, float(scores.min()))), scores]))[
            -SHARING:
        ]
        weights = np.exp(self.sharpness * (scores - best))
        shares = weights / np.exp(self.sharpness * (sharing - best)).sum()
        found: Floats = shares / (1 + math.exp(-self.offset - self.slope * (best if nearest is None else nearest)))
        return found


def evidence(scores: Floats, kinds: npt.NDArray[np.uint8], preferred: npt.NDArray[np.bool_]) -> Floats:
    """Return what scores count for here: what is one concept's preferred label hardly means another of its kind.

    Args:
        scores: of candidates, (n,); 1 for a label that is what was typed.
        kinds: of the candidates, (n,).
        preferred: whether each one's nearest label is its preferred one, (n,).
    """
    same = scores >= SAME
    outdone = same & ~preferred & np.isin(kinds, kinds[same & preferred])
    return np.where(outdone, ALTERNATIVE, scores)


def confidences(
    scores: Floats,
    kinds: npt.NDArray[np.uint8],
    mode: Mode,
    unseen: float | None = None,
    plain: Floats | None = None,
) -> Floats:
    """Return the probability that each candidate is the concept meant, of those of its kind.

    Args:
        scores: of candidates of all kinds, (n,), the best ones of each (see `evidence`).
        kinds: of the candidates, (n,).
        mode: what they were found by.
        unseen: score that is taken for those missing where a kind has fewer than ten here: candidates of both kinds are
            named together, and one may have most of them; None: there are no others.
        plain: scores without what coded titles make of them, which tell how near the nearest is; None: `scores`.
    """
    found = np.zeros(len(scores))
    for kind in np.unique(kinds).tolist():
        own = kinds == kind
        nearest = None if plain is None else float(plain[own].max())
        found[own] = CALIBRATIONS[mode].confidences(scores[own], unseen, nearest)
    return found


CALIBRATIONS: Mapping[Mode, Calibration] = {
    "both": Calibration(-3.7, 5.7, 13.8),
    "words": Calibration(-2.8, 4.25, 11.0),
    "meaning": Calibration(-4.4, 6.2, 15.6),
}
