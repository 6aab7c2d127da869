"""How meaning and words are put together: a few constants, chosen on validation data.

A label's likeness is the weighted sum of two cosines, of meaning (the encoder's) and of words. Labels that are near
whatever is typed count a little less (`jobsearch.hubness`). A concept's score is its best label's likeness, with a
little of what its other labels say: of their mean, and of the preferred label. One label may be near by accident, all
of them are not. And what many job titles mean is a little likelier to be meant.
Measurements: `tests/benchmarks/README.md`, "Words and meaning".
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Mode = Literal["meaning", "words", "both"]
MODES: tuple[Mode, ...] = ("meaning", "words", "both")
MatchedBy = Literal["exact", "meaning", "words", "both", "uri", "isco"]
# Share of words in a label's likeness; shares of the mean and of the preferred label in a concept's score.
WORDS, MEAN, PREFERRED = 0.25, 0.1, 0.1
# Share of a label's hubness that is taken off its cosine.
HUBNESS = 0.25
# What a concept's score gains by its being e times as likely to be meant as the mean occupation.
PRIOR = 0.02

# The most that a concept scores without an exact label; below what `confidence` takes for one.
_BELOW_EXACT = 1 - 2e-6

Floats = npt.NDArray[Any]


def words_share(mode: Mode) -> float:
    """Return the share of words in a label's likeness, for `both` or `words`."""
    return WORDS if mode == "both" else 1.0


def without_hubness(cosines: Floats, hubness: Floats) -> Floats:
    """Return cosines less a share of each label's hubness (`jobsearch.hubness`), which can be broadcast with them."""
    result: Floats = cosines - HUBNESS * hubness
    return result


def likeness(cosines: Floats, words: Floats, share: float = WORDS) -> Floats:
    """Return a label's likeness from its two cosines, -1 to 1; arrays of one shape, `share` that of words."""
    result: Floats = (1 - share) * cosines + share * words
    return result


def concept_score(best: Floats, mean: Floats, preferred: Floats, prior: Floats | float = 0.0) -> Floats:
    """Return a concept's score from the likeness of its best, its mean and its preferred label; arrays of one shape.

    Args:
        best, mean, preferred: likeness.
        prior: the logarithm of how likely it is to be meant, against the mean occupation (`taxonomy.prior`).
    """
    result: Floats = (1 - MEAN - PREFERRED) * best + MEAN * mean + PREFERRED * preferred + PRIOR * prior
    return result


def exact_first(scores: Floats, exact: Floats) -> Floats:
    """Return scores with 1 where a label is what was typed (bool, of the same shape), and less than 1 elsewhere."""
    result: Floats = np.where(exact, 1.0, np.minimum(scores, _BELOW_EXACT))
    return result
