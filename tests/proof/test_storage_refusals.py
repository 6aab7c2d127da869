"""A disk that is full, a folder that is read-only or not ours: a clear error, and the old version goes on."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from forks import warm
from life_cycle import EDIT, ESCO, LOCKS, answers, content, hash_encoders, leftovers, named

from jobsearch.cli.app import run
from jobsearch.engine import JobSearch
from jobsearch.errors import JobSearchError, StorageError
from jobsearch.index import embedding
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory, index_names

__all__ = ["hash_encoders"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hash_encoders")]
FLAT = Options(index_type="flat", keep_edits=False)
PAGE = 4096

# What writes to an index, by name; the index has the versions 0001 and 0002, of contents a and b.
WRITERS: dict[str, Callable[[IndexDirectory], Any]] = {
    "build": lambda directory: build_index(*content("a"), directory, options=FLAT),
    "edit": lambda directory: edit_index([EDIT], directory),
    "rollback": lambda directory: directory.publish("0001"),
    "prune": lambda directory: directory.prune(1),
}
COMMANDS: dict[str, Callable[[str, Path], tuple[str, ...]]] = {
    "build": lambda index, _: ("index", "build", "--name", index, "--taxonomy", "esco-en", "--encoder", "use"),
    "add": lambda index, titles: ("index", "add", str(titles), "--name", index),
    "remove": lambda index, _: ("index", "remove", f"{ESCO}occupation/003", "--name", index),
    "rollback": lambda index, _: ("index", "rollback", index),
    "prune": lambda index, _: ("index", "prune", index, "--keep", "1"),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds put their unfinished work on the disk, as large ones do."""
    monkeypatch.setattr(embedding, "_SLICE", 64)
    monkeypatch.setattr(embedding, "_SLICES_KEPT", 1)


def published(path: Path) -> IndexDirectory:
    """Make an index with two versions."""
    directory = IndexDirectory(path)
    for name in ("a", "b"):
        build_index(*content(name), directory, options=FLAT)
    return directory


class Unchanged:
    """What must stay as it is: answers of a new engine and of one that is open, and which versions there are."""

    def __init__(self, directory: IndexDirectory) -> None:
        self._directory = directory
        self._open = JobSearch.open(directory.path)
        self._before = self._state()

    def _state(self) -> tuple[str, list[str], str]:
        directory = self._directory
        return directory.current(), directory.versions(), answers(JobSearch.open(directory.path))

    def check(self, *, but_versions: bool = False) -> None:
        """Compare with the beginning; of a removal that was broken off the version may be gone, never half of it."""
        current, versions, found = self._state()
        assert (current, found) == (self._before[0], self._before[2])
        assert versions == self._before[1] or but_versions
        for version in versions:
            open_version(self._directory, version)
        assert self._open.reload() is False
        assert answers(self._open) == found


def refused(directory: IndexDirectory, write: Callable[[IndexDirectory], Any], reason: str) -> bool:
    """Try to write; tell whether it was refused, and check how it was said."""
    try:
        write(directory)
    except StorageError as error:
        assert re.fullmatch(f"cannot write [^\n]*: [^\n]*{reason}[^\n]*", str(error)), error
        assert named(directory, str(error)), error
        return True
    return False


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobsearch_home: Path) -> Callable[..., str]:
    """Run a command by its name on an index, and return its one line of error, or `""` if it ended well."""
    taxonomy, encoder = content("a")
    monkeypatch.setattr("jobsearch.taxonomy.library.find_taxonomy", lambda name: taxonomy)
    monkeypatch.setattr("jobsearch.encoder.library.find_encoder", lambda *_: encoder)
    with tempfile.TemporaryDirectory() as outside:  # tmp_path lies in a folder that only its owner enters
        Path(outside).chmod(0o755)
        titles = Path(outside) / "titles.csv"
        titles.write_text("label\nchief bread officer\n")
        titles.chmod(0o644)

        def call(name: str, directory: IndexDirectory, capsys: pytest.CaptureFixture[str]) -> str:
            capsys.readouterr()
            code = run(COMMANDS[name](str(directory.path), titles))
            out, err = capsys.readouterr()
            if code == 0:
                return ""
            assert (code, out) == (1, "")
            assert re.fullmatch(r"Error: [^\n]+\n", err), err
            return err

        yield call


