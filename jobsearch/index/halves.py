"""Vectors in half precision: half the space, cosines within about 1e-5, and no memory where they stay in their file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings
from jobsearch.index.row_file import Array, Numbers, RowFile
from jobsearch.index.rows import Rows

Scores = npt.NDArray[np.float32]
# FAISS's score for what was not found.
NONE = np.finfo(np.float32).min
# Rows read at once, where all are scored: 8 MB at 512 dimensions.
_BLOCK = 8192


class Halves:
    """Unit vectors in half precision, seen as float32; safe to share between threads.

    Args:
        kept: float16 (n, dim), or float32 that is rounded whenever it is read, in memory or in a file.

    Raises:
        ValueError: they have other dimensions or another dtype.
    """

    dtype = np.dtype(np.float16)

    def __init__(self, kept: Array | RowFile) -> None:
        if len(kept.shape) != 2 or kept.dtype not in (np.float16, np.float32):
            raise ValueError(f"vectors of shape {kept.shape} and type {kept.dtype}, expected float16 (n, dim)")
        self._kept = kept
        self.shape: tuple[int, int] = (kept.shape[0], kept.shape[1])

    @staticmethod
    def open(path: Path) -> Halves:
        """Open a file that `write` made.

        Raises:
            OSError, ValueError: it cannot be read as one.
        """
        return Halves(RowFile.open(path))

    def write(self, path: Path) -> None:
        """Write the vectors to an NPY file, float16 (n, dim).

        Raises:
            OSError: it cannot be written.
        """
        header = {"descr": "<f2", "fortran_order": False, "shape": self.shape}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(self), _BLOCK):
                file.write(self._rounded(slice(start, start + _BLOCK)).data)

    def __len__(self) -> int:
        """Number of vectors."""
        return self.shape[0]

    def __getitem__(self, rows: slice | Numbers) -> Embeddings:
        """Return vectors by a slice of step 1 or by their numbers, 0 or above; float32 (m, dim)."""
        return self._rounded(rows).astype(np.float32)

    def _rounded(self, rows: slice | Numbers) -> npt.NDArray[np.float16]:
        return np.ascontiguousarray(self._kept[rows], np.float16)

    def best(self, queries: Embeddings, candidates: Numbers, count: int) -> tuple[Scores, Numbers]:
        """Score some rows for each query and keep the best.

        Args:
            queries: float32 (n, dim), unit rows.
            candidates: row numbers (n, m), where -1 is none.
            count: rows wanted, at most m.

        Returns:
            Cosines (n, count), highest first, and their rows; where there are fewer candidates, row -1 and no score.
        """
        scores = np.full((len(queries), count), NONE, np.float32)
        rows = np.full((len(queries), count), -1, np.int64)
        for place, (query, own) in enumerate(zip(queries, candidates, strict=True)):
            known = np.sort(own[own >= 0])  # read in the order of the file; of equal scores the first row comes first
            # Not by BLAS, whose threads would wait for each other.
            cosines = np.einsum("rd,d->r", self[known], query)
            order = np.argsort(-cosines, kind="stable")[:count]
            scores[place, : len(order)], rows[place, : len(order)] = cosines[order], known[order]
        return scores, rows

    def nearest(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, Numbers]:
        """Score each of some rows, block by block, and return the best of each query.

        Args:
            queries: float32 (n, dim), unit rows.
            count: rows wanted for each query, at most as many as `rows` has.
            rows: the rows that may be found.

        Returns:
            Cosines (n, count), highest first, and their rows.
        """
        import faiss

        # FAISS computes with half precision as fast as with single, and NumPy takes ten times as long.
        block = faiss.IndexScalarQuantizer(self.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        numbers = np.arange(rows.start, rows.stop) if rows.mask is None else np.flatnonzero(rows.mask)
        best: list[tuple[Scores, Numbers]] = []
        for start in range(0, len(numbers), _BLOCK):
            part = numbers[start : start + _BLOCK]
            block.reset()
            block.add_sa_codes(self._rounded(part).view(np.uint8))
            scores, found = block.search(queries, min(count, len(part)))
            best.append((scores, part[found]))
            # Seldom enough that sorting stays cheap where many are wanted.
            if sum(own.shape[1] for own, _ in best) > 4 * count:
                best = [_first(best, count)]
        return _first(best, count)


def _first(found: Sequence[tuple[Scores, Numbers]], count: int) -> tuple[Scores, Numbers]:
    """Return the best of several searches by the same queries, highest first; of equal scores the first."""
    scores = np.concatenate([own for own, _ in found], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    rows = np.concatenate([own for _, own in found], axis=1)
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
