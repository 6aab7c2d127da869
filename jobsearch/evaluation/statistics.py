"""How far a figure may be chance: bootstrap intervals, and paired tests for two encoders on the same queries.

Intervals are 95 % percentile intervals over resampled queries: B. Efron, R. Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13. Tests are randomisation tests: whether the observed difference stands out among those
that come about when each query's two values are swapped at random: M. Smucker, J. Allan, B. Carterette, "A Comparison
of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007. Both assume nothing of how the
values are distributed, which for reciprocal ranks is far from normal. Seeds are fixed: the same values give the same
figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats  # type: ignore[import-untyped]  # SciPy ships no types

from jobsearch.evaluation.metrics import Floats, pearson

CONFIDENCE = 0.95
RESAMPLES = 2000
# Values that are resampled at once: bounds the memory, to about 100 MB with all copies.
_MOST_VALUES = 1_000_000
_SEED = 0

Correlation = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Two encoders compared on the same queries or pairs.

    Args:
        metric: the figure compared.
        difference: second minus first; above 0 the second is better.
        interval: 95 % interval of the difference.
        p_value: how often chance alone would give a difference this large in either direction, 0 to 1; with 2,000
            resamples not below 0.001.
        n: queries or pairs.
        resamples: how many random swaps were tried, at most.
    """

    metric: str
    difference: float
    interval: Interval
    p_value: float
    n: int
    resamples: int = RESAMPLES

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; the interval is `[low, high]`."""
        return {
            "metric": self.metric,
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high],
            "p_value": self.p_value,
            "n": self.n,
            "resamples": self.resamples,
        }


def mean_intervals(values: Floats) -> list[Interval]:
    """Return the interval of each row's mean; all rows are resampled alike.

    Args:
        values: (figures, queries), at least 2 queries.
    """
    found = stats.bootstrap(
        (values,), np.mean, axis=-1, batch=_batch(values.size), **_settings(), method="percentile"
    ).confidence_interval
    return [Interval(float(low), float(high)) for low, high in zip(found.low, found.high, strict=True)]


def correlation_interval(correlation: Correlation, x: Floats, y: Floats) -> Interval:
    """Return the interval of a correlation between x and y, each (pairs,), at least 2 pairs."""
    found = stats.bootstrap(
        (x, y),
        lambda x, y, axis: correlation(x, y),
        axis=-1,
        paired=True,
        vectorized=True,
        batch=_batch(2 * len(x)),
        **_settings(),
        method="percentile",
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def paired_means(metric: str, first: Floats, second: Floats) -> Paired:
    """Compare the means of two encoders' values.

    Args:
        metric: name of the figure.
        first: the first encoder's value for each query, such as reciprocal ranks.
        second: the second encoder's, for the same queries in the same order; at least 2.
    """
    differences = second - first
    [interval] = mean_intervals(differences[None])
    # Queries without a difference stay as they are however they are swapped.
    moved = differences[differences != 0]
    # One query that moved may as well have moved the other way.
    p_value = 1.0
    if len(moved) > 1:
        p_value = stats.permutation_test(
            (moved,),  # one sample: SciPy flips signs, which is swapping the two values
            np.mean,
            permutation_type="samples",
            axis=-1,
            n_resamples=RESAMPLES,
            batch=_batch(2 * len(moved)),
            random_state=np.random.default_rng(_SEED),
        ).pvalue
    return Paired(metric, float(differences.mean()), interval, float(p_value), len(differences))


def paired_correlations(metric: str, first: Floats, second: Floats, truth: Floats) -> Paired:
    """Compare how well two encoders' similarities correlate (Pearson) with the same truth.

    For the test, similarities are standardised: a correlation does not depend on their scale, a swap would.

    Args:
        metric: name of the figure.
        first: the first encoder's similarity for each pair.
        second: the second encoder's.
        truth: what people said; at least 2 pairs.
    """
    first, second = _standardised(first), _standardised(second)

    def difference(first: Floats, second: Floats, truth: Floats = truth, axis: int = -1) -> Floats:
        return pearson(second, truth) - pearson(first, truth)

    found = stats.bootstrap(
        (first, second, truth),
        difference,
        axis=-1,
        paired=True,
        vectorized=True,
        batch=_batch(3 * len(truth)),
        **_settings(),
        method="percentile",
    ).confidence_interval
    p_value = 1.0
    if not np.allclose(first, second, rtol=0, atol=1e-9):  # rounding apart, there is something to swap
        p_value = stats.permutation_test(
            (first, second),
            lambda first, second, axis: difference(first, second),
            permutation_type="samples",
            vectorized=True,
            axis=-1,
            n_resamples=RESAMPLES,
            batch=_batch(2 * len(truth)),
            random_state=np.random.default_rng(_SEED),
        ).pvalue
    interval = Interval(float(found.low), float(found.high))
    return Paired(metric, float(difference(first, second)), interval, float(p_value), len(truth))


def spearman(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Floats:
    """Return Spearman's rank correlation over the last axis, ties at their mean rank; 0 where a side is constant."""
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def _settings() -> dict[str, Any]:
    # SciPy before 1.15 knows `rng` by its older name only, and later ones know both.
    return {
        "n_resamples": RESAMPLES,
        "confidence_level": CONFIDENCE,
        "random_state": np.random.default_rng(_SEED),
    }


def _batch(values: int) -> int:
    return max(1, _MOST_VALUES // values)


def _standardised(values: Floats) -> Floats:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else values * 0.0
