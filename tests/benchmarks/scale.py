"""How an index grows: build time, size, memory, recall and latency from 100,000 labels to millions.

    python tests/benchmarks/scale.py [--index NAME] [--sizes 100000 300000 1000000] [--types pq ivf]

Labels are those of an index and variations of them, as companies make them: a seniority before, a field behind, two
joined. They are embedded by the index's encoder; a size's labels contain those of the smaller ones. Recall@10 is
against exact search, with queries that a build measures with; memory is that of a fresh process that maps the index and
answers 1,000 queries, the encoder not counted. With --plot a picture of the growth is written.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch import JobSearch
from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.index.recall import calibrate
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors

SEED = 0
SLICE = 4096
LEVELS = ("senior", "junior", "lead", "chief", "assistant", "trainee", "deputy", "head", "freelance", "regional")
ASKED = 1000
# In a process of its own, so that only the mapped index and its searches count.
ASK = """
import json, sys, time
import numpy as np
from pathlib import Path
from jobsearch.index.vectors import Vectors
vectors = Vectors.read(Path(sys.argv[1]), json.loads(sys.argv[3]))
queries = np.load(sys.argv[2])
taken = []
for query in queries:
    begun = time.perf_counter()
    vectors.search(query[None], 40)
    taken.append(time.perf_counter() - begun)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
p50, p99 = np.percentile(taken[100:], [50, 99]) * 1e3
print(json.dumps({"p50": p50, "p99": p99, "resident": int(status["VmRSS"].split()[0]) / 1024}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--types", nargs="+", default=["pq", "ivf"])
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    opened = JobSearch.open(arguments.index).opened
    labels = list(_labels(list(opened.labels.texts), max(arguments.sizes)))
    begun = time.perf_counter()
    embeddings = _embed(labels, opened.encoder)
    print(f"{len(labels):,} labels embedded in {time.perf_counter() - begun:.0f} s")
    print(f"{'labels':>10} {'type':5} {'setting':14} {'build s':>8} {'MB':>6} {'resident MB':>12} ", end="")
    print(f"{'recall@10':>9} {'p50 ms':>7} {'p99 ms':>7}")
    rows = []
    for size in sorted(arguments.sizes):
        for name in arguments.types:
            row = _measure(name, labels[:size], embeddings[:size], opened.encoder)
            rows.append(row)
            print(
                f"{size:10,} {name:5} {row['setting']:14} {row['build']:8.1f} {row['size']:6.0f} "
                f"{row['resident']:12.0f} {row['recall']:9.4f} {row['p50']:7.2f} {row['p99']:7.2f}",
                flush=True,
            )
    if arguments.plot:
        _plot(rows, arguments.plot)


def _labels(own: Sequence[str], size: int) -> Iterator[str]:
    draw = random.Random(SEED)
    seen: set[str] = set()
    for label in draw.sample(own, len(own)):
        if label not in seen and len(seen) < size:
            seen.add(label)
            yield label
    while len(seen) < size:
        first, second = draw.choice(own), draw.choice(own)
        label = draw.choice((f"{draw.choice(LEVELS)} {first}", f"{first} {second.split()[-1]}", f"{first} / {second}"))
        if label not in seen:
            seen.add(label)
            yield label


def _embed(labels: Sequence[str], encoder: Encoder) -> Embeddings:
    order = sorted(range(len(labels)), key=labels.__getitem__)
    embeddings = np.empty((len(labels), encoder.dim), np.float32)
    for start in range(0, len(order), SLICE):
        part = order[start : start + SLICE]
        embeddings[part] = encoder.encode([labels[row] for row in part])
    return embeddings


def _measure(name: str, labels: Sequence[str], embeddings: Embeddings, encoder: Encoder) -> dict[str, Any]:
    kind = find_type(name, len(labels), embeddings.shape[1])
    begun = time.perf_counter()
    vectors = Vectors.build(embeddings, kind)
    build = time.perf_counter() - begun
    measured = calibrate(vectors, kind, encoder, labels)
    with tempfile.TemporaryDirectory() as folder:
        path, asked = Path(folder) / "vectors.faiss", Path(folder) / "queries.npy"
        vectors.write(path)
        del vectors
        draw = random.Random(SEED)
        queries = [
            f"{draw.choice(LEVELS)} {draw.choice(labels)} {draw.choice(labels).split()[0]}" for _ in range(ASKED)
        ]
        np.save(asked, encoder.encode(queries))
        settings = json.dumps(dict(measured.settings))
        told = subprocess.run(
            [sys.executable, "-c", ASK, str(path), str(asked), settings], check=True, capture_output=True, text=True
        )
        return {
            "labels": len(labels),
            "type": name,
            "setting": " ".join(f"{knob} {value}" for knob, value in measured.settings.items()),
            "build": build,
            "size": path.stat().st_size / 1e6,
            "recall": measured.value,
            **json.loads(told.stdout),
        }


def _plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for axis, (key, title) in zip(
        axes, (("build", "build, s"), ("resident", "resident, MB"), ("p50", "one query, p50, ms")), strict=True
    ):
        for name, style in zip(sorted({row["type"] for row in rows}), ("o-", "s--", "^:", "d-."), strict=False):
            own = [row for row in rows if row["type"] == name]
            axis.plot([row["labels"] for row in own], [row[key] for row in own], style, label=name)
        axis.set(title=title, xlabel="labels", xscale="log", yscale="log")
        axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