# --- a full disk -----------------------------------------------------------------------------------------------


class Disk:
    """A small file system in memory.

    Args:
        path: where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fillers: list[Path] = []

    def leave(self, pages: int) -> None:
        """Fill it, but for so many pages."""
        self.empty()
        stat = os.statvfs(self.path)
        filler = self.path / "filler"
        with filler.open("wb") as file:
            file.write(bytes((stat.f_bavail - pages) * stat.f_frsize))
        self._fillers = [filler]
        assert os.statvfs(self.path).f_bavail == pages

    def leave_files(self, files: int) -> None:
        """Use up the number of files that it may hold, but for so many."""
        self.empty()
        self._fillers = [self.path / f"filler{number}" for number in range(os.statvfs(self.path).f_ffree - files)]
        for filler in self._fillers:
            filler.touch()

    def empty(self) -> None:
        """Take away what filled it."""
        for filler in self._fillers:
            filler.unlink(missing_ok=True)
        self._fillers = []

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.path)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=300", "tmpfs", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here, which needs root ({error})")
    try:
        yield Disk(path)
    finally:
        # Lazily: what engines have mapped from it is let go later.
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("what", ["build", "edit"])
@pytest.mark.parametrize("scarce", ["pages", "files"])
def test_a_disk_that_fills_up_at_any_moment(what: str, scarce: str, disk: Disk) -> None:
    """From nothing free at all, one page (or file) more each time, until there is enough: each write was refused."""
    directory = published(disk.path / "i")
    directory.prune(1)  # so that content a is nowhere to be taken from
    old = Unchanged(directory)
    free = 0
    while True:
        disk.leave(free) if scarce == "pages" else disk.leave_files(free)
        if not refused(directory, WRITERS[what], "the disk is full; free some space"):
            break
        disk.empty()
        old.check()
        # Labels already embedded are kept on purpose; nothing else is.
        assert [name for name in leftovers(directory) if not name.startswith("unfinished")] == []
        free += 1
    assert free > 5
    assert directory.current() == "0003"
    assert leftovers(directory) == []


def test_a_full_disk_can_be_pruned(disk: Disk) -> None:
    """Removing versions is how room is made, so it must need none."""
    directory = published(disk.path / "i")
    old = Unchanged(directory)
    disk.leave(0)
    assert directory.prune(1) == ["0001"]
    old.check(but_versions=True)
    assert os.statvfs(disk.path).f_bavail > 10


def test_a_full_disk_refuses_a_rollback(disk: Disk) -> None:
    directory = published(disk.path / "i")
    old = Unchanged(directory)
    disk.leave(0)
    assert refused(directory, WRITERS["rollback"], "the disk is full")
    old.check()
    assert leftovers(directory) == []


@pytest.mark.parametrize("command", ["build", "add", "remove", "rollback"])
def test_commands_on_a_full_disk(
    command: str, disk: Disk, commands: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    directory = published(disk.path / "i")
    old = Unchanged(directory)
    disk.leave(0)
    assert "the disk is full; free some space and run the same command again" in commands(command, directory, capsys)
    old.check()
    disk.empty()
    assert commands(command, directory, capsys) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_files_that_cannot_grow(tmp_path: Path) -> None:
    """The same without root: the operating system refuses to write beyond a size, from the first byte on."""
    directory = published(tmp_path / "i")
    old = Unchanged(directory)
    refusals = 0
    with warm("hash", tmp_path) as forks:
        for size in (0, *(int(1.6**power) for power in range(40))):
            end = forks.run("build", directory.path, "a", refused=size)
            assert not end.signal
            if not end.error:
                break
            refusals += 1
            told = r"JobSearchError: cannot write [^\n]*: the file is larger than [^\n]*; raise the limit"
            assert re.fullmatch(told, end.error), end.trace
            old.check()
            assert [name for name in leftovers(directory) if not name.startswith("unfinished")] == []
    assert refusals > 15
    assert directory.current() == "0003"


# --- read-only -------------------------------------------------------------------------------------------------


def test_a_read_only_disk(disk: Disk, commands: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    directory = published(disk.path / "i")
    old = Unchanged(directory)
    disk.remount("ro")
    for write in WRITERS.values():
        assert refused(directory, write, "the file system is read-only; set JOBSEARCH_HOME")
        old.check()
    for command in COMMANDS:
        assert "the file system is read-only" in commands(command, directory, capsys)
        old.check()
    with pytest.raises(StorageError, match="read-only"):
        build_index(*content("a"), IndexDirectory(disk.path / "another"), options=FLAT)
    disk.remount("rw")
    for write in WRITERS.values():
        write(directory)


# --- permissions -----------------------------------------------------------------------------------------------


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        try:
            yield Path(folder)
        finally:
            for path in [Path(folder), *Path(folder).rglob("*")]:
                path.chmod(0o755)


def allow(directory: IndexDirectory, *, but: tuple[str, ...] = (), mode: int = 0o555) -> None:
    """Let everybody write to all of an index, but for these paths in it, which get another mode."""
    for path in [directory.path, *directory.path.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    for name in but:
        (directory.path / name).chmod(mode)


# What may not be written, and whom that hinders.
CLOSED: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "everything": ((".", "versions", "versions/0001", "versions/0002", *sorted(LOCKS), "current"), set(WRITERS)),
    "the folder": ((".",), {"build", "edit", "rollback"}),
    "the versions": (("versions",), {"build", "edit", "prune"}),
    "the lock": ((".lock",), {"build", "edit", "prune"}),
    "the pointer's lock": ((".pointer.lock",), set(WRITERS)),
    # It loses its name and is no version any more; that its files stay, and no space is free, is told.
    "an old version": (("versions/0001",), {"prune"}),
}


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("closed", CLOSED)
def test_what_is_not_ours(
    what: str,
    closed: str,
    outside: Path,
    unprivileged: Callable[[], AbstractContextManager[None]],
) -> None:
    directory = published(outside / "i")
    old = Unchanged(directory)
    names, hindered = CLOSED[closed]
    allow(directory, but=names)
    with unprivileged():
        assert refused(directory, WRITERS[what], "permission is missing; set JOBSEARCH_HOME") == (what in hindered)
        if closed == "an old version":
            open_version(directory)
        elif what in hindered:
            old.check()
            assert [name for name in leftovers(directory) if not name.startswith("unfinished")] == []
    allow(directory)
    # Once it may be written, all goes on.
    build_index(*content("a"), directory, options=FLAT)
    assert leftovers(directory) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_on_what_is_not_ours(
    command: str,
    outside: Path,
    unprivileged: Callable[[], AbstractContextManager[None]],
    commands: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = published(outside / "i")
    old = Unchanged(directory)
    allow(directory, but=CLOSED["everything"][0])
    with unprivileged():
        assert "permission is missing; set JOBSEARCH_HOME" in commands(command, directory, capsys)
    old.check()


HIDDEN = (
    *("current", "versions", "versions/0002", "versions/0002/manifest.json", "versions/0002/vectors.faiss"),
    *("versions/0002/labels.safetensors", "versions/0002/encoder", "versions/0002/encoder/config.json", "."),
)


@pytest.mark.parametrize("name", HIDDEN)
def test_what_may_not_be_read(
    name: str, outside: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    """Who may not read an index is told so in one line, and an engine that has it open goes on."""
    directory = published(outside / "i")
    engine = JobSearch.open(directory.path)
    before = answers(engine)
    allow(directory, but=(name,), mode=0)
    asked: list[Callable[[], Any]] = [
        functools.partial(JobSearch.open, directory.path),
        functools.partial(JobSearch.open, directory.path, "0002"),
        engine.reload,
        lambda: answers(engine) == before or pytest.fail("the open engine changed"),
        functools.partial(directory.prune, 1),
        functools.partial(edit_index, [EDIT], directory),
        functools.partial(directory.publish, "0001"),
    ]
    errors = []
    with unprivileged():
        for ask in asked:
            try:
                ask()
            except JobSearchError as error:
                assert named(directory, str(error)), error
                errors.append(str(error))
    assert errors


def test_an_index_that_may_not_be_read_hides_no_other(
    outside: Path, unprivileged: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(outside))
    published(outside / "indexes" / "ours")
    theirs = published(outside / "indexes" / "theirs")
    theirs.path.chmod(0)
    with unprivileged():
        assert "ours" in index_names()
