"""Learning from a teacher: its file, the lessons drawn from it, the loss, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoders import HashEncoder
from students import WordEncoder, WordStudent, compiled
from vacancies import name_pairs, vacancies

from jobsearch.cli.app import run as run_command
from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.tf import tensorflow
from jobsearch.errors import TuningError
from jobsearch.tuning import tune as module
from jobsearch.tuning.losses import teacher_loss
from jobsearch.tuning.recipes import TAUGHT, Recipe, find_recipe
from jobsearch.tuning.stages import mean_weights
from jobsearch.tuning.student import values_of
from jobsearch.tuning.teacher import NEIGHBOURS, Lessons, Teacher, ask_teacher, read_teacher
from jobsearch.tuning.tune import Tuned, tune
from jobsearch.tuning.validation import GeneralCheck

tf = tensorflow()
TEXTS = [f"{level} {label}" for _, label, _ in vacancies().labels() for level in ("senior", "junior")]
LABELS = [label for _, label, _ in vacancies().labels()]


@pytest.fixture
def teacher(tmp_path: Path) -> Teacher:
    return ask_teacher([*LABELS, *TEXTS], HashEncoder(64), tmp_path / "unfinished")


# --- asking -----------------------------------------------------------------------------------------------------------


def test_it_knows_each_texts_nearest_others(teacher: Teacher) -> None:
    assert len(teacher.texts) == len({text.casefold() for text in [*LABELS, *TEXTS]})
    expected = HashEncoder(64).encode(teacher.texts)
    assert abs(teacher.vectors - expected).max() < 1e-3
    scores = teacher.vectors.astype(np.float32) @ teacher.vectors.astype(np.float32).T
    np.fill_diagonal(scores, -2)
    for row, near in enumerate(teacher.neighbours):
        assert row not in near
        assert len(set(near.tolist())) == NEIGHBOURS
        assert scores[row, near].min() >= np.sort(scores[row])[-NEIGHBOURS] - 1e-6
        assert (np.diff(scores[row, near]) <= 1e-6).all()


def test_many_texts_are_looked_for_in_cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exact = ask_teacher(TEXTS, HashEncoder(64), tmp_path)
    monkeypatch.setattr("jobsearch.tuning.teacher._ALL_COMPARED", 10)
    found = ask_teacher(TEXTS, HashEncoder(64), tmp_path)
    same = [len({*a} & {*b}) for a, b in zip(found.neighbours.tolist(), exact.neighbours.tolist(), strict=True)]
    assert np.mean(same) > 0.8 * NEIGHBOURS


def test_what_was_embedded_before_an_interruption_is_not_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jobsearch.tuning.teacher._SLICE", 20)
    whole = ask_teacher(TEXTS, HashEncoder(64), tmp_path / "a")

    class Counting(HashEncoder):
        asked = 0

        def encode(self, texts: Sequence[str]) -> Embeddings:
            if self.asked >= 40:
                raise KeyboardInterrupt
            self.asked += len(texts)
            return super().encode(texts)

    with pytest.raises(KeyboardInterrupt):
        ask_teacher(TEXTS, Counting(64), tmp_path / "b")
    again = Counting(64)
    again.asked = -10_000
    assert ask_teacher(TEXTS, again, tmp_path / "b").digest == whole.digest
    assert again.asked + 10_000 == len(whole.texts) - 40
    assert not (tmp_path / "b").exists()


def test_texts_by_another_teacher_are_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stopped(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Embeddings:
            if (tmp_path / "c").exists():
                raise KeyboardInterrupt
            return super().encode(texts)

    monkeypatch.setattr("jobsearch.tuning.teacher._SLICE", 20)
    with pytest.raises(KeyboardInterrupt):
        ask_teacher(TEXTS, Stopped(64, "other"), tmp_path / "c")
    assert (
        ask_teacher(TEXTS, HashEncoder(64), tmp_path / "c").digest
        == ask_teacher(TEXTS, HashEncoder(64), tmp_path).digest
    )


def test_too_few_texts(tmp_path: Path) -> None:
    with pytest.raises(TuningError, match="16 different texts, expected more than 16"):
        ask_teacher([*TEXTS[:16], TEXTS[0].upper()], HashEncoder(64), tmp_path)


def test_held_out_texts_are_left_out(teacher: Teacher) -> None:
    gone = teacher.texts[3].upper()
    left = teacher.without([gone])
    assert len(left.texts) == len(teacher.texts) - 1
    assert gone.casefold() not in {text.casefold() for text in left.texts}
    old = {text: row for row, text in enumerate(teacher.texts)}
    for row, text in enumerate(left.texts):
        assert np.array_equal(left.vectors[row], teacher.vectors[old[text]])
        expected = [teacher.texts[other] for other in teacher.neighbours[old[text]].tolist() if other != 3]
        assert [left.texts[other] for other in left.neighbours[row].tolist() if other >= 0] == expected
    assert left.without([gone]) is left
    with pytest.raises(TuningError, match="held out"):
        teacher.without(teacher.texts)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_comes_back(teacher: Teacher, tmp_path: Path) -> None:
    path = tmp_path / "new" / "teacher.safetensors"
    teacher.write(path)
    back = read_teacher(path)
    assert (back.name, back.fingerprint, back.texts) == (teacher.name, teacher.fingerprint, teacher.texts)
    assert back.digest == teacher.digest
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_no_teachers_file(teacher: Teacher, tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(TuningError, match="no teacher file"):
        read_teacher(path)
    path.write_bytes(b"base,ref,similarity\n")
    with pytest.raises(TuningError, match="is no teacher file"):
        read_teacher(path)
    far = teacher.neighbours.copy()
    far[0, 0] = len(teacher.texts)
    for wrong in (
        replace(teacher, neighbours=far),
        replace(teacher, neighbours=teacher.neighbours[:, :3]),
        replace(teacher, vectors=teacher.vectors[1:]),
        replace(teacher, vectors=teacher.vectors.astype(np.float32)),  # type: ignore[arg-type]
    ):
        wrong.write(path)
        with pytest.raises(TuningError, match="expected"):
            read_teacher(path)


# --- lessons ----------------------------------------------------------------------------------------------------------


def lessons(teacher: Teacher, seed: int = 0, **values: int) -> Lessons:
    return Lessons(teacher, replace(TAUGHT, **{"batch": 24, "near": 4, **values}), seed)


def test_a_lesson_holds_neighbourhoods_and_the_teachers_cosines(teacher: Teacher) -> None:
    lesson = lessons(teacher).batch(0)
    assert 4 < len(lesson.texts) <= 24
    assert len(set(lesson.texts)) == len(lesson.texts)
    vectors = HashEncoder(64).encode(lesson.texts)
    assert abs(lesson.cosines - vectors @ vectors.T).max() < 5e-3
    row = {text: number for number, text in enumerate(teacher.texts)}
    seen = {row[text] for text in lesson.texts}
    # Each is a drawn one with three of its nearest beside it, or one of those.
    drawn = [one for one in seen if len(seen & {*teacher.neighbours[one].tolist()}) >= 3]
    assert len(drawn) >= 24 // 4


def test_lessons_are_decided_by_seed_and_step(teacher: Teacher) -> None:
    one, other = lessons(teacher), lessons(teacher)
    assert other.batch(5).texts == one.batch(5).texts
    assert one.batch(6).texts != one.batch(5).texts
    assert lessons(teacher, seed=1).batch(5).texts != one.batch(5).texts
    assert (one.steps, lessons(teacher, steps=0, epochs=3).steps) == (TAUGHT.steps, 3 * (len(teacher.texts) // 24))


def test_too_few_texts_for_a_lesson(teacher: Teacher) -> None:
    with pytest.raises(TuningError, match="expected at least one batch of 5000"):
        lessons(teacher, batch=5000)


def test_teacher_loss() -> None:
    cosines = np.array([[1, 0.8, 0], [0.8, 1, 0.5], [0, 0.5, 1]], np.float32)
    vectors = np.linalg.cholesky(cosines).astype(np.float32)  # a student that sees exactly that
    assert float(teacher_loss(tf.constant(vectors), cosines, 0.1)) == pytest.approx(0, abs=1e-6)
    wrong = vectors[[0, 2, 1]]
    seen = wrong @ wrong.T

    def near(scores: np.ndarray, row: int) -> np.ndarray:
        others = np.exp(np.delete(scores[row], row) / 0.1)
        return others / others.sum()

    pairs = [(near(cosines, row), near(seen, row)) for row in range(3)]
    expected = np.mean([np.sum(p * np.log(p / q)) for p, q in pairs])
    assert float(teacher_loss(tf.constant(wrong), cosines, 0.1)) == pytest.approx(expected, rel=1e-4)


def test_the_mean_of_weights() -> None:
    one, two = {"a": np.array([1, 2], np.float32)}, {"a": np.array([5, 4], np.float32)}
    assert mean_weights([one], [0.3])["a"].tolist() == [1, 2]
    assert mean_weights([one, two], [0.5, 0.5])["a"].tolist() == [3, 3]
    assert mean_weights([one, two], [0.25, 0.75])["a"].tolist() == [4, 3.5]
    assert mean_weights([one, two], [0.25, 0.75])["a"].dtype == np.float32


# --- tuning -----------------------------------------------------------------------------------------------------------

HOLDS = GeneralCheck("sentences", lambda encoder: 0.9, 0.01)


# Small steps: a bag of words has few numbers to turn, and soon sees everything as one.
SMALL = {"batch": 24, "near": 4, "steps": 30, "validate_every": 10, "learning_rate": 0.003}


def run(
    models: Path, recipe: Recipe, teacher: Teacher | None, monkeypatch: pytest.MonkeyPatch, **options: object
) -> Tuned:
    monkeypatch.setattr(module, "make_student", lambda base, recipe, texts: WordStudent(recipe))
    monkeypatch.setattr(module, "draw_curves", lambda history, best_step, title, path: path.write_bytes(b""))
    monkeypatch.setattr("jobsearch.tuning.stages.TAUGHT", find_recipe("taught", **SMALL))
    given = {"name": "taught", "models": models, "general": HOLDS, "data_source": "vacancies", "teacher": teacher}
    with compiled(False):
        return tune(WordEncoder(), name_pairs(), recipe, force=True, **{**given, **options})  # type: ignore[arg-type]


def quick(**values: object) -> Recipe:
    off = {"dropout": 0.0, "marks": 0.0, "slips": 0.0, "description_repeats": 0}
    steps = {"steps": 12, "batch": 32, "learning_rate": 0.02, "validate_every": 6, "interpolation": 1.0}
    return find_recipe("default", **{**steps, **off, **values})


def taught_alone(**values: object) -> Recipe:
    return find_recipe("taught", **{**SMALL, **values})


def test_a_student_comes_to_see_what_the_teacher_sees(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = run(tmp_path, taught_alone(interpolation=1.0), teacher, monkeypatch)
    history = tuned.record["teacher_history"]
    assert [entry["step"] for entry in history] == [0, 10, 20, 30]
    assert history[-1]["training_loss"] < 0.8 * history[1]["training_loss"]
    assert tuned.record["best_step"] == 30  # the last, whatever validation says
    about = tuned.record["teacher"]
    assert (about["name"], about["weight"], about["steps"]) == ("hash", 1.0, 30)
    held_out = {text.casefold() for pair in name_pairs().validation for text in (pair.base, pair.ref)}
    assert about["digest"] == teacher.without(held_out).digest
    card = (tuned.directory / "README.md").read_text(encoding="utf-8")
    assert f"Teacher: hash, fingerprint `{teacher.fingerprint}`" in card
    assert list((tmp_path / ".runs").iterdir()) == []


@pytest.mark.slow
def test_the_result_is_the_mean_of_both_students(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {}
    for name, taught in (("pairs", 0.0), ("taught", 1.0), ("both", 0.25)):
        values = {}
        monkeypatch.setattr(
            module,
            "_keep",
            lambda directory, student, record, run, values=values: values.update(values_of(student.variables)),
        )
        run(tmp_path, quick(taught=taught), teacher, monkeypatch, name=name)
        kept[name] = values
    for key, value in kept["both"].items():
        expected = 0.25 * kept["taught"][key] + 0.75 * kept["pairs"][key]
        assert abs(value - expected).max() < 1e-6
        assert abs(kept["taught"][key] - kept["pairs"][key]).max() > 1e-3


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_the_second_student(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path, quick(), teacher, monkeypatch, name="whole")

    class Killed(BaseException):
        pass

    def kill(step: str, done: int, total: int) -> None:
        if (step, done) == ("training", 8):
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, quick(), teacher, monkeypatch, name="killed", progress=kill)
    steps: list[tuple[str, int]] = []
    again = run(
        tmp_path,
        quick(),
        teacher,
        monkeypatch,
        name="killed",
        progress=lambda step, done, _: steps.append((step, done)),
    )
    assert [step for step in steps if step[0] == "learning from the teacher"] == []
    assert [done for step, done in steps if step == "training"] == list(range(7, 13))
    assert again.gate.mrr_tuned == whole.gate.mrr_tuned


def test_ctrl_c_ends_all_of_it(teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: str, done: int, total: int) -> None:
        assert step != "training"
        if (step, done) == ("learning from the teacher", 15):
            raise KeyboardInterrupt

    tuned = run(tmp_path, quick(), teacher, monkeypatch, progress=stop)
    assert (tuned.record["ending"], tuned.record["steps"]) == ("interrupted", 15)
    assert tuned.record["teacher"]["weight"] == 1.0


def test_a_recipe_that_needs_a_teacher_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TuningError, match="needs a teacher; make one with `jobsearch pairs --teacher"):
        run(tmp_path, taught_alone(), None, monkeypatch)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_what_the_teacher_sees(
    jobsearch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobsearch.taxonomy.library.find_taxonomy", lambda name=None: vacancies())
    monkeypatch.setattr("jobsearch.encoder.library.find_encoder", lambda source, case=None: HashEncoder(64, source))
    texts, out = tmp_path / "titles.txt", tmp_path / "teacher.safetensors"
    texts.write_text("Java Hacker (m/f)\n\n  chief cook\n", encoding="utf-8")
    arguments = ["pairs", "--teacher", "wise", "--texts", str(texts), "--out", str(out)]
    assert run_command([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    back = read_teacher(out)
    assert {"Java Hacker (m/f)", "chief cook"} < {*back.texts}
    assert {label.casefold() for label in LABELS} < {text.casefold() for text in back.texts}
    assert (told["digest"], told["texts"], told["file"]) == (back.digest, len(back.texts), str(out))
    assert back.fingerprint == HashEncoder(64, "wise").fingerprint
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [out.name, texts.name]
    assert run_command([*arguments, "--force"]) == 0
    assert f"jobsearch tune --teacher {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pairs", "--teacher", "use", "--out", "pairs.csv"], "ends in .safetensors"),
        (["pairs", "--texts", "titles.txt", "--out", "pairs.csv"], "--texts needs --teacher"),
        (["pairs", "--teacher", "use", "--texts", "none.txt", "--out", "t.safetensors"], "none.txt cannot be read"),
        (["tune", "--teacher", "none.safetensors"], "no teacher file none.safetensors"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str],
    told: str,
    jobsearch_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(arguments) != 0
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert list(tmp_path.glob("*.safetensors")) == []
