"""`jobsearch esco`: import, download, choose and show taxonomies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobsearch.cli.common import json_option, languages_option, print_json, read_language, show_progress
from jobsearch.cli.groups import HelpfulGroup

if TYPE_CHECKING:
    from jobsearch.taxonomy.model import Taxonomy


@click.group(cls=HelpfulGroup)
def esco() -> None:
    """Import or download ESCO, and show what is loaded.

    English labels are built in; import the official bundle for all of ESCO, or for other languages.

    \b
    Examples:
      jobsearch esco import "ESCO dataset - v1.2.0 - classification - en - csv.zip"
      jobsearch esco info
    """


@esco.command("import")
@click.argument("path")
@click.option("--name", metavar="NAME", help="Name to keep it under. Default: from version and languages.")
@languages_option
@click.option("--no-use", is_flag=True, help="Keep it, but go on using the present taxonomy.")
@json_option
def import_command(path: str, name: str | None, languages: tuple[str, ...], no_use: bool, as_json: bool) -> None:
    """Read the official ESCO CSV bundle.

    PATH is a folder or ZIP, of any version, in one language or several. What was read, skipped and why is reported. The
    taxonomy is then in use: the next search builds its index.

    \b
    Examples:
      jobsearch esco import ~/Downloads/esco-v1.2.0-en-csv.zip
      jobsearch esco import bundles/ --language de --language fr --name esco-de-fr
    """
    from pathlib import Path

    from jobsearch.taxonomy.bundle import read_bundle
    from jobsearch.taxonomy.library import check_name

    if name is not None:
        check_name(name)
    with show_progress() as progress:
        taxonomy, report = read_bundle(
            Path(path).expanduser(), name=name, languages=languages or None, progress=progress
        )
        progress("storing", 0, 0)
        _keep(taxonomy, use=not no_use)
    if as_json:
        print_json({"name": taxonomy.source.name, **report.to_dict()})
    else:
        from jobsearch.cli.reports import print_import

        print_import(report)
        _say_next(taxonomy, use=not no_use)


@esco.command()
@click.option(
    "--language",
    "languages",
    callback=read_language,
    multiple=True,
    default=("en",),
    show_default=True,
    metavar="CODE",
    help="May be repeated.",
)
@click.option("--version", default="v1.2.0", show_default=True, metavar="VERSION", help="ESCO version to ask for.")
@click.option("--name", metavar="NAME", help="Name to keep it under. Default: from version and languages.")
@click.option("--rate", default=4.0, show_default=True, metavar="N", help="Requests a second at most.")
@click.option("--base-url", metavar="URL", help="Address of the API, for a mirror.")
@click.option("--no-use", is_flag=True, help="Keep it, but go on using the present taxonomy.")
@json_option
def download(
    languages: tuple[str, ...],
    version: str,
    name: str | None,
    rate: float,
    base_url: str | None,
    no_use: bool,
    as_json: bool,
) -> None:
    """Download ESCO from the European Commission's web API.

    It takes some minutes at a polite rate. Interrupt it at any time: the next run goes on where it stopped. The API
    gives all languages at once, so another language later needs no second download.

    \b
    Examples:
      jobsearch esco download
      jobsearch esco download --language de --language fr --version v1.2.0
    """
    from jobsearch.home import data_directory
    from jobsearch.taxonomy.library import check_name
    from jobsearch.taxonomy.webapi import DEFAULT_BASE_URL
    from jobsearch.taxonomy.webapi import download as fetch

    if name is not None:
        check_name(name)
    with show_progress() as progress:
        taxonomy, report = fetch(
            languages,
            version=version,
            cache=data_directory() / "downloads" / "esco",
            name=name,
            base_url=base_url or DEFAULT_BASE_URL,
            requests_per_second=rate,
            progress=progress,
        )
        progress("storing", 0, 0)
        _keep(taxonomy, use=not no_use)
    if as_json:
        print_json({"name": taxonomy.source.name, **report.to_dict()})
    else:
        from jobsearch.cli.reports import print_download

        print_download(report)
        _say_next(taxonomy, use=not no_use)


@esco.command()
@click.argument("name")
def use(name: str) -> None:
    """Put a taxonomy into use for searches, indexes and tuning.

    \b
    Examples:
      jobsearch esco use esco-1.2.1-en
      jobsearch esco use esco-en
    """
    from jobsearch.taxonomy.library import activate

    activate(name)
    click.echo(f"Taxonomy {name!r} is in use; the next search builds its index if there is none.", err=True)


@esco.command()
@click.argument("name", required=False)
@json_option
def info(name: str | None, as_json: bool) -> None:
    """Show what is loaded: counts by kind, language and relation.

    \b
    Examples:
      jobsearch esco info
      jobsearch esco info esco-en --json
    """
    from jobsearch.taxonomy.library import active_name, taxonomy_directory, taxonomy_names
    from jobsearch.taxonomy.store import read_about

    chosen = name or active_name()
    directory = taxonomy_directory(chosen)
    about = read_about(directory)
    names = taxonomy_names()
    if as_json:
        print_json({"name": chosen, "active": active_name(), "known": names, "path": str(directory), **about})
        return
    from jobsearch.cli.render import console, plain_table, print_pairs

    source, counts = about["source"], about["counts"]
    print_pairs(
        [
            ("Taxonomy", chosen + (" (in use)" if chosen == active_name() else "")),
            ("ESCO version", source["version"]),
            ("From", source["origin"]),
            ("Concepts", f"{counts['occupations']:,} occupations, {counts['skills']:,} skills"),
            ("Labels", f"{counts['labels']:,}"),
            ("Relations", f"{counts['essential']:,} essential, {counts['optional']:,} optional skills of occupations"),
            ("", f"{counts['skill_relations']:,} between skills"),
            ("Groups", f"{counts['groups']:,}"),
            ("At hand", ", ".join(names)),
            *(("Note", note) for note in source["notes"]),
            ("", source["attribution"]),
        ]
    )
    table = plain_table("Language", "Occupations", "Skills", "Labels")
    for language, own in about["languages"].items():
        table.add_row(language, f"{own['occupations']:,}", f"{own['skills']:,}", f"{own['labels']:,}")
    click.echo()
    console().print(table)


def _keep(taxonomy: Taxonomy, use: bool) -> None:
    from jobsearch.taxonomy.library import activate, store_taxonomy

    store_taxonomy(taxonomy)
    if use:
        activate(taxonomy.source.name)


def _say_next(taxonomy: Taxonomy, use: bool) -> None:
    name = taxonomy.source.name
    if use:
        click.echo(f"Taxonomy {name!r} is in use; the next search builds its index.", err=True)
    else:
        click.echo(f"Taxonomy {name!r} is kept; `jobsearch esco use {name}` puts it into use.", err=True)
