"""How much of the tuned weights to take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from jobsearch.tuning.interpolation import SHARES, Tried, choose_share, interpolate

Measured = Callable[[float], tuple[Tried, npt.NDArray[np.float64]]]


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


# Three patterns of mean 0 that are unlike each other query by query: the difference of two has the values 0 and ±2 in
# equal parts, so its variance is 2.
PATTERNS = {0.2: (1, 1, -1, -1), 0.5: (1, -1, 1, -1), 1.0: (1, -1, -1, 1)}
QUERIES = 400


def measured(**given: tuple[float, float, bool]) -> Measured:
    """Values of (mrr, general, holds) by share, `s20` for 0.2; the standard error of a difference is 0.01.

    With reciprocal ranks mrr + c · pattern a difference varies by c · sqrt(2), and its mean over 400 queries by a
    twentieth of that; c is sqrt(2) / 10.
    """

    def measure(share: float) -> tuple[Tried, npt.NDArray[np.float64]]:
        mrr, general, holds = given[f"s{round(100 * share)}"]
        pattern = np.tile(PATTERNS[share], QUERIES // 4)
        return Tried(share, mrr, general, holds), mrr + np.sqrt(2) / 10 * pattern

    return measure


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # The best MRR wins where nothing else comes within the standard error.
        ({"s20": (0.50, 0.90, True), "s50": (0.60, 0.89, True), "s100": (0.55, 0.88, True)}, 0.5),
        # 0.595 is within 0.01 of 0.60: of the two the one with the better general score.
        ({"s20": (0.595, 0.90, True), "s50": (0.60, 0.89, True), "s100": (0.55, 0.95, True)}, 0.2),
        # 0.589 is not.
        ({"s20": (0.589, 0.90, True), "s50": (0.60, 0.89, True), "s100": (0.55, 0.95, True)}, 0.5),
        # What does not hold is not chosen, however high its MRR, and does not set the measure for others.
        ({"s20": (0.50, 0.90, True), "s50": (0.505, 0.89, True), "s100": (0.90, 0.99, False)}, 0.2),
        # If nothing holds, the best general score, whatever the MRR.
        ({"s20": (0.50, 0.85, False), "s50": (0.60, 0.86, False), "s100": (0.90, 0.70, False)}, 0.5),
        # Of equal general scores the higher MRR.
        ({"s20": (0.595, 0.90, True), "s50": (0.60, 0.90, True), "s100": (0.2, 0.9, True)}, 0.5),
    ],
)
def test_the_choice(values: dict[str, tuple[float, float, bool]], expected: float) -> None:
    chosen, tried = choose_share((0.2, 0.5, 1.0), measured(**values))
    assert chosen.share == expected
    assert [one.share for one in tried] == [0.2, 0.5, 1.0]
    assert chosen in tried


def test_one_share_needs_no_choice() -> None:
    chosen, tried = choose_share((0.5,), measured(s50=(0.1, 0.1, False)))
    assert tried == [chosen]
