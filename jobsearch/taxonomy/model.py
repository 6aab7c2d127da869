"""Concepts, labels, relations and the taxonomy that holds them."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["occupation", "skill"]
KINDS: tuple[Kind, ...] = ("occupation", "skill")
Strength = Literal["essential", "optional"]
STRENGTHS: tuple[Strength, ...] = ("essential", "optional")

# What the URIs of ESCO's concepts and groups begin with.
ESCO = "http://data.europa.eu/esco/"
ATTRIBUTION = "This service uses the ESCO classification of the European Commission."


@dataclass(frozen=True, slots=True)
class Concept:
    """One ESCO occupation or skill in one language.

    A concept that is known in several languages is several records with the same `uri`.

    Args:
        uri: `http://data.europa.eu/esco/occupation/<uuid>` or `…/skill/<uuid>`, or a URI of the user's own.
        kind: `"occupation"` or `"skill"`.
        preferred_label: the one name that ESCO prefers in `language`; clean and not empty.
        alternative_labels: other names; clean, without repeats and without the preferred label.
        language: ISO 639-1 code, lower case.
        isco_group: code of the ISCO-08 unit group above an occupation (`"2512"`); None for skills or if unknown.
        description: ESCO's prose, where the source has it.
        code: ESCO's own code of an occupation (`"2654.1.7"`), since v1.2.
        skill_type: `"skill/competence"` or `"knowledge"`; None for occupations or if unknown.
        reuse_level: `"transversal"`, `"cross-sector"`, `"sector-specific"`, `"occupation-specific"` or None.
    """

    uri: str
    kind: Kind
    preferred_label: str
    alternative_labels: tuple[str, ...] = ()
    language: str = "en"
    isco_group: str | None = None
    description: str | None = None
    code: str | None = None
    skill_type: str | None = None
    reuse_level: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The preferred label, then the alternative ones."""
        return (self.preferred_label, *self.alternative_labels)


