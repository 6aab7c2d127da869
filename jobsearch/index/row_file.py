"""An array of rows in a file, read and written row by row: what does not fit into memory, or should not count as it.

The file is not mapped. The kernel maps what lies around a touched page as well, 64 KB for each row, and all of it
counts as memory of the process until it ends; and a disk that is full kills a process that writes to a mapping.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
# Rows read at once. Where rows in order span at most so many times their number, all between are read in one go.
_BLOCK, _GAPS = 8192, 2


class RowFile:
    """Rows of numbers in an open file, which need not have a name any more; safe to share between threads.

    Args:
        descriptor: of the open file; closed when this object goes.
        shape: (rows, width).
        dtype: of the numbers.
        start: where the first row begins, in bytes.
    """

    def __init__(self, descriptor: int, shape: tuple[int, int], dtype: npt.DTypeLike, start: int = 0) -> None:
        self._descriptor, self._start = descriptor, start
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._width = shape[1] * self.dtype.itemsize
        weakref.finalize(self, os.close, descriptor)

    @staticmethod
    def temporary(folder: Path, shape: tuple[int, int], dtype: npt.DTypeLike) -> RowFile:
        """Make a file without a name, which takes no space any more when the process ends, however it ends.

        Raises:
            OSError: it cannot be made.
        """
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(shape[0] * shape[1] * np.dtype(dtype).itemsize)
            return RowFile(os.dup(file.fileno()), shape, dtype)

    @staticmethod
    def open(path: Path) -> RowFile:
        """Open an NPY file of two dimensions for reading.

        Raises:
            OSError, ValueError: it cannot be read as one.
        """
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)  # which reads the header, and checks the size
        if not isinstance(mapped, np.memmap) or mapped.ndim != 2 or not mapped.flags.c_contiguous:
            raise ValueError(f"{path.name} holds no rows of numbers")
        rows, width = mapped.shape
        return RowFile(os.open(path, os.O_RDONLY), (rows, width), mapped.dtype, mapped.offset)

    def __len__(self) -> int:
        """Number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: slice | Numbers) -> Array:
        """Read rows, by a slice of step 1 or by their numbers, 0 or above; (n, width) in the file's dtype."""
        if isinstance(rows, slice):
            first, stop, _ = rows.indices(len(self))
            return self._read(first, max(0, stop - first))
        found = np.empty((len(rows), self.shape[1]), self.dtype)
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            first, last = int(part[0]), int(part[-1])
            if last - first < _GAPS * len(part) and np.all(np.diff(part) >= 0):
                found[start : start + _BLOCK] = self._read(first, last - first + 1)[part - first]
            else:
                self._announce(part.tolist())
                for row, place in zip(part.tolist(), found[start : start + _BLOCK].view(np.uint8), strict=True):
                    self._fill(place, row)
        return found

    def __setitem__(self, rows: Numbers, values: Array) -> None:
        """Write rows by their numbers, 0 or above.

        Raises:
            OSError: the disk is full.
        """
        values = np.ascontiguousarray(values, self.dtype)
        for row, value in zip(rows.tolist(), values, strict=True):
            content, place = memoryview(value).cast("B"), self._start + row * self._width
            while content:
                written = os.pwrite(self._descriptor, content, place)  # a part, where the disk fills up meanwhile
                content, place = content[written:], place + written

    def _read(self, first: int, count: int) -> Array:
        content = np.empty(count * self._width, np.uint8)
        self._fill(content, first)
        return content.view(self.dtype).reshape(count, self.shape[1])

    def _announce(self, rows: list[int]) -> None:
        """Have the disk read all rows at a time, where the system can be told: a tenth of the time of one by one."""
        if hasattr(os, "posix_fadvise"):
            for row in rows:
                place = self._start + row * self._width
                os.posix_fadvise(self._descriptor, place, self._width, os.POSIX_FADV_WILLNEED)

    def _fill(self, content: npt.NDArray[np.uint8], first: int) -> None:
        """Fill an array with what stands from a row on."""
        if first < 0:  # which would be the header
            raise IndexError(f"row {first}, expected 0 or above")
        left, place = content.data, self._start + first * self._width
        while left:
            size = os.preadv(self._descriptor, [left], place)  # 2 GB at the most
            if size == 0:
                raise OSError(f"the file ends before byte {place + len(left)}, where row {first} and others are")
            left, place = left[size:], place + size
