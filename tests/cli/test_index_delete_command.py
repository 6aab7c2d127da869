"""`jobsearch index delete`: what it says before, whom it asks, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from cli_home import linked_copy
from cli_process import Cli, Result, command, environment, error_of

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a terminal")
@pytest.mark.parametrize(("answer", "gone"), [(b"n\n", False), (b"\n", False), (b"y\n", True), (b"\x03", False)])
def test_at_a_terminal_it_asks(home: Path, own: Path, answer: bytes, gone: bool) -> None:
    import pty

    process, terminal = pty.fork()
    if not process:
        os.execvpe(command()[0], command("index", "delete", own.name), environment(home))
    said, end = b"", time.monotonic() + 60
    while b"[y/N]" not in said and time.monotonic() < end:
        said += os.read(terminal, 4096)
    assert own.is_dir()
    os.write(terminal, answer)
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:  # how a terminal ends
        pass
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code == (130 if answer == b"\x03" else 0), said
    assert own.is_dir() is not gone
    if code == 0:
        assert ("is deleted" if gone else "Nothing was deleted.") in said.decode()


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