@dataclass(frozen=True, slots=True)
class Relation:
    """A skill that an occupation needs (`essential`) or may need (`optional`)."""

    occupation_uri: str
    skill_uri: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class SkillRelation:
    """A skill or knowledge that another skill needs or may need."""

    skill_uri: str
    related_uri: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class Group:
    """A node of a hierarchy above the concepts: an ISCO group or a skill group, in one language."""

    uri: str
    code: str
    label: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Broader:
    """One step up a hierarchy, from a concept or group to the group (or concept) above it."""

    uri: str
    broader_uri: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a taxonomy came from.

    Args:
        name: name that the taxonomy is kept and asked for under (`"esco-1.2.1-en"`).
        version: ESCO version (`"1.2.1"`), or `"unknown"`.
        origin: the package, file, folder or address that was read, as a reader would recognise it.
        attribution: the sentence that the licence asks for.
        created: UTC time in ISO 8601, or `""` for data that must be equal byte by byte whenever it is built.
        notes: what a reader should know: what is missing, what was left out.
    """

    name: str
    version: str
    origin: str
    attribution: str = ATTRIBUTION
    created: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """All that is known: concepts, the relations between them and the hierarchies above them.

    Concepts are kept in the order (kind, uri, language), so equal content gives an equal taxonomy. Relations may
    name concepts that are not in `concepts` (a bundle can be partial); `relations_within` drops those.
    """

    source: Source
    concepts: tuple[Concept, ...]
    relations: tuple[Relation, ...] = ()
    skill_relations: tuple[SkillRelation, ...] = ()
    groups: tuple[Group, ...] = ()
    broader: tuple[Broader, ...] = ()

    @staticmethod
    def of(
        source: Source,
        concepts: Sequence[Concept],
        *,
        relations: Sequence[Relation] = (),
        skill_relations: Sequence[SkillRelation] = (),
        groups: Sequence[Group] = (),
        broader: Sequence[Broader] = (),
    ) -> Taxonomy:
        """Sort everything and drop exact repeats, so that the order of reading does not matter.

        Raises:
            ValueError: two concepts share a URI and a language, or a URI but not a kind. Readers must settle that
                before.
        """
        ordered = sorted(concepts, key=lambda c: (c.kind, c.uri, c.language))
        for before, after in itertools.pairwise(ordered):
            if (before.uri, before.language) == (after.uri, after.language):
                raise ValueError(f"{after.uri} comes twice in language {after.language}")
        kinds: dict[str, Kind] = {}
        for concept in ordered:
            if kinds.setdefault(concept.uri, concept.kind) != concept.kind:
                raise ValueError(f"{concept.uri} is an occupation and a skill")
        return Taxonomy(
            source=source,
            concepts=tuple(ordered),
            relations=tuple(sorted(set(relations), key=lambda r: (r.occupation_uri, r.skill_uri, r.strength))),
            skill_relations=tuple(sorted(set(skill_relations), key=lambda r: (r.skill_uri, r.related_uri, r.strength))),
            groups=tuple(sorted(set(groups), key=lambda g: (g.uri, g.language, g.code, g.label))),
            broader=tuple(sorted(set(broader), key=lambda b: (b.uri, b.broader_uri))),
        )

    def __len__(self) -> int:
        """Number of distinct concepts, whatever their languages."""
        return len(self.by_uri)

    @cached_property
    def by_uri(self) -> Mapping[str, tuple[Concept, ...]]:
        """The records of each concept, one a language, in the order of language codes."""
        found: dict[str, list[Concept]] = {}
        for concept in self.concepts:
            found.setdefault(concept.uri, []).append(concept)
        return {uri: tuple(records) for uri, records in found.items()}

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that have at least one concept, sorted."""
        return tuple(sorted({concept.language for concept in self.concepts}))

    @cached_property
    def relations_within(self) -> tuple[Relation, ...]:
        """The relations of which both ends are concepts of this taxonomy."""
        return tuple(r for r in self.relations if r.occupation_uri in self.by_uri and r.skill_uri in self.by_uri)

    def labels(self) -> Iterator[tuple[Concept, str, bool]]:
        """Yield (concept, label, is it the preferred one) for every label, in the order of `concepts`."""
        for concept in self.concepts:
            for position, label in enumerate(concept.labels):
                yield concept, label, position == 0

    def counts(self) -> dict[str, int]:
        """Concepts by kind, labels, relations by strength, groups: what `esco info` shows."""
        kinds = Counter(records[0].kind for records in self.by_uri.values())
        strengths = Counter(relation.strength for relation in self.relations)
        return {
            "occupations": kinds["occupation"],
            "skills": kinds["skill"],
            "labels": sum(len(concept.labels) for concept in self.concepts),
            "essential": strengths["essential"],
            "optional": strengths["optional"],
            "skill_relations": len(self.skill_relations),
            "groups": len({group.uri for group in self.groups}),
        }

    def language_counts(self) -> dict[str, dict[str, int]]:
        """Occupations, skills and labels of each language."""
        counts: dict[str, dict[str, int]] = {}
        for concept in self.concepts:
            own = counts.setdefault(concept.language, {"occupations": 0, "skills": 0, "labels": 0})
            own[f"{concept.kind}s"] += 1
            own["labels"] += len(concept.labels)
        return dict(sorted(counts.items()))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over all concepts, relations and hierarchies: equal content, equal fingerprint.

        The source's name, origin and time do not count, so the same bundle imported twice has one fingerprint.
        """
        digest = hashlib.sha256()
        for rows in (self.concepts, self.relations, self.skill_relations, self.groups, self.broader):
            for row in rows:
                values = [getattr(row, name) for name in row.__slots__]
                digest.update(json.dumps(values, ensure_ascii=False).encode())
                digest.update(b"\n")
            digest.update(b"\x00")
        return digest.hexdigest()
