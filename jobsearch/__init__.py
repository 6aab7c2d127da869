"""Semantic job-title search over ESCO with built-in tuning.

>>> from jobsearch import JobSearch
>>> engine = JobSearch.open("esco-en")
>>> [hit.label for hit in engine.search("plumber", k=1, kind="occupation")]
['plumber']

All other errors are in `jobsearch.errors`, below `JobSearchError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobsearch.errors import IndexingError, JobSearchError, QueryError

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.filters import Filter
    from jobsearch.hits import Hit, Recommendation

__all__ = [
    "Filter",
    "Hit",
    "IndexingError",
    "JobSearch",
    "JobSearchError",
    "QueryError",
    "Recommendation",
    "__version__",
]
__version__ = "0.1.0"

_LAZY = {"Filter": "filters", "Hit": "hits", "JobSearch": "engine", "Recommendation": "hits"}

if not TYPE_CHECKING:  # a type checker takes the imports above, and still knows a wrong name when it sees one

    def __getattr__(name: str) -> object:
        """Import the engine when it is asked for: NumPy and FAISS are nothing to wait for in `jobsearch --help`."""
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(f"jobsearch.{_LAZY[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LAZY})
