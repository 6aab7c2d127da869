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
    assert f"; copy it again, run `jobsearch index rollback {deployed}`, or build it anew with `" in line
    assert f"`jobsearch index build --name {deployed}`" in line
