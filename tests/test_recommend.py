"""Recommendations: scores worked out by hand on a tiny taxonomy, filters, and what cannot be asked."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from brute_force import ESCO, SOURCE, by_vector, engine_of, made_up, occupation, skill
from encoders import HashEncoder

from jobsearch import recommend
from jobsearch.engine import JobSearch
from jobsearch.errors import QueryError
from jobsearch.filters import Filter
from jobsearch.hits import Recommendation
from jobsearch.taxonomy.model import Concept, Relation, Taxonomy


@pytest.fixture(autouse=True)
def constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worked examples are about the formula: these constants stay when others are chosen on data."""
    for name, value in {
        "_OCCUPATIONS": 10,
        "_OCCUPATION_TEMPERATURE": 0.3,
        "_SKILLS": 100,
        "_SKILL_TEMPERATURE": 0.4,
        "_OPTIONAL": 0.5,
        "_COMMON": 0.1,
        "_SKILL_SHARE": 0.5,
        "_TITLE_SHARE": 1.0,
        "_NEAR": 4,
    }.items():
        assert hasattr(recommend, name)
        monkeypatch.setattr(recommend, name, value)


def relation(occupation_name: str, skill_name: str, strength: str) -> Relation:
    return Relation(f"{ESCO}occupation/{occupation_name}", f"{ESCO}skill/{skill_name}", strength)  # type: ignore[arg-type]


def at(cosine: float) -> tuple[float, float]:
    """Return a unit vector with that cosine to the first axis."""
    return cosine, math.sqrt(1 - cosine**2)


def seen(recommended: list[Recommendation]) -> list[tuple[Any, ...]]:
    return [(r.uri.removeprefix(ESCO), r.source, r.via) for r in recommended]


# --- titles to skills --------------------------------------------------------------------------------------------

TITLES = by_vector(
    {
        "query": at(1.0),
        "first": at(1.0),
        "second": at(0.7),
        "essential skill": at(0.2),
        "shared skill": at(-0.3),
        "near skill": at(0.8),
        "also near": at(0.1),
        **{f"other {n}": at(0.5 - n / 100) for n in range(4)},
    }
)
# In the order of the table: a is nearest to the query.
TITLE_CONCEPTS = [
    occupation("a", "first", isco="2512"),
    occupation("b", "second", isco="2511"),
    skill("e", "essential skill"),
    skill("n", "near skill", "also near"),
    skill("s", "shared skill"),
]
TITLE_RELATIONS = [relation("a", "e", "essential"), relation("a", "s", "optional"), relation("b", "s", "essential")]


@pytest.fixture
def titles() -> JobSearch:
    return engine_of(Taxonomy.of(SOURCE, TITLE_CONCEPTS, relations=TITLE_RELATIONS), TITLES)


def test_skills_of_a_title_by_hand(titles: JobSearch) -> None:
    recommended = titles.recommend_skills("query", 3)
    # The occupations have cosines 1 and 0.7, so weights 1 and exp(-0.3/0.3) = 0.367879: shares 0.731059 and 0.268941.
    first, second = 1 / (1 + math.exp(-1)), math.exp(-1) / (1 + math.exp(-1))
    assert (first, second) == (pytest.approx(0.731059, abs=1e-6), pytest.approx(0.268941, abs=1e-6))
    assert seen(recommended) == [
        ("skill/e", "both", ("first",)),
        # 0.5 · 0.731059 by the first occupation, 0.268941 by the second.
        ("skill/s", "both", ("first", "second")),
        ("skill/n", "vector", ()),
    ]
    assert [r.score for r in recommended] == pytest.approx(
        [
            1 - (1 - first) * (1 - 0.5 * 0.2),  # 0.757953
            0.5 * first + second,  # 0.634471; its cosine is below 0 and counts nothing
            0.5 * 0.8,  # the best of its two labels
        ],
        abs=1e-6,
    )
    assert [r.rank for r in recommended] == [1, 2, 3]
    assert [(r.kind, r.label) for r in recommended] == [
        ("skill", "essential skill"),
        ("skill", "shared skill"),
        ("skill", "near skill"),
    ]


