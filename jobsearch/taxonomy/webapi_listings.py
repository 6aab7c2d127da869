"""What the web API's listings are, and what a page of one says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobsearch.errors import DownloadError
from jobsearch.taxonomy.webapi_cache import Record
from jobsearch.taxonomy.webapi_records import is_full, trim


@dataclass(frozen=True, slots=True)
class Listing:
    """One of the API's listings.

    Args:
        name: `"occupations"`, `"skills"` or `"groups"`.
        path: where its pages are.
        params: what selects it.
        resource: where full records are had by their URIs.
        search: what selects the same concepts in `/search`, to learn the URIs of missing ones; None: nothing does.
    """

    name: str
    path: str
    params: Mapping[str, str]
    resource: str
    search: Mapping[str, str] | None


_SCHEME = "http://data.europa.eu/esco/concept-scheme/"
OCCUPATIONS = Listing(
    "occupations",
    "resource/occupation",
    {"isInScheme": f"{_SCHEME}occupations"},
    "resource/occupation",
    {"type": "occupation", "full": "false"},
)
SKILLS = Listing(
    "skills",
    "resource/skill",
    {"isInScheme": f"{_SCHEME}skills"},
    "resource/skill",
    {"type": "skill", "full": "false"},
)
ISCO_GROUPS = Listing(
    "groups", "search", {"type": "concept", "isInScheme": f"{_SCHEME}isco", "full": "true"}, "resource/concept", None
)


@dataclass(slots=True)
class Page:
    """An answer to a listing request, or some of them put together."""

    total: int = 0
    limit: int | None = None
    uris: list[str] = field(default_factory=list)
    full: dict[str, Record] = field(default_factory=dict)


def read_page(answer: Mapping[str, Any], path: str) -> Page:
    """Read an answer of `path`: its URIs are those of `concepts`, then those of records that only `_embedded` has.

    Raises:
        DownloadError: there is no total, so this is no listing.
    """
    total = answer.get("total")
    if not isinstance(total, (int, str)) or not str(total).isdigit():
        raise DownloadError(
            f"{path} answers with {', '.join(sorted(answer))[:100] or 'nothing'}, expected a total and records; "
            "check the base URL"
        )
    limit = answer.get("limit")
    concepts = answer.get("concepts")
    items = concepts if isinstance(concepts, list) else []
    listed = [str(item["uri"]) for item in items if isinstance(item, dict) and "uri" in item]
    found = {str(raw["uri"]): raw for raw in embedded(answer)}
    full = {uri: trim(raw) for uri, raw in found.items() if is_full(raw)}
    return Page(int(total), limit if isinstance(limit, int) else None, list(dict.fromkeys([*listed, *found])), full)


def embedded(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The records in an answer: `_embedded` is a dict by URI, or has lists of records by name."""
    embedded = answer.get("_embedded")
    values = embedded.values() if isinstance(embedded, dict) else ()
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("uri"), str)]
