"""Builds the indexes that a comparison needs, in a process of its own.

There it takes no time from the screen, and can be stopped. It prints the step that it is at, a line each; the last line
of a run that fails says why.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Iterator

from jobsearch.cli import building, compare
from jobsearch.cli.live.text import one_line
from jobsearch.cli.opening import building_time, roughly
from jobsearch.progress import Progress


def main() -> int:
    """Open both engines, building what is missing, and return the exit code."""
    setattr(building, "show_progress", _lines)  # noqa: B010 - this process shows progress to another one
    out = sys.stdout
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(out):
            compare.open_both()
    except KeyboardInterrupt:
        return 1
    except Exception as error:
        print(one_line(error), flush=True)  # noqa: T201
        return 1
    return 0


@contextlib.contextmanager
def _lines() -> Iterator[Progress]:
    begun: dict[str, tuple[float, int]] = {}  # of each step: when it was first heard of, and how much was done then
    expected = building_time()
    measured: list[str] = []

    def report(step: str, done: int, total: int) -> None:
        now = time.monotonic()
        since, before = begun.setdefault(step, (now, done))
        if done > before and total:  # from here on it is known how long it takes on this machine, as busy as it is
            left = roughly((now - since) / (done - before) * (total - done))
            said = f"index build, {left} left: {step} {done / total:.0%}"
            measured.append(step)
        elif measured:  # what was expected at first is over by now; the steps that come do not tell how long they take
            said = f"index build: {step}"
        else:
            said = f"one-time index build, {expected}: {step}"
        print(said, flush=True)  # noqa: T201

    yield report
