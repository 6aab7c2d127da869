"""`jobsearch index`: build, list, show, check and roll back indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobsearch.cli.common import build, json_option, print_json, show_progress

if TYPE_CHECKING:
    from jobsearch.encoder.text import Case
    from jobsearch.index.versions import IndexDirectory


@click.group()
def index() -> None:
    """Build, list, check and roll back indexes.

    \b
    Examples:
      jobsearch index build
      jobsearch index list
    """


@index.command("build")
@click.option("--name", metavar="NAME", help="Index to build. Default: the taxonomy's name.")
@click.option("--taxonomy", metavar="NAME", help="Taxonomy to index. Default: the one in use.")
@click.option(
    "--encoder",
    "--base",
    default="use",
    show_default=True,
    metavar="NAME|PATH|HANDLE",
    help="Encoder: `use`, a tuned weight set, a SavedModel folder or a TF-Hub address.",
)
@click.option(
    "--case",
    metavar="CASE",
    help="keep, lower, or lower-caps (lower only what is all capitals). Default: what suits the languages.",
)
def build_command(name: str | None, taxonomy: str | None, encoder: str, case: Case | None) -> None:
    """Embed all labels and publish them as a new version.

    The old version stays in use until the new one is whole and checked.

    \b
    Examples:
      jobsearch index build
      jobsearch index build --name german --taxonomy esco-de --case keep
    """
    from jobsearch.taxonomy.library import active_name

    build(name or taxonomy or active_name(), taxonomy, encoder, case)


@index.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the indexes and their versions.

    \b
    Examples:
      jobsearch index list
      jobsearch index list --json
    """
    from jobsearch.errors import IndexingError
    from jobsearch.index.versions import IndexDirectory, index_names

    entries = []
    for name in index_names():
        try:
            entries.append(_summary(IndexDirectory.named(name)))
        except IndexingError as error:  # a broken one must not hide the others
            click.echo(f"Warning: {error}", err=True)
    if as_json:
        print_json(entries)
        return
    if not entries:
        click.echo("No index yet; `jobsearch index build` makes one, and so does the first search.", err=True)
        return
    from jobsearch.cli.render import console, plain_table

    table = plain_table("Index", "Version", "Of", "Labels", "Encoder", "Taxonomy", "Built")
    for entry in entries:
        table.add_row(
            entry["name"],
            entry["version"],
            str(len(entry["versions"])),
            f"{entry['counts']['labels']:,}",
            entry["encoder"]["name"],
            entry["taxonomy"]["name"],
            entry["created"],
        )
    console().print(table)


@index.command()
@click.argument("name", required=False)
@json_option
def info(name: str | None, as_json: bool) -> None:
    """Show what an index holds and what made it.

    \b
    Examples:
      jobsearch index info
      jobsearch index info esco-en --json
    """
    entry = _summary(_directory(name))
    if as_json:
        print_json(entry)
        return
    from jobsearch.cli.render import print_pairs

    counts, taxonomy, encoder = entry["counts"], entry["taxonomy"], entry["encoder"]
    print_pairs(
        [
            ("Index", f"{entry['name']}, version {entry['version']} of {', '.join(entry['versions'])}"),
            ("Folder", entry["path"]),
            ("Built", f"{entry['created']} by jobsearch {entry['made_with']['jobsearch']}"),
            ("Labels", f"{counts['labels']:,} of {counts['concepts']:,} concepts"),
            ("Concepts", f"{counts['occupations']:,} occupations, {counts['skills']:,} skills"),
            ("Relations", f"{counts['relations']:,} between them"),
            ("Taxonomy", f"{taxonomy['name']} (ESCO {taxonomy['version']}), {', '.join(taxonomy['languages'])}"),
            ("Encoder", f"{encoder['name']}, {encoder['fingerprint'][:12]}, case {encoder['case']}"),
            ("Vectors", f"{entry['factory']}, {entry['dim']} wide, cosine"),
        ]
    )


@index.command()
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Check that an index is whole: every file, and that encoder and vectors belong together.

    \b
    Examples:
      jobsearch index verify
      jobsearch index verify esco-en
    """
    from jobsearch.index.build import check_version
    from jobsearch.index.reader import open_version

    with show_progress() as progress:
        progress("checking files", 0, 0)
        opened = open_version(_directory(name))
        progress("checking vectors", 0, 0)
        check_version(opened)
    click.echo(
        f"Index {opened.name!r}, version {opened.version}: {len(opened.manifest.files)} files whole, vectors right."
    )


@index.command()
@click.argument("name", required=False)
@click.option("--to", "version", metavar="VERSION", help="Version to go back to. Default: the one before the current.")
def rollback(name: str | None, version: str | None) -> None:
    """Make an earlier version the current one again.

    \b
    Examples:
      jobsearch index rollback
      jobsearch index rollback esco-en --to 0001
    """
    from jobsearch.errors import IndexNotFoundError
    from jobsearch.index.reader import open_version

    directory = _directory(name)
    current = directory.current()
    if version is None:
        earlier = [known for known in directory.versions() if int(known) < int(current)]
        if not earlier:
            raise IndexNotFoundError(f"index {directory.name!r} has no version before {current}; nothing was changed")
        version = earlier[-1]
    if version in directory.versions():
        open_version(directory, version)  # a broken version must not become current
    directory.publish(version)
    click.echo(f"Index {directory.name!r}: version {version} is current, was {current}.")


def _directory(name: str | None) -> IndexDirectory:
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import active_name

    return IndexDirectory.named(name or active_name())


def _summary(directory: IndexDirectory) -> dict[str, Any]:
    from jobsearch.index.manifest import Manifest

    version = directory.current()
    manifest = Manifest.read(directory.version_path(version), directory.mend)
    return {
        "name": directory.name,
        "path": str(directory.path),
        "version": version,
        "versions": directory.versions(),
        "created": manifest.created,
        "counts": manifest.counts,
        "encoder": manifest.encoder,
        "dim": manifest.dim,
        "factory": manifest.factory,
        "taxonomy": manifest.taxonomy,
        "made_with": manifest.made_with,
    }
