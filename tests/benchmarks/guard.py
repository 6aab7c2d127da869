"""Does the built-in guard follow the STS benchmark? Measures both while an encoder forgets more and more.

    python tests/benchmarks/guard.py MODEL --sts stsb-en-dev.csv

MODEL is the name or folder of a tuned weight set. Its weights are taken at shares from 0 (the base) to 3 (far beyond
what training gave, where it forgets a lot), and the base's are also disturbed at random, tensor by tensor.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import add_json_option, write_rows

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import find_weights
from jobsearch.encoder.weights import WeightSet
from jobsearch.evaluation.sts import evaluate_sts
from jobsearch.evaluation.sts_files import read_sts
from jobsearch.tuning.guard import guard_score

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
NOISE = (0.05, 0.1, 0.15, 0.2, 0.3)


def states(base: WeightSet, tuned: WeightSet) -> Iterator[tuple[str, WeightSet]]:
    """Yield (name, weights) of encoders that are more and more unlike the base."""
    dense = [name for name in base.tensors if base.tensors[name].dtype == np.float32 and base.tensors[name].ndim > 1]
    for share in SHARES:
        mixed = {name: base.tensors[name] * (1 - share) + tuned.tensors[name] * share for name in dense}
        yield f"tuned, share {share:g}", _with(base, mixed)
    draw = np.random.default_rng(0)
    for strength in NOISE:
        noisy = {}
        for name in dense:
            tensor = base.tensors[name]
            noisy[name] = tensor + strength * tensor.std() * draw.standard_normal(tensor.shape)
        yield f"base, noise {strength:g}", _with(base, noisy)


def _with(base: WeightSet, tensors: dict[str, np.ndarray]) -> WeightSet:
    changed = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    return WeightSet({**base.tensors, **changed}, base.tokenizer_model, base.case)


def main() -> None:
    """Print both scores for each state, and how they go together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--sts", type=Path, required=True)
    add_json_option(parser)
    arguments = parser.parse_args()
    tuned = find_weights(arguments.model)
    if not isinstance(tuned, WeightSet):
        raise SystemExit(f"{arguments.model} is no native weight set; name one that `jobsearch tune` made")
    base = find_weights("use", tuned.case)
    assert isinstance(base, WeightSet)
    sts = read_sts(arguments.sts)
    rows = []
    for name, weights in states(base, tuned):
        encoder = LeanEncoder(weights)
        rows.append((name, float(evaluate_sts(encoder, sts).metrics["pearson"]), guard_score(encoder)))
        print(f"{name:24} STS {rows[-1][1]:.4f}  guard {rows[-1][2]:.4f}", flush=True)
    write_rows(arguments.json, [{"state": name, "sts": sts, "guard": guard} for name, sts, guard in rows])
    drops = np.array([[rows[0][1] - row[1], rows[0][2] - row[2]] for row in rows[1:]])
    print(f"Pearson of the two drops: {np.corrcoef(drops.T)[0, 1]:.3f}")
    for tolerance in (0.002, 0.005, 0.01, 0.015, 0.02):
        said, true = drops[:, 1] <= tolerance, drops[:, 0] <= 0.005
        print(
            f"guard may fall by {tolerance:g}: passes {int((said & ~true).sum())} of {int((~true).sum())} that lose "
            f"more than 0.005 in STS, refuses {int((~said & true).sum())} of {int(true.sum())} that do not"
        )


if __name__ == "__main__":
    main()
