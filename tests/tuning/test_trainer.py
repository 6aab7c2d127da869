"""The training loop: what it keeps, when it stops, and that it goes on as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from students import WordStudent, compiled, native_student
from vacancies import graded_pairs, name_pairs

from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import TuningError
from jobsearch.tuning.batches import Batches
from jobsearch.tuning.checkpoint import RunDirectory
from jobsearch.tuning.distribution import ONE, Distribution
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.student import Student, assign, values_of
from jobsearch.tuning.trainer import Outcome, Trainer
from jobsearch.tuning.tune import _make_deterministic
from jobsearch.tuning.validation import Validation

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> Iterator[None]:
    _make_deterministic(0)
    with compiled(False):
        yield


def recipe(**values: Any) -> Recipe:
    defaults = {"batch": 16, "steps": 8, "learning_rate": 0.01, "dropout": 0.1, "marks": 0.3, "validate_every": 2}
    return find_recipe("default", **{**defaults, **values})


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the program catches it."""


@dataclass
class Run:
    """A run to be started, maybe several times, in one folder."""

    folder: Path
    recipe: Recipe
    seed: int = 0
    measure: Callable[[Encoder], dict[str, float]] | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    at_step: Callable[[int], None] = lambda step: None
    at_validation: Callable[[int], None] = lambda step: None
    distribution: Distribution = ONE

    def start(self, student: Student | None = None) -> Outcome:
        with self.distribution.scope():
            self.student = student or WordStudent(self.recipe)
        pairs = name_pairs() if self.recipe.loss == "contrastive" else graded_pairs()
        self.trainer = Trainer(
            self.student,
            Batches(pairs.training, self.recipe, self.seed),
            self.recipe,
            seed=self.seed,
            measure=self.measure or Validation(pairs, self.recipe, self.seed),
            directory=RunDirectory(self.folder),
            identity={"recipe": self.recipe.to_dict(), "seed": self.seed},
            progress=self._progress,
            on_validation=self._on_validation,
            tell=self.told.append,
            tensorboard=self.folder / "tensorboard",
            distribution=self.distribution,
        )
        return self.trainer.run()

    def _progress(self, name: str, done: int, total: int) -> None:
        assert (name, total) == ("training", self.recipe.steps or total)
        self.steps.append(done)
        self.at_step(done)

    def _on_validation(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        self.at_validation(record["step"])


def scripted(values: list[float]) -> Callable[[Encoder], dict[str, float]]:
    """A measure that ignores the encoder and gives these values of MRR, and of loss, one after the other."""
    left = iter(values)

    def measure(encoder: Encoder) -> dict[str, float]:
        value = next(left)
        return {"mrr": value, "loss": value}

    return measure


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(first[key].tobytes() == second[key].tobytes() for key in first)


# --- training ----------------------------------------------------------------------------------------------------


def test_the_loss_falls(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe(steps=12, validate_every=4))
    with compiled(True):
        outcome = run.start()
    assert (outcome.ending, outcome.steps, run.steps) == ("finished", 12, list(range(1, 13)))
    assert [record["step"] for record in outcome.history] == [0, 4, 8, 12]
    assert list(outcome.history) == run.records
    base, *rest = outcome.history
    assert base["best"]
    assert "training_loss" not in base
    assert rest[-1]["training_loss"] < 0.9 * rest[0]["training_loss"]
    assert rest[-1]["loss"] < base["loss"]
    assert rest[-1]["mrr"] > base["mrr"]
    assert {"mrr", "loss", "mean_cosine", "variance"} <= base.keys()
    assert outcome.seconds > 0


def test_the_angular_loss_falls_and_has_mae_and_mape(tmp_path: Path) -> None:
    tutorial = find_recipe("tutorial", steps=12, learning_rate=0.01, validate_every=4, batch=16)
    first, *rest = Run(tmp_path / "run", tutorial).start().history
    assert rest[-1]["loss"] < first["loss"]
    assert rest[-1]["training_loss"] < rest[0]["training_loss"]
    assert {"mae", "mape"} <= first.keys()
    assert {"training_mae", "training_mape", "training_learning_rate"} <= rest[0].keys()
    assert rest[0]["training_learning_rate"] == pytest.approx(0.01)


def test_the_optimizer_is_the_recipes(tmp_path: Path) -> None:
    one = Run(tmp_path / "a", recipe(clip_norm=0.5, beta_1=0.8, beta_2=0.99, steps=2))
    one.start()
    optimizer = one.trainer._optimizer
    assert (optimizer.global_clipnorm, optimizer.clipnorm, optimizer.beta_1, optimizer.beta_2) == (0.5, None, 0.8, 0.99)
    two = Run(tmp_path / "b", find_recipe("tutorial", steps=2, batch=4))
    two.start()
    assert (two.trainer._optimizer.clipnorm, two.trainer._optimizer.global_clipnorm) == (1.0, None)


def test_the_learning_rate_is_that_of_the_schedule(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe(warm_up=0.5, steps=4, validate_every=1))
    seen = []
    run.at_step = lambda step: seen.append(float(run.trainer._optimizer.learning_rate))
    outcome = run.start()
    # Warm-up over 2 of 4 steps: 1/2, 1, 1, 1; the cosine's (1 + cos(π·step/4))/2: 1, .853553, .5, .146447.
    assert seen == pytest.approx([0.005, 0.00853553, 0.005, 0.00146447], rel=1e-5)
    assert [record["training_learning_rate"] for record in outcome.history[1:]] == pytest.approx(seen, rel=1e-5)


def test_validation_is_once_an_epoch_unless_told(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe(validate_every=0, steps=25), measure=scripted([0.1, 0.2, 0.3, 0.4]))
    epoch = Batches(name_pairs().training, run.recipe, 0).steps_per_epoch
    assert [record["step"] for record in run.start().history] == [0, epoch, 25]


# --- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monitor", "values", "best_step"),
    [
        ("mrr", [0.1, 0.5, 0.4, 0.6, 0.2], 6),
        ("mrr", [0.9, 0.5, 0.4, 0.6, 0.2], 6),  # of the trained ones: the base is mixed in later
        ("mrr", [0.1, 0.6, 0.6, 0.6, 0.2], 2),  # of equal ones the first
        ("loss", [0.9, 0.5, 0.2, 0.6, 0.3], 4),
        ("loss", [0.1, 0.5, 0.2, 0.6, 0.3], 4),
    ],
)
def test_the_best_checkpoint_is_kept(tmp_path: Path, monitor: str, values: list[float], best_step: int) -> None:
    weights = {}
    run = Run(tmp_path / "run", recipe(monitor=monitor), measure=scripted(values))
    run.at_validation = lambda step: weights.update({step: values_of(run.student.variables)})
    outcome = run.start()
    assert outcome.best_step == best_step
    assert same(outcome.best, weights[best_step])
    assert not any(same(outcome.best, weights[step]) for step in weights if step != best_step)
    assert [record["best"] for record in outcome.history].count(True) >= 1
    assert max(record["step"] for record in outcome.history if record["best"]) == best_step


