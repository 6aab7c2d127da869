"""Writing what is listed into a new file of the working directory, never over another one."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jobsearch.cli.live.messages import Compared
from jobsearch.errors import StorageError

if TYPE_CHECKING:
    from jobsearch.cli.live.state import LiveState

Format = Literal["csv", "json"]
Row = dict[str, Any]
_LONGEST = 40
_MOST_FILES = 1000  # of one name


def rows_of(state: LiveState) -> list[Row]:
    """Return what the screen lists as one record a line: hits, moves, or the concepts that a concept leads to."""
    if state.pages:
        opened = state.pages[-1].opened
        concept = {"concept_uri": opened.entry.uri, "concept": opened.entry.labels[0]}
        return [
            {**concept, "relation": heading, "uri": link.uri, "kind": link.kind, "label": link.label}
            | {"score": link.score}
            for heading, links in opened.sections.items()
            for link in links
        ]
    if isinstance(state.listed, Compared):
        one = state.listed.comparison
        before, after = ({hit.uri: hit.score for hit in hits} for hits in (one.base, one.tuned))
        return [
            {"query": one.query, **move.to_dict(), "movement": move.movement}
            | {"base_score": before.get(move.uri), "tuned_score": after.get(move.uri)}
            for move in one.moves
        ]
    return [{"query": state.listed.request.query, **hit.to_dict()} for hit in state.listed.hits] if state.listed else []


def export(state: LiveState, form: Format, folder: Path) -> tuple[Path, int]:
    """Write what the screen lists, named after the query or the opened concept.

    Args:
        state: what is listed; something must be.
        form: CSV, or JSON: an array of the same records.
        folder: where the file goes; one that is there is never written over.

    Returns:
        The file and its number of records.

    Raises:
        StorageError: it cannot be written.
    """
    rows = rows_of(state)
    text = _csv(rows) if form == "csv" else json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
    stem = _stem(state)
    for number in range(1, _MOST_FILES):
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}.{form}"
        try:
            with path.open("x", encoding="utf-8", errors="replace", newline="") as file:
                _write(file, text, path)
        except FileExistsError:
            continue
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
        return path, len(rows)
    raise StorageError(f"there are {_MOST_FILES - 1} files named {stem} in {folder} already; move some away")


def _write(file: io.TextIOBase, text: str, path: Path) -> None:
    try:
        file.write(text)
        file.flush()
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()  # half a list is worse than none
        raise


def _stem(state: LiveState) -> str:
    text = state.pages[-1].opened.entry.labels[0] if state.pages else state.query
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-") or "hits"
    return f"{stem}-compared" if state.screen == "comparison" else stem


def _csv(rows: Sequence[Row]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
