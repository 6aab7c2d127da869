"""The same index served by FAISS and by Milvus: how fast it is pushed, how fast it answers, and how much it finds.

    python tests/benchmarks/milvus.py [--index NAME] [--to ADDRESS] [--types FLAT,HNSW] [--queries 200]

Without --to Milvus Lite is measured, in a file that is removed afterwards. With --to it is the server there; the alias
`benchmark` is made and left. Queries are made of the index's own labels with a word of another one, as in `speed.py`;
both engines answer the same ones, one at a time and in one batch.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Row, add_json_option, write_rows

from jobsearch import JobSearch
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.recall import probes, recall
from jobsearch.index.versions import IndexDirectory
from jobsearch.integrations.milvus_address import Address
from jobsearch.integrations.milvus_push import push_version
from jobsearch.integrations.milvus_store import Store

SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--to", help="address of a server; default: Milvus Lite")
    parser.add_argument("--types", default="FLAT,HNSW")
    parser.add_argument("--queries", type=int, default=200)
    add_json_option(parser)
    arguments = parser.parse_args()
    version = open_version(IndexDirectory.named(arguments.index))
    faiss = JobSearch.open(arguments.index)
    queries = _queries(version, arguments.queries)
    rows = _measure(f"FAISS {version.manifest.index_type}", faiss, version, queries)
    expected = faiss.search_many(queries, 10)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.types.split(","):
            place = Address.parse(arguments.to or str(Path(folder) / f"{name}.db"), "benchmark")
            rows += [{"what": f"Milvus {name} push", **_push(version, place, name)}]
            opened = JobSearch.open(f"{place}&index={arguments.index}")
            rows += _measure(f"Milvus {name}", opened, version, queries)
            same = statistics.mean(
                [hit.uri for hit in own] == [hit.uri for hit in theirs]
                for own, theirs in zip(opened.search_many(queries, 10), expected, strict=True)
            )
            print(f"  the same ten hits in the same order for {same:.1%} of the queries")
            rows.append({"what": f"Milvus {name}", "same_hits": same})
    write_rows(arguments.json, rows)


def _queries(version: IndexVersion, number: int) -> list[str]:
    draw, labels = random.Random(SEED), list(version.labels.texts)
    return [" ".join([draw.choice(labels), draw.choice(labels).split()[0]]) for _ in range(number)]


def _push(version: IndexVersion, place: Address, index_type: str) -> dict[str, Any]:
    """Push, and tell how long each step took."""
    begun: list[tuple[str, float]] = []

    def progress(step: str, done: int, total: int) -> None:
        if not begun or begun[-1][0] != step:
            begun.append((step, time.perf_counter()))

    start = time.perf_counter()
    push_version(version, Store(place, create=True), index_type, progress=progress)
    whole = time.perf_counter() - start
    begun.append(("", time.perf_counter()))
    steps: dict[str, float] = {}
    for (step, at), (_, until) in itertools.pairwise(begun):
        steps[step] = steps.get(step, 0) + until - at
    rate = len(version.vectors) / steps["writing vectors"]
    told = ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items())
    print(f"Milvus {index_type}: pushed in {whole:.1f} s ({told}); written {rate:,.0f} vectors/s", flush=True)
    return {"seconds": whole, "vectors_per_second": rate, "steps": steps}


def _measure(name: str, engine: JobSearch, version: IndexVersion, queries: list[str]) -> list[Row]:
    found = recall(
        engine.opened.vectors, version.encoder.encode(probes(list(version.labels.texts))), truth=version.vectors
    )
    print(f"{name}: recall@10 {found:.4f} against exact search; milliseconds", flush=True)
    for query in queries[:10]:
        engine.search(query)
    vectors = version.encoder.encode(queries)
    one: list[tuple[str, Callable[..., object], Iterable[object]]] = [
        ("search", engine.search, queries),
        ("search, occupations", lambda query: engine.search(query, kind="occupation"), queries),
        ("search, by meaning", lambda query: engine.search(query, mode="meaning"), queries),
        ("nearest labels alone", lambda vector: engine.opened.vectors.search(vector[None], 40), vectors),
    ]
    rows: list[Row] = [{"what": name, "recall@10": found}]
    for what, call, items in one:
        taken = []
        for item in items:
            start = time.perf_counter()
            call(item)
            taken.append(time.perf_counter() - start)
        median, late = (float(value) for value in np.percentile(taken, [50, 99]) * 1e3)
        print(f"  {what:24} p50 {median:7.2f}  p99 {late:7.2f}", flush=True)
        rows.append({"what": f"{name}, {what}", "p50": median, "p99": late})
    for mode in ("both", "meaning"):
        start = time.perf_counter()
        engine.search_many(queries, mode=mode)  # type: ignore[arg-type]
        each = (time.perf_counter() - start) / len(queries) * 1e3
        print(f"  {f'in one batch, {mode}':24} {each:11.2f} a query", flush=True)
        rows.append({"what": f"{name}, batch, {mode}", "mean": each})
    return rows


if __name__ == "__main__":
    main()
