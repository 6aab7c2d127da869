"""A taxonomy as a directory of compressed CSV tables: one format for the built-in data and for imports.

    taxonomy.json            format version, source, counts, fingerprint of the content
    concepts.csv.gz          uri,kind,language,preferred_label,isco_group,code,skill_type,reuse_level
    alternative_labels.csv.gz   uri,language,label
    descriptions.csv.gz      uri,language,description          (only where the source has them)
    relations.csv.gz         occupation_uri,skill_uri,strength
    skill_relations.csv.gz   skill_uri,related_uri,strength
    groups.csv.gz            uri,code,label,language
    broader.csv.gz           uri,broader_uri

Writing the same taxonomy twice gives the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jobsearch.errors import TaxonomyError
from jobsearch.files import new_directory
from jobsearch.taxonomy.model import (
    STRENGTHS,
    Broader,
    Concept,
    Group,
    Relation,
    SkillRelation,
    Source,
    Strength,
    Taxonomy,
)

FORMAT_VERSION = 1
_CONCEPTS = ("uri", "kind", "language", "preferred_label", "isco_group", "code", "skill_type", "reuse_level")
_LABELS = ("uri", "language", "label")
_DESCRIPTIONS = ("uri", "language", "description")
_RELATIONS = ("occupation_uri", "skill_uri", "strength")
_SKILL_RELATIONS = ("skill_uri", "related_uri", "strength")
_GROUPS = ("uri", "code", "label", "language")
_BROADER = ("uri", "broader_uri")


def save_taxonomy(taxonomy: Taxonomy, directory: Path) -> None:
    """Write `taxonomy` to `directory`, which is replaced as a whole or left as it was.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    concepts = taxonomy.concepts
    with new_directory(directory) as aside:
        _write(aside, "concepts", _CONCEPTS, (_row(c, _CONCEPTS) for c in concepts))
        _write(
            aside,
            "alternative_labels",
            _LABELS,
            ((c.uri, c.language, label) for c in concepts for label in c.alternative_labels),
        )
        if any(c.description for c in concepts):
            _write(
                aside,
                "descriptions",
                _DESCRIPTIONS,
                ((c.uri, c.language, c.description) for c in concepts if c.description),
            )
        _write(aside, "relations", _RELATIONS, (_row(r, _RELATIONS) for r in taxonomy.relations))
        _write(
            aside, "skill_relations", _SKILL_RELATIONS, (_row(r, _SKILL_RELATIONS) for r in taxonomy.skill_relations)
        )
        _write(aside, "groups", _GROUPS, (_row(g, _GROUPS) for g in taxonomy.groups))
        _write(aside, "broader", _BROADER, (_row(b, _BROADER) for b in taxonomy.broader))
        about = {
            "format_version": FORMAT_VERSION,
            "source": asdict(taxonomy.source),
            "languages": taxonomy.language_counts(),
            "counts": taxonomy.counts(),
            "fingerprint": taxonomy.fingerprint,
        }
        (aside / "taxonomy.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_about(directory: Path) -> dict[str, Any]:
    """Read `taxonomy.json` alone: source, languages, counts and fingerprint, in a millisecond.

    Raises:
        TaxonomyError: there is no taxonomy in `directory`, or it is of another format version.
    """
    path = directory / "taxonomy.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TaxonomyError(f"no taxonomy in {directory}: taxonomy.json is missing; {_MEND}") from None
    except (OSError, ValueError) as error:
        raise TaxonomyError(f"{path} cannot be read ({error}); {_MEND}") from error
    if not isinstance(about, dict) or about.get("format_version") != FORMAT_VERSION:
        seen = about.get("format_version") if isinstance(about, dict) else type(about).__name__
        raise TaxonomyError(f"{path} has format version {seen}, this release reads {FORMAT_VERSION}; {_MEND}")
    return about


def load_taxonomy(directory: Path) -> Taxonomy:
    """Read a taxonomy that `save_taxonomy` wrote, and check its content against its fingerprint.

    Raises:
        TaxonomyError: something is missing, truncated, altered or of another format version.
    """
    about = read_about(directory)
    try:
        source = Source(**{**about["source"], "notes": tuple(about["source"]["notes"])})
        alternatives: dict[tuple[str, str], list[str]] = {}
        for uri, language, label in _read(directory, "alternative_labels", _LABELS):
            alternatives.setdefault((uri, language), []).append(label)
        descriptions = {
            (uri, language): text
            for uri, language, text in _read(directory, "descriptions", _DESCRIPTIONS, optional=True)
        }
        concepts = []
        for row in _read(directory, "concepts", _CONCEPTS):
            values: dict[str, Any] = {name: value or None for name, value in zip(_CONCEPTS, row, strict=True)}
            concept = Concept(**values)
            key = (concept.uri, concept.language)
            concepts.append(
                replace(
                    concept,
                    alternative_labels=tuple(alternatives.get(key, ())),
                    description=descriptions.get(key),
                )
            )
        taxonomy = Taxonomy(
            source=source,
            concepts=tuple(concepts),
            relations=tuple(Relation(a, b, _strength(c)) for a, b, c in _read(directory, "relations", _RELATIONS)),
            skill_relations=tuple(
                SkillRelation(a, b, _strength(c)) for a, b, c in _read(directory, "skill_relations", _SKILL_RELATIONS)
            ),
            groups=tuple(Group(*row) for row in _read(directory, "groups", _GROUPS)),
            broader=tuple(Broader(*row) for row in _read(directory, "broader", _BROADER)),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, csv.Error, zlib.error) as error:
        raise TaxonomyError(f"the taxonomy in {directory} is damaged ({error}); {_MEND}") from error
    if taxonomy.fingerprint != about.get("fingerprint"):
        raise TaxonomyError(
            f"the taxonomy in {directory} was altered: its content does not match its fingerprint; {_MEND}"
        )
    return taxonomy


_MEND = "run `jobsearch esco info` to see what is at hand, and import or download it again"


def _strength(text: str) -> Strength:
    for strength in STRENGTHS:
        if text == strength:
            return strength
    raise ValueError(f"a relation is {text!r}, expected one of {STRENGTHS}")


def _row(record: Any, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(getattr(record, name) or "" for name in columns)


def _write(directory: Path, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    # mtime 0 and no file name in the header: the same rows give the same bytes.
    with (
        (directory / f"{table}.csv.gz").open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _read(directory: Path, table: str, columns: Sequence[str], optional: bool = False) -> Iterator[list[str]]:
    path = directory / f"{table}.csv.gz"
    if optional and not path.exists():
        return
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        reader = csv.reader(text, strict=True)
        header = next(reader, [])
        if header != list(columns):
            raise ValueError(f"{path.name} has the columns {header}, expected {list(columns)}")
        for row in reader:
            if len(row) != len(columns):
                raise ValueError(f"{path.name} line {reader.line_num} has {len(row)} cells, expected {len(columns)}")
            yield row
