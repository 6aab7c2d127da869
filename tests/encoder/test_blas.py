"""BLAS is held to one thread while embeddings are computed, and let go afterwards."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_limits

from jobsearch.encoder.blas import _libraries, one_blas_thread


def blas_threads() -> set[int]:
    # NumPy's own, and what was loaded when it was first limited: SciPy brings another BLAS, which encodes nothing.
    return {library.num_threads for library in _libraries()}


@pytest.fixture(autouse=True)
def two_threads() -> None:
    with threadpool_limits(2, user_api="blas"):
        pass
    if blas_threads() != {2}:
        pytest.skip("BLAS has other than two threads here")


def test_limits_and_restores() -> None:
    with one_blas_thread():
        assert blas_threads() == {1}
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_restores_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert blas_threads() == {2}


def test_the_last_of_overlapping_threads_restores_and_all_live_on() -> None:
    inside, leave_second = threading.Barrier(2, timeout=10), threading.Event()
    seen: list[set[int]] = []

    def first() -> None:
        with one_blas_thread():
            inside.wait()

    def second() -> None:
        with one_blas_thread():
            inside.wait()
            leave_second.wait(10)
            seen.append(blas_threads())

    with ThreadPoolExecutor(2) as pool:  # its threads stay alive, so none gives up what it holds by dying
        for _ in range(3):
            leave_second.clear()
            calls = [pool.submit(first), pool.submit(second)]
            calls[0].result(10)
            leave_second.set()
            calls[1].result(10)
            assert blas_threads() == {2}
    assert seen == [{1}] * 3
