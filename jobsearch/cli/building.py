"""What the commands that build an index share: the build itself, its options, and what is said of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from jobsearch.cli.common import Command, say, show_progress

if TYPE_CHECKING:
    from jobsearch.encoder.text import Case
    from jobsearch.index.build import Options
    from jobsearch.index.coded import CodedTitles
    from jobsearch.index.reader import IndexVersion
    from jobsearch.index.versions import IndexDirectory

# Recall@10 against exact search below which a build or a push warns.
_PROMISED = 0.99


def gate_options(command: Command) -> Command:
    """Add `--gate`, `--no-gate` and `--force`, which `build_options` takes."""
    force = click.option("--force", is_flag=True, help="Publish though the gate says no; that is recorded.")
    no_gate = click.option("--no-gate", is_flag=True, help="Drop the gate of the old version.")
    gate = click.option("--gate", metavar="CSV", help="Queries that must be found as well as before: query,uri.")
    return gate(no_gate(force(command)))


def build_options(
    gate: str | None = None,
    no_gate: bool = False,
    force: bool = False,
    index_type: str | None = None,
    keep_edits: bool = True,
    titles: str | None = None,
    no_titles: bool = False,
) -> Options:
    """Return how to build, of what the options said.

    Raises:
        IndexingError, EvaluationError: the gate's file or that of coded titles cannot be used.
    """
    from jobsearch.index.build import Options
    from jobsearch.index.edit_files import read_gate

    if gate and no_gate:
        raise click.UsageError("--gate and --no-gate exclude each other")
    if titles and no_titles:
        raise click.UsageError("--titles and --no-titles exclude each other")
    return Options(
        index_type=index_type,
        gate=read_gate(Path(gate)) if gate else None,
        no_gate=no_gate,
        force=force,
        keep_edits=keep_edits,
        titles=read_coded(Path(titles)) if titles else None,
        no_titles=no_titles,
    )


def read_coded(path: Path) -> CodedTitles:
    """Count the concepts of coded titles.

    Args:
        path: CSV with the columns `vacancyTitle` and `conceptUri`.

    Raises:
        EvaluationError: it is missing or no such CSV.
        IndexingError: it holds no titles with a concept.
    """
    from jobsearch.errors import IndexingError
    from jobsearch.evaluation.retrieval_files import title_rows
    from jobsearch.index.coded import CodedTitles

    found = CodedTitles.of(uri.strip() for title, uri in title_rows(path) if title.strip() and uri.strip())
    if not found.counts:
        raise IndexingError(f"{path} holds no titles with a concept; write one a row: vacancyTitle,conceptUri")
    return found


def index_directory(name: str | None) -> IndexDirectory:
    """Return the index by that name, or that of the taxonomy in use."""
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import active_name

    return IndexDirectory.named(name or active_name())


def build(
    name: str,
    taxonomy: str | None,
    encoder: str | None,
    case: Case | None,
    options: Options | None = None,
    *,
    told: bool = True,
) -> IndexVersion:
    """Build and publish a version of an index, with progress.

    Args:
        name: name of the index.
        taxonomy: name of the taxonomy; default: the one in use.
        encoder: what `encoder.library.find_encoder` takes; default: what suits the languages.
        case: case setting; default: the encoder's own, for `use` the one that suits the languages.
        options: index type, gate and edits.
        told: say on stderr what was published; warnings are said in any case.
    """
    from jobsearch.encoder.library import default_encoder, find_encoder
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.text import default_case
    from jobsearch.index.build import build_index
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import find_taxonomy

    with show_progress() as progress, show_warnings():
        progress("reading labels", 0, 0)
        labels = find_taxonomy(taxonomy)
        encoder = encoder or default_encoder(labels.languages)
        if case is None and encoder == BASE_NAME:
            case = default_case(labels.languages)
        progress("loading encoder", 0, 0)
        version = build_index(labels, find_encoder(encoder, case), IndexDirectory.named(name), progress, options)
    if told:
        tell_built(version)
    else:
        warn_of_built(version)
    return version


def as_before(
    name: str, taxonomy: str | None, encoder: str | None, case: Case | None
) -> tuple[str | None, str | None, Case | None]:
    """Return taxonomy, encoder and case to build an index from: what is asked for, else what it was built from.

    Raises:
        IndexingError: it was built from something that is not here any more.
    """
    from jobsearch.encoder.library import find_encoder
    from jobsearch.errors import EncoderError, IndexingError
    from jobsearch.index.manifest import Manifest
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import taxonomy_names

    directory = IndexDirectory.named(name)
    version = directory.current_or_none()
    try:
        manifest = Manifest.read(directory.version_path(version), directory.mend) if version else None
    except IndexingError:
        manifest = None  # a damaged one says nothing
    if manifest is None:
        return taxonomy, encoder, case
    if taxonomy is None:
        taxonomy, there = manifest.taxonomy["name"], taxonomy_names()
        if taxonomy not in there:
            raise IndexingError(
                f"index {name!r} was built from the taxonomy {taxonomy!r}, which is not here; name one with "
                f"--taxonomy ({', '.join(there)})"
            )
    if encoder is None:
        encoder, case = manifest.encoder["name"], case or cast("Case", manifest.encoder["case"])
        try:
            find_encoder(encoder)
        except EncoderError:
            raise IndexingError(
                f"index {name!r} was built with the encoder {encoder!r}, which is not here by that name; name one with "
                "--encoder (`jobsearch models list` shows the tuned ones)"
            ) from None
    return taxonomy, encoder, case


@contextlib.contextmanager
def show_warnings() -> Iterator[None]:
    """Show what the library logs as a warning, above the bar."""

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"Warning: {record.getMessage()}")

    shown, logger = Shown(logging.WARNING), logging.getLogger("jobsearch")
    logger.addHandler(shown)
    try:
        yield
    finally:
        logger.removeHandler(shown)


def warn_of_recall(index_type: str, recall: float, better: str) -> None:
    """Say on stderr if a type finds less than is promised, and what to try instead."""
    if recall < _PROMISED:
        click.echo(
            f"Warning: type {index_type} finds less than {_PROMISED:.0%} of what exact search does; try {better}",
            err=True,
        )


def tell_built(version: IndexVersion) -> None:
    """Say on stderr what was published."""
    manifest = version.manifest
    counts, encoder = manifest.counts, manifest.encoder
    edits = f", {manifest.edits:,} edits" if manifest.edits else ""
    click.echo(
        f"Index {version.name!r}, version {version.version}: {counts['labels']:,} labels of {counts['concepts']:,} "
        f"concepts{edits}, encoder {encoder['name']} ({encoder['fingerprint'][:12]}, case {encoder['case']}), "
        f"type {manifest.index_type} with recall@10 {manifest.recall['recall@10']:.4f}.",
        err=True,
    )
    warn_of_built(version)


def warn_of_built(version: IndexVersion) -> None:
    """Warn on stderr of a version that finds little, or that was published by force."""
    manifest = version.manifest
    warn_of_recall(manifest.index_type, manifest.recall["recall@10"], "--type pq, or --type flat, which is exact")
    if manifest.gate and manifest.gate["forced"]:
        click.echo(
            f"Warning: recall@10 of the gate fell from {manifest.gate['before']:.4f}; published by force.", err=True
        )
