"""Ctrl-C and kill while an index is built: nothing half-written is ever picked up."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import Cli, execute, start

INTERRUPTED = b"Interrupted; what was finished before is kept, nothing is half-written.\n"


def wait_for(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not done():
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.002)


def versions(home: Path, name: str = "small") -> list[str]:
    folder = home / "indexes" / name / "versions"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def stop_while_writing(home: Path, how: signal.Signals) -> tuple[int, bytes, bytes]:
    """Stop a build of `small` as soon as it has begun to write a version."""
    process = start(home, "index", "build")
    wait_for(lambda: any(re.match(r"\.\d{4}-", name) for name in versions(home)), process)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.slow
def test_ctrl_c_while_the_first_version_is_written(without_index: Path, cli: Cli) -> None:
    code, out, err = stop_while_writing(without_index, signal.SIGINT)
    assert (out, err) == (b"", INTERRUPTED)
    # CPython ends by the signal itself, which is 130 to a shell, too, if it came within an `eval`, as imports do some.
    assert code in (130, -signal.SIGINT)
    assert versions(without_index) == []
    assert not (without_index / "indexes" / "small" / "current").exists()
    found = cli(without_index, "search", "nurse", "-k", "1")
    assert found.code == 0
    assert "occupation/nurse" in found.out
    assert found.err.startswith("First use: ")


@pytest.mark.slow
def test_kill_while_another_version_is_written(home: Path, cli: Cli) -> None:
    code, out, err = stop_while_writing(home, signal.SIGKILL)
    assert (code, out, err) == (-signal.SIGKILL, b"", b"")
    left = versions(home)
    assert len(left) == 2  # nobody could clear up
    assert cli(home, "search", "nurse", "-k", "1").code == 0  # the old version goes on
    assert cli(home, "index", "build").code == 0
    assert versions(home) == ["0001", "0002"]
    assert cli(home, "index", "verify").code == 0


@pytest.mark.slow
def test_ctrl_c_while_the_built_in_taxonomy_is_embedded(tmp_path: Path) -> None:
    process = start(tmp_path, "search", "nurse")
    time.sleep(3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - asked < 5  # it does not finish the embedding first
    assert (process.returncode, out) == (130, b"")
    assert err.splitlines(keepends=True) == [
        "First use: building the index 'esco-en' once, about 20 seconds at best …\n".encode(),
        INTERRUPTED,
    ]
    assert versions(tmp_path, "esco-en") == []
    found = execute(tmp_path, "search", "nurse", "-k", "1", "--json", timeout=300)
    assert found.code == 0
    assert '"version": "0001"' in found.out
    assert versions(tmp_path, "esco-en") == ["0001"]
