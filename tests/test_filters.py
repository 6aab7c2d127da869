"""Filters: which rows they leave, hits under them against brute force by value, and what cannot be one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from brute_force import ESCO, SOURCE, BruteForce, engine_of, made_up, numbered, occupation, skill, unit_vectors
from encoders import HashEncoder
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobsearch.engine import JobSearch
from jobsearch.errors import QueryError
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.hits import KIND_FILTERS, KindFilter
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.types import EXACT_UP_TO
from jobsearch.taxonomy.model import Concept, Taxonomy


def keeps(where: Filter, kind: str) -> Callable[[Concept], bool]:
    """Say of a concept's record whether a filter leaves it, as the documentation has it."""

    def keep(record: Concept) -> bool:
        return (
            kind in ("all", record.kind)
            and (where.isco is None or (record.isco_group or "").startswith(where.isco))
            and (where.language is None or record.language == where.language)
            and (where.allowed is None or record.uri in where.allowed)
            and record.uri not in where.excluded
        )

    return keep


# --- what a filter is --------------------------------------------------------------------------------------------


def test_a_filter_without_conditions_is_everything() -> None:
    assert Filter() == EVERYTHING
    assert (EVERYTHING.isco, EVERYTHING.language, EVERYTHING.allowed, EVERYTHING.excluded, EVERYTHING.min_score) == (
        None,
        None,
        None,
        frozenset(),
        None,
    )


def test_filters_with_equal_conditions_are_one_and_the_same_key() -> None:
    first = Filter("25", "en", ["urn:b", "urn:a", "urn:b"], {"urn:c"}, 0.5)
    second = Filter("25", "en", {"urn:a", "urn:b"}, ("urn:c",), 0.5)
    assert first == second
    assert {first: "remembered"}[second] == "remembered"
    others = [
        Filter(isco="25"),
        Filter(language="25"),
        Filter(allowed=["25"]),
        Filter(allowed=[]),
        Filter(excluded=["25"]),
        Filter(min_score=0.5),
    ]
    assert len({EVERYTHING, *others}) == 7


def test_a_filter_cannot_be_changed() -> None:
    where = Filter(isco="25")
    with pytest.raises(dataclasses.FrozenInstanceError):
        where.isco = "26"  # type: ignore[misc]
    assert isinstance(Filter(allowed=[], excluded=[]).excluded, frozenset)


def test_what_the_caller_does_to_its_sets_later_does_not_matter(engine: JobSearch) -> None:
    best = [hit.uri for hit in engine.search("sales manager", 2)]
    allowed, excluded = {best[0], best[1]}, [best[0]]
    where = Filter(allowed=allowed, excluded=excluded)
    assert [hit.uri for hit in engine.search("sales manager", 2, where=where)] == best[1:]
    allowed.clear()
    excluded.append(best[1])
    assert [hit.uri for hit in engine.search("sales manager", 2, where=where)] == best[1:]
    assert hash(where) == hash(Filter(allowed=best, excluded=best[:1]))


# --- rows --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return made_up()


@pytest.fixture(scope="module")
def engine(taxonomy: Taxonomy) -> JobSearch:
    return engine_of(taxonomy, HashEncoder(dim=64))


@pytest.fixture(scope="module")
def truth(taxonomy: Taxonomy) -> BruteForce:
    return BruteForce(taxonomy, HashEncoder(dim=64))


URIS = [f"{ESCO}occupation/{n:03d}" for n in range(180)] + [f"{ESCO}skill/{n:03d}" for n in range(180, 270)]
UNKNOWN = ["urn:unknown", "", f"{ESCO}occupation/180"]
some_uris = st.builds(
    lambda seed, count, more: {*np.random.default_rng(seed).choice(URIS, count, replace=False).tolist(), *more},
    st.integers(0, 999),
    st.sampled_from([0, 1, 3, 40, 200]),
    st.sets(st.sampled_from(UNKNOWN)),
)
filters = st.builds(
    Filter,
    isco=st.sampled_from([None, None, "2", "25", "251", "2512", "1", "7512", "3", "9999", "0"]),
    language=st.sampled_from([None, None, "en", "de"]),
    allowed=st.none() | some_uris,
    excluded=st.just(frozenset()) | some_uris,
    min_score=st.sampled_from([None, None, -1, 0, 0.3, 0.6, 0.9, 1]),
)


@given(filters, st.sampled_from([None, "occupation", "skill"]))
def test_the_rows_are_those_that_fulfil_all_conditions(engine: JobSearch, where: Filter, kind: Any) -> None:
    labels = engine.opened.labels
    rows = where.rows(labels, kind)
    keep = keeps(where, kind or "all")
    expected = [row for row, (record, _, _) in enumerate(made_up_rows()) if keep(record)]
    assert np.arange(len(labels))[rows.numbers()].tolist() == expected
    assert len(rows) == len(expected)


