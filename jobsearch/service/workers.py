"""A bounded pool of threads for the work, so that the event loop stays free to answer, refuse and time out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from jobsearch.service.errors import ServiceError

Result = TypeVar("Result")


class Workers:
    """Threads that work on requests, and a queue before them, both of a fixed size.

    Not anyio's limiter: that counts a thread as free once its caller has stopped waiting, so that slow work would
    pile up behind timeouts. Here a thread counts until its work is done.

    Args:
        threads: how many work at once, at least 1.
        waiting: how many may wait for a thread.
        timeout: seconds that a caller waits for its result, waiting for a thread included.
    """

    def __init__(self, threads: int, waiting: int, timeout: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="jobsearch-serve")
        self._most = threads + waiting
        self._timeout = timeout
        self._lock = threading.Lock()
        self._pending = 0

    @property
    def pending(self) -> int:
        """How many pieces of work are waiting or under way."""
        return self._pending

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the work in a thread and return what it returns, or raise what it raises.

        Raises:
            ServiceError: too many wait already (503), or it is not done in time (504; work under way keeps its thread
                until it ends, since a thread cannot be stopped).
        """
        with self._lock:
            if self._pending >= self._most:
                raise ServiceError.overloaded()
            self._pending += 1
        try:
            submitted = self._pool.submit(work)
        except RuntimeError:  # the pool is closed: the service ends
            self._leave()
            raise ServiceError.overloaded() from None
        submitted.add_done_callback(self._leave)
        waited_for = asyncio.wrap_future(submitted)
        await asyncio.wait([waited_for], timeout=self._timeout)
        if not waited_for.done():
            waited_for.cancel()  # takes it out of the queue if it still waits there
            raise ServiceError(504, "timeout", f"the answer took longer than {self._timeout:g} s; ask for less at once")
        return waited_for.result()

    def close(self) -> None:
        """Take no more work; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._pending -= 1
