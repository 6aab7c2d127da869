"""Runs of `match_file` in processes of their own that are killed at a step: each is forked from a warm one.

Run as a script this is the warm process: it has one thread and has run nothing in OpenMP, since neither lives through a
fork. A step is a change of something on the disk, as in `tests/proof/forks.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.truncate"}


class Forks:
    """The warm process, from outside."""

    def __init__(self) -> None:
        paths = os.pathsep.join(map(str, (HERE.parents[1], HERE.parent, HERE)))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def match(self, source: Path, out: Path, k: int = 1, *, step: int | None = None, how: int = signal.SIGKILL) -> Any:
        """Match a file, and kill the process before a step.

        Returns:
            How often the disk was changed, if the run came to its end; None if it was killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(source), str(out), k, step, int(how)]) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        assert "error" not in told, told["error"]
        return told["steps"]

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def warm() -> Iterator[Forks]:
    """Have a warm process for the length of a block."""
    forks = Forks()
    try:
        yield forks
    finally:
        forks.close()


# --- inside ----------------------------------------------------------------------------------------------------


class _Steps:
    """Counts changes of the disk, and ends this process before one of them."""

    def __init__(self, fatal: int | None, how: int) -> None:
        self.count = 0
        self._fatal, self._how = fatal, how
        self._fsync = os.fsync
        os.fsync = self._sync
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            self._step()

    def _sync(self, descriptor: int) -> None:
        self._step()
        self._step()

    def _step(self) -> None:
        self.count += 1
        if self.count - 1 == self._fatal:
            os.kill(os.getpid(), self._how)


def _child(source: str, out: str, k: int, step: int | None, how: int, report: int) -> None:
    from matching_files import small_engine

    from jobsearch.matching import matcher, run, writers
    from jobsearch.matching.sources import open_source

    matcher.BATCH, writers._ROW_GROUP = 64, 100
    signal.signal(signal.SIGINT, signal.default_int_handler)
    told: dict[str, Any] = {}
    try:
        opened = open_source(source)
        steps = _Steps(step, how)
        run.match_file(small_engine(), opened, Path(out), run.Wanted(k))
        told["steps"] = steps.count
    except KeyboardInterrupt:
        told["steps"] = None
    except BaseException:
        told["error"] = traceback.format_exc()
    os.write(report, json.dumps(told).encode())
    os._exit(0)


def _run(arguments: list[Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(*arguments, report=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else {"steps": None}


def main() -> None:
    """Match a file a line of stdin, until it ends."""
    import pyarrow as pa
    from matching_files import encode, small_engine, titles

    import jobsearch.matching.run
    import jobsearch.matching.sources  # noqa: F401

    small_engine()
    pa.array(["imports pandas"])
    encode([" ".join(title.split()) for title in titles(300)])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(_run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
