"""The vectors of a version: a FAISS index to find candidates, and the vectors themselves to score them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import IndexingError
from jobsearch.index.halves import Halves
from jobsearch.index.manifest import HALVES
from jobsearch.index.row_file import RowFile
from jobsearch.index.rows import Rows
from jobsearch.index.types import EXACT_UP_TO, IndexType

Scores = npt.NDArray[np.float32]
RowNumbers = npt.NDArray[np.int64]
# Vectors in memory or in a file; float32 or, to be kept in half precision, float16.
Stored = npt.NDArray[Any] | RowFile
# Queries at once that one thread searches for.
_FEW = 4
# Candidates of `ivf` scored exactly for each label wanted; its knob is the number of cells.
_K_FACTOR = 8
# The same of `compact`, where each is read from the disk, and the most that are read beyond the labels wanted.
_K_FACTOR_READ = 4
_MOST_READ_BEYOND = 1024
# Vectors that an index is trained with, evenly spread over all, and how many are added to it at once: 0.7 and 0.3 GB
# at 512 dimensions. k-means of FAISS asks for 39 a cell: enough for the 8,192 cells of ten million labels.
_TRAINED = 5 << 16
_ADDED = 1 << 17
# Share of all labels that may be fetched before scoring each of them is the faster way.
_MOST_FETCHED = 1 / 16


class RowVectors(Protocol):
    """Vectors to search, one row a label, wherever they lie; safe to share between threads."""

    @property
    def embeddings(self) -> Any:
        """The vectors, of `shape` and `dtype`: what is read, by a slice or an array of row numbers, is float32."""

    def __len__(self) -> int:
        """Number of rows."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def search(self, queries: Embeddings, count: int) -> tuple[Scores, RowNumbers]:
        """Find the nearest rows (see `Vectors.search`)."""

    def exact(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Find the nearest of some rows (see `Vectors.exact`)."""

    def nearest(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Find the nearest of some rows and maybe others (see `Vectors.nearest`)."""


class Vectors:
    """Vectors in an index of FAISS, one row a label; safe to share between threads.

    Args:
        index: a FAISS index over unit vectors by inner product, that keeps the float32 vectors or goes with `halves`.
        settings: knobs for searching by name, as `index.types.IndexType.knob` has them.
        halves: the vectors, where the index does not keep them.

    Raises:
        ValueError: the index does not keep the vectors as they are, or `halves` are not those of the index.
    """

    def __init__(self, index: Any, settings: Mapping[str, int], halves: Halves | None = None) -> None:
        self._index = index
        self._parameters = _search_parameters(index, settings)
        self._halves = halves
        # What is read of either, by a slice or an array of row numbers, is float32.
        self.embeddings: Embeddings | Halves
        if halves is None:
            self._flat = _flat_part(index)
            self.embeddings = np.asarray(_Memory(index, self._flat))
        else:
            _check_metric(index)
            if halves.shape != (index.ntotal, index.d):
                raise ValueError(f"the index has {index.ntotal} vectors of width {index.d}, their file {halves.shape}")
            self.embeddings = halves

    @staticmethod
    def build(embeddings: Stored, kind: IndexType) -> Vectors:
        """Train an index of that type and fill it, slice by slice: more than a slice is never in memory but as codes.

        Args:
            embeddings: float32 (n, dim), unit rows; they may be float16 where the type keeps them so. What is in a
                file is read from there as long as the result is used, where the type keeps half precision.
            kind: what to build.

        Raises:
            IndexingError: FAISS does not know the factory string, or cannot train on so few vectors.
        """
        import faiss

        halves = Halves(embeddings) if kind.half else None
        source = embeddings if halves is None else halves
        try:
            index = faiss.index_factory(embeddings.shape[1], kind.factory, faiss.METRIC_INNER_PRODUCT)
            if not index.is_trained:
                index.train(_sample(source))
            for start in range(0, len(source), _ADDED):
                index.add(source[start : start + _ADDED])
            return Vectors(index, {}, halves)
        except (RuntimeError, ValueError) as error:
            reason = str(error).rsplit(": ", 1)[-1].strip()
            raise IndexingError(f"index type {kind.name!r} cannot be built ({reason}); use --type flat") from error

    @staticmethod
    def read(path: Path, settings: Mapping[str, int]) -> Vectors:
        """Map the index from its file; processes that read the same file share the memory.

        Vectors in half precision are in the file `HALVES` beside it.

        Raises:
            OSError, RuntimeError, ValueError: it cannot be read as an index.
        """
        import faiss

        beside = path.with_name(HALVES)
        halves = Halves.open(beside) if beside.exists() else None
        return Vectors(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC), settings, halves)

    def write(self, path: Path) -> None:
        """Write the index to a file, and vectors in half precision to the file `HALVES` beside it.

        Raises:
            OSError: it cannot be written.
        """
        import faiss

        # Through a Python file, since FAISS turns a full disk into an error that does not say so.
        with path.open("wb") as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))
        if self._halves is not None:
            self._halves.write(path.with_name(HALVES))

    def with_settings(self, settings: Mapping[str, int]) -> Vectors:
        """Return the same vectors, searched with other settings."""
        return Vectors(self._index, settings, self._halves)

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
        wanted = count
        if self._halves is not None:
            wanted = min(count + min((_K_FACTOR_READ - 1) * count, _MOST_READ_BEYOND), len(self))
        with _threads_for(len(queries)):
            scores, rows = self._index.search(np.ascontiguousarray(queries), wanted, params=self._parameters)
        return (scores, rows) if self._halves is None else self._halves.best(queries, rows, count)

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

        if self._halves is not None:
            with _threads_for(len(queries)):
                return self._halves.nearest(np.ascontiguousarray(queries), count, rows)
        parameters = None
        if rows.mask is not None:
            bits = np.packbits(rows.mask, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        elif len(rows) < len(self):
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorRange(rows.start, rows.stop))
        with _threads_for(len(queries)):
            scores, found = self._flat.search(np.ascontiguousarray(queries), count, params=parameters)
        return scores, found

    def nearest(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Find the nearest of some rows, or somewhat more or fewer where the index finds others that are not.

        Args:
            queries: float32 (n, dim), unit rows.
            count: rows wanted for each query.
            rows: the rows that are wanted, at least one.

        Returns:
            As `search`.
        """
        # A filter drops some of what the index finds: so much more is fetched.
        fetched = count * len(self) // len(rows)
        if len(rows) <= EXACT_UP_TO or fetched > _MOST_FETCHED * len(self):
            return self.exact(queries, min(count, len(rows)), rows)
        return self.search(queries, fetched)


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
    _check_metric(index)
    return holder


def _check_metric(index: Any) -> None:
    import faiss

    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError(f"the metric is {index.metric_type}, expected {faiss.METRIC_INNER_PRODUCT} (inner product)")


def _sample(embeddings: Stored | Halves) -> Embeddings:
    """Return what an index is trained with: all vectors, or of very many the same ones each time."""
    if len(embeddings) <= _TRAINED:
        return embeddings[:]
    return embeddings[np.linspace(0, len(embeddings) - 1, _TRAINED).astype(np.int64)]


def _search_parameters(index: Any, settings: Mapping[str, int]) -> Any:
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        inner = None
        if "n_probe" in settings:
            inner = faiss.SearchParametersIVF(nprobe=settings["n_probe"])
        return faiss.IndexRefineSearchParameters(k_factor=settings.get("k_factor", _K_FACTOR), base_index_params=inner)
    if isinstance(index, faiss.IndexIVF) and "n_probe" in settings:
        return faiss.SearchParametersIVF(nprobe=settings["n_probe"])
    if isinstance(index, faiss.IndexHNSW) and "ef_search" in settings:
        return faiss.SearchParametersHNSW(efSearch=settings["ef_search"])
    return None
