"""Finding labels by how they are spelled, but for case: what a user typed may be one, and then it comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.index.strings import Strings

Array = npt.NDArray[Any]


class Spellings:
    """The rows of labels, to be found by the label.

    Args:
        labels: all labels.
        hashes: uint64 (labels,), rising; hashes of labels whose case is folded.
        rows: int32 (labels,), the row of each of them.
    """

    def __init__(self, labels: Strings, hashes: Array, rows: Array) -> None:
        self._labels, self._hashes, self._rows = labels, hashes, rows

    @staticmethod
    def pack(labels: Iterable[str]) -> tuple[Array, Array]:
        """Return hashes and rows for `labels`."""
        hashes = _hashes(labels)
        rows = np.argsort(hashes, kind="stable")
        return hashes[rows], rows.astype(np.int32)

    def find(self, texts: Sequence[str]) -> Mapping[int, Array]:
        """Return the rows of the labels that texts are, int64 and rising, by the places of those that are any."""
        hashes = _hashes(texts)
        first, last = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        found = {}
        for place in np.flatnonzero(last > first).tolist():
            wanted = texts[place].casefold()
            rows = [row for row in self._rows[first[place] : last[place]].tolist() if self._is(row, wanted)]
            if rows:
                found[place] = np.array(rows, np.int64)
        return found

    def _is(self, row: int, wanted: str) -> bool:
        return self._labels[row].casefold() == wanted


def _hashes(texts: Iterable[str]) -> Array:
    import xxhash

    # A lone surrogate is no letter, but a string may have one.
    folded = (text.casefold().encode("utf-8", "surrogatepass") for text in texts)
    return np.array([xxhash.xxh3_64_intdigest(text) for text in folded], np.uint64)
