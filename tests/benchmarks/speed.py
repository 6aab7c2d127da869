"""What a user waits for: start, a query, a rebuild, and how memory stays, each against a named rival in one run.

    python tests/benchmarks/speed.py [--index NAME] [--queries 10000] [--runs 5]

Whole processes are started in turns with their rival, --runs times each; medians. Queries are made of the index's own
labels with a word of another label, so few tokens are remembered from before. The rebuild goes into a folder that is
removed. `runtimes.py`, `index_types.py`, `match.py` and `service_load.py` measure the parts that are not here.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from measuring import Row, add_json_option, write_rows

from jobsearch import JobSearch

SEED = 0
NUMPY_FAISS = [sys.executable, "-c", "import numpy, faiss"]
TENSORFLOW = [sys.executable, "-c", "import tensorflow"]
CLICK = [sys.executable, "-c", "import click"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5, help="starts of each process")
    add_json_option(parser)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "jobsearch"]
    search = [*command, "search", "plumber", "--index", arguments.index]

    print("whole processes, median seconds")
    rows = [
        _compare("search, against numpy + faiss", search, NUMPY_FAISS, arguments.runs),
        _compare("search, against tensorflow", search, TENSORFLOW, arguments.runs),
        _compare("--help, against click", [*command, "--help"], CLICK, arguments.runs),
    ]
    rows += _rebuild(command)
    rows += _queries(arguments.index, arguments.queries)
    write_rows(arguments.json, rows)


def _compare(name: str, ours: list[str], rival: list[str], runs: int) -> Row:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for times, process in zip(taken, (ours, rival), strict=True):
            begun = time.perf_counter()
            subprocess.run(process, check=True, capture_output=True)
            times.append(time.perf_counter() - begun)
    own, other = (statistics.median(times) for times in taken)
    print(f"  {name:34} {own:6.2f}  {other:6.2f}  × {own / other:.2f}", flush=True)
    return {"what": name, "seconds": own, "rival_seconds": other}


def _rebuild(command: list[str]) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "JOBSEARCH_HOME": home}
        for name in ("rebuild, built-in data", "the same again, nothing to embed"):
            begun = time.perf_counter()
            subprocess.run([*command, "index", "build"], check=True, capture_output=True, env=environment)
            rows.append({"what": name, "seconds": time.perf_counter() - begun})
            print(f"  {name:34} {rows[-1]['seconds']:6.2f}", flush=True)
    return rows


def _queries(index: str, number: int) -> list[Row]:
    engine = JobSearch.open(index)
    draw = random.Random(SEED)
    labels = list(engine.opened.labels.texts)
    queries = [" ".join([draw.choice(labels), draw.choice(labels).split()[0]]) for _ in range(number)]
    print(f"one query at a time, {len(labels):,} labels, milliseconds")
    for query in queries[:200]:
        engine.search(query)
    vectors = engine.opened.encoder.encode(queries[:1000])
    rows = [
        _percentiles("search (encode, search, fold)", engine.search, queries),
        _percentiles("  encode alone", lambda query: engine.opened.encoder.encode([query]), queries[:1000]),
        _percentiles("  nearest labels alone", lambda vector: engine.opened.vectors.search(vector[None], 40), vectors),
    ]
    before = _resident()
    print(f"memory after {number + 1200:,} queries: {before} MB resident; ", end="", flush=True)
    for query in queries:
        engine.search(query)
    after = _resident()
    print(f"{after} MB after {number:,} more")
    return [*rows, {"what": "memory", "megabytes": max(before, after)}]


def _percentiles(name: str, call: Callable[..., object], items: Iterable[object]) -> Row:
    taken = []
    for item in items:
        begun = time.perf_counter()
        call(item)
        taken.append(time.perf_counter() - begun)
    median, late = np.percentile(taken, [50, 99]) * 1e3
    print(f"  {name:34} p50 {median:6.2f}  p99 {late:6.2f}", flush=True)
    return {"what": name.strip(), "p50": float(median), "p99": float(late)}


def _resident() -> int:
    """Return the memory of this process in MB, mapped files included (Linux only)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 // 1_000_000


if __name__ == "__main__":
    main()