def test_a_skill_that_is_not_near_is_there_by_its_relation_with_the_same_score(titles: JobSearch) -> None:
    """With k of 1 the 4 nearest skills are looked at: the one near skill and three of the others."""
    concepts = [*TITLE_CONCEPTS, *(skill(f"z{n}", f"other {n}") for n in range(4))]
    crowded = engine_of(Taxonomy.of(SOURCE, concepts, relations=TITLE_RELATIONS), TITLES)
    (best,) = crowded.recommend_skills("query", 1)
    assert seen([best]) == [("skill/e", "relation", ("first",))]
    assert best.score == pytest.approx(titles.recommend_skills("query", 1)[0].score, abs=1e-6)


def test_without_occupations_skills_are_found_by_their_labels() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [c for c in TITLE_CONCEPTS if c.kind == "skill"]), TITLES)
    recommended = engine.recommend_skills("query", 3)
    assert seen(recommended) == [(f"skill/{name}", "vector", ()) for name in ("n", "e", "s")]
    assert [r.score for r in recommended] == pytest.approx([0.4, 0.1, 0.0], abs=1e-6)


def test_only_the_nearest_occupations_have_a_say(titles: JobSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "_OCCUPATIONS", 1)
    essential, shared, _ = titles.recommend_skills("query", 3)
    assert (essential.score, shared.score) == (pytest.approx(1.0, abs=1e-6), pytest.approx(0.5, abs=1e-6))
    assert shared.via == ("first",)


# --- skills to titles --------------------------------------------------------------------------------------------

SKILLS = by_vector(
    {
        "one": (1, 0, 0),
        "two": (0, 1, 0),
        "like one": (0.6, 0, 0.8),
        "asked": (1, 0, 0),
        "needs one": (0, 0, 1),
        "needs both": (0.5, 0.5, math.sqrt(0.5)),
        "needs another": (-1, 0, 0),
    }
)
SKILL_CONCEPTS = [
    occupation("a", "needs one"),
    occupation("b", "needs both"),
    occupation("c", "needs another"),
    skill("1", "one"),
    skill("2", "two"),
    skill("3", "like one"),
]
SKILL_RELATIONS = [
    relation("a", "1", "essential"),
    relation("b", "1", "optional"),
    relation("b", "2", "essential"),
    relation("c", "3", "essential"),
]
ONE, TWO = f"{ESCO}skill/1", f"{ESCO}skill/2"
# Cosines: of one and two 0, of one and "like one" 0.6, of two and "like one" 0. Weights of matches exp((cosine-1)/0.4).
FAR, LIKE = math.exp(-2.5), math.exp(-1)  # 0.082085, 0.367879
# Of 3 occupations with relations, 2 need the first skill and 1 the second: ln(4/3) + 0.1 and ln(4/2) + 0.1.
RARE_ONE, RARE_TWO = math.log(4 / 3) + 0.1, math.log(2) + 0.1  # 0.387682, 0.793147


@pytest.fixture
def skills() -> JobSearch:
    return engine_of(Taxonomy.of(SOURCE, SKILL_CONCEPTS, relations=SKILL_RELATIONS), SKILLS)


