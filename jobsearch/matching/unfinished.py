"""A run that is not at its end: the folder `<out>.partial`, which holds all that is needed to go on.

progress.json  which run it is, and how far it got; written last, so that it never says more than there is
rows           what was written; beyond what progress.json tells it is cut off when the run goes on
answers        of each title that was asked: rows of labels (int32), cosines and confidences (float32), k of each
lock           held by the process at work
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.errors import MatchingError
from jobsearch.files import storage_errors, sync, write_atomically
from jobsearch.matching.memory import Answers
from jobsearch.matching.writers import Writer

_PROGRESS, _ROWS, _ANSWERS, _FINISHED, _LOCK = "progress.json", "rows", "answers", "finished", "lock"
_OURS = {_PROGRESS, _ROWS, _ANSWERS, _FINISHED, _LOCK}


@dataclass(frozen=True)
class Done:
    """How far a run got.

    Args:
        rows: rows of the input that are done.
        batches: in how many batches.
        empty: rows of these without a title.
        without_hit: rows with a title and no hit.
        without_good_match: rows with a title and no hit that is a good match.
        searched: titles that were asked.
        bytes: of the rows that were written.
        total: rows of the input, 0 if unknown.
        whole: whether all are done.
    """

    rows: int = 0
    batches: int = 0
    empty: int = 0
    without_hit: int = 0
    without_good_match: int = 0
    searched: int = 0
    bytes: int = 0
    total: int = 0
    whole: bool = False


class Unfinished:
    """The folder of one run, which this process alone works on until it is closed.

    Args:
        out: the file that the run makes.
        run: what identifies the run, as JSON has it: a run goes on only as it was begun.
        k: hits of an answer.
        restart: drop what is there and begin anew.

    Raises:
        MatchingError: another process is at work, another run is not at its end, or the folder is not ours.
        StorageError: the disk is full, read-only or not ours.
    """

    def __init__(self, out: Path, run: Mapping[str, Any], k: int, restart: bool = False) -> None:
        self.out = out
        self._run = dict(run)
        self._k = k
        self.folder = folder_of(out)
        with storage_errors(out):
            self.folder.mkdir(exist_ok=True)
            foreign = [path.name for path in self.folder.iterdir() if not _is_ours(path.name)]
            if foreign:
                raise MatchingError(f"{self.folder} holds {foreign[0]!r}, which no run made; move it away")
            self._lock = _locked(self.folder)
        try:
            self._open(restart)
        except BaseException:
            if not (self.folder / _PROGRESS).exists():
                shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.release()
            raise

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._answers.close()
        if not self.done.batches and not self.done.whole:
            shutil.rmtree(self.folder, ignore_errors=True)  # there is nothing to go on with
        self._lock.release()

    @property
    def answers(self) -> Answers:
        """All answers so far, in the order in which they were asked."""
        if not self.done.searched:  # nothing can be mapped of an empty file
            return Answers.none(0, self._k)
        stored = np.memmap(self.folder / _ANSWERS, self._record, "r", shape=(self.done.searched,))
        return Answers(*(stored[name] for name in Answers._fields))

    def commit(self, content: bytes, answers: Sequence[Answers], done: Done) -> None:
        """Keep what was written for a batch, and the answers to the titles that were asked for it.

        Raises:
            StorageError: the disk is full; what was kept before stays.
        """
        with storage_errors(self.out):
            _append(self._rows, content)
            for part in answers:
                stored = np.empty(len(part.rows), self._record)
                for name, values in part._asdict().items():
                    stored[name] = values
                _append(self._answers, stored.tobytes())
        self._save(done)

    def finish(self, writer: Writer) -> None:
        """Make the file of what was written, give it its name, and remove the folder.

        Raises:
            StorageError: the disk is full, read-only or not ours; the run can still be finished.
        """
        rows = self.folder / _ROWS
        with storage_errors(self.out):
            if rows.exists():  # else the process was stopped after giving it its name
                finished = writer.finish(rows, self.folder / _FINISHED)
                sync(finished)
                finished.replace(self.out)
                sync(self.out.parent)
        # What tells that the run is whole goes last: until then another start finds that only this is left to do.
        for name in (_ROWS, _FINISHED, _ANSWERS, _PROGRESS):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _record(self) -> np.dtype[Any]:
        kinds = {"rows": "<i4", "scores": "<f4", "sure": "<f4"}
        return np.dtype([(name, kinds[name], (self._k,)) for name in Answers._fields])

    def _open(self, restart: bool) -> None:
        with storage_errors(self.out):
            for path in list(self.folder.iterdir()):
                if path.name != _LOCK and (restart or path.name not in _OURS):
                    path.unlink()
        self.done = self._read()
        with storage_errors(self.out):
            if self.done.whole:
                # Nothing more is written; the rows may have their final name already.
                self._rows = self._answers = (self.folder / _LOCK).open("rb", buffering=0)
                return
            self._rows = _cut(self.folder / _ROWS, self.done.bytes)
            self._answers = _cut(self.folder / _ANSWERS, self.done.searched * self._record.itemsize)

    def _read(self) -> Done:
        path = self.folder / _PROGRESS
        restart = "add --restart to begin anew"
        try:
            run, done = _saved(self.folder)
        except FileNotFoundError:
            return self._save(Done())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise MatchingError(f"{path} cannot be read ({error}); {restart}") from error
        if not done.batches and not done.whole:
            return self._save(Done())
        for key, (before, now) in _differences(run, json.loads(json.dumps(self._run))).items():
            raise MatchingError(
                f"{self.folder} holds an unfinished run that differs: {key} was {before!r} and is {now!r}; "
                f"start it as it was begun, or {restart}"
            )
        for name, size in ((_ROWS, done.bytes), (_ANSWERS, done.searched * self._record.itemsize)):
            there = (self.folder / name).stat().st_size if (self.folder / name).exists() else 0
            if there < size and not (done.whole and self.out.exists()):
                raise MatchingError(f"{self.folder / name} has {there:,} bytes, expected {size:,}; {restart}")
        return done

    def _save(self, done: Done) -> Done:
        content = json.dumps({"run": self._run, "done": asdict(done)}, indent=2, ensure_ascii=False)
        self.done = done  # first: an interruption between the two must not make saved work look like none
        write_atomically(self.folder / _PROGRESS, content.encode())
        return done


def folder_of(out: Path) -> Path:
    """Return the folder of a run that makes `out`."""
    return out.with_name(f"{out.name}.partial")


def kept(out: Path) -> Done | None:
    """Return how far an unfinished run that makes `out` got, or None where there is nothing to go on with."""
    try:
        _, done = _saved(folder_of(out))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return done if done.batches or done.whole else None


def _saved(folder: Path) -> tuple[Any, Done]:
    """Read which run a folder is of, and how far it got; raises what reading, JSON and members raise."""
    saved = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
    return saved["run"], Done(**saved["done"])


def _is_ours(name: str) -> bool:
    # A process that was killed may leave a file that `write_atomically` had not named yet.
    return name in _OURS or name.startswith(f".{_PROGRESS}-")


def _locked(folder: Path) -> Any:
    import filelock

    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise MatchingError(f"another process is at work on {folder}; wait for it, or name another --out") from error
    return lock


def _differences(before: Any, now: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in [*before, *(name for name in now if name not in before)]:
            found |= _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
        return found
    return {} if before == now else {key: (before, now)}


def _cut(path: Path, size: int) -> Any:
    """Open a file to write behind its first `size` bytes; unbuffered, so that nothing is left to fail at its end."""
    file = path.open("r+b" if path.exists() else "w+b", buffering=0)
    file.truncate(size)
    file.seek(size)
    return file


def _append(file: Any, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())
