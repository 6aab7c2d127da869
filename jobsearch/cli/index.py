"""`jobsearch index`: build, list, show, check, roll back, prune and delete indexes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from jobsearch.cli.building import as_before, build, build_options, gate_options, index_directory
from jobsearch.cli.common import json_option, print_json, show_progress
from jobsearch.cli.groups import HelpfulGroup
from jobsearch.cli.index_delete import delete
from jobsearch.cli.index_edit import add, export, remove
from jobsearch.cli.index_push import push
from jobsearch.cli.index_record import record_of, summary_of

if TYPE_CHECKING:
    from jobsearch.encoder.text import Case
    from jobsearch.index.versions import IndexDirectory


@click.group(cls=HelpfulGroup)
def index() -> None:
    """Build, edit, check, roll back, delete, export and push indexes.

    \b
    Examples:
      jobsearch index build
      jobsearch index add our_titles.csv
    """


for command in (add, remove, delete, export, push):
    index.add_command(command)


@index.command("build")
@click.option("--name", metavar="NAME", help="Index to build. Default: the taxonomy's name.")
@click.option("--taxonomy", metavar="NAME", help="Taxonomy to index. Default: as before, else the one in use.")
@click.option(
    "--encoder",
    "--base",
    metavar="NAME|PATH|HANDLE",
    help="Encoder: use, use-jobs, a tuned one, a SavedModel folder, a TF-Hub address, or st:MODEL of "
    "sentence-transformers. Default: as before, else use-jobs, or use where labels are in languages that it was not "
    "tuned in.",
)
@click.option(
    "--case",
    metavar="CASE",
    help="keep, lower, or lower-caps (lower only what is all capitals). Default: what suits the languages.",
)
@click.option(
    "--type",
    "index_type",
    metavar="TYPE",
    help="flat, hnsw, ivf, pq, sq8, compact or a FAISS factory string. Default: as before, else by size.",
)
@gate_options
@click.option(
    "--titles",
    metavar="CSV",
    help="Titles that you have coded: vacancyTitle,conceptUri. What they often mean is likelier to be meant.",
)
@click.option("--no-titles", is_flag=True, help="Drop the coded titles of the old version.")
@click.option("--discard-edits", is_flag=True, help="Leave out what `index add` and `remove` did to the old version.")
@json_option
def build_command(
    name: str | None,
    taxonomy: str | None,
    encoder: str | None,
    case: Case | None,
    index_type: str | None,
    titles: str | None,
    no_titles: bool,
    discard_edits: bool,
    as_json: bool,
    **gate: Any,
) -> None:
    """Embed all labels and publish them as a new version.

    The old version stays in use until the new one is whole and checked. Labels that it has by the same encoder are
    not embedded again. With --gate the new version must find the right concepts of a CSV (query,uri) at least as
    often as the old one; later builds keep the gate, and the counts of --titles. --json prints what `index info --json`
    does, and the seconds.

    \b
    Examples:
      jobsearch index build --encoder tuned-1 --gate reference.csv
      jobsearch index build --titles coded.csv
      jobsearch index build --name german --taxonomy esco-de --case keep
    """
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import active_name

    options = build_options(
        index_type=index_type, keep_edits=not discard_edits, titles=titles, no_titles=no_titles, **gate
    )
    name = name or taxonomy or active_name()
    begun = time.perf_counter()
    built = build(name, *as_before(name, taxonomy, encoder, case), options, told=not as_json)
    if as_json:
        seconds = round(time.perf_counter() - begun, 3)
        print_json({**record_of(IndexDirectory.named(name), built.version, built.manifest), "seconds": seconds})


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
    from jobsearch.index.versions import IndexDirectory, index_names, names_without_pointer

    entries, broken = [], False
    for name in sorted([*index_names(), *names_without_pointer()]):
        try:
            entries.append(summary_of(IndexDirectory.named(name)))
        except IndexingError as error:  # a broken one must not hide the others
            click.echo(f"Warning: {error}", err=True)
            broken = True
    if as_json:
        print_json(entries)
        return
    if not entries and broken:
        return
    if not entries:
        click.echo("No index yet; `jobsearch index build` makes one, and so does the first search.", err=True)
        return
    from jobsearch.cli.render import console, keep_whole, plain_table, to_the_minute

    table = plain_table("Index", "Version", "Of", "Labels", "Encoder", "Taxonomy", "Built (UTC)")
    keep_whole(table, 0, 6)
    for entry in entries:
        table.add_row(
            entry["name"],
            entry["version"],
            str(len(entry["versions"])),
            f"{entry['counts']['labels']:,}",
            entry["encoder"]["name"],
            entry["taxonomy"]["name"],
            to_the_minute(entry["created"]),
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
    entry = summary_of(index_directory(name))
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
            ("Vectors", _describe_vectors(entry)),
            ("Edits", f"{entry['edits']:,} labels or concepts added or removed"),
            ("Gate", _describe_gate(entry["gate"])),
            ("Titles", _describe_titles(entry["titles"])),
        ]
    )


def _describe_vectors(entry: dict[str, Any]) -> str:
    knobs = "".join(f", {name} {value}" for name, value in entry["search"].items())
    recall = entry["recall"]
    return (
        f"{entry['index_type']} ({entry['factory']}{knobs}), {entry['dim']} wide, cosine; "
        f"recall@10 {recall['recall@10']:.4f} over {recall['queries']} queries"
    )


def _describe_titles(titles: dict[str, int] | None) -> str:
    return "none" if titles is None else f"{titles['titles']:,} coded, of {titles['concepts']:,} concepts"


def _describe_gate(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "none"
    before = "first version" if gate["before"] is None else f"before {gate['before']:.4f}"
    forced = ", forced" if gate["forced"] else ""
    return f"recall@10 {gate['recall@10']:.4f} over {gate['queries']} queries ({before}){forced}"


@index.command()
@click.argument("name", required=False)
@click.option("--sample", type=click.IntRange(1), default=64, show_default=True, help="Labels to embed again.")
@json_option
def verify(name: str | None, sample: int, as_json: bool) -> None:
    """Check that an index is whole and its parts belong together.

    The parts are labels, vectors and encoder. Compares every file with its checksum and the rows with the counts,
    embeds a sample of the labels again, and searches for each of them.

    \b
    Examples:
      jobsearch index verify
      jobsearch index verify esco-en --sample 1000
    """
    from jobsearch.index.check import check_version
    from jobsearch.index.reader import open_version

    with show_progress() as progress:
        progress("checking files", 0, 0)
        opened = open_version(index_directory(name))
        progress("checking vectors", 0, 0)
        checked = check_version(opened, sample)
    if as_json:
        files = len(opened.manifest.files)
        print_json({"name": opened.name, "version": opened.version, "files": files, "labels_found": checked})
        return
    click.echo(
        f"Index {opened.name!r}, version {opened.version}: {len(opened.manifest.files)} files whole, "
        f"{checked} labels embedded again and found."
    )


@index.command()
@click.argument("name", required=False)
@click.option("--to", "version", metavar="VERSION", help="Version to go back to. Default: the one in use before.")
@json_option
def rollback(name: str | None, version: str | None, as_json: bool) -> None:
    """Make an earlier version the current one again.

    \b
    Examples:
      jobsearch index rollback
      jobsearch index rollback esco-en --to 0001
    """
    from jobsearch.index.reader import open_version

    directory = index_directory(name)
    # With a version named it is also the way out where nothing names the current one.
    current = directory.current_or_none() if version else directory.current()
    version = version or _version_before(directory, directory.current())
    if version in directory.versions():
        open_version(directory, version)  # a broken version must not become current
    directory.publish(version)
    if as_json:
        print_json({"name": directory.name, "version": version, "was": current})
        return
    was = f", was {current}" if current else ""
    click.echo(f"Index {directory.name!r}: version {version} is current{was}.")


def _version_before(directory: IndexDirectory, current: str) -> str:
    """Return the version that was in use before the current one, else the next lower one.

    Raises:
        IndexNotFoundError: there is none.
    """
    from jobsearch.errors import IndexingError, IndexNotFoundError
    from jobsearch.index.manifest import Manifest

    versions = directory.versions()
    try:
        previous = Manifest.read(directory.version_path(current), directory.mend).previous
    except IndexingError:  # a broken version is what one rolls back from
        previous = None
    lower = [known for known in versions if int(known) < int(current)]
    if previous in lower:
        return str(previous)
    if not lower:
        raise IndexNotFoundError(f"index {directory.name!r} has no version before {current}; nothing was changed")
    return lower[-1]


@index.command()
@click.argument("name", required=False)
@click.option("--keep", type=click.IntRange(1), required=True, help="Versions to keep, the current one among them.")
@click.option("--newer", is_flag=True, help="Remove also versions newer than the current one, left by a rollback.")
@json_option
def prune(name: str | None, keep: int, newer: bool, as_json: bool) -> None:
    """Remove old versions; the current one always stays.

    Versions newer than the current one, from which a rollback went back, are not old: they stay, uncounted, unless
    --newer is given.

    \b
    Examples:
      jobsearch index prune --keep 2
      jobsearch index prune esco-en --keep 1 --newer
    """
    directory = index_directory(name)
    removed = directory.prune(keep, newer)
    versions, current = directory.versions(), directory.current()
    if as_json:
        print_json({"name": directory.name, "version": current, "versions": versions, "removed": removed})
        return
    click.echo(f"Index {directory.name!r}: removed {', '.join(removed) or 'nothing'}; kept: {', '.join(versions)}.")
    left = [version for version in versions if int(version) > int(current)]
    if left:
        are, them = ("is", "it") if len(left) == 1 else ("are", "them")
        click.echo(
            f"{', '.join(left)} {are} newer than {current}, the current one; --newer removes {them} too.", err=True
        )
