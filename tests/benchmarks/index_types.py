"""Index types on one machine, in one run: recall, latency, size and build time of each.

    python tests/benchmarks/index_types.py [--index NAME] [--titles CSV]

Recall is that of the 10 nearest labels against exact search, with the queries that a build measures with and, if a CSV
of real titles is given (its column of titles, or else the first), with a thousand of these. Latency is that of one
query at a time, without encoding. Settings are those that a build chooses; the default for the size is marked.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import Row, add_json_option, write_rows

from jobsearch import JobSearch
from jobsearch.encoder.protocol import Embeddings
from jobsearch.index.recall import AT, FETCH, calibrate, recall
from jobsearch.index.types import TYPE_NAMES, find_type
from jobsearch.index.vectors import Vectors

TITLES = 1000
TIMED = 300
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--titles", type=Path)
    add_json_option(parser)
    arguments = parser.parse_args()
    opened = JobSearch.open(arguments.index).opened
    embeddings = np.array(opened.vectors.embeddings)
    labels = list(opened.labels.texts)
    titles = _titles(arguments.titles) if arguments.titles else labels[:: max(1, len(labels) // TITLES)]
    queries = opened.encoder.encode(titles)
    default = find_type(None, len(labels), opened.vectors.dim).name
    print(f"{len(labels):,} labels; {len(titles)} queries{'' if arguments.titles else ' (labels themselves)'}")
    print(f"{'type':8} {'factory':26} {'setting':16} {'recall':>7} {'titles':>7} {'p50 ms':>7} {'p99 ms':>7} ", end="")
    print(f"{'× flat':>7} {'MB':>5} {'build s':>7}")
    rows: list[Row] = []
    for name in sorted(TYPE_NAMES, key=lambda name: name != "flat"):  # exact search first: the others compare with it
        kind = find_type(name, len(labels), opened.vectors.dim)
        begun = time.perf_counter()
        built = Vectors.build(embeddings, kind)
        seconds = time.perf_counter() - begun
        measured = calibrate(built, kind, opened.encoder, labels)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vectors.faiss"
            built.write(path)
            size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
            vectors = Vectors.read(path, measured.settings)
            median, late = _latency(vectors, queries)
            setting = " ".join(f"{knob} {value}" for knob, value in measured.settings.items())
            row = {"type": name, "setting": setting, "recall": measured.value, "titles": recall(vectors, queries)}
            rows.append({**row, "p50": median, "p99": late, "size": size, "build": seconds})
            print(
                f"{name + (' *' if name == default else ''):8} {kind.factory:26} {setting:16} {measured.value:7.4f} "
                f"{row['titles']:7.4f} {median:7.2f} {late:7.2f} {rows[0]['p50'] / median:7.1f} {size:5.0f} "
                f"{seconds:7.1f}",
                flush=True,
            )
    write_rows(arguments.json, rows)


def _titles(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    column = next((place for place, name in enumerate(header) if "title" in name.casefold()), 0)
    titles = [row[column] for row in rows]
    chosen = np.random.default_rng(SEED).choice(len(titles), min(TITLES, len(titles)), replace=False)
    return [titles[row] for row in chosen]


def _latency(vectors: Vectors, queries: Embeddings) -> tuple[float, float]:
    """Return the median and the 99th percentile of a search for one query, in milliseconds, once warm."""
    taken = []
    for _ in range(2):
        taken = []
        for query in queries[:TIMED]:
            begun = time.perf_counter()
            vectors.search(query[None], FETCH * AT)
            taken.append(time.perf_counter() - begun)
    return float(np.percentile(taken, 50)) * 1e3, float(np.percentile(taken, 99)) * 1e3


if __name__ == "__main__":
    main()
