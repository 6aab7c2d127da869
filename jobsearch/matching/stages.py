"""Steps of a run at work side by side: each in a thread of its own, a few batches ahead of the next."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
# Seconds between two looks whether the run was stopped, and that a step has to notice it.
_LOOK = 0.05
_PATIENCE = 3.0


class Stages:
    """Threads that make items ahead of whoever takes them; leaving the context stops them all."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._threads: list[tuple[threading.Thread, float]] = []

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        for thread, patience in self._threads:
            thread.join(patience)

    @property
    def stopped(self) -> bool:
        """Whether nobody takes any more."""
        return self._stopped.is_set()

    def ahead(self, items: Iterator[Item], most: int = 2, patience: float = _PATIENCE) -> Iterator[Item]:
        """Yield items that a thread makes, in their order.

        What making them raises is raised here, after the items that came before.

        Args:
            items: made in the thread.
            most: how many are made before they are taken.
            patience: seconds to wait for the thread's end when the run is left; then it is left behind.
        """
        made: queue.Queue[Item | _End] = queue.Queue(most)

        def make() -> None:
            end = _End()
            try:
                for item in items:
                    if not self._until_stopped(lambda item=item: made.put(item, timeout=_LOOK)):  # type: ignore[misc]
                        return
            except BaseException as error:
                end = _End(error)
            self._until_stopped(lambda: made.put(end, timeout=_LOOK))

        thread = threading.Thread(target=make, daemon=True, name="jobsearch-stage")
        self._threads.append((thread, patience))
        thread.start()
        return self._taken(made)

    def _taken(self, made: queue.Queue[Any]) -> Iterator[Any]:
        while True:
            got: list[Any] = []
            if not self._until_stopped(lambda got=got: got.append(made.get(timeout=_LOOK))):  # type: ignore[misc]
                return
            if isinstance(got[0], _End):
                if got[0].error is not None:
                    raise got[0].error
                return
            yield got[0]

    def _until_stopped(self, attempt: Callable[[], Any]) -> bool:
        """Try until it can be done; tell whether it was before the stop."""
        while not self.stopped:
            try:
                attempt()
            except (queue.Full, queue.Empty):
                continue
            return True
        return False


@dataclass(frozen=True)
class _End:
    """The last thing that a step gives: how it ended."""

    error: BaseException | None = None
