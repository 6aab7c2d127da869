"""Tuning from beginning to end: what is kept where, and on what grounds."""

from __future__ import annotations

import functools
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoders import HashEncoder
from students import WordEncoder, WordStudent, compiled, export_word_model, native_base
from vacancies import graded_pairs, name_pairs

import jobsearch
from jobsearch.cli.app import run as run_command
from jobsearch.encoder import architecture as arch
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import find_encoder, find_weights, model_names, models_directory
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.savedmodel import SavedModelEncoder
from jobsearch.encoder.text import Tokenizer
from jobsearch.encoder.weights import load_weights
from jobsearch.errors import StorageError, TuningError
from jobsearch.evaluation.retrieval import evaluate_retrieval
from jobsearch.tuning import tune as module
from jobsearch.tuning.curves import draw_curves
from jobsearch.tuning.models import list_models
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.student import Student, make_student
from jobsearch.tuning.trainer import Outcome, Trainer
from jobsearch.tuning.tune import Tuned, tune
from jobsearch.tuning.validation import GeneralCheck, held_out_set

ROOT = Path(__file__).parents[2]
SEED = ROOT.parent / "shared" / "data" / "seed" / "training_data.csv"
KEPT = {"README.md", "config.json", "curves.png", "record.json", "tensorboard"}


