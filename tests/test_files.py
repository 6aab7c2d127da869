"""Writing aside: what is there is whole, the old or the new, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from jobsearch.errors import StorageError
from jobsearch.files import new_directory, storage_errors, write_atomically


def tree(folder: Path) -> dict[str, str | None]:
    """Return everything in a folder, hidden things too: contents of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else None for path in folder.rglob("*")
    }


def fill(aside: Path, content: str = "new") -> None:
    (aside / "inner").mkdir()
    (aside / "inner" / "file").write_text(content)


FAILURES = [ValueError("x"), KeyboardInterrupt(), SystemExit(2), GeneratorExit()]


# --- new_directory ---------------------------------------------------------------------------------------------


def test_a_new_folder_gets_its_name_at_the_end(tmp_path: Path) -> None:
    with new_directory(tmp_path / "a" / "b") as aside:
        assert list(aside.iterdir()) == []
        assert (aside.parent, aside.name[:3]) == (tmp_path / "a", ".b-")
        fill(aside)
        assert not (tmp_path / "a" / "b").exists()
    assert tree(tmp_path) == {"a": None, "a/b": None, "a/b/inner": None, "a/b/inner/file": "new"}


def test_an_old_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "only in the old one").write_text("old")
    with new_directory(tmp_path / "b") as aside:
        fill(aside)
        assert (tmp_path / "b" / "only in the old one").read_text() == "old"  # until the end
    assert tree(tmp_path) == {"b": None, "b/inner": None, "b/inner/file": "new"}


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("there", [False, True])
def test_after_an_error_the_old_folder_is_as_it_was(tmp_path: Path, error: BaseException, there: bool) -> None:
    if there:
        with new_directory(tmp_path / "b") as aside:
            fill(aside, "old")
    before = tree(tmp_path)
    with pytest.raises(type(error)), new_directory(tmp_path / "b") as aside:
        fill(aside)
        raise error
    assert tree(tmp_path) == before


def test_a_rename_that_fails_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_directory(tmp_path / "b") as aside:
        fill(aside, "old")
    before = tree(tmp_path)
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name.startswith(".b-") and target.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StorageError, match="the disk is full"), new_directory(tmp_path / "b") as aside:
        fill(aside)
    assert tree(tmp_path) == before


def test_a_folder_can_be_read_by_others(tmp_path: Path) -> None:
    with new_directory(tmp_path / "b") as aside:
        assert aside.stat().st_mode & 0o777 == 0o700  # not before it is whole
        fill(aside)
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o755


def test_a_link_to_a_folder_is_replaced_and_its_goal_is_left_alone(tmp_path: Path) -> None:
    with new_directory(tmp_path / "goal") as aside:
        fill(aside, "old")
    (tmp_path / "b").symlink_to("goal")
    with new_directory(tmp_path / "b") as aside:
        fill(aside)
    assert not (tmp_path / "b").is_symlink()
    assert (tmp_path / "b" / "inner" / "file").read_text() == "new"
    assert (tmp_path / "goal" / "inner" / "file").read_text() == "old"


@pytest.mark.parametrize("file", ["b", "b/c", "b/c/d"])
def test_a_file_where_a_folder_is_needed_is_told_and_kept(tmp_path: Path, file: str) -> None:
    (tmp_path / "b").write_text("not ours")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"), new_directory(tmp_path / file):
        pytest.fail("there is no folder to give")
    assert tree(tmp_path) == {"b": "not ours"}


def test_a_broken_link_where_a_folder_is_needed_is_told(tmp_path: Path) -> None:
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(StorageError), new_directory(tmp_path / "b") as aside:
        fill(aside)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


# --- write_atomically ------------------------------------------------------------------------------------------


def test_a_file_is_written_and_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "f"
    for content in (b"a long first content", b"short", b""):
        write_atomically(target, content)
        assert target.read_bytes() == content
        assert list(target.parent.iterdir()) == [target]


def test_a_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_atomically(tmp_path / "f", b"x")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644


def test_a_reader_keeps_the_old_content(tmp_path: Path) -> None:
    write_atomically(tmp_path / "f", b"old")
    with (tmp_path / "f").open("rb") as reader:
        write_atomically(tmp_path / "f", b"new, longer")
        assert reader.read() == b"old"  # a new file took the name, the old one was not written into
    assert (tmp_path / "f").read_bytes() == b"new, longer"


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [*FAILURES, OSError(errno.ENOSPC, "full")], ids=lambda error: type(error).__name__)
def test_after_an_error_the_old_content_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, step: str
) -> None:
    write_atomically(tmp_path / "f", b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(*((os, "fsync", fail) if step == "fsync" else (Path, "replace", fail)))
    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        write_atomically(tmp_path / "f", b"new")
    assert tree(tmp_path) == {"f": "old"}


@pytest.mark.parametrize("file", ["b/f", "b/c/f"])
def test_a_file_in_the_parents_place_is_told(tmp_path: Path, file: str) -> None:
    (tmp_path / "b").write_text("not ours")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        write_atomically(tmp_path / file, b"x")
    assert tree(tmp_path) == {"b": "not ours"}


# --- refusals of the operating system --------------------------------------------------------------------------


def make_folder(target: Path) -> None:
    with new_directory(target) as aside:
        fill(aside)


def make_file(target: Path) -> None:
    write_atomically(target, b"new")


@pytest.mark.parametrize("write", [make_folder, make_file])
@pytest.mark.parametrize("where", ["target", "deeper/target"])
def test_a_folder_that_is_not_ours_is_told(
    unprivileged: Callable[[], AbstractContextManager[None]], write: Callable[[Path], None], where: str
) -> None:
    with tempfile.TemporaryDirectory() as outside:  # tmp_path lies in a folder that only its owner enters
        folder = Path(outside)
        folder.chmod(0o555)
        try:
            with unprivileged(), pytest.raises(StorageError, match="permission is missing; set JOBSEARCH_HOME"):
                write(folder / where)
            assert list(folder.iterdir()) == []
        finally:
            folder.chmod(0o755)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the disk quota is used up; free some space"),
        (errno.EFBIG, "the file is larger than the file system or `ulimit -f` allows; raise"),
        (errno.EROFS, "the file system is read-only; set JOBSEARCH_HOME"),
        (errno.EACCES, "permission is missing; set JOBSEARCH_HOME"),
        (errno.EPERM, "permission is missing; set JOBSEARCH_HOME"),
        (errno.ENOTDIR, "a file stands where a folder is needed"),
        (errno.EEXIST, "a file stands where a folder is needed"),
    ],
)
def test_each_refusal_says_what_to_do(number: int, reason: str) -> None:
    with pytest.raises(StorageError) as raised, storage_errors(Path("/some/where")):
        raise OSError(number, os.strerror(number), "/some/where/inside")
    assert str(raised.value).startswith(f"cannot write /some/where: {reason}")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "x"), OSError("no number"), ValueError("x")])
def test_other_errors_pass_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, storage_errors(Path("/some/where")):
        raise error
    assert raised.value is error
