"""A pseudo-terminal with a command in it, for tests of what somebody sees who sits before one."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import command, environment

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
_SPACE = re.compile(r"\x08\x1b\[2C")  # how prompt_toolkit sets the cursor behind a space that nothing follows
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>()][0-9A-B]?|\x1b\][^\x07]*\x07|\r")


class Terminal:
    """A command that runs in a terminal of 24 lines and 100 columns."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self._process = process
        self.raw = ""
        self._seen = 0

    @property
    def shown(self) -> str:
        """All that was shown, without colours."""
        return _CONTROL.sub("", _SPACE.sub(" ", self.raw))

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C while the program does not read keys by itself."""
        self._process.send_signal(signal.SIGINT)

    def interrupt_until_it_leaves(self, timeout: float = 60) -> int:
        """Press Ctrl-C again where nothing came of it, as of one right after a prompt, and return the exit code."""
        end = time.monotonic() + timeout
        while self._process.poll() is None:
            assert time.monotonic() < end, self.raw
            self.interrupt()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        return self.leave()

    def wait_for(self, text: str, timeout: float = 30) -> str:
        """Read until `text` is shown, and return it with what was shown before it since the last call."""
        end = time.monotonic() + timeout
        while (found := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < end, f"no {text!r} in {self.raw!r}"
            assert self._read(), f"it ended without {text!r}: {self.raw!r}"
        before, self._seen = self._seen, found + len(text)
        return self.shown[before : self._seen]

    def leave(self, timeout: float = 60) -> int:
        """Read to the end and return the exit code."""
        end = time.monotonic() + timeout
        while self._read():
            assert time.monotonic() < end, self.raw
        return self._process.wait(timeout=timeout)

    def _read(self) -> bool:
        if not select.select([self._descriptor], [], [], 0.5)[0]:
            return True
        try:
            content = os.read(self._descriptor, 65536)
        except OSError:  # how Linux says that nobody has the other end any more
            return False
        self.raw += content.decode(errors="replace")
        return bool(content)


@contextlib.contextmanager
def terminal(home: Path, *arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    # Without a size, and without an answer to where the cursor is, prompt_toolkit would wait and warn.
    variables = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24", "PROMPT_TOOLKIT_NO_CPR": "1"}
    process = subprocess.Popen(
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment(home, **variables),
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
