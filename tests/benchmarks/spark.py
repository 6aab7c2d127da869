"""`jobsearch match` on Spark against the same on one machine: rows a second, scaling, and whether rows are the same.

    pip install 'jobsearch[spark]'
    python tests/benchmarks/spark.py [--index NAME] [--rows 200000] [--workers 1 2]

The titles of `match.py`, as Parquet. "A core" is `jobsearch match` held to one thread, which is what a worker of Spark
does its work with; workers are processes of their own (`local-cluster[N,1,2048]`) on this machine, so no more of them
than there are cores say anything. Whole: the process from start to end, with Spark's start and the sending of the
index; work: from the first row to the last, the workers' opening of the index included. Rows are compared one by one
with those of one machine: URI, label and rank, and the score apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from match import vacancies
from measuring import Row, add_json_option, busy_seconds, write_rows

from jobsearch import JobSearch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    add_json_option(parser)
    arguments = parser.parse_args()
    engine = JobSearch.open(arguments.index)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "vacancies.parquet"
        titles = list(vacancies(engine, arguments.rows))
        columns = {"id": pa.array(range(len(titles)), pa.int64()), "title": titles}
        pq.write_table(pa.table(columns), source, row_group_size=max(1, len(titles) // 16))
        print(f"{len(titles):,} rows, {len(set(titles)):,} distinct titles; {os.cpu_count()} cores")
        print(f"{'':24} {'whole s':>8} {'work s':>8} {'rows/s':>8} {'others':>7}")
        single = folder / "one.parquet"
        for way, variables in (("one machine, a core", {"OMP_NUM_THREADS": "1"}), ("one machine", {})):
            rows.append(_timed(way, ["--out", str(single), "--force"], source, arguments.index, variables))
        for workers in arguments.workers:
            out = folder / f"{workers}.parquet"
            options = ["--engine", "spark", "--master", f"local-cluster[{workers},1,2048]", "--out", str(out)]
            rows.append(_timed(f"Spark, {workers} workers", options, source, arguments.index, {}))
            rows[-1] |= _differences(single, out)
            print(f"  rows that differ: {rows[-1]['uris']} in URI, label or rank, {rows[-1]['scores']} in the score")
    write_rows(arguments.json, rows)


def _timed(way: str, options: list[str], source: Path, index: str, variables: dict[str, str]) -> Row:
    # One row group or two a part, so that there are more parts than workers.
    settings = {
        "PYSPARK_SUBMIT_ARGS": f"--conf spark.sql.files.maxPartitionBytes={source.stat().st_size // 12} pyspark-shell"
    }
    command = [sys.executable, "-m", "jobsearch", "match", str(source), "--column", "title", "--index", index, "--json"]
    begun, busy, used = time.perf_counter(), busy_seconds(), sum(os.times()[:4])
    done = subprocess.run(
        [*command, *options], env={**os.environ, **settings, **variables}, stdout=subprocess.PIPE, check=True
    )
    whole = time.perf_counter() - begun
    # Executors are nobody's children here when they end: what they used counts as others'.
    others = (busy_seconds() - busy - (sum(os.times()[:4]) - used)) / whole
    told: dict[str, Any] = json.loads(done.stdout)
    shutil.rmtree(_work(), ignore_errors=True)
    row = {"way": way, "whole": whole, "work": told["seconds"], "per_second": told["rows"] / told["seconds"]}
    print(f"{way:24} {whole:8.1f} {row['work']:8.1f} {row['per_second']:8,.0f} {others:7.1f}", flush=True)
    return row


def _work() -> Path:
    """Return the folder in which Spark's workers leave what they were sent."""
    import pyspark

    return Path(pyspark.__file__).parent / "work"


def _differences(single: Path, out: Path) -> dict[str, int]:
    ours, theirs = (pq.read_table(path).sort_by("id").to_pylist() for path in (out, single))
    if len(ours) != len(theirs):
        raise SystemExit(f"{out} has {len(ours):,} rows for {len(theirs):,}")
    scores = sum(a["match_score"] != b["match_score"] for a, b in zip(ours, theirs, strict=True))
    for row in (*ours, *theirs):
        row.pop("match_score")
        row.pop("match_confidence")
    return {"uris": sum(a != b for a, b in zip(ours, theirs, strict=True)), "scores": scores}


if __name__ == "__main__":
    main()
