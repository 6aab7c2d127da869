"""`jobsearch compare`: before and after tuning, side by side."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from jobsearch.cli.common import hits_wanted, json_option, k_option, kind_option, print_json
from jobsearch.cli.opening import open_encoder_engine
from jobsearch.reporting import comparison_record, encoder_record

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.hits import KindFilter


@click.command()
@click.argument("queries", nargs=-1, metavar="[QUERY…]")
@click.option("--base", default="use", show_default=True, metavar="NAME", help="Encoder or index before.")
@click.option("--tuned", metavar="NAME", help="Encoder or index after. Default: your newest tuned one.")
@k_option
@kind_option()
@click.option(
    "--file", "path", metavar="FILE", help="Sum up many queries: one a line, or a CSV with the columns query and uri."
)
@json_option
def compare(
    queries: tuple[str, ...], base: str, tuned: str | None, k: int | None, kind: str, path: str | None, as_json: bool
) -> None:
    """Ask base and tuned encoder the same QUERY; show what moved.

    The labels are those of the taxonomy in use; an encoder that has no index of them yet gets one first. With
    --file the queries are summed up: what entered, dropped, rose and fell, how much stayed, and, where the right
    URI is given, which queries were won and lost.

    \b
    Examples:
      jobsearch compare "ML engineer" --kind occupation
      jobsearch compare --file titles.csv -k 20 --json
    """
    from jobsearch.comparison import compare as ask
    from jobsearch.comparison import summarise
    from jobsearch.errors import QueryError

    if bool(queries) == bool(path):
        raise click.UsageError("give one QUERY or more, or --file, not both")
    wanted = cast("KindFilter", kind)
    expected: Mapping[str, str] = {}
    asked: list[str] = list(queries)
    for query in queries:
        if query == "-" or query.lower().endswith((".csv", ".tsv", ".txt")):
            raise click.UsageError(f"{query!r} is no query; for a file of queries write --file {query}")
    if path:
        asked, expected = read_queries(Path(path))
    before, after = open_both(base, tuned)
    compared = ask(before, after, asked, hits_wanted(k, before, kind), wanted)
    if not compared:
        raise QueryError(f"{path} holds no queries; write one a line")
    if path:
        summary = summarise(compared, expected)
        if as_json:
            print_json(
                {"base": encoder_record(before.opened), "tuned": encoder_record(after.opened), **summary.to_dict()}
            )
        else:
            from jobsearch.cli.compare_render import print_summary

            print_summary(before, after, summary)
        return
    for position, one in enumerate(compared):
        if as_json:
            print_json(comparison_record(before.opened, after.opened, one), indent=None)
        else:
            from jobsearch.cli.compare_render import print_comparison

            if position:
                click.echo()
            print_comparison(before, after, one)


def read_queries(path: Path) -> tuple[list[str], dict[str, str]]:
    """Read queries, and the right concept's URI where a CSV names it.

    Raises:
        QueryError: the file cannot be read, or a CSV has no column `query`.
    """
    from jobsearch.errors import QueryError
    from jobsearch.utf8 import read

    lines = read(path, "name a file with queries", QueryError).splitlines()
    header = [cell.strip().lower() for cell in next(csv.reader(lines[:1]), [])]
    if path.suffix.lower() != ".csv" and header != ["query", "uri"]:
        return [line.strip() for line in lines if line.strip()], {}
    if "query" not in header:
        raise QueryError(f"{path} has the columns {', '.join(header) or 'none'}; expected query, and uri if known")
    rows = [
        {name: cell.strip() for name, cell in zip(header, row, strict=False)} for row in csv.reader(lines[1:]) if row
    ]
    queries = [row["query"] for row in rows if row.get("query")]
    return queries, {row["query"]: row["uri"] for row in rows if row.get("query") and row.get("uri")}


def open_both(base: str = "use", tuned: str | None = None) -> tuple[JobSearch, JobSearch]:
    """Open the engines of two encoders over the taxonomy in use.

    Args:
        base: the first.
        tuned: the second; default: the newest tuned one, or the shipped one where there is none.

    Raises:
        JobSearchError: one cannot be opened or built.
    """
    from jobsearch.index.manifest import TITLES
    from jobsearch.tuning.models import newest_model

    engines = open_encoder_engine(base), open_encoder_engine(tuned or newest_model())
    if len({str(engine.opened.manifest.files.get(TITLES)) for engine in engines}) > 1:
        names = " and ".join(repr(engine.opened.name) for engine in engines)
        click.echo(
            f"Warning: the indexes {names} count other coded titles, so not all that differs is the encoder's doing; "
            "run `jobsearch index build --name NAME --titles CSV` for both",
            err=True,
        )
    return engines
