"""Vectors that lie in Milvus, searched as those of FAISS are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import QueryError, VectorStoreError
from jobsearch.index.rows import Rows
from jobsearch.index.vectors import RowNumbers, Scores
from jobsearch.integrations.milvus_store import ROW, VECTOR, Store

# Milvus gives so many rows a search at most, and asks for so many queries at most.
MOST_ROWS = 16_384
_QUERIES = 64
# Rows that a filter names one by one, and vectors that are read at once: 8 MB at 512 dimensions.
_LISTED = 8_192
_READ = 4_096
# Searches that one request may take: beyond, more labels are asked for than Milvus gives in reasonable time.
_SEARCHES = 64
# FAISS's score for what was not found.
_NONE = np.finfo(np.float32).min
# Type of index: how it is built, and with what it is searched for so many rows.
TYPES: dict[str, dict[str, Any]] = {
    "FLAT": {},
    "HNSW": {"M": 32, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 1024},
    "DISKANN": {},
    "AUTOINDEX": {},
}


def _parameters(index_type: str, limit: int) -> dict[str, Any]:
    if index_type == "HNSW":
        return {"ef": max(256, 2 * limit)}
    if index_type == "IVF_FLAT":
        return {"nprobe": 128}
    if index_type == "DISKANN":
        return {"search_list": max(256, 2 * limit)}
    return {}


class MilvusVectors:
    """A collection's vectors, one row a label; safe to share between threads.

    Args:
        store: the connection.
        collection: its own name, no alias: what is open stays as it is.
        labels, dim: number and width of its vectors.
        index_type: one of `TYPES`.
        fresh: whether rows added just now must be found.
    """

    def __init__(
        self, store: Store, collection: str, labels: int, dim: int, index_type: str, fresh: bool = False
    ) -> None:
        self._store = store
        self.collection = collection
        self._shape = (labels, dim)
        self._type = index_type
        self._more: dict[str, Any] = {"consistency_level": "Strong"} if fresh else {}
        self.embeddings = _Stored(store, collection, labels, dim, self._more)

    def __len__(self) -> int:
        """Number of rows."""
        return self._shape[0]

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._shape[1]

    def search(self, queries: Embeddings, count: int) -> tuple[Scores, RowNumbers]:
        """Find the nearest rows as the index type finds them (see `index.vectors.Vectors.search`).

        Raises:
            VectorStoreError: Milvus does not answer.
            QueryError: Milvus does not give so many.
        """
        return self._ranges(queries, count, 0, len(self))

    def exact(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Find the nearest of some rows, as exactly as the index type is where a filter leaves these alone.

        All of them are found where all are asked for (see `index.vectors.Vectors.exact`).

        Raises:
            VectorStoreError: Milvus does not answer.
            QueryError: Milvus does not give so many.
        """
        if rows.mask is None:
            found = self._ranges(queries, count, rows.start, rows.stop)
        else:
            found = self._listed(queries, count, np.flatnonzero(rows.mask))
        if count == len(rows) and (found[1] < 0).any():
            # A graph may not reach all there is.
            return self._read(queries, rows)
        return found

    def nearest(self, queries: Embeddings, count: int, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Find the nearest of some rows, or somewhat more or fewer (see `index.vectors.Vectors.nearest`).

        Milvus filters by the range of a kind. Of other filters few rows are listed one by one; many are what is left
        of more that are fetched.

        Raises:
            VectorStoreError: Milvus does not answer.
            QueryError: Milvus does not give so many.
        """
        wanted = min(count, len(rows))
        # A request for all is one for all.
        if rows.mask is None or wanted == len(rows):
            return self.exact(queries, wanted, rows)
        fetched = wanted * (rows.stop - rows.start) // len(rows)
        if len(rows) > _LISTED and fetched <= MOST_ROWS:
            return self._ranges(queries, fetched, rows.start, rows.stop)
        return self.exact(queries, wanted, rows)

    def _ranges(self, queries: Embeddings, count: int, start: int, stop: int) -> tuple[Scores, RowNumbers]:
        """Find the nearest rows of a range; part by part where more are wanted than Milvus gives at once."""
        if count <= MOST_ROWS:
            whole = (start, stop) == (0, len(self))
            return self._merged(queries, count, iter(["" if whole else _between(start, stop)]), 1)
        steps = range(start, stop, MOST_ROWS)
        return self._merged(queries, count, (_between(a, min(a + MOST_ROWS, stop)) for a in steps), len(steps))

    def _listed(self, queries: Embeddings, count: int, numbers: RowNumbers) -> tuple[Scores, RowNumbers]:
        """Find the nearest rows of a list."""
        steps = range(0, len(numbers), _LISTED)
        parts = (f"{ROW} in [{','.join(map(str, numbers[a : a + _LISTED].tolist()))}]" for a in steps)
        return self._merged(queries, count, parts, len(steps))

    def _merged(
        self, queries: Embeddings, count: int, filters: Iterator[str], searches: int
    ) -> tuple[Scores, RowNumbers]:
        """Search by each filter and keep the best; rows of one are not of another."""
        if searches > _SEARCHES:
            raise QueryError(
                f"{count:,} labels of {len(self):,} are asked for, and Milvus gives {MOST_ROWS:,} a search; "
                "ask for fewer hits, or filter less"
            )
        scores = np.full((len(queries), count), _NONE, np.float32)
        rows = np.full((len(queries), count), -1, np.int64)
        for where in filters:
            limit = min(count, MOST_ROWS)
            for start in range(0, len(queries), _QUERIES):
                part = slice(start, start + _QUERIES)
                parameters = _parameters(self._type, limit)
                found = self._store.search(self.collection, queries[part], where, limit, parameters, **self._more)
                for place, (own, numbers) in enumerate(found, start):
                    scores[place], rows[place] = _best(
                        np.concatenate([scores[place], np.array(own, np.float32)]),
                        np.concatenate([rows[place], np.array(numbers, np.int64)]),
                        count,
                    )
        return scores, rows

    def _read(self, queries: Embeddings, rows: Rows) -> tuple[Scores, RowNumbers]:
        """Score each of some rows, read from Milvus."""
        numbers = np.arange(rows.start, rows.stop) if rows.mask is None else np.flatnonzero(rows.mask)
        parts = [queries @ self.embeddings[numbers[a : a + _READ]].T for a in range(0, len(numbers), _READ)]
        scores = np.concatenate(parts, axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(scores, order, axis=1), numbers[order]


class _Stored:
    """The vectors themselves, read row by row; float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, store: Store, collection: str, labels: int, dim: int, more: dict[str, Any]) -> None:
        self._store = store
        self._collection = collection
        self._more = more
        self.shape = (labels, dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | RowNumbers) -> Embeddings:
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        result = np.empty((len(numbers), self.shape[1]), np.float32)
        for start in range(0, len(numbers), _READ):
            part = numbers[start : start + _READ].tolist()
            # In any order, and of a row that is asked for twice there is one.
            found = {int(row[ROW]): row[VECTOR] for row in self._rows(sorted(set(part)))}
            try:
                result[start : start + len(part)] = [found[number] for number in part]
            except KeyError as error:
                raise VectorStoreError(
                    f"collection {self._collection!r} of Milvus at {self._store.address} has no row {error}, expected "
                    f"{len(self):,} rows; push it again with `jobsearch index push --to {self._store.address}`"
                ) from None
        return result

    def _rows(self, numbers: list[int]) -> list[dict[str, Any]]:
        return self._store.rows(self._collection, numbers, **self._more) if numbers else []


def _between(start: int, stop: int) -> str:
    return f"{ROW} >= {start} and {ROW} < {stop}"


def _best(scores: Scores, rows: RowNumbers, count: int) -> tuple[Scores, RowNumbers]:
    """Return the best, of equal scores the first row first; what was not found last."""
    order = np.lexsort((rows, -scores))[:count]
    return scores[order], rows[order]
