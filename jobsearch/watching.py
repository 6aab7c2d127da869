"""Following an index: a thread that moves an engine to each newly published version."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from jobsearch.errors import JobSearchError

_log = logging.getLogger(__name__)


class Watcher:
    """Calls `reload` every few seconds in a daemon thread until it is closed.

    A version that cannot be opened is logged once, and the engine stays on the one it has.

    Args:
        reload: returns whether it moved to another version.
        interval: seconds between two calls, above 0.
    """

    def __init__(self, reload: Callable[[], bool], interval: float) -> None:
        if not 0 < interval <= threading.TIMEOUT_MAX:
            raise ValueError(f"interval is {interval!r}, expected seconds above 0")
        self._reload = reload
        self._interval = interval
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobsearch-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; a reload under way is waited for."""
        self._closed.set()
        self._thread.join()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        told = ""
        while not self._closed.wait(self._interval):
            try:
                self._reload()
                told = ""
            except JobSearchError as error:
                if str(error) != told:
                    _log.error("the newest version is not taken: %s", error)
                told = str(error)
            except Exception as error:
                if repr(error) != told:
                    _log.exception("watching goes on after an unforeseen error")
                told = repr(error)
