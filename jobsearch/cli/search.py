"""`jobsearch search`: nearest titles and skills for one query, several, or a stream of them."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import click

from jobsearch.cli.common import (
    filter_options,
    hits_wanted,
    json_option,
    k_option,
    kind_option,
    print_json,
    stdin_lines,
)
from jobsearch.cli.opening import open_engine
from jobsearch.reporting import search_record

if TYPE_CHECKING:
    from jobsearch.hits import KindFilter
    from jobsearch.lexical.fusion import Mode

_MOST_AT_ONCE = 256


@click.command()
@click.argument("queries", nargs=-1, required=True, metavar="QUERY…")
@k_option
@kind_option()
@click.option(
    "--mode",
    default="both",
    show_default=True,
    metavar="MODE",
    help="What to find by: meaning, words (letters alone), or both.",
)
@filter_options
@click.option("--index", "index_name", metavar="NAME", help="Index to search. Default: that of the taxonomy in use.")
@json_option
def search(
    queries: tuple[str, ...],
    k: int | None,
    kind: str,
    mode: str,
    isco: str | None,
    language: str | None,
    min_score: float | None,
    index_name: str | None,
    as_json: bool,
) -> None:
    """Find the job titles and skills nearest to each QUERY.

    They are found by what they mean and by their letters. One hit a concept: the label that is nearest to the query
    speaks for it; what was typed itself comes first. A narrow terminal is shown fewer columns. With --json, one JSON
    object a query and line, with all of it. `-` reads queries from stdin, one a line, and prints JSON lines.

    \b
    Examples:
      jobsearch search "machine learning engineer" -k 5 --kind occupation
      cut -d, -f1 titles.csv | jobsearch search - -k 1 > coded.jsonl
    """
    from jobsearch.filters import Filter
    from jobsearch.searcher import clean_query

    where = Filter(isco=isco, language=language, min_score=min_score)
    engine = open_engine(index_name)
    wanted, by = cast("KindFilter", kind), cast("Mode", mode)
    most = hits_wanted(k, engine, kind)
    engine.search_many(
        [], most, wanted, where, by
    )  # checks all and says what is wrong, before anything is read or printed
    for position, query in enumerate(queries):
        clean_query(query, position)
    streamed = "-" in queries
    for position, query in enumerate(queries):
        if query == "-":
            for batch in _lines():
                for text, hits in zip(batch, engine.search_many(batch, most, wanted, where, by), strict=True):
                    print_json(search_record(engine.opened, text, hits), indent=None)
                sys.stdout.flush()
            continue
        hits = engine.search(query, most, wanted, where, by)
        if as_json or streamed:
            print_json(search_record(engine.opened, query, hits), indent=None)
        else:
            from jobsearch.cli.hints import name_hint
            from jobsearch.cli.render import print_hits

            if position:
                click.echo()
            hint = name_hint(engine.opened, query)
            if hint:
                click.echo(hint, err=True)
            by_words = by == "words" and where == Filter() and not hint
            nothing = "Nothing shares letters with the query." if by_words else "Nothing found."
            print_hits(query, hits, several=len(queries) > 1, nothing=nothing)


def _lines() -> Iterator[list[str]]:
    """Yield stdin's lines in batches: as many as have arrived, so that a slow writer gets each answer at once."""
    from jobsearch.taxonomy.labels import clean_label

    arrived: queue.Queue[str | Exception | None] = queue.Queue(maxsize=4 * _MOST_AT_ONCE)

    def read() -> None:
        try:
            for line in stdin_lines():
                arrived.put(line.rstrip("\r\n"))
        except Exception as error:  # raised below, else nobody would notice and all would wait for ever
            arrived.put(error)
        else:
            arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    blank = 0
    ended = False
    while not ended:
        batch = []
        line = arrived.get()
        while line is not None:
            if isinstance(line, Exception):
                raise line
            if clean_label(line):
                batch.append(line)
            else:
                blank += 1
            if len(batch) == _MOST_AT_ONCE or arrived.empty():
                break
            line = arrived.get()
        ended = line is None
        if batch:
            yield batch
    if blank:
        click.echo(f"Warning: skipped {blank} blank line{'' if blank == 1 else 's'}", err=True)
