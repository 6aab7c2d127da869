"""What a user sees who sits before a terminal: the prompt, editing, history, Ctrl-C, Ctrl-D, progress."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_home import ENGLISH
from cli_terminal import terminal

UP, CTRL_C, CTRL_D, BACKSPACE = "\x1b[A", "\x03", "\x04", "\x7f"


def test_a_session(home: Path) -> None:
    history = home / "data" / "shell_history"
    with terminal(home, "shell", "--plain", "-k", "3") as shell:
        assert f"{ENGLISH} labels. Type a job title or a skill; :help for more, Ctrl-D to leave." in shell.wait_for(
            "> "
        )
        shell.press("nursx" + BACKSPACE + "e\r")  # editing
        shown = shell.wait_for("occupation/nurse")
        assert "1.000" in shown
        shell.wait_for("> ")
        shell.press("plumber" + CTRL_C)  # drops the line
        shell.wait_for("> ")
        shell.press("baker\r")
        assert "1.000" in shell.wait_for("occupation/baker")
        shell.wait_for("> ")
        shell.press(":nonsense\r")
        shell.wait_for("Error: there is no command :nonsense")
        shell.wait_for("> ")
        shell.press("1\r")
        assert "bake bread" in shell.wait_for("use kitchen knives")
        shell.wait_for("> ")
        shell.press(CTRL_D)
        assert shell.leave() == 0
        assert "Traceback" not in shell.raw
        assert "Interrupted" not in shell.raw
    kept = [line[1:] for line in history.read_text(encoding="utf-8").splitlines() if line.startswith("+")]
    assert kept == ["nurse", "baker", ":nonsense", "1"]


def test_history_comes_back_in_the_next_session(home: Path) -> None:
    (home / "data" / "shell_history").write_text("\n# 2025-01-01 00:00:00\n+plumber\n", encoding="utf-8")
    with terminal(home, "shell", "--plain") as shell:
        shell.wait_for("> ")
        shell.press(UP + "\r")
        assert "1.000" in shell.wait_for("occupation/plumber")
        shell.wait_for("> ")
        shell.press(":quit\r")
        assert shell.leave() == 0


def test_a_home_that_cannot_keep_history_is_no_reason_not_to_search(session_home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")  # below a file not even root can write
    index = str(session_home / "indexes" / "small")
    with terminal(tmp_path / "file" / "home", "shell", "--plain", "-k", "1", "--index", index) as shell:
        shell.wait_for("> ")
        shell.press("nurse\r")
        assert "1.000" in shell.wait_for("occupation/nurse")
        shell.wait_for("> ")
        shell.press(UP + "\r")  # this session's own lines are remembered all the same
        assert "1.000" in shell.wait_for("occupation/nurse")
        shell.wait_for("> ")
        shell.press(CTRL_D)
        assert shell.leave() == 0
        assert "Traceback" not in shell.raw


@pytest.mark.slow
def test_progress_is_a_bar_that_goes_away(without_index: Path) -> None:
    with terminal(without_index, "search", "nurse", "-k", "1") as search:
        shown = search.wait_for("occupation/nurse")
        assert "embedding labels" in shown
        assert re.search(r"[━╸]{5}", shown)
        assert search.leave() == 0


def test_ctrl_c_ends_the_line_of_the_bar(without_index: Path) -> None:
    with terminal(without_index, "index", "build") as build:
        build.wait_for("loading encoder")
        build.interrupt()
        assert build.leave() == 130
        assert "\r\nInterrupted; what was finished before is kept" in build.raw
        assert "Traceback" not in build.raw
    assert not (without_index / "indexes" / "small" / "current").exists()


def test_the_best_hit_is_bold(session_home: Path) -> None:
    with terminal(session_home, "search", "nurse", "-k", "2") as search:
        assert search.leave() == 0
        rows = [line for line in search.raw.splitlines() if "occupation/" in line or "skill/" in line]
        assert ["\x1b[1m" in row for row in rows] == [True, False]
