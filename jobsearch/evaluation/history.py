"""What was measured before: one JSON line an evaluation, so that figures can be followed over time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jobsearch
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.records import Evaluated, base_record
from jobsearch.files import storage_errors
from jobsearch.home import data_directory


@dataclass(frozen=True, slots=True)
class Entry:
    """One evaluation of the past.

    Args:
        time: UTC, ISO 8601.
        task: `sts`, `retrieval` or `similarity`.
        set_name: on which data.
        encoder: name of the encoder.
        fingerprint: its fingerprint.
        case: its case setting.
        metrics: the figures.
        n: queries, pairs or titles.
        version: of jobsearch.
    """

    time: str
    task: str
    set_name: str
    encoder: str
    fingerprint: str
    case: str
    metrics: Mapping[str, float]
    n: int
    version: str

    def to_dict(self) -> dict[str, Any]:
        """Return the line's content."""
        return {
            "time": self.time,
            "task": self.task,
            "set": self.set_name,
            "encoder": {"name": self.encoder, "fingerprint": self.fingerprint},
            "case": self.case,
            "metrics": dict(self.metrics),
            "n": self.n,
            "jobsearch": self.version,
        }


@dataclass(frozen=True, slots=True)
class History:
    """All evaluations, the oldest first, and how many lines could not be read."""

    entries: tuple[Entry, ...]
    unreadable: int


def history_path() -> Path:
    """Return where the history is kept."""
    return data_directory() / "evaluations.jsonl"


def remember(result: Evaluated) -> Entry:
    """Add a result to the history.

    Several processes may do so at once: each line is one write to a file opened for appending, which systems do not
    interleave.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    record = base_record(result)
    record = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **record,
        "jobsearch": jobsearch.__version__,
    }
    line = json.dumps(record).encode() + b"\n"
    path = history_path()
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.fstat(descriptor).st_size:
                os.lseek(descriptor, -1, os.SEEK_END)  # says nothing of where to write: that is the end, always
                if os.read(descriptor, 1) != b"\n":
                    line = b"\n" + line  # a write broke off there: its line is lost, ours must not be
            written = os.write(descriptor, line)
            if written != len(line):
                os.write(descriptor, line[written:])  # says why not: full, or over quota
        finally:
            os.close(descriptor)
    return _entry(record)


def read_history(task: str | None = None, set_name: str | None = None) -> History:
    """Read the history; lines that broke off are passed over and counted.

    Args:
        task: only this task.
        set_name: only sets whose name contains this text.

    Raises:
        EvaluationError: the file cannot be read.
    """
    path = history_path()
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise EvaluationError(f"cannot read {path} ({error.strerror or error}); check its permissions") from error
    entries = []
    unreadable = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            entries.append(_entry(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable += 1
    wanted = (e for e in entries if task in (None, e.task) and (set_name is None or set_name in e.set_name))
    return History(tuple(sorted(wanted, key=lambda entry: entry.time)), unreadable)


def _entry(record: Mapping[str, Any]) -> Entry:
    return Entry(
        time=str(record["time"]),
        task=str(record["task"]),
        set_name=str(record["set"]),
        encoder=str(record["encoder"]["name"]),
        fingerprint=str(record["encoder"]["fingerprint"]),
        case=str(record["case"]),
        metrics={str(name): float(value) for name, value in record["metrics"].items()},
        n=int(record["n"]),
        version=str(record["jobsearch"]),
    )
