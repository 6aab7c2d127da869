"""Batches of titles: the hits of the engine's own search, duplicates encoded once, one version for all."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from brute_force import SOURCE, engine_of, made_up, occupation, version_of
from encoders import HashEncoder
from matching_files import Counted, expected, small_engine, titles

from jobsearch.engine import JobSearch
from jobsearch.errors import QueryError
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.hits import KindFilter
from jobsearch.index.versions import IndexDirectory
from jobsearch.matching.matcher import COLUMNS, Lines, Matcher
from jobsearch.searcher import Searcher
from jobsearch.taxonomy.model import Taxonomy

TITLES = [*titles(199), "zzz", *titles(20)]  # of which nothing is a good match


@pytest.fixture(scope="module")
def engine() -> JobSearch:
    return small_engine()


def as_rows(lines: Lines) -> list[dict[str, Any]]:
    values = zip(*lines.columns.values(), strict=True)
    return [
        {"position": position, **dict(zip(lines.columns, row, strict=True))}
        for position, row in zip(lines.positions, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("k", "kind", "where"),
    [
        (1, "occupation", EVERYTHING),
        (3, "all", EVERYTHING),
        (2, "skill", EVERYTHING),
        (4, "occupation", Filter(isco="25", min_score=0.55)),
        (1, "all", Filter(language="de")),
    ],
)
def test_hits_are_those_of_the_engine(engine: JobSearch, k: int, kind: KindFilter, where: Filter) -> None:
    matcher = Matcher(engine, k, kind, where)
    found = [row for start in (0, 100) for row in as_rows(matcher.match(TITLES[start : start + 100]).lines())]
    wanted = expected(engine, TITLES[:200], k, kind, where)
    for row in wanted[sum(row["position"] < 100 for row in wanted) :]:
        row["position"] -= 100
    if k == 1:
        for row in wanted:
            del row["match_rank"]
    numbers = ("match_score", "match_confidence")
    without = dict.fromkeys(numbers)
    assert [{**row, **without} for row in found] == [{**row, **without} for row in wanted]
    for got, true in zip(found, wanted, strict=True):
        for name in numbers:
            assert got[name] == (None if true[name] is None else pytest.approx(true[name], abs=1.01e-4)), name
    assert {row["match_good_match"] for row in found} == ({True, None} if where.min_score else {True, False, None})
    if where.min_score:
        assert any(row["match_rank"] is None for row in found)


def test_duplicates_are_encoded_once() -> None:
    counted = Counted()
    matcher = Matcher(small_engine(counted))
    for start in range(0, 200, 50):
        matcher.match(TITLES[start : start + 50])
    assert len(counted.texts) == len(set(counted.texts)) < 180
    assert set(counted.texts) == {" ".join(title.split()) for title in TITLES[:200]} - {"", "\u200b"}


def test_what_is_forgotten_is_encoded_again() -> None:
    counted = Counted()
    matcher = Matcher(small_engine(counted), remembered=2)
    for batch in (["baker", "clerk"], ["nurse", "baker"], ["clerk", "baker"]):
        matcher.match(batch)
    assert counted.texts == ["baker", "clerk", "nurse", "baker", "clerk"]


@pytest.mark.parametrize("empty", [None, "", " \t\u00a0\u200b", float("nan")])
def test_titles_that_are_empty_have_no_hit(engine: JobSearch, empty: Any) -> None:
    matches = Matcher(engine).match(["baker", empty, "clerk"])
    assert (matches.empty, matches.without_hit) == (1, 0)
    lines = matches.lines()
    assert lines.positions == [0, 1, 2]
    assert [values[1] for values in lines.columns.values()] == [None] * len(lines.columns)
    assert None not in (lines.columns["match_uri"][0], lines.columns["match_uri"][2])


def test_there_may_be_nothing_to_match(engine: JobSearch) -> None:
    for batch in ([], ["", None]):
        lines = Matcher(engine, 3).match(batch).lines()
        assert lines.positions == list(range(len(batch)))
        assert tuple(lines.columns) == COLUMNS


def test_columns_are_those_that_can_say_something(engine: JobSearch) -> None:
    assert Matcher(engine, k=2).columns == COLUMNS
    assert Matcher(engine).columns == COLUMNS[1:]
    without = engine_of(Taxonomy.of(SOURCE, [occupation("a", "baker"), occupation("b", "clerk")]), HashEncoder(64))
    assert Matcher(without, k=2).columns == tuple(name for name in COLUMNS if name != "match_isco_group")


@pytest.mark.parametrize("wrong", [7, b"baker", ["baker"]])
def test_what_is_no_title(engine: JobSearch, wrong: Any) -> None:
    with pytest.raises(QueryError, match=r"title 2 is .*, expected a string or None"):
        Matcher(engine).match(["baker", wrong])


def test_what_cannot_be_wanted(engine: JobSearch) -> None:
    with pytest.raises(QueryError, match="k is 0"):
        Matcher(engine, k=0)
    with pytest.raises(QueryError, match="kind is 'job'"):
        Matcher(engine, kind="job")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="language is 'fr'"):
        Matcher(engine, where=Filter(language="fr"))
    with pytest.raises(QueryError, match="4 titles at once; give at most 3"):
        Matcher(engine, remembered=3).match(["a"] * 4)


def test_answers_of_many_hits_take_no_more_room(engine: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobsearch.matching.matcher._MOST_HITS", 100)
    assert Matcher(engine).remembered == 100
    assert Matcher(engine, k=30).remembered == 3
    assert Matcher(engine, k=180).remembered == 1


def test_one_version_answers_whatever_the_engine_moves_to(engine: JobSearch) -> None:
    moved = JobSearch(IndexDirectory(Path("/nowhere/t")), engine.opened)
    matcher = Matcher(moved)
    before = matcher.match(TITLES[:50]).lines()
    moved._searcher = Searcher(version_of(made_up(seed=1), HashEncoder(64)))
    matcher.memory = type(matcher.memory)(1000, 1)
    assert matcher.match(TITLES[:50]).lines() == before


def test_a_version_goes_with_its_matcher() -> None:
    engine = small_engine()
    matcher = Matcher(engine)
    matcher.match(["baker"]).lines()
    gone = weakref.ref(engine.opened)
    gc.disable()
    try:
        del engine, matcher
        assert gone() is None
    finally:
        gc.enable()
