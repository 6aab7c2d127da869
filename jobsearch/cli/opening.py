"""Opening the index that a command needs: built when missing, said to be stale when it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from jobsearch.cli.building import build
from jobsearch.errors import IndexingError, IndexNotFoundError

if TYPE_CHECKING:
    from jobsearch.encoder.text import Case
    from jobsearch.engine import JobSearch

# What a build takes on two cores with nothing else to do, measured on the built-in labels: 18 s for 100,483 of them.
_LOADING, _LABELS_PER_SECOND = 2.0, 6200
_FEW = 5  # seconds up to which the number is of no interest
_MINUTES = 100  # seconds from which minutes are told


def open_engine(name: str | None) -> JobSearch:
    """Open an index by name; the default one is built if it is missing, and said to be stale if it is.

    Args:
        name: the index, or `milvus://…`, or None for that of the taxonomy in use.

    Raises:
        JobSearchError: it cannot be opened or built.
    """
    from jobsearch.engine import MILVUS, JobSearch
    from jobsearch.index.versions import IndexDirectory, index_names
    from jobsearch.taxonomy.library import active_name

    if name is not None and name.startswith(MILVUS):
        return JobSearch.open(name)
    chosen = name or active_name()
    directory = IndexDirectory.named(chosen)
    if not directory.exists:
        directory.check_pointed()
        if name is not None and name != active_name():
            directory.check_not_within()
            known = ", ".join(index_names()) or "none yet"
            raise IndexNotFoundError(
                f"no index {name!r}; there are: {known}; run `jobsearch index build --name {name}` to build it"
            )
        click.echo(f"First use: building the index {chosen!r} once, {building_time()} at best …", err=True)
        build(directory.name, taxonomy=None, encoder=None, case=None)
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

    from jobsearch.engine import MILVUS, JobSearch
    from jobsearch.index.manifest import Manifest
    from jobsearch.index.versions import IndexDirectory, index_names
    from jobsearch.taxonomy.library import active_name, taxonomy_directory
    from jobsearch.taxonomy.store import read_about

    if name in index_names() or name.startswith(MILVUS):
        return open_engine(name)
    about = read_about(taxonomy_directory())
    encoder, case = _describe_encoder(name, tuple(about["languages"]))
    own = IndexDirectory.named(f"{active_name()}@{Path(name).name}")
    for directory in (IndexDirectory.named(active_name()), own):
        for version in reversed(directory.versions()):
            # What is broken, of an earlier format or pruned meanwhile is passed over.
            with contextlib.suppress(IndexingError):
                manifest = Manifest.read(directory.version_path(version), directory.mend)
                known = manifest.taxonomy["fingerprint"] == about["fingerprint"]
                if known and encoder.items() <= manifest.encoder.items():
                    return JobSearch.open(directory.path, version)
    click.echo(f"Building the index {own.name!r} once to compare, {building_time()} at best …", err=True)
    build(own.name, taxonomy=None, encoder=name, case=case)
    return JobSearch.open(own.path)


def building_time() -> str:
    """Return about how long it takes to build an index of the taxonomy in use, for whoever is to wait for it.

    Raises:
        TaxonomyError: it is not there, or cannot be read.
    """
    from jobsearch.taxonomy.library import taxonomy_directory
    from jobsearch.taxonomy.store import read_about

    counts = read_about(taxonomy_directory()).get("counts")
    labels = counts.get("labels") if isinstance(counts, dict) else None
    # Whatever else is wrong with it is told where it is read whole.
    seconds = _LOADING + (labels if isinstance(labels, int) else 0) / _LABELS_PER_SECOND
    return roughly(seconds) if seconds >= _FEW else "a few seconds"


def roughly(seconds: float) -> str:
    """Return a length of time as people say it who do not know it well: `about 15 seconds`, `about 3 minutes`."""
    if seconds >= _MINUTES:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {max(5, 5 * round(seconds / 5))} seconds"


def _describe_encoder(name: str, languages: tuple[str, ...]) -> tuple[dict[str, str], Case | None]:
    """Return what an index's manifest says of an encoder by that name, and the case setting to build with."""
    from jobsearch.encoder.library import model_names, models_directory
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.shipped import SHIPPED_NAME, shipped_config
    from jobsearch.encoder.text import default_case
    from jobsearch.encoder.weights import read_config

    if name == BASE_NAME:
        case = default_case(languages)
        return {"name": name, "case": case}, case
    if name == SHIPPED_NAME:
        return {"fingerprint": shipped_config()["fingerprint"]}, None
    if name in model_names():
        return {"fingerprint": read_config(models_directory() / name)["fingerprint"]}, None
    from jobsearch.encoder.library import find_encoder

    return {"fingerprint": find_encoder(name).fingerprint}, None


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
