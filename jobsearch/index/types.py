"""Index types: the names that users choose from, and what FAISS makes of them.

Every type holds the vectors and scores its candidates with them, so a score is always the exact cosine; what an
approximate type may miss is a label, and how often is measured at each build (`index.recall`). All hold them in single
precision but `compact`, which is for millions of labels: half precision, read from the disk row by row, moves a cosine
by about 1e-5. Figures for all types: `tests/benchmarks/README.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from jobsearch.errors import IndexingError

# Up to here exact search takes about a millisecond, and nothing is gained by anything else.
EXACT_UP_TO = 8_192
DEFAULT_LARGE, DEFAULT_SMALL = "pq", "flat"
# k-means of FAISS asks for 39 points a centroid; 4-bit codes have 16 centroids.
_LEAST_CODES = 39 * 16
# Values of `ef_search` and `n_probe` to try.
_NODES = (64, 128, 256, 512, 1024)
_CELLS = (8, 16, 32, 64, 128, 256)
_CELLS_FINE = (*_CELLS, 512)
# From here on finer cells are worth their training: fewer codes are scanned for the same recall.
_MILLIONS = 1 << 21


@dataclass(frozen=True)
class IndexType:
    """A way to lay out vectors for searching.

    Args:
        name: what users call it.
        factory: FAISS factory string (https://github.com/facebookresearch/faiss/wiki/The-index-factory).
        knob: what trades speed for recall when searching: `k_factor` (candidates scored exactly for each label
            wanted), `ef_search` (graph nodes kept), `n_probe` (cells visited), or `""` for exact search.
        ladder: values of the knob to try, fastest first; the build takes the first that reaches the recall wanted.
        least: labels that it needs for training.
        half: whether the vectors are kept in half precision in a file of their own (`index.halves`), and FAISS has
            codes alone.
    """

    name: str
    factory: str
    knob: str = ""
    ladder: tuple[int, ...] = ()
    least: int = 1
    half: bool = False


_TYPES: dict[str, Callable[[int, int], IndexType]] = {
    "compact": lambda labels, dim: IndexType(
        "compact", f"IVF{_fine(labels)},{_codes(dim)}", "n_probe", _CELLS_FINE, 39 * _fine(labels), half=True
    ),
    "flat": lambda labels, dim: IndexType("flat", "Flat"),
    "hnsw": lambda labels, dim: IndexType("hnsw", "HNSW32,Flat", "ef_search", _NODES),
    "ivf": lambda labels, dim: IndexType(
        "ivf", f"IVF{_cells(labels)},{_codes(dim)},RFlat", "n_probe", _CELLS, 39 * _cells(labels)
    ),
    "pq": lambda labels, dim: IndexType("pq", f"{_codes(dim)},RFlat", "k_factor", (8, 16, 32, 64), _LEAST_CODES),
    "sq8": lambda labels, dim: IndexType("sq8", "SQ8,RFlat", "k_factor", (2, 4, 8)),
}
TYPE_NAMES = tuple(_TYPES)


def find_type(name: str | None, labels: int, dim: int) -> IndexType:
    """Return an index type by its name, by a FAISS factory string, or the default for that many labels.

    Args:
        name: one of `TYPE_NAMES`, a factory string whose vectors are kept whole (it ends in `Flat`), or None.
        labels: how many will be indexed.
        dim: width of the vectors.

    Raises:
        IndexingError: there is no such type, or too few labels for it.
    """
    chosen = name or (DEFAULT_SMALL if labels <= EXACT_UP_TO else DEFAULT_LARGE)
    found = _TYPES[chosen](labels, dim) if chosen in _TYPES else _from_factory(chosen)
    if labels < found.least:
        raise IndexingError(
            f"index type {chosen!r} needs at least {found.least:,} labels to train on and there are {labels:,}; "
            f"use --type {DEFAULT_SMALL}"
        )
    return found


def _from_factory(text: str) -> IndexType:
    if not text.endswith("Flat") or (text.startswith("IVF") and not text.endswith(",RFlat")):
        raise IndexingError(
            f"index type {text!r} is not known; expected one of {', '.join(TYPE_NAMES)}, or a FAISS factory string "
            "that keeps the vectors whole, such as 'HNSW48,Flat' or 'IVF512,SQ8,RFlat'"
        )
    if text.startswith("HNSW") and not text.endswith(",RFlat"):
        return IndexType(text, text, "ef_search", _NODES)
    if "IVF" in text:
        return IndexType(text, text, "n_probe", _CELLS)
    return (
        IndexType(text, text, "k_factor", (2, 4, 8, 16, 32, 64)) if text.endswith(",RFlat") else IndexType(text, text)
    )


def _codes(dim: int) -> str:
    """4-bit product quantisation for FAISS's fast scan, four numbers a code; what doesn't divide by 4 gets SQ8."""
    return f"PQ{dim // 4}x4fs" if dim % 4 == 0 else "SQ8"


def _cells(labels: int) -> int:
    """Return a power of two near the square root."""
    return 1 << max(2, round(math.log2(max(labels, 1)) / 2))


def _fine(labels: int) -> int:
    """Return the cells of `compact`: of millions of labels twice as many."""
    return _cells(labels) * (2 if labels >= _MILLIONS else 1)
