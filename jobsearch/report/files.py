"""Where a report goes: what is there already is not replaced unasked, and nothing is ever half written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from jobsearch.errors import StorageError
from jobsearch.files import there_already, write_atomically
from jobsearch.progress import Progress, silent
from jobsearch.report.canvas import draw
from jobsearch.report.make import Report

KINDS = ("svg", "png")
_EFFECTIVE = os.access in os.supports_effective_ids


def check_targets(out: Path, folder: Path | None, force: bool) -> None:
    """Check that a report may be written, before minutes are spent on it.

    Args:
        out: the HTML file.
        folder: for the pictures, or None.
        force: whether what is there may be replaced.

    Raises:
        StorageError: it may not.
    """
    if out.is_dir():
        raise StorageError(f"{out} is a folder; name a file in it with --out")
    for target, option in ((out.parent, "--out"), (folder, "--pictures")):
        if target is not None and target.is_dir() and not os.access(target, os.W_OK, effective_ids=_EFFECTIVE):
            raise StorageError(f"no file may be written in {target.resolve()}; name another place with {option}")
    if out.exists() and not force:
        raise StorageError(there_already(out))
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file; name a folder with --pictures")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise StorageError(
            f"{folder} holds other files; name an empty or a new folder with --pictures, or add --force to replace "
            "pictures of the same names"
        )


def write_report(report: Report, out: Path, folder: Path | None = None, progress: Progress = silent) -> list[Path]:
    """Write the pictures, if wanted, and then the page; each file is whole or not there.

    Args:
        report: what to write.
        out: the HTML file.
        folder: for the pictures, each as SVG and PNG.
        progress: told of the pictures.

    Returns:
        The files written, the page last.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    written = []
    if folder is not None:
        contents = list(_contents(report, progress))  # all drawn before the first is written
        for name, content in contents:
            write_atomically(folder / name, content)
            written.append(folder / name)
    write_atomically(out, report.html.encode("utf-8", "replace"))
    return [*written, out]


def _contents(report: Report, progress: Progress) -> Iterator[tuple[str, bytes]]:
    for number, picture in enumerate(report.pictures):
        progress("writing pictures", number, len(report.pictures))
        for kind in KINDS:
            yield f"{picture.name}.{kind}", draw(picture.figure, kind).content
    progress("writing pictures", len(report.pictures), len(report.pictures))