ROWS: list[tuple[Concept, str, bool]] = []


def made_up_rows() -> list[tuple[Concept, str, bool]]:
    ROWS.extend(() if ROWS else made_up().labels())
    return ROWS


def test_isco_is_a_prefix_of_the_code_and_not_a_part_of_it() -> None:
    codes = ["2512", "1251", "2521", "25", None]
    concepts = [occupation(str(n), f"title {n}", isco=code) for n, code in enumerate(codes)]
    table = LabelTable(pack_labels(Taxonomy.of(SOURCE, [*concepts, skill("s", "skill")])))
    found = {isco: np.arange(6)[Filter(isco=isco).rows(table, None).numbers()].tolist() for isco in ("2", "25", "251")}
    assert found == {"2": [0, 2, 3], "25": [0, 2, 3], "251": [0]}
    assert np.arange(6)[Filter(isco="2512").rows(table, None).numbers()].tolist() == [0]


def test_a_language_leaves_labels_and_with_them_concepts(engine: JobSearch) -> None:
    """Two thirds of the concepts have no German label; a concept in both is found by its German one."""
    hits = engine.search("sales manager", 270, where=Filter(language="de"))
    assert len(hits) == 90
    assert {hit.language for hit in hits} == {"de"}
    assert all(hit.matched_label.endswith("in") and hit.label.endswith("in") for hit in hits)


def test_without_conditions_a_kind_needs_no_mask(engine: JobSearch) -> None:
    """A plain search must not pay for filters."""
    assert EVERYTHING.rows(engine.opened.labels, "skill").mask is None


# --- hits --------------------------------------------------------------------------------------------------------

QUERIES = ["sales manager", "night nurse", "bäcker", "x"]


@settings(max_examples=150, deadline=None)
@given(filters, st.sampled_from(KIND_FILTERS), st.integers(1, 90), st.sampled_from(QUERIES))
def test_hits_under_any_filter_are_those_of_brute_force(
    engine: JobSearch, truth: BruteForce, where: Filter, kind: KindFilter, k: int, query: str
) -> None:
    best = truth.concepts(query, keeps(where, kind)).values()
    least = -2 if where.min_score is None else where.min_score
    assume(all(abs(score - least) > 1e-5 for score in best))
    left = sum(score >= least for score in best)
    hits = engine.search(query, k, kind, where)
    truth.check(hits, query, min(k, left), kind, keeps(where, kind))


def test_many_queries_share_a_filter(engine: JobSearch, truth: BruteForce) -> None:
    where = Filter(isco="25", excluded=URIS[:90])
    queries = [f"{query} {n}" for query in QUERIES for n in range(70)]
    assert len(queries) == 280  # more than one batch of 256
    for query, hits in zip(queries, engine.search_many(queries, 5, "occupation", where), strict=True):
        truth.check(hits, query, 5, "occupation", keeps(where, "occupation"))


@pytest.mark.parametrize(
    "where",
    [
        Filter(allowed=[]),
        Filter(allowed=["urn:unknown"]),
        Filter(excluded=URIS),
        Filter(isco="9"),
        Filter(allowed=URIS[:5], excluded=URIS[:5]),
        Filter(allowed=URIS[180:], isco="2"),
        Filter(min_score=0.999),
    ],
)
def test_a_filter_that_leaves_nothing_gives_no_hits(engine: JobSearch, where: Filter) -> None:
    assert engine.search("quite another thing", 3, where=where) == []
    assert engine.search_many(["quite another thing", "x"], 3, "occupation", where) == [[], []]


def test_a_score_that_is_the_lowest_allowed_is_allowed(engine: JobSearch) -> None:
    hits = engine.search("sales manager", 20)
    assert hits[9].score > hits[19].score
    assert engine.search("sales manager", 20, where=Filter(min_score=hits[9].score))[:10] == hits[:10]


def test_k_is_checked_against_the_index_not_against_what_the_filter_leaves(engine: JobSearch) -> None:
    """Else a request with a fixed k would fail as soon as a user narrows the filter."""
    where = Filter(allowed=URIS[:3])
    assert len(engine.search("x", 270, where=where)) == 3
    with pytest.raises(QueryError, match="expected a whole number from 1 to 270"):
        engine.search("x", 271, where=where)


