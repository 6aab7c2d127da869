"""The live shell with its keys, its threads and a real small index; only the terminal is played."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from live_driver import (
    BACKSPACE,
    DOWN,
    ENTER,
    ESCAPE,
    F1,
    LEFT,
    PAGE_DOWN,
    PAGE_UP,
    RIGHT,
    TAB,
    UP,
    Driver,
    ctrl,
    drive,
    exact,
    paste,
    wait_until,
)

from jobsearch.cli.live.preparing import Both, Preparation
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError

Script = Callable[[Driver], None]


@pytest.fixture(scope="module")
def engine(session_home: Path) -> JobSearch:
    return JobSearch.open(session_home / "indexes" / "small")


@pytest.fixture(autouse=True)
def folder(jobsearch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; the home is an empty one, the terminal shows Unicode and is not in tmux."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("TMUX", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def selected(lines: Sequence[str]) -> str:
    return next(line for line in lines if line.startswith("›"))


def test_hits_change_while_typing(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        header = user.lines[0]
        assert "small · use · 39 labels" in header
        assert "[both]" in header
        user.press("nurse")
        user.wait_for(exact("nurse"), "found in")
        user.press(BACKSPACE * 5, "baker")
        user.wait_for(exact("baker"), "1 of 22, found in", without=[exact("nurse")])
        user.press(TAB)
        user.wait_for("[titles]", "1 of 12", without=["  skill  "])
        user.press(TAB)
        user.wait_for("[skills]", "1 of 10", "skill  bake bread", without=["  title  "])

    drive(engine, script)


def test_options_hold(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("nurse")
        user.wait_for("[skills]", "1 of 3", "care for patients")

    drive(engine, script, k=3, kind="skill")


def test_the_cursor_moves_by_lines_and_screens(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("nurse")
        user.wait_for("1 of 22")
        user.press(DOWN, DOWN, UP)
        assert selected(user.wait_for("2 of 22")).split()[1] == "2"
        user.press(PAGE_DOWN)
        user.wait_for("11 of 22")  # a screen of 15 lines shows 9 rows below the headings
        user.press(PAGE_DOWN, PAGE_DOWN)
        user.wait_for("22 of 22")
        user.press(PAGE_UP, PAGE_UP, PAGE_UP)
        assert selected(user.wait_for("1 of 22,")).split()[1] == "1"

    drive(engine, script, size=(80, 15))


def test_a_concept_opens_others_and_goes_back(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("baker", ENTER)
        lines = user.wait_for("baker  (occupation, en)", "Enter open  Esc back")
        text = "\n".join(line.rstrip() for line in lines)
        assert "  http://data.europa.eu/esco/occupation/baker" in text
        assert "  7 Craft and related trades workers\n" in text
        assert "  7512 Bakers and pastry-cooks\n" in text
        assert "  Also called (2)\n  bread maker\n  bakery worker\n" in text
        assert "  Essential skills (1)\n  bake bread\n" in text
        assert "  Optional skills (1)\n  use kitchen knives\n" in text
        user.press(TAB, TAB, TAB, RIGHT)  # ISCO, other names, skills
        user.wait_for("bake bread  (skill, en)", "Essential titles (1)", "baker › bake bread")
        user.press(LEFT)
        assert selected(user.wait_for("baker  (occupation, en)")).strip("› ") == "bake bread"
        user.press(ESCAPE)
        user.wait_for(exact("baker"), "Tab kind")

    drive(engine, script, size=(80, 50))


def test_typing_in_a_concept_searches_on(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("bak", ENTER)
        user.wait_for("(occupation, en)")
        user.press("er")
        user.wait_for("> baker", exact("baker"))

    drive(engine, script)


def test_the_help_comes_and_goes(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("?")
        user.wait_for("Ctrl-Z", "Esc back")
        user.press(ESCAPE)
        user.wait_for("Type a job title", without=["Ctrl-Z"])
        user.press("what?")  # not at first, it is a letter
        user.wait_for("> what?", "1 of 22")
        user.press(F1)
        user.wait_for("Ctrl-Z")
        user.press(ENTER)
        user.wait_for("1 of 22", without=["Ctrl-Z"])

    drive(engine, script)


@pytest.mark.parametrize("leave", [ctrl("c"), ctrl("d"), ESCAPE, f":q{ENTER}"], ids=["^C", "^D", "Esc", ":q"])
def test_ways_to_leave(engine: JobSearch, leave: str) -> None:
    drive(engine, lambda _: None, leave=leave)


def test_leaving_from_within_a_concept(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("baker", ENTER)
        user.wait_for("(occupation, en)")

    drive(engine, script)


def test_escape_empties_the_query_first(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("baker")
        user.wait_for("1 of 22")
        user.press(ESCAPE)
        user.wait_for("Type a job title", without=["baker"])

    drive(engine, script, leave=ESCAPE)


# Comparing


@pytest.fixture
def other(session_home: Path) -> JobSearch:
    """The same concepts, in German too."""
    return JobSearch.open(session_home / "indexes" / "both")


def stub(monkeypatch: pytest.MonkeyPatch, script: str, open_both: Callable[[], Both]) -> None:
    """Let a script stand for the build, and a function for opening what it built."""
    command = (sys.executable, "-S", "-c", script)
    monkeypatch.setattr(
        "jobsearch.cli.live.app.Preparation", lambda opens, deliver: Preparation(opens, deliver, command)
    )
    monkeypatch.setattr("jobsearch.cli.live.app._open_both", open_both)


def test_base_and_tuned_side_by_side(engine: JobSearch, other: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "", lambda: (engine, other))

    def script(user: Driver) -> None:
        user.press("Krankenpfleger")
        user.wait_for("1 of 22")
        user.press(ctrl("t"))
        lines = user.wait_for("before: use (in use)", "after: use", "^T hits")
        first = next(line for line in lines if "│" in line and " 1 " in line)
        assert first.split("│")[1].split()[-1] == "Krankenpfleger"
        assert any(mark in "\n".join(lines) for mark in (" new ", " out ", "↑", "↓"))
        user.press(BACKSPACE * 14, "baker")  # goes on while typing
        user.wait_for("> baker", "before: use", "of 1", "= ", without=["searching"])
        user.press(ENTER)
        user.wait_for("baker  (occupation, en)")
        user.press(ESCAPE)
        user.wait_for("before: use")
        user.press(ctrl("t"))
        user.wait_for("1 of 22", without=["before: use"])

    drive(engine, script)


def test_a_build_is_told_does_not_block_and_can_be_stopped(engine: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "import time; print('embedding 10%', flush=True); time.sleep(60)", pytest.fail)

    def script(user: Driver) -> None:
        user.press("nurse")
        user.wait_for("1 of 22")
        user.press(ctrl("t"))
        user.wait_for("Compare: embedding 10%… (^T stops it)", exact("nurse"))
        user.press(BACKSPACE * 5, "baker")
        user.wait_for(exact("baker"), "embedding 10%")
        user.press(ESCAPE)
        user.wait_for("1 of 22", "> baker", without=["embedding"])

    drive(engine, script)


def test_leaving_stops_a_build(engine: JobSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flag = tmp_path / "stopped"
    script_of_build = f"""
