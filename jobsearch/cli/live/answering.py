"""Requests of the live shell, answered by the engine; runs on the worker's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobsearch.cli.hints import name_hint
from jobsearch.cli.live.messages import (
    Answer,
    Compared,
    ConceptRequest,
    Found,
    Link,
    Opened,
    Request,
    SearchRequest,
)
from jobsearch.hits import one_kind

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.hits import KindFilter

_RELATED = 10


class Answerer:
    """Answers requests, one at a time.

    Args:
        engine: what finds and opens.
        hits: most hits of a query.
        compared: most hits on either side of a comparison.
        both: returns the engines before and after tuning; asked only once they are open.
    """

    def __init__(
        self, engine: JobSearch, hits: int, compared: int, both: Callable[[], tuple[JobSearch, JobSearch]]
    ) -> None:
        self._engine = engine
        self._hits = hits
        self._compared = compared
        self._both = both

    def __call__(self, request: Request) -> Answer:
        """Answer a request.

        Raises:
            JobSearchError: it cannot be answered.
        """
        if isinstance(request, ConceptRequest):
            return self._open(request)
        return self._compare(request) if request.compared else self._search(request)

    def _search(self, request: SearchRequest) -> Found:
        begun = time.perf_counter()
        hits = self._engine.search(request.query, _most(self._engine, self._hits, request.kind), request.kind)
        seconds = time.perf_counter() - begun
        return Found(request, tuple(hits), seconds, name_hint(self._engine.opened, request.query))

    def _compare(self, request: SearchRequest) -> Compared:
        from jobsearch.comparison import compare

        base, tuned = self._both()
        begun = time.perf_counter()
        k = min(_most(engine, self._compared, request.kind) for engine in (base, tuned))
        found = compare(base, tuned, [request.query], k, request.kind)[0]
        seconds = time.perf_counter() - begun
        mine = self._engine.opened.encoder.fingerprint
        before, after = base.opened.encoder, tuned.opened.encoder
        in_use = (before.fingerprint == mine, after.fingerprint == mine)
        hint = name_hint(tuned.opened, request.query)
        return Compared(request, found, before.name, after.name, seconds, *in_use, hint)

    def _open(self, request: ConceptRequest) -> Opened:
        entry = self._engine.concept(request.uri, request.language)
        sections: dict[str, tuple[Link, ...]] = {}
        for name, related in (("skills", entry.skills), ("titles", entry.occupations)):
            for strength, uris in related.items():
                links = (self._link(uri, entry.language) for uri in uris)
                sections[f"{strength.capitalize()} {name}"] = tuple(sorted(links, key=lambda link: link.label))
        title = entry.kind == "occupation"
        if title and not any(sections.values()):
            # ESCO's relations are not there for each occupation, least of all in the built-in data.
            sections["Skills near it"] = self._near(request.uri, "skill", entry.language)
        sections["Related titles" if title else "Related skills"] = self._near(request.uri, entry.kind, entry.language)
        return Opened(request, entry, {heading: links for heading, links in sections.items() if links})

    def _near(self, uri: str, kind: KindFilter, language: str) -> tuple[Link, ...]:
        found = self._engine.similar(uri, _most(self._engine, _RELATED, kind), kind)
        return tuple(self._link(hit.uri, language, hit.score) for hit in found)

    def _link(self, uri: str, language: str, score: float | None = None) -> Link:
        entry = self._engine.concept(uri, language)
        return Link(uri, entry.kind, entry.labels[0], score)


def _most(engine: JobSearch, wanted: int, kind: KindFilter) -> int:
    return max(1, min(wanted, engine.opened.labels.concepts(one_kind(kind))))
