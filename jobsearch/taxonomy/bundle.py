"""How the official ESCO bundle becomes a taxonomy: `read_bundle` takes a folder or a ZIP file, of any version.

The bundle is a set of CSV tables, one a language (`occupations_en.csv`, `skills_en.csv`, …), usually in
`ESCO dataset - v1.2.0 - classification - en - csv.zip`. Partial ones are fine, and so are several languages at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from jobsearch.errors import TaxonomyError
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.bundle_files import PORTAL, BundleFile, find_files
from jobsearch.taxonomy.bundle_rows import Gathered, gather
from jobsearch.taxonomy.bundle_tables import LABELLED, Table, identify, open_table
from jobsearch.taxonomy.hierarchy import with_isco_groups
from jobsearch.taxonomy.library import check_name
from jobsearch.taxonomy.model import KINDS, Source, Taxonomy
from jobsearch.taxonomy.report import FileNotUsed, FileRead, ImportReport

_VERSION = re.compile(r"(?<![\d.])v?(\d\.\d{1,2}(?:\.\d{1,2})?)(?!\.?\d)", re.IGNORECASE)
# Columns of the occupations that came with a version, the newest first: they tell it if no name does.
_CAME_WITH = (("nacecode", "naceCode", "1.2.1"), ("code", "code", "1.2.0"))


@dataclass(frozen=True, slots=True)
class _Known:
    file: BundleFile
    table: Table
    language: str | None


def read_bundle(
    path: Path,
    *,
    name: str | None = None,
    languages: Sequence[str] | None = None,
    progress: Progress = silent,
) -> tuple[Taxonomy, ImportReport]:
    """Read the official ESCO bundle, in one language or several, and say what was read and what was left out.

    Nothing is unpacked or stored. Labels are cleaned; hidden labels count as alternative ones; an occupation whose
    label holds both genders gets each form as an alternative label. A concept that comes twice in a language counts
    once, in its newest state. Skills that are only in collections (`digitalSkillsCollection_en.csv`, …) are read from
    there, if there is no `skills_en.csv`.

    Args:
        path: a folder or a ZIP file; folders and ZIP files below it are looked into.
        name: of the taxonomy; `esco-1.2.0-en` and the like if None.
        languages: ISO 639-1 codes to read; all that are there if None.
        progress: called with ("files", files read so far, files to read).

    Raises:
        TaxonomyError: there is no bundle, a table cannot be read, or an archive looks made to do harm.
    """
    if name is not None:
        check_name(name)
    found, passed_over = find_files(path)
    known = []
    for file in found:
        match identify(file):
            case str() as reason:
                passed_over.append(FileNotUsed(file.place, reason))
            case table, language:
                known.append(_Known(file, table, language))
    chosen = _choose_languages(path, known, languages, found)
    plan = _plan(known, chosen, passed_over)
    version = _version(path, plan)

    out = Gathered()
    files: list[FileRead] = []
    columns_seen: set[str] = set()
    pillars = {item.table.kind for item in plan if item.table.role == "broader"}
    for done, item in enumerate(plan):
        progress("files", done, len(plan))
        language = (item.language or "") if item.table.role in LABELLED else ""
        with open_table(item.file, item.table) as (columns, rows):
            if item.table.name == "occupations":
                columns_seen.update(columns)
            links = item.table.role == "collection" and item.table.kind not in pillars
            read, used = gather(out, item.file, item.table, language, rows, links)
        files.append(FileRead(item.file.place, item.table.name, language or None, read, used))
    progress("files", len(plan), len(plan))

    concepts = with_isco_groups(out.concepts, list(out.broader))
    if not concepts:
        reasons = ", ".join(f"{skip.count} rows: {skip.reason}" for skip in out.skipped.skips()) or "no rows"
        raise TaxonomyError(f"{path} has no concept that can be used ({reasons}); download it again from {PORTAL}")
    notes = _notes(files, plan, {(c.kind, c.language) for c in concepts})
    guess = next(((shown, came) for column, shown, came in _CAME_WITH if column in columns_seen), None)
    if guess and (version is None or guess[1].startswith(f"{version}.")):
        version = guess[1]
        notes.append(f"the version is guessed from the column {guess[0]}: {version} or later")
    source = Source(
        name=name or _name(version, sorted({c.language for c in concepts})),
        version=version or "unknown",
        origin=path.resolve().name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=tuple(notes),
    )
    taxonomy = Taxonomy.of(
        source,
        concepts,
        relations=list(out.relations),
        skill_relations=list(out.skill_relations),
        groups=list(out.groups.values()),
        broader=list(out.broader),
    )
    return taxonomy, _report(taxonomy, out, files, passed_over)


def _choose_languages(
    path: Path, known: Sequence[_Known], asked: Sequence[str] | None, found: Sequence[BundleFile]
) -> tuple[str, ...]:
    labelled = [item for item in known if item.table.role in ("concepts", "collection")]
    if not labelled:
        names = ", ".join(file.trail[-1] for file in found[:5])
        raise TaxonomyError(
            f"{path} holds no occupations and no skills ({len(found)} CSV files: {names}), "
            f"expected occupations_en.csv or skills_en.csv, in any language; download the bundle from {PORTAL}"
        )
    there = sorted({item.language for item in labelled if item.language})
    for item in labelled:
        if item.language is None and (item.table.role == "concepts" or not there):
            raise TaxonomyError(
                f"{item.file.place} does not say its language, expected a name like {item.table.name}_en.csv; "
                "rename the file"
            )
    if asked is None:
        return tuple(there)
    chosen = tuple(dict.fromkeys(code.strip().casefold() for code in asked))
    if not chosen or not set(chosen) <= set(there):
        raise TaxonomyError(
            f"{path} has {', '.join(there)}, asked for {', '.join(chosen) or 'none'}; "
            "choose among those that are there, or download the bundle in the other languages too"
        )
    return chosen


def _plan(known: Sequence[_Known], chosen: Sequence[str], passed_over: list[FileNotUsed]) -> list[_Known]:
    """Choose what is read, and in which order; the rest goes to `passed_over` with the reason."""
    complete = {(item.table.kind, item.language): item for item in known if item.table.role == "concepts"}
    links: dict[str, _Known] = {}
    plan = []
    # Links are the same in every language, so one file of each is read, of a chosen language if there is one.
    for item in sorted(known, key=lambda item: item.language is not None and item.language not in chosen):
        reason = None
        if item.table.role not in LABELLED:
            first = links.setdefault(item.table.name, item)
            if first is not item:
                reason = f"the same links as in {first.file.place}"
        elif item.language is None:
            reason = "does not say its language"
        elif item.language not in chosen:
            reason = f"language {item.language} is not asked for"
        elif item.table.role == "collection" and (whole := complete.get((item.table.kind, item.language))):
            reason = f"its concepts are in {whole.file.place}"
        if reason:
            passed_over.append(FileNotUsed(item.file.place, reason))
        else:
            plan.append(item)
    # The hierarchy comes last: it fills in groups that the tables of groups do not have.
    return sorted(plan, key=lambda item: item.table.role == "hierarchy")


def _version(path: Path, plan: Sequence[_Known]) -> str | None:
    """Return the version that names tell, for each file the one of the nearest folder or archive."""
    versions: dict[str, str] = {}
    for item in plan:
        for name in reversed(item.file.trail):
            if match := _VERSION.search(name):
                versions.setdefault(match[1], item.file.place)
                break
    # "1.2" above "1.2.0" says the same, less exactly.
    exact = [v for v in versions if not any(other.startswith(f"{v}.") for other in versions)]
    if len(exact) > 1:
        seen = " and ".join(f"{version} ({versions[version]})" for version in sorted(exact))
        raise TaxonomyError(f"{path} holds ESCO {seen}, expected one version; import them one at a time")
    return exact[0] if exact else None


def _name(version: str | None, languages: Sequence[str]) -> str:
    # Without a version "esco-en" would come out, which is the built-in taxonomy.
    spoken = "-".join(languages) if len(languages) <= 4 else f"{len(languages)}-languages"
    return f"esco-{version or 'bundle'}-{spoken}"


def _notes(files: Sequence[FileRead], plan: Sequence[_Known], there: set[tuple[str, str]]) -> list[str]:
    notes = []
    for kind in KINDS:
        languages = sorted({language for _, language in there})
        without = [language for language in languages if (kind, language) not in there]
        if without:
            notes.append(f"no {kind}s in {', '.join(without)}")
        collections = [
            f.name for f, i in zip(files, plan, strict=True) if (i.table.role, i.table.kind) == ("collection", kind)
        ]
        if collections:
            notes.append(
                f"only the {kind}s of {len(collections)} collections, since the table of all of them is missing"
            )
    if not any(item.table.role == "relations" for item in plan):
        notes.append("no relations between occupations and skills")
    return notes


def _report(
    taxonomy: Taxonomy, out: Gathered, files: Sequence[FileRead], passed_over: Sequence[FileNotUsed]
) -> ImportReport:
    duplicates = out.duplicates.skips()
    return ImportReport(
        name=taxonomy.source.name,
        version=taxonomy.source.version,
        languages=taxonomy.languages,
        files=tuple(files),
        not_used=tuple(sorted(passed_over, key=lambda file: file.name)),
        skipped=out.skipped.skips(),
        duplicates=sum(skip.count for skip in duplicates),
        duplicate_uris=tuple(uri for skip in duplicates for uri in skip.examples),
        gendered_forms=sum(kept.forms for kept in out.kept.values()),
        empty_labels=sum(kept.empty for kept in out.kept.values()),
        repeated_labels=sum(kept.repeated for kept in out.kept.values()),
        notes=taxonomy.source.notes,
        counts=taxonomy.counts(),
        language_counts=taxonomy.language_counts(),
    )
