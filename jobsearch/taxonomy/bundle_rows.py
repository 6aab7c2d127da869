"""What the rows of ESCO's tables say: concepts, groups and the links between them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobsearch.taxonomy.bundle_files import BundleFile
from jobsearch.taxonomy.bundle_tables import Row, Table
from jobsearch.taxonomy.gender import split_forms
from jobsearch.taxonomy.labels import clean_label, clean_labels
from jobsearch.taxonomy.model import STRENGTHS, Broader, Concept, Group, Kind, Relation, SkillRelation, Strength
from jobsearch.taxonomy.report import Tally

# Labels stand one a line in occupations and skills, and between bars in collections. No published label has either.
_BETWEEN_LABELS = re.compile(r"\n| \| ")
_SKILL_TYPES = frozenset({"skill/competence", "knowledge"})
_REUSE_LEVELS = frozenset({"transversal", "cross-sector", "sector-specific", "occupation-specific"})
_SEVERAL_URIS = re.compile(r"[\s|,]+")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A concept, and what has to be known to choose between its rows and to report on the one that was chosen."""

    concept: Concept
    modified: str
    empty: int
    repeated: int
    forms: int


@dataclass(slots=True)
class Gathered:
    """Everything that was read so far."""

    kept: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    relations: set[Relation] = field(default_factory=set)
    skill_relations: set[SkillRelation] = field(default_factory=set)
    broader: set[Broader] = field(default_factory=set)
    skipped: Tally = field(default_factory=Tally)
    duplicates: Tally = field(default_factory=Tally)

    @property
    def concepts(self) -> list[Concept]:
        """The concepts, one a URI and language."""
        return [kept.concept for kept in self.kept.values()]


def gather(
    out: Gathered, file: BundleFile, table: Table, language: str, rows: Iterable[tuple[int, Row]], links: bool
) -> tuple[int, int]:
    """Add the rows of a table to `out`; return how many there were and how many are of use.

    Args:
        out: where they go.
        file: for the places of what is left out.
        table: what the rows are.
        language: of their labels; "" for links.
        rows: line and cells by column.
        links: whether a collection's column `broaderConceptUri` counts, because no other table has these links.
    """
    read = used = 0
    for line, row in rows:
        read += 1
        place = f"{file.place} line {line}"
        match table.role:
            case "concepts" | "collection":
                used += _add_concept(out, table, row, language, place, links)
            case "groups":
                used += _add_group(out, row, language, place)
            case "hierarchy":
                used += _add_levels(out, row, language)
            case "relations":
                if ends := _ends(out, row, "occupationuri", "skilluri", place):
                    out.relations.add(Relation(*ends))
                    used += 1
            case "skill_relations":
                if ends := _ends(out, row, "originalskilluri", "relatedskilluri", place):
                    out.skill_relations.add(SkillRelation(*ends))
                    used += 1
            case "broader":
                used += _add_broader(out, row, place)
    return read, used


def _add_concept(out: Gathered, table: Table, row: Row, language: str, place: str, links: bool) -> bool:
    uri = row["concepturi"].strip()
    kind: Kind = table.kind or "skill"
    if not _is_usable(out, row, uri, place):
        return False
    if row.get("concepttype", "").casefold().endswith("group"):
        out.skipped.add("a group among concepts", place)
        return False
    found = _concept(row, uri, kind, language)
    if not found.concept.preferred_label:
        out.skipped.add("no preferred label", place)
        return False
    if links:
        ups = _SEVERAL_URIS.split(row.get("broaderconcepturi", ""))
        out.broader.update(Broader(uri, up) for up in ups if up and "/concept-scheme/" not in up)
    before = out.kept.get((uri, language))
    # Collections overlap, which is no mistake; a URI that comes twice in a table of all occupations is one.
    if before is not None and table.role == "concepts":
        out.duplicates.add("comes again", uri)
    if before is None or found.modified > before.modified:
        out.kept[uri, language] = found
    return before is None