def test_titles_of_skills_by_hand(skills: JobSearch) -> None:
    one, two = RARE_ONE / (RARE_ONE + RARE_TWO), RARE_TWO / (RARE_ONE + RARE_TWO)
    assert (one, two) == (pytest.approx(0.328313, abs=1e-6), pytest.approx(0.671687, abs=1e-6))
    expected = {
        # By skill one itself, and a little by its likeness to skill two; the mean of both skills has cosine 0 to it.
        "occupation/a": (one + FAR * two, ("one",)),
        # Optional by one; essential by two. Its cosine to the mean, (1, 1, 0)/√2, is 1/√2.
        "occupation/b": (1 - (1 - (0.5 * one + two)) * (1 - math.sqrt(0.5)), ("two", "one")),
        # By the third skill, which is like the first; its own cosine is below 0.
        "occupation/c": (LIKE * one + FAR * two, ("like one",)),
    }
    for asked in ([ONE, TWO], ["one", "two"], [ONE, "two"], [TWO, ONE]):  # texts and URIs
        recommended = skills.recommend_titles(asked, 3)
        assert [r.uri.removeprefix(ESCO) for r in recommended] == ["occupation/b", "occupation/a", "occupation/c"]
        for r in recommended:
            score, via = expected[r.uri.removeprefix(ESCO)]
            assert r.score == pytest.approx(score, abs=1e-6)
            assert (r.via, r.source, r.kind) == (via, "both", "occupation")


def test_a_text_is_matched_with_the_skills_near_it(skills: JobSearch) -> None:
    """A text that no skill has as a label, but with the vector of one, is as good as that one."""
    by_text, by_uri = skills.recommend_titles(["asked"], 3), skills.recommend_titles([ONE], 3)
    assert seen(by_text) == seen(by_uri)
    assert [r.score for r in by_text] == pytest.approx([r.score for r in by_uri], abs=1e-6)


def test_a_uri_means_its_skill_where_others_bear_the_same_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "_SKILLS", 1)  # and the label alone would find the other one
    concepts = [occupation("a", "needs one"), occupation("b", "needs both"), skill("0", "one"), skill("1", "one")]
    relations = [relation("a", "0", "essential"), relation("b", "1", "essential")]
    engine = engine_of(Taxonomy.of(SOURCE, concepts, relations=relations), SKILLS)
    assert engine.recommend_titles(["one"], 1)[0].uri == f"{ESCO}occupation/a"
    by_uri = {r.uri.removeprefix(ESCO): r.source for r in engine.recommend_titles([ONE], 2)}
    assert by_uri["occupation/b"] == "both"


def test_a_skill_asked_for_twice_counts_as_two_equal_ones(skills: JobSearch) -> None:
    once, twice = skills.recommend_titles([ONE], 3), skills.recommend_titles([ONE, ONE], 3)
    assert seen(once) == seen(twice)
    assert [r.score for r in once] == pytest.approx([r.score for r in twice], abs=1e-6)


def test_without_relations_titles_are_found_by_their_labels() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, SKILL_CONCEPTS), SKILLS)
    recommended = engine.recommend_titles([ONE, TWO], 3)
    # A tie at 0 is in the order of the URIs.
    assert seen(recommended) == [(f"occupation/{name}", "vector", ()) for name in "bac"]
    assert [r.score for r in recommended] == pytest.approx([math.sqrt(0.5), 0, 0], abs=1e-6)


@pytest.mark.parametrize("uri", ["urn:somewhere:else", f"{ESCO}skill/none"])
def test_an_unknown_uri_is_no_text(uri: str) -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("a", "cook"), skill("1", "cook food")]), HashEncoder())
    with pytest.raises(QueryError, match=f"holds no skill '{uri}'"):
        engine.recommend_titles([uri], 1)


# --- filters -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> JobSearch:
    """A larger one, with relations at random."""
    taxonomy = made_up()
    random = np.random.default_rng(0)
    names = sorted({(concept.kind, concept.uri) for concept in taxonomy.concepts})
    occupations, skills = ([uri for kind, uri in names if kind == wanted] for wanted in ("occupation", "skill"))
    relations = [
        Relation(uri, needed, "essential" if random.random() < 0.5 else "optional")
        for uri in occupations
        for needed in random.choice(skills, 6, replace=False).tolist()
    ]
    return engine_of(Taxonomy.of(SOURCE, taxonomy.concepts, relations=relations), HashEncoder(dim=64))


