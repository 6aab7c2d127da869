"""The training loop: steps, validations, checkpoints, and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from jobsearch.encoder.keras_model import tf
from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import TuningError
from jobsearch.progress import Progress
from jobsearch.tuning.batches import Source
from jobsearch.tuning.checkpoint import RunDirectory, RunState
from jobsearch.tuning.distribution import ONE, Distribution
from jobsearch.tuning.optimizer import RecipeAdam
from jobsearch.tuning.recipes import Recipe
from jobsearch.tuning.student import Arrays, Student, assign, values_of

Ending = Literal["finished", "stopped early", "interrupted"]


class Measure(Protocol):
    """Validates a state of the student."""

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """Return what was measured, `mrr` and `loss` among it.

        Raises:
            TuningError: the encoder has collapsed.
        """


@dataclass(frozen=True)
class Outcome:
    """What training gave.

    Args:
        best: the best weights after the first steps, by position of the student's variables; empty for any process but
            the chief.
        best_step: the step they are from; 0, the base, only where training ended before the first validation.
        steps: steps that were done.
        ending: why training ended.
        history: one record a validation, the base's at step 0 first; the chief's alone, too.
        seconds: time spent in this process.
    """

    best: Arrays
    best_step: int
    steps: int
    ending: Ending
    history: tuple[dict[str, Any], ...]
    seconds: float


class Trainer:
    """Trains a student, alone or as one of several processes: then the chief alone measures, keeps and reports.

    Args:
        student: what is trained.
        batches: what it sees.
        recipe: how.
        seed: equal seeds give equal weights on the same machine, resumed or not.
        measure: validates.
        directory: keeps the run's state.
        identity: tells runs apart (see `RunState`).
        progress: told of each step.
        on_validation: told of each validation's record.
        tell: told, in a sentence, that it goes on from a checkpoint or was interrupted.
        tensorboard: folder for TensorBoard's event files.
        distribution: who does the steps; the student was made in its scope.
    """

    def __init__(
        self,
        student: Student,
        batches: Source,
        recipe: Recipe,
        *,
        seed: int,
        measure: Measure,
        directory: RunDirectory,
        identity: dict[str, Any],
        progress: Progress,
        on_validation: Callable[[dict[str, Any]], None],
        tell: Callable[[str], None],
        tensorboard: Path,
        distribution: Distribution = ONE,
    ) -> None:
        self._student = student
        self._batches = batches
        self._recipe = recipe
        self._seed = seed
        self._measure = measure
        self._directory = directory
        self._identity = identity
        self._progress = progress
        self._on_validation = on_validation
        self._tell = tell
        self._distribution = distribution
        with distribution.scope():
            self._optimizer = RecipeAdam(recipe)
            self._optimizer.build(student.variables)
        self._step = distribution.step(student, recipe, self._optimizer)
        if distribution.is_chief:
            self._writer = tf.summary.create_file_writer(str(tensorboard))
        else:
            self._writer = tf.summary.create_noop_writer()

    def run(self) -> Outcome:
        """Train to the end, from an earlier run's last checkpoint where there is one.

        Ctrl-C ends training and keeps the best so far.

        Raises:
            TuningError: the loss is no number any more, the encoder has collapsed, or another process is gone.
            StorageError: a checkpoint cannot be written.
        """
        with self._distribution.heeding_interrupts():
            return self._run()

    def _run(self) -> Outcome:
        began = time.monotonic()
        steps = self._batches.steps
        state = self._resume()
        done = state.step
        ending: Ending = "finished"
        recent: list[dict[str, float]] = []
        try:
            while done < steps and state.stale < self._recipe.patience:
                if self._distribution.interrupted():
                    raise KeyboardInterrupt
                recent.append(self._one(done))
                done += 1
                self._progress("training", done, steps)
                if done % self._interval() == 0 or done == steps:
                    state = self._validate(replace(state, step=done), recent)
                    recent = []
            if done < steps:
                ending = "stopped early"
        except KeyboardInterrupt:
            ending = "interrupted"
            # What was kept last: Ctrl-C may have come between that and its return.
            if self._distribution.is_chief:
                state = self._directory.load(self._identity) or state
            self._tell(
                f"Interrupted at step {done:,} of {steps:,}; the best so far is of step {state.best_step or 0:,}."
            )
        finally:
            self._writer.close()
        best = self._directory.read(state.best) if self._distribution.is_chief else {}
        return Outcome(best, state.best_step or 0, done, ending, state.history, time.monotonic() - began)

    def _resume(self) -> RunState:
        """Begin where the chief's last checkpoint is, or at the base; all processes from the same weights."""
        state = self._directory.load(self._identity) if self._distribution.is_chief else None
        everything = [*self._student.variables, *self._optimizer.variables]
        if state is not None:
            assign(everything, self._directory.read(state.last))
            self._tell(f"Going on from step {state.step:,} of {self._batches.steps:,}, where an earlier run stopped.")
        if not self._distribution.alone:
            state = self._same_beginning(state, everything)
        return self._validate(RunState(self._identity), []) if state is None else state

    def _same_beginning(self, state: RunState | None, variables: list[Any]) -> RunState | None:
        """Take the chief's place in training and its weights."""
        place = [-1, 0] if state is None else [state.step, state.stale]
        (step, stale), *values = self._distribution.from_chief([np.array(place), *values_of(variables).values()])
        assign(variables, dict(zip(values_of(variables), values, strict=True)))
        if step < 0:
            return None
        return state or RunState(self._identity, step=int(step), stale=int(stale))

    def _interval(self) -> int:
        return self._recipe.validate_every or self._batches.steps_per_epoch

    def _one(self, step: int) -> dict[str, float]:
        batch = self._batches.batch(step)
        rate = learning_rate(self._recipe, step, self._batches.steps)
        self._optimizer.learning_rate.assign(rate)
        values = self._step(batch.texts, np.array([self._seed % 2**31, step], np.int32), batch.targets)
        measured = {name: float(value) for name, value in values.items()}
        if not math.isfinite(measured["loss"]):
            raise TuningError(
                f"the loss is {measured['loss']} at step {step + 1}: training has come apart; the old encoder stays in "
                f"use; try a lower --learning-rate than {self._recipe.learning_rate:g}"
            )
        return {**measured, "learning_rate": rate}

    def _validate(self, state: RunState, recent: list[dict[str, float]]) -> RunState:
        """Have the chief measure and keep; everybody learns what decides when to stop."""
        if self._distribution.alone:
            return self._keep(state, recent)
        failed: Exception | None = None
        try:
            kept = self._keep(state, recent) if self._distribution.is_chief else state
        except Exception as error:  # the others wait for an answer: they get one first
            failed, kept = error, replace(state, stale=-1)
        stale = int(self._distribution.from_chief([np.array(kept.stale)])[0])
        if failed:
            raise failed
        if stale < 0:
            raise TuningError("the chief could not go on; it says why")
        return replace(kept, stale=stale)

    def _keep(self, state: RunState, recent: list[dict[str, float]]) -> RunState:
        """Measure, remember the best, keep a checkpoint."""
        measured = self._measure(self._student.encoder("in training", {}))
        record: dict[str, Any] = {"step": state.step, **measured}
        for name in recent[0] if recent else ():
            record[f"training_{name}"] = float(np.mean([values[name] for values in recent]))
        # The last is the best where it is to be so: the student of a teacher is not trained for what validation asks.
        value = {"mrr": measured["mrr"], "loss": -measured["loss"], "step": float(state.step)}[self._recipe.monitor]
        # The base is what the result is mixed with and measured against, so any trained state goes before it: where
        # each finds less than the base, their mean may still find more.
        better = value > state.best_value or not state.best_step
        state = replace(
            state,
            best_step=state.step if better else state.best_step,
            best_value=value if better else state.best_value,
            stale=0 if better else state.stale + 1,
            history=(*state.history, {**record, "best": better}),
        )
        weights = values_of(self._student.variables)
        everything = values_of([*self._student.variables, *self._optimizer.variables])
        state = self._directory.save(state, everything, weights if better else None)
        with self._writer.as_default(step=state.step):
            for name, number in record.items():
                tf.summary.scalar(name, number)
            self._writer.flush()
        self._on_validation(state.history[-1])
        return state


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0: warm-up, then the recipe's schedule."""
    warm = recipe.warm_up * steps
    rising = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    if recipe.schedule == "constant":
        return recipe.learning_rate * rising
    return recipe.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * step / steps))
