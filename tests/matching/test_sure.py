"""Confidences of many titles at once: those of `jobsearch.confidence`, which takes one title at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsearch.confidence import CALIBRATIONS, confidences, evidence, looked_at
from jobsearch.matching.sure import sure_of

# Exact matches among them, by which a preferred label outdoes another concept's alternative one.
SCORES = st.sampled_from([1.0, 1.0, 0.9, 0.82, 0.7, 0.600001, 0.5, 0.3, 0.0, -0.2])
CANDIDATE = st.tuples(SCORES, st.integers(0, 1), st.booleans())


@given(
    titles=st.lists(st.lists(CANDIDATE, max_size=23), min_size=1, max_size=4),
    width=st.integers(1, 23),
    more=st.booleans(),
)
def test_they_are_those_of_one_title_at_a_time(
    titles: list[list[tuple[float, int, bool]]], width: int, more: bool
) -> None:
    shape = (len(titles), width)
    scores, kinds = np.full(shape, -2.0), np.zeros(shape, np.uint8)
    preferred, found = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    expected = np.zeros(shape)
    for place, candidates in enumerate(titles):
        own = sorted(candidates, key=lambda one: -one[0])[:width]
        if not own:
            continue
        count = slice(0, len(own))
        scores[place, count], kinds[place, count], preferred[place, count] = map(np.array, zip(*own, strict=True))
        found[place, count] = True
        counted = evidence(scores[place, count], kinds[place, count], preferred[place, count])
        unseen = own[-1][0] if more and len(own) == width else None
        expected[place, count] = confidences(counted, kinds[place, count], "meaning", unseen)
    assert sure_of(scores, kinds, preferred, found, more) == pytest.approx(expected, abs=1e-12)


def test_the_formula_of_a_search_by_meaning() -> None:
    """By hand: of 0.8 and 0.7 the better one has 1 / (1 + exp(-1.56)) of what the logistic function gives 0.8."""
    assert (CALIBRATIONS["meaning"].offset, CALIBRATIONS["meaning"].sharpness) == (-4.4, 15.6)
    flags = np.ones((1, 2), np.bool_)
    found = sure_of(np.array([[0.8, 0.7]]), np.zeros((1, 2), np.uint8), flags, flags, more=False)
    first = 1 / (1 + np.exp(-1.56)) / (1 + np.exp(4.4 - 6.2 * 0.8))
    assert found == pytest.approx(np.array([[first, first * np.exp(-1.56)]]))


@pytest.mark.parametrize(
    ("k", "kind", "concepts", "wide"),
    [(1, "occupation", 3000, 10), (15, "skill", 3000, 15), (1, None, 3000, 20), (1, "occupation", 4, 4)],
)
def test_all_that_share_are_looked_at(k: int, kind: object, concepts: int, wide: int) -> None:
    assert looked_at(k, kind, concepts) == wide  # type: ignore[arg-type]