def asked(engine: JobSearch, to: str, k: int, where: Filter | None = None) -> list[Recommendation]:
    if to == "skills":
        return engine.recommend_skills("night sales manager", k, where)
    return engine.recommend_titles(["night train driver", f"{ESCO}skill/200"], k, where)


@pytest.mark.parametrize(("to", "most"), [("skills", 90), ("titles", 180)])
def test_as_many_are_recommended_as_there_are(engine: JobSearch, to: str, most: int) -> None:
    everything = asked(engine, to, most)
    assert len(everything) == len({r.uri for r in everything}) == most
    scores = [r.score for r in everything]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert "relation" not in {r.source for r in everything}  # all are looked at, so all are near
    for k in (1, 5, 30):
        few = asked(engine, to, k)
        assert [(r.uri, r.rank, r.via) for r in few] == [(r.uri, r.rank, r.via) for r in everything[:k]]
        assert [r.score for r in few] == pytest.approx(scores[:k], abs=1e-6)


@pytest.mark.parametrize("to", ["skills", "titles"])
def test_a_lowest_score_only_cuts_off_the_end(engine: JobSearch, to: str) -> None:
    everything = asked(engine, to, 60)
    for place in (0, 9, 40):
        least = everything[place].score
        assert asked(engine, to, 60, Filter(min_score=least)) == [r for r in everything if r.score >= least]
    assert asked(engine, to, 60, Filter(min_score=1)) == []
    assert asked(engine, to, 60, Filter(min_score=-1)) == everything


@pytest.mark.parametrize("to", ["skills", "titles"])
def test_filters_by_uri_and_isco_leave_the_scores_as_they_are(engine: JobSearch, to: str) -> None:
    most = 90 if to == "skills" else 180
    everything = asked(engine, to, most)
    uris = [r.uri for r in everything]
    records = {concept.uri: concept for concept in made_up().concepts}
    filters = [
        (Filter(excluded=uris[:7]), set(uris[7:])),
        (Filter(allowed=uris[3::4]), set(uris[3::4])),
        (Filter(allowed=uris[-2:], excluded=uris[-1:]), {uris[-2]}),
        (Filter(allowed=[]), set()),
        (Filter(isco="251"), {uri for uri in uris if (records[uri].isco_group or "").startswith("251")}),
    ]
    for where, left in filters:
        assert to == "skills" or left or where.allowed == frozenset()
        expected = [r for r in everything if r.uri in left][:25]
        got = asked(engine, to, 25, where)
        assert [(r.uri, r.via) for r in got] == [(r.uri, r.via) for r in expected]
        assert [r.score for r in got] == pytest.approx([r.score for r in expected], abs=1e-6)
        assert [r.rank for r in got] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("to", ["skills", "titles"])
def test_a_language_leaves_concepts_with_labels_in_it_and_gives_those(engine: JobSearch, to: str) -> None:
    german = {concept.uri for concept in made_up().concepts if concept.language == "de"}
    got = asked(engine, to, 90, Filter(language="de"))
    assert len(got) == (30 if to == "skills" else 60)
    assert {r.uri for r in got} <= german
    assert all(r.label.endswith("in") for r in got)


def test_labels_are_english_where_no_language_is_asked_for() -> None:
    concepts = [
        occupation("a", "cook"),
        occupation("a", "Koch", language="de"),
        skill("b", "cook food"),
        skill("b", "Essen kochen", language="de"),
        skill("c", "nur Deutsch", language="de"),
    ]
    taxonomy = Taxonomy.of(SOURCE, concepts, relations=[relation("a", "b", "essential")])
    engine = engine_of(taxonomy, HashEncoder())
    labels = {r.uri.removeprefix(ESCO): (r.label, r.via) for r in engine.recommend_skills("Koch", 2)}
    assert labels == {"skill/b": ("cook food", ("cook",)), "skill/c": ("nur Deutsch", ())}
    (german, _) = engine.recommend_skills("cook", 2, Filter(language="de"))
    assert (german.label, german.via) == ("Essen kochen", ("Koch",))


