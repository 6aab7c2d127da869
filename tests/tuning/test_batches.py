"""Which pairs a step sees."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from jobsearch.errors import TuningError
from jobsearch.tuning.batches import Batch, Batches, false_negatives, fitting
from jobsearch.tuning.pair import Pair, PairSet
from jobsearch.tuning.recipes import Recipe, find_recipe


def recipe(**values: Any) -> Recipe:
    defaults = {"batch": 4, "steps": 0, "epochs": 3, "marks": 0.0, "slips": 0.0, "description_repeats": 1}
    return find_recipe("default", **{**defaults, **values})


def pair(number: int, similarity: float = 0.7468, source: str = "name") -> Pair:
    group = f"concept {number}"
    return Pair(f"title of {number}", f"name of {number}", similarity, group, group, "en", source)


def pairs(count: int) -> list[Pair]:
    return [pair(number) for number in range(count)]


def content(batch: Batch) -> tuple[Any, ...]:
    return (
        tuple(batch.anchors),
        tuple(batch.others),
        tuple(batch.similarity.tolist()),
        tuple(batch.false_negatives.ravel().tolist()),
    )


# --- order -------------------------------------------------------------------------------------------------------


def test_a_step_gives_the_same_batch_whatever_was_asked_before() -> None:
    noise = recipe(marks=0.5, slips=0.5)
    straight = Batches(pairs(18), noise, seed=7)
    expected = [content(straight.batch(step)) for step in range(12)]
    fresh = Batches(pairs(18), noise, seed=7)
    for step in (11, 3, 3, 0, 7, 4):
        assert content(fresh.batch(step)) == expected[step]
    assert len(set(expected)) == 12


def test_another_seed_gives_other_batches() -> None:
    first, second = (Batches(pairs(40), recipe(), seed).batch(0).anchors for seed in (0, 1))
    assert first != second
    assert Batches(pairs(40), recipe(), -1).batch(0).anchors not in (first, second)  # any whole number is a seed


def test_every_pair_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    batches = Batches(pairs(12), recipe(), seed=0)
    assert batches.steps_per_epoch == 3
    epochs = [[a for step in range(3 * e, 3 * e + 3) for a in batches.batch(step).anchors] for e in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(p.base for p in pairs(12))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_what_is_left_over_comes_in_another_epoch() -> None:
    batches = Batches(pairs(11), recipe(), seed=0)
    assert batches.steps_per_epoch == 2
    seen = [{a for step in (2 * e, 2 * e + 1) for a in batches.batch(step).anchors} for e in range(6)]
    assert all(len(epoch) == 8 for epoch in seen)
    assert set().union(*seen) == {p.base for p in pairs(11)}


def test_a_batch_keeps_both_sides_of_a_pair_together() -> None:
    graded = [pair(number, similarity=number / 100) for number in range(40)]
    batch = Batches(graded, find_recipe("tutorial", batch=8), seed=3).batch(2)
    assert batch.similarity.dtype == np.float32
    assert batch.false_negatives.shape == (8, 8)
    for anchor, other, similarity in zip(batch.anchors, batch.others, batch.similarity, strict=True):
        number = int(anchor.rpartition(" ")[2])
        assert other == f"name of {number}"
        assert similarity == np.float32(number / 100)


def test_steps_come_from_epochs_where_the_recipe_names_none() -> None:
    assert Batches(pairs(18), recipe(epochs=3), 0).steps == 3 * 4
    assert Batches(pairs(18), recipe(epochs=3, steps=5), 0).steps == 5
    assert Batches(pairs(98), find_recipe("tutorial"), 0).steps == 20 * 12


# --- what is used ------------------------------------------------------------------------------------------------


def test_the_contrastive_loss_sees_pairs_that_belong_together_only() -> None:
    mixed = [*pairs(8), *(pair(number, similarity=0.5) for number in range(8, 30))]
    batches = Batches(mixed, recipe(), seed=0)
    assert len(batches) == 8
    seen = {a for step in range(4) for a in batches.batch(step).anchors}
    assert seen == {p.base for p in pairs(8)}
    assert len(Batches(mixed, find_recipe("tutorial"), seed=0)) == 30


def test_descriptions_are_repeated() -> None:
    mixed = [*pairs(8), *(pair(number, 1.0, "description") for number in range(8, 12))]
    batches = Batches(mixed, recipe(description_repeats=3), seed=0)
    assert len(batches) == 8 + 3 * 4
    counts = Counter(a for step in range(5) for a in batches.batch(step).anchors)
    assert set(counts.values()) == {1, 3}
    assert {a for a, count in counts.items() if count == 3} == {p.base for p in mixed[8:]}
    assert len(Batches(mixed, recipe(description_repeats=0), seed=0)) == 8


@pytest.mark.parametrize(
    ("given", "changed", "says"),
    [
        (pairs(3), {}, "3 training pairs of similarity 0.7 or more, expected at least one batch of 4"),
        ([], {"loss": "angular"}, "0 training pairs, expected at least one batch of 4"),
    ],
)
def test_too_few_pairs_are_refused(given: list[Pair], changed: dict[str, Any], says: str) -> None:
    with pytest.raises(TuningError) as caught:
        Batches(given, recipe(**changed), seed=0)
    assert str(caught.value).startswith(says)
    assert str(caught.value).endswith("; give more pairs or a smaller --batch")


def test_pairs_that_belong_together_are_missing_whatever_the_batch() -> None:
    with pytest.raises(TuningError, match=r"^no training pairs of similarity 0\.7 .* --recipe tutorial, which"):
        Batches([pair(n, 0.5) for n in range(9)], recipe(), seed=0)


@pytest.mark.parametrize(
    ("training", "changed", "batch"),
    [
        (pairs(8), {}, 4),
        (pairs(4), {}, 4),
        (pairs(3), {}, 3),
        ([*pairs(2), pair(9, 0.5)], {}, 2),
        ([*pairs(2), pair(9, 0.5)], {"loss": "angular"}, 3),
        (pairs(1), {}, 4),  # one alone has no negatives: it is refused
        ([pair(1, 1.0, "description")], {"description_repeats": 3}, 3),
    ],
)
def test_a_small_file_is_one_batch(training: list[Pair], changed: dict[str, Any], batch: int) -> None:
    assert fitting(recipe(**changed), PairSet(tuple(training), (), 0)).batch == batch


@pytest.mark.parametrize(
    ("count", "changed", "asked", "steps", "every"),
    [
        (40, {}, [], 20, 4),  # 10 pairs a step: 5 epochs are 20 steps
        (400, {}, [], 100, 50),
        (4000, {}, [], 100, 50),
        (6, {}, [], 5, 1),
        (40, {}, ["validate_every"], 20, 50),
        (40, {"validate_every": 2}, [], 20, 2),
        (40, {"steps": 0}, [], 0, 50),
        (40, {"epochs": 0}, [], 100, 50),
    ],
)
def test_few_pairs_are_not_passed_over_and_over(
    count: int, changed: dict[str, Any], asked: list[str], steps: int, every: int
) -> None:
    full = recipe(**{"batch": 10, "steps": 100, "epochs": 5, "validate_every": 50, **changed})
    fitted = fitting(full, PairSet(tuple(pairs(count)), (), 0), asked)
    assert (fitted.steps, fitted.validate_every) == (steps, every)
    assert Batches(pairs(count), fitted, 0).steps == (steps or 5 * (count // 10))


def test_what_was_asked_for_stays() -> None:
    assert fitting(recipe(), PairSet(tuple(pairs(3)), (), 0), ["batch"]).batch == 4


# --- noise -------------------------------------------------------------------------------------------------------


def test_noise_is_on_anchors_alone() -> None:
    batches = Batches(pairs(8), recipe(marks=1.0), seed=0)
    for step in range(6):
        batch = batches.batch(step)
        assert set(batch.others) <= {p.ref for p in pairs(8)}
        for anchor, other in zip(batch.anchors, batch.others, strict=True):
            plain = other.replace("name", "title")
            assert plain in anchor
            assert anchor != plain


def test_noise_is_drawn_anew_in_each_epoch() -> None:
    batches = Batches(pairs(4), recipe(marks=1.0), seed=0)
    assert len({anchor for step in range(10) for anchor in batches.batch(step).anchors}) > 30


def test_titles_of_descriptions_get_no_noise() -> None:
    described = [pair(number, 1.0, "description") for number in range(8)]
    batch = Batches(described, recipe(marks=1.0, slips=1.0), seed=0).batch(0)
    assert set(batch.anchors) <= {p.base for p in described}


def test_noise_is_in_the_language_of_the_anchor() -> None:
    german = [Pair(f"Koch {n}", f"Küchenchef {n}", 0.7468, f"g{n}", f"g{n}", "de", "name") for n in range(40)]
    anchors = " ".join(Batches(german, recipe(batch=40, marks=1.0), seed=0).batch(0).anchors)
    assert "(m/w/d)" in anchors
    assert "maternity cover" not in anchors


# --- false negatives ---------------------------------------------------------------------------------------------


def test_false_negatives() -> None:
    given = [
        Pair("nurse", "ward sister", 0.7, "nurse", "nurse"),
        Pair("hospital nurse", "healer", 0.7, "nurse", "nurse"),  # the same group on both sides as the first
        Pair("osteopath", "Chiropractor", 0.7, "osteopath", "chiropractor"),  # neighbours: a group on either side
        Pair("spine doctor", "back doctor", 0.7, "chiropractor", "chiropractor"),
        Pair("cook", "chef", 0.7, "cook", "cook"),
        Pair("CHEF", "kitchen head", 0.7, "head cook", "head cook"),  # another group, the same string case folded
        Pair("welder", "metal joiner", 0.7, "welder", "welder"),
        Pair("baker", "bread maker", 0.7, "baker", "baker"),
    ]
    expected = np.zeros((8, 8), bool)
    for i, j in ((0, 1), (2, 3), (4, 5)):
        expected[i, j] = expected[j, i] = True
    assert np.array_equal(false_negatives(given), expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [(("g", "a"), ("g", "b")), (("g", "a"), ("b", "g")), (("a", "g"), ("g", "b")), (("a", "g"), ("b", "g"))],
)
def test_one_group_on_any_side_is_enough(first: tuple[str, str], second: tuple[str, str]) -> None:
    given = [Pair("p", "q", 0.7, *first), Pair("r", "s", 0.7, *second)]
    assert np.array_equal(false_negatives(given), ~np.eye(2, dtype=bool))


@pytest.mark.parametrize(
    ("first", "second"),
    [(("X", "a"), ("x", "b")), (("X", "a"), ("b", "x")), (("a", "X"), ("x", "b")), (("a", "ß"), ("b", "SS"))],
)
def test_one_string_on_any_side_is_enough(first: tuple[str, str], second: tuple[str, str]) -> None:
    given = [Pair(*first, 0.7, "1", "2"), Pair(*second, 0.7, "3", "4")]
    assert np.array_equal(false_negatives(given), ~np.eye(2, dtype=bool))


def test_the_diagonal_is_never_masked() -> None:
    same = [Pair("nurse", "nurse", 0.7, "nurse", "nurse")] * 3
    assert np.array_equal(false_negatives(same), ~np.eye(3, dtype=bool))
    assert false_negatives([]).shape == (0, 0)


def test_a_group_and_a_text_of_one_name_are_two_things() -> None:
    given = [Pair("a", "b", 0.7, "c", "d"), Pair("c", "e", 0.7, "f", "b")]
    assert not false_negatives(given).any()
