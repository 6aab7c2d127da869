"""Coded titles: what they make of scores, and that an index keeps them through rebuilds and edits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brute_force import ESCO, SOURCE, by_vector, engine_of, made_up, occupation, opening_hash_encoders, skill
from encoders import HashEncoder

from jobsearch.errors import IndexCorruptError, IndexingError
from jobsearch.hits import Hit
from jobsearch.index import fused
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.coded import CodedTitles
from jobsearch.index.edits import Edit
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.fusion import PRIOR
from jobsearch.taxonomy.model import Taxonomy

ONE, TWO, THREE = (f"{ESCO}occupation/{name}" for name in ("1", "2", "3"))
JOBS = Taxonomy.of(
    SOURCE, [occupation("1", "one"), occupation("2", "two"), occupation("3", "three"), skill("4", "four")]
)
VECTORS = {
    **{"query": [1.0, 0, 0], "one": [0.6, 0.8, 0], "two": [0.6, 0, 0.8]},
    **{"three": [0.3, 0.1, 0.9], "four": [0.6, 0.5, 0.6]},
}
TITLES = CodedTitles.of([TWO] * 30 + [THREE])


@pytest.fixture(autouse=True)
def _openable() -> Iterator[None]:
    with opening_hash_encoders():
        yield


@pytest.fixture
def directory(tmp_path: Path) -> IndexDirectory:
    return IndexDirectory(tmp_path / "jobs")


def coded(titles: CodedTitles | None, **options: bool) -> Options:
    return Options(titles=titles, **options)  # type: ignore[arg-type]


# --- the counts --------------------------------------------------------------------------------------------------


def test_priors_are_logarithms_of_the_counts_by_kind() -> None:
    found = TITLES.priors([ONE, TWO, THREE, "skill"], ["occupation", "occupation", "occupation", "skill"])
    logs = np.log([0.1, 30.1, 1.1])
    assert found.dtype == np.float32
    assert found[:3].tolist() == pytest.approx((1.5 * (logs - logs.mean())).tolist(), abs=1e-5)
    assert found[3] == 0  # of skills nothing is known
    assert CodedTitles({}).priors([ONE], ["occupation"]).tolist() == [0]
    assert TITLES.priors([], []).shape == (0,)


def test_counts() -> None:
    assert TITLES.counts == {TWO: 30, THREE: 1}
    assert TITLES.summary() == {"titles": 31, "concepts": 2}
    assert (TITLES.within([ONE, TWO]), TITLES.within([])) == (30, 0)


# --- what they do ------------------------------------------------------------------------------------------------


def test_what_was_meant_more_often_comes_first_of_what_is_as_near() -> None:
    plain, engine = (engine_of(JOBS, by_vector(VECTORS), coded=titles) for titles in (None, TITLES))
    before, after = ({hit.label: hit for hit in one.search("query", 4, mode="both")} for one in (plain, engine))
    assert before["one"].score == before["two"].score > before["three"].score
    priors = TITLES.priors([ONE, TWO, THREE], ["occupation"] * 3)
    for label, prior in zip(("one", "two", "three"), priors.tolist(), strict=True):
        assert after[label].score - before[label].score == pytest.approx(PRIOR * prior, abs=1e-6)
        assert after[label].good_match == before[label].good_match  # near or not: that is no matter of counts
    assert after["four"].score == before["four"].score
    assert sure(after["two"]) > sure(before["two"]) == sure(before["one"]) > sure(after["one"])
    assert sum(map(sure, after.values())) <= sum(map(sure, before.values())) + 1e-9


def sure(hit: Hit) -> float:
    assert hit.confidence is not None
    return hit.confidence


def test_one_side_alone_and_what_was_typed_are_as_they_were() -> None:
    plain, engine = (engine_of(JOBS, by_vector(VECTORS), coded=titles) for titles in (None, TITLES))
    for mode in ("meaning", "words"):
        for query in ("query", "one"):
            assert engine.search(query, 4, mode=mode) == plain.search(query, 4, mode=mode)  # type: ignore[arg-type]
    first, second = engine.search("one", 2, mode="both")
    assert (first.label, first.score, first.matched_by) == ("one", 1.0, "exact")
    assert second.score < 1


def test_far_candidates_are_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts may lift a concept whose labels are not among the nearest few."""
    taxonomy, query = made_up(), "sales manager"
    wanted = engine_of(taxonomy, HashEncoder()).search(query, 101, "occupation", mode="meaning")[-1].uri
    engine = engine_of(taxonomy, HashEncoder(), coded=CodedTitles.of([wanted] * 10**6))
    assert engine.search(query, 1, "occupation", mode="both")[0].uri == wanted
    monkeypatch.setattr(fused, "_CANDIDATES_CODED", fused._CANDIDATES)
    assert engine.search(query, 1, "occupation", mode="both")[0].uri != wanted


# --- kept with the index -----------------------------------------------------------------------------------------


def priors_of(directory: IndexDirectory) -> list[float]:
    return open_version(directory).labels.own_priors.tolist()


def test_later_builds_and_edits_keep_them_and_new_ones_replace_them(directory: IndexDirectory) -> None:
    taxonomy = made_up()
    mine = CodedTitles.of([f"{ESCO}occupation/001"] * 3)
    assert not any(priors_of_new(taxonomy, directory, None))
    first = priors_of_new(taxonomy, directory, mine)
    assert sum(prior > 0 for prior in first) == 1
    assert priors_of_new(taxonomy, directory, None) == first
    edit_index([Edit("add", f"{ESCO}occupation/002", "growth hacker")], directory)
    assert priors_of(directory) == first
    other = priors_of_new(taxonomy, directory, CodedTitles.of([f"{ESCO}occupation/005"]))
    assert other not in (first, [0.0] * len(other))
    assert CodedTitles.of_version(directory.version_path(directory.current())) is not None
    build_index(taxonomy, HashEncoder(), directory, options=coded(None, no_titles=True))
    assert not any(priors_of(directory))
    assert CodedTitles.of_version(directory.version_path(directory.current())) is None


def priors_of_new(taxonomy: Taxonomy, directory: IndexDirectory, titles: CodedTitles | None) -> list[float]:
    build_index(taxonomy, HashEncoder(), directory, options=coded(titles))
    return priors_of(directory)


def test_titles_that_mean_nothing_here(directory: IndexDirectory, caplog: pytest.LogCaptureFixture) -> None:
    taxonomy = made_up()
    with pytest.raises(
        IndexingError, match="none of the 2 coded titles means a concept of index 'jobs', such as 'urn:x'"
    ):
        build_index(taxonomy, HashEncoder(), directory, options=coded(CodedTitles.of(["urn:x", "urn:x"])))
    assert not directory.exists
    build_index(taxonomy, HashEncoder(), directory, options=coded(CodedTitles.of(["urn:x", f"{ESCO}occupation/001"])))
    assert "1 of 2 coded titles mean concepts that index 'jobs' does not hold" in caplog.text


def test_a_damaged_count_is_told(directory: IndexDirectory) -> None:
    build_index(made_up(), HashEncoder(), directory, options=coded(CodedTitles.of([f"{ESCO}occupation/001"])))
    (directory.version_path("0001") / "titles.json").write_text("{}")
    with pytest.raises(IndexCorruptError, match=r"titles\.json has 2 bytes"):
        open_version(directory)
