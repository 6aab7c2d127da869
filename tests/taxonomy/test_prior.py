"""How likely occupations are to be meant: the shipped counts, what they do not know, and what they change."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brute_force import SOURCE, by_vector, engine_of, occupation

from jobsearch.errors import TaxonomyError
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.index import labels as labels_module
from jobsearch.lexical.fusion import PRIOR
from jobsearch.taxonomy import prior as prior_module
from jobsearch.taxonomy.library import BUILTIN, find_taxonomy
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.taxonomy.prior import log_priors

ESCO = "http://data.europa.eu/esco/occupation/"
SOFTWARE_DEVELOPER, LEXICOGRAPHER = f"{ESCO}f2b15a0e-e65a-438a-affb-29b9d50b77d1", "lexicographer"
VECTORS = {"query": [1.0, 0, 0], "one": [0.6, 0.8, 0], "two": [0.6, 0, 0.8], "three": [0.61, 0.1, 0.7]}
JOBS = Taxonomy.of(SOURCE, [occupation("1", "one"), occupation("2", "two"), occupation("3", "three")])


def test_the_counts_are_of_escos_occupations() -> None:
    occupations = [concept for concept in find_taxonomy(BUILTIN).concepts if concept.kind == "occupation"]
    found = log_priors(concept.uri for concept in occupations)
    assert found.dtype == np.float32
    assert np.count_nonzero(found) > 0.98 * len(occupations) > 2_900
    assert abs(float(found.mean())) < 0.02
    assert -1.5 < found.min() < -0.5
    assert 1.5 < found.max() < 3
    by_label = dict(zip((concept.preferred_label for concept in occupations), found.tolist(), strict=True))
    assert by_label["software developer"] > 1 > 0 > by_label[LEXICOGRAPHER]
    assert log_priors([SOFTWARE_DEVELOPER]).tolist() == [by_label["software developer"]]


def test_what_is_not_known_is_as_likely_as_the_mean() -> None:
    assert log_priors(["urn:acme:1", "http://data.europa.eu/esco/skill/x", ""]).tolist() == [0, 0, 0]
    assert log_priors([]).shape == (0,)


@pytest.fixture
def priors(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found = [0.0, 1.5, -1.0]
    monkeypatch.setattr(labels_module, "log_priors", lambda uris: np.array(found[: len(list(uris))], np.float32))
    return found


def test_the_likelier_of_two_that_are_as_near_comes_first(priors: list[float]) -> None:
    engine = engine_of(JOBS, by_vector(VECTORS))
    by_both = {hit.label: hit.score for hit in engine.search("query", 3, mode="both")}
    assert next(iter(by_both)) == "two"
    assert by_both["two"] - by_both["one"] == pytest.approx(1.5 * PRIOR)
    # By meaning alone and by words alone each label is as near as it is.
    assert [hit.label for hit in engine.search("query", 3, mode="meaning")] == ["three", "one", "two"]
    assert [hit.score for hit in engine.search("one", 1, mode="words")] == [1.0]
    assert engine.search("query", 3, mode="words") == []


def test_a_label_that_was_typed_comes_first_however_unlikely(priors: list[float]) -> None:
    engine = engine_of(JOBS, by_vector({**VECTORS, "three": [0.6, 0.8, 0]}))
    hits = engine.search("three", 3, mode="both")
    assert [(hits[0].label, hits[0].score), hits[1].score < 1] == [("three", 1.0), True]


@pytest.mark.parametrize("by_label", [False, True])
def test_evaluation_counts_them_as_searching_does(priors: list[float], by_label: bool) -> None:
    corpus, numbers = ("one", "two", "three"), np.arange(3)
    own = {"sibling_of": numbers} if by_label else {"concept_of": numbers}
    known = RetrievalSet(
        "set", ("query", "query"), corpus, (np.array([1]), np.array([0])), priors=np.array(priors, np.float32), **own
    )
    found = evaluate_retrieval(by_vector(VECTORS), known, mode="both")
    assert (found.ranks.tolist(), found.set_name) == ([1, 3], "set, by meaning and words, with priors")
    for mode, name in (("meaning", "set"), ("words", "set, by words")):
        assert evaluate_retrieval(by_vector(VECTORS), known, mode=mode).set_name == name  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="priors of 2 concepts, expected one for each"):
        RetrievalSet("set", ("x", "y"), corpus, known.relevant, priors=np.zeros(2, np.float32), **own)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(prior_module, "builtin_title_counts", lambda: tmp_path / "title_counts.csv.gz")
    prior_module._log_counts.cache_clear()
    yield tmp_path / "title_counts.csv.gz"
    prior_module._log_counts.cache_clear()


# Without the time of day, which would name the cases below otherwise in each of pytest's workers.
WHOLE, NO_ROWS, OTHER = (gzip.compress(text, mtime=0) for text in (b"uri,titles\nx,1\n", b"uri,titles\n", b"a\n1\n"))


@pytest.mark.parametrize("content", [None, b"", b"no gzip", WHOLE[:-9], NO_ROWS, OTHER])
def test_a_damaged_table_is_told(table: Path, content: bytes | None) -> None:
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(TaxonomyError, match=r"title_counts\.csv\.gz is no table of title counts \(.*; install"):
        log_priors(["x"])


def test_one_that_is_lifted_to_the_top_is_not_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However likely a concept is, what was typed stays the likelier one."""
    vectors = {"waiter": [1.0, 0, 0], "waiters": [0.999, 0.01, 0], "cook": [0, 1.0, 0]}
    jobs = Taxonomy.of(SOURCE, [occupation("a", "waiters"), occupation("b", "cook", "waiter")])
    monkeypatch.setattr(labels_module, "log_priors", lambda uris: np.array([9.0, 0.0], np.float32))
    first, second = engine_of(jobs, by_vector(vectors)).search("waiter", 2, mode="both")
    assert (first.label, first.matched_by, second.label) == ("cook", "exact", "waiters")
    assert second.score < first.score == 1
    assert first.confidence is not None
    assert second.confidence is not None
    assert first.confidence > 0.4
