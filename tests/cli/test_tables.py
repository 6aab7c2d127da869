"""Tables of hits at any width of a terminal: a line each, the least needed left out first."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_process import Cli
from live_driver import hit

from jobsearch.cli.columns import Column, Step, cut, draw, fit_columns
from jobsearch.cli.compare_render import print_comparison
from jobsearch.comparison import compare_hits
from jobsearch.hits import Hit

# Any table


def table(width: int) -> list[str]:
    """Fit a table of a number, a label of 6 cells, a note of 8 that may be cut to 4, and a code of 5."""
    columns = [Column("", ["1"]), Column("Label", ["nurses"]), Column("Note", ["hospital"]), Column("Code", ["C2221"])]
    _, label, note, code = columns
    steps = [Step([code]), Step([note], cut_to=4)]
    return [line.plain for line in draw(fit_columns(columns, [label], steps, width), "…", width)]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (26, "1  nurses  hospital  C2221"),
        (25, "1  nurses  hospital"),  # a part of a code would be of no use
        (19, "1  nurses  hospital"),
        (18, "1  nurses  hospit…"),
        (15, "1  nurses  hos…"),
        (14, "1  nurses"),
        (9, "1  nurses"),
        (8, "1  nurs…"),
        (4, "1  …"),
        (2, "1 "),
    ],
)
def test_what_gives_way(width: int, row: str) -> None:
    head, shown = table(width)
    assert shown == row
    assert len(head) <= width


def test_letters_of_two_cells_are_counted_as_such() -> None:
    assert cut("看護師と介護", 7, "…") == "看護師…"
    (_, row) = draw([Column("Label", ["看護師"]), Column("Code", ["7"])], "…")
    assert row.plain == "看護師  7"


def test_nothing_is_left_out_in_vain() -> None:
    """What is worth no more of a label than has room stays, however long the label is."""
    label, figure = Column("Label", ["x" * 50]), Column("Score", ["0.500"])
    left = fit_columns([figure, label], [label], [Step([figure], worth=20)], 30)
    assert left == [figure, label]
    assert label.width == 30 - 5 - 2


# Hits


@pytest.mark.parametrize("width", [160, 100, 80, 60, 40, 20, 3])
def test_each_hit_is_one_line_at_any_width(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    head, *rows = cli(session_home, "search", "plumbing technican").out.splitlines()[-11:]
    assert len(rows) == 10
    assert [int(row.split()[0]) for row in rows if width > 5] == list(range(1, 11))[: len(rows) if width > 5 else 0]
    assert max(map(len, (head, *rows))) <= width


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (160, ["Score", "Sure", "Kind", "Label", "Matched by", "Concept"]),
        (70, ["Score", "Sure", "Kind", "Label", "Matched by"]),
        (65, ["Score", "Sure", "Kind", "Label", "Matched by"]),
        (64, ["Score", "Sure", "Kind", "Label"]),
        (53, ["Score", "Sure", "Kind", "Label"]),
        (52, ["Sure", "Kind", "Label"]),
        (46, ["Sure", "Kind", "Label"]),
        (45, ["Kind", "Label"]),
        (40, ["Kind", "Label"]),
        (39, ["Label"]),
        (20, ["Label"]),
    ],
)
def test_the_least_needed_gives_way_first(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int, shown: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    # The label has 25 cells, figures and kind before it 28, of which the score has 7, "Sure" 6 and the kind 12.
    head, row = cli(session_home, "search", "AI engineer [ml]", "-k", "1").out.splitlines()
    assert re.split(r" {2,}", head.strip()) == shown
    assert ("machine learning engineer" in row) == (width > 20)
    assert row.endswith("…") == (width in (20, 65, 70))
    assert ("AI engine" in row) == ("Matched by" in shown)  # as much of it as there is room for


def test_an_empty_column_gives_way_before_all_others(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "COLUMNS", "60"
    )  # 28 cells of figures, 12 of the label, 16 of the concept: 12 less with the empty
    head, row = cli(session_home, "search", "nurse", "-k", "1").out.splitlines()
    assert re.split(r" {2,}", head.strip()) == ["Score", "Sure", "Kind", "Label", "Concept"]
    assert row.endswith("nurse         occupation/nurse")


def test_without_unicode_what_is_cut_ends_in_dots(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LC_ALL", "C")
    _, row = cli(session_home, "search", "machine learning engineer", "-k", "1").out.splitlines()
    assert row == "1  machine learni..."


def test_nothing_is_cut_where_no_terminal_shows_it(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsearch.cli.render._PIPED_WIDTH", 30)
    _, row = cli(session_home, "search", "AI engineer [ml]", "-k", "1").out.splitlines()
    assert row.split()[-4:] == ["AI", "engineer", "[ml]", "occupation/engineer"]


# Comparisons


def print_one(base: list[Hit], tuned: list[Hit]) -> None:
    sides: list[Any] = [
        SimpleNamespace(opened=SimpleNamespace(encoder=SimpleNamespace(name=name))) for name in ("use", "tuned-1")
    ]
    print_comparison(*sides, compare_hits("nurse", base, tuned))


@pytest.fixture
def both_kinds() -> tuple[list[Hit], list[Hit]]:
    """Two lists of ten; each concept rises by two, so that two drop out and two are new."""
    names = [f"{kind} nurse of ward number {number}" for number in range(6) for kind in ("day", "night")]
    every = [replace(hit(name), kind="skill" if name.startswith("day") else "occupation") for name in names]
    ranked = [[replace(one, rank=rank) for rank, one in enumerate(part, 1)] for part in (every[:10], every[2:])]
    return ranked[0], ranked[1]


@pytest.mark.parametrize(
    ("width", "columns", "row"),
    [
        # Two labels of up to 28 cells, of which 24 are worth the figures; these hits have no confidence.
        (150, ["Score", "Sure", "Kind"], ["1", "0.500", "skill", "dropped", "0.500", "skill", "up from 3"]),
        (110, ["Score", "Sure", "Kind"], ["1", "0.500", "skill", "out", "0.500", "skill", "↑2"]),
        (90, ["Sure", "Kind"], ["1", "skill", "out", "skill", "↑2"]),
        (80, ["Kind"], ["1", "skill", "out", "skill", "↑2"]),
        (60, [], ["1", "out", "↑2"]),
    ],
)
def test_a_row_of_a_comparison_is_one_line(
    both_kinds: tuple[list[Hit], list[Hit]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    columns: list[str],
    row: list[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    print_one(*both_kinds)
    query, head, *rows = capsys.readouterr().out.splitlines()
    assert (query, len(rows)) == ("nurse", 10)
    assert max(map(len, (head, *rows))) <= width
    headings = re.split(r" {2,}", head.strip())
    assert headings == [*columns, "before: use", *columns, "after: tuned-1"]
    labels = re.compile(r"(day|night) nurse of( ward( number \d)?)?[^ ]*( w…| ward…)?")
    cells = [cell for cell in re.split(r" {2,}", rows[0].strip()) if not labels.match(cell)]
    assert cells == row


def test_where_all_are_of_one_kind_it_is_not_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_one([hit("nurse")], [hit("nurse")])
    assert "Kind" not in capsys.readouterr().out


def test_movements_are_in_letters_that_the_terminal_has(
    both_kinds: tuple[list[Hit], list[Hit]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LC_ALL", "C")
    print_one(*both_kinds)
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert shown.splitlines()[2].endswith("+2")
