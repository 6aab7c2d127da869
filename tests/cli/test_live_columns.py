"""Columns of the live search's lists: where they stand, and which a narrow screen leaves out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from live_driver import compared, hit

from jobsearch.cli.live.messages import Compared, Found, Ready, SearchRequest
from jobsearch.cli.live.state import LiveState
from jobsearch.cli.live.text import ASCII, UNICODE
from jobsearch.cli.live.view import About, View
from jobsearch.hits import Hit

ABOUT = About("esco-en", "use-jobs", 100483)


def lines(view: View, state: LiveState, width: int) -> list[str]:
    return ["".join(text for _, text in line) for line in view.body(state, width, 10)]


def state_of(answer: Found | Compared) -> LiveState:
    state = LiveState(lambda _: None, lambda: None, lambda: None, answer.request.kind)
    if isinstance(answer, Compared):
        state.toggle_compare()
        state.receive(Ready())
    state.type(answer.request.query)
    state.receive(answer)
    assert state.listed is answer
    return state


def rows_of(*hits: Hit, width: int = 80) -> list[str]:
    return lines(View(UNICODE, ABOUT), state_of(Found(SearchRequest("nurse", "all"), hits, 0.0)), width)


def test_the_headings_stand_over_their_columns() -> None:
    for one in (hit("nurse"), hit("nurse", matched="registered nurse")):
        heads, row = rows_of(replace(one, confidence=0.974))
        assert heads.index("Label") == row.index("nurse")
        assert heads.index("Sure") + 4 == row.index("97%") + 3
        assert heads.index("Score") + 5 == row.index("0.500") + 5
        assert heads.index("Kind") == row.index("title")
        assert heads.find("Matched by") == row.find("registered") or one.matched_label == "nurse"


def test_columns_are_in_the_order_of_a_plain_search() -> None:
    heads, _ = rows_of(hit("nurse"))
    assert re.split(r" {2,}", heads.strip()) == ["Score", "Sure", "Kind", "Label", "Matched by"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_column_moves_while_one_types(width: int) -> None:
    long = "advanced " * 5 + "nurse"
    lists = [
        rows_of(hit("nurse"), width=width),
        rows_of(hit("nurse", matched="midwife"), hit("baker", 2), width=width),
        rows_of(hit(long, matched="midwife"), hit("cook", 2, "midwife"), width=width),
    ]
    assert len({rows[0] for rows in lists}) == 1
    assert {row.index("midwife") for rows in lists for row in rows if "midwife" in row} <= {
        rows[0].find("Matched by") for rows in lists
    }
    assert all(len(row) == width for rows in lists for row in rows)


def test_a_long_label_stays_whole_at_the_cost_of_the_name_that_matched() -> None:
    long = "nurse responsible for general care in hospitals"
    _, row = rows_of(hit(long, matched="midwife"))
    assert long in row
    assert "midwife" not in row


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, ["Score", "Sure", "Kind", "Label", "Matched by"]),
        (51, ["Sure", "Kind", "Label"]),
        (44, ["Sure", "Kind", "Label"]),
        (40, ["Kind", "Label"]),
        (32, ["Label"]),
    ],
)
def test_a_narrow_screen_leaves_out_the_least_needed(width: int, shown: list[str]) -> None:
    heads, row = rows_of(replace(hit("advanced nurse", matched="n"), confidence=0.5), width=width)
    assert re.split(r" {2,}", heads.strip()) == shown
    assert "advanced nurse" in row
    assert row.startswith("›   1  ")
    assert heads.index("Label") == row.index("advanced")


def test_a_comparison_tells_kinds_and_scores_where_there_is_room() -> None:
    def cells(answer: Compared, width: int) -> list[str]:
        return lines(View(ASCII, ABOUT), state_of(answer), width)[1].split("|")[1].split()

    both, titles = (compared("nurse", ["a"], ["a"], kind) for kind in ("all", "occupation"))
    assert cells(both, 120) == [">", "1", "0.500", "title", "=", "a"]
    assert cells(both, 80) == [">", "1", "title", "=", "a"]
    assert cells(titles, 80) == [">", "1", "0.500", "=", "a"]  # all are of one kind
    assert cells(both, 50) == [">", "1", "=", "a"]
