"""The index directory: names, numbers, publishing, and builders that fail, wait or die."""

from __future__ import annotations

import contextlib
import errno
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsearch.errors import IndexingError, IndexNotFoundError, StorageError
from jobsearch.index.versions import IndexDirectory, index_names, names_without_pointer


@pytest.fixture
def directory(tmp_path: Path) -> IndexDirectory:
    return IndexDirectory(tmp_path / "esco")


def add(directory: IndexDirectory, content: str = "{}") -> None:
    with directory.new_version() as aside:
        (aside / "manifest.json").write_text(content, encoding="utf-8")


def inside(directory: IndexDirectory) -> list[str]:
    """Return the names of everything in the versions folder."""
    return sorted(path.name for path in (directory.path / "versions").iterdir())


# --- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["esco-en", "a", "0", "A.b_c@1-2", "x" * 100])
def test_a_name_is_looked_up_in_the_home_folder(jobsearch_home: Path, name: str) -> None:
    directory = IndexDirectory.named(name)
    assert directory.path == jobsearch_home / "indexes" / name
    assert directory.name == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "-x", "@x", "two words", "ä", "a\n", "a\0", "x" * 101])
def test_bad_names_are_refused(jobsearch_home: Path, name: str) -> None:
    with pytest.raises(IndexNotFoundError, match="expected letters, digits, dots, dashes"):
        IndexDirectory.named(name)


