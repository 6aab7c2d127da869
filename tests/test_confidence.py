"""Confidence: what it says of scores, that k and bounds do not change it, and what makes a good match."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from brute_force import SOURCE, engine_of, made_up, occupation, skill
from encoders import HashEncoder

from jobsearch.confidence import CALIBRATIONS, GOOD, SHARING, confidences
from jobsearch.engine import JobSearch
from jobsearch.filters import Filter
from jobsearch.hits import any_good_match
from jobsearch.lexical.fusion import MODES, Mode
from jobsearch.taxonomy.model import Taxonomy

QUERIES = ("sales manager", "night nurses", "sofware enginere", "x")
OCCUPATION, SKILL = 0, 1


@pytest.fixture(scope="module")
def engine() -> JobSearch:
    return engine_of(made_up(), HashEncoder())


@pytest.mark.parametrize("mode", MODES)
def test_the_formula(mode: Mode) -> None:
    scores = np.array([0.5, 0.9, 0.6, 0.55])
    by = CALIBRATIONS[mode]
    weights = np.exp(by.sharpness * scores)
    expected = weights / weights.sum() / (1 + np.exp(-by.offset - by.slope * 0.9))
    assert by.confidences(scores) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_only_the_best_ten_share(mode: Mode) -> None:
    by = CALIBRATIONS[mode]
    many = np.concatenate([np.linspace(0.9, 0.8, SHARING), np.full(1000, 0.7)])
    assert by.confidences(many)[:SHARING] == pytest.approx(by.confidences(many[:SHARING]), rel=1e-9)
    assert by.confidences(many)[:SHARING].sum() == pytest.approx(1 / (1 + np.exp(-by.offset - by.slope * 0.9)))
    assert len(by.confidences(np.empty(0))) == 0


def test_kinds_do_not_share() -> None:
    scores, kinds = np.array([0.9, 0.9, 0.5]), np.array([OCCUPATION, SKILL, SKILL], np.uint8)
    both, alone = confidences(scores, kinds, "both"), confidences(scores[:1], kinds[:1], "both")
    assert both[0] == alone[0] > both[1] > both[2] > 0


def test_a_kind_of_few_candidates_is_less_sure_where_there_are_others() -> None:
    scores, kinds = np.array([0.9, 0.8, 0.7, 0.6]), np.array([OCCUPATION, SKILL, SKILL, SKILL], np.uint8)
    all_there = confidences(scores, kinds, "both")
    filled = confidences(np.append(scores, np.full(SHARING - 1, 0.55)), np.append(kinds, [OCCUPATION] * 9), "both")
    assert confidences(scores, kinds, "both", unseen=0.55)[0] == pytest.approx(filled[0], rel=1e-9)
    assert filled[0] < all_there[0]
    # No unseen one is better than the last that was seen.
    assert confidences(scores, kinds, "both", unseen=0.95)[0] == pytest.approx(all_there[0] / SHARING, rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_skills_all_around_do_not_make_the_one_occupation_among_them_surer(mode: Mode) -> None:
    """The occupations that are not among the candidates of both kinds count all the same."""
    jobs = [occupation(f"o{number}", f"lamp lighter {number}") for number in range(30)]
    skills = [skill(f"s{number}", f"lamp lighting {number}") for number in range(400)]
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("near", "lamp lighting"), *jobs, *skills]), HashEncoder())
    (among_all,) = [hit.confidence for hit in engine.search("lamp lightin", 5, mode=mode) if hit.kind == "occupation"]
    alone = engine.search("lamp lightin", 1, "occupation", mode=mode)[0].confidence
    assert 0 < among_all <= alone * 1.05  # type: ignore[operator]


@pytest.mark.parametrize("mode", MODES)
def test_a_good_match_is_a_score_that_makes_one_likely(mode: Mode) -> None:
    by = CALIBRATIONS[mode]
    assert by.confidences(np.array([by.good_score])) == pytest.approx([GOOD])
    assert by.confidences(np.array([by.good_score - 0.01]))[0] < GOOD


@pytest.mark.parametrize("mode", MODES)
def test_hits_are_surer_the_better_they_are(engine: JobSearch, mode: Mode) -> None:
    for hits in engine.search_many(QUERIES, 12, "occupation", mode=mode):
        sure = [hit.confidence for hit in hits]
        assert all(one is not None and 0 <= one <= 1 for one in sure)
        assert all(better >= worse - 1e-6 for better, worse in pairwise(sure))  # type: ignore[operator]
        assert sum(sure[:SHARING]) <= 1  # type: ignore[arg-type]
        good = CALIBRATIONS[mode].good_score
        assert [hit.good_match for hit in hits] == [hit.score >= good for hit in hits]


@pytest.mark.parametrize("kind", ["occupation", "all"])
@pytest.mark.parametrize("mode", MODES)
def test_neither_k_nor_a_least_score_changes_it(engine: JobSearch, mode: Mode, kind: str) -> None:
    """It is about the candidates that there are, not about how many of them are asked for."""
    for query in QUERIES:
        ten = engine.search(query, 10, kind, mode=mode)  # type: ignore[arg-type]
        if not ten and mode == "words":  # it shares no letters with any label
            continue
        for hits in (
            engine.search(query, 1, kind, mode=mode),  # type: ignore[arg-type]
            engine.search(query, 10, kind, Filter(min_score=ten[0].score), mode),  # type: ignore[arg-type]
        ):
            assert [hit.confidence for hit in hits[:1]] == pytest.approx([ten[0].confidence], abs=1e-9)


def test_a_filter_leaves_it_to_what_is_left(engine: JobSearch) -> None:
    first, second = engine.search("sales manager", 2, "occupation")
    alone = engine.search("sales manager", 1, "occupation", Filter(allowed={second.uri}))[0]
    assert alone.confidence > second.confidence  # type: ignore[operator]
    assert first.uri != alone.uri


def test_what_is_near_a_concept_has_none(engine: JobSearch) -> None:
    near = engine.similar(engine.search("sales manager", 1)[0].uri, 3)
    assert [(hit.confidence, hit.good_match) for hit in near] == [(None, None)] * 3


def test_a_good_match_among_others_is_enough(engine: JobSearch) -> None:
    good, *others = engine.search("sales manager", 90)
    bad = [hit for hit in others if not hit.good_match]
    assert good.good_match
    assert bad
    assert any_good_match([*bad, good])
    assert not any_good_match(bad)
    assert not any_good_match([])
    assert any_good_match(engine.similar(good.uri, 1))


@pytest.mark.parametrize("mode", MODES)
def test_the_preferred_label_of_one_concept_outdoes_the_alternative_of_another(mode: Mode) -> None:
    concepts = [occupation("a", "plumber"), occupation("b", "pipe welder", "plumber"), occupation("c", "baker")]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    hits = engine.search("plumber", 3, mode=mode)
    assert [hit.score for hit in hits[:2]] == pytest.approx([1, 1])
    assert hits[0].label == "plumber"
    assert hits[0].confidence > 5 * hits[1].confidence > 5 * hits[2].confidence  # type: ignore[operator]
    assert hits[0].confidence > 0.6  # type: ignore[operator]
    # Two of which it is an alternative label share.
    both = [occupation("a", "fitter", "plumber"), occupation("b", "pipe welder", "plumber"), concepts[2]]
    hits = engine_of(Taxonomy.of(SOURCE, both), HashEncoder()).search("plumber", 3, mode=mode)
    assert hits[0].confidence == pytest.approx(hits[1].confidence)
    assert hits[0].confidence < 0.5  # type: ignore[operator]


def test_the_threshold_that_match_is_documented_with() -> None:
    documented = f"--min-score {CALIBRATIONS['meaning'].good_score:.2f}"
    root = Path(__file__).parents[1]
    for file in ("docs/backend.md", "jobsearch/cli/match.py"):
        assert documented in (root / file).read_text(encoding="utf-8"), file
