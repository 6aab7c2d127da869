"""A set of rows of the label table: what a filter leaves to be found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows from `start` to `stop`, or those of them that a mask has.

    Args:
        start, stop: the range.
        mask: bool over all rows of the table, False outside the range; None: the whole range.
        count: how many rows that is.
    """

    start: int
    stop: int
    mask: Mask | None
    count: int

    @staticmethod
    def between(start: int, stop: int) -> Rows:
        """Return the rows of a range."""
        return Rows(start, stop, None, stop - start)

    def where(self, mask: Mask) -> Rows:
        """Return those of these rows that `mask` (bool over all rows of the table) has too."""
        kept = np.zeros(len(mask), np.bool_)
        kept[self.start : self.stop] = mask[self.start : self.stop]
        if self.mask is not None:
            kept &= self.mask
        return Rows(self.start, self.stop, kept, int(np.count_nonzero(kept)))

    def __len__(self) -> int:
        return self.count

    def have(self, rows: npt.NDArray[np.int64]) -> Mask:
        """Tell of each row number whether it is one of these; -1, FAISS's mark for none, never is."""
        if self.mask is not None:
            found: Mask = self.mask[rows] & (rows >= 0)
            return found
        return (rows >= self.start) & (rows < self.stop)

    def numbers(self) -> slice | npt.NDArray[np.int64]:
        """Return the rows as something to index an array with."""
        return slice(self.start, self.stop) if self.mask is None else np.flatnonzero(self.mask)
