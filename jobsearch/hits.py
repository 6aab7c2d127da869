"""What a search gives back: plain frozen records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jobsearch.lexical.fusion import MatchedBy
from jobsearch.taxonomy.model import KINDS, Kind

KindFilter = Literal["occupation", "skill", "all"]
KIND_FILTERS: tuple[KindFilter, ...] = (*KINDS, "all")


def one_kind(kind: str) -> Kind | None:
    """Return the kind that a filter names, None for both (`"all"`)."""
    return next((known for known in KINDS if known == kind), None)


@dataclass(frozen=True, slots=True)
class Hit:
    """One concept found for a query; its best label speaks for it.

    Args:
        rank: 1 for the best.
        score: -1 to 1, higher is better; 1 for a label that is what was typed. By meaning alone it is the cosine; by
            both, or by words, what `lexical.fusion` makes of it and of the concept's other labels; by both, of how many
            job titles mean it and of how near the label is to everything, too.
        uri: the concept.
        kind: `"occupation"` or `"skill"`.
        label: the concept's preferred label, in the matched label's language.
        matched_label: the label that was nearest to the query; where there is a description, with that beside it.
        language: language of the matched label.
        cosine: of query and matched label, by meaning, -1 to 1; where there is a description, of the query and both
            together (`index.about`).
        words: how alike the two are by their letters, 0 to 1; 0 where only meaning was asked.
        matched_by: `"exact"`: the label is what was typed, but for case; else what brought the concept up:
            `"meaning"`, `"words"` or `"both"`. For a URI or an ISCO code that was typed: `"uri"` or `"isco"`.
        confidence: probability that this is the concept meant, of those of its kind, 0 to 1 (`jobsearch.confidence`);
            None for what is near a concept or in a group that was named.
        good_match: whether the score is that of a good match, None as before. A query without one is off the topic,
            or hard to place, and its hits are just the nearest there are.
    """

    rank: int
    score: float
    uri: str
    kind: Kind
    label: str
    matched_label: str
    language: str
    cosine: float
    words: float
    matched_by: MatchedBy
    confidence: float | None = None
    good_match: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the hit as plain values, ready for JSON."""
        return asdict(self)


def any_good_match(hits: Iterable[Hit]) -> bool:
    """Tell whether there is a good match among the hits; without one they are just the nearest there are."""
    return any(hit.good_match is not False for hit in hits)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A skill that goes with a title, or a title that goes with skills.

    Args:
        rank: 1 for the best.
        score: 0 to 1, higher is better; it orders, it is no probability.
        uri: the concept.
        kind: `"occupation"` or `"skill"`.
        label: its preferred label.
        source: `"relation"` if ESCO links it to what was asked, `"vector"` if its labels are near, `"both"`.
        via: labels of the occupations or skills that ESCO links it by, strongest first; () for `"vector"`.
    """

    rank: int
    score: float
    uri: str
    kind: Kind
    label: str
    source: Literal["relation", "vector", "both"]
    via: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the recommendation as plain values, ready for JSON."""
        return {**asdict(self), "via": list(self.via)}
