"""Queries of earlier sessions, in the file that the plain loop keeps, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from prompt_toolkit.history import FileHistory

HISTORY_FILE = "shell_history"


class QueryHistory(FileHistory):
    """The history file.

    Args:
        folder: where it lies; made where it can be. A home that cannot be written is no reason not to search.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(str(folder / HISTORY_FILE))

    def load_history_strings(self) -> Iterator[str]:
        """Yield the queries, newest first, without the plain loop's commands and numbers."""
        lines: list[str] = []
        with contextlib.suppress(OSError):
            lines = list(super().load_history_strings())
        before = ""
        for line in lines:
            if line.strip() and line != before and not line.startswith(":") and not line.isdecimal():
                yield line
                before = line

    def store_string(self, string: str) -> None:
        """Append a query."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            super().store_string(string)
