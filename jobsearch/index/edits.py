"""A company's own titles: labels and concepts added to a taxonomy, or taken out, and kept over every rebuild.

An index version carries its edits (`edits.json`), in the order they were made; a rebuild applies them to the
taxonomy anew, so they survive a retrained encoder and a newer ESCO.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from jobsearch.errors import IndexingError
from jobsearch.files import storage_errors
from jobsearch.index.about import About
from jobsearch.index.labels import LabelTable
from jobsearch.index.manifest import EDITS
from jobsearch.taxonomy.model import ESCO, Concept, Group, Kind, Relation, Source, Taxonomy

# The records of each concept, by URI and language.
_Records = dict[str, dict[str, Concept]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Edit:
    """One label added, or one label or concept removed.

    Args:
        action: `"add"` or `"remove"`.
        uri: the concept; one that is not there yet is made by `"add"`.
        label: the label; `""` with `"remove"`: the whole concept.
        kind: of the concept; None: that of a known one, `"occupation"` for a new one.
        language: of the label.
        preferred: make it the preferred label; the one before becomes an alternative one.
        isco_group: of a new occupation, or `""`.
    """

    action: Literal["add", "remove"]
    uri: str
    label: str = ""
    kind: Kind | None = None
    language: str = "en"
    preferred: bool = False
    isco_group: str = ""


def read_edits(path: Path) -> tuple[Edit, ...]:
    """Read the edits of a version, given its verified folder."""
    if not (path / EDITS).is_file():
        return ()
    return tuple(Edit(**entry) for entry in json.loads((path / EDITS).read_text(encoding="utf-8")))


def write_edits(path: Path, edits: Sequence[Edit]) -> None:
    """Put edits into a version's folder.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    if edits:
        entries = [asdict(edit) for edit in edits]
        with storage_errors(path):
            (path / EDITS).write_text(json.dumps(entries, ensure_ascii=False, indent=0), encoding="utf-8")


def own_uri(kind: Kind, language: str, label: str) -> str:
    """Return the URI of a concept that was given without one: always the same for the same title."""
    import xxhash

    return f"urn:jobsearch:{kind}:{xxhash.xxh3_64_hexdigest(f'{language} {label.casefold()}'.encode())}"


def apply_edits(taxonomy: Taxonomy, edits: Iterable[Edit], *, strict: bool) -> Taxonomy:
    """Return the taxonomy with labels and concepts added and removed.

    Args:
        taxonomy: what to edit.
        edits: in the order they were made.
        strict: refuse what cannot be done; else pass over it, as is right when old edits meet a newer taxonomy.

    Raises:
        IndexingError: with `strict`, a concept or label to be removed is not there, or a label is added to a
            concept of another kind.
    """
    records: _Records = {uri: {record.language: record for record in own} for uri, own in taxonomy.by_uri.items()}
    passed: list[IndexingError] = []
    for edit in edits:
        try:
            (_add if edit.action == "add" else _remove)(edit, records)
        except IndexingError as error:
            if strict:
                raise
            passed.append(error)
    if passed:
        _log.warning(
            "%d edits do not fit this taxonomy and are passed over, the first since %s", len(passed), passed[0]
        )
    return Taxonomy.of(
        taxonomy.source,
        [record for own in records.values() for record in own.values()],
        relations=taxonomy.relations,
        skill_relations=taxonomy.skill_relations,
        groups=taxonomy.groups,
        broader=taxonomy.broader,
    )


def unpack_taxonomy(labels: LabelTable, about: About, source: Source) -> Taxonomy:
    """Return what an index holds as a taxonomy again: labels, relations, ISCO groups, and what concepts are about."""
    concepts, relations = [], []
    for number in range(labels.concepts()):
        uri, kind = labels.uris[number], labels.kind_of(number)
        by_language: dict[str, list[str]] = {}
        for row in range(*labels.rows_of(number)):
            by_language.setdefault(labels.language_of(row), []).append(labels.texts[row])
        for language, (preferred, *alternatives) in by_language.items():
            concepts.append(
                Concept(
                    *(uri, kind, preferred, tuple(alternatives), language, labels.isco_of(number)),
                    description=about.by_concept.get(number),
                )
            )
        if kind == "occupation":
            for skill, essential in zip(*labels.related(number), strict=True):
                relations.append(Relation(uri, labels.uris[int(skill)], "essential" if essential else "optional"))
    groups = [
        Group(f"{ESCO}isco/C{code}", code, label, language) for (code, language), label in labels.isco_labels.items()
    ]
    return Taxonomy.of(source, concepts, relations=relations, groups=groups)


def _add(edit: Edit, records: _Records) -> None:
    own = records.get(edit.uri, {})
    first = next(iter(own.values()), None)
    kind = first.kind if first else edit.kind or "occupation"
    if edit.kind not in (kind, None):
        raise IndexingError(f"{edit.uri} is of kind {kind} and label {edit.label!r} is added to it as {edit.kind}")
    if edit.isco_group and kind != "occupation":
        raise IndexingError(f"{edit.uri} is of kind {kind}: only an occupation is in an ISCO group")
    known = own.get(edit.language)
    if known is None:
        own[edit.language] = Concept(edit.uri, kind, edit.label, (), edit.language, first.isco_group if first else None)
    else:
        labels = [label for label in known.labels if label != edit.label]
        labels.insert(0 if edit.preferred or edit.label == known.preferred_label else len(labels), edit.label)
        own[edit.language] = replace(known, preferred_label=labels[0], alternative_labels=tuple(labels[1:]))
    if edit.isco_group:  # a concept is in one group, whatever the language
        own = {language: replace(record, isco_group=edit.isco_group) for language, record in own.items()}
    records[edit.uri] = own


def _remove(edit: Edit, records: _Records) -> None:
    own = records.get(edit.uri)
    if own is None:
        raise IndexingError(f"there is no concept {edit.uri!r} to remove; `jobsearch search … --json` shows URIs")
    if not edit.label:
        del records[edit.uri]
        return
    holding = [record for record in own.values() if edit.label in record.labels]
    if not holding:
        raise IndexingError(f"concept {edit.uri!r} has no label {edit.label!r} to remove")
    if any(len(record.labels) == 1 for record in holding):
        raise IndexingError(f"{edit.label!r} is the only label of {edit.uri!r}; remove the concept instead")
    for record in holding:
        preferred, *others = [label for label in record.labels if label != edit.label]
        own[record.language] = replace(record, preferred_label=preferred, alternative_labels=tuple(others))
