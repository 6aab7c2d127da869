"""A teacher's lessons and pairs in one step, and the embedding table's own learning rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from encoders import HashEncoder
from students import WordEncoder, WordStudent, compiled
from vacancies import name_pairs, vacancies

from jobsearch.encoder.keras_model import TRAINED_ROWS
from jobsearch.encoder.tf import tensorflow
from jobsearch.errors import TuningError
from jobsearch.tuning import tune as module
from jobsearch.tuning.batches import fitting
from jobsearch.tuning.joint import Joint
from jobsearch.tuning.losses import contrastive_loss, teacher_loss
from jobsearch.tuning.objectives import objective
from jobsearch.tuning.optimizer import RecipeAdam
from jobsearch.tuning.pair import PairSet
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.stages import plan_stages
from jobsearch.tuning.teacher import Teacher, ask_teacher
from jobsearch.tuning.tune import tune
from jobsearch.tuning.validation import GeneralCheck

tf = tensorflow()
SMALL = {"batch": 24, "near": 4, "pair_batch": 16, "steps": 30, "validate_every": 10, "learning_rate": 0.003}


def joint(**values: object) -> Recipe:
    return find_recipe("joint", **{**SMALL, **values})


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Teacher:
    texts = [label for _, label, _ in vacancies().labels()]
    return ask_teacher(texts, HashEncoder(64), tmp_path_factory.mktemp("unfinished"))


def test_a_step_has_a_lesson_and_pairs(teacher: Teacher) -> None:
    source = Joint(teacher, name_pairs(), joint(), seed=0)
    step = source.batch(3)
    lesson = len(step.lesson.texts)
    assert step.texts == [*step.lesson.texts, *step.pairs.anchors, *step.pairs.others]
    assert len(step.pairs.anchors) == 16
    cosines, similarity, masked = step.targets
    assert (cosines.shape, similarity.shape, masked.shape) == ((lesson, lesson), (16,), (16, 16))
    assert source.batch(3).texts == step.texts != source.batch(4).texts
    assert source.steps == 30


def test_its_loss_is_that_of_both(teacher: Teacher) -> None:
    recipe = joint(pair_weight=0.5, level=0.0)
    step = Joint(teacher, name_pairs(), recipe, seed=0).batch(0)
    vectors = HashEncoder(32).encode(step.texts)
    measure, specs = objective(recipe)
    assert len(specs) == len(step.targets)
    found = measure(tf.constant(vectors), *step.targets)
    n = len(step.lesson.texts)
    told = teacher_loss(tf.constant(vectors[:n]), step.lesson.cosines, recipe.temperature)
    paired = contrastive_loss(
        tf.constant(vectors[n : n + 16]), tf.constant(vectors[n + 16 :]), step.pairs.false_negatives, recipe.scale
    )
    assert float(found["teacher"]) == pytest.approx(float(told))
    assert float(found["pairs"]) == pytest.approx(float(paired))
    assert float(found["loss"]) == pytest.approx(float(told) + 0.5 * float(paired), rel=1e-6)


@pytest.mark.parametrize("loss", ["joint", "teacher"])
def test_it_may_hold_the_mean_cosine(loss: str, teacher: Teacher) -> None:
    step = Joint(teacher, name_pairs(), joint(), seed=0).batch(0)
    given = step if loss == "joint" else step.lesson
    vectors = HashEncoder(32).encode(given.texts)
    free, held = (
        objective(joint(loss=loss, level=level))[0](tf.constant(vectors), *given.targets) for level in (0, 0.3)
    )
    told = vectors[: len(step.lesson.texts)]
    cosines = (told @ told.T)[np.triu_indices(len(told), 1)]
    assert float(held["loss"] - free["loss"]) == pytest.approx(10 * (float(cosines.mean()) - 0.3) ** 2, rel=1e-3)


def test_it_is_one_stage_that_never_sees_what_is_held_out(teacher: Teacher, tmp_path: Path) -> None:
    (stage,) = plan_stages(tmp_path, "both", name_pairs(), joint(), teacher, seed=0)
    held_out = {text.casefold() for pair in name_pairs().validation for text in (pair.base, pair.ref)}
    seen = {text.casefold() for step in range(30) for text in stage.source.batch(step).texts}
    assert not seen & held_out
    others = replace(name_pairs(), training=name_pairs().training[1:])
    assert plan_stages(tmp_path, "both", others, joint(), teacher, seed=0)[0].data != stage.data
    with pytest.raises(TuningError, match="recipe 'joint' needs a teacher"):
        plan_stages(tmp_path, "both", name_pairs(), joint(), None, seed=0)


def test_few_pairs_are_one_batch_and_the_lessons_stay_as_they_are(teacher: Teacher) -> None:
    few = PairSet(name_pairs().training[:9], name_pairs().validation, 0)
    count = len([pair for pair in few.training if pair.similarity >= 0.7])
    fitted = fitting(joint(description_repeats=1), few)
    assert (fitted.pair_batch, fitted.batch) == (count, 24)
    assert fitting(find_recipe("taught", batch=5000), few).batch == 5000


def test_tuning_follows_the_teacher_and_the_pairs(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "make_student", lambda base, recipe, texts: WordStudent(recipe))
    monkeypatch.setattr(module, "draw_curves", lambda history, best_step, title, path: path.write_bytes(b""))
    holds = GeneralCheck("sentences", lambda encoder: 0.9, 0.01)
    recipe = joint(interpolation=1.0, dropout=0.0, marks=0.0, slips=0.0)
    with compiled(False):
        tuned = tune(
            WordEncoder(),
            name_pairs(),
            recipe,
            name="both",
            models=tmp_path,
            general=holds,
            data_source="vacancies",
            teacher=teacher,
            force=True,
        )
    first, *_, last = tuned.record["history"][1:]
    assert last["training_teacher"] < first["training_teacher"]
    assert last["training_pairs"] < first["training_pairs"]
    assert tuned.record["teacher"]["name"] == "hash"
    assert tuned.record["recipe"]["loss"] == "joint"


@pytest.mark.parametrize("rate", [1.0, 15.0])
def test_the_table_has_a_rate_of_its_own(rate: float) -> None:
    table, other = keras.Variable(np.zeros((7, 3)), name=TRAINED_ROWS), keras.Variable(np.zeros((3, 7)))
    adam = RecipeAdam(joint(table_rate=rate, learning_rate=0.01))
    adam.build([table, other])
    adam.apply([tf.ones((7, 3)), tf.ones((3, 7))], [table, other])
    moved = [float(np.abs(np.asarray(variable)).max()) for variable in (table, other)]
    assert moved[1] == pytest.approx(0.01, rel=1e-3)
    assert moved[0] == pytest.approx(0.01 * rate, rel=1e-3)