@pytest.fixture(autouse=True, scope="module")
def one_tokenizer() -> Iterator[None]:
    """Reading the tokenizer's model takes longer than a step; it never changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobsearch.encoder.lean.Tokenizer", functools.cache(Tokenizer))
        yield


def steady(encoder: Encoder) -> float:
    return 0.9


HOLDS = GeneralCheck("sentences", steady, 0.01)


def forgets(base: str) -> GeneralCheck:
    """A check that finds every encoder but one worse than that."""
    return GeneralCheck("sentences", lambda encoder: 0.9 if encoder.fingerprint == base else 0.8, 0.01)


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- the real network, accepted --------------------------------------------------------------------------------------

RECIPE = find_recipe("default", steps=4, batch=16, learning_rate=1e-3, validate_every=4, marks=0.1)


@dataclass(frozen=True)
class Finished:
    """A run of the real network."""

    models: Path
    tuned: Tuned
    outcome: Outcome
    progress: list[tuple[str, int, int]]
    seen: list[dict[str, Any]]

    @property
    def record(self) -> dict[str, Any]:
        return json.loads((self.tuned.directory / "record.json").read_text(encoding="utf-8"))


def caught_outcomes(patch: pytest.MonkeyPatch) -> list[Outcome]:
    outcomes: list[Outcome] = []
    train = Trainer.run

    def run(trainer: Trainer) -> Outcome:
        outcomes.append(train(trainer))
        return outcomes[-1]

    patch.setattr(Trainer, "run", run)
    return outcomes


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, one_tokenizer: None) -> Iterator[Finished]:
    models = tmp_path_factory.mktemp("models")
    progress: list[tuple[str, int, int]] = []
    seen: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch, compiled(False):
        patch.setattr(module, "SHARES", (0.5, 0.75))
        outcomes = caught_outcomes(patch)
        tuned = tune(
            native_base(),
            name_pairs(),
            RECIPE,
            name="better",
            models=models,
            general=HOLDS,
            data_source="vacancies",
            seed=3,
            progress=lambda *step: progress.append(step),
            on_validation=seen.append,
        )
    yield Finished(models, tuned, outcomes[0], progress, seen)
    shutil.rmtree(models, ignore_errors=True)  # 80 MB


def test_an_encoder_that_finds_more_is_accepted(finished: Finished) -> None:
    gate = finished.tuned.gate
    assert gate.verdict == "accepted"
    assert finished.tuned.usable
    assert finished.tuned.directory == finished.models / "better"
    assert gate.mrr_tuned > gate.mrr_base + 0.1
    assert gate.difference == pytest.approx(gate.mrr_tuned - gate.mrr_base)
    assert 0 < gate.interval[0] < gate.difference < gate.interval[1]
    assert gate.p_value < 0.01
    assert gate.reason == (
        f"held-out MRR rose from {gate.mrr_base:.4f} to {gate.mrr_tuned:.4f} and sentences held (0.9000 to 0.9000)."
    )


def test_the_gate_measures_what_is_kept(finished: Finished) -> None:
    task = held_out_set(name_pairs(), seed=3, everything=True)
    gate = finished.tuned.gate
    before = evaluate_retrieval(LeanEncoder(native_base()), task)
    after = evaluate_retrieval(LeanEncoder(load_weights(finished.tuned.directory)), task)
    assert gate.mrr_base == pytest.approx(before.metrics["mrr"])
    assert gate.mrr_tuned == pytest.approx(after.metrics["mrr"])
    assert (gate.queries, gate.labels) == (len(task.queries), len(task.corpus))
    assert gate.p_value == after.paired(before).p_value


def test_what_is_kept_and_what_is_not(finished: Finished) -> None:
    assert {path.name for path in finished.tuned.directory.iterdir()} == KEPT | {"weights.safetensors", "sp.model"}
    (events,) = (finished.tuned.directory / "tensorboard").iterdir()
    assert events.name.startswith("events.out")
    assert sorted(path.name for path in finished.models.iterdir()) == [".runs", "better"]
    assert list((finished.models / ".runs").iterdir()) == []


def test_the_weights_load_and_are_others(finished: Finished) -> None:
    weights = load_weights(finished.tuned.directory)
    base = native_base()
    assert (weights.name, weights.case) == ("better", base.case)
    assert weights.fingerprint != base.fingerprint
    assert weights.tokenizer_model == base.tokenizer_model
    assert np.array_equal(weights.tensors[arch.TABLE], base.tensors[arch.TABLE])
    assert weights.lineage["base"]["fingerprint"] == base.fingerprint
    assert weights.lineage["data"]["digest"] == name_pairs().digest


def test_the_weights_lie_between_base_and_best(finished: Finished) -> None:
    weights, base = load_weights(finished.tuned.directory), native_base()
    share = np.float32(finished.tuned.record["share"])
    assert share in (0.5, 0.75)
    start = {name: base.tensors[name] for name in arch.dense_shapes()}
    best = list(finished.outcome.best.values())
    assert len(best) == len(start)
    for name, before in start.items():
        # Found by its shape and nearness: the trainer knows tensors by their place alone.
        candidates = [tensor for tensor in best if tensor.shape == before.shape]
        after = min(candidates, key=lambda tensor: float(abs(tensor - before).max()))
        assert not np.array_equal(after, before), name
        between = before * (1 - share) + after * share
        assert abs(weights.tensors[name] - between).max() < 1e-6, name


def test_the_record(finished: Finished) -> None:
    record, pairs = finished.record, name_pairs()
    assert record == json.loads(json.dumps(finished.tuned.record))
    assert record["name"] == "better"
    assert record["base"] == {"name": "use", "fingerprint": native_base().fingerprint, "case": "lower"}
    assert record["recipe"] == RECIPE.to_dict()
    assert record["seed"] == 3
    assert record["data"] == {
        "source": "vacancies",
        "digest": pairs.digest,
        "training": len(pairs.training),
        "validation": len(pairs.validation),
        "counts": pairs.counts(),
    }
    assert record["made_with"]["jobsearch"] == jobsearch.__version__
    assert set(record["made_with"]) == {"jobsearch", "tensorflow", "keras", "tensorflow-text", "numpy"}
    assert all(version[0].isdigit() for version in record["made_with"].values())
    assert (record["steps"], record["ending"]) == (4, "finished")
    assert record["best_step"] == 4
    assert record["seconds"] > 0
    assert [entry["step"] for entry in record["history"]] == [0, 4]
    assert record["history"] == finished.seen
    for entry in record["history"]:
        assert {"mrr", "loss", "mean_cosine", "variance", "best"} <= entry.keys()
    assert {"training_loss", "training_learning_rate"} <= record["history"][1].keys()
    assert [tried["share"] for tried in record["tried"]] == [0.5, 0.75]
    for tried in record["tried"]:
        assert set(tried) == {"share", "mrr", "general", "holds"}
    assert record["share"] in (0.5, 0.75)
    gate = finished.tuned.gate
    assert record["gate"] == {**gate.__dict__, "interval": list(gate.interval)}
    assert record["created"].endswith("+00:00")


def test_the_card_says_it_to_people(finished: Finished) -> None:
    card = (finished.tuned.directory / "README.md").read_text(encoding="utf-8")
    gate, record = finished.tuned.gate, finished.record
    assert card.startswith("# better\n")
    for told in (
        f"**Accepted**: {gate.reason}",
        f"{gate.mrr_base:.4f} | {gate.mrr_tuned:.4f}",
        "| sentences | 0.9000 | 0.9000 |",
        f"Base: use, fingerprint `{native_base().fingerprint}`, case lower.",
        f"`{name_pairs().digest[:16]}`",
        f"seed 3; {record['seconds']:.0f} s.",
        f"Share of tuned weights: {record['share']:g}.",
        f"tensorflow {record['made_with']['tensorflow']}",
        f"| 0.5 | {record['tried'][0]['mrr']:.4f} | 0.9000 | yes |",
        "| learning_rate | 0.001 |",
    ):
        assert told in card, told


def test_the_curve_is_a_picture(finished: Finished) -> None:
    content = (finished.tuned.directory / "curves.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (960, 720)  # 8 by 6 inches at 120 dots


def test_progress_is_told(finished: Finished) -> None:
    assert [step for step in finished.progress if step[0] == "training"] == [("training", n, 4) for n in range(1, 5)]
    assert [step for step in finished.progress if step[0] == "choosing share"] == [
        ("choosing share", 1, 2),
        ("choosing share", 2, 2),
    ]
    assert list(dict.fromkeys(name for name, _, _ in finished.progress)) == [
        "building network",
        "training",
        "choosing share",
        "gate",
        "keeping",
    ]


def test_it_encodes_without_tensorflow(finished: Finished) -> None:
    code = (
        "import sys, numpy\n"
        "from jobsearch.encoder.library import find_encoder\n"
        f"rows = find_encoder({str(finished.tuned.directory)!r}).encode(['nurse', 'Truck Driver'])\n"
        "assert 'tensorflow' not in sys.modules\n"
        "sys.stdout.buffer.write(rows.tobytes())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    rows = np.frombuffer(done.stdout, np.float32).reshape(2, arch.DIM)
    expected = LeanEncoder(load_weights(finished.tuned.directory)).encode(["nurse", "Truck Driver"])
    assert abs(rows - expected).max() < 1e-6
    assert abs(rows - LeanEncoder(native_base()).encode(["nurse", "Truck Driver"])).max() > 1e-3


# --- a bag of words, for all that does not depend on the network -----------------------------------------------------


@pytest.fixture
def models(jobsearch_home: Path) -> Path:
    return models_directory()


def quick(**values: Any) -> Recipe:
    defaults = {"steps": 12, "batch": 32, "learning_rate": 0.02, "validate_every": 6, "interpolation": 1.0}
    off = {"dropout": 0.0, "marks": 0.0, "slips": 0.0, "description_repeats": 0}
    return find_recipe("default", **{**defaults, **off, **values})


Start = Callable[..., Tuned]


@pytest.fixture
def base() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def start(base: WordEncoder, models: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Tune the small model: `start(learning_rate=…, force=…)`."""

    def student(encoder: Encoder, recipe: Recipe, texts: Iterable[str]) -> Student:
        return WordStudent(recipe) if isinstance(encoder, WordEncoder) else make_student(encoder, recipe, texts)

    monkeypatch.setattr(module, "make_student", student)
    monkeypatch.setattr(module, "draw_curves", lambda history, best_step, title, path: path.write_bytes(b""))

    def call(**values: Any) -> Tuned:
        options = {
            "base": base,
            "pairs": name_pairs(),
            "name": "small",
            "models": models,
            "general": HOLDS,
            "data_source": "vacancies",
            "force": False,
            "on_validation": lambda record: None,
            "tell": lambda line: None,
        }
        own = {key: values.pop(key) for key in list(values) if key in options}
        options |= own
        with compiled(False):
            return tune(options.pop("base"), options.pop("pairs"), quick(**values), **options)

    return call


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_word_model(tmp_path_factory.mktemp("base") / "words")


