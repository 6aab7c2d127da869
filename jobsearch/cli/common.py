"""What several commands share: options, progress, and the index that is built when missing."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobsearch.errors import IndexNotFoundError
from jobsearch.progress import Progress, silent

if TYPE_CHECKING:
    from jobsearch.encoder.text import Case
    from jobsearch.engine import JobSearch

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON instead of a table.")(command)


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON on stdout; `indent=None` gives one line."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent))


def stdin_lines() -> Iterator[str]:
    """Yield stdin's lines as they come, read as UTF-8 whatever the locale says."""
    return iter(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"))


@contextlib.contextmanager
def show_progress() -> Iterator[Progress]:
    """Yield a progress callback: a bar on stderr, or nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total or None)
            bar.update(tasks[step], completed=done, total=total or None)

        yield report


def open_engine(name: str | None) -> JobSearch:
    """Open an index by name; the default one is built if it is missing, and said to be stale if it is.

    Args:
        name: the index, or None for that of the taxonomy in use.

    Raises:
        JobSearchError: it cannot be opened or built.
    """
    from jobsearch.engine import JobSearch
    from jobsearch.index.versions import IndexDirectory, index_names
    from jobsearch.taxonomy.library import active_name

    chosen = name or active_name()
    directory = IndexDirectory.named(chosen)
    if not directory.exists:
        if name is not None and name != active_name():
            known = ", ".join(index_names()) or "none yet"
            raise IndexNotFoundError(
                f"no index {name!r}; there are: {known}; run `jobsearch index build --name {name}` to build it"
            )
        click.echo(f"First use: building the index {chosen!r} once …", err=True)
        build(directory.name, taxonomy=None, encoder="use", case=None)
    engine = JobSearch.open(directory.path)
    _warn_if_stale(engine)
    return engine


def build(name: str, taxonomy: str | None, encoder: str, case: Case | None) -> None:
    """Build and publish a version of an index, with progress.

    Args:
        name: name of the index.
        taxonomy: name of the taxonomy; default: the one in use.
        encoder: what `encoder.library.find_encoder` takes.
        case: case setting; default: the encoder's own, for `use` the one that suits the languages.
    """
    from jobsearch.encoder.library import find_encoder
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.text import default_case
    from jobsearch.index.build import build_index
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import find_taxonomy

    with show_progress() as progress:
        progress("reading labels", 0, 0)
        labels = find_taxonomy(taxonomy)
        if case is None and encoder == BASE_NAME:
            case = default_case(labels.languages)
        progress("loading encoder", 0, 0)
        version = build_index(labels, find_encoder(encoder, case), IndexDirectory.named(name), progress)
    counts = version.manifest.counts
    click.echo(
        f"Index {version.name!r}, version {version.version}: {counts['labels']:,} labels of {counts['concepts']:,} "
        f"concepts, encoder {version.encoder.name} ({version.encoder.fingerprint[:12]}, case {version.encoder.case}).",
        err=True,
    )


def _warn_if_stale(engine: JobSearch) -> None:
    from jobsearch.errors import TaxonomyError
    from jobsearch.taxonomy.library import taxonomy_directory
    from jobsearch.taxonomy.store import read_about

    indexed = engine.opened.manifest.taxonomy
    try:
        now = read_about(taxonomy_directory(indexed["name"]))["fingerprint"]
    except (TaxonomyError, KeyError):
        return  # an index may well travel without its taxonomy
    if now != indexed["fingerprint"]:
        click.echo(
            f"Warning: taxonomy {indexed['name']!r} has changed since index {engine.opened.name!r} was built; "
            f"run `jobsearch index build --name {engine.opened.name}`",
            err=True,
        )
