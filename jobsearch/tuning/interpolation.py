"""How much of the tuned weights to take: on a line between base and tuned, chosen on validation.

Averaging the weights of a model before and after fine-tuning keeps most of what tuning gained and gives back most of
what it forgot. Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobsearch.tuning.student import Arrays

# Normal quantile of 0.95: thousands of queries make the mean difference all but normal.
_ONE_SIDED = 1.645
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


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


def choose_share(
    shares: Sequence[float],
    measure: Callable[[float], tuple[Tried, npt.NDArray[np.float64]]],
    *,
    cautious: bool = True,
) -> tuple[Tried, list[Tried]]:
    """Try shares and choose one.

    Cautious: among those that hold general ability, all that validation cannot tell from the best are candidates:
    their MRR is not surely lower, by the paired difference over the queries at the one-sided level of 5 %. Of these
    the one with the highest general score is chosen (in the spirit of the one-standard-error rule of Breiman et al.
    1984, "Classification and Regression Trees", section 3.4.3). Else the largest of these candidates is chosen. If
    none holds, the one with the highest general score is chosen, since that is what they lack.

    Args:
        shares: what to try, at least one.
        measure: measures a share, and gives each query's reciprocal rank (queries,).
        cautious: whether general ability comes before what validation is not sure of. Few queries make it sure of
            nothing, so that most of what own pairs teach would be given away.

    Returns:
        The chosen one, and all in the order of `shares`.
    """
    measured = [measure(share) for share in shares]
    tried = [one for one, _ in measured]
    holding = [pair for pair in measured if pair[0].holds]
    candidates = tried
    if holding:
        _, best = max(holding, key=lambda pair: pair[0].mrr)
        candidates = [one for one, own in holding if _alike(own, best)]
        if not cautious:
            return max(candidates, key=lambda one: one.share), tried
    return max(candidates, key=lambda one: (one.general, one.mrr)), tried


def _alike(own: npt.NDArray[np.float64], best: npt.NDArray[np.float64]) -> bool:
    behind = best - own
    return bool(behind.mean() <= _ONE_SIDED * behind.std(ddof=1) / np.sqrt(len(behind)))
