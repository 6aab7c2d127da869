"""Structured logs: one JSON object a line on stderr.

What users search for is never logged: neither queries nor bodies nor the part of an address behind "?".
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, TextIO

LOGGER = logging.getLogger("jobsearch.service")
LEVELS = ("debug", "info", "warning", "error")
_FIELDS = "jobsearch_fields"


class JsonLines(logging.Formatter):
    """Formats a record as one line: time (UTC), level, event, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; it is ASCII, so nothing in it can break a line or a terminal."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, _FIELDS, None)
        if fields is None:  # from uvicorn, asyncio or other parts of jobsearch
            line |= {"event": "message", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": record.getMessage(), **fields}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log(level: int, event: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """Log an event.

    Args:
        level: of `logging`.
        event: its name.
        error: an exception whose traceback belongs to it.
        fields: what else is to be known, as plain values.
    """
    LOGGER.log(level, event, extra={_FIELDS: fields}, exc_info=error)


def write_logs(level: str, stream: TextIO | None = None) -> None:
    """Write the logs of jobsearch, uvicorn and asyncio, as JSON lines.

    Args:
        level: one of `LEVELS`; below it nothing is written.
        stream: where to; default: stderr.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name, lowest in (
        ("jobsearch", logging.DEBUG),
        ("uvicorn", logging.WARNING),
        ("asyncio", logging.WARNING),
    ):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        # Uvicorn tells at "info" what this service tells itself.
        logger.setLevel(max(lowest, logging.getLevelName(level.upper())))


class LogStream(io.TextIOBase):
    """Stands in for stderr: each line that is written becomes a line of the log.

    What a service calls upon also serves the command line, and says on stderr that it builds an index first, or
    warns. It says so to a person; among JSON lines it must be one too. What begins with "Warning:" or "Error:" has
    that level, all else is information.
    """

    encoding = "utf-8"  # by which click knows that it can write here
    errors = "replace"

    def __init__(self) -> None:
        self._own = threading.local()  # each thread ends its own lines

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Log what is whole lines, and keep the rest until its line ends."""
        # A log that cannot be written is told of on stderr by `logging`, which would be written to the log.
        if not getattr(self._own, "busy", False):
            *lines, self._own.rest = (getattr(self._own, "rest", "") + text).split("\n")
            self._own.busy = True
            try:
                for line in filter(str.strip, lines):
                    _log_line(line)
            finally:
                self._own.busy = False
        return len(text)


def _log_line(line: str) -> None:
    levels = {"Warning": logging.WARNING, "Error": logging.ERROR}
    begin, found, rest = line.partition(": ")
    level = levels.get(begin, logging.INFO) if found else logging.INFO
    log(level, "message", message=(line if level == logging.INFO else rest).strip())


@contextlib.contextmanager
def stderr_as_log() -> Iterator[None]:
    """Let all that is written to stderr meanwhile go into the log; call `write_logs`, which keeps stderr, before."""
    before, stream = sys.stderr, LogStream()
    sys.stderr = stream
    try:
        yield
    finally:
        sys.stderr = before
