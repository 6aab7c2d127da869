"""How much of the tuned weights to take: on a line between base and tuned, chosen on validation.

Averaging the weights of a model before and after fine-tuning keeps most of what tuning gained and gives back most of
what it forgot. Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jobsearch.tuning.student import Arrays

SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Tried:
    """One share that was tried.

    Args:
        share: of tuned weights, 0 (the base) to 1.
        mrr: held-out MRR.
        general: score of the general-ability check.
        holds: whether that is within the check's tolerance of the base's.
    """

    share: float
    mrr: float
    general: float
    holds: bool


def interpolate(base: Arrays, tuned: Arrays, share: float) -> Arrays:
    """Return base · (1 - share) + tuned · share, tensor by tensor, in float32."""
    return {
        name: np.asarray(base[name] * np.float32(1 - share) + tuned[name] * np.float32(share), base[name].dtype)
        for name in base
    }


def choose_share(shares: Sequence[float], measure: Callable[[float], tuple[float, float, bool]]) -> list[Tried]:
    """Try shares and return them best first.

    Those that hold general ability come before those that do not; among the first the higher MRR wins, among the
    others the higher general score, since they lack that.

    Args:
        shares: what to try.
        measure: gives MRR, general score and whether that holds, for a share.
    """
    tried = [Tried(share, *measure(share)) for share in shares]
    return sorted(tried, key=lambda t: (not t.holds, -(t.mrr if t.holds else t.general), t.share))
