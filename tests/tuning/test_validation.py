"""What a state of the encoder is measured by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped
from vacancies import graded_pairs, name_pairs

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import EvaluationError, TuningError
from jobsearch.tuning import validation
from jobsearch.tuning.batches import false_negatives
from jobsearch.tuning.losses import angular_loss, contrastive_loss
from jobsearch.tuning.pair import Pair, PairSet
from jobsearch.tuning.recipes import find_recipe
from jobsearch.tuning.validation import Validation, check_spread, held_out_set, translated_sets

CONTRASTIVE, ANGULAR = find_recipe("default"), find_recipe("tutorial")


def name_pair(base: str, ref: str, group: str, **values: Any) -> Pair:
    return Pair(base, ref, 0.7468, group, group, **{"source": "name", **values})


def both_ways(english: str, german: str, group: str) -> tuple[Pair, Pair]:
    there = name_pair(english, german, group, source="translation")
    return there, name_pair(german, english, group, source="translation", language="de")


# --- the held-out task ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_held_out_queries_seek_their_concept_among_other_texts(everything: bool, seed: int) -> None:
    pairs = name_pairs()
    task = held_out_set(pairs, seed=seed, everything=everything)
    assert len(task.queries) > 20
    assert not {query.casefold() for query in task.queries} & {label.casefold() for label in task.corpus}
    group_of = {text: g for p in pairs.validation for text, g in ((p.base, p.base_group), (p.ref, p.ref_group))}
    group_of |= {p.ref: p.ref_group for p in pairs.training}
    for query, relevant in zip(task.queries, task.relevant, strict=True):
        (concept,) = relevant
        labels = [label for label, number in zip(task.corpus, task.concept_of, strict=True) if number == concept]
        assert {group_of[label] for label in labels} == {group_of[query]}
    held_out = {p.base for p in pairs.validation if p.source == "name"}
    assert set(task.queries) <= held_out
    assert {p.ref for p in pairs.training if p.source == "name"} <= set(task.corpus)
    assert len(set(task.corpus)) == len(task.corpus)


def test_translations_are_sought_in_one_language_each() -> None:
    """A query of the language itself would find its concept without any translation."""
    held_out = [
        *both_ways("nurse", "Krankenschwester", "1"),
        *both_ways("cook", "Koch", "2"),
        *both_ways("sous-chef", "Sous-Chef", "2"),  # spelt alike but for case: finding that is nothing
        name_pair("hospital nurse", "nurse", "1"),
        name_pair("nurse", "hospital nurse", "1"),
    ]
    known = [*both_ways("welder", "Schweißer", "3"), name_pair("joiner", "carpenter", "4")]
    german, english = translated_sets(PairSet(tuple(known), tuple(held_out), 0), seed=0)
    assert set(german.queries) == {"nurse", "cook"}
    assert set(german.corpus) == {"Krankenschwester", "Koch", "Sous-Chef", "Schweißer"}
    assert set(english.queries) == {"Krankenschwester", "Koch"}
    assert set(english.corpus) == {"nurse", "cook", "sous-chef", "hospital nurse", "welder", "joiner"}
    for query, (concept,) in zip(english.queries, english.relevant, strict=True):
        found = {label for label, number in zip(english.corpus, english.concept_of, strict=True) if number == concept}
        assert found == ({"nurse", "hospital nurse"} if query == "Krankenschwester" else {"cook", "sous-chef"})


def test_an_encoder_is_measured_across_languages_where_there_are_translations() -> None:
    one = name_pairs()
    several = replace(
        one, validation=(*one.validation, *both_ways("nurse", "Pfleger", "1"), *both_ways("cook", "Koch", "2"))
    )
    assert not list(translated_sets(one, 0))
    alone, more = (Validation(pairs, CONTRASTIVE, 0).reciprocal_ranks(HashEncoder()) for pairs in (one, several))
    assert len(more) == len(held_out_set(several, seed=0, everything=False).queries) + 4
    assert len(alone) == len(held_out_set(one, seed=0, everything=False).queries)


def test_descriptions_neither_ask_nor_answer() -> None:
    task = held_out_set(name_pairs(), seed=0, everything=True)
    assert "description" in {p.source for p in name_pairs().validation}
    assert not [text for text in (*task.queries, *task.corpus) if text.startswith("Somebody who")]


def test_neighbours_and_unrelated_pairs_do_not_ask() -> None:
    given = [
        name_pair("nurse", "ward sister", "1"),
        name_pair("hospital nurse", "ward nurse", "1"),
        Pair("cook", "baker", 0.7468, "2", "3", "en", "neighbour"),
        Pair("welder", "actor", 0.5, "4", "5", "en", "unrelated"),
        Pair("Koch", "cook", 0.7468, "2", "2", "de", "translation"),
        Pair("typist", "text processor", 0.8, "6", "6", "en", "file"),
        Pair("typist", "pilot", 0.5, "6", "7", "en", "file"),
    ]
    task = held_out_set(PairSet((), tuple(given), 0), seed=0, everything=True)
    assert set(task.queries) == {"nurse", "hospital nurse", "Koch", "typist"}
    assert set(task.corpus) == {"ward sister", "ward nurse", "cook", "text processor"}


def test_a_query_in_other_capitals_is_no_answer() -> None:
    given = (name_pair("nurse", "ward sister", "1"), name_pair("healer", "NURSE", "1"), name_pair("cook", "chef", "2"))
    training = (name_pair("medic", "Cook", "3"), name_pair("x", "baker", "4"))
    task = held_out_set(PairSet(training, given, 0), seed=0, everything=True)
    assert set(task.corpus) == {"ward sister", "chef", "baker"}


def test_a_query_of_which_no_other_text_is_left_is_not_asked() -> None:
    given = (name_pair("a", "b", "1"), name_pair("b", "a", "1"), name_pair("c", "d", "2"), name_pair("e", "d", "2"))
    task = held_out_set(PairSet((), given, 0), seed=0, everything=True)
    assert set(task.queries) == {"c", "e"}


def test_checkpoints_are_measured_on_a_part_and_the_gate_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_QUERIES", 10)
    monkeypatch.setattr(validation, "_DISTRACTORS", 15)
    pairs = name_pairs()
    part = held_out_set(pairs, seed=0, everything=False)
    assert len(part.queries) == 10
    refs = {p.ref for p in pairs.training}
    assert len(set(part.corpus) & refs) == 15
    whole = held_out_set(pairs, seed=0, everything=True)
    assert len(whole.queries) > 40
    assert len(set(whole.corpus) & refs) > 50
    other = held_out_set(pairs, seed=1, everything=False)
    assert set(other.queries) != set(part.queries)
    assert set(other.corpus) & refs != set(part.corpus) & refs
    monkeypatch.setattr(validation, "_GATE_QUERIES", 12)
    assert len(held_out_set(pairs, seed=0, everything=True).queries) == 12


def test_equal_seeds_pose_the_same_task() -> None:
    first, second = (held_out_set(name_pairs(), seed=4, everything=False) for _ in range(2))
    assert (first.queries, first.corpus) == (second.queries, second.corpus)


@pytest.mark.parametrize(
    "held_out",
    [(), (Pair("a", "b", 0.5, "1", "2", "en", "name"),), (Pair("a", "b c", 1.0, "1", "1", "en", "description"),)],
)
def test_without_held_out_names_there_is_no_task(held_out: tuple[Pair, ...]) -> None:
    with pytest.raises(TuningError) as caught:
        held_out_set(PairSet(name_pairs().training, held_out, 0), seed=0, everything=True)
    assert str(caught.value) == (
        "there are no held-out pairs that belong together; give more pairs or a larger --validation"
    )


# --- signs of collapse ---------------------------------------------------------------------------------------------


def test_the_spread_of_orthogonal_vectors() -> None:
    # The mean of four unit vectors along the axes is (1, 1, 1, 1)/4, of squared length 1/4.
    assert check_spread(np.eye(4, dtype=np.float32)) == {"mean_cosine": pytest.approx(0), "variance": 0.75}


def test_the_spread_of_two_vectors() -> None:
    # At 60 degrees the mean's squared length is (2 + 2 · 0.5)/4 = 0.75, so the variance is 0.25.
    vectors = np.array([[1, 0], [0.5, math.sqrt(0.75)]], np.float32)
    found = check_spread(vectors)
    assert found["mean_cosine"] == pytest.approx(0.5, abs=1e-6)
    assert found["variance"] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("vectors", "cosine", "variance"),
    [
        (np.ones((9, 4)) / 2, "1.000", "0.000"),
        (np.array([[1, 0], [0.8, 0.6]]), "0.800", "0.100"),  # (2 + 2 · 0.8)/4 = 0.9
        (np.full((3, 2), np.nan), "nan", "nan"),
    ],
)
def test_vectors_in_one_place_are_refused(vectors: np.ndarray, cosine: str, variance: str) -> None:
    with pytest.raises(TuningError) as caught:
        check_spread(vectors.astype(np.float32))
    assert str(caught.value) == (
        f"the encoder has collapsed: the mean cosine of unrelated labels is {cosine} (expected below 0.7) and the "
        f"variance over dimensions {variance} (expected above 0.2); the old encoder stays in use; try a lower "
        "--learning-rate"
    )


# --- measuring a checkpoint ----------------------------------------------------------------------------------------


class Table:
    """Gives each text the vector that is written down for it."""

    name, fingerprint, case, dim = "table", "0" * 64, "keep", 2

    def __init__(self, degrees: dict[str, float]) -> None:
        self._degrees = degrees

    def encode(self, texts: Sequence[str]) -> Embeddings:
        angles = np.deg2rad([self._degrees[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def save(self, directory: Any) -> None:
        raise NotImplementedError


def test_reciprocal_ranks() -> None:
    given = (name_pair("q1", "a", "1"), name_pair("q2", "b", "2"), name_pair("q3", "c", "3"))
    # q1 is nearest to a, its own; q2 to a, then b; q3 to a, then b, then c.
    encoder = Table({"a": 0, "b": 90, "c": 180, "q1": 0, "q2": 40, "q3": 30})
    found = Validation(PairSet((), given, 0), CONTRASTIVE, 0).reciprocal_ranks(encoder)
    assert sorted(found) == pytest.approx([1 / 3, 1 / 2, 1])


def test_a_contrastive_recipe_is_measured_by_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = HashEncoder(64)
    measured = Validation(graded_pairs(), CONTRASTIVE, 0)(encoder)
    kept = [p for p in graded_pairs().validation if p.similarity >= 0.7]
    assert len(kept) < len(graded_pairs().validation)
    rows = [encoder.encode([getattr(p, side) for p in kept]) for side in ("base", "ref")]
    expected = float(contrastive_loss(*rows, false_negatives(kept), CONTRASTIVE.scale))
    assert measured["loss"] == pytest.approx(expected, rel=1e-4)  # in whatever order the pairs come
    assert set(measured) == {"mrr", "loss", "mean_cosine", "variance"}
    monkeypatch.setattr(validation, "_LOSS_BATCH", 16)
    assert Validation(graded_pairs(), CONTRASTIVE, 0)(encoder)["loss"] < expected - 0.1  # fewer to choose among


def test_an_angular_recipe_is_measured_on_all_grades() -> None:
    encoder = HashEncoder(64)
    measured = Validation(graded_pairs(), ANGULAR, 0)(encoder)
    pairs = graded_pairs().validation
    rows = [encoder.encode([getattr(p, side) for p in pairs]) for side in ("base", "ref")]
    expected = [float(x) for x in angular_loss(*rows, np.array([p.similarity for p in pairs], np.float32))]
    assert [measured[name] for name in ("loss", "mae", "mape")] == pytest.approx(expected, rel=1e-4)
    assert set(measured) == {"mrr", "loss", "mae", "mape", "mean_cosine", "variance"}


def constant(texts: Sequence[str]) -> Embeddings:
    return np.tile(np.eye(1, 64, dtype=np.float32), (len(texts), 1))


def broken(texts: Sequence[str]) -> Embeddings:
    return np.full((len(texts), 64), np.nan, np.float32)


@pytest.mark.parametrize("encode", [constant, broken])
def test_a_collapsed_encoder_is_told(encode: Any) -> None:
    with pytest.raises(TuningError, match=r"the encoder has collapsed: .* try a lower --learning-rate$"):
        Validation(name_pairs(), CONTRASTIVE, 0)(Wrapped(HashEncoder(64), encode=encode))


def test_one_title_asked_many_times_is_no_collapse() -> None:
    kinds = ("senior", "junior", "lead", "sales", "trainee", "assistant")
    analysts = [Pair("data analyst", f"{kind} data analyst", 0.7468, "1", "1", "en", "file") for kind in kinds]
    held_out = (*analysts, Pair("cook", "chef", 0.7468, "2", "2", "en", "file"))
    training = tuple(
        Pair(f"title {p.base}", p.ref, p.similarity, p.base_group, p.ref_group, "en", "file")
        for p in name_pairs().training
    )
    encoder = HashEncoder(64)
    texts = [text for p in held_out for text in (p.base, p.ref)]
    with pytest.raises(TuningError):
        check_spread(encoder.encode(texts))  # the pairs alone would look like it
    assert Validation(PairSet(training, held_out, 0), CONTRASTIVE, 0)(encoder)["mean_cosine"] < 0.65


def test_two_held_out_queries_are_the_least() -> None:
    with pytest.raises((TuningError, EvaluationError), match="expected at least 2"):
        Validation(PairSet((), (name_pair("q1", "a", "1"),), 0), CONTRASTIVE, 0)
