"""What a service answers from: engines that are loading, ready, or could not be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jobsearch.engine import JobSearch
from jobsearch.service.errors import ServiceError

Status = Literal["loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one service.

    Args:
        main: answers everything but /compare, and moves to newer versions.
        base, tuned: what /compare asks; both or neither. They stay on the versions they were opened with: a version
            that takes the place of one of them may hold another encoder, and there would be nothing to compare.
    """

    main: JobSearch
    base: JobSearch | None = None
    tuned: JobSearch | None = None

    @property
    def pair(self) -> tuple[JobSearch, JobSearch] | None:
        """Base and tuned, or None where there is nothing to compare."""
        return None if self.base is None or self.tuned is None else (self.base, self.tuned)


class State:
    """Loads engines aside and hands them out once they are there.

    Args:
        source: the engines, or what opens them; that is called once, by `load`, and may take long.
    """

    def __init__(self, source: Engines | Callable[[], Engines]) -> None:
        self._engines = source if isinstance(source, Engines) else None
        self._open = None if isinstance(source, Engines) else source
        self.error: BaseException | None = None

    @property
    def status(self) -> Status:
        """Whether there is an engine yet, or never will be."""
        if self._engines is not None:
            return "ready"
        return "loading" if self.error is None else "failed"

    def load(self) -> None:
        """Open the engines if they are still to be opened; what goes wrong is kept in `error`."""
        if self._engines is not None or self._open is None:
            return
        try:
            self._engines = self._open()
        except BaseException as error:
            self.error = error

    @property
    def engines(self) -> Engines:
        """The engines.

        Raises:
            ServiceError: they are not there (503).
        """
        if self._engines is not None:
            return self._engines
        if self.error is None:
            raise ServiceError(503, "loading", "the index is being loaded; try again", {"Retry-After": "1"})
        raise ServiceError(503, "failed", "the index could not be loaded; the service's log says why")

    def pinned(self) -> JobSearch:
        """Return an engine that stays on the version that is open now, for one request.

        Raises:
            ServiceError: there is none (503).
        """
        return self.engines.main.snapshot()

    def reload(self) -> tuple[bool, JobSearch]:
        """Move to the newest version; return whether there was another, and an engine pinned to the one in use.

        Raises:
            ServiceError: there is no engine yet (503).
            JobSearchError: the newest version cannot be opened; the service stays on the one it has.
        """
        main = self.engines.main
        reloaded = main.reload()
        return reloaded, main.snapshot()
