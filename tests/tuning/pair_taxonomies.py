"""Taxonomies for tests of pairs: a made-up one in two languages, the built-in one, and real bundles where they are."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from jobsearch.taxonomy.bundle import read_bundle
from jobsearch.taxonomy.library import find_taxonomy
from jobsearch.taxonomy.model import Broader, Concept, Relation, SkillRelation, Source, Taxonomy

SHARED = Path(__file__).parents[3] / "shared" / "data"
ESCO = "http://data.europa.eu/esco/"

# ISCO unit group, then what an occupation works with: 3 roles each give 3 occupations in the group.
_FIELDS = {
    "2511": ("data", "Daten", "query"),
    "2512": ("software", "Software", "code"),
    "2221": ("ward", "Station", "nursing"),
    "7512": ("bread", "Brot", "baking"),
    "7522": ("cabinet", "Schrank", "carving"),
    "8342": ("excavator", "Bagger", "digging"),
    "5120": ("kitchen", "Küche", "frying"),
    "6113": ("garden", "Garten", "planting"),
    "3240": ("horse", "Pferd", "shoeing"),
    "1324": ("cargo", "Fracht", "loading"),
}
_ROLES = {"manager": "Leiter", "operator": "Bediener", "clerk": "Gehilfe"}


def occupation(number: int) -> str:
    return f"{ESCO}occupation/{number:03}"


def skill(number: int) -> str:
    return f"{ESCO}skill/{number:03}"


@functools.cache
def made_up() -> Taxonomy:
    """30 occupations and 10 skills in English and German, with groups, relations, a hierarchy and descriptions."""
    concepts: list[Concept] = []
    relations: list[Relation] = []
    broader: list[Broader] = []
    for place, (unit, (english, german, act)) in enumerate(_FIELDS.items()):
        concepts += [
            Concept(skill(place), "skill", f"{act} technique", (f"{act} methods", f"art of {act}")),
            Concept(skill(place), "skill", f"{german}technik", (f"{german}kunst",), language="de"),
        ]
        for step, (role, rolle) in enumerate(_ROLES.items()):
            number = 3 * place + step
            uri = occupation(number)
            concepts += [
                Concept(
                    uri,
                    "occupation",
                    f"{english} {role}",
                    (f"senior {english} {role}", f"{role} for {english}", f"{english} {role} {number}"),
                    isco_group=unit,
                    description=f"People who do {act} all day as {role}s.\n They like it.",
                ),
                Concept(
                    uri,
                    "occupation",
                    f"{german}-{rolle}",
                    (f"{rolle} ({german})",),
                    language="de",
                    isco_group=unit,
                    description=f"Personen, die täglich als {rolle} arbeiten: {german}.",
                ),
            ]
            relations.append(Relation(uri, skill(place), "essential" if step else "optional"))
            broader.append(Broader(uri, f"{ESCO}isco/C{unit}"))
    skill_relations = [SkillRelation(skill(0), skill(1), "optional")]
    broader += [Broader(skill(0), f"{ESCO}skill/S1"), Broader(skill(3), f"{ESCO}skill/S1"), Broader(skill(6), skill(7))]
    # Two concepts of unlike groups that share a label: they stand on one side, and are never unrelated.
    shared = [replace(c, alternative_labels=(*c.alternative_labels, "Old Hand")) for c in concepts[2:3]]
    shared += [replace(c, alternative_labels=(*c.alternative_labels, "old hand")) for c in concepts[34:35]]
    concepts = [*concepts[:2], shared[0], *concepts[3:34], shared[1], *concepts[35:]]
    return Taxonomy.of(
        Source("made-up", "1", "here"),
        concepts,
        relations=relations,
        skill_relations=skill_relations,
        broader=broader,
    )


@functools.cache
def builtin() -> Taxonomy:
    return find_taxonomy("esco-en")


@functools.cache
def bundle(name: str) -> Taxonomy:
    """Read a bundle from ../shared, or skip the test."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return read_bundle(folder)[0]


def ties(taxonomy: Taxonomy) -> dict[str, set[str]]:
    """Return, for each concept, marks of all that ties it to others: two concepts with a common mark are related.

    Written anew for tests, without `label_groups` and `Relatedness`: label strings, ISCO unit group, what is directly
    above, and relations.
    """
    marks: dict[str, set[str]] = {uri: {uri} for uri in taxonomy.by_uri}
    for concept in taxonomy.concepts:
        marks[concept.uri] |= {f"label {label.casefold()}" for label in concept.labels}
        if concept.isco_group:
            marks[concept.uri].add(f"isco {concept.isco_group}")
    for step in taxonomy.broader:
        if step.uri in marks:
            marks[step.uri].add(step.broader_uri)
    related = itertools.chain(
        ((r.occupation_uri, r.skill_uri) for r in taxonomy.relations),
        ((r.skill_uri, r.related_uri) for r in taxonomy.skill_relations),
    )
    for one, other in related:
        for a, b in ((one, other), (other, one)):
            if a in marks and b in marks:
                marks[a].add(f"relation {min(one, other)} {max(one, other)}")
    return marks
