"""The label table: what stands behind each row of the vectors, mapped from one file.

Rows are ordered by kind, concept, language, preferred label first. So the rows of a kind are one range and the rows
of a concept are one range, and a filter by kind costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.tensorfile import read_tensors
from jobsearch.index.coded import CodedTitles
from jobsearch.index.spelling import Spellings
from jobsearch.index.strings import Strings
from jobsearch.taxonomy.model import ESCO, KINDS, Kind, Taxonomy
from jobsearch.taxonomy.prior import log_priors

Array = npt.NDArray[Any]
_SHORT_URI = re.compile(r"(occupation|skill)/[0-9a-z-]{1,36}\Z")


@dataclass(frozen=True, slots=True)
class ConceptEntry:
    """What the index knows of one concept, in one language.

    Args:
        labels: the preferred label first.
        isco_group: code of the ISCO-08 unit group of an occupation, or None.
        isco_path: (code, label) from the major group down to the unit group; labels "" where the source had none.
        skills: URIs of an occupation's skills by strength, `{"essential": (…), "optional": (…)}`.
        occupations: the same for the occupations that need a skill.
    """

    uri: str
    kind: Kind
    language: str
    labels: tuple[str, ...]
    isco_group: str | None
    isco_path: tuple[tuple[str, str], ...]
    skills: dict[str, tuple[str, ...]]
    occupations: dict[str, tuple[str, ...]]


class LabelTable:
    """All labels and concepts of an index version.

    Args:
        columns: the arrays that `pack_labels` made.
    """

    def __init__(self, columns: dict[str, Array]) -> None:
        self._columns = columns
        self.texts = Strings(columns["label_data"], columns["label_offsets"])
        self.uris = Strings(columns["uri_data"], columns["uri_offsets"])
        self.spelled = Spellings(self.texts, columns["spelling_hash"], columns["spelling_row"])
        self.concept_of: Array = columns["label_concept"]
        self._language_of: Array = columns["label_language"]
        self._preferred: Array = columns["label_preferred"]
        self._hubness: Array = columns["label_hubness"]
        self._first_row: Array = columns["concept_first_row"]
        self._kinds: Array = columns["concept_kind"]
        self._priors: Array = columns["concept_prior"]
        self._own_priors: Array = columns["concept_own_prior"]
        self._languages = tuple(Strings(columns["language_data"], columns["language_offsets"]))
        self._isco = Strings(columns["isco_data"], columns["isco_offsets"])

    @staticmethod
    def open(path: Path) -> LabelTable:
        """Map the table's file.

        Raises:
            OSError, ValueError, KeyError: it cannot be read as a label table.
        """
        return LabelTable(read_tensors(path))

    def __len__(self) -> int:
        """Number of labels."""
        return len(self.texts)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that labels are in, sorted."""
        return self._languages

    @property
    def priors(self) -> Array:
        """How likely each concept is to be meant (`taxonomy.prior`); float32 (concepts,)."""
        return self._priors

    @property
    def hubness(self) -> Array:
        """How near each label is to others of its kind and language (`jobsearch.hubness`); float32 (rows,)."""
        return self._hubness

    @property
    def own_priors(self) -> Array:
        """The same by titles that the user has coded (`index.coded`), 0 where there are none; float32 (concepts,)."""
        return self._own_priors

    @cached_property
    def has_own_priors(self) -> bool:
        """Whether there are any."""
        return bool(self._own_priors.any())

    def kind_of(self, concept: int) -> Kind:
        """Return a concept's kind."""
        return KINDS[int(self._kinds[concept])]

    def kinds(self, concepts: Array) -> Array:
        """Return positions in `KINDS` of some concepts' kinds; uint8 (n,)."""
        found: Array = self._kinds[concepts]
        return found

    def language_of(self, row: int) -> str:
        """Return a label's language."""
        return self._languages[int(self._language_of[row])]

    @property
    def preferred(self) -> Array:
        """Whether each label is its concept's preferred one; bool (rows,)."""
        return self._preferred

    @property
    def language_numbers(self) -> Array:
        """Position in `languages` of each label's; uint8 (rows,)."""
        return self._language_of

    @property
    def groups(self) -> Array:
        """A number for each label's kind and language, which labels that are like each other share; int32 (rows,)."""
        return self._kinds[self.concept_of].astype(np.int32) * len(self._languages) + self._language_of

    def row_range(self, concepts: Array) -> tuple[Array, Array]:
        """Return where the rows of some concepts begin and end; int64 (n,) each."""
        return self._first_row[concepts], self._first_row[concepts + 1]

    def is_preferred(self, row: int) -> bool:
        """Tell whether a label is its concept's preferred one."""
        return bool(self._preferred[row])

    def concepts(self, kind: Kind | None = None) -> int:
        """Count concepts, of one kind or of all."""
        return len(self.uris) if kind is None else int(np.count_nonzero(self._kinds == KINDS.index(kind)))

    def rows(self, kind: Kind | None = None) -> tuple[int, int]:
        """Return the range (start, stop) of the rows of a kind, or of all."""
        if kind is None:
            return 0, len(self)
        start, stop = np.searchsorted(self._kinds, [KINDS.index(kind), KINDS.index(kind) + 1])
        return int(self._first_row[start]), int(self._first_row[stop])

    def in_language(self, language: str) -> Array:
        """Tell of each row whether its label is in that language, one of `languages`; bool (rows,)."""
        found: Array = self._language_of == self._languages.index(language)
        return found

    @property
    def has_isco(self) -> bool:
        """Whether any concept has an ISCO group."""
        return bool(self._isco_codes.any())

    def in_isco(self, prefix: str) -> Array:
        """Tell of each concept whether its ISCO group's code begins with `prefix`; bool (concepts,)."""
        return np.char.startswith(self._isco_codes, prefix)

    def isco_of(self, concept: int) -> str | None:
        """Return the code of a concept's ISCO unit group, or None."""
        return self._isco[concept] or None

    def of_concepts(self, mask: Array) -> Array:
        """Turn a mask of concepts into one of their rows; bool (rows,)."""
        found: Array = mask[self.concept_of]
        return found

    def rows_of(self, concept: int) -> tuple[int, int]:
        """Return the range (start, stop) of a concept's rows."""
        return int(self._first_row[concept]), int(self._first_row[concept + 1])

    def related(self, concept: int) -> tuple[Array, Array]:
        """Return the concepts that an occupation needs as skills, or that need a skill, and whether it is essential.

        Returns:
            Numbers of concepts, int32 (n,), and bool (n,).
        """
        own, other = "relation_occupation", "relation_skill"
        if self.kind_of(concept) == "skill":
            own, other = other, own
        found = np.flatnonzero(self._columns[own] == concept)
        return self._columns[other][found], self._columns["relation_essential"][found]

    @cached_property
    def linked_occupations(self) -> int:
        """How many occupations have skills."""
        return len(np.unique(self._columns["relation_occupation"]))

    def preferred_row(self, concept: int, language: str) -> int:
        """Return the row of a concept's preferred label in `language`, else of its first one."""
        start, stop = self.rows_of(concept)
        for row in range(start, stop):
            if self._preferred[row] and self.language_of(row) == language:
                return row
        return start

    def concept(self, uri: str) -> int | None:
        """Return the number of the concept with this URI, or None."""
        return self._by_uri.get(uri)

    def full_uri(self, text: str) -> str:
        """Return the URI that a short form (`occupation/ed3cf43d`) stands for, or `text` where it is not just one."""
        # The form first: a query in words, of which there are many, needs no table of all URIs.
        if not _SHORT_URI.match(text) or text in self._by_uri:
            return text
        fitting = [uri for uri in self.uris if uri.startswith(f"{ESCO}{text}")]
        return fitting[0] if len(fitting) == 1 else text

    def entry(self, concept: int, language: str | None = None) -> ConceptEntry:
        """Return all that is known of a concept, in `language` or its first one."""
        start, stop = self.rows_of(concept)
        first = self.preferred_row(concept, language) if language else start
        spoken = self.language_of(first)
        rows = [row for row in range(start, stop) if self.language_of(row) == spoken]
        isco = self.isco_of(concept)
        return ConceptEntry(
            uri=self.uris[concept],
            kind=self.kind_of(concept),
            language=spoken,
            labels=tuple(self.texts[row] for row in rows),
            isco_group=isco,
            isco_path=self._isco_path(isco, spoken),
            skills=self._by_strength(concept, "occupation"),
            occupations=self._by_strength(concept, "skill"),
        )

    @cached_property
    def _by_uri(self) -> dict[str, int]:
        return {uri: number for number, uri in enumerate(self.uris)}

    @cached_property
    def _isco_codes(self) -> Array:
        return np.array(list(self._isco), np.str_)

    @cached_property
    def isco_labels(self) -> dict[tuple[str, str], str]:
        """Labels of the ISCO groups by (code, language)."""
        columns = [Strings(self._columns[f"{c}_data"], self._columns[f"{c}_offsets"]) for c in _GROUP_COLUMNS]
        return {(code, language): label for code, language, label in zip(*columns, strict=True)}

    def _isco_path(self, code: str | None, language: str) -> tuple[tuple[str, str], ...]:
        if code is None:
            return ()
        labels = self.isco_labels
        levels = [code[:length] for length in range(1, len(code) + 1)]
        return tuple((level, labels.get((level, language)) or labels.get((level, "en"), "")) for level in levels)

    def _by_strength(self, concept: int, kind: Kind) -> dict[str, tuple[str, ...]]:
        """Return the URIs related to a concept of that kind; none for one of another kind."""
        by_strength: dict[str, list[str]] = {"essential": [], "optional": []}
        if self.kind_of(concept) == kind:
            for other, essential in zip(*self.related(concept), strict=True):
                by_strength["essential" if essential else "optional"].append(self.uris[int(other)])
        return {strength: tuple(uris) for strength, uris in by_strength.items()}