def test_the_student_is_told_what_it_will_see(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    told: set[str] = set()

    def student(encoder: Encoder, recipe: Recipe, texts: Iterable[str]) -> Student:
        told.update(texts)
        return WordStudent(recipe)

    monkeypatch.setattr(module, "make_student", student)
    start(force=True)
    assert told == {text for pair in name_pairs().training for text in (pair.base, pair.ref)}


@pytest.mark.slow
def test_a_savedmodel_is_tuned_kept_and_found_again(start: Start, saved: Path, models: Path) -> None:
    base = find_weights(str(saved), "lower")
    before = base.encode(["nurse", "baker"])
    tuned = start(base=base)
    assert tuned.gate.verdict == "accepted"
    assert tuned.gate.mrr_tuned > tuned.gate.mrr_base + 0.05
    assert {path.name for path in tuned.directory.iterdir()} == KEPT | {"saved_model"}
    assert np.array_equal(base.encode(["nurse", "baker"]), before)
    assert model_names() == ["small"]
    found = find_encoder("small")
    assert isinstance(found, SavedModelEncoder)
    assert (found.name, found.case) == ("small", "lower")
    assert found.fingerprint != base.fingerprint
    assert tuned.record["base"]["fingerprint"] == base.fingerprint
    task = held_out_set(name_pairs(), seed=0, everything=True)
    assert evaluate_retrieval(found, task).metrics["mrr"] == pytest.approx(tuned.gate.mrr_tuned)
    assert evaluate_retrieval(base, task).metrics["mrr"] == pytest.approx(tuned.gate.mrr_base)
    # It may be the base of the next one.
    again = start(base=find_weights("small"), name="next", steps=1, learning_rate=1e-8)
    assert again.record["base"] == {"name": "small", "fingerprint": found.fingerprint, "case": "lower"}
    assert again.gate.mrr_base == pytest.approx(tuned.gate.mrr_tuned)


def test_what_is_not_surely_better_is_rejected(start: Start, models: Path) -> None:
    tuned = start(learning_rate=1e-8)
    gate = tuned.gate
    assert (gate.verdict, tuned.usable) == ("rejected", False)
    assert gate.interval[0] <= 0
    assert gate.reason == (
        f"held-out MRR went from {gate.mrr_base:.4f} to {gate.mrr_tuned:.4f}, which is not surely a rise "
        f"(95 % interval of the difference {gate.interval[0]:+.4f} to {gate.interval[1]:+.4f})."
    )
    assert tuned.directory == models / "rejected" / "small"
    assert {path.name for path in tuned.directory.iterdir()} == KEPT
    assert json.loads((tuned.directory / "record.json").read_text())["gate"]["verdict"] == "rejected"
    assert "**Rejected**: held-out MRR went" in (tuned.directory / "README.md").read_text()
    assert model_names() == []
    assert list((models / ".runs").iterdir()) == []
    assert [record["name"] for record in list_models()] == ["use-jobs", "small"]


def test_what_forgets_is_rejected_however_much_it_finds(start: Start, base: WordEncoder, models: Path) -> None:
    tuned = start(general=forgets(base.fingerprint))
    assert tuned.gate.interval[0] > 0
    assert tuned.gate.verdict == "rejected"
    assert tuned.gate.reason == "sentences went from 0.9000 to 0.8000, more than 0.01 down."
    assert (tuned.gate.general_base, tuned.gate.general_tuned, tuned.gate.tolerance) == (0.9, 0.8, 0.01)
    assert not tuned.record["tried"][0]["holds"]
    assert not (models / "small").exists()


def test_a_fall_within_the_tolerance_holds(start: Start, base: WordEncoder) -> None:
    check = replace(forgets(base.fingerprint), tolerance=0.11)
    tuned = start(general=check)
    assert tuned.gate.verdict == "accepted"
    assert tuned.record["tried"][0]["holds"]


def test_both_reasons_are_told(start: Start, base: WordEncoder) -> None:
    check = GeneralCheck("sentences", forgets(base.fingerprint).score, 0.01)
    reason = start(general=check, interpolation=0.0001).gate.reason
    assert "which is not surely a rise" in reason
    assert reason.endswith(") and sentences went from 0.9000 to 0.8000, more than 0.01 down.")


def test_force_keeps_it_as_usable_and_says_so(start: Start, models: Path) -> None:
    tuned = start(learning_rate=1e-8, force=True)
    assert (tuned.gate.verdict, tuned.usable) == ("forced", True)
    assert tuned.gate.reason.endswith("; kept all the same, by --force.")
    assert tuned.directory == models / "small"
    assert json.loads((tuned.directory / "record.json").read_text())["gate"]["verdict"] == "forced"
    assert "**Forced**: held-out MRR went" in (tuned.directory / "README.md").read_text()
    assert not (models / "rejected").exists()
    assert model_names() == ["small"]


def test_force_changes_nothing_for_what_is_accepted(start: Start) -> None:
    assert start(force=True).gate.verdict == "accepted"


def test_ctrl_c_keeps_the_best_so_far(start: Start) -> None:
    def stop(record: dict[str, Any]) -> None:
        if record["step"] == 6:
            raise KeyboardInterrupt

    told: list[str] = []
    tuned = start(on_validation=stop, tell=told.append, steps=60, epochs=0)
    assert told == ["Interrupted at step 6 of 60; the best so far is of step 6."]
    assert (tuned.record["ending"], tuned.record["steps"], tuned.record["best_step"]) == ("interrupted", 6, 6)
    assert tuned.gate.difference > 0
    assert "6, interrupted; best checkpoint at step 6" in (tuned.directory / "README.md").read_text()


def test_shares_are_tried_unless_one_is_given(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARES", (0.1, 1.0))
    asked = []
    check = GeneralCheck("sentences", lambda encoder: asked.append(encoder.fingerprint) or 0.9, 0.01)
    tuned = start(interpolation=None, general=check)
    assert [one["share"] for one in tuned.record["tried"]] == [0.1, 1.0]
    assert tuned.record["share"] == 1.0  # a tenth of the way finds far less
    assert len(set(asked)) == 3  # the base and both shares
    assert start(interpolation=0.3).record["share"] == 0.3


def test_the_share_that_was_chosen_is_kept(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARES", (0.5, 1.0))
    asked: list[str] = []

    def score(encoder: Encoder) -> float:
        asked.append(encoder.fingerprint)
        return 0.9 if len(asked) < 3 else 0.8  # the base and the half hold, the whole does not

    tuned = start(interpolation=None, general=GeneralCheck("sentences", score, 0.01))
    assert [one["holds"] for one in tuned.record["tried"]] == [True, False]
    assert tuned.record["share"] == 0.5
    assert json.loads((tuned.directory / "config.json").read_text())["fingerprint"] == asked[1]


def test_a_share_of_nothing_is_the_base(start: Start) -> None:
    tuned = start(interpolation=0.0)
    assert tuned.gate.difference == 0
    assert tuned.gate.verdict == "rejected"


def test_angular_recipes_have_their_metrics_in_the_record(start: Start) -> None:
    tuned = start(loss="angular", monitor="loss", pairs=graded_pairs())
    assert {"mae", "mape", "training_mae", "training_mape"} <= tuned.record["history"][-1].keys()


def test_what_cannot_be_trained_is_refused_and_nothing_is_left(start: Start, models: Path, tmp_path: Path) -> None:
    frozen = find_weights(str(export_word_model(tmp_path / "frozen", trainable=False)), "lower")
    for encoder in (frozen, HashEncoder()):
        with pytest.raises(TuningError, match="has no weights that can be trained"):
            start(base=encoder)
    assert not models.exists()


def test_coming_apart_keeps_nothing_and_the_next_try_begins_anew(start: Start, models: Path) -> None:
    def spoil(record: dict[str, Any]) -> None:
        if record["step"] == 6:
            raise TuningError("the encoder has collapsed")

    with pytest.raises(TuningError):
        start(on_validation=spoil)
    assert [path.name for path in models.iterdir()] == [".runs"]
    tuned = start(learning_rate=0.01)
    assert [record["step"] for record in tuned.record["history"]] == [0, 6, 12]
    assert len(list((tuned.directory / "tensorboard").iterdir())) == 1  # and no events of the one before


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_run_killed_while_it_was_kept_goes_on_from_its_end(
    start: Start, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, "draw_curves", killed)
        start()
    assert [path.name for path in models.iterdir() if path.name[0] != "."] == []
    validated: list[dict[str, Any]] = []
    told: list[str] = []
    tuned = start(on_validation=validated.append, tell=told.append)
    assert validated == []
    assert told == ["Going on from step 12 of 12, where an earlier run stopped."]
    assert (tuned.record["steps"], tuned.record["ending"]) == (12, "finished")
    assert len(tuned.record["history"]) == 3
    undisturbed = start(name="undisturbed")
    assert [tuned.record[key] for key in ("history", "best_step", "share")] == [
        undisturbed.record[key] for key in ("history", "best_step", "share")
    ]
    assert tuned.gate == undisturbed.gate


def test_a_disk_that_is_full_at_the_end_publishes_nothing(
    start: Start, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="disk is full"):
        patch.setattr(module, "draw_curves", full)
        start()
    assert sorted(path.name for path in models.iterdir()) == [".runs"]
    assert start().gate.verdict == "accepted"


def test_names_that_are_formulas_to_a_plotter_are_names(tmp_path: Path) -> None:
    history = [{"step": 0, "mrr": 0.1, "loss": 1.0}, {"step": 2, "mrr": 0.2, "loss": 0.5, "training_loss": 0.4}]
    draw_curves(history, 2, r"mine: recipe default on my $\pairs_{$.csv", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_a_package_that_is_not_installed_is_left_out(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package"))
    assert set(start().record["made_with"]) == {"jobsearch", "numpy"}


@pytest.fixture
def command(saved: Path, jobsearch_home: Path, tmp_path: Path) -> Callable[..., int]:
    """Run `jobsearch tune` on the small SavedModel and a file of pairs: `command("--force", …)`."""
    rows = [(p.base, p.ref, p.similarity) for p in graded_pairs().training]
    csv = "".join(f'"{base}","{ref}",{similarity}\n' for base, ref, similarity in rows)
    (tmp_path / "mine.csv").write_text(f"base,ref,similarity\n{csv}", encoding="utf-8")
    (jobsearch_home / "indexes").mkdir(parents=True)
    (jobsearch_home / "indexes" / "current").write_bytes(b"0001")
    options = "--steps 4 --batch 16 --learning-rate 1e-8 --interpolation 1 --validation 0.3 --name mine"

    def call(*more: str) -> int:
        data = ("--base", str(saved), "--pairs", str(tmp_path / "mine.csv"))
        with compiled(False):
            return run_command(["tune", *data, *options.split(), *more])

    return call


def test_what_is_rejected_ends_with_one_line_of_error(
    command: Callable[..., int], models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--rebuild") == 1
    out, err = capsys.readouterr()
    record = json.loads((models / "rejected" / "mine" / "record.json").read_text())
    assert err.splitlines()[-1] == (
        f"Error: 'mine' was rejected: {record['gate']['reason']} Nothing in use was changed."
    )
    assert err.count("Error") == 1
    assert "Verdict   rejected: held-out MRR went from" in out
    assert str(models / "rejected" / "mine") in "".join(line.strip() for line in out.splitlines())
    assert model_names() == []
    assert contents(models.parents[1] / "indexes") == {"current"}


@pytest.mark.slow
def test_the_tutorial_on_its_own_pairs(saved: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not SEED.is_file():
        pytest.skip(f"the tutorial's pairs are not at {SEED}")
    with compiled(False):
        code = run_command(
            ["tune", "--base", str(saved), "--pairs", str(SEED), "--recipe", "tutorial", "--epochs", "2", "--json"]
        )
    record = json.loads(capsys.readouterr().out)
    assert record["recipe"] == find_recipe("tutorial", epochs=2).to_dict()
    assert record["data"]["source"] == str(SEED)
    assert record["data"]["training"] + record["data"]["validation"] == 98
    epoch = record["data"]["training"] // 8
    assert [entry["step"] for entry in record["history"]] == [0, epoch, 2 * epoch]
    assert {"mae", "mape", "training_mae", "training_mape"} <= record["history"][-1].keys()
    assert record["history"][-1]["training_learning_rate"] == pytest.approx(1e-5)
    assert record["share"] == 1.0
    assert code == int(record["gate"]["verdict"] == "rejected")


@pytest.mark.slow
def test_what_is_forced_is_kept_and_how_to_use_it_is_told(
    command: Callable[..., int], saved: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--force", "--json", "--learning-rate", "0.01") == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["gate"]["verdict"] in ("forced", "accepted")
    assert record["base"]["name"] == str(saved)
    assert record["data"]["source"].endswith("mine.csv")
    assert record["data"]["counts"]["training"] == {"file": record["data"]["training"]}
    assert record["directory"] == str(models / "mine")
    lines = err.splitlines()
    assert lines[0].startswith("Tuning 'mine' by recipe 'default' on ")
    assert lines[1].startswith("Pairs: ")
    assert [line.partition(":")[0] for line in lines[2:-1]] == ["step     0", "step     4"]
    assert "training loss" in lines[3]
    assert lines[-1] == "`jobsearch index build --encoder mine` puts it into use."
    assert find_encoder("mine").fingerprint != find_encoder(str(saved)).fingerprint
