"""What the screen asks of the engine, and what comes back: plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from jobsearch.comparison import Comparison
    from jobsearch.hits import Hit, KindFilter
    from jobsearch.index.labels import ConceptEntry
    from jobsearch.taxonomy.model import Kind


@dataclass(frozen=True)
class SearchRequest:
    """The hits of a query are wanted, or those before and after tuning."""

    query: str
    kind: KindFilter
    compared: bool = False


@dataclass(frozen=True)
class ConceptRequest:
    """All that is known of a concept is wanted, in a language where there are several."""

    uri: str
    language: str


Request = Union[SearchRequest, ConceptRequest]  # noqa: UP007 - built when Python 3.10 runs it


@dataclass(frozen=True)
class Found:
    """Hits, how many seconds they took, and why what the query names is not among them, if it names something."""

    request: SearchRequest
    hits: tuple[Hit, ...]
    seconds: float
    hint: str = ""


@dataclass(frozen=True)
class Compared:
    """Hits before and after tuning, the encoders' names, how many seconds they took, which of them searches use, and
    a hint as with `Found`.
    """

    request: SearchRequest
    comparison: Comparison
    base: str
    tuned: str
    seconds: float
    base_in_use: bool = False
    tuned_in_use: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Link:
    """A concept that can be opened from another's page; `score` where it is there for its nearness."""

    uri: str
    kind: Kind
    label: str
    score: float | None = None


@dataclass(frozen=True)
class Opened:
    """What the index says of a concept, and the concepts that it leads to, by heading."""

    request: ConceptRequest
    entry: ConceptEntry
    sections: Mapping[str, tuple[Link, ...]]


@dataclass(frozen=True)
class Failed:
    """What was asked cannot be answered; the message is one line."""

    request: Request
    message: str


@dataclass(frozen=True)
class Preparing:
    """How far the engines to compare with are."""

    step: str


@dataclass(frozen=True)
class Ready:
    """The engines to compare with are open, or could not be opened, which the message tells."""

    error: str = ""


Answer = Union[Found, Compared, Opened, Failed, Preparing, Ready]  # noqa: UP007