_GROUP_COLUMNS = ("group_code", "group_language", "group_label")


def pack_labels(taxonomy: Taxonomy, coded: CodedTitles | None = None) -> dict[str, Array]:
    """Lay a taxonomy out as the columns of a label table, rows in the order of `taxonomy.labels()`.

    Their hubness is told by embeddings: it is 0 until it is filled in.

    Args:
        taxonomy: labels and concepts.
        coded: titles of one's own, which tell how likely concepts are to be meant.
    """
    uris = list(taxonomy.by_uri)
    number = {uri: position for position, uri in enumerate(uris)}
    records = [taxonomy.by_uri[uri][0] for uri in uris]
    languages = taxonomy.languages
    rows = [(number[c.uri], languages.index(c.language), preferred) for c, _, preferred in taxonomy.labels()]
    concept = np.array([row[0] for row in rows], np.int32)
    relations = taxonomy.relations_within
    isco = [group for group in taxonomy.groups if "/isco/" in group.uri]
    columns: dict[str, Array] = {
        "label_concept": concept,
        "label_language": np.array([row[1] for row in rows], np.uint8),
        "label_preferred": np.array([row[2] for row in rows], np.bool_),
        "label_hubness": np.zeros(len(rows), np.float32),
        "concept_kind": np.array([KINDS.index(record.kind) for record in records], np.uint8),
        "concept_prior": log_priors(uris),
        "concept_own_prior": (coded or CodedTitles({})).priors(uris, (record.kind for record in records)),
        "concept_first_row": np.searchsorted(concept, np.arange(len(uris) + 1)).astype(np.int64),
        "relation_occupation": np.array([number[r.occupation_uri] for r in relations], np.int32),
        "relation_skill": np.array([number[r.skill_uri] for r in relations], np.int32),
        "relation_essential": np.array([r.strength == "essential" for r in relations], np.bool_),
    }
    strings: dict[str, Iterable[str]] = {
        "label": (label for _, label, _ in taxonomy.labels()),
        "uri": uris,
        "language": languages,
        "isco": (record.isco_group or "" for record in records),
        "group_code": (group.code for group in isco),
        "group_language": (group.language for group in isco),
        "group_label": (group.label for group in isco),
    }
    columns["spelling_hash"], columns["spelling_row"] = Spellings.pack(label for _, label, _ in taxonomy.labels())
    for column, texts in strings.items():
        columns[f"{column}_data"], columns[f"{column}_offsets"] = Strings.pack(texts)
    return columns
