"""Pairs of all languages, and those of one language alone, in turns.

Where an anchor meets labels of many languages, most of a batch is no negative worth telling apart: the language does
it. Batches of one language keep that hard for the language that has most to learn from; the others, with translations
among them, keep the languages together. What each is worth is in `tests/benchmarks/README.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobsearch.tuning.batches import Batch, Batches
from jobsearch.tuning.pair import Pair
from jobsearch.tuning.recipes import Recipe


class Turns:
    """Two sources of batches: the first, third, … step sees one, the second, fourth, … the other.

    Args:
        every: pairs of all languages.
        alone: pairs of one language.
    """

    def __init__(self, every: Batches, alone: Batches) -> None:
        self._turns = (every, alone)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which the pairs of all languages come once."""
        return len(self._turns) * self._turns[0].steps_per_epoch

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        turn, whose = divmod(step, len(self._turns))
        return self._turns[whose].batch(turn)


def in_turns(pairs: Sequence[Pair], recipe: Recipe, seed: int) -> Batches | Turns:
    """Return the batches that a recipe learns from: in turns, if it says so and the pairs are of several languages.

    The language that gets turns of its own is the one with the most pairs. With less than a batch of them there are
    none.

    Args:
        pairs: all training pairs.
        recipe: batch size, noise, loss, and whether there are turns.
        seed: equal seeds give equal batches.

    Raises:
        TuningError: there are too few pairs for the recipe.
    """
    every = Batches(pairs, recipe, seed)
    within = [pair for pair in pairs if pair.source != "translation"]
    if not recipe.turns or len({pair.language for pair in pairs}) < 2 or not within:
        return every
    (language, count), *_ = Counter(pair.language for pair in within).most_common(1)
    if count < recipe.batch:
        return every
    return Turns(every, Batches([pair for pair in within if pair.language == language], recipe, seed))
