"""The live shell as someone sees it who sits before a terminal: tmux is the terminal, the command a real process."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cli_home import replace_file
from cli_process import ROOT
from live_driver import exact, is_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux to play the terminal"),
]


class Tmux:
    """A shell in a terminal of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._socket = str(folder / "tmux")
        self._folder = folder
        self._home = home
        self._started = False

    def start(self, *arguments: str, size: tuple[int, int] = (80, 24), **variables: str) -> None:
        columns, rows = size
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")
        self._started = True
        settings = {"JOBSEARCH_HOME": str(self._home), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **variables}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
        command = shlex.join([sys.executable, "-m", "jobsearch", *arguments])
        self.type(f"PS1='shell$ '; unset NO_COLOR; export {exports}; cd {shlex.quote(str(self._folder))}; clear\n")
        self.wait_for("shell$")
        self.type(f"{command}; echo ended with $?\n")

    def type(self, text: str) -> None:
        for part in text.splitlines(keepends=True):
            if part.strip("\n"):
                self._tmux("send-keys", "-l", part.strip("\n"))
            if part.endswith("\n"):
                self._tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def paste(self, text: str) -> None:
        file = self._folder / "pasted"
        file.write_text(text, encoding="utf-8")
        self._tmux("load-buffer", str(file))
        self._tmux("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def lines(self, *options: str) -> list[str]:
        return self._tmux("capture-pane", "-p", *options).split("\n")

    def wait_for(self, *texts: str | re.Pattern[str], without: Sequence[str] = (), timeout: float = 30) -> list[str]:
        end = time.monotonic() + timeout
        while True:
            lines = self.lines()
            shown = "\n".join(lines)
            if all(is_in(text, shown) for text in texts) and not any(is_in(text, shown) for text in without):
                return lines
            assert time.monotonic() < end, f"no {texts} without {without} in:\n{shown}"
            time.sleep(0.05)

    def ends(self, key: str = "C-c", code: int = 0) -> None:
        """Leave by a key, and see that the shell has its terminal back: what is typed shows again, as lines."""
        self.press(key)
        self.wait_for(f"ended with {code}", "shell$", without=["F1 help", "Traceback"])
        self.type("stty -a\n")
        settings = " ".join(self.wait_for("icanon", "echoke")).split()
        assert {"icanon", "isig", "echo", "ixon"} <= set(settings)

    def close(self) -> None:
        if self._started:
            self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        plain = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments], check=True, capture_output=True, timeout=30, env=plain
        )
        return done.stdout.decode()


@pytest.fixture
def tmux(tmp_path: Path, home: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path, home)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_session(tmux: Tmux, tmp_path: Path) -> None:
    tmux.start()
    tmux.wait_for("small · use · 39 labels", "Type a job title")
    tmux.type("nursex")
    tmux.press("BSpace")
    lines = tmux.wait_for(exact("nurse"), "1 of 22, found in")
    assert lines[1].rstrip() == "> nurse"
    assert lines[3].split() == ["Score", "Sure", "Kind", "Label", "Matched", "by"]
    assert lines[4].startswith("›   1 ")
    assert lines[23].startswith("Enter open")
    tmux.press("Down", "Down")
    tmux.wait_for("3 of 22")
    tmux.press("Up", "Up", "Enter")
    tmux.wait_for("nurse  (occupation, en)", "2221", "registered nurse", "Essential skills (1)")
    tmux.press("Tab", "Tab", "Tab", "Enter")
    tmux.wait_for("care for patients  (skill, en)")
    tmux.press("Escape")
    tmux.wait_for("nurse  (occupation, en)")
    tmux.press("Escape")
    tmux.wait_for("1 of 22")
    tmux.press("C-s")
    tmux.wait_for("Wrote 22 rows to")
    assert (tmp_path / "nurse.csv").exists()
    tmux.ends()


