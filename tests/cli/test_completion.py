"""Shells complete commands and options, and nobody waits for NumPy at each Tab."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment
from test_startup import LIGHT

WATCH = """
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))
from jobsearch.cli.app import run
run([])
"""


def complete(tmp_path: Path, line: str) -> tuple[list[str], list[str]]:
    """What Bash is told for the word that a line ends with, and the modules that were loaded for it."""
    variables = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_JOBSEARCH_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env=environment(tmp_path, **variables),
    )
    return [one.partition(",")[2] for one in done.stdout.splitlines()], done.stderr.split()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("jobsearch se", ["search", "serve"]),
        ("jobsearch index v", ["verify"]),
        ("jobsearch search --ki", ["--kind"]),
    ],
)
def test_what_is_completed(tmp_path: Path, line: str, wanted: list[str]) -> None:
    found, modules = complete(tmp_path, line)
    assert found == wanted
    assert "jobsearch.cli.app" in modules
    assert [name for name in LIGHT if name in modules] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_that_shell(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobsearch"],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env=environment(tmp_path, _JOBSEARCH_COMPLETE=f"{shell}_source"),
    )
    assert f"_JOBSEARCH_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, check=True, encoding="utf-8")
