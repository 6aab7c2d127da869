"""The stages of a tuning run: a student of a teacher, a student of pairs, or the mean of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.errors import TuningError
from jobsearch.progress import Progress
from jobsearch.tuning.batches import Batches, Source
from jobsearch.tuning.checkpoint import RunDirectory
from jobsearch.tuning.distribution import ONE, Distribution
from jobsearch.tuning.joint import Joint, joint_digest
from jobsearch.tuning.pairs import Pair, PairSet
from jobsearch.tuning.recipes import TAUGHT, Recipe
from jobsearch.tuning.student import Arrays, Student, assign, values_of
from jobsearch.tuning.teacher import Lessons, Teacher
from jobsearch.tuning.trainer import Measure, Outcome, Trainer
from jobsearch.tuning.unfinished import TAUGHT_RUN

TENSORBOARD = "tensorboard"


@dataclass(frozen=True)
class Stage:
    """One student's training.

    Args:
        title: what the progress bar says.
        recipe: how.
        source: what it sees.
        data: digest of that.
        weight: of its weights in the mean of all stages.
        run: its folder.
    """

    title: str
    recipe: Recipe
    source: Source
    data: str
    weight: float
    run: RunDirectory


def plan_stages(
    runs: Path, name: str, pairs: PairSet, recipe: Recipe, teacher: Teacher | None, seed: int
) -> list[Stage]:
    """Return what is to be trained: from a teacher, from pairs, or both.

    Raises:
        TuningError: the recipe wants a teacher and there is none, or there are too few pairs or texts.
    """
    stages = []
    # What decides is what was held out: the teacher's texts must not hold it either.
    shown = None if teacher is None else teacher.without(_texts(pairs.validation) - _texts(pairs.training))
    if shown is not None and recipe.loss == "joint":
        source, run = Joint(shown, pairs, recipe, seed), RunDirectory(runs / name)
        return [Stage("training", recipe, source, joint_digest(shown, pairs), 1.0, run)]
    if shown is not None:
        taught = recipe if recipe.loss == "teacher" else TAUGHT
        lessons = Lessons(shown, taught, seed)
        run = RunDirectory(runs / f"{name}{TAUGHT_RUN}")
        stages.append(Stage("learning from the teacher", taught, lessons, shown.digest, recipe.taught, run))
    if not recipe.needs_teacher:
        batches = Batches(pairs.training, recipe, seed)
        weight = 1.0 if teacher is None else 1 - recipe.taught
        stages.append(Stage("training", recipe, batches, pairs.digest, weight, RunDirectory(runs / name)))
    if not stages:
        raise TuningError(f"recipe {recipe.name!r} needs a teacher; make one with `jobsearch pairs --teacher MODEL`")
    return [stage for stage in stages if stage.weight]


def _texts(pairs: Iterable[Pair]) -> set[str]:
    return {text for pair in pairs for text in (pair.base, pair.ref)}


def train_stages(
    stages: list[Stage],
    student: Student,
    *,
    base: str,
    seed: int,
    measure: Measure,
    progress: Progress,
    on_validation: Callable[[dict[str, Any]], None],
    tell: Callable[[str], None],
    distribution: Distribution = ONE,
) -> list[Outcome]:
    """Train the student once for each stage, each time from where it is now; Ctrl-C ends all of them.

    Args:
        stages: what `plan_stages` gave.
        student: made in the distribution's scope.
        base: fingerprint of the encoder that it was made from.
        seed: equal seeds give equal weights.
        measure: validates; the chief's alone is asked.
        progress: told of the steps.
        on_validation: told of each validation's record.
        tell: told, in a sentence, that it goes on from a checkpoint or was interrupted.
        distribution: who does the steps.

    Raises:
        TuningError: training came apart, another process is gone, or the processes were given different things.
        StorageError: the disk is full, read-only or not ours.
    """
    start = values_of(student.variables)
    outcomes: list[Outcome] = []
    for stage in stages:
        assign(student.variables, start)
        identity = {"base": base, "data": stage.data, "recipe": stage.recipe.to_dict(), "seed": seed}
        _check_alike(identity, distribution)
        if distribution.is_chief and stage.run.load(identity) is None:
            stage.run.remove()  # another run of this name: its checkpoints and events are no part of this one
        trainer = Trainer(
            student,
            stage.source,
            stage.recipe,
            seed=seed,
            measure=measure,
            directory=stage.run,
            identity=identity,
            progress=renamed(progress, stage.title),
            on_validation=on_validation,
            tell=tell,
            tensorboard=stage.run.path / TENSORBOARD,
            distribution=distribution,
        )
        outcomes.append(trainer.run())
        if outcomes[-1].ending == "interrupted":  # whoever stops it means all of it
            break
    return outcomes


def _check_alike(identity: dict[str, Any], distribution: Distribution) -> None:
    """Have all processes compare what they were started with: each makes its own batches, which must be the same."""
    if distribution.alone:
        return
    digests = [hashlib.sha256(repr(value).encode()).digest() for value in identity.values()]
    every = distribution.gathered([int.from_bytes(digest[:6], "big") for digest in digests])
    for rank, own in enumerate(every):
        if unlike := [name for name, same in zip(identity, own == every[0], strict=True) if not same]:
            raise TuningError(
                f"worker {rank} is not like the chief in {' and '.join(unlike)}; start the same command with the same "
                "files everywhere"
            )


def renamed(progress: Progress, title: str) -> Progress:
    """Return a progress that is told `title` where a trainer says "training"."""
    return lambda step, done, total: progress(title if step == "training" else step, done, total)


def mean_weights(weights: list[Arrays], shares: list[float]) -> Arrays:
    """Return the weighted mean of several students' weights, in float32.

    Weights of networks that were trained from the same beginning can be averaged: Wortsman et al. 2022, "Model soups"
    (arXiv 2203.05482).
    """
    if len(weights) == 1:
        return weights[0]
    return {
        key: np.asarray(
            sum(own[key] * np.float32(share / sum(shares)) for own, share in zip(weights, shares, strict=True)),
            value.dtype,
        )
        for key, value in weights[0].items()
    }


def teacher_record(teacher: Teacher | None, stages: list[Stage], outcomes: list[Outcome]) -> dict[str, Any]:
    """Return what the record says of the teacher, nothing where there was none."""
    if teacher is None or not stages[0].recipe.needs_teacher:
        return {}
    stage, outcome = stages[0], outcomes[0]
    return {
        "teacher": {
            "name": teacher.name,
            "fingerprint": teacher.fingerprint,
            "digest": stage.data,
            "texts": len(teacher.texts),
            "recipe": stage.recipe.to_dict(),
            "steps": outcome.steps,
            "ending": outcome.ending,
            "seconds": round(outcome.seconds, 1),
            "weight": stage.weight / sum(each.weight for each in stages),
        },
        "teacher_history": list(outcome.history),
    }
