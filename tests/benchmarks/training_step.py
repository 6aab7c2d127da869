"""One training step of `jobsearch tune`, against the plain Keras model trained the plain way, on the same batches.

    python tests/benchmarks/training_step.py [--steps 10] [--table-steps 3] [--batch 512]

A step: texts to tokens, forward, backward, Adam. Both sides have the same loss, Adam and compiled step
(`jobsearch.tuning.steps`), and batches of the built-in taxonomy as the default recipe makes them. Ours lays all
sentences of a step end to end and computes what depends on one token alone once for each distinct token. The plain way
calls the same network as it is, once for each side of the pairs, on texts padded to the longest of that side; it has no
drop-out, ours has. The embedding table is frozen, as in the recipe; a third row trains it in the plain way. They take
turns, batch by batch, after a batch that is not counted; medians. That both compute the same is shown by the loss of
the base weights without drop-out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from measuring import Row, add_json_option, busy_seconds, write_rows

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.keras_encoder import KerasEncoder, pad
from jobsearch.encoder.keras_model import build_model, tf
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.text import default_case
from jobsearch.encoder.weights import WeightSet
from jobsearch.home import builtin_taxonomy_directory
from jobsearch.taxonomy.store import load_taxonomy
from jobsearch.tuning.batches import Batch, Batches
from jobsearch.tuning.data import recipe_pairs
from jobsearch.tuning.objectives import objective
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.steps import compile_step
from jobsearch.tuning.student import NativeStudent, Student, cut
from jobsearch.tuning.tune import _make_deterministic

SEED = 0
OURS, PLAIN, TABLE = "jobsearch tune", "plain Keras", "plain Keras, table trained"
Step = Callable[[int, Batch], None]


class PlainStudent:
    """The Keras network as it is, called with padded texts."""

    def __init__(self, base: WeightSet, recipe: Recipe) -> None:
        self._most = recipe.max_tokens
        self._model = build_model(base, trained_rows=range(arch.VOCABULARY) if recipe.train_table else ())
        self._keras = KerasEncoder(base, self._model)

    @property
    def variables(self) -> list[Any]:
        return list(self._model.trainable_variables)

    def inputs(self, texts: Sequence[str]) -> tuple[Any, ...]:
        ids = cut(self._keras.token_ids(texts), self._most)
        return pad(ids[: len(ids) // 2]), pad(ids[len(ids) // 2 :])

    def signature(self) -> tuple[Any, ...]:
        return (tf.TensorSpec((None, None), tf.int32),) * 2

    def embed(self, inputs: tuple[Any, ...], count: Any, draw: Any) -> Any:
        return tf.concat([self._model(side) for side in inputs], axis=0)

    def encoder(self, name: str, lineage: Mapping[str, Any]) -> Encoder:
        raise NotImplementedError("it is timed, not used")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--table-steps", type=int, default=3, help="with the table trained; 0: without that row")
    parser.add_argument("--batch", type=int, help="default: the recipe's")
    add_json_option(parser)
    arguments = parser.parse_args()
    recipe = find_recipe("default", batch=arguments.batch)
    taxonomy = load_taxonomy(builtin_taxonomy_directory())
    batches = Batches(recipe_pairs(taxonomy, recipe).training, recipe, SEED)
    weights = packaged_weights(default_case(taxonomy.languages))
    _make_deterministic(SEED)  # as `jobsearch tune` does

    ours, plain = NativeStudent(weights, recipe), PlainStudent(weights, recipe)
    apart = loss_difference(weights, recipe, plain, batches.batch(0))
    steps = {OURS: make_step(ours, recipe), PLAIN: make_step(plain, recipe)}
    rows, others = measure(steps, batches, recipe, arguments.steps)
    del ours, plain, steps  # their memory, before a trained table takes more
    if arguments.table_steps:
        trained = replace(recipe, train_table=True)
        steps = {TABLE: make_step(PlainStudent(weights, trained), trained)}
        rows += measure(steps, batches, recipe, arguments.table_steps)[0]
    print_table(rows)
    print(f"\nLoss of the base weights without drop-out: ours and the plain one are {apart:.0e} apart.")
    print(f"Other processes kept {others:.1f} cores busy meanwhile.")
    ratio = rows[1]["cpu_seconds"] / rows[0]["cpu_seconds"]
    if ratio < 1:
        print(f"Our step has no advantage: it takes {1 / ratio:.2f} times the processor time of the plain one.")
    write_rows(arguments.json, [{**row, "loss_apart": apart, "others": others} for row in rows])


def make_step(student: Student, recipe: Recipe) -> Step:
    """Compile what `Trainer` compiles."""
    import keras

    optimizer = keras.optimizers.Adam(
        recipe.learning_rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2, global_clipnorm=recipe.clip_norm
    )
    optimizer.build(student.variables)
    compiled = compile_step(student, recipe, optimizer)

    def step(number: int, batch: Batch) -> None:
        inputs, count = student.inputs(batch.texts), np.int32(len(batch.texts))
        float(compiled(inputs, count, np.array([SEED, number], np.int32), *batch.targets)["loss"])

    return step


def loss_difference(weights: WeightSet, recipe: Recipe, plain: Student, batch: Batch) -> float:
    """Return how far apart the losses of both are before any training, without drop-out."""
    measured, _ = objective(recipe)
    losses = []
    for student in (NativeStudent(weights, replace(recipe, dropout=0.0)), plain):
        embedded = student.embed(student.inputs(batch.texts), len(batch.texts), np.array([SEED, 0], np.int32))
        losses.append(float(measured(embedded, *batch.targets)["loss"]))
    return abs(losses[0] - losses[1])


def measure(steps: Mapping[str, Step], batches: Batches, recipe: Recipe, number: int) -> tuple[list[Row], float]:
    """Return a row for each, and how many cores other processes kept busy."""
    walls: dict[str, list[float]] = {name: [] for name in steps}
    processors: dict[str, list[float]] = {name: [] for name in steps}
    busy, begun, used = busy_seconds(), time.perf_counter(), time.process_time()
    for position in range(number + 1):
        batch = batches.batch(position)
        for name, step in steps.items():
            wall, processor = time.perf_counter(), time.process_time()
            step(position, batch)
            walls[name].append(time.perf_counter() - wall)
            processors[name].append(time.process_time() - processor)
    others = (busy_seconds() - busy - (time.process_time() - used)) / (time.perf_counter() - begun)
    rows: list[Row] = []
    for name in steps:
        seconds = statistics.median(walls[name][1:])  # the first was compiled, too
        rows.append(
            {
                "step": name,
                "seconds": seconds,
                "cpu_seconds": statistics.median(processors[name][1:]),
                "pairs_per_second": recipe.batch / seconds,
            }
        )
    return rows, others


def print_table(rows: Sequence[Row]) -> None:
    print("| training | steps/s | pairs/s | × | CPU s a step | × |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        columns = (
            row["step"],
            f"{1 / row['seconds']:.2f}",
            f"{row['pairs_per_second']:,.0f}",
            f"{rows[0]['seconds'] / row['seconds']:.2f}",
            f"{row['cpu_seconds']:.2f}",
            f"{rows[0]['cpu_seconds'] / row['cpu_seconds']:.2f}",
        )
        print(f"| {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