def test_a_name_with_a_slash_is_a_path(jobsearch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert IndexDirectory.named(str(tmp_path / "x")).path == tmp_path / "x"
    assert IndexDirectory.named("~/x").path == tmp_path / "x"
    assert IndexDirectory.named("./x").path.absolute() == tmp_path / "x"
    assert IndexDirectory.named("./x").name == "x"


def test_names_of_all_indexes(jobsearch_home: Path) -> None:
    assert index_names() == []
    for name in ("b", "a"):
        add(IndexDirectory.named(name))
    (jobsearch_home / "indexes" / "never-published").mkdir()
    (jobsearch_home / "indexes" / "README.md").write_text("x")
    assert index_names() == ["a", "b"]


def test_the_remedy_names_the_index_so_that_the_command_finds_it(jobsearch_home: Path, tmp_path: Path) -> None:
    assert IndexDirectory.named("esco").mend.startswith("run `jobsearch index build --name esco` ")
    elsewhere = IndexDirectory(tmp_path / "my indexes" / "esco")
    for _ in range(2):
        add(elsewhere)
    assert elsewhere.mend.startswith("copy it again, ")  # what made it may be on another machine
    back, build = elsewhere.mend.split("`")[1::2]
    assert (shlex.split(back)[1:3], shlex.split(build)[1:3]) == (["index", "rollback"], ["index", "build"])
    for command in (back, build):  # not the index of that name in the home folder
        assert IndexDirectory.named(shlex.split(command)[-1]) == elsewhere


# --- the current version ---------------------------------------------------------------------------------------


def test_without_an_index_the_error_says_how_to_build_one(directory: IndexDirectory) -> None:
    assert not directory.exists
    assert directory.versions() == []
    with pytest.raises(IndexNotFoundError, match=r"no index 'esco' in .*; run `jobsearch index build --name "):
        directory.current()


def test_going_back_is_advised_only_where_there_is_an_earlier_version(directory: IndexDirectory) -> None:
    add(directory)
    assert directory.mend.startswith("copy it again, or run `jobsearch index build ")
    add(directory)
    assert "rollback" in directory.mend
    directory.publish("0001")
    assert "rollback" not in directory.mend
    (directory.path / "current").write_text("latest")  # which a rollback could not read either
    assert "rollback" not in directory.mend


@pytest.mark.parametrize(("count", "told"), [(1, "version 0001"), (2, "versions 0001, 0002")])
def test_a_copy_without_the_pointer_is_told_what_it_lacks(tmp_path: Path, count: int, told: str) -> None:
    directory = IndexDirectory(tmp_path / "my indexes" / "esco")
    for _ in range(count):
        add(directory)
    (directory.path / "current").unlink()
    with pytest.raises(IndexNotFoundError) as raised:
        directory.current()
    says = str(raised.value)
    assert says.startswith(f"{directory.path} holds {told}, but not the file `current`, which names the one to open; ")
    assert "rollback" not in says
    subprocess.run(says.split("`")[3], shell=True, check=True)
    assert directory.current() == f"{count:04d}"


def test_copies_without_the_pointer_are_no_indexes_but_known(jobsearch_home: Path) -> None:
    for name in ("a", "b", "c"):
        add(IndexDirectory.named(name))
    for name in ("a", "c"):
        (jobsearch_home / "indexes" / name / "current").unlink()
    (jobsearch_home / "indexes" / "d" / "versions").mkdir(parents=True)
    assert (index_names(), names_without_pointer()) == (["b"], ["a", "c"])


@pytest.mark.parametrize("within", ["versions", "versions/0001", "versions/0001/encoder", "versions/0009"])
def test_a_path_into_an_index_is_told_which_one_it_is(directory: IndexDirectory, within: str) -> None:
    add(directory)
    (directory.version_path("0001") / "encoder").mkdir()
    with pytest.raises(IndexNotFoundError) as raised:
        IndexDirectory(directory.path / within).current()
    assert str(raised.value) == f"{directory.path / within} is no index but a part of one; name {directory.path}"


def test_a_version_that_was_copied_alone(directory: IndexDirectory, tmp_path: Path) -> None:
    add(directory)
    alone = directory.version_path("0001").rename(tmp_path / "v0001")
    with pytest.raises(IndexNotFoundError, match=r"v0001 is one version of an index; copy and name the folder that ho"):
        IndexDirectory(alone).current()
    with pytest.raises(IndexNotFoundError, match="no index 'versions' in"):  # one may be called so
        IndexDirectory(tmp_path / "versions").current()


@pytest.mark.parametrize("content", [b"", b"latest\n", b"../0001\n", b"001\n", b"\xff\xfe", b"0001\n0002\n", b"0001x"])
def test_a_damaged_pointer_is_told_with_the_remedy(directory: IndexDirectory, content: bytes) -> None:
    add(directory)
    (directory.path / "current").write_bytes(content)
    with pytest.raises(IndexNotFoundError) as raised:
        directory.current()
    assert str(directory.path / "current") in str(raised.value)
    assert directory.mend in str(raised.value)


def test_a_folder_in_the_pointers_place_is_told(directory: IndexDirectory) -> None:
    (directory.path / "current").mkdir(parents=True)
    with pytest.raises(IndexNotFoundError, match="cannot be read"):
        directory.current()


def test_versions_are_numbered_and_the_last_is_current(directory: IndexDirectory) -> None:
    for count in (1, 2, 3):
        add(directory, f'{{"n": {count}}}')
        assert directory.current() == f"{count:04d}"
        assert directory.exists
    assert directory.versions() == ["0001", "0002", "0003"]
    texts = [(directory.version_path(v) / "manifest.json").read_text() for v in directory.versions()]
    assert texts == ['{"n": 1}', '{"n": 2}', '{"n": 3}']


def test_numbers_go_past_four_digits_in_order(directory: IndexDirectory) -> None:
    for version in ("9998", "9999"):
        (directory.version_path(version)).mkdir(parents=True)
        (directory.version_path(version) / "manifest.json").write_text("{}")
    add(directory)
    assert directory.current() == "10000"
    assert directory.versions() == ["9998", "9999", "10000"]


def test_a_number_is_not_used_again_while_a_higher_one_is_there(directory: IndexDirectory) -> None:
    for _ in range(3):
        add(directory)
    (directory.version_path("0001") / "manifest.json").unlink()
    directory.version_path("0001").rmdir()
    add(directory)
    assert directory.versions() == ["0002", "0003", "0004"]


def test_a_folder_without_a_manifest_is_no_version_but_its_number_is_taken(directory: IndexDirectory) -> None:
    add(directory)
    directory.version_path("0002").mkdir()
    assert directory.versions() == ["0001"]
    with pytest.raises(IndexNotFoundError, match="no version '0002'"):
        directory.publish("0002")
    add(directory)
    assert directory.versions() == ["0001", "0003"]


def test_other_folders_are_no_versions(directory: IndexDirectory) -> None:
    add(directory)
    for name in ("notes", "1", "0002-old"):
        (directory.version_path(name)).mkdir()
        (directory.version_path(name) / "manifest.json").write_text("{}")
    assert directory.versions() == ["0001"]


def test_publishing_an_older_version_goes_back(directory: IndexDirectory) -> None:
    add(directory)
    add(directory)
    directory.publish("0001")
    assert directory.current() == "0001"
    add(directory)  # and the next one is new all the same
    assert directory.current() == "0003"


@pytest.mark.parametrize("version", ["0003", "1", "", "../0001", "latest"])
def test_an_unknown_version_is_not_published(directory: IndexDirectory, version: str) -> None:
    add(directory)
    add(directory)
    with pytest.raises(IndexNotFoundError, match="it has: 0001, 0002"):
        directory.publish(version)
    assert directory.current() == "0002"


def test_publishing_in_an_empty_index_is_refused(directory: IndexDirectory) -> None:
    with pytest.raises(IndexNotFoundError, match="it has: none"):
        directory.publish("0001")
    assert not directory.exists


# --- builders that fail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("published", [0, 1])
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ValueError("x"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(1), SystemExit),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failed_builder_publishes_nothing_and_leaves_nothing(
    directory: IndexDirectory, published: int, error: BaseException, seen: type[BaseException]
) -> None:
    for _ in range(published):
        add(directory)
    with pytest.raises(seen), directory.new_version() as aside:
        (aside / "manifest.json").write_text("{}")
        (aside / "encoder").mkdir()
        (aside / "encoder" / "weights").write_text("x")
        raise error
    assert inside(directory) == directory.versions() == ["0001"][:published]
    assert directory.exists == bool(published)
    if published:
        assert directory.current() == "0001"
    with directory.new_version(wait=0) as aside:  # the lock is free again
        (aside / "manifest.json").write_text("{}")
    assert directory.current() == f"{published + 1:04d}"


def test_what_is_written_is_not_there_before_the_end(directory: IndexDirectory) -> None:
    with directory.new_version() as aside:
        (aside / "manifest.json").write_text("{}")
        assert directory.versions() == []
        assert not directory.exists
        assert aside.parent == directory.path / "versions"
        assert aside.name.startswith(".")
    assert not aside.exists()
    assert directory.versions() == ["0001"]


def test_leftovers_of_a_killed_builder_are_removed(directory: IndexDirectory) -> None:
    add(directory)
    leftover = directory.path / "versions" / ".0002-abc"
    (leftover / "encoder").mkdir(parents=True)
    (leftover / "manifest.json").write_text("{}")
    assert directory.versions() == ["0001"]
    with directory.new_version() as aside:
        assert not leftover.exists()
        (aside / "manifest.json").write_text("{}")
    assert inside(directory) == ["0001", "0002"]


def test_a_file_in_the_folders_place_is_a_storage_error(directory: IndexDirectory) -> None:
    directory.path.write_text("x")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"), directory.new_version():
        pytest.fail("there is no folder to give")
    assert directory.path.read_text() == "x"


@pytest.mark.parametrize("published", [0, 1])
def test_a_version_that_cannot_be_made_the_current_one_is_not_listed(directory: IndexDirectory, published: int) -> None:
    """A folder stands where the pointer belongs, so the last step fails, when the version has its name already."""
    for _ in range(published):
        add(directory)
    with pytest.raises(StorageError), directory.new_version() as aside:
        (aside / "manifest.json").write_text("{}")
        (directory.path / "current").unlink(missing_ok=True)
        (directory.path / "current").mkdir()
    assert inside(directory) == directory.versions() == ["0001"][:published]
    assert not list(directory.path.glob(".current-*"))
    (directory.path / "current").rmdir()
    add(directory)
    assert directory.current() == f"{published + 1:04d}"


# --- pruning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (1, ["0005"]),
        (2, ["0004", "0005"]),
        (4, ["0002", "0003", "0004", "0005"]),
        (5, ["0001", "0002", "0003", "0004", "0005"]),
        (100, ["0001", "0002", "0003", "0004", "0005"]),
    ],
)
def test_pruning_keeps_the_newest(directory: IndexDirectory, keep: int, kept: list[str]) -> None:
    for _ in range(5):
        add(directory)
    all_of_them = directory.versions()
    assert directory.prune(keep) == [version for version in all_of_them if version not in kept]
    assert inside(directory) == directory.versions() == kept
    assert directory.current() == "0005"
    assert directory.prune(keep) == []


