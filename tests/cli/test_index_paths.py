"""Indexes that lie elsewhere than in the home folder, as deployed ones do: what is said when a path is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_home import linked_copy, replace_file
from cli_process import Cli, error_of

COMMANDS = [("search", "nurse", "--index"), ("index", "verify"), ("index", "info")]


@pytest.fixture
def deployed(session_home: Path, tmp_path: Path) -> Path:
    return linked_copy(session_home / "indexes" / "small", tmp_path / "srv" / "jobs")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("within", ["versions", "versions/0001"])
def test_a_version_is_not_its_index(
    session_home: Path, cli: Cli, deployed: Path, command: tuple[str, ...], within: str
) -> None:
    line = error_of(cli(session_home, *command, str(deployed / within)))
    assert line == f"Error: {deployed / within} is no index but a part of one; name {deployed}"


def test_a_version_that_was_copied_alone(session_home: Path, cli: Cli, deployed: Path) -> None:
    alone = linked_copy(deployed / "versions" / "0001", deployed.parent / "v0001")
    for command in COMMANDS:
        line = error_of(cli(session_home, *command, str(alone)))
        assert f"{alone} is one version of an index; copy and name the folder that holds `versions` and" in line


def test_a_damaged_copy_is_copied_again_and_not_built(session_home: Path, cli: Cli, deployed: Path) -> None:
    replace_file(deployed / "versions" / "0001" / "vectors.faiss", b"cut")
    line = error_of(cli(session_home, "search", "nurse", "--index", str(deployed)))
    assert f"; copy it again, or run `jobsearch index build --name {deployed}`" in line
    assert "rollback" not in line  # there is nothing to go back to
    linked_copy(session_home / "indexes" / "small" / "versions" / "0001", deployed / "versions" / "0002")
    replace_file(deployed / "current", b"0002\n")
    replace_file(deployed / "versions" / "0002" / "vectors.faiss", b"cut")
    line = error_of(cli(session_home, "search", "nurse", "--index", str(deployed)))
    assert f"; copy it again, run `jobsearch index rollback {deployed}`, or run `jobsearch index build" in line


@pytest.mark.parametrize("command", [*COMMANDS, ("index", "rollback")], ids=" ".join)
def test_a_copy_without_the_pointer(session_home: Path, cli: Cli, deployed: Path, command: tuple[str, ...]) -> None:
    (deployed / "current").unlink()
    line = error_of(cli(session_home, *command, str(deployed)))
    assert line == (
        f"Error: {deployed} holds version 0001, but not the file `current`, which names the one to open; copy that "
        f"too, write it with `echo 0001 > {deployed}/current`, or run `jobsearch index build --name {deployed}`"
    )
    back = cli(session_home, "index", "rollback", str(deployed), "--to", "0001")
    assert (back.code, back.out) == (0, "Index 'jobs': version 0001 is current.\n")
    assert cli(session_home, "search", "nurse", "--index", str(deployed)).code == 0


def test_a_copy_without_the_pointer_in_the_home_folder(home: Path, cli: Cli) -> None:
    """It is not built over unasked, and no list passes it over."""
    (home / "indexes" / "small" / "current").unlink()
    assert "holds version 0001, but not the file `current`" in error_of(cli(home, "search", "nurse"))
    listed = cli(home, "index", "list")
    assert "small" not in listed.out
    assert listed.err.startswith(f"Warning: {home}/indexes/small holds version 0001, but not the file `current`")
    (home / "indexes" / "both" / "current").unlink()
    assert "No index yet" not in cli(home, "index", "list").err
    assert cli(home, "index", "build").code == 0
    assert cli(home, "search", "nurse").code == 0
