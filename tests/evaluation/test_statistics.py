"""Intervals and paired tests, by cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jobsearch.evaluation.metrics import pearson
from jobsearch.evaluation.statistics import (
    Interval,
    correlation_interval,
    mean_intervals,
    paired_correlations,
    paired_means,
)

RANDOM = np.random.default_rng(7)


def test_intervals_of_means() -> None:
    drawn = RANDOM.normal(0.4, 0.2, 400)
    [interval, constant] = mean_intervals(np.stack([drawn, np.full(400, 0.25)]))
    # The mean's standard error is .2 / √400 = .01, and 95 % of a normal distribution lie within 1.96 of them.
    assert interval.low == pytest.approx(drawn.mean() - 0.0196, abs=0.002)
    assert interval.high == pytest.approx(drawn.mean() + 0.0196, abs=0.002)
    assert constant == Interval(0.25, 0.25)
    assert mean_intervals(drawn[None])[0] == mean_intervals(drawn[None])[0]  # a fixed seed


def test_large_sets_are_resampled_in_parts() -> None:
    [interval] = mean_intervals(RANDOM.random((1, 40_000)))
    # Standard error 1/√12 / √40000 = .00144.
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.00144, rel=0.1)


def test_an_encoder_does_not_differ_from_itself() -> None:
    ranks = 1 / RANDOM.integers(1, 20, 50)
    paired = paired_means("mrr", ranks, ranks.copy())
    assert (paired.difference, paired.p_value, paired.interval) == (0, 1, Interval(0, 0))
    scores = RANDOM.random(50)
    paired = paired_correlations("pearson", ranks, ranks.copy(), scores)
    assert (paired.difference, paired.p_value, paired.interval) == (0, 1, Interval(0, 0))


def test_three_queries_can_be_swapped_in_eight_ways() -> None:
    first, second = np.array([0.2, 0.25, 0.5]), np.array([0.5, 0.5, 1.0])
    paired = paired_means("mrr", first, second)
    # Differences .3, .25, .5: of the 8 combinations of signs, two have a sum as far from 0 as +++: 2/8.
    assert paired.difference == pytest.approx(0.35)
    assert paired.p_value == pytest.approx(2 / 8)
    # Queries that tie change the mean, not the test.
    padded = paired_means("mrr", np.append(first, [0.1] * 3), np.append(second, [0.1] * 3))
    assert padded.difference == pytest.approx(0.35 / 2)
    assert padded.p_value == pytest.approx(2 / 8)
    assert padded.n == 6


def test_one_query_that_moved_may_have_moved_the_other_way() -> None:
    first = np.array([1.0, 0.5, 0.5])
    paired = paired_means("mrr", first, np.array([1.0, 0.5, 1.0]))
    assert (paired.p_value, paired.n) == (1.0, 3)
    assert paired.difference == pytest.approx(0.5 / 3)


def test_a_clear_difference_and_its_record() -> None:
    first = RANDOM.random(200) * 0.5
    paired = paired_means("mrr", first, first + 0.1)
    # Always .1, so the interval is that alone; no random swap gives as much: p = 2 · (0 + 1) / (2000 + 1).
    assert paired.to_dict() == {
        "metric": "mrr",
        "difference": pytest.approx(0.1),
        "interval": [pytest.approx(0.1), pytest.approx(0.1)],
        "p_value": pytest.approx(2 / 2001),
        "n": 200,
        "resamples": 2000,
    }
    assert paired_means("mrr", first + 0.1, first).difference == pytest.approx(-0.1)


def test_chance_is_told_as_chance() -> None:
    # Both encoders draw from one distribution: of 40 such tests about 2 come out below .05 (0 to 6: 99.7 %).
    generator = np.random.default_rng(1)
    below = sum(paired_means("mrr", *generator.random((2, 60))).p_value < 0.05 for _ in range(40))
    assert below <= 6


def test_correlations() -> None:
    truth = RANDOM.random(300)
    near, far = truth + RANDOM.normal(0, 0.1, 300), truth + RANDOM.normal(0, 0.6, 300)
    paired = paired_correlations("pearson", far, near, truth)
    assert paired.difference == pytest.approx(pearson(near, truth) - pearson(far, truth))
    assert paired.interval.low < paired.difference < paired.interval.high
    assert paired.interval.low > 0
    assert paired.p_value < 0.01
    # Only the scale differs: no difference in correlation, and none may be found.
    paired = paired_correlations("pearson", near, 5 * near - 3, truth)
    assert paired.difference == pytest.approx(0)
    assert paired.p_value == 1
    # A constant encoder correlates with nothing: the difference is all of the other's correlation.
    paired = paired_correlations("pearson", np.full(300, 0.5), near, truth)
    assert paired.difference == pytest.approx(pearson(near, truth))


def test_interval_of_a_correlation() -> None:
    x = RANDOM.random(500)
    y = x + RANDOM.normal(0, 0.3, 500)
    interval = correlation_interval(pearson, x, y)
    r = float(pearson(x, y))
    # Fisher's approximation: the standard error is about (1 - r²) / √n.
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * (1 - r**2) / np.sqrt(500), rel=0.15)
    assert interval.low < r < interval.high