def test_training_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    values = [0.1, 0.5, 0.4, 0.3, 0.9]  # 0.9 would come at step 8, which is never reached
    run = Run(tmp_path / "run", recipe(steps=40, patience=2), measure=scripted(values))
    outcome = run.start()
    assert (outcome.ending, outcome.steps, outcome.best_step) == ("stopped early", 6, 2)
    assert [record["step"] for record in outcome.history] == [0, 2, 4, 6]


def test_patience_begins_anew_with_each_best(tmp_path: Path) -> None:
    values = [0.1, 0.0, 0.2, 0.1, 0.3]
    outcome = Run(tmp_path / "run", recipe(patience=2), measure=scripted(values)).start()
    assert (outcome.ending, outcome.best_step) == ("finished", 8)


def test_running_out_of_patience_at_the_last_step_is_finishing(tmp_path: Path) -> None:
    outcome = Run(tmp_path / "run", recipe(steps=4, patience=2), measure=scripted([0.5, 0.4, 0.3])).start()
    assert (outcome.ending, outcome.steps) == ("finished", 4)


# --- Ctrl-C --------------------------------------------------------------------------------------------------------


def interrupt_at(step: int) -> Callable[[int], None]:
    def check(done: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return check


def test_ctrl_c_between_checkpoints_keeps_the_best(tmp_path: Path) -> None:
    weights = {}
    run = Run(tmp_path / "run", recipe(), measure=scripted([0.1, 0.5, 0.4]))
    run.at_validation = lambda step: weights.update({step: values_of(run.student.variables)})
    run.at_step = interrupt_at(5)
    outcome = run.start()
    assert (outcome.ending, outcome.best_step) == ("interrupted", 2)
    assert outcome.steps in (4, 5)
    assert [record["step"] for record in outcome.history] == [0, 2, 4]
    assert same(outcome.best, weights[2])


def test_ctrl_c_right_after_a_checkpoint_was_kept(tmp_path: Path) -> None:
    # The files of the best before are gone by then: what counts is what was kept last.
    run = Run(tmp_path / "run", recipe(), measure=scripted([0.1, 0.3, 0.5]))
    run.at_validation = interrupt_at(4)
    outcome = run.start()
    assert (outcome.ending, outcome.best_step, outcome.steps) == ("interrupted", 4, 4)
    assert [record["step"] for record in outcome.history] == [0, 2, 4]
    assert same(outcome.best, values_of(run.student.variables))


def test_ctrl_c_before_the_first_checkpoint_gives_the_base(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe())
    run.at_step = interrupt_at(1)
    outcome = run.start()
    assert (outcome.ending, outcome.best_step) == ("interrupted", 0)
    assert same(outcome.best, values_of(WordStudent(run.recipe).variables))


# --- coming apart ----------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_training(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe(learning_rate=0.02))

    def spoil(step: int) -> None:
        if step == 3:
            assign(run.student.variables, {k: v * np.nan for k, v in values_of(run.student.variables).items()})

    run.at_step = spoil
    with pytest.raises(TuningError) as caught:
        run.start()
    assert str(caught.value) == (
        "the loss is nan at step 4: training has come apart; the old encoder stays in use; "
        "try a lower --learning-rate than 0.02"
    )


@pytest.fixture
def native() -> Iterator[Student]:
    """The real network, shared: its weights are put back at the end."""
    student = native_student()
    start = values_of(student.variables)
    yield student
    assign(student.variables, start)


@pytest.mark.parametrize("rate", [1.0, pytest.param(0.1, marks=pytest.mark.slow)])
def test_a_learning_rate_far_too_high_is_noticed(tmp_path: Path, native: Student, rate: float) -> None:
    run = Run(tmp_path / "run", recipe(learning_rate=rate, steps=3, validate_every=1, schedule="constant", warm_up=0))
    with pytest.raises(TuningError, match=r"(has collapsed|has come apart).*old encoder stays in use.*--learning-rate"):
        run.start(native)


# --- TensorBoard -----------------------------------------------------------------------------------------------------


def test_events_for_tensorboard_are_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    outcome = Run(tmp_path / "run", recipe()).start()
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert {"mrr", "loss", "training_loss", "training_learning_rate"} <= set(events.Tags()["tensors"])
    for name, records in (("mrr", outcome.history), ("training_loss", outcome.history[1:])):
        seen = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        assert [step for step, _ in seen] == [record["step"] for record in records]
        assert [value for _, value in seen] == pytest.approx([record[name] for record in records], rel=1e-6)


# --- the same again --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run to the end, to compare others with."""
    return Run(tmp_path_factory.mktemp("undisturbed") / "run", recipe()).start()


def test_equal_seeds_give_equal_weights(tmp_path: Path, undisturbed: Outcome) -> None:
    again, other = (Run(tmp_path / str(seed), recipe(), seed).start() for seed in (0, 1))
    assert same(again.best, undisturbed.best)
    assert again.history == undisturbed.history
    assert not same(other.best, undisturbed.best)


@pytest.mark.slow
def test_equal_seeds_give_equal_weights_of_the_real_network(tmp_path: Path, native: Student) -> None:
    start = values_of(native.variables)
    ends = []
    for number in range(2):
        assign(native.variables, start)
        fixed = recipe(steps=2, learning_rate=1e-3, batch=8)
        with compiled(True):
            Run(tmp_path / str(number), fixed, measure=scripted([0.1, 0.2])).start(native)
        ends.append(values_of(native.variables))
    assert same(*ends)
    assert not any(np.array_equal(start[key], ends[0][key]) for key in start)


@pytest.mark.parametrize(("place", "resumes_at"), [("step 5", 4), ("validation 4", 4), ("step 1", 0)])
def test_a_killed_run_goes_on_as_it_would_have(
    tmp_path: Path, undisturbed: Outcome, place: str, resumes_at: int
) -> None:
    def kill(what: str) -> Callable[[int], None]:
        def check(step: int) -> None:
            if place == f"{what} {step}":
                raise Killed

        return check

    killed = Run(tmp_path / "killed", recipe(), at_step=kill("step"), at_validation=kill("validation"))
    with pytest.raises(Killed):
        killed.start()
    again = Run(tmp_path / "killed", recipe())
    outcome = again.start()
    assert again.steps == list(range(resumes_at + 1, 9))
    assert same(outcome.best, undisturbed.best)
    assert outcome.history == undisturbed.history
    assert (outcome.best_step, outcome.steps, outcome.ending) == (undisturbed.best_step, 8, "finished")


def test_a_run_that_was_killed_after_its_end_is_not_trained_further(tmp_path: Path) -> None:
    values = [0.1, 0.5, 0.4, 0.3]
    first = Run(tmp_path / "run", recipe(patience=2), measure=scripted(values)).start()
    again = Run(tmp_path / "run", recipe(patience=2), measure=scripted([]))
    outcome = again.start()
    assert again.steps == []
    assert (outcome.ending, outcome.best_step, outcome.steps) == ("stopped early", 2, 6)
    assert same(outcome.best, first.best)


def test_another_recipe_begins_anew(tmp_path: Path) -> None:
    Run(tmp_path / "run", recipe()).start()
    other = Run(tmp_path / "run", recipe(learning_rate=0.005))
    assert other.start().history[0]["step"] == 0
    assert other.steps == list(range(1, 9))


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    Run(tmp_path / "run", recipe()).start()
    (last,) = (tmp_path / "run").glob("last-*")
    last.write_bytes(last.read_bytes()[:-5])
    with pytest.raises(TuningError, match=f"^checkpoint {last} cannot be read .*; remove {tmp_path / 'run'}$"):
        Run(tmp_path / "run", recipe()).start()


@pytest.mark.slow
def test_importing_the_trainer_first_is_quiet() -> None:
    code = "import jobsearch.tuning.trainer"
    unset = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=unset)
    assert (done.stdout, done.stderr) == ("", "")
