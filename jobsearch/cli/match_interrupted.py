"""What `jobsearch match` says to Ctrl-C: how far it got, and whether there is anything to go on with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobsearch.progress import Progress, silent

_STREAM = "-"


@dataclass
class Watched:
    """A run, as far as its progress tells.

    Args:
        step: what it is at.
        rows: how many it has done, those of an interrupted run before it included.
        progress: told of all that this is told.
    """

    step: str = ""
    rows: int = 0
    progress: Progress = silent

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take note of a step."""
        self.step = step
        if step == "matching":
            self.rows = done
        self.progress(step, done, total)


@contextlib.contextmanager
def interruptions(tell: Callable[[], str]) -> Iterator[None]:
    """Give a Ctrl-C the words that `tell` finds for it; the command line prints them."""
    try:
        yield
    except (KeyboardInterrupt, RuntimeError) as error:
        # CPython before 3.12 makes a RuntimeError of a Ctrl-C that comes while a class is made, as by an import.
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt(tell()) from None


def of_file(file: str, target: str, restart: bool, watched: Watched) -> str:
    """Return what an interrupted run on this machine leaves; what is on the disk says it, not what was meant to be.

    Args:
        file: what is read, `-` for stdin.
        target: what is written, `-` for stdout.
        restart: whether the run was to drop what an earlier one had done.
        watched: the run.
    """
    from jobsearch.matching.unfinished import folder_of, kept

    if target == _STREAM:
        if not watched.rows:
            return "no row was done yet"
        return f"{watched.rows:,} rows were written to stdout; the same command begins anew"
    out = Path(target)
    done = kept(out)
    if done is None:
        if watched.step == "finishing" and out.exists():
            return f"{target} is whole"
        return "no row was done yet, so there is nothing to go on with"
    if file == _STREAM:
        return (
            f"stdin cannot be read again, so there is no going on with the {done.rows:,} rows that are done; "
            f"--restart drops them ({folder_of(out)})"
        )
    again = "the same command without --restart" if restart else "the same command"
    return f"{done.rows:,} rows are done and kept in {folder_of(out)}; {again} goes on from there"


def on_spark() -> str:
    """Return what an interrupted run on Spark leaves."""
    return "a run on Spark keeps nothing; the same command begins anew"
