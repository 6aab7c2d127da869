"""Before and after tuning: moves and sums, by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from jobsearch.comparison import MOVEMENTS, Comparison, Move, compare, compare_hits, summarise
from jobsearch.hits import Hit


def hits(names: str, label: str = "") -> list[Hit]:
    """One hit a letter, in this order."""
    return [
        Hit(
            rank=rank,
            score=1 - rank / 100,
            uri=f"uri:{name}",
            kind="occupation",
            label=f"{label}{name}",
            matched_label=f"matched {name}",
            language="en",
            cosine=1 - rank / 50,
            words=0.5,
            matched_by="both",
        )
        for rank, name in enumerate(names, start=1)
    ]


def compared(query: str, base: str, tuned: str) -> Comparison:
    return compare_hits(query, hits(base), hits(tuned))


# --- one query ---------------------------------------------------------------------------------------------------


def test_moves() -> None:
    one = compare_hits("query", hits("abcde", "old "), hits("acfbd", "new "))
    # c rises from third to second, f is new, b falls from second to fourth, d from fourth to fifth, and e is gone.
    assert [(move.uri, move.base_rank, move.tuned_rank, move.movement) for move in one.moves] == [
        ("uri:a", 1, 1, "same"),
        ("uri:c", 3, 2, "up"),
        ("uri:f", None, 3, "entered"),
        ("uri:b", 2, 4, "down"),
        ("uri:d", 4, 5, "down"),
        ("uri:e", 5, None, "dropped"),
    ]
    assert [move.label for move in one.moves] == ["new a", "new c", "new f", "new b", "new d", "old e"]
    assert (one.query, one.base, one.tuned) == ("query", tuple(hits("abcde", "old ")), tuple(hits("acfbd", "new ")))
    assert one.overlap == 4 / 5


def test_dropped_ones_come_last_in_the_bases_order() -> None:
    assert [move.uri for move in compared("q", "xyza", "ab").moves] == ["uri:a", "uri:b", "uri:x", "uri:y", "uri:z"]


@pytest.mark.parametrize(
    ("base", "tuned", "overlap"),
    [("abcd", "dcba", 1), ("abcd", "abcd", 1), ("abcd", "efgh", 0), ("abcd", "aefg", 0.25), ("ab", "abcd", 1)],
)
def test_overlap(base: str, tuned: str, overlap: float) -> None:
    assert compared("q", base, tuned).overlap == overlap


def test_nothing_on_either_side_is_no_overlap() -> None:
    assert compared("q", "", "").overlap == 0
    assert compared("q", "", "").moves == ()


def test_a_move_as_plain_values() -> None:
    assert Move("u", "l", None, 3).to_dict() == {"uri": "u", "label": "l", "base_rank": None, "tuned_rank": 3}


# --- many queries ------------------------------------------------------------------------------------------------


def test_the_sum() -> None:
    summary = summarise([compared("one", "abc", "abd"), compared("two", "abc", "bac"), compared("three", "abc", "abc")])
    # one: a, b stay, d enters, c drops. two: b up, a down, c stays. three: all three stay.
    assert summary.movements == {"entered": 1, "dropped": 1, "up": 1, "down": 1, "same": 6}
    assert list(summary.movements) == list(MOVEMENTS)
    assert summary.overlap == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert (summary.queries, summary.k, summary.changed_first) == (3, 3, 1)
    assert (summary.expected, summary.found_base, summary.found_tuned, summary.won, summary.lost) == (0, 0, 0, (), ())


def test_won_and_lost_where_the_right_concept_is_known() -> None:
    given = {
        "up two": ("abc", "cab", "uri:c"),  # 3 to 1
        "up one": ("abc", "acb", "uri:c"),  # 3 to 2
        "entered first": ("abc", "xab", "uri:x"),  # beyond the third, counted as 4, to 1
        "entered last": ("abc", "abx", "uri:x"),  # 4 to 3
        "same": ("abc", "abd", "uri:a"),
        "nowhere": ("abc", "abc", "uri:z"),
        "dropped from first": ("abc", "bcd", "uri:a"),  # 1 to 4
        "dropped from last": ("abc", "abd", "uri:c"),  # 3 to 4
        "down two": ("abc", "bca", "uri:a"),  # 1 to 3
        "unknown": ("abc", "cba", None),
    }
    expected = {query: uri for query, (_, _, uri) in given.items() if uri}
    summary = summarise([compared(query, base, tuned) for query, (base, tuned, _) in given.items()], expected)
    assert summary.won == (
        ("entered first", None, 1),
        ("up two", 3, 1),
        ("up one", 3, 2),
        ("entered last", None, 3),
    )
    assert summary.lost == (
        ("dropped from first", 1, None),
        ("down two", 1, 3),
        ("dropped from last", 3, None),
    )
    assert summary.expected == 9
    assert summary.found_base == 6  # all but the two that entered and the one that is nowhere
    assert summary.found_tuned == 6  # all but the two that dropped and the one that is nowhere


def test_the_sum_as_plain_values() -> None:
    summary = summarise(
        [compared("one", "abc", "cab"), compared("two", "abc", "bcd")], {"one": "uri:c", "two": "uri:a"}
    )
    assert json.loads(json.dumps(summary.to_dict())) == {
        "queries": 2,
        "k": 3,
        "overlap@3": pytest.approx((1 + 2 / 3) / 2),
        "movements": {"entered": 1, "dropped": 1, "up": 3, "down": 2, "same": 0},
        "changed_first": 2,
        "expected": 2,
        "found_base": 2,
        "found_tuned": 1,
        "won": [{"query": "one", "base_rank": 3, "tuned_rank": 1}],
        "lost": [{"query": "two", "base_rank": 1, "tuned_rank": None}],
    }


def test_expectations_of_other_queries_do_not_count() -> None:
    assert summarise([compared("one", "abc", "abc")], {"two": "uri:a"}).expected == 0


# --- engines -----------------------------------------------------------------------------------------------------


class Engine:
    """Answers each query by its letters, sorted or turned round."""

    def __init__(self, turned: bool) -> None:
        self._turned = turned
        self.asked: list[Any] = []

    def search_many(self, queries: Sequence[str], k: int, kind: str) -> list[list[Hit]]:
        self.asked.append((list(queries), k, kind))
        return [hits("".join(sorted(query, reverse=self._turned))[:k]) for query in queries]


def test_both_engines_are_asked_the_same() -> None:
    base, tuned = Engine(False), Engine(True)
    found = compare(base, tuned, ["abc", "xy"], 2, "skill")  # type: ignore[arg-type]
    assert base.asked == tuned.asked == [(["abc", "xy"], 2, "skill")]
    assert [one.query for one in found] == ["abc", "xy"]
    assert [[hit.uri for hit in one.base] for one in found] == [["uri:a", "uri:b"], ["uri:x", "uri:y"]]
    assert [[hit.uri for hit in one.tuned] for one in found] == [["uri:c", "uri:b"], ["uri:y", "uri:x"]]
    assert compare(base, tuned, []) == []  # type: ignore[arg-type]
