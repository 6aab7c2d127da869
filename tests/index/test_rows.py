"""Sets of rows against Python's own sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsearch.index.rows import Rows

TABLE = 12


def members(rows: Rows) -> list[int]:
    """Return the rows that it has, in three ways that must agree."""
    numbers = np.arange(TABLE)[rows.numbers()].tolist()
    asked = np.flatnonzero(rows.have(np.arange(TABLE))).tolist()
    assert numbers == asked
    assert len(rows) == len(numbers)
    return numbers


def test_a_range_has_its_rows() -> None:
    assert members(Rows.between(3, 7)) == [3, 4, 5, 6]
    assert members(Rows.between(4, 4)) == []
    assert Rows.between(3, 7).mask is None


def test_a_mask_counts_only_within_the_range() -> None:
    even = np.arange(TABLE) % 2 == 0
    assert members(Rows.between(3, 8).where(even)) == [4, 6]


def test_masks_add_up_and_leave_what_they_were_made_of_as_it_was() -> None:
    even, low = np.arange(TABLE) % 2 == 0, np.arange(TABLE) < 6
    first = Rows.between(2, 10).where(even)
    second = first.where(low)
    assert members(second) == [2, 4]
    assert members(first) == [2, 4, 6, 8]
    assert (even.sum(), low.sum()) == (6, 6)


@pytest.mark.parametrize("rows", [Rows.between(0, TABLE), Rows.between(0, TABLE).where(np.ones(TABLE, bool))])
def test_the_mark_for_none_is_never_a_row(rows: Rows) -> None:
    """NumPy takes -1 for the last row, which is one of these; FAISS means that it found nothing."""
    assert rows.have(np.array([[-1, 11], [0, -1]])).tolist() == [[False, True], [True, False]]


masks = st.lists(st.booleans(), min_size=TABLE, max_size=TABLE).map(lambda bits: np.array(bits, bool))


@given(st.integers(0, TABLE), st.integers(0, TABLE), st.lists(masks, max_size=3))
def test_any_rows_are_those_of_all_conditions(start: int, stop: int, conditions: list[np.ndarray]) -> None:
    start, stop = min(start, stop), max(start, stop)
    rows = Rows.between(start, stop)
    for mask in conditions:
        rows = rows.where(mask)
    assert members(rows) == [row for row in range(start, stop) if all(mask[row] for mask in conditions)]
