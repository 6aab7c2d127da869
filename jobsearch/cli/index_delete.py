"""`jobsearch index delete`: an index that nobody needs any more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from jobsearch.cli.common import disk_size, json_option, print_json

if TYPE_CHECKING:
    from jobsearch.index.versions import IndexDirectory


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Delete also the index of the taxonomy in use.")
@json_option
def delete(name: str, yes: bool, force: bool, as_json: bool) -> None:
    """Delete an index with all its versions.

    Says first what that frees, and asks. What `compare` and Ctrl-T built they build again when they need it. A process
    that has the index open goes on with it till its end.

    \b
    Examples:
      jobsearch index delete esco-en@tuned-1
      jobsearch index delete german --yes
    """
    from jobsearch.errors import IndexingError
    from jobsearch.index.delete import delete_index, holdings
    from jobsearch.index.versions import IndexDirectory

    directory = IndexDirectory.named(name)
    held = holdings(directory)
    if _is_default(directory) and not force:
        raise IndexingError(
            f"index {directory.name!r} is that of the taxonomy in use, which searches open; add --force to delete it "
            "all the same"
        )
    if as_json and not yes:
        raise click.UsageError("--json asks nothing; add --yes")
    freed = disk_size(held.bytes)
    if not yes:
        sizes = ", ".join(f"{version} ({disk_size(size)})" for version, size in held.versions.items()) or "none"
        click.echo(f"Index {directory.name!r} in {directory.path}: {freed}; versions: {sizes}.", err=True)
        if not sys.stdin.isatty():
            raise click.UsageError("stdin is no terminal to ask at; add --yes to delete it")
        if not click.confirm("Delete it?", err=True):
            click.echo("Nothing was deleted.", err=True)
            return
    delete_index(directory)
    if as_json:
        print_json(
            {"name": directory.name, "path": str(directory.path), "versions": list(held.versions), "bytes": held.bytes}
        )
    else:
        click.echo(f"Index {directory.name!r} is deleted: {freed} freed.", err=True)


def _is_default(directory: IndexDirectory) -> bool:
    """Tell whether it is the index that a search opens which names none."""
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import active_name

    return directory.path.resolve() == IndexDirectory.named(active_name()).path.resolve()
