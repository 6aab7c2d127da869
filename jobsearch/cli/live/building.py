"""Builds the indexes that a comparison needs, in a process of its own.

There it takes no time from the screen, and can be stopped. It prints the step that it is at, a line each; the last line
of a run that fails says why.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

from jobsearch.cli import building, compare
from jobsearch.cli.live.text import one_line
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
    def report(step: str, done: int, total: int) -> None:
        share = f" {done / total:.0%}" if total else ""
        print(f"first an index is built: {step}{share}", flush=True)  # noqa: T201

    yield report
