"""Recipes: the tutorial's values, overrides, ranges, and the learning rate that follows."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from jobsearch.errors import TuningError
from jobsearch.tuning.recipes import RECIPES, Recipe, find_recipe
from jobsearch.tuning.trainer import learning_rate


def test_the_tutorial_is_the_tutorials() -> None:
    # Adam(1e-5, β2 .9999, clipnorm 1: each tensor on its own), MSE on angular similarity, batch 8, up to 20 epochs,
    # the learning rate as it is, all weights trained, no noise, no drop-out, and the result taken as it is.
    values = find_recipe("tutorial").to_dict()
    for of_teachers in ("temperature", "near", "taught", "pair_batch", "pair_weight", "turns", "level"):
        del values[of_teachers]
    assert values == {
        "name": "tutorial",
        "summary": "mean squared error on angular similarity, batch 8, Adam 1e-5: the tutorial's set-up",
        "loss": "angular",
        "batch": 8,
        "steps": 0,
        "epochs": 20,
        "learning_rate": 1e-5,
        "beta_1": 0.9,
        "beta_2": 0.9999,
        "clip": "each",
        "clip_norm": 1.0,
        "warm_up": 0.0,
        "schedule": "constant",
        "scale": 20.0,
        "dropout": 0.0,
        "marks": 0.0,
        "slips": 0.0,
        "description_repeats": 1,
        "train_table": True,
        "table_rate": 1.0,
        "max_tokens": 256,
        "validate_every": 0,
        "patience": 5,
        "monitor": "loss",
        "interpolation": 1.0,
    }


def test_the_default_learns_from_the_batch() -> None:
    recipe = find_recipe("default")
    assert (recipe.loss, recipe.monitor, recipe.interpolation, recipe.train_table) == (
        "contrastive",
        "mrr",
        None,
        False,
    )
    assert list(RECIPES) == ["default", "joint", "taught", "tutorial"]


def test_values_are_overridden_by_name() -> None:
    changed = find_recipe("default", batch=64, interpolation=0.0, train_table=True, steps=None)
    assert changed == replace(RECIPES["default"], batch=64, interpolation=0.0, train_table=True)
    assert RECIPES["default"].batch != 64


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_goes_into_json_and_back(recipe: Recipe) -> None:
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(TuningError) as caught:
        find_recipe("best")
    assert str(caught.value) == "no recipe 'best'; expected one of default, joint, taught, tutorial"


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(TuningError, match=r"^recipe value 'rate' is unknown; expected one of batch, beta_1, .*"):
        find_recipe("default", rate=1, batch=3)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"warm_up": -0.1}, "warm_up is -0.1, expected 0 to 1"),
        ({"warm_up": 1.1}, "warm_up is 1.1, expected 0 to 1"),
        ({"dropout": 0.95}, "dropout is 0.95, expected 0 to 0.9"),
        ({"marks": 2}, "marks is 2, expected 0 to 1"),
        ({"slips": -1}, "slips is -1, expected 0 to 1"),
        ({"interpolation": 1.5}, "interpolation is 1.5, expected 0 to 1"),
        ({"learning_rate": 0}, "learning_rate is 0, expected 1e-08 to 1"),
        ({"learning_rate": 2.0}, "learning_rate is 2.0, expected 1e-08 to 1"),
        ({"learning_rate": math.nan}, "learning_rate is nan, expected 1e-08 to 1"),
        ({"beta_1": 1.0}, "beta_1 is 1.0, expected 0 to 0.999999"),
        ({"beta_2": -0.5}, "beta_2 is -0.5, expected 0 to 0.999999"),
        ({"scale": 0.5}, "scale is 0.5, expected 1 to 200"),
        ({"batch": 1}, "batch is 1, expected 2 to 16384"),
        ({"description_repeats": -1}, "description_repeats is -1, expected 0 to 100"),
        ({"patience": 0}, "patience is 0, expected 1 to 10000"),
        ({"max_tokens": 2}, "max_tokens is 2, expected 3 to 4096"),
        ({"clip_norm": 0}, "clip_norm is 0, expected 1e-06 to 1000000.0"),
        ({"steps": 0, "epochs": 0}, "steps is 0 and epochs is 0, expected one of them above 0"),
        ({"steps": -5, "epochs": 3}, "steps is -5, expected 0 to 10000000"),
        ({"epochs": -1}, "epochs is -1, expected 0 to 10000000"),
        ({"validate_every": -50}, "validate_every is -50, expected 0 to 10000000"),
        ({"loss": "mse"}, "loss is 'mse', expected contrastive, angular, teacher or joint"),
        ({"clip": "all"}, "clip is 'all', expected global or each"),
        ({"schedule": "linear"}, "schedule is 'linear', expected cosine or constant"),
        ({"monitor": "accuracy"}, "monitor is 'accuracy', expected mrr, loss or step"),
    ],
)
def test_a_value_out_of_range_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(TuningError) as caught:
        find_recipe("default", **values)
    assert str(caught.value) == says


# --- the learning rate -------------------------------------------------------------------------------------------


def test_the_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    recipe = find_recipe("default", learning_rate=0.01, warm_up=0.2, schedule="cosine")
    # 20 steps, so the warm-up takes 4: the factor rises as 1/4, 2/4, 3/4, 1 and the cosine's is (1 + cos(π·step/20))/2.
    for step, rising, angle in ((0, 0.25, 0), (1, 0.5, math.pi / 20), (3, 1, 3 * math.pi / 20), (10, 1, math.pi / 2)):
        assert learning_rate(recipe, step, 20) == pytest.approx(0.01 * rising * (1 + math.cos(angle)) / 2)
    assert learning_rate(recipe, 10, 20) == pytest.approx(0.005)
    assert learning_rate(recipe, 19, 20) == pytest.approx(0.01 * (1 - math.cos(math.pi / 20)) / 2)


def test_a_constant_learning_rate_stays_after_the_warm_up() -> None:
    recipe = find_recipe("default", learning_rate=0.01, warm_up=0.1, schedule="constant")
    assert [learning_rate(recipe, step, 20) for step in (0, 1, 2, 19)] == pytest.approx([0.005, 0.01, 0.01, 0.01])
    assert {learning_rate(find_recipe("tutorial"), step, 240) for step in range(240)} == {1e-5}


def test_a_warm_up_of_less_than_a_step_is_none() -> None:
    recipe = find_recipe("default", learning_rate=0.01, warm_up=0.1, schedule="constant")
    assert learning_rate(recipe, 0, 5) == 0.01