def test_a_large_approximate_index_gives_k_hits_under_a_filter() -> None:
    """More than 8,192 labels, random vectors, the default type with its least exact setting."""
    occupations, skills = 6000, 3000
    assert occupations + skills > EXACT_UP_TO
    concepts = [
        Concept(f"urn:{n:05d}", "occupation" if n < occupations else "skill", str(n), isco_group=("25", "26")[n % 2])
        for n in range(occupations + skills)
    ]
    taxonomy = Taxonomy.of(SOURCE, concepts)
    encoder = numbered(unit_vectors(occupations + skills + 5, 32))
    engine, truth = engine_of(taxonomy, encoder, "pq", {"k_factor": 2}), BruteForce(taxonomy, encoder)
    queries = [str(occupations + skills + n) for n in range(5)]
    exact = 0
    for where, kind, left in [
        (Filter(), "all", 9000),
        (Filter(excluded=[f"urn:{n:05d}" for n in range(0, 9000, 20)]), "all", 8550),
        (Filter(isco="25"), "all", 4500),
        (Filter(allowed=[f"urn:{n:05d}" for n in range(0, 9000, 3)]), "skill", 1000),
        (Filter(isco="26", allowed=[f"urn:{n:05d}" for n in range(0, 9000, 900)]), "all", 0),
        (Filter(isco="25", allowed=[f"urn:{n:05d}" for n in range(0, 9000, 900)]), "all", 10),
    ]:
        for query, hits in zip(queries, engine.search_many(queries, 60, kind, where), strict=True):  # type: ignore[arg-type]
            assert len(hits) == min(60, left)
            truth.check_each(hits, query, keeps(where, kind))
            if left <= EXACT_UP_TO:
                truth.check(hits, query, min(60, left), kind, keeps(where, kind))
            else:
                best = sorted(truth.concepts(query, keeps(where, kind)).values(), reverse=True)
                exact += hits[-1].score == pytest.approx(best[59], abs=1e-6)
    assert exact < 10  # of 2 filters, 5 queries each: these were approximate


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isco", ["", "a", "25123", "2 ", "25\n", "²5", "٢٥", "C25", 25, ["25"], b"25"])
def test_what_is_no_isco_code_is_refused(isco: Any) -> None:
    with pytest.raises(QueryError) as raised:
        Filter(isco=isco)
    assert str(raised.value) == f"isco is {isco!r}, expected an ISCO-08 code of one to four digits, such as '251'"


@pytest.mark.parametrize("score", [-1.01, 1.01, 2, float("nan"), float("inf"), True, False, "0.5", [0.5]])
def test_what_is_no_cosine_is_refused(score: Any) -> None:
    with pytest.raises(QueryError) as raised:
        Filter(min_score=score)
    assert str(raised.value) == f"min_score is {score!r}, expected a score, a number from -1 to 1"


@pytest.mark.parametrize("score", [-1, 1, -1.0, 1.0, 0, np.float64(0.5)])
def test_every_cosine_may_be_the_lowest(score: float) -> None:
    assert Filter(min_score=score).least == pytest.approx(score, abs=2e-6)


@pytest.mark.parametrize("name", ["allowed", "excluded"])
@pytest.mark.parametrize(
    ("uris", "said"),
    [
        ("urn:a", "'urn:a', expected a collection of URIs"),
        (b"urn:a", "b'urn:a', expected a collection of URIs"),
        (5, "5, expected a collection of URIs"),
        (iter(["urn:a"]), "expected a collection of URIs"),
        (["urn:a", None], "holds None, expected URIs only"),
        ([b"urn:a"], "holds b'urn:a', expected URIs only"),
        ([["urn:a"]], "holds ['urn:a'], expected URIs only"),
        ({"urn:a": 1, 2: 2}, "holds 2, expected URIs only"),
    ],
)
def test_what_is_no_collection_of_uris_is_refused(name: str, uris: Any, said: str) -> None:
    with pytest.raises(QueryError, match=f"^{name} ") as raised:
        Filter(**{name: uris})
    assert said in str(raised.value)


@pytest.mark.parametrize("language", ["fr", "EN", "", "en-GB"])
def test_a_language_that_the_index_lacks_is_told_with_those_that_it_has(engine: JobSearch, language: str) -> None:
    with pytest.raises(QueryError) as raised:
        engine.search("x", where=Filter(language=language))
    assert str(raised.value) == f"language is {language!r}, expected one of this index: de, en"


@pytest.mark.parametrize("language", [5, ["en"], b"en", {"en"}])
def test_what_is_no_language_code_is_refused(language: Any) -> None:
    with pytest.raises(QueryError) as raised:
        Filter(language=language)
    assert str(raised.value) == f"language is {language!r}, expected a code of two letters, such as 'en'"


def test_an_index_without_isco_groups_says_so_instead_of_finding_nothing() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("a", "cook"), skill("b", "cook food")]), HashEncoder())
    with pytest.raises(QueryError, match="this index knows no ISCO groups; build it from the official ESCO bundle"):
        engine.search("cook", 1, where=Filter(isco="25"))


@pytest.mark.parametrize("name", ["allowed", "excluded"])
def test_a_short_uri_is_refused_where_it_would_do_nothing(name: str) -> None:
    with pytest.raises(QueryError) as raised:
        Filter(**{name: ["urn:acme:1", "occupation/ed3cf43d"]})
    assert str(raised.value) == (
        f"{name} holds 'occupation/ed3cf43d', a short URI, expected whole ones; take them from `Hit.uri`"
    )
