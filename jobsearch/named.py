"""Queries that name what is wanted by a URI or an ISCO code instead of describing it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobsearch.index.labels import LabelTable
from jobsearch.taxonomy.model import ESCO

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+\Z")
# As typed, or as the end of a group's URI. One digit alone could be anything, and so could C1.
_ISCO = re.compile(r"(?:(?:ISCO(?:[- ]?08)?[\s:-]*C?)(\d{1,4})|C?(\d{2,4}))\Z", re.IGNORECASE)
_ISCO_URI = f"{ESCO}isco/"


@dataclass(frozen=True, slots=True)
class Named:
    """What a query names.

    Args:
        concept: number of the concept whose URI it is.
        isco: code of the ISCO-08 group, one to four digits.

    Both are None for a URI of ESCO's that the index does not hold.
    """

    concept: int | None = None
    isco: str | None = None


def unknown_name(labels: LabelTable, query: str) -> str | None:
    """Return why an ISCO code or a URI finds nothing by name in an index, in a sentence; None for all else."""
    code = _ISCO.match(query.removeprefix(_ISCO_URI))
    if code and not labels.has_isco:
        return "this index knows no ISCO groups; `jobsearch esco import` of the official bundle brings them"
    if code and not labels.in_isco(code[1] or code[2]).any():
        return f"this index has no occupations in the ISCO group {code[1] or code[2]}"
    uri = labels.full_uri(query)
    is_uri = query.startswith(ESCO) or re.match(r"(?:occupation|skill)/[0-9a-f-]{4,36}\Z", query)
    return f"this index has no concept {query}" if is_uri and labels.concept(uri) is None else None


def find_named(labels: LabelTable, query: str) -> Named | None:
    """Return what a query names, or None for a query in words.

    >>> find_named(labels, "occupation/ed3cf43d")
    Named(concept=2803, isco=None)

    Args:
        labels: of the index; an ISCO code counts only if it has occupations in that group, a URI of another maker's
            than ESCO's only if it has that concept.
        query: a URI, whole or as `occupation/ed3cf43d`; or an ISCO code: `2512`, `C2512`, `ISCO-08 2512`.
    """
    isco = _ISCO.match(query.removeprefix(_ISCO_URI))
    if isco:
        code = isco[1] or isco[2]
        return Named(isco=code) if labels.has_isco and labels.in_isco(code).any() else None
    uri = labels.full_uri(query)
    if uri == query and not _URI.match(query):
        return None
    concept = labels.concept(uri)
    return Named(concept) if concept is not None or uri.startswith(ESCO) else None
