"""What several commands share: options, progress, and the index that is built when missing."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from jobsearch.errors import IndexNotFoundError
from jobsearch.progress import Progress, silent

if TYPE_CHECKING:
    from jobsearch.encoder.text import Case
    from jobsearch.engine import JobSearch
    from jobsearch.taxonomy.model import Kind

_DEFAULT_HITS = 10
# The console of the bar that is shown, if one is.
_bars: list[Any] = []
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON instead of a table.")(command)


def k_option(command: Command) -> Command:
    """Add `-k`; without it 10 hits are shown, or all where an index holds fewer (see `hits_wanted`)."""
    text = f"Hits for each query.  [default: {_DEFAULT_HITS}]"
    return click.option("-k", type=int, default=None, metavar="N", help=text)(command)


def hits_wanted(k: int | None, engine: JobSearch, kind: str) -> int:
    """Return how many hits to ask for: what the user said, unchecked, else as many as there are up to 10."""
    from jobsearch.taxonomy.model import KINDS

    if k is not None:
        return k
    labels = engine.opened.labels
    counts = {known: labels.concepts(known) for known in KINDS}
    return max(1, min(_DEFAULT_HITS, counts.get(cast("Kind", kind), labels.concepts())))


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON on stdout; `indent=None` gives one line."""
    # Where stdout is not UTF-8 some letters would come out as question marks: escaped, they all come through.
    escaped = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    click.echo(json.dumps(value, ensure_ascii=escaped, indent=indent))


def stdin_lines() -> Iterator[str]:
    """Yield stdin's lines as they come, read as UTF-8 whatever the locale says; a byte-order mark is dropped."""
    # Not through `sys.stdin.buffer`: at exit the interpreter closes that, and crashes if a thread still reads it.
    return iter(open(sys.stdin.fileno(), encoding="utf-8-sig", errors="replace", closefd=False))


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
        current: dict[str, Any] = {}  # the one step that is shown, by name

        def report(step: str, done: int, total: int) -> None:
            if step not in current:
                for task in current.values():
                    bar.remove_task(task)
                current.clear()
                current[step] = bar.add_task(step, total=total or None)
            bar.update(current[step], completed=done, total=total or None)

        _bars.append(bar.console)
        try:
            yield report
        finally:
            _bars.pop()


def say(message: str) -> None:
    """Print a line on stderr, above the bar if one is shown."""
    if _bars:
        _bars[-1].print(message, markup=False, highlight=False, soft_wrap=True)
    else:
        click.echo(message, err=True)


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


def open_encoder_engine(name: str) -> JobSearch:
    """Open an index by its name or, for an encoder's name, one of that encoder over the taxonomy in use.

    Of an encoder that is what the default index holds now or held in an earlier version, else an index of its own,
    `<taxonomy>@<encoder>`, which is built if it is missing.

    Args:
        name: an index's name, or what `encoder.library.find_encoder` takes.

    Raises:
        JobSearchError: it is neither, or cannot be opened or built.
    """
    from pathlib import Path

    from jobsearch.engine import JobSearch
    from jobsearch.index.manifest import Manifest
    from jobsearch.index.versions import IndexDirectory, index_names
    from jobsearch.taxonomy.library import active_name, taxonomy_directory
    from jobsearch.taxonomy.store import read_about

    if name in index_names():
        return open_engine(name)
    about = read_about(taxonomy_directory())
    encoder, case = _describe_encoder(name, tuple(about["languages"]))
    own = IndexDirectory.named(f"{active_name()}@{Path(name).name}")
    for directory in (IndexDirectory.named(active_name()), own):
        for version in reversed(directory.versions()):
            manifest = Manifest.read(directory.version_path(version), directory.mend)
            if manifest.taxonomy["fingerprint"] == about["fingerprint"] and encoder.items() <= manifest.encoder.items():
                return JobSearch.open(directory.path, version)
    click.echo(f"Building the index {own.name!r} once, to compare with …", err=True)
    build(own.name, taxonomy=None, encoder=name, case=case)
    return JobSearch.open(own.path)


def _describe_encoder(name: str, languages: tuple[str, ...]) -> tuple[dict[str, str], Case | None]:
    """Return what an index's manifest says of an encoder by that name, and the case setting to build with."""
    from jobsearch.encoder.library import model_names, models_directory
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.text import default_case
    from jobsearch.encoder.weights import read_config

    if name == BASE_NAME:
        case = default_case(languages)
        return {"name": name, "case": case}, case
    if name in model_names():
        return {"fingerprint": read_config(models_directory() / name)["fingerprint"]}, None
    from jobsearch.encoder.library import find_encoder

    return {"fingerprint": find_encoder(name).fingerprint}, None


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