# --- what is given and what is refused -----------------------------------------------------------------------------


def test_a_recommendation_is_plain_data(engine: JobSearch) -> None:
    for found in (asked(engine, "skills", 1)[0], asked(engine, "titles", 1)[0]):
        again = json.loads(json.dumps(found.to_dict()))
        assert list(again) == ["rank", "score", "uri", "kind", "label", "source", "via"]
        assert Recommendation(**{**again, "via": tuple(again["via"])}) == found
        hash(found)


@pytest.mark.parametrize("k", [0, 91, True, 2.0, "3"])
def test_k_is_from_one_to_the_number_of_skills(engine: JobSearch, k: Any) -> None:
    with pytest.raises(QueryError, match=r"expected a whole number from 1 to 90 \(the skills in index 't'\)"):
        engine.recommend_skills("cook", k)


@pytest.mark.parametrize("k", [0, 181, None])
def test_k_is_from_one_to_the_number_of_occupations(engine: JobSearch, k: Any) -> None:
    with pytest.raises(QueryError, match=r"expected a whole number from 1 to 180 \(the occupations in index 't'\)"):
        engine.recommend_titles(["cook"], k)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("", "query 1 is empty"),
        (" \u200b", "query 1 is empty"),
        (None, "query 1 is NoneType, expected a string"),
        (5, "query 1 is int, expected a string"),
    ],
)
def test_a_title_that_is_none_is_refused(engine: JobSearch, title: Any, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        engine.recommend_skills(title)


@pytest.mark.parametrize(
    ("skills", "said"),
    [
        ([], "skills is [], expected a list of at least one skill, as texts or URIs"),
        ((), "skills is (), expected a list of at least one skill, as texts or URIs"),
        ("SQL", "skills is 'SQL', expected a list of at least one skill, as texts or URIs"),
        (["SQL", ""], "query 2 is empty"),
        (["SQL", None], "query 2 is NoneType, expected a string"),
        ([["SQL"]], "query 1 is list, expected a string"),
        (
            ["SQL", f"{ESCO}occupation/003"],
            f"skills holds the occupation '{ESCO}occupation/003', expected skills, as texts or URIs",
        ),
    ],
)
def test_skills_that_are_none_are_refused(engine: JobSearch, skills: Any, said: str) -> None:
    with pytest.raises(QueryError) as raised:
        engine.recommend_titles(skills)
    assert said in str(raised.value)


def test_filters_that_cannot_be_are_refused(engine: JobSearch) -> None:
    for to in ("skills", "titles"):
        with pytest.raises(QueryError, match="language is 'fr', expected one of this index: de, en"):
            asked(engine, to, 5, Filter(language="fr"))


def test_one_concept_is_enough(skills: JobSearch) -> None:
    only: list[Concept] = [skill("1", "one")]
    engine = engine_of(Taxonomy.of(SOURCE, only), SKILLS)
    assert seen(engine.recommend_skills("asked", 1)) == [("skill/1", "vector", ())]
    with pytest.raises(QueryError, match="occupations"):
        engine.recommend_titles(["one"], 1)


def test_an_occupations_uri_means_that_occupation() -> None:
    concepts = [occupation("a", "plumber"), occupation("b", "plumbers"), skill("s", "weld"), skill("t", "braze")]
    relations = [relation("a", "s", "essential"), relation("b", "t", "essential")]
    engine = engine_of(Taxonomy.of(SOURCE, concepts, relations=relations), HashEncoder())
    for name, needed in (("a", "weld"), ("b", "braze")):
        assert engine.recommend_skills(concepts["ab".index(name)].uri, k=2)[0].label == needed
    with pytest.raises(QueryError, match=r"holds no occupation 'http://x/1'; take a URI from a hit"):
        engine.recommend_skills("http://x/1", k=1)
    with pytest.raises(QueryError, match=r"title is the skill '.*', expected an occupation, as text or URI"):
        engine.recommend_skills(concepts[2].uri, k=1)
