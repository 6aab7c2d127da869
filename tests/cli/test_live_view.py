"""What the live shell draws, line by line: every line has just the screen's width, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from live_driver import compared, found, hit, opened
from prompt_toolkit.utils import get_cwidth

from jobsearch.cli.live.messages import Compared, Found, Preparing, Ready, SearchRequest
from jobsearch.cli.live.state import LiveState
from jobsearch.cli.live.text import ASCII, UNICODE, Glyphs, fit, glyphs_for, wrap
from jobsearch.cli.live.view import About, Line, View

ABOUT = About("esco-en", "use-jobs", 100483)
STRANGE = [
    "看護師と介護福祉士",
    "e\u0301cole nationale supe\u0301rieure",
    "ممرضة مسجلة",
    "\u202eesrun\u202c",
    "a\x1b[31mred\x07\r\nb",
    "👩\u200d⚕️ doctor",
    "x" * 5000,
    "\ud800",
    "zero\u200bwidth",
]


def state_of(query: str = "nurse", *labels: str) -> LiveState:
    state = LiveState(lambda _: None, lambda: None, lambda: None)
    if query:
        state.type(query)
        state.receive(found(query, *labels))
    return state


def concept(*labels: str) -> LiveState:
    state = state_of("nurse", "nurse")
    state.enter()
    state.receive(opened("nurse", labels, labels))
    return state


def comparison(before: list[str], after: list[str]) -> LiveState:
    state = state_of("nurse", "nurse")
    state.toggle_compare()
    state.receive(Ready())
    assert state.waiting
    state.receive(compared("nurse", before, after))
    return state


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for _, text in line) for line in lines]


def everything(view: View, state: LiveState, width: int, height: int) -> list[str]:
    lines = [view.header(state, width), view.rule(width), *view.body(state, width, height)]
    return plain([*lines, *view.status(state, width), view.keys(state, width)])


# Hits


def test_a_list_of_hits() -> None:
    state = state_of("")
    state.type("nurse")
    first = replace(hit("nurse", 1), score=1.0, confidence=0.974, good_match=True)
    second = hit("care for patients", 2, "patient care", score=-0.25)
    state.receive(Found(SearchRequest("nurse", "all"), (first, replace(second, kind="skill")), 0.0042))
    view = View(UNICODE, ABOUT)
    assert everything(view, state, 80, 10) == [
        "esco-en · use-jobs · 100,483 labels                       [both] titles  skills ",
        "─" * 80,
        "        Score  Sure  Kind   Label                          Matched by           ",
        "›   1   1.000   97%  title  nurse                                               ",
        "    2  -0.250        skill  care for patients              patient care         ",
        "1 of 2, found in 4 ms",
        "Enter open  ^T compare  Tab kind  ^Y copy URI  ^S save  F1 help  ^C leave       ",
    ]


def test_no_good_match_is_told() -> None:
    state = state_of("")
    state.type("zzz")
    state.receive(Found(SearchRequest("zzz", "all"), (replace(hit("zoo"), good_match=False),), 0.0042))
    view = View(UNICODE, ABOUT)
    assert plain(view.status(state, 80)) == ["No good match: 1 of 1, found in 4 ms"]


def test_the_selected_row_is_marked_by_style_and_by_a_sign() -> None:
    state = state_of("nurse", "nurse", "midwife")
    state.move(1)
    _, *rows = View(UNICODE, ABOUT).body(state, 40, 10)
    assert [row[0][0] == "class:selected" for row in rows] == [False, True]
    assert [row.startswith("›") for row in plain(rows)] == [False, True]


def test_the_language_is_told_where_there_are_several() -> None:
    state = state_of("")
    state.type("x")
    both = (hit("nurse", 1), hit("Bäcker", 2, "Brotbäcker", language="de"))
    state.receive(Found(SearchRequest("x", "all"), both, 0.0))
    _, first, second = plain(View(UNICODE, ABOUT).body(state, 80, 10))
    assert "nurse (en)" in first
    assert "Brotbäcker (de)" in second


def test_only_what_is_on_the_screen_is_drawn() -> None:
    state = state_of("nurse", *(f"hit{number}" for number in range(30)))
    view = View(UNICODE, ABOUT)
    assert ["hit0" in plain(view.body(state, 80, 5))[1], len(view.body(state, 80, 5))] == [True, 5]
    state.move(10)
    rows = plain(view.body(state, 80, 5))
    assert [row.split()[-1] for row in rows] == ["by", *(f"hit{number}" for number in range(7, 11))]
    assert rows[-1].startswith("›")
    assert [row.split()[-1] for row in plain(view.body(state, 80, 2))] == ["hit9", "hit10"]  # no room for headings


def test_a_hint_stands_over_the_status() -> None:
    state = state_of("")
    state.type("2512")
    request = SearchRequest("2512", "all")
    state.receive(Found(request, (hit("nurse"),), 0.004, "This index knows no ISCO groups."))
    view = View(UNICODE, ABOUT)
    assert plain(view.status(state, 80)) == ["This index knows no ISCO groups.", "1 of 1, found in 4 ms"]
    state.say("Sent")
    assert plain(view.status(state, 80)) == ["Sent"]
    state.type("2513")
    assert plain(view.status(state, 80)) == ["searching…"]  # it was about another query


def test_while_a_newer_list_is_on_its_way_that_is_said() -> None:
    state = state_of("nurse", "nurse")
    state.type("nurses")
    assert plain(View(ASCII, ABOUT).status(state, 80)) == ["searching..."]


# The rest


def test_nothing_typed_yet_shows_the_last_queries_once_each() -> None:
    view = View(UNICODE, ABOUT, ["nurse", "baker", "nurse"])
    assert [line.rstrip() for line in plain(view.body(state_of(""), 80, 20))] == [
        "Type a job title or a skill: what is nearest to it appears while you type.",
        "",
        "Your last queries, which Ctrl-P brings back:",
        "  nurse",
        "  baker",
    ]


def test_the_help_names_all_keys_and_fits_a_screen_of_24_lines() -> None:
    state = state_of("")
    state.toggle_help()
    lines = plain(View(UNICODE, ABOUT).body(state, 80, 19))
    text = "\n".join(lines)
    keys = ("PgUp", "Enter", "Esc", "Tab", "Ctrl-T", "Ctrl-Y", "Ctrl-S", "Ctrl-O", "Ctrl-P", "F1", "Ctrl-C", "Ctrl-Z")
    assert [key for key in keys if key not in text] == []
    assert lines[-1].startswith("Ctrl-Z")  # the last one is still there


def test_the_help_scrolls_where_it_is_longer_than_the_screen() -> None:
    state = state_of("")
    state.toggle_help()
    view = View(UNICODE, ABOUT)
    state.move(2)
    assert plain(view.body(state, 80, 5)) == plain(view.body(state_help(), 80, 19))[2:7]
    state.move(100)
    assert plain(view.body(state, 80, 5))[-1].startswith("Ctrl-Z")
    state.move(-1)
    assert plain(view.body(state, 80, 5))[-1].startswith("Ctrl-C")


def state_help() -> LiveState:
    state = state_of("")
    state.toggle_help()
    return state


def test_an_opened_concept() -> None:
    state = concept("midwife")
    rows = [row.rstrip() for row in plain(View(UNICODE, ABOUT).body(state, 60, 30))]
    assert rows == [
        "› nurse  (occupation, en)",
        "  urn:nurse",
        "",
        "  ISCO-08",
        "  2 Professionals",
        "",
        "  Also called (1)",
        "  midwife",
        "",
        "  Related titles (1)",
        "   0.250  midwife",
    ]


def test_a_comparison_marks_what_moved() -> None:
    state = comparison(["a", "b", "c", "d"], ["b", "a", "c", "e"])
    view = View(ASCII, ABOUT)
    assert [row.rstrip() for row in plain(view.body(state, 50, 10))] == [
        "before: use             | after: tuned-1 (in use)",
        "  1     a               | > 1 +1  b",
        "> 2     b               |   2 -1  a",
        "  3     c               |   3 =   c",
        "  4 out d               |   4 new e",
    ]
    assert plain(view.status(state, 80)) == ["1 of 5, found in 8 ms: rank 2 before, rank 1 after"]
    state.move(4)
    assert plain(view.body(state, 50, 10))[4].startswith("> 4")
    assert "rank 4 before, not listed after" in plain(view.status(state, 80))[0]


def test_a_comparison_without_a_good_match_says_so() -> None:
    state = comparison(["a"], ["b"])
    assert isinstance(state.listed, Compared)
    one = state.listed.comparison
    weak = replace(one, tuned=tuple(replace(each, good_match=False) for each in one.tuned))
    state.listed = replace(state.listed, comparison=weak)
    assert plain(View(UNICODE, ABOUT).status(state, 80))[0].startswith("No good match: 1 of 2, ")


def test_a_long_comparison_scrolls_to_what_is_selected() -> None:
    names = [f"t{number}" for number in range(10)]
    state = comparison(names, names)
    state.move(9)
    rows = plain(View(UNICODE, ABOUT).body(state, 60, 4))
    assert [row.split()[-1] for row in rows[1:]] == ["t7", "t8", "t9"]


def test_what_is_prepared_is_told_until_a_message_comes() -> None:
    state = state_of("nurse", "nurse")
    state.toggle_compare()
    state.receive(Preparing("embedding labels 81%"))
    view = View(UNICODE, ABOUT)
    assert view.status(state, 80) == [[("class:heading", "Compare: embedding labels 81%… (^T stops it)")]]
    state.receive(Ready("the disk is full"))
    assert view.status(state, 80) == [[("class:failed", "the disk is full")]]


def test_a_long_error_is_wrapped_and_not_cut() -> None:
    state = state_of("nurse")
    message = "cannot write " + "/folder" * 30
    state.say(message, failed=True)
    lines = plain(View(UNICODE, ABOUT).status(state, 40))
    assert "".join(lines).replace(" ", "") == message.replace(" ", "")
    assert max(map(len, lines)) == 40


# Widths


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [5, 24, 60, 80, 200])
@pytest.mark.parametrize(
    "make",
    [
        lambda: state_of(""),
        lambda: state_of("nurse", *STRANGE),
        lambda: concept(*STRANGE),
        lambda: comparison(STRANGE, STRANGE[::-1]),
    ],
    ids=["welcome", "hits", "concept", "comparison"],
)
def test_no_line_is_wider_than_the_screen(make: Callable[[], LiveState], width: int, glyphs: Glyphs) -> None:
    state = make()
    view = View(glyphs, ABOUT, STRANGE)
    for height in (1, 19):
        body = view.body(state, width, height)
        assert len(body) <= height
        for text in everything(view, state, width, height):
            assert get_cwidth(text) <= width
            assert text.isascii() or glyphs.unicode
    if width >= 24:
        for _ in range(len(state.items)):
            state.move(1)
            widths = {get_cwidth(text) for text in plain(view.body(state, width, 19))}
            assert widths <= {width}


@pytest.mark.parametrize("width", [24, 40, 60, 80])
def test_how_to_leave_is_always_told(width: int) -> None:
    view = View(UNICODE, ABOUT)
    for state in (state_of(""), state_of("nurse", "nurse"), concept(), comparison(["a"], ["b"])):
        keys = plain([view.keys(state, width)])[0]
        assert keys.rstrip().endswith("F1 help  ^C leave")


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("nurse", "nurse "),
        ("nurses", "nurses"),
        ("nursery", "nurse…"),
        ("看護師", "看護師"),
        ("看護師達", "看護… "),  # the third would end in the ellipsis' cell
        ("e\u0301cole", "école "),
        ("a\tb", "a?b   "),
        ("\u202eab", "ab    "),
        ("", "      "),
    ],
)
def test_texts_fill_just_their_cells(text: str, fitted: str) -> None:
    assert fit(text, 6, UNICODE) == fitted
    assert get_cwidth(fitted) == 6


def test_letters_that_the_terminal_lacks_are_replaced() -> None:
    assert fit("Bäcker – 看護", 12, ASCII) == "Backer ? ?? "
    assert ASCII.same_length("ä\u0301é\t看\u202e") == "a?e???"


def test_words_are_kept_whole_where_they_fit() -> None:
    assert wrap("a nurse cares", 7, UNICODE) == ["a nurse", "cares"]
    assert wrap("a midwifery", 5, UNICODE) == ["a", "midwi", "fery"]
    assert wrap("", 5, UNICODE) == [""]


@pytest.mark.parametrize(
    ("variables", "encoding", "glyphs"),
    [
        ({"LANG": "en_GB.UTF-8"}, "utf-8", UNICODE),
        ({"LANG": "C.UTF-8"}, "utf-8", UNICODE),
        ({"LC_CTYPE": "C.UTF-8"}, "utf-8", ASCII),  # that is what Python sets where there is nothing
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", ASCII),
        ({"LANG": "C"}, "utf-8", ASCII),
        ({"LC_ALL": "POSIX", "LANG": "en_GB.UTF-8"}, "utf-8", ASCII),
        ({"LANG": "en_GB"}, "iso-8859-1", ASCII),
        ({}, "utf-8", ASCII),
    ],
)
def test_the_signs_suit_the_locale(variables: dict[str, str], encoding: str, glyphs: Glyphs) -> None:
    assert glyphs_for(variables, encoding) is glyphs


def test_comparing_without_a_query_says_what_to_do() -> None:
    state = state_of("")
    state.toggle_compare()
    state.receive(Ready())
    assert plain(View(UNICODE, ABOUT).status(state, 80)) == ["Type a query to compare it."]
    state.type("nurse")
    state.receive(compared("nurse", [], []))
    assert state.listed is not None
    assert state.listed.request == SearchRequest("nurse", "all", compared=True)
    assert plain(View(UNICODE, ABOUT).status(state, 80)) == ["nothing found"]
