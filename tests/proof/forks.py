"""Work on an index in processes of its own, which may be killed: each is forked from a warm one and starts at once.

Run as a script this is the warm process. It has one thread and runs FAISS on one, since what OpenMP has started is
lost in a fork; the tests' own process has started many things, so it cannot be the one that forks.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class End:
    """How a piece of work ended.

    Args:
        signal: number of the signal that killed the process, 0 if it came to its end.
        seconds: how long it lived.
        steps: how often it was about to change something on the disk.
        value: what it returned.
        error: class and message of what it raised, or `""`.
        trace: the traceback of that.
    """

    signal: int
    seconds: float
    steps: int = 0
    value: Any = None
    error: str = ""
    trace: str = ""


class Forks:
    """The warm process, from outside.

    Args:
        encoder: `hash` or `use`; what indexes are built with and opened by.
        folder: for what the process needs for itself.
    """

    def __init__(self, encoder: str, folder: Path) -> None:
        paths = os.pathsep.join(map(str, (TESTS.parent, TESTS)))
        self._process = subprocess.Popen(
            [sys.executable, __file__, encoder, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def run(self, task: str, path: Path, *arguments: Any, **limits: Any) -> End:
        """Run a task on the index at `path` and wait for its end.

        Args:
            task: a function of this module, by name.
            path: the index.
            arguments: more arguments of it.
            limits: `after` (seconds after which it is killed), `step` (before which it kills itself, from 0),
                `bytes` (size of a file at which the operating system kills it), `refused` (the same, but it is told),
                `timeout` (as `after`, 60 by default).
        """
        self.start(task, path, *arguments, **limits)
        return self.wait()

    def start(self, task: str, path: Path, *arguments: Any, **limits: Any) -> None:
        """Begin what `run` does."""
        assert set(limits) <= {"after", "step", "bytes", "refused", "timeout"}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([task, str(path), arguments, limits]) + "\n")
        self._process.stdin.flush()

    def wait(self) -> End:
        """Wait for the end of what was started."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the warm process died"
        return End(**json.loads(line))

    def done(self, task: str, path: Path, *arguments: Any, **limits: Any) -> Any:
        """Run a task that must succeed, and return its value."""
        end = self.run(task, path, *arguments, **limits)
        assert not end.signal, end
        assert not end.error, end.trace
        return end.value

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@contextmanager
def warm(encoder: str, folder: Path) -> Iterator[Forks]:
    """Have a warm process for the length of a block."""
    forks = Forks(encoder, folder)
    try:
        yield forks
    finally:
        forks.close()


# --- inside ----------------------------------------------------------------------------------------------------


def build(path: Path, name: str, index_type: str | None = None, keep: int = 0) -> str:
    """Build a content of `life_cycle` and return the version's number; with `keep`, prune afterwards."""
    from life_cycle import content

    from jobsearch.index.build import Options, build_index
    from jobsearch.index.versions import IndexDirectory

    taxonomy, encoder = content(name)
    directory = IndexDirectory(path)
    options = Options(index_type=index_type or "flat", keep_edits=False)
    version = build_index(taxonomy, _use or encoder, directory, options=options).version
    if keep:
        directory.prune(keep)
    return version


def build_with_all(path: Path, name: str, index_type: str) -> None:
    """Build an index whose two versions have every file that there can be, edits and a gate too."""
    from life_cycle import EDIT, GATE, content

    from jobsearch.index.build import Options, build_index, edit_index
    from jobsearch.index.versions import IndexDirectory

    directory = IndexDirectory(path)
    build_index(*content(name), directory, options=Options(index_type=index_type, gate=GATE))
    for edit in (EDIT, dataclasses.replace(EDIT, label="chief cake officer")):
        edit_index([edit], directory, options=Options(index_type=index_type))
    directory.prune(2)


def edit(path: Path) -> str:
    """Add a title to the version in use."""
    from life_cycle import EDIT

    from jobsearch.index.build import edit_index
    from jobsearch.index.versions import IndexDirectory

    return edit_index([EDIT], IndexDirectory(path)).version


def prune(path: Path, keep: int) -> list[str]:
    """Remove old versions."""
    from jobsearch.index.versions import IndexDirectory

    return IndexDirectory(path).prune(keep)


def delete(path: Path) -> None:
    """Delete the index."""
    from jobsearch.index.delete import delete_index
    from jobsearch.index.versions import IndexDirectory

    delete_index(IndexDirectory(path))


