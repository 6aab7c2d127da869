"""Deleting an index: all of it or nothing, also while others have it open."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobsearch.errors import IndexingError, IndexNotFoundError
from jobsearch.files import folder_size, storage_errors
from jobsearch.index.locks import building, pointing
from jobsearch.index.versions import IndexDirectory, index_names

# What publishing, pruning and building put into an index's folder; what else is there somebody brought.
_OURS = re.compile(r"current|versions|\.last|\.lock|\.pointer\.lock|\.(current|last)-.*")
_VERSIONS = re.compile(r"\d{4,}|\..*")


@dataclass(frozen=True)
class Holdings:
    """What an index takes on the disk.

    Args:
        versions: bytes of each version by its number, oldest first.
        bytes: of all its files, also of what killed builders and deletions left.
    """

    versions: dict[str, int]
    bytes: int


def holdings(directory: IndexDirectory) -> Holdings:
    """Return what deleting an index would free.

    Raises:
        IndexNotFoundError: there is no such index.
        IndexingError: its folder is a link, or holds what no index has.
        StorageError: it cannot be read.
    """
    with storage_errors(directory.path):
        _check(directory)
        versions = {version: folder_size(directory.version_path(version)) for version in directory.versions()}
        return Holdings(versions, sum(map(folder_size, (directory.path, *_leftovers(directory)))))


def delete_index(directory: IndexDirectory) -> None:
    """Remove an index with all of its versions.

    A process that has it open goes on with it: its files are gone only when it lets them go. Who opens it meanwhile
    finds it whole or not at all.

    Raises:
        IndexNotFoundError: there is no such index.
        IndexingError: another process builds it, its folder is a link, or it holds what no index has.
        StorageError: the folder is read-only or not ours.
    """
    with storage_errors(directory.path):
        _check(directory)
        if directory.path.exists():
            with building(directory.path, 0), pointing(directory.path):
                aside = Path(tempfile.mkdtemp(prefix=_prefix(directory), dir=directory.path.parent))
                try:
                    # One rename decides. Into a folder of its own, where no list of indexes looks for it.
                    directory.path.rename(aside / directory.name)
                except BaseException:
                    with contextlib.suppress(OSError):  # interrupted behind the rename, it is no longer empty
                        aside.rmdir()
                    raise
        for path in _leftovers(directory):
            shutil.rmtree(path)


def _check(directory: IndexDirectory) -> None:
    path = directory.path
    if path.is_symlink():
        raise IndexingError(f"{path} is a link to {path.resolve()}; remove the link yourself, or name that folder")
    there = directory.exists or (path / "versions").is_dir()
    if not there and not (_leftovers(directory) and not path.exists()):
        directory.check_not_within()
        known = ", ".join(index_names()) or "none"
        raise IndexNotFoundError(f"no index {directory.name!r} in {path.parent}; there are: {known}")
    for foreign in _foreign(path):
        raise IndexingError(f"{foreign} is no part of an index; move it away first")


def _foreign(path: Path) -> Iterator[Path]:
    for folder, ours in ((path, _OURS), (path / "versions", _VERSIONS)):
        if folder.is_dir():
            yield from sorted(inside for inside in folder.iterdir() if not ours.fullmatch(inside.name))


def _leftovers(directory: IndexDirectory) -> list[Path]:
    """Return what deletions of an index of this name moved aside and did not remove, since they were killed."""
    prefix = _prefix(directory)
    parent = directory.path.parent
    return [path for path in parent.iterdir() if path.name.startswith(prefix)] if parent.is_dir() else []


def _prefix(directory: IndexDirectory) -> str:
    return f".{directory.name}-deleted-"
