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
        error: standard error of the MRR.
    """

    share: float
    mrr: float
    general: float
    holds: bool
    error: float = 0.0


def interpolate(base: Arrays, tuned: Arrays, share: float) -> Arrays:
    """Return base · (1 - share) + tuned · share, tensor by tensor, in float32."""
    return {
        name: np.asarray(base[name] * np.float32(1 - share) + tuned[name] * np.float32(share), base[name].dtype)
        for name in base
    }


def choose_share(shares: Sequence[float], measure: Callable[[float], Tried]) -> tuple[Tried, list[Tried]]:
    """Try shares and choose one.

    Among those that hold general ability, the MRR of the best is taken with its standard error: of all that come
    within it, which validation cannot tell apart, the one with the highest general score is chosen (the
    one-standard-error rule of Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3). If none
    holds, the one with the highest general score is chosen, since that is what they lack.

    Args:
        shares: what to try, at least one.
        measure: measures a share.

    Returns:
        The chosen one, and all in the order of `shares`.
    """
    tried = [measure(share) for share in shares]
    holding = [one for one in tried if one.holds]
    candidates = tried
    if holding:
        best = max(holding, key=lambda one: one.mrr)
        candidates = [one for one in holding if one.mrr >= best.mrr - best.error]
    return max(candidates, key=lambda one: (one.general, one.mrr)), tried
