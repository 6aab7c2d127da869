"""Columns of strings that are mapped from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Strings:
    """A column of strings as one run of UTF-8 bytes and where each begins: nothing is decoded until asked for.

    Args:
        data: uint8, all strings end to end.
        offsets: int64 of length n + 1.
    """

    def __init__(self, data: Array, offsets: Array) -> None:
        self._data = data
        self._offsets = offsets

    @staticmethod
    def pack(texts: Iterable[str]) -> tuple[Array, Array]:
        """Return (data, offsets) for `texts`."""
        encoded = [text.encode() for text in texts]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return np.frombuffer(b"".join(encoded), np.uint8), offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> str:
        if not 0 <= position < len(self):
            raise IndexError(position)
        text: bytes = self._data[self._offsets[position] : self._offsets[position + 1]].tobytes()
        return text.decode()

    def __iter__(self) -> Iterator[str]:
        return (self[position] for position in range(len(self)))
