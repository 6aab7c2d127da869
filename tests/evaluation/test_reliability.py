"""Confidence measured: bins, errors, who is told "no good match", and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from brute_force import ESCO, SOURCE, engine_of, made_up, occupation
from encoders import HashEncoder

from jobsearch.engine import JobSearch
from jobsearch.errors import EvaluationError, QueryError
from jobsearch.evaluation.reliability import Asked, measure_reliability, read_asked, read_off_topic
from jobsearch.evaluation.reliability_plot import reliability_plot
from jobsearch.hits import any_good_match
from jobsearch.taxonomy.model import Taxonomy

TITLES = (*("sales manager", "night nurse", "crane operator", "software engineer", "water teacher") * 6,)
NONSENSE = ("zzqx vvkw", "0 0 0", "sales manager")


@pytest.fixture(scope="module")
def engine() -> JobSearch:
    return engine_of(made_up(), HashEncoder())


@pytest.fixture(scope="module")
def asked(engine: JobSearch) -> Asked:
    """The first hit is right for two of the five titles, the third for the others."""
    hits = engine.search_many(TITLES, 3, "occupation", mode="both")
    return Asked("t", TITLES, tuple(own[0 if place % 5 % 2 else 2].uri for place, own in enumerate(hits)), 4)


def test_the_figures_are_those_of_the_hits(engine: JobSearch, asked: Asked) -> None:
    measured = measure_reliability(engine, asked, NONSENSE)
    # In one batch as there: of hits that are equally sure the order could hang on the last digit.
    hits = engine.search_many([*TITLES, *NONSENSE], 10, "occupation", mode="both")[: len(TITLES)]
    sure = np.array([own[0].confidence for own in hits], float)
    right = np.array([own[0].uri == uri for own, uri in zip(hits, asked.uris, strict=True)])
    assert right.mean() == 0.4
    assert measured.brier == pytest.approx(((sure - right) ** 2).mean())
    assert sum(one.count for one in measured.bins) == measured.titles == 30
    order = np.argsort(sure, kind="stable").reshape(10, 3)
    assert [one.confidence for one in measured.bins] == pytest.approx(sure[order].mean(axis=1))
    assert [one.right for one in measured.bins] == pytest.approx(right[order].mean(axis=1))
    assert all(one.interval.low <= one.right <= one.interval.high for one in measured.bins)
    assert measured.error == pytest.approx(np.abs(sure[order].mean(axis=1) - right[order].mean(axis=1)).mean())
    assert 0 < measured.error_ten < measured.error  # most of ten hits are wrong, and say so
    good = [any_good_match(own) for own in hits]
    assert measured.no_match["titles"] == pytest.approx(1 - np.mean(good))
    said = [not any_good_match(own) for own in engine.search_many(NONSENSE, 10, "occupation", mode="both")]
    assert 0 < np.mean(said) < 1
    assert measured.no_match["off_topic"] == pytest.approx(np.mean(said))
    assert measured.found[True] == 1.0
    assert measured.unknown == 4


def test_what_was_not_asked_is_not_said(engine: JobSearch, asked: Asked) -> None:
    measured = measure_reliability(engine, asked)
    assert measured.no_match["off_topic"] is None
    assert measured.found == {True: 1.0, False: None}
    assert json.loads(json.dumps(measured.to_dict()))["recall@10"] == {"good_match": 1.0, "no_good_match": None}


def test_kind_and_mode_are_those_asked_for(engine: JobSearch, asked: Asked) -> None:
    assert measure_reliability(engine, asked, kind="skill").found[True] == 0
    figures = {mode: measure_reliability(engine, asked, mode=mode).brier for mode in ("meaning", "words", "both")}  # type: ignore[arg-type]
    assert len(set(figures.values())) == 3
    with pytest.raises(QueryError, match="expected one of meaning, words, both"):
        measure_reliability(engine, asked, mode="letters")  # type: ignore[arg-type]


def test_an_index_of_few_concepts_is_measured_all_the_same() -> None:
    few = engine_of(Taxonomy.of(SOURCE, [occupation("a", "baker"), occupation("b", "nurse")]), HashEncoder())
    asked = Asked("t", ("baker", "nurse") * 5, (f"{ESCO}occupation/a", f"{ESCO}occupation/b") * 5)
    assert measure_reliability(few, asked).found[True] == 1


def test_titles_of_unknown_concepts_are_left_out_and_counted(engine: JobSearch, tmp_path: Path) -> None:
    known = engine.search("sales manager", 1, "occupation")[0].uri
    rows = [*[f"title {n},{known}" for n in range(10)], f"lost,{ESCO}occupation/none", f" ,{known}"]
    (tmp_path / "own.csv").write_text("\n".join(["vacancyTitle,conceptUri", *rows]))
    asked = read_asked(tmp_path / "own.csv", engine)
    assert (asked.name, len(asked.titles), asked.unknown, set(asked.uris)) == ("own", 10, 2, {known})
    (tmp_path / "few.csv").write_text("\n".join(["vacancyTitle,conceptUri", *rows[1:]]))
    with pytest.raises(EvaluationError, match=r"few.csv: 9 of 11 titles belong to a concept of index 't', expected at"):
        read_asked(tmp_path / "few.csv", engine)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("title\nx\n", "has the columns title; expected a CSV file with the column text"),
        ("", "has the columns of an empty file"),
        ("text\n \n", "holds no text"),
        ('text\n"open\n', "row 2: unexpected end of data"),
    ],
)
def test_texts_off_the_topic_that_cannot_be_read(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "off.csv").write_text(content)
    with pytest.raises(EvaluationError, match=says):
        read_off_topic(tmp_path / "off.csv")


def test_texts_off_the_topic(tmp_path: Path) -> None:
    (tmp_path / "off.csv").write_text('group,text\na,"x, y"\nb,\nc,z\n')
    assert read_off_topic(tmp_path / "off.csv") == ("x, y", "z")


def test_the_picture_says_what_it_shows(engine: JobSearch, asked: Asked) -> None:
    measured = {mode: measure_reliability(engine, asked, mode=mode) for mode in ("meaning", "both")}  # type: ignore[arg-type]
    svg = reliability_plot(measured, "own titles in $t$ & u", "svg").decode()
    assert reliability_plot(measured, "t").startswith(b"\x89PNG")
    for text in (*[f"{mode}: error {one.error:.3f} (30 titles)" for mode, one in measured.items()], "$t$ &amp; u"):
        assert f"<!-- {text} -->" in svg or text in svg
