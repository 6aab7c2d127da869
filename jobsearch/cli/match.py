"""`jobsearch match`: a file of titles to the concepts of an index."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from jobsearch.cli.common import filter_options, json_option, kind_option, print_json, show_progress
from jobsearch.cli.match_interrupted import Watched, interruptions, of_file, on_spark
from jobsearch.cli.opening import open_engine

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.hits import KindFilter
    from jobsearch.integrations.spark_files import SparkSummary
    from jobsearch.matching.run import Summary, Wanted

_STREAM = "-"


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--column", metavar="NAME", help="Column that holds the titles. Default: title or such, or the only one.")
@click.option("--out", metavar="FILE", help="File to write; - is stdout. Default: NAME.matched.EXT beside FILE.")
@click.option("-k", type=int, default=1, show_default=True, metavar="N", help="Hits for each title, a row each.")
@kind_option("occupation")
@filter_options
@click.option("--index", "index_name", metavar="NAME", help="Index to search. Default: that of the taxonomy in use.")
@click.option("--delimiter", metavar="CHAR", help="Delimiter of a CSV, or tab. Default: told by its first row.")
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="What does the work: this process, or Apache Spark.",
)
@click.option("--master", metavar="URL", help="Spark's cluster. Default: what Spark's settings say, or this machine.")
@click.option("--restart", is_flag=True, help="Drop what an unfinished run has done.")
@click.option("--force", is_flag=True, help="Replace the file to write if it is there.")
@json_option
def match(
    file: str,
    column: str | None,
    out: str | None,
    k: int,
    kind: str,
    isco: str | None,
    language: str | None,
    min_score: float | None,
    index_name: str | None,
    delimiter: str | None,
    engine: str,
    master: str | None,
    restart: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Find the concept of each title in FILE, however long it is.

    FILE ends in .csv, .parquet, .jsonl or .ndjson, or is `-` for a CSV on stdin, answered on stdout. Each row is
    written in its order, with match_uri, match_label, match_matched_label, match_kind, match_score (a cosine of four
    decimals, or 1 for what is a label), where the index knows it match_isco_group, match_confidence (0 to 1: that this
    is the concept meant) and match_good_match (false: just the nearest there is; --min-score 0.60 leaves these out);
    -k above 1 adds match_rank and writes a row a hit. A row without a title, or without a hit, gets empty cells. All is
    as `search --mode meaning` says it.

    A run that was interrupted goes on where it stopped when it is started again; its work is in OUT.partial till then.
    Ctrl-C says how much that is.

    With --engine spark, FILE is whatever Spark reads (a folder of parts, a pattern, hdfs:// or s3a://), OUT a folder of
    parts, and the index goes to each executor; they need jobsearch installed.

    \b
    Examples:
      jobsearch match vacancies.csv
      jobsearch match vacancies.parquet --column job_title -k 3 --out coded.jsonl
      cut -d, -f2 vacancies.csv | jobsearch match - > coded.csv
      jobsearch match hdfs:///ads.parquet --engine spark --master yarn
    """
    from jobsearch.filters import Filter
    from jobsearch.matching.columns import is_title_column
    from jobsearch.matching.run import Wanted, check_out, match_file, match_stream
    from jobsearch.matching.sources import format_of, open_source

    wanted = Wanted(k, cast("KindFilter", kind), Filter(isco=isco, language=language, min_score=min_score))
    format_of(file)
    target = out or _beside(file)
    if engine == "spark":
        with interruptions(on_spark):
            _on_spark(
                file,
                target,
                wanted,
                index_name,
                master,
                as_json,
                restart,
                column=column,
                delimiter=delimiter,
                force=force,
            )
        return
    if master is not None:
        raise click.UsageError("--master is about Spark; add --engine spark")
    streamed = target == _STREAM
    if streamed and as_json:
        raise click.UsageError("--json prints a summary on stdout, where the rows go; name a file with --out")
    if streamed and (restart or force):
        raise click.UsageError("--restart and --force are about a file to write; name it with --out")
    watched = Watched()
    with interruptions(lambda: of_file(file, target, restart, watched)):
        source = open_source(file, column, delimiter, any_keys=format_of(target) == "jsonl")
        if column is None and format_of(file) == "csv" and not is_title_column(source.column):
            click.echo(f"The titles are taken from the only column; line 1, {source.column!r}, is its name.", err=True)
        if not streamed:
            check_out(source, Path(target), force, restart)
        opened = open_engine(index_name)
        with show_progress() as watched.progress:
            if streamed:
                summary = match_stream(opened, source, sys.stdout.buffer, wanted, watched)
            else:
                summary = match_file(opened, source, Path(target), wanted, watched, force=force, restart=restart)
    if as_json:
        print_json(_record(opened, source.name, source.column, target, summary))
    else:
        click.echo(_line(target, summary), err=True)