def publish(path: Path, version: str) -> None:
    """Make an earlier version the current one."""
    from jobsearch.index.versions import IndexDirectory

    IndexDirectory(path).publish(version)


def stall(path: Path) -> None:
    """Begin a version and never finish it."""
    from jobsearch.index.versions import IndexDirectory

    with IndexDirectory(path).new_version() as aside:
        (aside / "half").write_text("written")
        time.sleep(3600)


def ask(path: Path) -> str:
    """Return all answers of the version in use."""
    from life_cycle import answers, every_search_by_faiss

    from jobsearch.engine import JobSearch

    with every_search_by_faiss():
        return answers(JobSearch.open(path))


_TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task for task in (build, build_with_all, delete, edit, prune, publish, stall, ask)
}
_use: Any = None
_CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.truncate", "os.link"}


class _Steps:
    """Counts how often this process is about to change something on the disk, and kills it before one of them."""

    def __init__(self, fatal: int | None) -> None:
        self.count = 0
        self._fatal = fatal
        self._fsync = os.fsync
        os.fsync = self._sync
        sys.addaudithook(self._hear)

    def stop(self) -> int:
        """Let this process live from here on, and return how often it was."""
        self._fatal = None
        return self.count

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            self._step()

    def _sync(self, descriptor: int) -> None:
        self._step()
        self._fsync(descriptor)
        self._step()

    def _step(self) -> None:
        if self.count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def _child(task: str, path: str, arguments: list[Any], limits: dict[str, Any], report: int) -> None:
    steps = _Steps(limits.get("step"))
    if "bytes" in limits:
        # At this size the kernel's signal ends the process, as suddenly as SIGKILL, in the middle of a file.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = limits.get("bytes", limits.get("refused", resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    outcome: dict[str, Any] = {}
    try:
        outcome["value"] = _TASKS[task](Path(path), *arguments)
    except BaseException as error:  # whatever it is, the test is told
        kinds = [kind.__name__ for kind in type(error).__mro__]
        kind = "JobSearchError" if "JobSearchError" in kinds else kinds[0]
        outcome |= {"error": f"{kind}: {error}", "trace": traceback.format_exc()}
    outcome["steps"] = steps.stop()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with os.fdopen(report, "w") as pipe:
        json.dump(outcome, pipe)
    os._exit(0)


def _run(task: str, path: str, arguments: list[Any], limits: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(task, path, arguments, limits, writing)
    os.close(writing)
    deadline = began + min(limits.get("after", 60), limits.get("timeout", 60))
    told, alive = b"", True
    # The child's death closes its end of the pipe, which is the end of the file here.
    while alive and select.select([reading], [], [], max(0, deadline - time.monotonic()))[0]:
        part = os.read(reading, 1 << 20)
        told, alive = told + part, bool(part)
    if alive:
        os.kill(child, signal.SIGKILL)
        while part := os.read(reading, 1 << 20):  # what it said if it was done before
            told += part
    os.close(reading)
    status = os.waitpid(child, 0)[1]
    seconds = time.monotonic() - began
    killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return {**({} if killed_by else json.loads(told)), "signal": killed_by, "seconds": seconds}


def _warm_up(encoder: str, folder: Path) -> None:
    global _use  # noqa: PLW0603  (one process, one encoder)
    import tempfile

    from encoders import linked
    from life_cycle import cached_tokenizer, open_cached_encoder

    from jobsearch.encoder import lean
    from jobsearch.encoder.library import find_encoder
    from jobsearch.index import embedding, reader

    # Small parts, so that builds of few labels too leave unfinished work behind.
    embedding._SLICE, embedding._SLICES_KEPT = 64, 1
    if encoder == "hash":
        reader.open_encoder = open_cached_encoder
    else:
        lean.Tokenizer = cached_tokenizer
        _use = linked(find_encoder("use"), folder / "encoder")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name in ("a", "b") if _use else ("a", "b", "a-large", "b-large"):
            build(Path(scratch) / "index", name)
        edit(Path(scratch) / "index")
        ask(Path(scratch) / "index")


def main() -> None:
    """Do one task a line of stdin, until it ends."""
    _warm_up(sys.argv[1], Path(sys.argv[2]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers on stdout
    for line in sys.stdin:
        answers.write(json.dumps(_run(*json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
