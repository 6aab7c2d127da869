"""Which pairs a step sees: decided by seed and step alone, so that a resumed run goes on exactly as it would have."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from jobsearch.errors import TuningError
from jobsearch.tuning.noise import noisy
from jobsearch.tuning.pairs import Pair, PairSet
from jobsearch.tuning.recipes import Recipe

# A pair of at least this angular similarity belongs together: it is the tutorial's grade for another name.
BELONGS_TOGETHER = 0.7
# How often a training that its epochs end early is validated.
_VALIDATIONS = 5


class Examples(Protocol):
    """What one step sees."""

    @property
    def texts(self) -> list[str]:
        """The texts to embed."""

    @property
    def targets(self) -> tuple[npt.NDArray[Any], ...]:
        """What the objective compares their embeddings with (`objectives.objective`)."""


class Source(Protocol):
    """Where a step's examples come from."""

    @property
    def steps(self) -> int:
        """Steps that the recipe asks for."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps between two validations where the recipe does not say."""

    def batch(self, step: int) -> Examples:
        """Return what a step sees, counted from 0: always the same for the same step."""


@dataclass(frozen=True)
class Batch:
    """The pairs of one step.

    Args:
        anchors: n texts, with noise.
        others: n texts, as they are.
        similarity: float32 (n,).
        false_negatives: bool (n, n): anchor i and other j, i unlike j, name the same thing.
    """

    anchors: list[str]
    others: list[str]
    similarity: npt.NDArray[np.float32]
    false_negatives: npt.NDArray[np.bool_]

    @property
    def texts(self) -> list[str]:
        """All anchors, then all others."""
        return self.anchors + self.others

    @property
    def targets(self) -> tuple[npt.NDArray[Any], ...]:
        """Similarities and false negatives."""
        return self.similarity, self.false_negatives


def fitting(recipe: Recipe, pairs: PairSet, asked: Collection[str] = ()) -> Recipe:
    """Return the recipe as it suits few pairs.

    Where there are fewer than its batch, one batch is all of them. Where its epochs are over before its steps, it has
    those steps alone, and is validated more often.

    Args:
        recipe: as it is for many pairs.
        pairs: what there is.
        asked: fields of the recipe that somebody decided on: they stay.
    """
    count = len(_learned(pairs.training, recipe))
    if recipe.loss == "teacher" or count < 2:
        return recipe
    if not {"batch", "pair_batch"} & {*asked}:
        if recipe.loss == "joint":
            recipe = replace(recipe, pair_batch=min(count, recipe.pair_batch))
        else:
            recipe = replace(recipe, batch=min(count, recipe.batch))
    if recipe.loss == "joint" or count < recipe.batch:
        return recipe
    steps = recipe.steps_of(count // recipe.batch)
    if not recipe.steps or steps == recipe.steps:
        return recipe
    often = max(1, steps // _VALIDATIONS)
    kept = "validate_every" in asked or recipe.validate_every < often
    return replace(recipe, steps=steps, validate_every=recipe.validate_every if kept else often)


def _learned(pairs: Sequence[Pair], recipe: Recipe) -> list[Pair]:
    """Return the pairs that a recipe learns from, as often as it does."""
    kept = [pair for pair in pairs if recipe.loss == "angular" or pair.similarity >= BELONGS_TOGETHER]
    return [pair for pair in kept for _ in range(recipe.description_repeats if pair.source == "description" else 1)]


class Batches:
    """The training pairs, cut into batches; every epoch in an order of its own.

    Args:
        pairs: all training pairs; for the contrastive loss those that belong together are used.
        recipe: batch size, noise and loss.
        seed: equal seeds give equal batches.

    Raises:
        TuningError: there are too few pairs for the recipe.
    """

    def __init__(self, pairs: Sequence[Pair], recipe: Recipe, seed: int) -> None:
        self._pairs = _learned(pairs, recipe)
        if len(self._pairs) < recipe.batch:
            kind = f" of similarity {BELONGS_TOGETHER} or more" if recipe.loss == "contrastive" else ""
            if kind and not self._pairs:
                raise TuningError(
                    f"no training pairs{kind}, and recipe {recipe.name!r} learns from these alone; give pairs that "
                    "belong together, or take --recipe tutorial, which learns from all grades"
                )
            raise TuningError(
                f"{len(self._pairs)} training pairs{kind}, expected at least one batch of {recipe.batch}; "
                "give more pairs or a smaller --batch"
            )
        self._recipe = recipe
        self._seed = seed
        self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        """Number of training pairs in use."""
        return len(self._pairs)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass; the pairs left over come in another epoch's order."""
        return len(self._pairs) // self._recipe.batch

    @property
    def steps(self) -> int:
        """Steps that the recipe asks for."""
        return self._recipe.steps_of(self.steps_per_epoch)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self._seed % 2**63, epoch]).permutation(len(self._pairs)))
        size = self._recipe.batch
        pairs = [self._pairs[i] for i in self._order[1][place * size : (place + 1) * size]]
        draw = random.Random(f"{self._seed} {step}")
        return Batch(
            anchors=[self._anchor(pair, draw) for pair in pairs],
            others=[pair.ref for pair in pairs],
            similarity=np.array([pair.similarity for pair in pairs], np.float32),
            false_negatives=false_negatives(pairs),
        )

    def _anchor(self, pair: Pair, draw: random.Random) -> str:
        if not (self._recipe.marks or self._recipe.slips) or pair.source == "description":
            return pair.base
        return noisy(pair.base, pair.language, draw, marks=self._recipe.marks, slips=self._recipe.slips)


def false_negatives(pairs: Sequence[Pair]) -> npt.NDArray[np.bool_]:
    """Tell which anchor i and other j, i unlike j, are no negatives: same group on any side, or the same string."""
    n = len(pairs)
    masked = np.zeros((n, n), bool)
    groups = [(pair.base_group, pair.ref_group) for pair in pairs]
    texts = [(pair.base.casefold(), pair.ref.casefold()) for pair in pairs]
    for sides in (groups, texts):
        number: dict[str, int] = {}
        left = np.array([number.setdefault(side[0], len(number)) for side in sides])
        right = np.array([number.setdefault(side[1], len(number)) for side in sides])
        for one in (left, right):
            for other in (left, right):
                masked |= one[:, None] == other[None, :]
    np.fill_diagonal(masked, False)
    return masked
