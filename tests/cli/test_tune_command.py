"""`jobsearch tune` on the real network: from a taxonomy or a file to an encoder in use."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_process import Cli, Result, error_of, execute, start
from vacancies import vacancies

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.weights import load_weights
from jobsearch.errors import TuningError
from jobsearch.index.manifest import Manifest
from jobsearch.taxonomy.store import save_taxonomy
from jobsearch.tuning import tune as tuning

SEED = Path(__file__).parents[3] / "shared" / "data" / "seed" / "training_data.csv"
QUICK = ("--steps", "4", "--batch", "16", "--learning-rate", "0.001", "--interpolation", "0.9", "--validation", "0.4")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home folder of which the taxonomy in use is `vacancies`."""
    folder = tmp_path / "home"
    save_taxonomy(vacancies(), folder / "data" / "taxonomies" / "vacancies")
    (folder / "data" / "taxonomies" / "active").write_text("vacancies\n", encoding="utf-8")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # weights are 80 MB


@pytest.fixture
def seed_pairs() -> Path:
    if not SEED.is_file():
        pytest.skip(f"the tutorial's pairs are not at {SEED}")
    return SEED


def record_of(home: Path, name: str, folder: str = "") -> dict[str, Any]:
    path = home / "data" / "models" / folder / name / "record.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def manifest(home: Path, version: str) -> Manifest:
    return Manifest.read(home / "indexes" / "vacancies" / "versions" / version, "")


@pytest.mark.slow
def test_a_better_encoder_is_kept_and_put_into_use(home: Path, cli: Cli) -> None:
    assert cli(home, "index", "build", "--encoder", "use").code == 0
    done = cli(home, "tune", *QUICK, "--rebuild")
    assert done.code == 0, done
    record = record_of(home, "tuned-1")
    gate = record["gate"]
    assert gate["verdict"] == "accepted"
    assert gate["general_check"] == "general-similarity guard (Pearson)"
    assert gate["general_base"] > 0.85
    assert (record["data"]["source"], record["share"], record["base"]["case"]) == ("vacancies", 0.9, "lower")
    assert set(record["data"]["counts"]["training"]) == {"name", "description"}
    # What it says: the result on stdout, the rest on stderr.
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["base", "tuned"]
    assert rows[1][:4] == ["held-out", "MRR,", str(gate["queries"]), "queries"]
    assert rows[1][4:6] == [f"{gate['mrr_base']:.4f}", f"{gate['mrr_tuned']:.4f}"]
    assert ["Verdict", "accepted:"] in [row[:2] for row in rows]
    lines = done.err.splitlines()
    assert lines[0].startswith("Tuning 'tuned-1' by recipe 'default' on vacancies: ")
    assert lines[2].startswith("step     0: held-out MRR ")
    assert lines[2].endswith(" (base)")
    assert lines[3].startswith("step     4: held-out MRR ")
    assert lines[4].startswith("Index 'vacancies', version 0002: ")
    assert len(lines) == 5
    # The index in use is the tuned encoder's.
    assert (home / "indexes" / "vacancies" / "current").read_text() == "0002\n"
    tuned = load_weights(home / "data" / "models" / "tuned-1")
    assert manifest(home, "0002").encoder["fingerprint"] == tuned.fingerprint
    assert manifest(home, "0001").encoder["fingerprint"] == record["base"]["fingerprint"] != tuned.fingerprint
    found = json.loads(cli(home, "search", "urgent: plumber (m/f/d), London", "-k", "1", "--json").out)
    assert found["encoder"] == {"name": "tuned-1", "fingerprint": tuned.fingerprint}
    assert found["hits"][0]["label"] == "plumber"
    # And it is there for the other commands.
    assert "tuned-1" in cli(home, "models", "list").out
    assert "Accepted" in cli(home, "models", "show", "tuned-1").out
    compared = json.loads(cli(home, "compare", "temporary welder", "-k", "3", "--json").out)
    assert compared["tuned"]["encoder"]["fingerprint"] == tuned.fingerprint
    assert sorted(path.name for path in (home / "indexes").iterdir()) == ["vacancies"]  # both versions were there
    line = error_of(cli(home, "tune", *QUICK, "--name", "tuned-1"))
    assert line.startswith("Error: there is an encoder 'tuned-1'; give another name")


