"""How a comparison looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from jobsearch.cli.render import console, keep_whole, no_good_match, plain_table, print_pairs, sure
from jobsearch.hits import any_good_match

if TYPE_CHECKING:
    from jobsearch.comparison import Comparison, Move, Summary
    from jobsearch.engine import JobSearch
    from jobsearch.hits import Hit

_MOST_SHOWN = 10
_COLOURS = {"entered": "green", "up": "green", "down": "yellow", "dropped": "red", "same": ""}


def print_comparison(base: JobSearch, tuned: JobSearch, one: Comparison) -> None:
    """Print a query's hits before and after, with the movement of each."""
    out = console()
    out.print(f"[bold]{escape(one.query)}[/bold]")
    found = {"before": any_good_match(one.base), "after": any_good_match(one.tuned)}
    if not any(found.values()):
        out.print(no_good_match())
    for side, good in found.items():
        if any(found.values()) and not good:
            out.print(no_good_match(f" {side}"))
    names = (f"before: {base.opened.encoder.name}", f"after: {tuned.opened.encoder.name}")
    table = plain_table("", "Score", "Sure", names[0], "", "Score", "Sure", names[1], "")
    keep_whole(table, 0, 1, 2, 4, 5, 6, 8)
    for column in (1, 2, 5, 6):
        table.columns[column].justify = "right"
    moves = {move.uri: move for move in one.moves}
    for row in range(max(len(one.base), len(one.tuned))):
        before = one.base[row] if row < len(one.base) else None
        after = one.tuned[row] if row < len(one.tuned) else None
        dropped = before is not None and moves[before.uri].movement == "dropped"
        table.add_row(
            str(row + 1),
            *_cells(before, "red" if dropped else ""),
            "dropped" if dropped else "",
            *_cells(after, _COLOURS[moves[after.uri].movement] if after else ""),
            _movement(moves[after.uri]) if after else "",
        )
    out.print(table)


def print_summary(base: JobSearch, tuned: JobSearch, summary: Summary) -> None:
    """Print what many queries come to."""
    print_pairs(_summary_lines(base, tuned, summary))
    for heading, rows in (("Won", summary.won), ("Lost", summary.lost)):
        if rows:
            click.echo()
            table = plain_table(heading, "before", "after")
            for query, before, after in rows[:_MOST_SHOWN]:
                table.add_row(escape(query), _rank(before), _rank(after))
            console().print(table)
            if len(rows) > _MOST_SHOWN:
                click.echo(f"and {len(rows) - _MOST_SHOWN} more; --json names them all")


def _summary_lines(base: JobSearch, tuned: JobSearch, summary: Summary) -> Iterator[tuple[str, str]]:
    yield "Encoders", f"{base.opened.encoder.name} before, {tuned.opened.encoder.name} after"
    yield "Queries", f"{summary.queries:,}, {summary.k} hits each"
    yield f"Overlap@{summary.k}", f"{summary.overlap:.3f}"
    yield "Moves", ", ".join(f"{number:,} {movement}" for movement, number in summary.movements.items())
    yield "Best hit", f"changed for {summary.changed_first:,} queries"
    if summary.expected:
        yield (
            "Right concept",
            (
                f"known for {summary.expected:,}, found for {summary.found_base:,} before and {summary.found_tuned:,} "
                f"after; {len(summary.won):,} won, {len(summary.lost):,} lost"
            ),
        )


def _cells(hit: Hit | None, colour: str) -> Sequence[str]:
    if hit is None:
        return "", "", ""
    texts = (f"{hit.score:.3f}", sure(hit), escape(hit.label))
    return [f"[{colour}]{text}[/]" for text in texts] if colour else texts


def _movement(move: Move) -> str:
    words: Sequence[str] = {
        "entered": ("new",),
        "same": ("=",),
        "up": (f"up from {move.base_rank}",),
        "down": (f"down from {move.base_rank}",),
        "dropped": ("dropped",),
    }[move.movement]
    return words[0]


def _rank(rank: int | None) -> str:
    return "–" if rank is None else str(rank)
