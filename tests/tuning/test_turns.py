"""Pairs of all languages and those of one alone, in turns."""

from __future__ import annotations

import pytest

from jobsearch.tuning.batches import Batches
from jobsearch.tuning.pair import Pair
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.turns import Turns, in_turns


def recipe(**values: object) -> Recipe:
    return find_recipe("joint", **{"loss": "contrastive", "batch": 4, "marks": 0.0, "slips": 0.0, **values})


def pairs(**counts: int) -> list[Pair]:
    """Return as many pairs of each language, and two of each from it to another."""
    found = []
    for language, count in counts.items():
        for n in range(count):
            found.append(Pair(f"{language} {n}", f"{language} {n} too", 0.7468, f"c{n}", f"c{n}", language, "name"))
        for n in range(2):
            found.append(Pair(f"{language} {n}", f"elsewhere {n}", 0.7468, f"c{n}", f"c{n}", language, "translation"))
    return found


def test_every_second_step_is_of_the_language_with_the_most_pairs() -> None:
    given = pairs(de=9, en=12, fr=5)
    source = in_turns(given, recipe(), seed=0)
    assert isinstance(source, Turns)
    alone = [pair for pair in given if pair.language == "en" and pair.source == "name"]
    for step in range(20):
        whole = Batches(given if step % 2 == 0 else alone, recipe(), seed=0).batch(step // 2)
        assert (source.batch(step).anchors, source.batch(step).others) == (whole.anchors, whole.others)
    assert source.steps_per_epoch == 2 * ((9 + 12 + 5 + 6) // 4)
    languages = [{text.split()[0] for text in source.batch(step).anchors} for step in range(20)]
    assert set.union(*languages[::2]) == {"de", "en", "fr"}
    assert set.union(*languages[1::2]) == {"en"}
    assert not any(text.startswith("elsewhere") for step in range(1, 20, 2) for text in source.batch(step).others)


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (pairs(en=30), {}),  # one language
        (pairs(en=9, de=8), {"turns": False}),
        (pairs(en=3, de=3), {}),  # no batch of any one
        ([pair for pair in pairs(en=9, de=8) if pair.source == "translation"], {}),
    ],
)
def test_else_there_are_no_turns(given: list[Pair], values: dict[str, object]) -> None:
    source = in_turns(given, recipe(**values), seed=0)
    assert isinstance(source, Batches)
    assert source.batch(1).anchors == Batches(given, recipe(), seed=0).batch(1).anchors


def test_joint_has_turns_and_the_default_does_not() -> None:
    assert find_recipe("joint").turns
    assert not find_recipe("default").turns
    assert not find_recipe("joint", turns=False).turns
