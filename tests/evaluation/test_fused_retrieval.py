"""Retrieval sets ranked by meaning and words: the scores that searching gives, and labels ranked by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import SOURCE, by_vector, engine_of, made_up
from encoders import HashEncoder

from jobsearch import hubness
from jobsearch.errors import EvaluationError
from jobsearch.evaluation import retrieval as retrieval_module
from jobsearch.evaluation.fused import FusedScores
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_melo
from jobsearch.index import fused
from jobsearch.lexical.fusion import MEAN, PREFERRED, WORDS, Mode
from jobsearch.lexical.words import Words
from jobsearch.taxonomy.about import sentences_about
from jobsearch.taxonomy.model import Concept, Taxonomy

ENCODER = HashEncoder(dim=128)
MODES: tuple[Mode, ...] = ("both", "words")
QUERIES = ("sales managers", "nigth nurse", "crane operator", "Software Data Engineer", "x", "+++")


def one_language(described: bool = False) -> Taxonomy:
    """Made-up occupations in English: a retrieval set knows no languages and no kinds."""
    whole = made_up(described=described, occupations=270, skills=0)
    return Taxonomy.of(whole.source, [concept for concept in whole.concepts if concept.language == "en"])


def cosines(queries: tuple[str, ...] | list[str], corpus: tuple[str, ...]) -> np.ndarray:
    return ENCODER.encode(list(queries)) @ ENCODER.encode(list(corpus)).T


def ones(count: int) -> tuple[np.ndarray, ...]:
    return tuple(np.array([number], np.int64) for number in range(count))


# --- the scores --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_scores_are_those_of_searching_the_same_labels(mode: Mode) -> None:
    taxonomy = one_language()
    rows = list(taxonomy.labels())
    engine = engine_of(taxonomy, ENCODER)
    labels = engine.opened.labels
    corpus = tuple(label for _, label, _ in rows)
    exact = corpus[40].upper()
    queries = [*QUERIES, exact]
    assert np.abs(labels.hubness).max() > 0.05  # there are enough labels for it
    crowd = labels.hubness if mode == "both" else None
    scores = FusedScores(corpus, labels.concept_of.astype(np.int64), True, mode, hubness=crowd)
    asked = scores.prepare(queries)
    assert asked[0] == "sales manager"
    got = scores.score(queries, cosines(asked, corpus))
    assert got.shape == (len(queries), 270)
    assert got[-1, labels.concept_of[40]] == 1
    for own, hits in zip(got, engine.search_many(queries, 270, mode=mode), strict=True):
        found = {hit.uri: hit.score for hit in hits}
        assert mode == "words" or len(found) == 270  # by words alone what shares no letters is not found
        assert own.tolist() == pytest.approx([found.get(uri, 0.0) for uri in labels.uris], abs=1e-5)


def test_labels_by_themselves_are_helped_by_their_siblings() -> None:
    """Siblings need not stand together, and the first of them speaks as the preferred one does."""
    corpus = ("night nurse", "baker", "nurse", "bread maker", "nurse at night", "welder")
    sibling_of = np.array([5, 2, 5, 2, 5, 9])
    query = "nurses"
    scores = FusedScores(corpus, sibling_of, False, "both")
    asked = scores.prepare([query])
    assert asked == ["nurse"]
    by_label = cosines(asked, corpus)
    (got,) = scores.score([query], by_label)
    like = (1 - WORDS) * by_label[0] + WORDS * Words(Words.build(corpus)).scores("nurse")
    for row, own in enumerate(like):
        same = [like[other] for other in range(len(corpus)) if sibling_of[other] == sibling_of[row]]
        expected = (1 - MEAN - PREFERRED) * own + MEAN * sum(same) / len(same) + PREFERRED * same[0]
        assert got[row] == pytest.approx(expected, abs=1e-5)
    # Without siblings each stands alone, and its score is its own likeness.
    (alone,) = FusedScores(corpus, None, False, "both").score([query], by_label)
    assert alone.tolist() == pytest.approx(np.minimum(like, 1 - 1e-6).tolist(), abs=1e-5)


@pytest.mark.parametrize("by_concept", [True, False])
def test_what_was_asked_is_1_and_nothing_else(by_concept: bool) -> None:
    corpus = ("cooks", "cook", "Cooks", "cook a", "cook b", "cook c", "cook d", "cook e", "cook f")
    scores = FusedScores(corpus, np.array([0, 0, 1, 2, 3, 4, 5, 6, 7]), by_concept, "both")
    asked = scores.prepare(["COOKS"])
    assert asked == ["COOK"]
    (got,) = scores.score(["COOKS"], cosines(asked, corpus))
    assert np.flatnonzero(got == 1).tolist() == ([0, 1] if by_concept else [0, 2])
    assert got.max() == 1


def test_what_concepts_are_about_counts_as_in_searching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_CANDIDATES", 10_000)
    taxonomy = one_language(described=True)
    engine = engine_of(taxonomy, ENCODER)
    labels = engine.opened.labels
    sentences = sentences_about(taxonomy)
    about = tuple(sentences.get(uri, "") for uri in labels.uris)
    assert 100 < len(sentences) < len(about) == 270
    queries = (*QUERIES[:4], "water")
    made = RetrievalSet("set", queries, tuple(labels.texts), ones(5), labels.concept_of.astype(np.int64), about=about)
    names: dict[Mode, str] = {"meaning": "set", "words": "set, by words", "both": "set, by meaning and words"}
    for mode, name in names.items():
        found, bare = (evaluate_retrieval(ENCODER, one, mode=mode) for one in (made, replace(made, about=())))
        told = mode != "words"
        assert (found.set_name, bare.set_name) == (f"{name}, with descriptions" if told else name, name)
        assert (bare.ranks.tolist() != found.ranks.tolist()) == told
        for query, rank in enumerate(found.ranks.tolist() if told else ()):
            hits = engine.search(queries[query], 270, mode=mode)
            scores = {hit.uri: hit.score for hit in hits}
            own = scores[labels.uris[query]]
            assert sum(score > own + 1e-5 for score in scores.values()) < rank
            assert rank <= sum(score > own - 1e-5 for score in scores.values())


@pytest.mark.parametrize("by_concept", [True, False])
def test_what_was_typed_comes_first_though_its_description_is_far(by_concept: bool) -> None:
    vectors = {
        "nurse": [1.0, 0, 0],
        "odd": [0, 1.0, 0],
        "carer": [1.0, 0.1, 0],
        "cook": [0, 0, 1.0],
        "NURSE": [1.0, 0, 0],
    }
    concepts = np.array([0, 1, 2])
    numbered = {"concept_of": concepts} if by_concept else {"sibling_of": concepts}
    made = RetrievalSet(
        "set",
        ("NURSE", "cook"),
        ("nurse", "carer", "cook"),
        (np.array([0]), np.array([2])),
        about=("odd", "", ""),
        **numbered,
    )
    assert evaluate_retrieval(by_vector(vectors), made, typed_first=True).ranks.tolist() == [1, 1]
    assert evaluate_retrieval(by_vector(vectors), made).ranks.tolist() == [2, 1]


def test_there_is_one_sentence_a_concept_or_none_at_all() -> None:
    for concept_of, about in ((np.array([0, 0]), ("a", "b")), (None, ("a",)), (np.array([0, 1]), ("a",))):
        with pytest.raises(ValueError, match="sentences about concepts, expected one for each"):
            RetrievalSet("set", ("x", "y"), ("x", "y"), (np.array([0]), np.array([0])), concept_of, about=about)


# --- whole sets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "name"), [("meaning", "set"), ("words", "set, by words"), ("both", "set, by meaning and words")]
)
def test_the_name_says_how_it_was_ranked(mode: Mode, name: str) -> None:
    made = RetrievalSet("set", ("nurse", "cook"), ("nurse", "cook", "chef"), ones(2), np.array([0, 1, 1]))
    result = evaluate_retrieval(ENCODER, made, mode=mode)
    assert result.set_name == name
    assert (result.n, result.labels, result.concepts, result.ranks.tolist()) == (2, 3, 2, [1, 1])
    assert evaluate_retrieval(ENCODER, made).set_name == "set"


def test_words_help_an_encoder_that_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(HashEncoder):
        def _embed(self, text: str) -> np.ndarray:
            return np.eye(1, self.dim)[0]

    taxonomy = one_language()
    labels = engine_of(taxonomy, Blind(4)).opened.labels
    corpus = tuple(labels.texts)
    kept = range(0, len(corpus), 37)
    made = RetrievalSet(
        "set",
        tuple(f"the {corpus[row]}s" for row in kept),
        corpus,
        tuple(np.array([labels.concept_of[row]], np.int64) for row in kept),
        labels.concept_of.astype(np.int64),
    )
    blind, both, words = (evaluate_retrieval(Blind(4), made, mode=mode) for mode in ("meaning", "both", "words"))
    assert blind.metrics["mrr"] < 0.1
    assert both.metrics["mrr"] > 0.7
    # Equal cosines everywhere change no order.
    assert words.ranks.tolist() == both.ranks.tolist()
    # However few scores are held at once.
    monkeypatch.setattr(retrieval_module, "_MOST_SCORES", 3 * len(corpus))
    again = evaluate_retrieval(Blind(4), made, mode="both")
    assert again.ranks.tolist() == both.ranks.tolist()


def test_siblings_change_the_order_of_labels() -> None:
    corpus = ("sales clerk x", "sales clerk y", "sales clerk", "sales clerks office", "welder")
    siblings = np.array([0, 1, 0, 2, 1])
    alone = RetrievalSet("set", ("sales clerk z", "welder"), corpus, (np.array([0]), np.array([4])))
    together = RetrievalSet("set", alone.queries, corpus, alone.relevant, sibling_of=siblings)
    # Alone the two are as near as each other; the sibling "sales clerk" helps, the sibling "welder" does not.
    first = evaluate_retrieval(ENCODER, alone, mode="words")
    second = evaluate_retrieval(ENCODER, together, mode="words")
    assert first.ranks[0] > second.ranks[0] == 2
    assert second.concepts == len(corpus)  # labels are ranked by themselves all the same
    by_meaning = [evaluate_retrieval(ENCODER, made).ranks.tolist() for made in (alone, together)]
    assert by_meaning[0] == by_meaning[1]


@pytest.mark.parametrize("mode", ["meaning", "both"])
def test_each_concept_counts_once_where_siblings_are_known(mode: Mode) -> None:
    # Three labels of one concept are nearer than the right one, and one of another is.
    corpus = ("night nurse", "night nurses", "night nurse ward", "night clerk", "nurse at night", "welder")
    siblings = np.array([7, 7, 7, 2, 4, 9])
    vectors = {text: [1.0, 0.1 * place] for place, text in enumerate(corpus)} | {"night nurse x": [1.0, 0.0]}
    alone = RetrievalSet("set", ("night nurse x", "welder"), corpus, (np.array([4]), np.array([5])))
    known = replace(alone, sibling_of=siblings)
    encoder = by_vector(vectors)
    assert "concept_mrr" not in evaluate_retrieval(encoder, alone, mode=mode).metrics
    found = evaluate_retrieval(encoder, known, mode=mode)
    ranks = found.ranks.tolist()
    assert ranks[0] > 3
    # The first concept's other two labels count no more.
    assert found.per_query["concept_mrr"].tolist() == pytest.approx([1 / (ranks[0] - 2), 1.0])
    assert found.to_dict()["metrics"]["concept_mrr"] == pytest.approx(found.per_query["concept_mrr"].mean())
    assert len(found.to_dict()["intervals"]["concept_mrr"]) == 2


def test_a_right_concept_has_several_right_labels() -> None:
    corpus = ("a", "b", "c", "d")
    vectors = {"a": [1.0, 0.3], "b": [1.0, 0.1], "c": [1.0, 0.2], "d": [0.0, 1.0], "q": [1.0, 0.0], "r": [0.1, 1.0]}
    made = RetrievalSet("set", ("q", "r"), corpus, (np.array([0, 2]), np.array([3])), sibling_of=np.array([0, 1, 0, 2]))
    assert evaluate_retrieval(by_vector(vectors), made).per_query["concept_mrr"].tolist() == [0.5, 1.0]


def noticed_hubness(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray | None]:
    """Return the list that the hubness of each set that is ranked from now on comes to."""
    seen: list[np.ndarray | None] = []

    def noticing(*given: Any) -> FusedScores:
        seen.append(given[-1])
        return FusedScores(*given)

    monkeypatch.setattr(retrieval_module, "FusedScores", noticing)
    return seen


def test_labels_are_compared_within_their_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubness, "LEAST", 50)
    monkeypatch.setattr(fused, "_CANDIDATES", 10_000)
    whole = made_up(occupations=270, skills=0)
    engine = engine_of(whole, ENCODER)
    labels = engine.opened.labels
    made = RetrievalSet(
        *("set", QUERIES[:2], tuple(labels.texts), ones(2), labels.concept_of.astype(np.int64)),
        language_of=labels.language_numbers.astype(np.int64),
    )
    seen = noticed_hubness(monkeypatch)
    evaluate_retrieval(ENCODER, made, mode="both")
    assert seen[0] is not None
    assert seen[0] == pytest.approx(labels.hubness, abs=1e-5)
    assert seen[0].all()


def test_labels_that_stand_alone_are_not_told_how_crowded_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubness, "LEAST", 12)
    corpus = (
        "sales clerk",
        "welder",
        "sales clerks",
        "night nurse",
        *(f"planner {letter}" for letter in "abcdefghijklmno"),
    )
    made = RetrievalSet("set", ("sales", "nurse"), corpus, (np.array([0]), np.array([3])))
    seen = noticed_hubness(monkeypatch)
    evaluate_retrieval(ENCODER, made, mode="both")
    evaluate_retrieval(ENCODER, replace(made, sibling_of=np.array([0, 1, 0, *range(2, 18)])), mode="both")
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1].any()


# --- MELO's mapping ----------------------------------------------------------------------------------------------


@pytest.fixture
def melo(tmp_path: Path) -> Callable[[str | None], RetrievalSet]:
    def read(mapping: str | None) -> RetrievalSet:
        (tmp_path / "queries.tsv").write_text("Q1\tcooks\nQ2\tnurses\n")
        (tmp_path / "corpus_elements.tsv").write_text("C1\tcook\nC2\tnurse\nC3\tchef\nC4\tclerk\n")
        (tmp_path / "annotations.tsv").write_text("Q1\t0\tC1\t1\nQ2\t0\tC2\t1\n")
        if mapping is not None:
            (tmp_path / "concept_mapping.tsv").write_text(mapping)
        return read_melo(tmp_path)

    return read


def test_descriptions_are_those_of_the_concepts_that_the_mapping_names(
    melo: Callable[[str | None], RetrievalSet], tmp_path: Path
) -> None:
    mapping = "C3\turn:cook\nC1\turn:cook\nC2\turn:nurse\n"
    assert melo(mapping).about == ()
    known = [Concept("urn:cook", "occupation", "cook", description="Cooks cook. And eat.")]
    made = read_melo(tmp_path, Taxonomy.of(SOURCE, known))
    assert made.sibling_of is not None
    assert made.sibling_of.tolist() == [0, 1, 0, 2]
    assert made.about == ("Cooks cook.", "", "")
    assert read_melo(tmp_path, Taxonomy.of(SOURCE, [replace(known[0], uri="urn:other")])).about == ()
    assert "descriptions" in evaluate_retrieval(ENCODER, made, mode="both").set_name


def test_siblings_are_read_beside_the_elements(melo: Callable[[str | None], RetrievalSet]) -> None:
    made = melo("C3\turn:cook\nC1\turn:cook\nC2\turn:nurse\nC9\turn:other\n")
    assert made.sibling_of is not None
    first, second, third, fourth = made.sibling_of.tolist()
    assert first == third
    assert len({first, second, fourth}) == 3  # C4 has no concept and stands alone
    assert made.concept_of is None
    assert evaluate_retrieval(ENCODER, made, mode="both").ranks.tolist() == [1, 1]


def test_without_a_mapping_nothing_is_known_of_siblings(melo: Callable[[str | None], RetrievalSet]) -> None:
    made = melo(None)
    assert made.sibling_of is None
    assert evaluate_retrieval(ENCODER, made, mode="both").ranks.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [("C1\n", r"concept_mapping\.tsv, row 1: 1 columns, expected 2"), ("C1\ta\tb\n", r"row 1: 3 columns, expected 2")],
)
def test_a_mapping_that_cannot_be_used_is_named(
    melo: Callable[[str | None], RetrievalSet], mapping: str, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        melo(mapping)
