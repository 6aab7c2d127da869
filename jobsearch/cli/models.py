"""`jobsearch models`: the tuned encoders at hand."""

from __future__ import annotations

import click

from jobsearch.cli.common import json_option, print_json
from jobsearch.cli.groups import HelpfulGroup


@click.group(cls=HelpfulGroup)
def models() -> None:
    """List, show and delete tuned encoders.

    \b
    Examples:
      jobsearch models list
      jobsearch models show tuned-1
    """


@models.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the tuned encoders.

    Your usable ones, the newest first, then the shipped one, then rejected ones.

    \b
    Examples:
      jobsearch models list
      jobsearch models list --json
    """
    from jobsearch.tuning.models import list_models, without_histories

    records = list_models()
    if as_json:
        print_json([without_histories(record) for record in records])
        return
    from jobsearch.cli.render import console, keep_whole, plain_table, to_the_minute

    table = plain_table("Encoder", "Verdict", "Recipe", "Data", "MRR", "Made (UTC)")
    keep_whole(table, 0, 4, 5)
    for record in records:
        gate = record["gate"]
        table.add_row(
            record["name"],
            gate["verdict"],
            record["recipe"]["name"],
            record["data"]["source"],
            f"{gate['mrr_base']:.4f} to {gate['mrr_tuned']:.4f}",
            to_the_minute(record["created"]),
        )
    console().print(table)


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a tuned encoder's model card.

    It says how the encoder was made and what it is worth.

    \b
    Examples:
      jobsearch models show tuned-1
      jobsearch models show tuned-1 --json
    """
    from jobsearch.tuning.models import CARD, model_directory, read_record

    folder = model_directory(name)
    if as_json:
        print_json(read_record(folder))
        return
    from rich.markdown import Markdown

    from jobsearch.cli.render import console

    console().print(Markdown((folder / CARD).read_text(encoding="utf-8")))


@models.command()
@click.argument("name")
@click.option("--usable/--rejected", default=None, help="Which one, where there are two of that name.")
def delete(name: str, usable: bool | None) -> None:
    """Delete a tuned encoder.

    Indexes built with it keep their own copy and go on working.

    \b
    Examples:
      jobsearch models delete tuned-1
      jobsearch models delete failed-try --rejected
    """
    from jobsearch.tuning.models import REJECTED, delete_model

    folder = delete_model(name, None if usable is None else not usable)
    what = "Rejected encoder" if folder.parent.name == REJECTED else "Encoder"
    click.echo(f"{what} {name!r} is deleted.", err=True)
