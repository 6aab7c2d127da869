"""The two locks of an index directory; the operating system's, which a killed owner loses."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobsearch.errors import IndexingError, IndexNotFoundError

_LOG = logging.getLogger(__name__)
# Seconds of waiting that need no word.
_SOON = 2.0


@contextlib.contextmanager
def building(folder: Path, wait: float) -> Iterator[None]:
    """Hold the lock of who adds or removes versions.

    Args:
        folder: the index's, which must be there.
        wait: seconds to wait for another process; negative: as long as it takes.

    Raises:
        IndexingError: another process kept it for longer.
        IndexNotFoundError: the index was deleted meanwhile.
    """
    import filelock

    try:
        held = _acquire(folder / ".lock", _SOON if wait < 0 else wait)
    except filelock.Timeout:
        if wait >= 0:
            raise IndexingError(f"another process is building {folder}; wait until it is done") from None
        _LOG.warning("another process is building %s; waiting until it is done", folder)
        held = _acquire(folder / ".lock", -1)
    with held:
        yield


@contextlib.contextmanager
def pointing(folder: Path) -> Iterator[None]:
    """Hold a lock for as long as the pointer moves or versions go: a rollback must not wait for a whole build."""
    if not folder.is_dir():  # there is nothing to point at, which is told better by who reads it
        yield
        return
    with _acquire(folder / ".pointer.lock", -1):
        yield


def deleted(folder: Path) -> IndexNotFoundError:
    """Return what to say where nothing is left of what was waited for."""
    return IndexNotFoundError(f"index {folder.name!r} was deleted meanwhile; run the same command again")


def _acquire(path: Path, wait: float) -> Any:
    import filelock

    try:
        return filelock.FileLock(path, timeout=wait).acquire()
    except FileNotFoundError:
        raise deleted(path.parent) from None
