"""Queries that are a URI or an ISCO code."""

from __future__ import annotations

import pytest
from brute_force import ESCO, SOURCE, engine_of, occupation, skill
from encoders import HashEncoder

from jobsearch.engine import JobSearch
from jobsearch.filters import Filter
from jobsearch.lexical.fusion import MODES, Mode
from jobsearch.named import Named, find_named, unknown_name
from jobsearch.taxonomy.model import Concept, Taxonomy

CONCEPTS = [
    occupation("ed3cf43d-c2c1", "plumber", "pipe fitter", isco="7126"),
    occupation("0000aaaa", "plumbing foreman", isco="7126"),
    occupation("0000bbbb", "drain technician", isco="7126"),
    occupation("0000cccc", "roofer", isco="7121"),
    occupation("0000dddd", "nurse", isco="2221"),
    skill("11112222-3333", "plumbing tools"),
    skill("44445555", "wound care"),
    Concept("urn:acme:title-17", "occupation", "rockstar plumber"),
]
PLUMBER = f"{ESCO}occupation/ed3cf43d-c2c1"


@pytest.fixture(scope="module")
def engine() -> JobSearch:
    return engine_of(Taxonomy.of(SOURCE, CONCEPTS), HashEncoder())


@pytest.mark.parametrize("query", [PLUMBER, "occupation/ed3cf43d", f"  {PLUMBER}\n", "occupation/ed3cf43d-c2c1"])
@pytest.mark.parametrize("mode", MODES)
def test_a_uri_is_the_concept_and_then_what_is_near_it(engine: JobSearch, query: str, mode: Mode) -> None:
    own, *near = engine.search(query, 4, "occupation", mode=mode)
    assert (own.uri, own.score, own.matched_by, own.confidence, own.good_match) == (PLUMBER, 1.0, "uri", 1.0, True)
    assert (own.label, own.matched_label, own.rank) == ("plumber", "plumber", 1)
    assert [hit.uri for hit in near] == [hit.uri for hit in engine.similar(PLUMBER, 3)]
    assert [hit.rank for hit in near] == [2, 3, 4]
    assert {(hit.matched_by, hit.confidence) for hit in near} == {("meaning", None)}


def test_a_short_uri_is_enough_everywhere(engine: JobSearch) -> None:
    assert engine.concept("occupation/ed3cf43d").uri == PLUMBER
    assert engine.similar("occupation/ed3cf43d", 2) == engine.similar(PLUMBER, 2)


def test_a_uri_of_ones_own(engine: JobSearch) -> None:
    assert engine.search("urn:acme:title-17", 1)[0].label == "rockstar plumber"
    assert engine.search("urn:acme:title-18", 1)[0].matched_by != "uri"  # a text like others


def test_a_uri_of_the_other_kind_gives_what_is_near_it(engine: JobSearch) -> None:
    hits = engine.search(PLUMBER, 2, "skill")
    assert [hit.uri for hit in hits] == [hit.uri for hit in engine.similar(PLUMBER, 2, "skill")]


def test_a_uri_of_esco_that_is_not_there_finds_nothing(engine: JobSearch) -> None:
    assert engine.search(f"{ESCO}occupation/none", 3) == []
    assert engine.search_many(["roofer", f"{ESCO}skill/none", "nurse"], 1)[1] == []


def test_filters_hold_for_a_uri(engine: JobSearch) -> None:
    assert PLUMBER not in [hit.uri for hit in engine.search(PLUMBER, 5, where=Filter(excluded={PLUMBER}))]
    assert [hit.uri for hit in engine.search(PLUMBER, 5, where=Filter(min_score=1))] == [PLUMBER]


@pytest.mark.parametrize(
    "query",
    ["7126", "C7126", "c7126", "ISCO 7126", "isco-08 7126", "ISCO-08: 7126", "ISCO08 C7126", f"{ESCO}isco/C7126"],
)
@pytest.mark.parametrize("mode", MODES)
def test_an_isco_code_is_its_occupations(engine: JobSearch, query: str, mode: Mode) -> None:
    hits = engine.search(query, 5, mode=mode)
    assert {hit.label for hit in hits} == {"plumber", "plumbing foreman", "drain technician"}
    assert {(hit.matched_by, hit.confidence, hit.good_match) for hit in hits} == {("isco", None, None)}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(engine.search(query, 2, mode=mode)) == 2


def test_a_wider_group_holds_more(engine: JobSearch) -> None:
    assert {hit.label for hit in engine.search("71", 8)} >= {"plumber", "roofer"}
    assert "nurse" not in {hit.label for hit in engine.search("ISCO 7", 8)}
    assert {hit.label for hit in engine.search("71", 8, where=Filter(isco="7121"))} == {"roofer"}
    assert engine.search("71", 2, "skill") == []


@pytest.mark.parametrize(
    "query", ["7", "C7", "9999", "71266", "7126 plumbers", "ISCO", "plumber 7126", "7126a", "Ref:1"]
)
def test_what_is_no_code_is_a_text(engine: JobSearch, query: str) -> None:
    assert find_named(engine.opened.labels, query) is None
    assert all(hit.matched_by not in ("isco", "uri") for hit in engine.search(query, 8))


def test_codes_are_texts_where_the_index_knows_no_groups() -> None:
    labels = engine_of(Taxonomy.of(SOURCE, [occupation("a", "baker")]), HashEncoder()).opened.labels
    assert find_named(labels, "7126") is None
    assert find_named(labels, f"{ESCO}occupation/a") == Named(concept=0)


def test_named_ones_among_others_keep_their_places(engine: JobSearch) -> None:
    queries = ["roofer", "2221", "nurse", PLUMBER, "wound care"]
    found = engine.search_many(queries, 1)
    assert [hits[0].label for hits in found] == ["roofer", "nurse", "nurse", "plumber", "wound care"]
    assert found == [engine.search(query, 1) for query in queries]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("9999", "this index has no occupations in the ISCO group 9999"),
        ("occupation/ffffffff", "this index has no concept occupation/ffffffff"),
        (f"{ESCO}occupation/none", f"this index has no concept {ESCO}occupation/none"),
        ("7126", None),
        (PLUMBER, None),
        ("plumber", None),
        ("occupation/therapist", None),
        ("http://example.com/x", None),
    ],
)
def test_why_a_name_finds_nothing(engine: JobSearch, query: str, says: str | None) -> None:
    assert unknown_name(engine.opened.labels, query) == says


def test_why_a_code_finds_nothing_where_there_are_no_groups() -> None:
    labels = engine_of(Taxonomy.of(SOURCE, [occupation("a", "baker")]), HashEncoder()).opened.labels
    assert (unknown_name(labels, "2512") or "").startswith("this index knows no ISCO groups; `jobsearch esco import`")