@pytest.mark.parametrize(
    ("keep", "newer", "gone"),
    [
        (1, False, ["0001", "0002"]),
        (2, False, ["0001"]),
        (3, False, []),
        (1, True, ["0001", "0002", "0004", "0005"]),
        (2, True, ["0001", "0004", "0005"]),
        (9, True, ["0004", "0005"]),
    ],
)
def test_pruning_after_a_rollback_keeps_what_is_newer_unless_told(
    directory: IndexDirectory, keep: int, newer: bool, gone: list[str]
) -> None:
    for _ in range(5):
        add(directory)
    directory.publish("0003")
    assert directory.prune(keep, newer) == gone
    assert directory.versions() == [v for v in ("0001", "0002", "0003", "0004", "0005") if v not in gone]
    assert directory.current() == "0003"


def test_pruning_counts_past_four_digits(directory: IndexDirectory) -> None:
    for version in ("9998", "9999"):
        directory.version_path(version).mkdir(parents=True)
        (directory.version_path(version) / "manifest.json").write_text("{}")
    add(directory)
    assert directory.prune(2) == ["9998"]
    assert directory.versions() == ["9999", "10000"]


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_version_is_kept(directory: IndexDirectory, keep: int) -> None:
    add(directory)
    with pytest.raises(IndexingError, match=f"cannot keep {keep} versions of index 'esco'; keep at least 1"):
        directory.prune(keep)
    assert directory.versions() == ["0001"]


