"""Structured logs: one JSON object a line on stderr.

What users search for is never logged: neither queries nor bodies nor the part of an address behind "?".
"""

from __future__ import annotations

import json
import logging
import sys
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
        if fields is None:  # from uvicorn or asyncio
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
