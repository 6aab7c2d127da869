"""What an import read, what it left out and why, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file that was read.

    Args:
        name: place inside the bundle.
        table: which of ESCO's tables it is (`"occupations"`).
        language: of its labels; None for tables of links, which hold none that are used.
        rows: rows below the header.
        used: rows that are in the result; the rest was skipped or repeats another row.
    """

    name: str
    table: str
    language: str | None
    rows: int
    used: int


@dataclass(frozen=True, slots=True)
class FileNotUsed:
    """A file that was passed over, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows that were left out for one reason, with the places or URIs of the first few."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """Counts rows that are left out, by reason, and remembers the first few of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        """Count one row."""
        self.counts[reason] += 1
        known = self.examples.setdefault(reason, [])
        if len(known) < _EXAMPLES and example not in known:
            known.append(example)

    def skips(self) -> tuple[Skip, ...]:
        """Return what was counted, most frequent first."""
        return tuple(Skip(reason, n, tuple(self.examples[reason])) for reason, n in self.counts.most_common())


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What reading a bundle gave.

    Args:
        name: name of the taxonomy.
        version: ESCO version, `"unknown"` if neither names nor columns tell.
        languages: of the concepts, sorted.
        files: what was read, in the order of reading.
        not_used: CSV files that were passed over.
        skipped: rows that were left out, by reason.
        duplicates: rows that name a concept again in the same language; the newest one counts.
        duplicate_uris: the first few of their URIs.
        gendered_forms: alternative labels that were added, single forms of labels that hold both genders.
        empty_labels: alternative labels that were nothing but white space.
        repeated_labels: alternative labels that repeat another label of their concept.
        notes: what a user should know about the result as a whole.
        counts: concepts, labels, relations and groups of the result.
        language_counts: occupations, skills and labels by language.
    """

    name: str
    version: str
    languages: tuple[str, ...]
    files: tuple[FileRead, ...]
    not_used: tuple[FileNotUsed, ...]
    skipped: tuple[Skip, ...]
    duplicates: int
    duplicate_uris: tuple[str, ...]
    gendered_forms: int
    empty_labels: int
    repeated_labels: int
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    language_counts: Mapping[str, Mapping[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return the report in types that JSON knows."""
        return asdict(self)