def test_an_index_that_is_not_there_is_not_pruned(directory: IndexDirectory) -> None:
    with pytest.raises(IndexNotFoundError):
        directory.prune(1)
    assert not directory.path.exists()


def test_what_a_killed_pruning_left_is_removed_by_the_next(directory: IndexDirectory) -> None:
    """It was renamed first, so that it was never a version with files missing."""
    add(directory)
    leftover = directory.path / "versions" / ".0000-removed"
    leftover.mkdir()
    (leftover / "manifest.json").write_text("{}")
    assert directory.versions() == ["0001"]
    assert directory.prune(1) == []
    assert inside(directory) == ["0001"]


def test_other_folders_are_not_pruned(directory: IndexDirectory) -> None:
    for _ in range(3):
        add(directory)
    (directory.path / "versions" / "notes").mkdir()
    directory.prune(1)
    assert inside(directory) == ["0003", "notes"]


# --- builders that wait ----------------------------------------------------------------------------------------

BUILDER = """
import sys
from pathlib import Path
from jobsearch.index.versions import IndexDirectory

with IndexDirectory(Path(sys.argv[1])).new_version() as aside:
    (aside / "manifest.json").write_text("{}")
    print(aside, flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def other_builder(directory: IndexDirectory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a process that is in the middle of building, and give it with the folder that it fills."""
    command = [sys.executable, "-c", BUILDER, str(directory.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_builder_gives_up_after_its_wait(directory: IndexDirectory) -> None:
    with other_builder(directory) as (process, aside):
        with (
            pytest.raises(IndexingError, match=r"another process is building .*esco; wait until it is done"),
            directory.new_version(wait=0.05),
        ):
            pytest.fail("two builders at once")
        assert (aside / "manifest.json").is_file()  # a builder at work is no leftover
        finish(process)
        assert process.wait(20) == 0
    assert directory.current() == "0001"


def test_a_second_builder_waits_for_the_first_and_takes_the_next_number(directory: IndexDirectory) -> None:
    with other_builder(directory) as (process, aside):
        later = threading.Timer(0.3, finish, [process])
        later.start()
        with directory.new_version(wait=20) as own:
            assert directory.current() == "0001"  # the first one is done before the second begins
            assert not aside.exists()
            (own / "manifest.json").write_text("{}")
        later.join()
        assert process.wait(20) == 0
    assert directory.current() == "0002"
    assert inside(directory) == ["0001", "0002"]


def test_who_waits_for_long_is_told_for_what(
    directory: IndexDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jobsearch.index.locks._SOON", 0.1)
    with other_builder(directory) as (process, _):
        later = threading.Timer(0.5, finish, [process])
        later.start()
        with directory.new_version() as own:
            (own / "manifest.json").write_text("{}")
        later.join()
    assert caplog.messages == [f"another process is building {directory.path}; waiting until it is done"]
    assert directory.current() == "0002"


def test_a_killed_builder_loses_the_lock_and_its_leftovers(directory: IndexDirectory) -> None:
    add(directory)
    with other_builder(directory) as (process, aside):
        process.send_signal(signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
        assert aside.is_dir()  # nobody could clean up
        assert directory.current() == "0001"
        assert directory.versions() == ["0001"]
        with directory.new_version(wait=5) as own:
            assert not aside.exists()
            (own / "manifest.json").write_text("{}")
    assert inside(directory) == ["0001", "0002"]
    assert directory.current() == "0002"


def test_pruning_waits_for_a_builder_and_leaves_it_its_folder(directory: IndexDirectory) -> None:
    add(directory)
    add(directory)
    with other_builder(directory) as (process, aside):
        later = threading.Timer(0.3, finish, [process])
        later.start()
        assert aside.is_dir()
        # What the builder published meanwhile is the newest: both others go.
        assert directory.prune(1) == ["0001", "0002"]
        later.join()
        assert process.wait(20) == 0
    assert inside(directory) == ["0003"]
    assert directory.current() == "0003"


def test_a_number_never_comes_again(directory: IndexDirectory) -> None:
    """Logs and caches of a service tell answers apart by it."""
    for _ in range(3):
        add(directory)
    directory.publish("0001")
    assert directory.prune(1, newer=True) == ["0002", "0003"]
    add(directory)
    assert directory.versions() == ["0001", "0004"]


def test_a_rollback_during_a_build_is_not_undone(directory: IndexDirectory) -> None:
    for _ in range(2):
        add(directory)
    moved = r"version 0001 of index .* was made current while a new one was built on 0002"
    with pytest.raises(IndexingError, match=moved), directory.new_version() as aside:
        (aside / "manifest.json").write_text("{}", encoding="utf-8")
        directory.publish("0001")
    assert (directory.versions(), directory.current()) == (["0001", "0002"], "0001")
