"""How near concepts stand: grades by hand, the overlap of skills against a count by hand, neighbours of real data."""

from __future__ import annotations

import math

import pytest
from pair_taxonomies import ESCO, builtin, bundle, made_up, occupation, skill

from jobsearch.taxonomy.model import Broader, Concept, Relation, Source, Taxonomy
from jobsearch.tuning.related import (
    CLOSE,
    FAR,
    NEAR,
    OTHER_NAME,
    SAME_FIELD,
    UNRELATED,
    Relatedness,
    angular_similarity,
)


def taxonomy(isco: dict[str, str], relations: tuple[Relation, ...] = (), broader: tuple[Broader, ...] = ()) -> Taxonomy:
    occupations = [Concept(uri, "occupation", uri, isco_group=group or None) for uri, group in isco.items()]
    skills = [Concept(f"s{number}", "skill", f"doing {number}") for number in range(10)]
    return Taxonomy.of(Source("t", "1", "here"), [*occupations, *skills], relations=relations, broader=broader)


def needs(uri: str, *skills: int) -> tuple[Relation, ...]:
    return tuple(Relation(uri, f"s{number}", "essential") for number in skills)


@pytest.mark.parametrize(
    ("cosine", "similarity"),
    [(1, 1), (0, 0.5), (-1, 0), (0.5, 2 / 3), (math.sqrt(0.5), 0.75), (0.7, 0.746816688893365)],
)
def test_angular_similarity(cosine: float, similarity: float) -> None:
    # arccos is 0, pi/2, pi, pi/3 and pi/4; the last is the number in the tutorial's file.
    assert angular_similarity(cosine) == pytest.approx(similarity, abs=1e-15)


@pytest.mark.parametrize(
    ("other", "grade"), [("2511", CLOSE), ("2512", NEAR), ("2521", SAME_FIELD), ("2611", FAR), ("3511", UNRELATED)]
)
def test_isco_distance(other: str, grade: float) -> None:
    related = Relatedness(taxonomy({"a": "2511", "b": other}))
    assert related.grade("a", "b") == related.grade("b", "a") == grade
    assert related.related("a", "b") == (grade == CLOSE)
    # Unrelated texts are at least in two minor groups.
    assert related.unrelated("a", "x", "b", "y") == (grade not in (CLOSE, NEAR))


@pytest.mark.parametrize("unknown", ["", "25", "C2511"])
def test_an_isco_group_that_is_unknown_says_nothing(unknown: str) -> None:
    related = Relatedness(taxonomy({"a": unknown, "b": unknown, "c": "2511"}))
    assert related.grade("a", "b") == related.grade("a", "c") == UNRELATED
    assert not related.related("a", "b")


def test_the_order_of_grades() -> None:
    assert OTHER_NAME > CLOSE > NEAR > SAME_FIELD > FAR > UNRELATED


@pytest.mark.parametrize(
    ("theirs", "overlap", "grade"),
    [
        ((5, 6, 7, 8, 9), 0, UNRELATED),
        ((4, 5, 6, 7, 8, 9), 1 / 10, SAME_FIELD),  # 1 of 5 + 6 - 1
        ((3, 4, 5, 6), 2 / 7, CLOSE),
        ((0, 1, 2, 3, 4), 1, CLOSE),
        ((), 0, UNRELATED),
    ],
)
def test_overlap_of_skills(theirs: tuple[int, ...], overlap: float, grade: float) -> None:
    of = taxonomy({"a": "1111", "b": "9999"}, relations=needs("a", 0, 1, 2, 3, 4) + needs("b", *theirs))
    related = Relatedness(of)
    assert related.overlap("a", "b") == pytest.approx(overlap)
    assert related.grade("a", "b") == grade
    assert related.related("a", "b") == (overlap >= 0.1)
    assert related.overlapping == ([("a", "b", pytest.approx(overlap))] if overlap else [])
    assert related.neighbours == ([("a", "b")] if overlap == 1 else [])


