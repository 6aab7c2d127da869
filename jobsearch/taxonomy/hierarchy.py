"""ISCO groups of occupations, where a source does not name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from jobsearch.taxonomy.model import Broader, Concept

_UNIT_GROUP = re.compile(r"/isco/C(\d{4})\Z")
_CODE_IN_UNIT_GROUP = re.compile(r"(\d{4})\.")


def with_isco_groups(concepts: Iterable[Concept], broader: Sequence[Broader]) -> list[Concept]:
    """Fill in the ISCO unit group of occupations that have none.

    It is taken from the occupation's own record in another language, from its code, which since v1.2 begins with
    that of the unit group (`2654.1.7`), or from the first unit group above it.
    """
    concepts = list(concepts)
    known = {concept.uri: concept.isco_group for concept in concepts if concept.isco_group}
    for concept in concepts:
        if concept.uri not in known and (coded := _CODE_IN_UNIT_GROUP.match(concept.code or "")):
            known[concept.uri] = coded[1]
    above: dict[str, list[str]] = {}
    for step in broader:
        above.setdefault(step.uri, []).append(step.broader_uri)

    def find(uri: str, visited: frozenset[str]) -> str | None:
        if uri in known:
            return known[uri]
        if unit := _UNIT_GROUP.search(uri):
            return unit[1]
        if uri in visited:
            return None
        return next((group for up in above.get(uri, ()) if (group := find(up, visited | {uri}))), None)

    return [
        replace(concept, isco_group=find(concept.uri, frozenset()))
        if concept.kind == "occupation" and not concept.isco_group
        else concept
        for concept in concepts
    ]