@pytest.mark.slow
def test_own_pairs_go_on_from_the_encoder_in_use(home: Path, cli: Cli, tmp_path: Path) -> None:
    pairs = tmp_path / "own.csv"
    assert cli(home, "pairs", "--out", str(pairs), "--unrelated", "0").code == 0
    assert cli(home, "index", "build").code == 0
    own = ("tune", "--pairs", str(pairs), "--force", "--json")
    done = cli(home, *own)
    assert "Beginning with 'use-jobs', which searches use; --base names another.\n" in done.err
    assert " steps; --steps asks for more.\n" in done.err
    told = json.loads(done.out)
    assert (told["base"]["name"], told["best_step"] > 0) == ("use-jobs", True)
    assert told["steps"] == told["recipe"]["steps"] <= 10
    assert len(told["history"]) > 4
    assert cli(home, "index", "build", "--encoder", "tuned-1").code == 0
    again = json.loads(cli(home, *own, "--steps", "1", "--interpolation", "0.5").out)
    assert (again["base"]["name"], again["base"]["fingerprint"]) == (
        "tuned-1",
        load_weights(Path(told["directory"])).fingerprint,
    )
    other = cli(home, *own, "--steps", "1", "--interpolation", "0.5", "--base", "use")
    assert (json.loads(other.out)["base"]["name"], "Beginning with" in other.err) == ("use", False)


@pytest.mark.slow
def test_the_tutorial_on_its_own_pairs(home: Path, cli: Cli, seed_pairs: Path) -> None:
    arguments = ("tune", "--pairs", str(seed_pairs), "--recipe", "tutorial", "--no-train-table", "--name", "as-told")
    sts = home / "sts.csv"
    sts.write_text("a man sleeps,a guy is asleep,4.5\na dog runs,the dog is running,5\na cook cooks,a plane lands,0\n")
    done = cli(home, *arguments, "--steps", "2", "--sts", str(sts), "--validation", "0.2", "--json")
    assert done.code in (0, 1), done
    record = json.loads(done.out)
    assert record["recipe"]["name"] == "tutorial"
    assert record["data"]["source"] == str(seed_pairs)
    assert (record["data"]["held_out_share"], record["data"]["languages"]) == (0.2, [])
    assert record["data"]["training"] + record["data"]["validation"] == 98
    assert [entry["step"] for entry in record["history"]] == [0, 2]
    assert {"mae", "mape", "training_mae", "training_mape"} <= record["history"][-1].keys()
    assert record["share"] == 1.0
    assert record["gate"]["general_check"] == "STS sts (Pearson)"
    rejected = record["gate"]["verdict"] == "rejected"
    assert done.code == int(rejected)
    assert record == {**record_of(home, "as-told", "rejected" if rejected else ""), "directory": record["directory"]}
    assert not (home / "indexes").exists()


