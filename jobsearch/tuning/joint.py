"""A teacher's neighbourhoods and pairs in the same step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from jobsearch.tuning.batches import Batch
from jobsearch.tuning.pairs import PairSet
from jobsearch.tuning.recipes import Recipe
from jobsearch.tuning.teacher import Lesson, Lessons, Teacher
from jobsearch.tuning.turns import in_turns


@dataclass(frozen=True)
class JointBatch:
    """What a step sees.

    Args:
        lesson: texts with a teacher's cosines.
        pairs: anchors and others.
    """

    lesson: Lesson
    pairs: Batch

    @property
    def texts(self) -> list[str]:
        """The lesson's texts, then all anchors, then all others."""
        return self.lesson.texts + self.pairs.texts

    @property
    def targets(self) -> tuple[npt.NDArray[Any], ...]:
        """The teacher's cosines, then similarities and false negatives."""
        return (*self.lesson.targets, *self.pairs.targets)


class Joint:
    """Lessons and batches of pairs, side by side; the lessons say how many steps an epoch has.

    Args:
        teacher: whose view.
        pairs: all pairs; the training ones are learned from.
        recipe: for both: `batch` texts of the teacher, `pair_batch` pairs.
        seed: equal seeds give equal steps.

    Raises:
        TuningError: there are too few texts or pairs for the recipe.
    """

    def __init__(self, teacher: Teacher, pairs: PairSet, recipe: Recipe, seed: int) -> None:
        self._lessons = Lessons(teacher, recipe, seed)
        of_pairs = replace(recipe, loss="contrastive", batch=recipe.pair_batch)
        self._batches = in_turns(pairs.training, of_pairs, seed)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which about as many of the teacher's texts come as there are."""
        return self._lessons.steps_per_epoch

    @property
    def steps(self) -> int:
        """Steps that the recipe asks for."""
        return self._lessons.steps

    def batch(self, step: int) -> JointBatch:
        """Return what a step sees, counted from 0."""
        return JointBatch(self._lessons.batch(step), self._batches.batch(step))


def joint_digest(teacher: Teacher, pairs: PairSet) -> str:
    """Return SHA-256 (hex) of both."""
    return hashlib.sha256(f"{teacher.digest} {pairs.digest}".encode()).hexdigest()
