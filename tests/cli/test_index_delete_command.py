"""`jobsearch index delete`: what it says before, whom it asks, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_home import linked_copy
from cli_process import Cli, Result, error_of
from cli_terminal import terminal

from jobsearch.cli.common import disk_size


@pytest.fixture
def own(home: Path) -> Path:
    """An index as `compare` makes them."""
    return linked_copy(home / "indexes" / "small", home / "indexes" / "small@tuned-1")


def on_disk(index: Path) -> int:
    return sum(path.stat().st_size for path in index.rglob("*") if path.is_file())


def test_sizes() -> None:
    assert [disk_size(count) for count in (0, 315_799_485, 1_250_000_000)] == ["0.0 MB", "315.8 MB", "1.2 GB"]


def test_an_index_goes_without_being_asked_for(home: Path, cli: Cli, own: Path) -> None:
    freed = disk_size(on_disk(own))
    assert cli(home, "index", "delete", own.name, "--yes") == Result(
        0, "", f"Index 'small@tuned-1' is deleted: {freed} freed.\n"
    )
    assert sorted(path.name for path in (home / "indexes").iterdir()) == ["both", "small"]
    assert cli(home, "search", "nurse").code == 0


def test_as_json(home: Path, cli: Cli, own: Path) -> None:
    assert "--json asks nothing; add --yes" in error_of(cli(home, "index", "delete", own.name, "--json"), code=2)
    size = on_disk(own)
    done = cli(home, "index", "delete", str(own), "--yes", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {"name": own.name, "path": str(own), "versions": ["0001"], "bytes": size}
    assert not own.exists()


def test_without_a_terminal_it_is_said_what_would_go(home: Path, cli: Cli, own: Path) -> None:
    done = cli(home, "index", "delete", own.name, stdin=b"y\n")
    assert (done.code, done.out) == (2, "")
    size = re.escape(disk_size(on_disk(own)))
    said, error = done.err.splitlines()
    assert re.fullmatch(rf"Index 'small@tuned-1' in {own}: {size}; versions: 0001 \([\d.]+ MB\)\.", said)
    assert error.startswith("Error: stdin is no terminal to ask at; add --yes to delete it ")
    assert own.is_dir()


@pytest.mark.parametrize(("answer", "gone"), [("n\r", False), ("\r", False), ("y\r", True)])
def test_at_a_terminal_it_asks(home: Path, own: Path, answer: str, gone: bool) -> None:
    with terminal(home, "index", "delete", own.name) as asking:
        asking.wait_for("Delete it? [y/N]")
        assert own.is_dir()
        asking.press(answer)
        assert asking.leave() == 0
    assert own.is_dir() is not gone
    assert ("is deleted" if gone else "Nothing was deleted.") in asking.shown


@pytest.mark.slow
def test_what_is_interrupted_before_an_answer_stays(home: Path, own: Path) -> None:
    with terminal(home, "index", "delete", own.name) as asking:
        asking.wait_for("Delete it? [y/N]")
        assert asking.interrupt_until_it_leaves() == 130
    assert own.is_dir()


def test_what_searches_open_goes_only_by_force(home: Path, cli: Cli) -> None:
    for name in ("small", str(home / "indexes" / "small")):
        line = error_of(cli(home, "index", "delete", name, "--yes"))
        assert "index 'small' is that of the taxonomy in use, which searches open; add --force" in line
    assert cli(home, "search", "nurse").code == 0
    assert cli(home, "index", "delete", "small", "--yes", "--force").code == 0
    assert not (home / "indexes" / "small").exists()
    assert "First use: building the index 'small' once" in cli(home, "search", "nurse").err


def test_an_index_that_is_not_there(home: Path, cli: Cli) -> None:
    line = error_of(cli(home, "index", "delete", "smal"))
    assert line == f"Error: no index 'smal' in {home / 'indexes'}; there are: both, small"
    error_of(cli(home, "index", "delete"), code=2)