def test_few_skills_make_no_neighbours() -> None:
    related = Relatedness(taxonomy({"a": "1111", "b": "9999"}, relations=needs("a", 0, 1) + needs("b", 0, 1)))
    assert related.neighbours == []
    assert related.related("a", "b")


@pytest.mark.slow
def test_overlaps_of_the_built_in_data_against_pairwise_ones() -> None:
    related = Relatedness(builtin())
    known = sorted({relation.occupation_uri for relation in builtin().relations_within})
    expected = [
        (a, b, related.overlap(a, b))
        for place, a in enumerate(known)
        for b in known[place + 1 :]
        if related.overlap(a, b) >= 0.05
    ]
    assert related.overlapping == expected
    assert len(expected) == 673


def test_relations_and_hierarchy() -> None:
    related = Relatedness(made_up())
    assert related.grade(occupation(1), skill(0)) == related.grade(skill(0), occupation(1)) == NEAR  # essential
    assert related.grade(occupation(0), skill(0)) == SAME_FIELD  # optional
    assert related.grade(skill(0), skill(1)) == SAME_FIELD  # an optional relation between skills
    assert related.grade(skill(6), skill(7)) == related.grade(skill(7), skill(6)) == CLOSE  # directly above
    assert related.grade(skill(0), skill(3)) == SAME_FIELD  # below one small group
    assert related.grade(skill(2), skill(4)) == UNRELATED
    for a, b in ((occupation(1), skill(0)), (skill(0), skill(1)), (skill(6), skill(7)), (skill(0), skill(3))):
        assert related.related(a, b)
        assert related.related(b, a)
    assert not related.related(skill(2), skill(4))
    assert related.partners(occupation(0)) == {"optional": [skill(0)]}
    assert related.above(skill(6)) == [skill(7)]


def test_a_large_family_gives_no_grade_but_is_related() -> None:
    isco = {f"o{number:02}": "" for number in range(21)}
    related = Relatedness(taxonomy(isco, broader=tuple(Broader(uri, f"{ESCO}skill/S1") for uri in isco)))
    assert related.grade("o00", "o01") == UNRELATED
    assert related.related("o00", "o01")


def test_a_shared_label_relates() -> None:
    related = Relatedness(made_up())
    assert related.share_a_label(occupation(0), occupation(12))
    assert related.related(occupation(0), occupation(12))
    assert not related.share_a_label(occupation(0), occupation(13))


def test_words_that_tell_something() -> None:
    related = Relatedness(made_up())
    a, b = occupation(0), occupation(13)  # data manager, cabinet operator
    assert related.unrelated(a, "data manager", b, "cabinet operator")
    assert not related.unrelated(a, "leader of cabinets", b, "cabinet operator")  # the same first letters
    assert not related.unrelated(a, "leader of cabinets", b, "wardrobe hand")  # it is in the preferred label
    assert related.unrelated(a, "the art", b, "the wardrobe")  # short words are no words
    assert related.unrelated(a, "manager", b, "manager")  # ten of thirty have it: it tells nothing


def test_neighbours_of_official_occupations() -> None:
    of = bundle("esco-1.2-en")
    related = Relatedness(of)
    label = {concept.uri: concept.preferred_label for concept in of.concepts}
    unit = {concept.uri: concept.isco_group for concept in of.concepts}
    names = {frozenset((label[a], label[b])) for a, b in related.neighbours}
    assert related.neighbours == sorted(set(related.neighbours))
    assert all(unit[a] == unit[b] for a, b in related.neighbours)  # no skills of occupations in this bundle
    assert all(a < b or (b, a) not in related.neighbours[:200] for a, b in related.neighbours[:200])
    for pair in (
        ("data scientist", "data analyst"),
        ("hairdresser", "hair stylist"),
        ("halal slaughterer", "kosher slaughterer"),
    ):
        assert frozenset(pair) in names
    # In one unit group, yet no neighbours: nothing but the group ties them.
    for pair in (("vermouth manufacturer", "meat cutter"), ("halal slaughterer", "butcher")):
        assert frozenset(pair) not in names
    assert 3_000 < len(names) < 5_000
