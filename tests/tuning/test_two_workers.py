"""`jobsearch tune` as two processes on this machine, which TF_CONFIG makes a cluster: the result is that of one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vacancies import vacancies

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.weights import load_weights
from jobsearch.taxonomy.store import save_taxonomy

pytestmark = pytest.mark.slow

# 2 times 15 texts, so that both have 15; drop-out and clipping at work, as in the default recipe.
QUICK = (
    *("--name", "x", "--steps", "6", "--batch", "15", "--learning-rate", "0.001", "--dropout", "0.2"),
    *("--validate-every", "3", "--interpolation", "0.9", "--validation", "0.4"),
)
# Gradients are sums of float32 in another order; Adam's steps are of up to 0.001, six of them, and are full ones where
# a gradient is next to nothing: on some processors a few weights are further apart.
NEARLY_ALL, SINGLE_WEIGHTS_WITHIN = 0.999, 5e-4
WEIGHTS_WITHIN, COSINE_WITHIN, HISTORY_WITHIN = 1e-5, 1e-6, 1e-5
QUERIES = ["welder", "urgent: staff nurse (m/f/d)", "someone who bakes bread", "head of the accounting department"]
SECONDS = 300


@dataclass
class Ended:
    """A process, and what it printed.

    Args:
        home: its home folder.
        code: its exit code.
        out, err: its stdout and stderr.
    """

    home: Path
    code: int
    out: str
    err: str

    @property
    def weights(self) -> dict[str, Any]:
        tensors = load_weights(self.home / "data" / "models" / "x").tensors
        return {name: np.asarray(tensors[name]) for name in arch.dense_shapes()}

    @property
    def record(self) -> dict[str, Any]:
        path = self.home / "data" / "models" / "x" / "record.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


def new_home(folder: Path) -> Path:
    """A home folder of which the taxonomy in use is `vacancies`."""
    save_taxonomy(vacancies(), folder / "data" / "taxonomies" / "vacancies")
    (folder / "data" / "taxonomies" / "active").write_text("vacancies\n", encoding="utf-8")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def start(home: Path, *options: str, config: Any = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobsearch", "tune", *QUICK, *options]
    environment = {**os.environ, "JOBSEARCH_HOME": str(home)}
    environment.pop("TF_CONFIG", None)
    # Where it is set, nothing of TensorFlow's is held back.
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    if config is not None:
        environment["TF_CONFIG"] = json.dumps(config)
    with home.with_suffix(".out").open("w") as out, home.with_suffix(".err").open("w") as err:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=err, text=True)


@contextlib.contextmanager
def started(homes: Sequence[Path], *options: Sequence[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes with one TF_CONFIG on ports that are free; none is left behind."""
    with contextlib.ExitStack() as ports:
        sockets = [ports.enter_context(socket.socket()) for _ in homes]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    configs = [
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(len(homes))
    ]
    own = options or [()] * len(homes)
    processes = [
        start(home, "--strategy", "multi-worker", *each, config=config)
        for home, config, each in zip(homes, configs, own, strict=True)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def end(home: Path, process: subprocess.Popen[str]) -> Ended:
    code = process.wait(SECONDS)
    return Ended(home, code, *(home.with_suffix(suffix).read_text() for suffix in (".out", ".err")))


def both(homes: Sequence[Path], *options: Sequence[str]) -> list[Ended]:
    with started(homes, *options) as processes:
        return [end(home, process) for home, process in zip(homes, processes, strict=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("workers")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # weights are 80 MB


@pytest.fixture(scope="module")
def single(folder: Path) -> Ended:
    home = new_home(folder / "single")
    return end(home, start(home))


@pytest.fixture(scope="module")
def pair(folder: Path) -> list[Ended]:
    return both([new_home(folder / "chief"), new_home(folder / "worker")])


def check_equal(single: Ended, chief: Ended) -> None:
    one, two = single.weights, chief.weights
    assert one.keys() == two.keys()
    apart = np.concatenate([np.abs(values - two[name]).ravel() for name, values in one.items()])
    assert np.quantile(apart, NEARLY_ALL) <= WEIGHTS_WITHIN
    assert apart.max() <= SINGLE_WEIGHTS_WITHIN
    embedded = [
        LeanEncoder(load_weights(ended.home / "data" / "models" / "x")).encode(QUERIES) for ended in (single, chief)
    ]
    assert (embedded[0] * embedded[1]).sum(axis=1).min() >= 1 - COSINE_WITHIN
    before, after = single.record["history"], chief.record["history"]
    assert [record["step"] for record in after] == [0, 3, 6]
    for one_record, two_record in zip(before, after, strict=True):
        assert one_record.keys() == two_record.keys()
        for key, value in one_record.items():
            assert two_record[key] == pytest.approx(value, abs=HISTORY_WITHIN), key


def test_two_processes_give_the_weights_and_history_of_one(single: Ended, pair: list[Ended]) -> None:
    chief, worker = pair
    assert [single.code, chief.code, worker.code] == [0, 0, 0], single.err + chief.err + worker.err
    base = load_weights(chief.home / "data" / "models" / "x").lineage["base"]["fingerprint"]
    assert base == single.record["base"]["fingerprint"]
    check_equal(single, chief)
    # It could have told otherwise: training moved the weights much further than that.
    assert chief.record["history"][-1]["loss"] < 0.5 * chief.record["history"][0]["loss"]


def test_the_record_says_by_how_many(single: Ended, pair: list[Ended]) -> None:
    told = {"strategy": "multi-worker", "processes": 2, "replicas": 2}
    assert pair[0].record["distribution"] == told
    assert "distribution" not in single.record
    assert single.record.keys() == pair[0].record.keys() - {"distribution"}


def test_a_worker_prints_a_line_and_keeps_nothing(pair: list[Ended], tmp_path: Path) -> None:
    chief, worker = pair
    assert "step     6: held-out MRR" in chief.err
    (line,) = worker.err.splitlines()
    assert line.startswith("Worker 1, 127.0.0.1:")
    assert worker.out == ""
    assert files(worker.home) == files(new_home(tmp_path / "new"))


def test_a_killed_worker_ends_the_chief_and_the_next_run_goes_on(folder: Path, single: Ended) -> None:
    homes = [new_home(folder / "chief-2"), new_home(folder / "worker-2")]
    state = homes[0] / "data" / "models" / ".runs" / "x" / "state.json"
    with started(homes) as (chief, worker):
        begun = time.monotonic()
        while not (state.is_file() and json.loads(state.read_text())["step"] == 3):
            assert chief.poll() is None
            assert time.monotonic() - begun < SECONDS
            time.sleep(0.02)
        worker.send_signal(signal.SIGTERM)  # TensorFlow would keep that from ending anything
        ended = end(homes[0], chief)
        assert worker.wait(SECONDS) == -signal.SIGTERM
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("Error: another process of the cluster is gone (")
    assert not (homes[0] / "data" / "models" / "x").exists()
    chief_again, worker_again = both(homes)
    assert (chief_again.code, worker_again.code) == (0, 0), chief_again.err
    assert "step     0" not in chief_again.err
    check_equal(single, chief_again)


def test_processes_that_were_given_different_things_say_so(folder: Path) -> None:
    homes = [new_home(folder / "chief-3"), new_home(folder / "worker-3")]
    for ended in both(homes, ("--seed", "0"), ("--seed", "1")):
        assert ended.code == 1
        assert ended.err.splitlines()[-1] == (
            "Error: worker 1 is not like the chief in data and seed; start the same command with the same files "
            "everywhere"
        )
