"""BLAS held to one thread while an embedding is computed.

The products of a query are small: a second thread gains nothing, and where other processes hold the cores the threads
wait for each other a hundred times longer than the work takes (`tests/benchmarks/README.md`). Bulk calls bring threads
of their own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

_lock = threading.Lock()
_users = 0
_before: list[int] = []


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in this process; the last of overlapping calls restores what was before."""
    global _users, _before  # noqa: PLW0603  (the limit is the process's own, so is the count of who needs it)
    with _lock:
        if _users == 0:
            _before = [library.num_threads for library in _libraries()]
            _set([1] * len(_before))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _set(_before)


def _set(numbers: Sequence[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        # Since 3.8 threadpoolctl lets one thread alone change OpenBLAS, the first that did; here the lock sees to it
        # that they do not get in each other's way, and the one that restores may be another one.
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(number)
        release(force=True)


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    # A BLAS on OpenMP, as FAISS brings one, is limited for each calling thread: another could not restore it.
    return [
        library
        for library in ThreadpoolController().lib_controllers
        if library.user_api == "blas" and getattr(library, "threading_layer", None) != "openmp"
    ]
