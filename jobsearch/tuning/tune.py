"""Tuning from beginning to end: train, choose the share of tuned weights, gate, keep."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import jobsearch
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.savedmodel import SavedModelEncoder
from jobsearch.encoder.tf import tensorflow
from jobsearch.encoder.weights import WeightSet
from jobsearch.files import new_directory, storage_errors
from jobsearch.progress import Progress, silent
from jobsearch.tuning.card import model_card
from jobsearch.tuning.checkpoint import RunDirectory
from jobsearch.tuning.curves import draw_curves
from jobsearch.tuning.distribution import ONE, Distribution
from jobsearch.tuning.gate import Gate, decide
from jobsearch.tuning.interpolation import SHARES, Tried, choose_share, interpolate
from jobsearch.tuning.models import CARD, RECORD, REJECTED, without_histories
from jobsearch.tuning.pairs import PairSet
from jobsearch.tuning.pairs_file import of_a_file
from jobsearch.tuning.recipes import Recipe
from jobsearch.tuning.stages import TENSORBOARD, Stage, mean_weights, plan_stages, teacher_record, train_stages
from jobsearch.tuning.student import Arrays, Student, assign, make_student, no_savedmodel, values_of
from jobsearch.tuning.teacher import Teacher
from jobsearch.tuning.trainer import Outcome
from jobsearch.tuning.unfinished import RUNS
from jobsearch.tuning.validation import GeneralCheck, Validation

CURVES = "curves.png"
_PACKAGES = ("tensorflow", "keras", "tensorflow-text", "numpy")


@dataclass(frozen=True)
class Tuned:
    """A finished tuning run.

    Args:
        directory: where the encoder, its record, card, curves and TensorBoard events lie.
        gate: the verdict.
        record: everything about the run, as in `record.json`.
    """

    directory: Path
    gate: Gate
    record: Mapping[str, Any]

    @property
    def usable(self) -> bool:
        """Whether the encoder passed the gate, or was forced through it."""
        return self.gate.verdict != "rejected"


def tune(
    base: WeightSet | Encoder,
    pairs: PairSet,
    recipe: Recipe,
    *,
    name: str,
    models: Path,
    general: GeneralCheck,
    data_source: str,
    data_options: Mapping[str, Any] | None = None,
    teacher: Teacher | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress = silent,
    on_validation: Callable[[dict[str, Any]], None] = lambda record: None,
    tell: Callable[[str], None] = lambda line: None,
    distribution: Distribution = ONE,
) -> Tuned:
    """Tune an encoder and keep it as usable if it is better, as rejected if it is not.

    A run that was killed goes on from its last checkpoint when it is started again with the same arguments.

    Args:
        base: the encoder to begin with.
        pairs: training and held-out pairs.
        recipe: how to train.
        name: name of the result; a usable one goes to `models/name`, a rejected one to `models/rejected/name`.
        models: folder of the weight sets.
        general: check of general ability.
        data_source: where the pairs came from, for the record.
        data_options: what they were made with, as JSON, for the record, so that a report can make them again.
        teacher: what a stronger encoder sees; one student learns from it and another from the pairs, each beginning
            with the base, and the tuned weights are their mean, weighted by `recipe.taught`.
        seed: equal seeds give equal weights on the same machine.
        force: keep the result as usable whatever the gate says; the record says so.
        progress: told of the steps.
        on_validation: told of each validation's record.
        tell: told, in a sentence, that it goes on from a checkpoint or was interrupted.
        distribution: who does the steps; of several processes this is the chief, and the others call `train_along`.

    Raises:
        TuningError: there are too few pairs, the encoder cannot be trained, training came apart, or another process is
            gone.
        StorageError: the disk is full, read-only or not ours.
    """
    data = {"source": data_source, **(data_options or {})}
    student, stages, start = _begin(base, pairs, recipe, name, models, teacher, seed, progress, distribution)
    validation = Validation(pairs, recipe, seed)
    outcomes = train_stages(
        stages,
        student,
        base=base.fingerprint,
        seed=seed,
        measure=validation,
        progress=progress,
        on_validation=on_validation,
        tell=tell,
        distribution=distribution,
    )
    stages = stages[: len(outcomes)]
    trained = mean_weights([outcome.best for outcome in outcomes], [stage.weight for stage in stages])
    base_encoder = LeanEncoder(base) if isinstance(base, WeightSet) else base
    general_base = general.score(base_encoder)

    def set_share(share: float) -> None:
        assign(student.variables, interpolate(start, trained, share))

    shares = SHARES if recipe.interpolation is None else (recipe.interpolation,)

    def measure(share: float) -> tuple[Tried, npt.NDArray[np.float64]]:
        set_share(share)
        encoder = student.encoder(name, {})
        score = general.score(encoder)
        progress("choosing share", shares.index(share) + 1, len(shares))
        reciprocal = validation.reciprocal_ranks(encoder)
        tried = Tried(share, float(reciprocal.mean()), score, score >= general_base - general.tolerance)
        return tried, reciprocal

    chosen, tried = choose_share(shares, measure, cautious=not of_a_file(pairs.counts()))
    set_share(chosen.share)
    progress("gate", 0, 0)
    gate = decide(base_encoder, student.encoder(name, {}), pairs, general, general_base, chosen, seed, force)
    record = {
        **_record(name, base_encoder, pairs, recipe, outcomes[-1], chosen, tried, gate, seed, data),
        **teacher_record(teacher, stages, outcomes),
        **distribution.record(),
    }
    directory = models / name if gate.verdict != "rejected" else models / REJECTED / name
    progress("keeping", 0, 0)
    _keep(directory, student, record, stages[-1].run)
    for stage in stages:
        stage.run.remove()
    return Tuned(directory, gate, record)


def train_along(
    base: WeightSet | Encoder,
    pairs: PairSet,
    recipe: Recipe,
    *,
    distribution: Distribution,
    teacher: Teacher | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> None:
    """Do the steps of a tuning run that another process leads: `tune`'s arguments there, nothing kept here.

    Raises:
        TuningError: as `tune` does; the chief is gone; or it was started with something else than this process.
    """
    nowhere = Path(os.devnull)  # named, never opened
    student, stages, _ = _begin(base, pairs, recipe, "along", nowhere, teacher, seed, progress, distribution)

    def no_measure(encoder: Encoder) -> dict[str, float]:
        raise AssertionError("the chief measures")

    train_stages(
        stages,
        student,
        base=base.fingerprint,
        seed=seed,
        measure=no_measure,
        progress=progress,
        on_validation=lambda record: None,
        tell=lambda line: None,
        distribution=distribution,
    )


def _begin(
    base: WeightSet | Encoder,
    pairs: PairSet,
    recipe: Recipe,
    name: str,
    models: Path,
    teacher: Teacher | None,
    seed: int,
    progress: Progress,
    distribution: Distribution,
) -> tuple[Student, list[Stage], Arrays]:
    """Return the student, what it is to learn, and its first weights."""
    if distribution is not ONE and isinstance(base, SavedModelEncoder):
        raise no_savedmodel(base)
    _make_deterministic(seed)
    stages = plan_stages(models / RUNS, name, pairs, recipe, teacher, seed)
    progress("building network", 0, 0)
    with distribution.scope():
        student = make_student(base, recipe, _seen(pairs, teacher))
    return student, stages, values_of(student.variables)


def _seen(pairs: PairSet, teacher: Teacher | None) -> Iterator[str]:
    """Yield the texts of a training run, noise apart."""
    for pair in pairs.training:
        yield from (pair.base, pair.ref)
    yield from teacher.texts if teacher else ()


def _make_deterministic(seed: int) -> None:
    tf = tensorflow()
    import keras

    keras.utils.set_random_seed(seed % 2**31)
    tf.config.experimental.enable_op_determinism()


def _record(
    name: str,
    base: Encoder,
    pairs: PairSet,
    recipe: Recipe,
    outcome: Outcome,
    chosen: Tried,
    tried: list[Tried],
    gate: Gate,
    seed: int,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "name": name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "base": {"name": base.name, "fingerprint": base.fingerprint, "case": base.case},
        "recipe": recipe.to_dict(),
        "seed": seed,
        "data": {
            **data,
            "digest": pairs.digest,
            "training": len(pairs.training),
            "validation": len(pairs.validation),
            "counts": pairs.counts(),
        },
        "steps": outcome.steps,
        "ending": outcome.ending,
        "best_step": outcome.best_step,
        "seconds": round(outcome.seconds, 1),
        "history": list(outcome.history),
        "share": chosen.share,
        "tried": [asdict(one) for one in tried],
        "gate": asdict(gate),
        "made_with": {"jobsearch": jobsearch.__version__, **_installed()},
    }


def _installed() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # TensorFlow Text has no build for Windows
            found[package] = importlib.metadata.version(package)
    return found


def _keep(directory: Path, student: Student, record: dict[str, Any], run: RunDirectory) -> None:
    """Write the encoder with its record, card, curves and events, all or nothing."""
    with new_directory(directory) as aside:
        student.encoder(record["name"], without_histories(record)).save(aside)
        with storage_errors(directory):
            (aside / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            (aside / CARD).write_text(model_card(record), encoding="utf-8")
            draw_curves(
                record["history"],
                record["best_step"],
                f"{record['name']}: recipe {record['recipe']['name']} on {record['data']['source']}",
                aside / CURVES,
            )
            if (run.path / TENSORBOARD).is_dir():
                (run.path / TENSORBOARD).rename(aside / TENSORBOARD)
