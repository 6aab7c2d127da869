"""Training as one and as several replicas on logical CPU devices; run as a script, for they must be made first.

Prints for each case the largest difference of weights, and how far they moved or how much the loss changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

REPLICAS = 3


def main() -> None:
    from jobsearch.encoder.tf import tensorflow

    devices = [f"CPU:{number}" for number in range(REPLICAS)]

    def split(tf: Any) -> None:
        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * REPLICAS)

    tensorflow(split)
    from students import compiled
    from test_trainer import recipe

    from jobsearch.tuning.distribution import find_distribution
    from jobsearch.tuning.recipes import find_recipe
    from jobsearch.tuning.tune import _make_deterministic

    _make_deterministic(0)
    mirrored = find_distribution("mirrored", devices=devices)
    # 2 times 8 texts are shared out as 6, 5 and 5.
    contrastive = recipe(batch=8, steps=6, validate_every=3)
    graded = find_recipe("tutorial", batch=8, steps=6, validate_every=3, train_table=False)
    taught = find_recipe("taught", batch=8, dropout=0.1, clip_norm=1e6)
    with compiled(True):
        for name, each in {"contrastive": contrastive, "angular": graded}.items():
            # Far below and far above any norm that a gradient has here: always, and never.
            for clip in ("global", "each"):
                say(case=f"{name}, clipped {clip}", **steps_apart(replace(each, clip=clip, clip_norm=1e-3), mirrored))
            say(case=f"{name}, not clipped", **steps_apart(replace(each, clip_norm=1e6), mirrored))
            say(case=f"{name}, trained", **runs_apart(replace(each, learning_rate=0.01), mirrored))
        say(case="teacher, not clipped", **steps_apart(taught, mirrored))


def say(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def steps_apart(recipe: Any, several: Any) -> dict[str, float]:
    """Take steps of plain gradient descent, which, unlike Adam's, are as long as the gradient is."""
    import keras
    import numpy as np
    from students import WordStudent
    from vacancies import graded_pairs, name_pairs

    from jobsearch.tuning.batches import Batches
    from jobsearch.tuning.distribution import ONE
    from jobsearch.tuning.student import values_of

    pairs = name_pairs() if recipe.loss == "contrastive" else graded_pairs()
    batches = Batches(pairs.training, recipe, 0)
    clip = {"global_clipnorm" if recipe.clip == "global" else "clipnorm": recipe.clip_norm}
    ended = []
    for distribution in (ONE, several):
        with distribution.scope():
            student = WordStudent(recipe)
            begun = values_of(student.variables)
            optimizer = keras.optimizers.SGD(100.0 if recipe.clip_norm < 1 else 1.0, **clip)
            optimizer.build(student.variables)
        step = distribution.step(student, recipe, optimizer)
        for number in range(3):
            batch = batches.batch(number)
            targets = batch.targets
            if recipe.loss == "teacher":
                cosines = np.random.default_rng(number).uniform(size=(len(batch.texts), len(batch.texts)))
                targets = (cosines.astype(np.float32),)
            step(batch.texts, np.array([0, number], np.int32), targets)
        ended.append(values_of(student.variables))
    return {"weights": farthest(*ended), "moved": farthest(begun, ended[0])}


def runs_apart(recipe: Any, several: Any) -> dict[str, float]:
    """Train by Adam, with validations."""
    from test_trainer import Run

    from jobsearch.tuning.distribution import ONE
    from jobsearch.tuning.student import values_of

    outcomes, ended = [], []
    for distribution in (ONE, several):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder) / "run", recipe, distribution=distribution)
            outcomes.append(run.start())
        ended.append(values_of(run.student.variables))
    first, second = (outcome.history for outcome in outcomes)
    records = zip(first, second, strict=True)
    history = max(abs(before[key] - after[key]) for before, after in records for key in before)
    moved = abs(first[-1]["loss"] - first[0]["loss"])
    return {"weights": farthest(*ended), "history": history, "moved": moved}


def farthest(one: Any, other: Any) -> float:
    return max(float(abs(one[key] - other[key]).max()) for key in one)


if __name__ == "__main__":
    main()
