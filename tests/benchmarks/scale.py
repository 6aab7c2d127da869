"""How an index grows: build time, size, memory, recall and latency from 100,000 labels to ten millions.

    python tests/benchmarks/scale.py [--index NAME] [--sizes 100000 300000 1000000] [--types pq ivf compact]
    python tests/benchmarks/scale.py --sizes 10000000 --types compact --folder FOLDER --json rows.json

Labels are those of an index and variations of them, as companies make them: a seniority before, a field behind, two
joined. They are embedded by the index's encoder; a size's labels contain those of the smaller ones. What is embedded is
kept in --folder, so that an interrupted run goes on; ten millions take 10 GB there for `compact` alone, which is
rounded to half precision, and 20 GB with another type, and 13 GB more for the index while it is measured.

Build: reading the vectors, training, filling and writing, in a process of its own, with the most memory it had.
Recall@10 is against exact search over the vectors that the index keeps, with queries that a build measures with. Memory
is that of a fresh process that opens the index and answers 1,000 queries, the encoder not counted: resident, and what
of it is the process's own (anonymous), not a mapped file's. Cold: the same when the system's cache has nothing of the
index. With --plot a picture of the growth is written, of these rows and of those that --with names.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import xxhash
from measuring import Row, add_json_option, write_rows

from jobsearch import JobSearch
from jobsearch.encoder.protocol import Encoder
from jobsearch.index.recall import calibrate
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors

SEED = 0
# Labels embedded and kept at once, and those of them that the encoder gets at once.
SLICE, BATCH = 65_536, 4096
LEVELS = ("senior", "junior", "lead", "chief", "assistant", "trainee", "deputy", "head", "freelance", "regional")
ASKED = 1000
# Each in a process of its own, so that nothing else counts.
BUILD = """
import json, os, sys, time
from pathlib import Path
from jobsearch.index.row_file import RowFile
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
source, dtype, labels, dim, name, target = sys.argv[1:]
rows = RowFile(os.open(source, os.O_RDONLY), (int(labels), int(dim)), dtype)
begun = time.perf_counter()
Vectors.build(rows, find_type(name, int(labels), int(dim))).write(Path(target))
build = time.perf_counter() - begun
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"build": build, "peak": int(status["VmHWM"].split()[0]) / 1024}))
"""
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
fields = {"resident": "VmRSS", "anonymous": "RssAnon", "mapped": "RssFile", "highest": "VmHWM"}
memory = {key: int(status[field].split()[0]) / 1024 for key, field in fields.items()}
print(json.dumps({"p50": p50, "p99": p99, **memory}))
"""
# Width and format of each column.
COLUMNS = {
    "labels": (10, ","),
    "type": (7, ""),
    "setting": (14, ""),
    "build": (8, ".1f"),
    "peak": (6, ".0f"),
    "size": (6, ".0f"),
    "resident": (8, ".0f"),
    "anonymous": (9, ".0f"),
    "recall": (6, ".4f"),
    "p50": (6, ".2f"),
    "p99": (6, ".2f"),
    "cold": (6, ".2f"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--types", nargs="+", default=["pq", "ivf", "compact"])
    parser.add_argument("--folder", type=Path, help="Keeps labels and vectors. Default: one that goes.")
    add_json_option(parser)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--with", dest="earlier", type=Path, help="Rows of an earlier --json, for the plot.")
    arguments = parser.parse_args()
    opened = JobSearch.open(arguments.index).opened
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        half = all(find_type(name, max(arguments.sizes), opened.encoder.dim).half for name in arguments.types)
        folder, own = arguments.folder or Path(temporary), list(opened.labels.texts)
        corpus = Corpus(folder, own, opened.encoder, "float16" if half else "float32")
        corpus.make(max(arguments.sizes))
        print("memory and size in MB, build in s, p50, p99 and cold p50 of a query in ms")
        print(" ".join(f"{key:>{width}}" for key, (width, _) in COLUMNS.items()))
        for size in sorted(arguments.sizes):
            for name in arguments.types:
                rows.append(corpus.measure(name, size))
                print(" ".join(f"{rows[-1][key]:>{width}{form}}" for key, (width, form) in COLUMNS.items()), flush=True)
                write_rows(arguments.json, rows)
    if arguments.plot:
        earlier = json.loads(arguments.earlier.read_text()) if arguments.earlier else []
        _plot([*earlier, *rows], arguments.plot)


class Corpus:
    """Labels and their vectors in a folder, made as far as they are not there.

    Args:
        folder: made if it is not there.
        own: labels of an index, to vary; they are part of the files' names.
        encoder: makes the vectors; its fingerprint is part of their file's name.
        dtype: what they are kept as.
    """

    def __init__(self, folder: Path, own: Sequence[str], encoder: Encoder, dtype: str) -> None:
        self._folder, self._own, self._encoder, self._dtype = folder, own, encoder, dtype
        name = f"labels-{xxhash.xxh3_64_hexdigest(chr(10).join(own).encode())[:8]}"
        self._labels = folder / f"{name}.txt"
        self._vectors = folder / f"{name}-{encoder.fingerprint[:8]}.{dtype}"
        self._width = encoder.dim * np.dtype(dtype).itemsize

    def make(self, size: int) -> None:
        """Write `size` labels and their vectors; whole slices that are there stay."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for killed in self._folder.glob("measured-*"):
            shutil.rmtree(killed)
        if not self._labels.exists() or sum(1 for _ in self._labels.open(encoding="utf-8")) < size:
            aside = self._labels.with_suffix(".part")
            with aside.open("w", encoding="utf-8") as file:
                file.writelines(f"{label}\n" for label in islice(_labels(self._own), size))
            aside.replace(self._labels)
        with self._labels.open(encoding="utf-8") as lines, self._vectors.open("ab") as file:
            have = file.tell() // self._width
            if have >= size:
                return
            have -= have % SLICE
            file.truncate(have * self._width)
            begun, labels = time.perf_counter(), (line.rstrip("\n") for line in islice(lines, have, size))
            done = have
            while part := list(islice(labels, SLICE)):
                file.write(self._embed(part))
                file.flush()
                done += len(part)
                seconds = time.perf_counter() - begun
                print(f"{done:,} of {size:,} labels embedded, {seconds:.0f} s", file=sys.stderr, flush=True)

    def _embed(self, labels: Sequence[str]) -> bytes:
        order = sorted(range(len(labels)), key=labels.__getitem__)
        embeddings = np.empty((len(labels), self._encoder.dim), self._dtype)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            embeddings[part] = self._encoder.encode([labels[row] for row in part])
        return embeddings.tobytes()

    def measure(self, name: str, size: int) -> Row:
        """Build an index over the first labels and measure it."""
        with self._labels.open(encoding="utf-8") as lines:
            labels = [line.rstrip("\n") for line in islice(lines, size)]
        kind = find_type(name, size, self._encoder.dim)
        with tempfile.TemporaryDirectory(prefix="measured-", dir=self._folder) as folder:
            path, asked = Path(folder) / "vectors.faiss", Path(folder) / "queries.npy"
            built = _run(BUILD, self._vectors, self._dtype, size, self._encoder.dim, name, path)
            measured = calibrate(Vectors.read(path, {}), kind, self._encoder, labels)
            draw = random.Random(SEED)
            queries = [
                f"{draw.choice(LEVELS)} {draw.choice(labels)} {draw.choice(labels).split()[0]}" for _ in range(ASKED)
            ]
            np.save(asked, self._encoder.encode(queries))
            settings = json.dumps(dict(measured.settings))
            files = [file for file in Path(folder).iterdir() if file != asked]
            return {
                "labels": size,
                "type": name,
                "setting": " ".join(f"{knob} {value}" for knob, value in measured.settings.items()),
                "size": sum(file.stat().st_size for file in files) / 1e6,
                "recall": measured.value,
                **built,
                **_run(ASK, path, asked, settings),
                "cold": _run(ASK, path, asked, settings, forget=files)["p50"],
            }


def _run(program: str, *arguments: object, forget: Sequence[Path] = ()) -> dict[str, float]:
    """Run a program in a fresh process, and have the system forget what it has in memory of some files before."""
    for path in forget:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return told


def _labels(own: Sequence[str]) -> Iterator[str]:
    """Yield an index's labels in any order, and then variations of them without end."""
    draw = random.Random(SEED)
    seen: set[int] = set()  # hashes, of which ten millions take a gigabyte less than the labels
    yield from (label for label in draw.sample(own, len(own)) if _is_new(label, seen))
    while True:
        first, second = draw.choice(own), draw.choice(own)
        label = draw.choice((f"{draw.choice(LEVELS)} {first}", f"{first} {second.split()[-1]}", f"{first} / {second}"))
        if _is_new(label, seen):
            yield label


def _is_new(label: str, seen: set[int]) -> bool:
    """Tell whether a label comes for the first time."""
    before = len(seen)
    seen.add(xxhash.xxh3_64_intdigest(label.encode()))
    return len(seen) > before


def _plot(rows: Sequence[Row], path: Path) -> None:
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
