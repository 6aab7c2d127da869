"""How much of the tuned weights to take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from jobsearch.tuning.interpolation import SHARES, Tried, choose_share, interpolate


def test_interpolate() -> None:
    base = {"a": np.array([0.0, 2.0], np.float32), "b": np.array([[4.0]], np.float32)}
    tuned = {"a": np.array([1.0, 4.0], np.float32), "b": np.array([[0.0]], np.float32)}
    # 0 · 0.75 + 1 · 0.25, 2 · 0.75 + 4 · 0.25, 4 · 0.75 + 0 · 0.25
    found = interpolate(base, tuned, 0.25)
    assert found["a"].tolist() == [0.25, 2.5]
    assert found["b"].tolist() == [[3.0]]
    assert found["a"].dtype == found["b"].dtype == np.float32
    assert base["a"].tolist() == [0.0, 2.0]


def test_the_ends_are_base_and_tuned_to_the_last_bit() -> None:
    random = np.random.default_rng(0)
    base, tuned = ({"x": random.normal(size=100).astype(np.float32)} for _ in range(2))
    assert np.array_equal(interpolate(base, tuned, 0)["x"], base["x"])
    assert np.array_equal(interpolate(base, tuned, 1)["x"], tuned["x"])


def test_shares_to_try_rise_to_all_of_it() -> None:
    assert list(SHARES) == sorted(set(SHARES))
    assert SHARES[0] > 0
    assert SHARES[-1] == 1


# Reciprocal ranks of four queries. Against the best, NEAR is behind by (1/2, 1/4, 0, 0): mean 0.1875, standard
# deviation 0.2394, standard error 0.1197. The mean is 1.57 of these, less than 1.64: it is not surely lower, at 5 %.
# FAR is behind by (1/2, 1/2, 0, 0): mean 0.25, standard deviation sqrt(1/12), standard error 0.1443, so 1.73 of them.
BEST, NEAR, FAR = (1.0, 1.0, 0.5, 0.5), (0.5, 0.75, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)
# The same mean as NEAR, but a little behind at each query: that is no chance.
STEADILY_BEHIND = (0.8125, 0.8125, 0.3125, 0.3125)

Ranks = tuple[float, float, float, float]


def measured(values: list[tuple[Ranks, float, bool]]) -> Callable[[float], tuple[Tried, np.ndarray]]:
    """Return what measures the shares .2, .5 and 1 so."""

    def measure(share: float) -> tuple[Tried, np.ndarray]:
        ranks, general, holds = values[(0.2, 0.5, 1.0).index(share)]
        return Tried(share, float(np.mean(ranks)), general, holds), np.array(ranks)

    return measure


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # The best MRR wins where nothing else comes near it, whatever the general score.
        ([(FAR, 0.95, True), (BEST, 0.89, True), (FAR, 0.99, True)], 0.5),
        # What cannot be told from it wins by a better general score, and not by a worse one.
        ([(NEAR, 0.90, True), (BEST, 0.89, True), (FAR, 0.99, True)], 0.2),
        ([(NEAR, 0.88, True), (BEST, 0.89, True), (FAR, 0.99, True)], 0.5),
        ([(STEADILY_BEHIND, 0.90, True), (BEST, 0.89, True), (FAR, 0.99, True)], 0.5),
        # What does not hold is not chosen, however high its MRR, and does not set the measure for others.
        ([(FAR, 0.90, True), (FAR, 0.89, True), (BEST, 0.99, False)], 0.2),
        # If nothing holds, the best general score, whatever the MRR.
        ([(FAR, 0.86, False), (NEAR, 0.85, False), (BEST, 0.70, False)], 0.2),
        # Of equal general scores the higher MRR.
        ([(NEAR, 0.90, True), (BEST, 0.90, True), (FAR, 0.90, True)], 0.5),
    ],
)
def test_the_choice(values: list[tuple[Ranks, float, bool]], expected: float) -> None:
    shares = (0.2, 0.5, 1.0)
    chosen, tried = choose_share(shares, measured(values))
    assert chosen.share == expected
    assert [one.share for one in tried] == list(shares)
    assert chosen in tried


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(BEST, 0.90, True), (NEAR, 0.89, True), (FAR, 0.99, True)], 0.5),
        ([(FAR, 0.90, True), (BEST, 0.89, True), (NEAR, 0.88, True)], 1.0),
        ([(NEAR, 0.90, True), (BEST, 0.89, True), (STEADILY_BEHIND, 0.99, True)], 0.5),
        ([(NEAR, 0.90, True), (BEST, 0.89, False), (FAR, 0.99, False)], 0.2),
        ([(FAR, 0.86, False), (NEAR, 0.85, False), (BEST, 0.70, False)], 0.2),
    ],
)
def test_without_caution_the_largest_not_surely_worse(values: list[tuple[Ranks, float, bool]], expected: float) -> None:
    chosen, _ = choose_share((0.2, 0.5, 1.0), measured(values), cautious=False)
    assert chosen.share == expected


@pytest.mark.parametrize("holds", [True, False])
def test_one_share_needs_no_choice(holds: bool) -> None:
    only = Tried(0.5, 0.1, 0.1, holds)
    assert choose_share((0.5,), lambda share: (only, np.array([0.1, 0.1]))) == (only, [only])
