"""Training steps of one process, against two processes of this machine that share each step: speed, and the difference.

    python tests/benchmarks/distributed.py [--steps 10] [--batch 512]

The steps are those of `jobsearch tune` with the default recipe on the built-in data: texts to tokens, forward,
backward, Adam; without validations. Two processes are a cluster by TF_CONFIG, as for `--strategy multi-worker`. On one
machine they have the same cores as one process, so this measures what sharing costs, not what a second machine brings.
A step that is not counted comes first; medians. CPU time is that of all processes together.

What is to be expected of a difference is shown by one process that is given the same texts in another order: sums of
float32 are rounded otherwise then, and Adam makes steps of full length out of gradients that are next to nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Row, add_json_option, busy_seconds, write_rows

SEED = 0
BEGUN = "begun "
CASES: dict[str, tuple[int, list[str]]] = {
    "one process": (1, []),
    "one process, texts in another order": (1, ["--reorder"]),
    "two processes": (2, ["--strategy", "multi-worker"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, help="default: the recipe's")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)  # a process of a cluster writes its result there
    parser.add_argument("--strategy", default="one", help=argparse.SUPPRESS)
    parser.add_argument("--reorder", action="store_true", help=argparse.SUPPRESS)
    add_json_option(parser)
    arguments = parser.parse_args()
    if arguments.write:
        take_steps(arguments)
        return
    ended: dict[str, dict[str, Any]] = {}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (processes, options) in CASES.items():
            row, ended[name] = measure(processes, [*options, *given(arguments)], Path(folder) / name.replace(" ", "-"))
            rows.append({"case": name, **row, **differences(ended["one process"], ended[name])})
    print("| | steps/s | × | CPU s a step | × | weights apart: 99.9 % | at most | of |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        speed, cost = rows[0]["seconds"] / row["seconds"], row["cpu_seconds"] / rows[0]["cpu_seconds"]
        print(
            f"| {row['case']} | {1 / row['seconds']:.2f} | {speed:.2f} | {row['cpu_seconds']:.2f} | {cost:.2f} "
            f"| {row['most_apart']:.1e} | {row['apart']:.1e} | {row['moved']:.1e} |"
        )
    print(f"\n'of' is the largest change of a weight in the {arguments.steps + 1} steps.")
    others = ", ".join(f"{row['others']:.1f}" for row in rows)
    print(f"Other processes kept {others} of {os.cpu_count()} cores busy meanwhile.")
    write_rows(arguments.json, rows)


def given(arguments: argparse.Namespace) -> list[str]:
    """Return the options that all processes are given."""
    batch = ["--batch", str(arguments.batch)] if arguments.batch else []
    return ["--steps", str(arguments.steps), *batch]


def differences(one: dict[str, Any], other: dict[str, Any]) -> Row:
    """Return how far weights are apart, and how far they have moved."""
    names = [name for name in one if not name.startswith(BEGUN)]
    apart = np.concatenate([np.abs(one[name] - other[name]).ravel() for name in names])
    moved = max(float(np.abs(one[name] - one[BEGUN + name]).max()) for name in names)
    return {"apart": float(apart.max()), "most_apart": float(np.quantile(apart, 0.999)), "moved": moved}


def measure(processes: int, options: list[str], out: Path) -> tuple[Row, dict[str, Any]]:
    """Have so many processes take the steps together."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(processes)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    running, outs = [], [out.with_name(f"{out.name}-{index}") for index in range(processes)]
    for index, own in enumerate(outs):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        command = [sys.executable, __file__, *options, "--write", str(own)]
        running.append(subprocess.Popen(command, env={**os.environ, "TF_CONFIG": json.dumps(cluster)}))
    if sum(process.wait() for process in running):
        sys.exit("a process failed")
    told = [json.loads(own.with_suffix(".json").read_text()) for own in outs]
    walls = told[0]["walls"]
    used = sum(each["cpu_seconds"] for each in told)
    row = {
        "seconds": statistics.median(walls),
        "cpu_seconds": used / len(walls),
        "others": (told[0]["busy"] - used) / sum(walls),
    }
    return row, dict(np.load(outs[0].with_suffix(".npz")))


def take_steps(arguments: argparse.Namespace) -> None:
    """Take the steps as one process of maybe several; write times, and the weights before and after."""
    from jobsearch.tuning.distribution import find_distribution

    distribution = find_distribution(arguments.strategy)
    from jobsearch.encoder.packaged import packaged_weights
    from jobsearch.encoder.text import default_case
    from jobsearch.home import builtin_taxonomy_directory
    from jobsearch.taxonomy.store import load_taxonomy
    from jobsearch.tuning.batches import Batches
    from jobsearch.tuning.data import recipe_pairs
    from jobsearch.tuning.recipes import find_recipe
    from jobsearch.tuning.student import make_student, values_of
    from jobsearch.tuning.trainer import learning_rate
    from jobsearch.tuning.tune import _make_deterministic

    recipe = find_recipe("default", batch=arguments.batch)
    taxonomy = load_taxonomy(builtin_taxonomy_directory())
    batches = Batches(recipe_pairs(taxonomy, recipe).training, recipe, SEED)
    _make_deterministic(SEED)
    import keras  # not before TensorFlow: it would import that noisily

    with distribution.scope():
        student = make_student(packaged_weights(default_case(taxonomy.languages)), recipe)
        optimizer = keras.optimizers.Adam(
            recipe.learning_rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2, global_clipnorm=recipe.clip_norm
        )
        optimizer.build(student.variables)
    if arguments.reorder:
        reorder(student)
    step = distribution.step(student, recipe, optimizer)
    begun = values_of(student.variables)
    walls = []
    for number in range(arguments.steps + 1):
        if number == 1:
            processor, busy = time.process_time(), busy_seconds()
        start = time.perf_counter()
        batch = batches.batch(number)
        optimizer.learning_rate.assign(learning_rate(recipe, number, batches.steps))
        float(step(batch.texts, np.array([SEED, number], np.int32), batch.targets)["loss"])
        walls.append(time.perf_counter() - start)
    measured = {"walls": walls[1:], "cpu_seconds": time.process_time() - processor, "busy": busy_seconds() - busy}
    arguments.write.with_suffix(".json").write_text(json.dumps(measured))
    before = {BEGUN + name: values for name, values in begun.items()}
    np.savez(arguments.write.with_suffix(".npz"), **values_of(student.variables), **before)


def reorder(student: Any) -> None:
    """Have a student embed its texts from the last to the first, and give the embeddings as they were asked for."""
    inputs, embed = student.inputs, student.embed
    student.inputs = lambda texts: inputs(texts[::-1])
    student.embed = lambda given, count, draw: embed(given, count, draw)[::-1]


if __name__ == "__main__":
    main()
