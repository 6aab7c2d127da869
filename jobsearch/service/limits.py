"""Holding requests to the limits that depend on a service's settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from jobsearch.engine import JobSearch
from jobsearch.hits import one_kind
from jobsearch.service.errors import ServiceError
from jobsearch.service.settings import Settings
from jobsearch.service.words import short


def check_text(settings: Settings, name: str, text: str) -> None:
    """Refuse a text that is too long.

    Raises:
        ServiceError: 422.
    """
    if len(text) > settings.max_text:
        _refuse(f"{name} has {len(text)} characters, expected at most {settings.max_text}; shorten it")


def check_texts(settings: Settings, name: str, texts: Sequence[str]) -> None:
    """Refuse too many texts, and texts that are too long.

    Raises:
        ServiceError: 422.
    """
    if len(texts) > settings.max_batch:
        most = settings.max_batch
        _refuse(f"{name} has {len(texts)} entries, expected at most {most}; send the others in another request")
    check_each(settings, name, texts)


def check_each(settings: Settings, name: str, texts: Iterable[str]) -> None:
    """Refuse texts that are too long, however many there are.

    Raises:
        ServiceError: 422.
    """
    for position, text in enumerate(texts):
        check_text(settings, f"{name}.{position}", text)


def hits_wanted(settings: Settings, k: int | None, engine: JobSearch, kind: str) -> int:
    """Return how many hits to ask for: as many as the caller said, else the default, but no more than there are.

    Raises:
        ServiceError: the caller said more than is allowed (422).
    """
    if k is not None and k > settings.max_k:
        _refuse(f"k is {short(str(k))}, expected a whole number from 1 to {settings.max_k}; ask for fewer hits")
    there = engine.opened.labels.concepts(one_kind(kind))
    return max(1, min(k or settings.default_k, there))


def _refuse(message: str) -> NoReturn:
    raise ServiceError(422, "invalid_request", message)
