"""`jobsearch report`: a tuned encoder's report, one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobsearch.cli.common import json_option, print_json, show_progress
from jobsearch.errors import StorageError, TuningError

if TYPE_CHECKING:
    from jobsearch.report.lineage import Subject
    from jobsearch.report.make import Report


@click.command()
@click.argument("model", required=False)
@click.option("--out", metavar="FILE", help="File to write. Default: MODEL.report.html in this folder.")
@click.option("--sets", multiple=True, metavar="PATH", help="Measure on this STS or retrieval set; may be repeated.")
@click.option(
    "--held-out/--no-held-out",
    "own",
    default=True,
    show_default=True,
    help="Ask the tuning run's held-out queries again, to show those won and lost.",
)
@click.option("--queries", multiple=True, metavar="TEXT", help="Draw what lies around this title; may be repeated.")
@click.option("--pictures", metavar="FOLDER", help="Write the pictures there too, as SVG and PNG.")
@click.option("--taxonomy", "taxonomy_name", metavar="NAME", help="Taxonomy to search. Default: the one in use.")
@click.option("--base", metavar="NAME", help="Encoder to compare with. Default: what MODEL was tuned from.")
@click.option("--force", is_flag=True, help="Replace the files to write if they are there.")
@json_option
def report(
    model: str | None,
    out: str | None,
    sets: tuple[str, ...],
    own: bool,
    queries: tuple[str, ...],
    pictures: str | None,
    taxonomy_name: str | None,
    base: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write what tuning changed as one HTML file.

    It holds verdict, figures, curves, maps and lineage. MODEL is a tuned encoder, accepted or rejected; default: your
    newest one, or else the shipped one. The file loads nothing from elsewhere. A set is what `evaluate sts` and
    `evaluate retrieval` take: an STS file, a MELO folder, a CSV of vacancyTitle,conceptUri (by all labels). Figures on
    sets are added to the history.

    \b
    Examples:
      jobsearch report
      jobsearch report tuned-1 --sets stsb-en-dev.csv --queries "data scientist"
    """
    from functools import cache

    from jobsearch.report.around import DEFAULT_QUERIES, check_queries
    from jobsearch.report.files import check_targets, write_report
    from jobsearch.report.held_out import HeldOut, held_out_again
    from jobsearch.report.lineage import find_subject, open_base, open_subject
    from jobsearch.report.make import make_report
    from jobsearch.report.measured import read_sets
    from jobsearch.taxonomy.library import find_taxonomy

    _check_model(model)
    subject = find_subject(model)
    target = Path(out or f"{subject.name}.report.html").expanduser()
    folder = Path(pictures).expanduser() if pictures else None
    check_targets(target, folder, force)
    check_queries(queries)
    with show_progress() as progress:
        progress("reading", 0, 0)

        @cache
        def taxonomy() -> Any:
            return find_taxonomy(taxonomy_name)

        wanted = read_sets([Path(path).expanduser() for path in sets], taxonomy)
        before, after = open_base(subject, base), open_subject(subject)
        held_out = held_out_again(subject.record, progress) if own else HeldOut(None, "They were not asked for.")
        made = make_report(subject, before, after, taxonomy(), held_out, wanted, queries or DEFAULT_QUERIES, progress)
        _remember(made)
        written = write_report(made, target, folder, progress)
    if made.letters_missing:
        click.echo("Warning: the pictures' font lacks letters of some texts; boxes stand for them", err=True)
    if as_json:
        print_json(_record(subject, made, written))
    else:
        more = f" {len(written) - 1} pictures are in {folder}." if folder else ""
        click.echo(f"Wrote {target}: {subject.name}, {subject.record['gate']['verdict']}.{more}", err=True)


def _check_model(model: str | None) -> None:
    """Refuse a file where an encoder's name is expected: it is a set whose `--sets` was forgotten."""
    from jobsearch.tuning.models import list_models

    if model and Path(model).expanduser().exists() and model not in {record["name"] for record in list_models()}:
        raise TuningError(
            f"{model} is no tuned encoder's name but a path; `jobsearch models list` shows the names; to measure on "
            f"it, write --sets {model}"
        )


def _remember(made: Report) -> None:
    from jobsearch.evaluation.history import remember

    try:
        for one in made.measured:
            remember(one.base)
            remember(one.tuned)
    except StorageError as error:
        click.echo(f"Warning: these figures are not in the history: {error}", err=True)


def _record(subject: Subject, made: Report, written: list[Path]) -> dict[str, Any]:
    return {
        "encoder": {"name": subject.name, "fingerprint": subject.fingerprint},
        "verdict": subject.record["gate"]["verdict"],
        "report": str(written[-1]),
        "pictures": [str(path) for path in written[:-1]],
        "sets": [
            {
                "base": one.base.to_dict(),
                "tuned": {**one.tuned.to_dict(), "paired": one.paired.to_dict()},
            }
            for one in made.measured
        ],
        "moves": [{"query": one.query, "moves": [move.to_dict() for move in one.moves]} for one in made.around],
    }