@pytest.mark.parametrize("key", ["C-d", "Escape"])
def test_other_ways_to_leave(tmux: Tmux, key: str) -> None:
    tmux.start("shell")
    tmux.wait_for("Type a job title")
    tmux.ends(key)


def test_the_size_may_change(tmux: Tmux) -> None:
    tmux.start(size=(60, 15))
    tmux.wait_for("Type a job title")
    tmux.type("nurse")
    tmux.wait_for("1 of 22", "F1 help  ^C leave")
    tmux.resize(120, 40)
    lines = tmux.wait_for("^P earlier")
    assert [line.rstrip() for line in lines][2] == "─" * 120
    tmux.resize(20, 4)
    time.sleep(0.2)
    tmux.resize(80, 24)
    lines = tmux.wait_for("1 of 22", "   18  ")
    assert lines[0].startswith("small")
    tmux.ends()


def test_without_colour_and_without_unicode(tmux: Tmux) -> None:
    tmux.start(NO_COLOR="1", LC_ALL="C", LANG="C", TERM="vt100")
    tmux.wait_for("small - use - 39 labels")
    tmux.type("Bäcker")
    tmux.wait_for("> Backer", "1 of 22")
    shown = "\n".join(tmux.lines("-e"))
    assert shown.isascii()
    assert "\x1b[7m" in shown  # the selected row
    assert "\x1b[3" not in shown.replace("\x1b[39m", "")  # no colour but the terminal's own
    tmux.ends()


def test_a_dumb_terminal_and_an_option_give_the_plain_loop(tmux: Tmux) -> None:
    tmux.start(TERM="dumb")
    tmux.wait_for("39 labels. Type a job title or a skill; :help for more", ">")
    tmux.type("nurse\n")
    tmux.wait_for("occupation  nurse")
    tmux.press("C-d")
    tmux.wait_for("ended with 0")
    tmux.type(f"export TERM=screen; clear; {shlex.quote(sys.executable)} -m jobsearch shell --plain\n")
    tmux.wait_for("39 labels. Type a job title or a skill; :help for more", ">", without=["ended with"])
    tmux.press("C-d")
    tmux.wait_for("shell$")


def test_suspended_and_back(tmux: Tmux) -> None:
    tmux.start()
    tmux.wait_for("Type a job title")
    tmux.type("nurse")
    tmux.wait_for("1 of 22")
    tmux.press("C-z")
    tmux.wait_for("shell$", without=["F1 help"])
    tmux.type("clear; fg; echo ended with $?\n")
    tmux.wait_for("> nurse", "1 of 22", "F1 help")
    tmux.press("Enter")
    tmux.wait_for("nurse  (occupation, en)")
    tmux.ends()


def test_a_long_text_is_pasted(tmux: Tmux) -> None:
    tmux.start()
    tmux.wait_for("Type a job title")
    tmux.paste("nurse\x1b[31m\t看護師\n" * 500)
    tmux.wait_for("1 of 22")
    tmux.press("C-u")
    tmux.wait_for("Type a job title")
    tmux.type("nurse")
    tmux.wait_for(exact("nurse"))
    tmux.ends()


def test_the_index_goes_away_meanwhile(tmux: Tmux, home: Path) -> None:
    tmux.start()
    tmux.wait_for("Type a job title")
    tmux.type("nurse")
    tmux.wait_for(exact("nurse"))
    shutil.rmtree(home)
    tmux.press("BSpace", "BSpace", "BSpace", "BSpace", "BSpace")
    tmux.type("baker")
    tmux.wait_for(exact("baker"))  # what is open stays open
    tmux.press("Enter")
    tmux.wait_for("baker  (occupation, en)")
    tmux.ends()


def test_a_damaged_index_is_an_error_and_no_screen(tmux: Tmux, home: Path) -> None:
    replace_file(next((home / "indexes" / "small").glob("versions/*/labels.safetensors")), b"no labels")
    tmux.start()
    lines = tmux.wait_for("ended with 1")
    assert any(line.startswith("Error: ") for line in lines)
    tmux.wait_for("shell$")