import time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    open({str(flag)!r}, "w").close()
"""
    stub(monkeypatch, script_of_build, pytest.fail)

    def script(user: Driver) -> None:
        user.press("nurse", ctrl("t"))
        user.wait_for("begun")

    drive(engine, script)
    wait_until(flag.exists)


def test_what_cannot_be_compared_is_one_line(engine: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "print('Error of the build'); raise SystemExit(1)", pytest.fail)

    def script(user: Driver) -> None:
        user.press("nurse")
        user.wait_for("1 of 22")
        user.press(ctrl("t"))
        user.wait_for("Error of the build", exact("nurse"), "^T compare")

    drive(engine, script)


@pytest.mark.slow  # it builds an index in another process
def test_a_real_build(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(home))

    def script(user: Driver) -> None:
        user.press("nurse", ctrl("t"))
        user.wait_for("one-time index build, a few seconds: ", timeout=60)
        user.wait_for("before: use", "after: use-jobs", timeout=60)

    drive(JobSearch.open(home / "indexes" / "small"), script)
    assert (home / "indexes" / "small@use-jobs" / "current").exists()


# Errors


def test_an_engine_that_fails_is_one_line_and_searching_goes_on(
    engine: JobSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = engine.search

    def damaged(query: str, *rest: object) -> object:
        if query == "nurse":
            raise IndexCorruptError("index 'small' is damaged; build it again")
        return search(query, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "search", damaged)

    def script(user: Driver) -> None:
        user.press("nurse")
        lines = user.wait_for("index 'small' is damaged; build it again")
        assert not any("1.000" in line for line in lines)
        user.press(BACKSPACE * 5, "baker")
        user.wait_for(exact("baker"), without=["damaged"])

    drive(engine, script)


def test_a_query_of_nothing_visible_is_one_line(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("\u200b")
        user.wait_for("is empty")

    drive(engine, script)


@pytest.mark.parametrize(
    "text",
    ["x " * 2500, "看護師 " * 400, "ممرضة", "e\u0301" * 300, "a\x1b[31m\x00\x07b", "line\r\nline\tline", "👩\u200d⚕️"],
    ids=["long", "wide", "rtl", "combining", "control", "lines", "emoji"],
)
def test_whatever_is_pasted_is_searched(engine: JobSearch, text: str) -> None:
    def script(user: Driver) -> None:
        user.press(paste(text))
        user.wait_for("1 of 22")
        user.press(ctrl("u"), "nurse")
        user.wait_for(exact("nurse"))

    drive(engine, script)


def test_the_screen_follows_its_size(engine: JobSearch) -> None:
    def script(user: Driver) -> None:
        user.press("nurse")
        user.wait_for("1 of 22")
        for columns, rows in ((20, 6), (200, 50), (1, 1), (60, 15), (80, 24)):
            user.resize(columns, rows)
        user.wait_for("1 of 22", "F1 help  ^C leave")

    drive(engine, script)


# Copying, saving, remembering


def test_the_uri_goes_to_the_clipboard(engine: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    screens = []

    def script(user: Driver) -> None:
        screens.append(user.screen)
        user.press(ctrl("y"))
        user.wait_for("There is no hit whose URI could be copied.")
        user.press("nurse")
        user.wait_for("1 of 22")
        user.press(ctrl("y"))
        user.wait_for("Sent to the clipboard: http://data.europa.eu/esco/occupation/nurse")

    drive(engine, script)
    encoded = base64.b64encode(b"http://data.europa.eu/esco/occupation/nurse").decode()
    assert screens[0].sent == [f"\x1b]52;c;{encoded}\x07"]
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    drive(engine, script)
    assert screens[1].sent[1:] == [f"\x1bPtmux;\x1b\x1b]52;c;{encoded}\x07\x1b\\"]


def test_the_list_goes_into_files(engine: JobSearch, folder: Path) -> None:
    def script(user: Driver) -> None:
        user.press(ctrl("s"))
        user.wait_for("There is nothing listed that could be saved.")
        user.press("nurse")
        user.wait_for("1 of 3")
        user.press(ctrl("s"))
        user.wait_for("Wrote 3 rows to", "nurse.csv")
        user.press(ctrl("o"))
        user.wait_for("nurse.json")

    drive(engine, script, k=3, size=(300, 24))  # the path on one line
    assert len((folder / "nurse.csv").read_text().splitlines()) == 4
    assert json.loads((folder / "nurse.json").read_text())[0]["label"] == "nurse"


def test_a_folder_that_cannot_be_written_is_one_line(engine: JobSearch, folder: Path) -> None:
    def script(user: Driver) -> None:
        user.press("nurse")
        user.wait_for("1 of 22")
        folder.rmdir()
        user.press(ctrl("s"))
        user.wait_for("No such file or directory", exact("nurse"))

    drive(engine, script, size=(300, 24))


def test_queries_come_back_in_this_session_and_the_next(engine: JobSearch, jobsearch_home: Path) -> None:
    def first(user: Driver) -> None:
        user.press("nurse", ENTER)
        user.wait_for("(occupation, en)")
        user.press(ESCAPE)
        user.wait_for("1 of 22")
        user.press(ctrl("p"))  # nothing is before it
        user.press(ctrl("u"), "baker", ENTER)
        user.wait_for("baker  (occupation, en)")
        user.press(ctrl("p"))
        user.wait_for("> nurse", exact("nurse"))
        user.press(ctrl("n"))
        user.wait_for("> baker", exact("baker"))
        user.press(ctrl("u"), "only looked at")
        user.wait_for("> only looked at", "1 of 22")

    def second(user: Driver) -> None:
        user.wait_for("  baker ", "  nurse ", without=["only looked at"])
        user.press(ctrl("p"), ctrl("p"))
        user.wait_for("> nurse", exact("nurse"))

    drive(engine, first)
    kept = (jobsearch_home / "data" / "shell_history").read_text(encoding="utf-8")
    assert [line for line in kept.splitlines() if line.startswith("+")] == ["+nurse", "+baker"]
    drive(engine, second)


def test_a_home_that_cannot_be_written_is_no_reason_not_to_search(
    engine: JobSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path / "file" / "home"))

    def script(user: Driver) -> None:
        user.press("nurse", ENTER)
        user.wait_for("(occupation, en)")

    drive(engine, script)


def test_a_fault_of_ours_leaves_the_screen_and_is_raised(engine: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("jobsearch.cli.live.state.LiveState.toggle_help", broken)
    with pytest.raises(ZeroDivisionError):
        drive(engine, lambda user: user.press(F1), leave="")
