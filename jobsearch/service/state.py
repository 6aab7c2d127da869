"""What a service answers from: engines that are loading, ready, or could not be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jobsearch.engine import JobSearch
from jobsearch.errors import JobSearchError
from jobsearch.service.errors import ServiceError

Status = Literal["loading", "ready", "failed"]
Comparison = Literal["loading", "ready", "failed", "none"]
Pair = tuple[JobSearch, JobSearch]


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one service.

    Args:
        main: answers everything but /compare, and moves to newer versions.
        base, tuned: what /compare asks; both or neither. They stay on the versions they were opened with: a version
            that takes the place of one of them may hold another encoder, and there would be nothing to compare.
        open_pair: opens base and tuned where they are not given; called once, aside, after `main` answers already,
            since it may build an index first.
    """

    main: JobSearch
    base: JobSearch | None = None
    tuned: JobSearch | None = None
    open_pair: Callable[[], Pair] | None = None

    @property
    def pair(self) -> Pair | None:
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
        self._pair: Pair | None = None
        self.error: BaseException | None = None
        self.pair_error: BaseException | None = None

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
    def comparison(self) -> Comparison:
        """Whether there is a pair to compare yet, or never will be; it has no part in `status`."""
        if self._engines is None:
            return "loading" if self.error is None else "none"
        if self.pair_or_none is not None:
            return "ready"
        if self.pair_error is not None:
            return "failed"
        return "none" if self._engines.open_pair is None else "loading"

    def load_pair(self) -> None:
        """Open the pair if it is still to be opened; what goes wrong is kept in `pair_error`."""
        if self._engines is None or self._engines.open_pair is None or self.comparison != "loading":
            return
        try:
            self._pair = self._engines.open_pair()
        except BaseException as error:
            self.pair_error = error

    @property
    def pair_or_none(self) -> Pair | None:
        """Base and tuned, or None where they are not there, or not yet."""
        return self._pair or (None if self._engines is None else self._engines.pair)

    @property
    def pair(self) -> Pair:
        """Base and tuned.

        Raises:
            ServiceError: no engine is there yet, or the pair is still being opened (503); or there is none (409).
        """
        pair = self.engines.pair or self._pair
        if pair is not None:
            return pair
        if self.comparison == "loading":
            message = (
                "base and tuned are still being prepared; try again, /health tells when they are there; /search answers"
            )
            raise ServiceError(503, "comparison_loading", message, {"Retry-After": "5"})
        if self.pair_error is not None:
            # Messages of this package are made to be shown; of what nobody foresaw only the log may tell.
            told = isinstance(self.pair_error, JobSearchError)
            why = str(self.pair_error) if told else "the service's log says why"
            raise ServiceError(409, "comparison_failed", f"base and tuned could not be opened: {why}; then start again")
        message = "there is one encoder here, expected two to compare; start the service with base and tuned"
        raise ServiceError(409, "nothing_to_compare", message)

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
