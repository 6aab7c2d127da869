"""What the routes of one application share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from jobsearch.engine import JobSearch
from jobsearch.service.errors import json_response
from jobsearch.service.metrics import Metrics
from jobsearch.service.settings import Settings
from jobsearch.service.state import State
from jobsearch.service.workers import Workers

INDEX_HEADER = "Jobsearch-Index"


@dataclass(frozen=True, slots=True)
class Context:
    """One application's parts.

    Args:
        settings: its limits and switches.
        state: its engines.
        workers: where the work is done.
        metrics: its figures.
    """

    settings: Settings
    state: State
    workers: Workers
    metrics: Metrics

    async def answer(self, work: Callable[[], Any], *engines: JobSearch) -> Response:
        """Do the work in a thread, its result's way into JSON included, and say which index versions answered.

        Args:
            work: returns plain values.
            engines: the pinned engines that it asks.

        Raises:
            ServiceError: see `Workers.run`.
            JobSearchError: what the work raises.
        """
        headers = {INDEX_HEADER: ", ".join(map(_version, engines))}
        return await self.workers.run(lambda: json_response(work(), headers=headers))


def _version(engine: JobSearch) -> str:
    opened = engine.opened
    return f"{quote(opened.name, safe='@')}/{opened.version}"  # a name taken from a path may hold any character