def _concept(row: Row, uri: str, kind: Kind, language: str) -> _Kept:
    cells = (row.get("altlabels", ""), row.get("hiddenlabels", ""))
    given = [label for cell in cells if cell.strip() for label in _BETWEEN_LABELS.split(cell)]
    labels = clean_labels(row["preferredlabel"], given)
    forms: list[str] = []
    if kind == "occupation":
        every = (labels.preferred, *labels.alternatives)
        forms = [form for label in every for form in split_forms(label, language)]
    alternatives = clean_labels(labels.preferred, [*labels.alternatives, *forms]).alternatives
    isco_group = row.get("iscogroup", "").strip().removeprefix("C")
    skill_type = row.get("skilltype", "").strip()
    reuse_level = row.get("reuselevel", "").strip()
    concept = Concept(
        uri=uri,
        kind=kind,
        preferred_label=labels.preferred,
        alternative_labels=alternatives,
        language=language,
        isco_group=(isco_group or None) if kind == "occupation" else None,
        description=row.get("description", "").strip() or None,
        code=row.get("code", "").strip() or None,
        skill_type=skill_type if kind == "skill" and skill_type in _SKILL_TYPES else None,
        reuse_level=reuse_level if reuse_level in _REUSE_LEVELS else None,
    )
    added = len(alternatives) - len(labels.alternatives)
    return _Kept(concept, row.get("modifieddate", "").strip(), labels.empty, labels.repeated, added)


def _add_group(out: Gathered, row: Row, language: str, place: str) -> bool:
    uri, label = row["concepturi"].strip(), clean_label(row["preferredlabel"])
    if not _is_usable(out, row, uri, place):
        return False
    if not label:
        out.skipped.add("no preferred label", place)
        return False
    return _keep_group(out, uri, row.get("code", ""), label, language)


def _keep_group(out: Gathered, uri: str, code: str, label: str, language: str) -> bool:
    # Without a column for it the code is in the URI: `…/isco/C2511`, `…/isced-f/0613`.
    last = uri.rsplit("/", 1)[-1]
    code = code.strip() or (last.removeprefix("C") if "/isco/" in uri else last)
    return out.groups.setdefault((uri, language), group := Group(uri, code, label, language)) is group


def _add_levels(out: Gathered, row: Row, language: str) -> bool:
    """Add a path from the top of the skill hierarchy downwards: the groups on it, and the steps between them."""
    above = ""
    for level in range(4):
        uri = row.get(f"level {level} uri", "").strip()
        if not uri:
            break
        if label := clean_label(row.get(f"level {level} preferred term", "")):
            _keep_group(out, uri, row.get(f"level {level} code", ""), label, language)
        if above:
            out.broader.add(Broader(uri, above))
        above = uri
    return bool(above)


def _add_broader(out: Gathered, row: Row, place: str) -> bool:
    uri, up = row["concepturi"].strip(), row["broaderuri"].strip()
    if not (uri and up):
        out.skipped.add("a link without a URI", place)
        return False
    out.broader.add(Broader(uri, up))
    return True


def _ends(out: Gathered, row: Row, one: str, other: str, place: str) -> tuple[str, str, Strength] | None:
    uri, related = row[one].strip(), row[other].strip()
    if not (uri and related):
        out.skipped.add("a link without a URI", place)
        return None
    given = row["relationtype"].strip().casefold()
    strength = next((strength for strength in STRENGTHS if strength == given), None)
    if strength is None:
        out.skipped.add(f"a relation that is {given!r}, neither essential nor optional", place)
        return None
    return uri, related, strength


def _is_usable(out: Gathered, row: Row, uri: str, place: str) -> bool:
    status = row.get("status", "").strip().casefold()
    if not uri:
        out.skipped.add("no conceptUri", place)
    elif status not in ("", "released"):
        out.skipped.add(f"status {status!r}, not released", place)
    else:
        return True
    return False
