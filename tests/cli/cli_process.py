"""The command line as users run it: in a process of its own, with its own streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Settings of whoever runs the tests that would change what is printed, or where things lie.
_UNSET = ("JOBSEARCH_HOME", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUTF8")


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]  # the fixture `cli`


def environment(home: Path | None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    named = {} if home is None else {"JOBSEARCH_HOME": str(home)}
    return {**kept, "PYTHONPATH": str(ROOT), **named, **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "jobsearch", *arguments]


def execute(
    home: Path,
    *arguments: str,
    stdin: bytes = b"",
    timeout: float = 120,
    limit: Callable[[], None] | None = None,
    **variables: str,
) -> Result:
    """Run a command to its end; all of its streams are pipes.

    Args:
        home: its home folder.
        arguments: what stands after `jobsearch`.
        stdin: its input.
        timeout: seconds after which it is killed and the test fails.
        limit: called in the new process first.
        variables: more environment variables.
    """
    done = subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=timeout,
        env=environment(home, **variables),
        preexec_fn=limit,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(home: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command with pipes and leave it running."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    variables = options.pop("variables", {})
    return subprocess.Popen(command(*arguments), env=environment(home, **variables), **(pipes | options))


def error_of(result: Result, code: int = 1) -> str:
    """Check that a command ended with one line of error and nothing else, and return the line."""
    assert result.code == code, result
    assert result.out == ""
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("Error: ")
    assert result.err.endswith("\n")
    return lines[0]


def shape(value: Any) -> Any:
    """Return the schema of a JSON value: keys in their order, and types; a list is the one shape of its items."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = []
        for item in map(shape, value):
            if item not in shapes:
                shapes.append(item)
        return shapes
    return type(value)
