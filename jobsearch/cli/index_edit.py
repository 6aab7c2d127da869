"""`jobsearch index add | remove | export`: a company's own titles, and the vectors for other engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from jobsearch.cli.building import (
    build_options,
    gate_options,
    index_directory,
    show_warnings,
    tell_built,
    warn_of_built,
)
from jobsearch.cli.common import json_option, print_json, show_progress
from jobsearch.cli.index_record import record_of

if TYPE_CHECKING:
    from jobsearch.index.edits import Edit


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--name", metavar="NAME", help="Index to add to. Default: that of the taxonomy in use.")
@gate_options
@json_option
def add(file: str, name: str | None, as_json: bool, **gate: Any) -> None:
    """Add labels or concepts of your own, as a new version.

    FILE is a CSV with the column label; if wanted also uri (of a concept to add the label to, or of a new one; without
    it each label is a concept of its own), kind (occupation, skill), language (en), preferred (yes, no) and isco_group.
    Rebuilds keep what was added. --json prints what `index info --json` does, and whether anything changed.

    \b
    Examples:
      jobsearch index add our_titles.csv
      jobsearch index add synonyms.csv --name esco-en --gate reference.csv
    """
    from pathlib import Path

    from jobsearch.index.edit_files import read_additions

    _edit(name, read_additions(Path(file)), gate, as_json)


@click.command()
@click.argument("uris", nargs=-1, required=True, metavar="URI…")
@click.option("--label", metavar="TEXT", help="Remove only this label of the concept.")
@click.option("--name", metavar="NAME", help="Index to remove from. Default: that of the taxonomy in use.")
@gate_options
@json_option
def remove(uris: tuple[str, ...], label: str | None, name: str | None, as_json: bool, **gate: Any) -> None:
    """Remove concepts, or one label of a concept, as a new version.

    A URI may be short, as tables show it (occupation/ed3cf43d), where only one concept fits.
    Rebuilds keep them out; `jobsearch index rollback` brings them back.

    \b
    Examples:
      jobsearch index remove skill/0f58f88f
      jobsearch index remove urn:acme:title-17 --label "rockstar developer"
    """
    from jobsearch.index.edits import Edit
    from jobsearch.taxonomy.labels import clean_label

    if label is not None and not clean_label(label):
        raise click.UsageError("--label is empty; leave it out to remove the whole concept")
    _edit(name, [Edit("remove", uri, clean_label(label or "")) for uri in uris], gate, as_json)


@click.command()
@click.argument("names", metavar="[NAME] FOLDER", nargs=-1)
@click.option("--name", metavar="NAME", help="The index, if it is not named before FOLDER.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "npy"]),
    default="parquet",
    show_default=True,
    help="Format.",
)
@json_option
def export(names: tuple[str, ...], name: str | None, file_format: str, as_json: bool) -> None:
    """Write an index's vectors, URIs and labels into a new folder.

    NAME is the index; without it, that of the taxonomy in use.

    They are for other engines. parquet: labels.parquet, one row a label, with its vector. npy: vectors.npy and
    labels.csv, rows in the same order. Either way manifest.json says what encoder made the vectors.

    \b
    Examples:
      jobsearch index export vectors/
      jobsearch index export esco-en vectors/ --format npy
    """
    from pathlib import Path

    from jobsearch.index.export import export_index
    from jobsearch.index.reader import open_version

    name, folder = _index_and_folder(names, name)
    with show_progress() as progress:
        progress("checking files", 0, 0)
        opened = open_version(index_directory(name))
        written = export_index(opened, Path(folder), file_format, progress)
    if as_json:
        print_json({"folder": folder, "files": [path.name for path in written], "rows": len(opened.labels)})
    else:
        what = f"Index {opened.name!r}, version {opened.version}"
        click.echo(f"{what}: {len(opened.labels):,} rows in {', '.join(str(path) for path in written)}.")


def _index_and_folder(names: tuple[str, ...], named: str | None) -> tuple[str | None, str]:
    """Return which index to export, None for the default one, and the folder to make.

    Raises:
        click.UsageError: one of them is missing, or there is one too many.
    """
    from jobsearch.index.versions import index_names

    if not names:
        raise click.UsageError("Missing argument 'FOLDER': name the folder to make")
    *indexes, folder = names
    if len(indexes) > 1:
        raise click.UsageError(f"expected an index and a folder, got {len(names)} names: {', '.join(names)}")
    if indexes and named is not None:
        raise click.UsageError(f"the index is named twice, as {indexes[0]!r} and with --name; leave one out")
    # All other commands would take it for the index; ./NAME is a folder of that name all the same.
    if not indexes and named is None and folder in index_names():
        raise click.UsageError(
            f"{folder!r} is an index; name also the folder to make: `jobsearch index export {folder} FOLDER`"
        )
    return indexes[0] if indexes else named, folder


def _edit(name: str | None, edits: Sequence[Edit], gate: dict[str, Any], as_json: bool) -> None:
    from jobsearch.index.build import edit_index

    options = build_options(**gate)
    directory = index_directory(name)
    before = directory.current()
    with show_progress() as progress, show_warnings():
        version = edit_index(edits, directory, progress, options)
    changed = version.version != before
    if as_json:
        warn_of_built(version)
        print_json({**record_of(directory, version.version, version.manifest), "changed": changed})
    elif not changed:
        click.echo(f"Index {version.name!r}, version {before}, has it all already; nothing to do.", err=True)
    else:
        tell_built(version)
