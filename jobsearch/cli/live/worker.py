"""A thread that answers the newest request and drops the ones before it, so that typing never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobsearch.cli.live.messages import Answer, ConceptRequest, Failed, Request
from jobsearch.cli.live.text import one_line

_SETTLE = 0.03  # seconds; keys that come faster than that are one change


class Worker:
    """Answers requests on a thread of its own.

    Args:
        answer: answers one request, for as long as it takes; what it raises becomes a `Failed`.
        deliver: takes each answer, on the worker's thread.
        settle: seconds to wait for a newer query before one is searched.
    """

    def __init__(
        self, answer: Callable[[Request], Answer], deliver: Callable[[Answer], None], settle: float = _SETTLE
    ) -> None:
        self._answer = answer
        self._deliver = deliver
        self._settle = settle
        self._changed = threading.Condition()
        self._newest: Request | None = None
        self._closed = False
        # A daemon: whoever leaves does not wait for an answer.
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Have a request answered instead of any that has not begun."""
        with self._changed:
            self._newest = request
            self._changed.notify()

    def close(self, timeout: float | None = None) -> None:
        """Begin no other request, and wait for the one under way, no longer than `timeout` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while (request := self._next()) is not None:
            answer: Answer
            try:
                answer = self._answer(request)
            except Exception as error:  # whatever it is, it belongs on the status line and not over the screen
                answer = Failed(request, one_line(error))
            if not self._is_outdated():
                self._deliver(answer)

    def _next(self) -> Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closed)
            seen = None
            # Only a query is likely to be followed by another at once; what was opened need not wait.
            while not (self._closed or self._newest is seen or isinstance(self._newest, ConceptRequest)):
                seen = self._newest
                self._changed.wait(self._settle)
            request, self._newest = self._newest, None
            return None if self._closed else request

    def _is_outdated(self) -> bool:
        with self._changed:
            return self._closed or self._newest is not None
