"""How a comparison looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from jobsearch.cli.columns import Column, Step
from jobsearch.cli.render import console, no_good_match, plain_table, print_columns, print_pairs, sure
from jobsearch.cli.signs import KIND_NAMES, movement_mark, movement_marks, stdout_shows_unicode
from jobsearch.hits import any_good_match

if TYPE_CHECKING:
    from jobsearch.comparison import Comparison, Move, Summary
    from jobsearch.engine import JobSearch
    from jobsearch.hits import Hit

_MOST_SHOWN = 10
_WORTH_FIGURES = 24  # cells of a label that are worth a column of figures, of two labels side by side
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
    print_columns(out, *_table(base, tuned, one))


def _table(base: JobSearch, tuned: JobSearch, one: Comparison) -> tuple[list[Column], list[Column], list[Step]]:
    """Return the columns of a comparison, those with labels, and what gives way for these."""
    moves = {move.uri: move for move in one.moves}
    rows = max(len(one.base), len(one.tuned))
    before: list[Hit | None] = [*one.base, *[None] * (rows - len(one.base))]
    after: list[Hit | None] = [*one.tuned, *[None] * (rows - len(one.tuned))]
    # What moved is coloured where it arrived, what dropped where it was.
    dropped = [hit is not None and moves[hit.uri].movement == "dropped" for hit in before]
    arrived = [moves[hit.uri] if hit else None for hit in after]
    colours = ["red" if out else "" for out in dropped], [_COLOURS[move.movement] if move else "" for move in arrived]
    headings = f"before: {base.opened.encoder.name}", f"after: {tuned.opened.encoder.name}"
    sides = [_side(*side) for side in zip(headings, (before, after), colours, strict=True)]
    marks = movement_marks(stdout_shows_unicode())
    leaving = Column(
        "",
        ["dropped" if out else "" for out in dropped],
        shorter=["out" if out else "" for out in dropped],
    )
    arriving = Column(
        "",
        [_movement(move) if move else "" for move in arrived],
        shorter=[movement_mark(move, marks) if move else "" for move in arrived],
    )
    rank = Column("", [str(row + 1) for row in range(rows)], right=True)
    # Where all hits are of one kind it tells nothing, and there is little room.
    mixed = len({hit.kind for hit in (*one.base, *one.tuned)}) > 1
    parts = ["score", "sure", "kind", "label"] if mixed else ["score", "sure", "label"]
    left, right = ([side[part] for part in parts] for side in sides)
    labels, kinds = ([side[part] for side in sides] for part in ("label", "kind"))
    steps = [
        Step([leaving, arriving], shorten=True),
        Step(kinds, shorten=True),
        *(Step([side[part] for side in sides], worth=_WORTH_FIGURES) for part in ("score", "sure", "kind")),
    ]
    return [rank, *left, leaving, *right, arriving], labels, steps


def _side(heading: str, hits: Sequence[Hit | None], colours: Sequence[str]) -> dict[str, Column]:
    """Return the columns of one side by what they show."""
    return {
        "score": Column("Score", [f"{hit.score:.3f}" if hit else "" for hit in hits], True, colours),
        "sure": Column("Sure", [sure(hit) if hit else "" for hit in hits], True, colours),
        "kind": Column(
            "Kind",
            [hit.kind if hit else "" for hit in hits],
            styles=colours,
            shorter=[KIND_NAMES[hit.kind] if hit else "" for hit in hits],
        ),
        "label": Column(heading, [hit.label if hit else "" for hit in hits], styles=colours),
    }


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
