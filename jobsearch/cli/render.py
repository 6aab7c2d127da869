"""How hits and concepts look in a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobsearch.cli.columns import Column, Step, draw, fit_columns
from jobsearch.cli.signs import stdout_shows_unicode
from jobsearch.hits import any_good_match

if TYPE_CHECKING:
    from jobsearch.hits import Hit
    from jobsearch.index.labels import ConceptEntry

_MOST_NAMES = 12
_PIPED_WIDTH = 160
_PADDING = re.compile(r" +$", re.MULTILINE)
_LEAST_LABEL = 12  # cells, so that short labels do not make each table another one
_LEAST_MATCHED = 10  # cells of a name that say enough of it
# Cells of a label that are worth a column of figures: seven of eight labels are whole then. For the longest ones alone
# no figure is given up, else they would come and go from query to query.
WORTH_FIGURES = 40


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print; where no terminal shows it, without the spaces that fill a table's last column."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write(_PADDING.sub("", captured.get()))

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1; how errors end is the application's to say


def console() -> Console:
    """Return a console on stdout that styles only where a terminal shows it, and is wide where none is."""
    return _Console(highlight=False, width=None if _has_width() else _PIPED_WIDTH)


def _has_width() -> bool:
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def short_uri(uri: str) -> str:
    """Shorten an ESCO URI to what tells concepts apart for a reader: `occupation/258e46f9`; others stay whole."""
    from jobsearch.taxonomy.model import ESCO

    if not uri.startswith(ESCO):
        return uri
    kind, _, identifier = uri.rpartition("/")
    return f"{kind.rpartition('/')[2]}/{identifier[:8]}"


def print_hits(query: str, hits: Sequence[Hit], several: bool = False, nothing: str = "Nothing found.") -> None:
    """Print a query's hits as a table, a line each; a narrow terminal is shown less of them.

    Args:
        query: what was asked.
        hits: what was found.
        several: whether there are other queries, so that this one is named.
        nothing: what to say where there are no hits.
    """
    out = console()
    if several:
        out.print(f"[bold]{escape(query)}[/bold]")
    if not hits:
        out.print(escape(nothing))
        return
    good = any_good_match(hits)
    if not good:
        out.print(no_good_match())
    styles = ["bold" if hit.rank == 1 and good else "" for hit in hits]

    def column(heading: str, cells: Iterable[str], right: bool = False, least: int = 0) -> Column:
        return Column(heading, list(cells), right, styles, least=least)

    score = column("Score", (f"{hit.score:.3f}" for hit in hits), right=True)
    likely = column("Sure", (sure(hit) for hit in hits), right=True)
    kind = column("Kind", (hit.kind for hit in hits))
    label = column("Label", (hit.label for hit in hits), least=_LEAST_LABEL)
    matched = column("Matched by", _matched(hits))
    concept = column("Concept", (short_uri(hit.uri) for hit in hits))
    columns = [column("", (str(hit.rank) for hit in hits), right=True), score, likely, kind, label, matched, concept]
    steps = [
        *([] if any(matched.cells) else [Step([matched])]),
        Step([concept]),
        Step([matched], cut_to=_LEAST_MATCHED),
        *(Step([figure], worth=WORTH_FIGURES) for figure in (score, likely, kind)),
    ]
    print_columns(out, columns, [label], steps)


def _matched(hits: Sequence[Hit]) -> list[str]:
    """Return the label that matched where it is another one than the preferred; all with language, if in several."""
    if len({hit.language for hit in hits}) > 1:
        return [f"{hit.matched_label} ({hit.language})" for hit in hits]
    return ["" if hit.matched_label == hit.label else hit.matched_label for hit in hits]


def print_columns(out: Console, columns: Sequence[Column], labels: Sequence[Column], steps: Iterable[Step]) -> None:
    """Print a table of one line a row, fitted into the terminal (see `fit_columns`); elsewhere all of it."""
    width = out.width if _has_width() else None
    left = columns if width is None else fit_columns(columns, labels, steps, width)
    ellipsis = "…" if stdout_shows_unicode() else "..."
    for line in draw(left, ellipsis, width):
        out.print(line, soft_wrap=True)


def no_good_match(where: str = "") -> str:
    """Return what is said of hits without a good match, in rich's markup; `where` has a space before it."""
    return f"[yellow]No good match[/yellow]{where}; the nearest there are:"


def sure(hit: Hit) -> str:
    """Return how sure a hit is, or nothing where no text was asked for."""
    return "" if hit.confidence is None else f"{hit.confidence:.0%}"


def print_concept(entry: ConceptEntry, names: dict[str, str]) -> None:
    """Print all that is known of a concept.

    Args:
        entry: the concept.
        names: preferred labels of the related concepts, by URI.
    """
    out = console()
    out.print(f"[bold]{escape(entry.labels[0])}[/bold]  {entry.kind}, {entry.language}")
    table = _pairs_table()
    table.add_row("URI", escape(entry.uri))
    if entry.labels[1:]:
        table.add_row("Also called", escape("; ".join(entry.labels[1:])))
    if entry.isco_path:
        steps = (f"{code} {label}".strip() for code, label in entry.isco_path)
        table.add_row("ISCO-08", escape(" › ".join(steps)))
    for heading, related in (("skills", entry.skills), ("occupations", entry.occupations)):
        for strength, uris in related.items():
            if uris:
                table.add_row(f"{strength.capitalize()} {heading}", escape(_listed(names[uri] for uri in uris)))
    out.print(table)


def plain_table(*headings: str) -> Table:
    """Return a table without frames, which copies well and fits 80 columns; what does not fit goes on a line below."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def keep_whole(table: Table, *columns: int) -> None:
    """Let the cells of some columns stay on one line each, cut with an ellipsis where there is no room at all."""
    for column in columns:
        table.columns[column].no_wrap = True
        table.columns[column].overflow = "ellipsis"


def to_the_minute(time: str) -> str:
    """Shorten a record's time, ISO 8601 in UTC, to what a table has room for: `2025-01-31 08:15`."""
    return time[:16].replace("T", " ")


def print_pairs(rows: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line."""
    table = _pairs_table()
    for name, value in rows:
        table.add_row(name, escape(str(value)))
    console().print(table)


def _pairs_table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMES
    return "; ".join(ordered[:_MOST_NAMES]) + (f"; and {more} more" if more > 0 else "")
