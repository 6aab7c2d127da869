"""Which of ESCO's tables a CSV file is, and its rows by column name.

Columns came, went and moved from version to version, so they are found by name, whatever their order and case.
"""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobsearch.errors import TaxonomyError
from jobsearch.taxonomy.bundle_files import PORTAL, BundleFile
from jobsearch.taxonomy.model import KINDS, Kind

# Concepts and groups have labels, one file a language; links are the same in every language.
Role = Literal["concepts", "collection", "groups", "hierarchy", "relations", "skill_relations", "broader"]
LABELLED: frozenset[Role] = frozenset({"concepts", "collection", "groups", "hierarchy"})


@dataclass(frozen=True, slots=True)
class Table:
    """One of ESCO's tables: its name, what it is good for, and the columns that it cannot do without."""

    name: str
    role: Role
    required: tuple[str, ...] = ("conceptUri", "preferredLabel")
    kind: Kind | None = None


_TABLES = {
    table.name.casefold(): table
    for table in (
        Table("occupations", "concepts", kind="occupation"),
        Table("skills", "concepts", kind="skill"),
        Table("ISCOGroups", "groups"),
        Table("skillGroups", "groups"),
        Table("skillsHierarchy", "hierarchy", ("Level 0 URI", "Level 0 preferred term", "Level 1 URI")),
        Table("occupationSkillRelations", "relations", ("occupationUri", "relationType", "skillUri")),
        Table("skillSkillRelations", "skill_relations", ("originalSkillUri", "relationType", "relatedSkillUri")),
        Table("broaderRelationsOccPillar", "broader", ("conceptUri", "broaderUri"), "occupation"),
        Table("broaderRelationsSkillPillar", "broader", ("conceptUri", "broaderUri"), "skill"),
    )
}
_WITHOUT_USE = {
    "dictionary": "explains the columns",
    "conceptschemes": "lists schemes, no concepts",
    "greenshareocc": "green shares are not used",
}
_NAME = re.compile(r"(?P<table>[a-z]+)(?:_(?P<language>[a-z]{2}))?")
_LANGUAGE = re.compile(r"(?:\A|[-_ ])classification[-_ ]+(?P<language>[a-z]{2})[-_ ]+csv\b", re.IGNORECASE)

Row = Mapping[str, str]


def identify(file: BundleFile) -> tuple[Table, str | None] | str:
    """Tell by its name which table a file is and in which language; return why not if it is of no use."""
    match = _NAME.fullmatch(file.stem.casefold())
    if match is None:
        return "no table of ESCO"
    name, language = match["table"], match["language"]
    if language is None:
        names = reversed(file.trail[:-1])
        language = next((found["language"].casefold() for n in names if (found := _LANGUAGE.search(n))), None)
    if name in _WITHOUT_USE:
        return _WITHOUT_USE[name]
    if name in _TABLES:
        return _TABLES[name], language
    for kind in KINDS:
        if name.endswith(f"{kind}scollection"):
            return Table(file.stem.partition("_")[0], "collection", kind=kind), language
    return "no table of ESCO"


@contextlib.contextmanager
def open_table(file: BundleFile, table: Table) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[int, Row]]]]:
    """Open a table; give its columns in lower case, and (line, cells by column) row by row.

    A row with more or fewer cells than the header is an error, since its cells may stand in the wrong columns; only
    the hierarchy of skills is published with short rows.

    Raises:
        TaxonomyError: a column is missing, the delimiter is another one, a row is ragged, the text is no UTF-8.
    """
    with file.lines() as lines:
        # Python's limit of 131,072 characters a cell stays as it is. The longest one that is read here has 21,000;
        # longer ones come from a quote that is never closed, and the limit is what finds it early.
        reader = csv.reader(lines, strict=True)
        records = _records(reader, file)
        _, header = next(records, (1, []))
        columns = tuple(" ".join(name.split()).casefold() for name in header)
        if any(name.casefold() not in columns for name in table.required):
            raise _wrong_columns(file, table, header)
        yield columns, _rows(records, columns, file, short=table.role == "hierarchy")


def _records(reader: Any, file: BundleFile) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise TaxonomyError(
            f"{file.place}: the row that begins in line {line} has no proper end ({error}), expected quotes in pairs; "
            f"the file is damaged or cut short, download the bundle again from {PORTAL}"
        ) from error


def _rows(
    records: Iterable[tuple[int, list[str]]], columns: tuple[str, ...], file: BundleFile, short: bool
) -> Iterator[tuple[int, Row]]:
    width = len(columns)
    for line, cells in records:
        if len(cells) != width:
            if any(cells[width:]) or (len(cells) < width and not short):
                raise TaxonomyError(
                    f"{file.place} line {line} has {len(cells)} cells, expected {width} as in the header; "
                    f"the file is damaged or cut short, download the bundle again from {PORTAL}"
                )
            cells = [*cells[:width], *[""] * (width - len(cells))]  # noqa: PLW2901
        yield line, dict(zip(columns, cells, strict=True))


def _wrong_columns(file: BundleFile, table: Table, header: list[str]) -> TaxonomyError:
    expected = ", ".join(table.required)
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and delimiter in header[0]:
            return TaxonomyError(
                f"{file.place}: the cells are separated by {name} ({header[0][:80]}), expected commas; "
                "use the file as downloaded, or save it again with commas"
            )
    seen = ", ".join(header)[:200] if header else "no columns, it is empty"
    return TaxonomyError(
        f"{file.place} has {seen}; expected a table {table.name} with at least {expected}; "
        f"use the file as downloaded from {PORTAL}"
    )
