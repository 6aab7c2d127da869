"""Several replicas: the same result as one, and what the processes of a cluster agree on."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from students import DIM, WordStudent, compiled, export_word_model, native_student
from test_trainer import Run, recipe, same, scripted
from vacancies import name_pairs

from jobsearch.cli.app import run as run_command
from jobsearch.encoder.savedmodel import SavedModelEncoder
from jobsearch.encoder.tf import tensorflow
from jobsearch.errors import TuningError
from jobsearch.tuning.cluster import Cluster
from jobsearch.tuning.distribution import ONE, Several, _told, check_recipe, find_distribution
from jobsearch.tuning.recipes import find_recipe
from jobsearch.tuning.stages import _check_alike
from jobsearch.tuning.steps import clipped, one_step
from jobsearch.tuning.student import SavedModelStudent
from jobsearch.tuning.trainer import Outcome
from jobsearch.tuning.tune import _make_deterministic, train_along

ROOT = Path(__file__).parents[2]
TEXTS = ["software developer", "nurse", "developer of software and of hardware", "chief nurse", "head chef", "chef"]


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> Iterator[None]:
    _make_deterministic(0)
    with compiled(False):
        yield


# --- the same result -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_replicas_give_what_one_process_gives(tmp_path: Path) -> None:
    # Three logical devices, which a process can have only from its start on.
    script = Path(__file__).parent / "mirrored_runs.py"
    with (tmp_path / "results").open("w") as out, (tmp_path / "told").open("w") as err:
        code = subprocess.call([sys.executable, script], stdout=out, stderr=err, cwd=ROOT, timeout=300)
    assert code == 0, (tmp_path / "told").read_text()
    results = [json.loads(line) for line in (tmp_path / "results").read_text().splitlines()]
    assert len(results) == 9
    for result in results:
        # Sums of float32 in another order: one in ten million of each number.
        assert result["weights"] < 1e-5, result
        assert result.get("history", 0) < 1e-5, result
        assert result["moved"] > 0.001, result


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [2, 4])
def test_shares_embed_each_text_as_the_whole_does(replicas: int) -> None:
    student = native_student()
    draw = np.array([3, 7], np.int32)
    whole = student.embed(student.inputs(TEXTS), np.int32(len(TEXTS)), draw).numpy()
    shares = student.shares(TEXTS, replicas)
    assert len(shares) == replicas
    for number, share in enumerate(shares):
        assert len(share) == len(student.share_signature())
        own = whole[number::replicas]
        embedded = student.embed(share, np.int32(len(own)), draw).numpy()
        assert embedded.shape == own.shape
        # Drop-out zeroes a tenth: were it drawn anew for a share, cosines would be about .9.
        assert np.abs(embedded - own).max() < 1e-6


@pytest.mark.parametrize("clip", ["global", "each"])
def test_clipping_is_that_of_keras(clip: str) -> None:
    import keras

    tf = tensorflow()
    each = recipe(clip=clip, clip_norm=0.5)
    gradients = [tf.constant([3.0, 4.0]), tf.constant([[0.1, 0.2]])]
    adam = keras.optimizers.Adam(**{"global_clipnorm" if clip == "global" else "clipnorm": 0.5})
    for ours, theirs in zip(clipped(gradients, each), adam._clip_gradients(gradients), strict=True):
        assert np.allclose(ours, theirs, atol=1e-7)
    # 5 is the norm of the first; of both it is the root of 25.05.
    assert float(clipped(gradients, each)[0][0]) == pytest.approx(3 / 10 if clip == "each" else 1.5 / 25.05**0.5)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_no_such_strategy() -> None:
    with pytest.raises(TuningError, match=r"^no strategy 'two'; expected one of one, mirrored, multi-worker$"):
        find_distribution("two")


def test_one_is_the_default_and_says_nothing() -> None:
    assert find_distribution("one") is ONE
    assert (ONE.is_chief, ONE.alone, ONE.record(), ONE.interrupted()) == (True, True, {}, False)
    assert ONE.gathered([1, 2]).tolist() == [[1, 2]]


@pytest.mark.skipif(bool(tensorflow().config.list_physical_devices("GPU")), reason="there is a GPU")
def test_mirrored_needs_a_gpu() -> None:
    with pytest.raises(TuningError, match=r"^TensorFlow finds no GPU here, and --strategy mirrored is for several of"):
        find_distribution("mirrored")


def test_a_cluster_cannot_be_joined_late(monkeypatch: pytest.MonkeyPatch) -> None:
    two = '{"cluster": {"worker": ["localhost:1", "localhost:2"]}, "task": {"type": "worker", "index": 1}}'
    monkeypatch.setenv("TF_CONFIG", two)
    lines: list[str] = []
    with pytest.raises(TuningError, match=r"^the cluster cannot be joined: Collective ops must be configured at prog"):
        find_distribution("multi-worker", tell=lines.append)
    assert lines == ["Worker 1, localhost:2, led by localhost:1, one of 2 processes; waiting for all of them."]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_trained_table_is_for_one_process() -> None:
    tutorial = find_recipe("tutorial")
    check_recipe("one", tutorial)
    message = (
        "recipe 'tutorial' trains the embedding table, which goes with --strategy one alone; give --no-train-table"
    )
    with pytest.raises(TuningError, match=f"^{message}$"):
        check_recipe("mirrored", tutorial)


def test_a_savedmodel_is_for_one_process(tmp_path: Path) -> None:
    base = SavedModelEncoder(export_word_model(tmp_path / "model"), "lower", "mine")
    student = SavedModelStudent(base)
    message = r"^'mine' is a SavedModel, which one process trains alone; leave --strategy away$"
    seated = Seated(Table(2), 1)
    for refused in (
        student.share_signature,
        lambda: student.shares(["a"], 2),
        lambda: train_along(base, name_pairs(), recipe(), distribution=seated),
    ):
        with pytest.raises(TuningError, match=message):
            refused()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--strategy", "two"], "no strategy 'two'; expected one of one, mirrored, multi-worker"),
        (["--strategy", "multi-worker"], "TF_CONFIG is not set; --strategy multi-worker expects something like '{"),
        (["--strategy", "mirrored", "--recipe", "tutorial"], "recipe 'tutorial' trains the embedding table, which "),
    ],
)
def test_the_command_refuses_at_once(
    options: list[str], told: str, jobsearch_home: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert run_command(["tune", *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"Error: {told}")
    assert captured.err.count("\n") == 1
    assert not jobsearch_home.exists()


def test_what_tensorflow_says_of_a_lost_process() -> None:
    error = Exception(
        "Graph execution error:\n\nDetected at node allgather defined at (most recent call last):\n"
        '  File "a.py", line 2, in step\n\nCollective ops is aborted by: Connection refused\n'
        "Additional GRPC error information from remote target:\n:UNKNOWN:Error received from peer\n"
        "The error could be from a previous operation. Restart your program to reset.\n"
        "\t [[{{node allgather/CollectiveGatherV2}}]] [Op:__inference_step_8818]"
    )
    assert _told(error) == "Collective ops is aborted by: Connection refused"


# --- what the processes agree on -------------------------------------------------------------------------------------


class Table:
    """Where the threads of a test, one a process, lay things down for each other."""

    def __init__(self, places: int) -> None:
        self.laid: list[Any] = [None] * places
        self.barrier = threading.Barrier(places, timeout=60)


class Seated:
    """A process of a cluster, played by a thread; each does whole steps, which are the same."""

    alone = False

    def __init__(self, table: Table, rank: int) -> None:
        self._table, self._rank = table, rank
        self.asked = False

    @property
    def is_chief(self) -> bool:
        return self._rank == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def step(self, student: Any, recipe: Any, optimizer: Any) -> Any:
        return one_step(student, recipe, optimizer)

    def _exchange(self, mine: Any) -> list[Any]:
        self._table.laid[self._rank] = mine
        self._table.barrier.wait()
        everything = list(self._table.laid)
        self._table.barrier.wait()
        return everything

    def gathered(self, numbers: Sequence[float]) -> Any:
        return np.array(self._exchange(list(numbers)), float)

    def from_chief(self, values: Sequence[Any]) -> list[Any]:
        every = self._exchange(list(values))
        assert [np.shape(value) for value in every[self._rank]] == [np.shape(value) for value in every[0]]
        return list(every[0])

    def heeding_interrupts(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def interrupted(self) -> bool:
        return bool(self.gathered([self.asked]).any())

    def record(self) -> dict[str, Any]:
        return {}


def fails(encoder: Any) -> dict[str, float]:
    raise AssertionError("only the chief measures")


def together(folder: Path, **chief: Any) -> tuple[list[Run], list[Any]]:
    """Run two processes to their ends; outcomes, or the errors they ended with."""
    table = Table(2)
    each = chief.pop("recipe", recipe())
    runs = [
        Run(folder / "chief", each, distribution=Seated(table, 0), **chief),
        Run(folder / "other", each, distribution=Seated(table, 1), measure=fails),
    ]

    def start(run: Run) -> Any:
        try:
            return run.start()
        except TuningError as error:
            return error
        except Exception:
            table.barrier.abort()  # the other one waits
            raise

    with ThreadPoolExecutor(2) as pool:
        return runs, list(pool.map(start, runs))


def test_the_chief_alone_measures_and_keeps(tmp_path: Path) -> None:
    runs, (chief, other) = together(tmp_path)
    alone = Run(tmp_path / "alone", recipe()).start()
    assert same(chief.best, alone.best)
    assert chief.history == alone.history
    assert (other.best, other.history, other.ending, other.steps) == ({}, (), "finished", 8)
    assert runs[1].records == []
    assert not (tmp_path / "other").exists()


def test_all_stop_when_the_chief_does(tmp_path: Path) -> None:
    measure = scripted([0.1, 0.5, 0.4, 0.3])
    _, outcomes = together(tmp_path, recipe=recipe(steps=40, patience=2), measure=measure)
    assert [(outcome.ending, outcome.steps) for outcome in outcomes] == [("stopped early", 6)] * 2


def test_all_hear_that_the_chief_cannot_go_on(tmp_path: Path) -> None:
    def collapses(encoder: Any) -> dict[str, float]:
        raise TuningError("all texts look alike")

    _, (chief, other) = together(tmp_path, measure=collapses)
    assert str(chief) == "all texts look alike"
    assert str(other) == "the chief could not go on; it says why"


def test_ctrl_c_anywhere_ends_all(tmp_path: Path) -> None:
    table = Table(2)
    seats = [Seated(table, 0), Seated(table, 1)]
    runs = [
        Run(tmp_path / "chief", recipe(), distribution=seats[0]),
        Run(tmp_path / "other", recipe(), distribution=seats[1], measure=fails),
    ]

    def ask(step: int) -> None:
        seats[1].asked = step >= 3

    runs[1].at_step = ask
    with ThreadPoolExecutor(2) as pool:
        outcomes: list[Outcome] = list(pool.map(Run.start, runs))
    assert [(outcome.ending, outcome.steps) for outcome in outcomes] == [("interrupted", 3)] * 2
    assert outcomes[0].best_step == 2


def test_all_resume_where_the_chief_was(tmp_path: Path) -> None:
    def kill(step: int) -> None:
        if step == 5:
            raise MemoryError

    with pytest.raises(MemoryError):
        Run(tmp_path / "chief", recipe(), at_step=kill).start()  # alone: that is no part of a run's identity
    runs, (chief, other) = together(tmp_path)
    undisturbed = Run(tmp_path / "alone", recipe()).start()
    assert [run.steps for run in runs] == [[5, 6, 7, 8]] * 2
    assert same(chief.best, undisturbed.best)
    assert chief.history == undisturbed.history
    assert other.steps == 8


def test_a_worker_that_begins_with_other_weights_takes_the_chiefs(tmp_path: Path) -> None:
    table = Table(2)
    runs = [Run(tmp_path / str(rank), recipe(), distribution=Seated(table, rank)) for rank in range(2)]
    students = [WordStudent(recipe()) for _ in range(2)]
    students[1].variables[1].assign(np.eye(DIM, dtype=np.float32))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Run.start, runs, students))
    first, second = ([np.asarray(variable) for variable in student.variables] for student in students)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_all_must_have_been_given_the_same() -> None:
    table = Table(2)
    fixed = {"base": "b", "recipe": recipe().to_dict()}
    identities = [{**fixed, "data": "d1", "seed": 0}, {**fixed, "data": "d2", "seed": 0}]

    def check(rank: int) -> str:
        with pytest.raises(TuningError) as raised:
            _check_alike(identities[rank], Seated(table, rank))
        return str(raised.value)

    with ThreadPoolExecutor(2) as pool:
        told = set(pool.map(check, range(2)))
    assert told == {"worker 1 is not like the chief in data; start the same command with the same files everywhere"}


# --- Ctrl-C, and a process that is gone ------------------------------------------------------------------------------


@pytest.fixture
def second() -> Several:
    """The second process of two, without the first."""
    return Several("multi-worker", SimpleNamespace(num_replicas_in_sync=2), Cluster(("a:1", "b:1"), 1))


def test_ctrl_c_is_noted_once(second: Several) -> None:
    with second.heeding_interrupts():
        assert not second._asked
        os.kill(os.getpid(), signal.SIGINT)
        assert second._asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_it_is_for_the_record(second: Several) -> None:
    assert second.record() == {"distribution": {"strategy": "multi-worker", "processes": 2, "replicas": 2}}
    assert (second.is_chief, second.alone) == (False, False)


@pytest.mark.parametrize("kind", ["UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError"])
def test_a_lost_process_is_one_line(second: Several, kind: str) -> None:
    gone: Callable[[], Exception] = functools.partial(getattr(tensorflow().errors, kind), None, None, "no route")
    message = "another process of the cluster is gone (no route); start all of them again: training goes on from the "
    with pytest.raises(TuningError, match=f"^{re.escape(message)}chief's last checkpoint$"), second._together():
        raise gone()
