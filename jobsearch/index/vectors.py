"""The vectors of a version: a FAISS index to find candidates, and the float32 vectors themselves to score them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import IndexingError
from jobsearch.index.rows import Rows
from jobsearch.index.types import IndexType

Scores = npt.NDArray[np.float32]
RowNumbers = npt.NDArray[np.int64]
# Queries at once that one thread searches for.
_FEW = 4
# Candidates of `ivf` scored exactly for each label wanted; its knob is the number of cells.
_K_FACTOR = 8


class Vectors:
    """Vectors to search, one row a label; safe to share between threads.

    Args:
        index: a FAISS index over unit vectors by inner product, that keeps the float32 vectors.
        settings: knobs for searching by name, as `index.types.IndexType.knob` has them.

    Raises:
        ValueError: the index does not keep the vectors as they are.
    """

    def __init__(self, index: Any, settings: Mapping[str, int]) -> None:
        self._index = index
        self._parameters = _search_parameters(index, settings)
        self._flat = _flat_part(index)
        self.embeddings: Embeddings = np.asarray(_Memory(index, self._flat))

    @staticmethod
    def build(embeddings: Embeddings, kind: IndexType) -> Vectors:
        """Train an index of that type and fill it.

        Args:
            embeddings: float32 (n, dim), unit rows.
            kind: what to build.

        Raises:
            IndexingError: FAISS does not know the factory string, or cannot train on so few vectors.
        """
        import faiss

        try:
            index = faiss.index_factory(embeddings.shape[1], kind.factory, faiss.METRIC_INNER_PRODUCT)
            if not index.is_trained:
                index.train(embeddings)
            index.add(embeddings)
            return Vectors(index, {})
        except (RuntimeError, ValueError) as error:
            reason = str(error).rsplit(": ", 1)[-1].strip()
            raise IndexingError(f"index type {kind.name!r} cannot be built ({reason}); use --type flat") from error

    @staticmethod
    def read(path: Path, settings: Mapping[str, int]) -> Vectors:
        """Map the index from its file; processes that read the same file share the memory.

        Raises:
            RuntimeError, ValueError: it cannot be read as an index.
        """
        import faiss

        return Vectors(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC), settings)

    def write(self, path: Path) -> None:
        """Write the index to a file.

        Raises:
            OSError: it cannot be written.
        """
        import faiss

        # Through a Python file, since FAISS turns a full disk into an error that does not say so.
        with path.open("wb") as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))

    def with_settings(self, settings: Mapping[str, int]) -> Vectors:
        """Return the same vectors, searched with other settings."""
        return Vectors(self._index, settings)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.embeddings)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.embeddings.shape[1])

    def search(self, queries: Embeddings, count: int) -> tuple[Scores, RowNumbers]:
        """Find the nearest rows as the index type finds them: approximate but for `flat`.

        Args:
            queries: float32 (n, dim), unit rows.
            count: rows wanted for each query, at most as many as there are.

        Returns:
            Exact cosines (n, count), highest first, and their rows; where fewer were found, row -1 and no score.
        """
        with _threads_for(len(queries)):
            scores, rows = self._index.search(np.ascontiguousarray(queries), count, params=self._parameters)
        return scores, rows

    def exact(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Find the nearest of some rows by scoring each of them.

        Args:
            queries: float32 (n, dim), unit rows.
            count: rows wanted for each query, at most as many as `rows` has.
            rows: the rows that may be found.

        Returns:
            Cosines (n, count), highest first, and their rows.
        """
        import faiss

        parameters = None
        if rows.mask is not None:
            bits = np.packbits(rows.mask, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        elif len(rows) < len(self):
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorRange(rows.start, rows.stop))
        with _threads_for(len(queries)):
            scores, found = self._flat.search(np.ascontiguousarray(queries), count, params=parameters)
        return scores, found


@contextlib.contextmanager
def _threads_for(queries: int) -> Iterator[None]:
    """Let FAISS work on few queries in this thread alone.

    A query takes well under a millisecond: a second thread gains little, and where other processes hold the cores the
    two wait for each other for ten times as long. OpenMP keeps the number for each calling thread by itself.
    """
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if queries <= _FEW else before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


class _Memory:
    """The vectors of a flat FAISS index, which lives as long as an array over them does.

    Mapped from a file they need not begin at a multiple of four, so NumPy copies what it computes with: take few rows.
    """

    def __init__(self, index: Any, flat: Any) -> None:
        self._alive = (index, flat)
        self.__array_interface__ = {
            "data": (int(flat.get_xb()) if flat.ntotal else 0, True),  # read-only
            "shape": (flat.ntotal, flat.d),
            "typestr": "<f4",
            "version": 3,
        }


def _flat_part(index: Any) -> Any:
    """Return the part of a FAISS index that holds the float32 vectors."""
    import faiss

    holder = faiss.downcast_index(index)
    if isinstance(holder, faiss.IndexRefine):
        holder = faiss.downcast_index(holder.refine_index)
    elif isinstance(holder, faiss.IndexHNSW):
        holder = faiss.downcast_index(holder.storage)
    if not isinstance(holder, faiss.IndexFlat) or (holder.ntotal, holder.d) != (index.ntotal, index.d):
        raise ValueError(f"an index of type {type(holder).__name__} does not keep the vectors whole")
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError(f"the metric is {index.metric_type}, expected {faiss.METRIC_INNER_PRODUCT} (inner product)")
    return holder


def _search_parameters(index: Any, settings: Mapping[str, int]) -> Any:
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        inner = None
        if "n_probe" in settings:
            inner = faiss.SearchParametersIVF(nprobe=settings["n_probe"])
        return faiss.IndexRefineSearchParameters(k_factor=settings.get("k_factor", _K_FACTOR), base_index_params=inner)
    if isinstance(index, faiss.IndexHNSW) and "ef_search" in settings:
        return faiss.SearchParametersHNSW(efSearch=settings["ef_search"])
    return None
