"""The directory of an index: its versions and the pointer to the current one.

    indexes/<name>/current            one line: the number of the version that readers open
    indexes/<name>/versions/0001/…    a version, never changed once it has its name
    indexes/<name>/.lock              held while a version is built and published
    indexes/<name>/.last              the highest number, once its version was pruned
    indexes/<name>/.pointer.lock      held for moments, while `current` moves

Publishing is one atomic rename of `current`. A reader that has a version open keeps it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobsearch.errors import IndexingError, IndexNotFoundError, StorageError
from jobsearch.files import new_directory, storage_errors, write_atomically
from jobsearch.home import indexes_directory
from jobsearch.index.locks import building, deleted, pointing
from jobsearch.index.manifest import MANIFEST

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}\Z")
_VERSION = re.compile(r"\d{4,}\Z")


@dataclass(frozen=True)
class IndexDirectory:
    """An index by its folder; the folder need not exist yet."""

    path: Path

    @staticmethod
    def named(name: str) -> IndexDirectory:
        """Return the index of that name in the home folder, or at that path if `name` is one.

        Raises:
            IndexNotFoundError: the name cannot be one.
        """
        if "/" in name or "\\" in name:
            return IndexDirectory(Path(name).expanduser().absolute())
        if not _NAME.match(name):
            raise IndexNotFoundError(
                f"index name {name!r}: expected letters, digits, dots, dashes; `jobsearch index list` shows the names"
            )
        return IndexDirectory(indexes_directory() / name)

    @staticmethod
    def at(index: str | Path) -> IndexDirectory:
        """Return the index at a path, or the one that a text names (see `named`)."""
        return IndexDirectory(index.absolute()) if isinstance(index, Path) else IndexDirectory.named(index)

    @property
    def name(self) -> str:
        """Name of the index."""
        return self.path.absolute().name

    @property
    def exists(self) -> bool:
        """Whether a version was ever published."""
        return _is_file(self.path / "current")

    def current(self) -> str:
        """Return the number of the current version.

        Raises:
            IndexNotFoundError: nothing was published, or the pointer is damaged.
        """
        try:
            version = (self.path / "current").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            self.check_not_within()
            self.check_pointed()
            here = f"; for the one in ./{self.name} write ./{self.name}" if _is_file(Path(self.name, "current")) else ""
            raise IndexNotFoundError(
                f"no index {self.name!r} in {self.path.parent}; run `{self._build_command}` or `jobsearch index list`"
                f"{here}"
            ) from None
        except (OSError, ValueError) as error:
            raise IndexNotFoundError(f"{self.path / 'current'} cannot be read ({error}); {self.mend}") from error
        if not _VERSION.match(version):
            raise IndexNotFoundError(f"{self.path / 'current'} names no version ({version[:20]!r}); {self.mend}")
        return version

    def check_not_within(self) -> None:
        """Refuse a path that leads into an index, or to a version that stands alone.

        Raises:
            IndexNotFoundError: it does.
        """
        path = self.path.absolute()
        for folder in path.parents[:3]:
            if path.is_relative_to(folder / "versions") and IndexDirectory(folder).exists:
                raise IndexNotFoundError(f"{self.path} is no index but a part of one; name {folder}")
        if self.path.is_dir() and _is_file(self.path / MANIFEST):
            raise IndexNotFoundError(
                f"{self.path} is one version of an index; copy and name the folder that holds `versions` and `current`"
            )

    def check_pointed(self) -> None:
        """Refuse a folder that has versions and no pointer to one of them, as a copy made without it.

        Raises:
            IndexNotFoundError: it is such a folder.
        """
        versions = [] if self.exists else self.versions()
        if versions:
            told = f"version{'s' if versions[1:] else ''} {', '.join(versions)}"
            pointer = shlex.quote(str(self.path.absolute() / "current"))
            raise IndexNotFoundError(
                f"{self.path} holds {told}, but not the file `current`, which names the one to open; copy that too, "
                f"write it with `echo {versions[-1]} > {pointer}`, or run `{self._build_command}`"
            )

    def current_or_none(self) -> str | None:
        """Return the number of the current version, or None where nothing was published or the pointer is damaged."""
        with contextlib.suppress(IndexNotFoundError):
            return self.current()
        return None

    def versions(self) -> list[str]:
        """Return the numbers of all whole versions, oldest first.

        Raises:
            IndexNotFoundError: their folder cannot be read.
        """
        try:
            return self._whole_versions()
        except OSError as error:
            raise IndexNotFoundError(
                f"{self.path / 'versions'} cannot be read ({error.strerror}); {self.mend}"
            ) from error

    def _whole_versions(self) -> list[str]:
        folder = self.path / "versions"
        try:
            names = [path.name for path in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [name for name in names if _VERSION.match(name) and _is_file(folder / name / MANIFEST)]
        return sorted(found, key=int)

    def version_path(self, version: str) -> Path:
        """Return the folder of a version."""
        return self.path / "versions" / version

    @property
    def mend(self) -> str:
        """What to do when something in this index is broken, for errors.

        One that lies elsewhere than in the home folder was brought there: what made it may not be at hand.
        """
        if self._is_at_home:
            return f"run `{self._build_command}` to build it anew"
        path = shlex.quote(str(self.path.absolute()))
        back = f" run `jobsearch index rollback {path}`," if self._has_earlier else ""
        return f"copy it again,{back} or run `{self._build_command}` to build it anew"

    @property
    def _has_earlier(self) -> bool:
        """Whether there is a version before the current one; by the files alone, since what is broken asks."""
        with contextlib.suppress(OSError, ValueError):
            current = int((self.path / "current").read_text(encoding="ascii"))
            return any(int(version) < current for version in self._whole_versions())
        return False

    @property
    def _is_at_home(self) -> bool:
        return self.path.absolute() == indexes_directory() / self.name

    @property
    def _build_command(self) -> str:
        name = self.name if self._is_at_home else shlex.quote(str(self.path.absolute()))
        return f"jobsearch index build --name {name}"

    @contextlib.contextmanager
    def new_version(self, *, wait: float = -1) -> Iterator[Path]:
        """Fill a folder that becomes the next version, and publish it when the block ends well.

        Builders take turns on a lock of the operating system's, which a killed owner loses. What a killed builder
        left half-written is removed first.

        Args:
            wait: seconds to wait for another builder; negative: as long as it takes.

        Yields:
            A fresh folder. If the block raises, it is removed and nothing was published.

        Raises:
            IndexingError: another builder kept the lock for longer than `wait`, or the index was deleted meanwhile.
            StorageError: the disk is full, read-only or not ours.
        """
        with storage_errors(self.path):
            self.make_ready()
            with building(self.path, wait):
                if not (self.path / "versions").is_dir():
                    raise deleted(self.path)
                self._remove_leftovers()
                begun_on = self.current_or_none()
                version = f"{self._highest_number() + 1:04d}"
                with new_directory(self.version_path(version)) as aside:
                    yield aside
                try:
                    self.publish(version, over=begun_on)
                except BaseException:
                    if self.current_or_none() != version:  # what nobody may open must not be listed
                        shutil.rmtree(self.version_path(version), ignore_errors=True)
                    raise

    def prune(self, keep: int, newer: bool = False) -> list[str]:
        """Remove old versions; the current one always stays, and so do newer ones, from which somebody went back.

        A process that has a removed version open goes on with it: its files are gone only when it lets them go.

        Args:
            keep: how many versions to keep, at least 1: the current one and those before it; newer ones do not count.
            newer: remove the newer ones too.

        Returns:
            Numbers of the versions removed, oldest first.

        Raises:
            IndexNotFoundError: there is no such index.
            IndexingError: `keep` is below 1.
            StorageError: the folder is read-only or not ours.
        """
        if keep < 1:
            raise IndexingError(f"cannot keep {keep} versions of index {self.name!r}; keep at least 1")
        self.current()
        with storage_errors(self.path), building(self.path, -1):
            current = self.current()
            older = [version for version in self.versions() if int(version) < int(current)]
            removed = older[: max(0, len(older) + 1 - keep)]
            if newer:
                removed += [version for version in self.versions() if int(version) > int(current)]
            highest = f"{self._highest_number():04d}"
            if highest in removed:
                with contextlib.suppress(StorageError):  # a full disk is what one prunes for
                    write_atomically(self.path / ".last", f"{highest}\n".encode())
            with pointing(self.path):
                if self.current() in removed:  # rolled back meanwhile
                    removed.remove(self.current())
                for version in removed:
                    # Renamed first: a version is there whole or not at all, also for one who opens it just now.
                    self.version_path(version).rename(self.path / "versions" / f".{version}-removed")
            for version in removed:
                shutil.rmtree(self.path / "versions" / f".{version}-removed")
            self._remove_leftovers()
        return removed

    def make_ready(self) -> None:
        """Make the folder if it is not there, so that a refusal to write comes before any work is done.

        Raises:
            StorageError: it cannot be made or written.
        """
        with storage_errors(self.path):
            (self.path / "versions").mkdir(parents=True, exist_ok=True)
            # Tried out: `os.access` asks for the real user, and takes a read-only disk for a missing permission.
            tried = tempfile.mkdtemp(prefix=".", dir=self.path / "versions")
            with contextlib.suppress(FileNotFoundError):  # another builder may have tidied it up
                Path(tried).rmdir()

    def publish(self, version: str, over: str | None = None) -> None:
        """Make a whole version the current one, by one atomic rename.

        Args:
            version: its number.
            over: the version that must be the current one still; None: any.

        Raises:
            IndexNotFoundError: there is no such version.
            IndexingError: another version than `over` was made current meanwhile, by a rollback.
            StorageError: the disk is full, read-only or not ours.
        """
        with storage_errors(self.path), pointing(self.path):
            self.check_known(version)
            current = self.current_or_none()
            if over is not None and current not in (over, None):
                raise IndexingError(
                    f"version {current} of index {self.name!r} was made current while a new one was built on {over}; "
                    "nothing was published; run the same command again"
                )
            write_atomically(self.path / "current", f"{version}\n".encode())

    def check_known(self, version: str) -> None:
        """Refuse a version that is not there or not whole.

        Raises:
            IndexNotFoundError: there is no such index or version.
        """
        if version not in self.versions():
            known = ", ".join(self.versions()) or "none"
            raise IndexNotFoundError(f"index {self.name!r} has no version {version!r}; it has: {known}")

    def _highest_number(self) -> int:
        """Return the highest number that a version has or had: a number never comes twice."""
        names = [path.name for path in (self.path / "versions").iterdir()]
        with contextlib.suppress(OSError):
            names.append((self.path / ".last").read_text(encoding="ascii").strip())
        return max((int(name) for name in names if _VERSION.match(name)), default=0)

    def _remove_leftovers(self) -> None:
        """Remove what killed builders left; the lock is held."""
        for path in (self.path / "versions").glob(".*"):
            shutil.rmtree(path, ignore_errors=True)
        with pointing(self.path):
            for path in self.path.glob(".current-*"):
                path.unlink(missing_ok=True)


def _is_file(path: Path) -> bool:
    """Tell whether a file is there, as far as one may look: who opens what is hidden is told so."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def index_names() -> list[str]:
    """Return the names of the indexes in the home folder, sorted."""
    folder = indexes_directory()
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if IndexDirectory(path).exists)


def names_without_pointer() -> list[str]:
    """Return the names of folders in the home folder that hold versions and name none to open, sorted.

    They are indexes that were copied without the file `current`, or whose first build was killed at its very end.
    """
    found = []
    for path in sorted(indexes_directory().glob("*/versions")):
        try:
            IndexDirectory(path.parent).check_pointed()
        except IndexNotFoundError:
            found.append(path.parent.name)
    return found
