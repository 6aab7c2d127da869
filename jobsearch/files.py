"""Writing so that nothing half-written is ever picked up: aside first, then one rename."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jobsearch.errors import StorageError

_ELSEWHERE = "set JOBSEARCH_HOME, or the option that named it, to a place that can be written"
# How `tempfile.mkdtemp` continues the names that `new_directory` begins.
_ASIDE = re.compile(r"\..+-[a-z0-9_]{8}")
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows; raise the limit",
    errno.EROFS: f"the file system is read-only; {_ELSEWHERE}",
    errno.EACCES: f"permission is missing; {_ELSEWHERE}",
    errno.EPERM: f"permission is missing; {_ELSEWHERE}",
}


@contextlib.contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `target` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is None and isinstance(error, (NotADirectoryError, FileExistsError, IsADirectoryError)):
            reason = (
                "a file stands where a folder is needed, or the other way round; move it away or choose another place"
            )
        if reason is None:
            raise
        raise StorageError(f"cannot write {target}: {reason}") from error


def there_already(target: Path | str, what: str = "file") -> str:
    """Return what to say of a target that a command would replace unasked.

    Args:
        target: the file or folder; a text where it is no path of this machine.
        what: what to name instead.
    """
    return f"{target} is there already; name another {what} with --out, or add --force to replace it"


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder; what goes meanwhile counts as nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() and not path.is_symlink() else 0
    return total


def sync(path: Path) -> None:
    """Flush a file or folder to the disk, so that a rename that follows cannot come before its content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # some file systems cannot sync folders
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Fill a folder aside and give it its name at the end; an old one of that name is replaced.

    Yields a fresh folder beside `target` whose name begins with a dot. If the block ends well, its files are
    synced and the folder is renamed; if it raises (Ctrl-C included), the folder is removed and `target` is
    as it was before.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(target))
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            yield aside
            aside.chmod(0o755)  # mkdtemp makes it private; what is published is meant to be read
            for path in sorted(aside.rglob("*")):
                sync(path)
            sync(aside)
            if target.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
                try:
                    target.rename(old / "replaced")
                    aside.rename(target)
                except BaseException:
                    with contextlib.suppress(FileNotFoundError):
                        (old / "replaced").rename(target)
                    raise
                finally:
                    shutil.rmtree(old, ignore_errors=True)
            else:
                aside.rename(target)
            sync(target.parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise


def left_aside(folder: Path) -> Iterator[Path]:
    """Find in `folder` and below what `new_directory` has not given its name: by a process at work, or a killed one."""
    for path in sorted(folder.rglob(".*-*")):
        if path.is_dir() and not path.is_symlink() and _ASIDE.fullmatch(path.name):
            yield path


def write_atomically(target: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(target)
            sync(target.parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