def _on_spark(
    file: str,
    target: str,
    wanted: Wanted,
    index_name: str | None,
    master: str | None,
    as_json: bool,
    restart: bool,
    **options: Any,
) -> None:
    """Match on Spark, and say what was done."""
    from jobsearch.integrations.spark_files import match_files, spark_session

    if _STREAM in (file, target):
        raise click.UsageError("Spark reads and writes folders and files, no stream; name them, or leave out --engine")
    if restart:
        raise click.UsageError("a run on Spark always begins anew; leave --restart out")
    opened = open_engine(index_name)
    version = opened.opened.version
    with spark_session(master) as session, show_progress() as progress:
        summary = match_files(
            session, file, target, index_name or opened.opened.name, wanted, progress, version=version, **options
        )
    if as_json:
        record = {
            "file": file,
            "out": target,
            **_used(opened),
            "rows": summary.rows,
            "without_hit": summary.without_hit,
            "without_good_match": summary.without_good_match,
        }
        print_json({**record, **_pace(summary)})
    else:
        click.echo(
            f"{summary.rows:,} rows: {summary.without_hit:,} without a title or a hit, "
            f"{summary.without_good_match:,} without a title or a good match; "
            f"{summary.rows_per_second:,.0f} rows/s; in {target}.",
            err=True,
        )


def _beside(file: str) -> str:
    """Return the name of the file beside it; by its text alone, since Spark's names are no paths of this machine."""
    if file == _STREAM:
        return _STREAM
    path = file.rstrip("/")
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}.matched{dot}{suffix}"


def _line(target: str, summary: Summary) -> str:
    resumed = f", {summary.resumed_after:,} of them before" if summary.resumed_after else ""
    return (
        f"{summary.rows:,} rows{resumed}: {summary.searched:,} titles searched, {summary.empty:,} empty, "
        f"{summary.without_hit:,} without a hit; {summary.without_good_match:,} of {summary.titles:,} titles without a "
        f"good match; {summary.rows_per_second:,.0f} rows/s; "
        f"in {'stdout' if target == _STREAM else target}."
    )


def _record(engine: JobSearch, file: str, column: str, target: str, summary: Summary) -> dict[str, Any]:
    return {
        "file": file,
        "column": column,
        "out": target,
        **_used(engine),
        "rows": summary.rows,
        "empty": summary.empty,
        "without_hit": summary.without_hit,
        "without_good_match": summary.without_good_match,
        "searched": summary.searched,
        "resumed_after": summary.resumed_after,
        **_pace(summary),
    }


def _used(engine: JobSearch) -> dict[str, Any]:
    from jobsearch.reporting import encoder_record, index_record

    return {"index": index_record(engine.opened), "encoder": encoder_record(engine.opened)}


def _pace(summary: Summary | SparkSummary) -> dict[str, float]:
    return {"seconds": round(summary.seconds, 3), "rows_per_second": round(summary.rows_per_second, 1)}
