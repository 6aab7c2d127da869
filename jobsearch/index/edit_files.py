"""Reading a company's own titles, and a gate's queries, from CSV files."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from jobsearch.errors import IndexingError
from jobsearch.index.edits import Edit, own_uri
from jobsearch.index.gate import Gate
from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import KINDS, Kind
from jobsearch.utf8 import read

COLUMNS = ("label", "uri", "kind", "language", "preferred", "isco_group")
_YES = {"1": True, "true": True, "yes": True, "": False, "0": False, "false": False, "no": False}
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+\Z")


def read_additions(path: Path) -> list[Edit]:
    """Read labels to add.

    Args:
        path: UTF-8 CSV with the column `label`; optional: `uri` (a concept's, known or new; without it each label is a
            concept of its own), `kind` (occupation, skill), `language` (en), `preferred` (yes, no), `isco_group`.

    Raises:
        IndexingError: it cannot be read, or a row cannot be used (it is named).
    """
    rows = _read(path, required=("label",), known=COLUMNS)
    edits = [_addition(f"{path}, row {number}", row) for number, row in rows]
    if not edits:
        raise IndexingError(f"{path} holds no labels; write one a row below the header, which begins with `label`")
    return edits


def read_gate(path: Path) -> Gate:
    """Read the queries of a gate.

    Args:
        path: UTF-8 CSV with the columns `query` and `uri` (a concept that should be found).

    Raises:
        IndexingError: it cannot be read, or a row lacks one of the two (it is named).
    """
    pairs = []
    for number, row in _read(path, required=("query", "uri"), known=("query", "uri")):
        query = clean_label(row["query"])
        if not query or not row["uri"]:
            raise IndexingError(f"{path}, row {number}: query {row['query']!r}, uri {row['uri']!r}; give both")
        pairs.append((query, row["uri"]))
    if not pairs:
        raise IndexingError(f"{path} holds no queries; write one a row: query,uri")
    return Gate(tuple(dict.fromkeys(pairs)))


def _addition(place: str, row: dict[str, str]) -> Edit:
    label = clean_label(row["label"])
    if not label:
        raise IndexingError(f"{place}: the label is empty ({row['label']!r})")
    kind = _kind(place, row.get("kind", ""))
    language = row.get("language", "") or "en"
    if not re.fullmatch(r"[a-z]{2}", language):
        raise IndexingError(f"{place}: language is {language!r}, expected a code of two letters, such as en")
    preferred = _YES.get(row.get("preferred", "").lower())
    if preferred is None:
        raise IndexingError(f"{place}: preferred is {row['preferred']!r}, expected yes or no")
    isco = row.get("isco_group", "")
    if isco and not re.fullmatch(r"[0-9]{4}", isco):
        raise IndexingError(f"{place}: isco_group is {isco!r}, expected the four digits of an ISCO-08 unit group")
    uri = row.get("uri", "") or own_uri(kind or "occupation", language, label)
    if not _URI.match(uri):
        raise IndexingError(f"{place}: uri is {uri!r}, expected a URI such as urn:acme:title-17")
    return Edit("add", uri, label, kind, language, preferred, isco)


def _kind(place: str, value: str) -> Kind | None:
    found = next((kind for kind in KINDS if kind == value), None)
    if value and found is None:
        raise IndexingError(f"{place}: kind is {value!r}, expected {' or '.join(KINDS)}")
    return found


def _read(path: Path, required: tuple[str, ...], known: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Return (number, cells by column) of each row that is not blank; the header is row 1."""
    text = read(path, "check the path", IndexingError)
    try:
        table = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error as error:
        raise IndexingError(f"{path} is no CSV ({error}); expected the columns {', '.join(known)}") from error
    columns, *rows = table or [[]]
    if len(set(columns)) < len(columns) or not set(required) <= set(columns) <= set(known):
        raise IndexingError(
            f"{path} has the columns {', '.join(columns) or 'of an empty file'}; expected {', '.join(required)}"
            + (f", and if wanted {', '.join(c for c in known if c not in required)}" if known != required else "")
        )
    found = []
    for number, row in enumerate(rows, start=2):
        if len(row) > len(columns):
            raise IndexingError(
                f"{path}, row {number}: {len(row)} cells for {len(columns)} columns; "
                "put quotation marks around a text that has a comma in it"
            )
        if any(row):
            found.append((number, dict(zip(columns, row + [""] * (len(columns) - len(row)), strict=True))))
    return found