# --- wrong usage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--recipe", "best"), "no recipe 'best'; expected one of default, joint, taught, tutorial"),
        (("--batch", "1"), "batch is 1, expected 2 to 16384"),
        (("--steps", "-5"), "steps is -5, expected 0 to 10000000"),
        (("--learning-rate", "nan"), "learning_rate is nan, expected 1e-08 to 1"),
        (("--dropout", "1"), "dropout is 1.0, expected 0 to 0.9"),
        (("--interpolation", "2"), "interpolation is 2.0, expected 0 to 1"),
        (("--name", "use"), "'use' is reserved; give another name with --name"),
        (("--name", "a/b"), "encoder name 'a/b': expected letters, digits, dots and dashes; give one with --name"),
        (("--validation", "0.9"), "validation share is 0.9, expected 0 to 0.5"),
        (("--validation", "nan"), "validation share is nan, expected 0 to 0.5"),
        (("--taxonomy", "other"), "no taxonomy 'other'; expected one of esco-en, vacancies; "),
        (("--language", "de"), "vacancies has no labels in de, expected some of en"),
        (("--pairs", "no.csv"), "no.csv cannot be read (No such file or directory)"),
        (("--sts", "no.csv"), "no.csv does not exist"),
        (
            ("--base", "other"),
            "no encoder 'other'; expected one of use, use-jobs, a directory, a TF-Hub address, or st:MODEL",
        ),
        (("--case", "upper"), "case is 'upper', expected one of keep, lower, lower-caps"),
        (
            ("--steps", "1", "--batch", "4096"),
            "training pairs of similarity 0.7 or more, expected at least one batch of",
        ),
        (("--validation", "0", "--batch", "8"), "there are no held-out pairs that belong together; give more pairs"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    class Student:
        variables = ()

    monkeypatch.setattr(tuning, "make_student", lambda base, recipe, texts: Student())
    failed = cli(home, "tune", *arguments)
    line = failed.err.splitlines()[-1]
    assert says in line
    assert line.startswith("Error: ")
    assert failed.err.count("Error") == 1
    assert (failed.code, failed.out) == (1, "")
    assert not (home / "data" / "models").exists()


def test_a_seed_may_be_any_whole_number(home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise TuningError("far enough")

    monkeypatch.setattr(tuning, "make_student", stop)
    for seed in ("-1", str(2**70)):
        assert cli(home, "tune", "--seed", seed, "--batch", "8").err.splitlines()[-1] == "Error: far enough"


def test_wrong_usage(home: Path, cli: Cli) -> None:
    for arguments in (("--steps", "many"), ("--seed", "x"), ("--unknown",), ("file.csv",)):
        error_of(cli(home, "tune", *arguments), code=2)


# --- heavier -------------------------------------------------------------------------------------------------------


def finish(home: Path, *arguments: str) -> Result:
    return execute(home, "tune", *arguments, timeout=600, **{"TF_CPP_MIN_LOG_LEVEL": "3"})


def wait_for_line(stream: Any, begins: str, process: Any) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        line = stream.readline().decode()
        if line.startswith(begins):
            return
        assert line or process.poll() is None, "it ended before it could be stopped"
    raise AssertionError(f"no line {begins!r} came")


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(home: Path) -> None:
    options = (*QUICK[2:], "--steps", "8", "--validate-every", "2", "--seed", "5")
    whole = finish(home, *options, "--name", "whole")
    assert whole.code == 0, whole
    process = start(home, "tune", *options, "--name", "killed")
    wait_for_line(process.stderr, "step     4:", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (home / "data" / "models").iterdir()) == [".runs", "whole"]
    resumed = finish(home, *options, "--name", "killed")
    assert resumed.code == 0, resumed
    assert "step     0:" not in resumed.err
    assert "step     4:" not in resumed.err
    assert "step     6:" in resumed.err
    weights = [load_weights(home / "data" / "models" / name) for name in ("whole", "killed")]
    assert weights[0].weights_digest == weights[1].weights_digest != packaged_weights("lower").weights_digest
    records = [record_of(home, name) for name in ("whole", "killed")]
    for key in ("history", "best_step", "steps", "ending", "tried", "gate", "data"):
        assert records[0][key] == records[1][key], key
    assert list((home / "data" / "models" / ".runs").iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far(home: Path) -> None:
    process = start(home, "tune", *QUICK[2:], "--steps", "1000", "--validate-every", "2", "--name", "stopped")
    wait_for_line(process.stderr, "step     4:", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert b"interrupted" in out
    record = record_of(home, "stopped")
    assert record["ending"] == "interrupted"
    assert 4 <= record["steps"] < 1000
    assert record["gate"]["verdict"] == "accepted"


@pytest.mark.slow
def test_far_too_high_a_learning_rate_changes_nothing_in_use(home: Path) -> None:
    assert execute(home, "index", "build").code == 0
    failed = finish(home, *QUICK[:4], "--learning-rate", "0.5", "--rebuild")
    assert failed.code == 1
    last = failed.err.splitlines()[-1]
    assert last.startswith("Error: ")
    assert "the old encoder stays in use; try a lower --learning-rate" in last
    assert failed.out == ""
    assert (home / "indexes" / "vacancies" / "current").read_text() == "0001\n"
    assert [path.name for path in (home / "data" / "models").iterdir()] == [".runs"]


@pytest.mark.slow
def test_the_tutorial_with_its_table_trained(home: Path, seed_pairs: Path) -> None:
    done = finish(
        home, "--pairs", str(seed_pairs), "--recipe", "tutorial", "--epochs", "1", "--name", "exact", "--force"
    )
    assert done.code == 0, done
    assert "Warning" not in done.err
    record = record_of(home, "exact")
    assert record["recipe"]["train_table"]
    assert record["steps"] == record["data"]["training"] // 8
    weights = load_weights(home / "data" / "models" / "exact")
    assert weights.tensors[arch.TABLE].dtype == np.float16
    assert weights.fingerprint != record["base"]["fingerprint"]
    assert execute(home, "index", "build", "--encoder", "exact").code == 0
    found = json.loads(execute(home, "search", "plumber", "-k", "1", "--json").out)
    assert found["hits"][0]["label"] == "plumber"
    assert found["encoder"]["fingerprint"] == weights.fingerprint


@pytest.mark.slow
def test_the_default_recipe_chooses_a_share(home: Path) -> None:
    done = finish(home, "--batch", "16", "--steps", "6", "--learning-rate", "0.001", "--validation", "0.4")
    assert done.code == 0, done
    record = record_of(home, "tuned-1")
    assert [one["share"] for one in record["tried"]] == list(tuning.SHARES)
    assert record["share"] in tuning.SHARES
    assert record["gate"]["verdict"] == "accepted"
