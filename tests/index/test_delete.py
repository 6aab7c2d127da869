"""Deleting an index: what it frees, all or nothing, and who reads, builds or deletes at the same time."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from brute_force import ROLES, WORDS, made_up
from encoders import HashEncoder

from jobsearch.engine import JobSearch
from jobsearch.errors import IndexingError, IndexNotFoundError, StorageError
from jobsearch.index.build import Options, build_index
from jobsearch.index.delete import Holdings, delete_index, holdings
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory, index_names
from jobsearch.taxonomy.model import Taxonomy


@pytest.fixture
def directory(jobsearch_home: Path) -> IndexDirectory:
    directory = IndexDirectory.named("esco@x")
    for _ in range(2):
        add(directory)
    return directory


def add(directory: IndexDirectory) -> None:
    with directory.new_version() as aside:
        (aside / "manifest.json").write_text("{}", encoding="utf-8")
        (aside / "encoder").mkdir()
        (aside / "encoder" / "weights").write_bytes(bytes(100))


def beside(directory: IndexDirectory) -> list[str]:
    return sorted(path.name for path in directory.path.parent.iterdir())


def test_all_of_it_goes_and_nothing_else(directory: IndexDirectory) -> None:
    add(IndexDirectory.named("esco"))
    delete_index(directory)
    assert (index_names(), beside(directory)) == (["esco"], ["esco"])
    with pytest.raises(IndexNotFoundError, match=r"no index 'esco@x' in .*; there are: esco$"):
        delete_index(directory)
    add(directory)  # the name is free
    assert directory.versions() == ["0001"]


def test_what_it_frees_is_said_before(directory: IndexDirectory) -> None:
    on_disk = sum(path.stat().st_size for path in directory.path.rglob("*") if path.is_file())
    assert on_disk > 204
    assert holdings(directory) == Holdings({"0001": 102, "0002": 102}, on_disk)
    (directory.path / "versions" / ".0003-x1y2").mkdir()
    (directory.path / "versions" / ".0003-x1y2" / "half").write_bytes(bytes(1000))
    assert holdings(directory) == Holdings({"0001": 102, "0002": 102}, on_disk + 1000)


@pytest.mark.parametrize("harm", ["current", "versions/0002/manifest.json"])
def test_what_is_broken_can_be_deleted_too(directory: IndexDirectory, harm: str) -> None:
    (directory.path / harm).unlink()
    delete_index(directory)
    assert beside(directory) == []


@pytest.mark.parametrize("foreign", ["notes.txt", "versions/notes", "versions/v1"])
def test_what_others_put_there_is_not_deleted(directory: IndexDirectory, foreign: str) -> None:
    (directory.path / foreign).mkdir()
    for act in (holdings, delete_index):
        with pytest.raises(IndexingError, match=rf"{foreign} is no part of an index; move it away first"):
            act(directory)
    assert directory.versions() == ["0001", "0002"]


def test_a_folder_that_is_no_index_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("photos", "nothing"):
        with pytest.raises(IndexNotFoundError, match=f"no index '{name}'"):
            delete_index(IndexDirectory(tmp_path / name))
    assert (tmp_path / "photos").is_dir()


def test_a_part_of_an_index_is_not_deleted(directory: IndexDirectory) -> None:
    for within in ("versions", "versions/0001"):
        with pytest.raises(IndexNotFoundError, match=f"{within} is no index but a part of one; name {directory.path}"):
            delete_index(IndexDirectory(directory.path / within))
    assert directory.versions() == ["0001", "0002"]


def test_a_link_is_left_to_who_made_it(directory: IndexDirectory, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory.path)
    with pytest.raises(IndexingError, match=rf"link is a link to {directory.path}; remove the link yourself, or name"):
        delete_index(IndexDirectory(tmp_path / "link"))
    assert directory.versions() == ["0001", "0002"]


# --- all or nothing --------------------------------------------------------------------------------------------


def test_a_refusal_changes_nothing(directory: IndexDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError, match="the file system is read-only"):
        delete_index(directory)
    assert beside(directory) == ["esco@x"]
    assert directory.versions() == ["0001", "0002"]


def test_what_a_killed_deletion_left_goes_with_the_next(
    directory: IndexDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(path: Path) -> None:
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(shutil, "rmtree", killed)
        delete_index(directory)
    assert index_names() == []  # there no more, though its files are
    assert len(beside(directory)) == 1
    assert holdings(directory).bytes > 204
    delete_index(directory)
    assert beside(directory) == []


# --- at the same time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index_type", ["flat", "compact"])
def test_who_has_it_open_goes_on(hash_encoders: None, tmp_path: Path, index_type: str) -> None:
    """Mapped files are gone only when they are let go, also those that `compact` reads row by row."""
    directory = IndexDirectory(tmp_path / "small")
    build_index(made_up(), HashEncoder(), directory, options=Options(index_type=index_type))
    engine = JobSearch.open(directory.path)
    texts = [f"{word} {ROLES[0]}" for word in WORDS[:5]]
    before = [engine.search(text, 3) for text in texts]
    delete_index(directory)
    assert not directory.path.exists()
    assert [engine.search(text, 3) for text in texts] == before
    with pytest.raises(IndexNotFoundError):
        engine.reload()
    assert engine.search(texts[0], 3) == before[0]


def test_who_opens_it_meanwhile_is_told_that_it_is_gone(
    hash_encoders: None, small_taxonomy: Taxonomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = IndexDirectory(tmp_path / "small")
    build_index(small_taxonomy, HashEncoder(), directory)
    current = IndexDirectory.current

    def deleted_behind(self: IndexDirectory) -> str:
        version = current(self)
        delete_index(directory)
        return version

    monkeypatch.setattr(IndexDirectory, "current", deleted_behind)
    with pytest.raises(IndexNotFoundError, match="no index 'small'"):
        open_version(directory)


def test_what_is_being_built_is_not_deleted(directory: IndexDirectory) -> None:
    with directory.new_version() as aside:
        (aside / "manifest.json").write_text("{}")
        with pytest.raises(IndexingError, match=r"another process is building .*esco@x; wait until it is done"):
            delete_index(directory)
    assert directory.versions() == ["0001", "0002", "0003"]


def test_a_builder_that_waited_for_the_deletion_is_told(
    directory: IndexDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, said = Path.rename, []

    def build() -> None:
        with pytest.raises(IndexNotFoundError) as raised:
            add(directory)
        said.append(str(raised.value))

    builder = threading.Thread(target=build)

    def slowly(path: Path, target: Path) -> Path:
        if path == directory.path:
            builder.start()
            builder.join(0.3)  # it waits for the lock by now
            assert builder.is_alive()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slowly)
    delete_index(directory)
    builder.join(20)
    assert said == ["index 'esco@x' was deleted meanwhile; run the same command again"]
    assert index_names() == []
    add(directory)
    assert directory.versions() == ["0001"]
