"""USE as an ONNX graph, made of helper nodes straight from a weight set, for the comparison in `runtimes.py`.

The graphs take batches of sentences of equal length, so there is no padding and no mask. Tried and left out: `Conv`
instead of `MatMul` on windows laid side by side (a third slower, for its two transpositions), and ONNX Runtime's own
two threads a batch instead of two batches at a time on one thread each (a third to a half slower).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.weights import WeightSet

WIDTH = arch.BRANCH_WIDTH
END = 2**62  # "to the end" for Slice


class Graph:
    """Collects nodes: calling it adds one and returns its output's name; arrays become constants."""

    def __init__(self, weights: WeightSet) -> None:
        self.tensors = weights.tensors
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, operator: str, *inputs: Any, outputs: int | str = 1, **attributes: Any) -> Any:
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        count = 1 if isinstance(outputs, str) else outputs
        made = [outputs] if isinstance(outputs, str) else [f"n{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(operator, names, made, **attributes))
        return made[0] if count == 1 else made

    def _constant(self, value: Any) -> str:
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def save(self, path: Path, inputs: dict[str, list[str]]) -> None:
        graph = helper.make_graph(
            self.nodes,
            "use",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", arch.DIM])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(model)
        save(model, str(path))


def save_plain(weights: WeightSet, path: Path) -> None:
    """Write the network as it stands: input `ids` (batch, time)."""
    graph = Graph(weights)
    embedded = table_rows(graph, "ids")
    features = [embedded]
    for order, x in zip(arch.ORDERS, normalised_projections(graph, embedded), strict=True):
        part = branch(graph, order)
        h = graph("Add", graph("Relu", convolve(graph, x, order, part["w1"], part["b1"])), x)
        features.append(graph("Add", graph("Relu", convolve(graph, h, order, part["w2"], part["b2"])), h))
    pool(graph, features, "ids")
    graph.save(path, {"ids": ["batch", "time"]})


def save_distinct(weights: WeightSet, path: Path) -> None:
    """Write it with the lean runtime's saving: what depends on one token alone is computed once a distinct token.

    Inputs: `distinct` (tokens), and `token` (batch, time), each position's index into `distinct`.
    """
    graph = Graph(weights)
    embedded = table_rows(graph, "distinct")
    features = [graph("Gather", embedded, "token")]
    nothing = graph("Gather", graph("Shape", "distinct"), np.int64(0))  # index of a row of zeros past the last token
    for order, x in zip(arch.ORDERS, normalised_projections(graph, embedded), strict=True):
        part, left = branch(graph, order), arch.LEFT_CONTEXT[order]
        w1 = part["w1"].reshape(order, WIDTH, WIDTH).transpose(1, 0, 2).reshape(WIDTH, order * WIDTH)
        products = graph("Pad", graph("MatMul", x, w1), ints(0, 0, 1, 0))
        padded = graph("Pad", "token", ints(0, left, 0, order - 1 - left), nothing)
        total = part["b1"]
        for place, product in enumerate(graph("Split", products, outputs=order, axis=-1, num_outputs=order)):
            total = graph("Add", graph("Gather", product, shifted(graph, padded, place, order)), total)
        h = graph("Add", graph("Relu", total), graph("Gather", x, "token"))
        features.append(graph("Add", graph("Relu", convolve(graph, h, order, part["w2"], part["b2"])), h))
    pool(graph, features, "token")
    graph.save(path, {"distinct": ["tokens"], "token": ["batch", "time"]})


def table_rows(graph: Graph, ids: str) -> str:
    """Unpack the table's rows; their uint8 steps stay packed in the file."""
    shard = graph("Mod", ids, np.int64(arch.SHARDS))
    scale, offset = (
        graph("Unsqueeze", graph("Gather", graph.tensors[name], shard), ints(-1))
        for name in (arch.TABLE_SCALE, arch.TABLE_OFFSET)
    )
    steps = graph("Cast", graph("Gather", graph.tensors[arch.TABLE], ids), to=TensorProto.FLOAT)
    return graph("Add", graph("Mul", steps, scale), offset)


def normalised_projections(graph: Graph, embedded: str) -> list[str]:
    parts = [branch(graph, order) for order in arch.ORDERS]
    kernel = np.concatenate([part["proj"] for part in parts], axis=1)
    bias = np.concatenate([part["proj_bias"] for part in parts])
    split = graph("Split", graph("Add", graph("MatMul", embedded, kernel), bias), outputs=3, axis=-1, num_outputs=3)
    return [layer_norm(graph, x, part["gamma"], part["beta"]) for x, part in zip(split, parts, strict=True)]


def convolve(graph: Graph, x: str, order: int, kernel: Any, bias: Any) -> str:
    left = arch.LEFT_CONTEXT[order]
    padded = graph("Pad", x, ints(0, left, 0, 0, order - 1 - left, 0))
    windows = graph("Concat", *[shifted(graph, padded, place, order) for place in range(order)], axis=-1)
    return graph("Add", graph("MatMul", windows, kernel), bias)


def shifted(graph: Graph, padded: str, place: int, order: int) -> str:
    """What window place number `place` sees at each position: axis 1 from there on, at the unpadded length."""
    behind = order - 1 - place
    return graph("Slice", padded, ints(place), ints(-behind if behind else END), ints(1))


def pool(graph: Graph, features: list[str], ids: str) -> None:
    t = graph.tensors
    normalised = layer_norm(graph, graph("Concat", *features, axis=-1), t[arch.POOL_GAMMA], t[arch.POOL_BETA])
    summed = graph("MatMul", graph("ReduceSum", normalised, ints(1), keepdims=0), t[arch.POOL_KERNEL])
    length = graph("Cast", graph("Gather", graph("Shape", ids), np.int64(1)), to=TensorProto.FLOAT)
    s = graph("Div", graph("Add", summed, graph("Mul", length, t[arch.POOL_BIAS])), graph("Sqrt", length))
    y0 = graph("Relu", graph("MatMul", s, t[arch.D0]))
    y1 = graph("Relu", graph("Add", graph("MatMul", s, t[arch.P1]), graph("MatMul", y0, t[arch.D1])))
    y2 = graph("Relu", graph("MatMul", y1, t[arch.D2]))
    out = graph("Tanh", graph("Add", graph("MatMul", y1, t[arch.P3]), graph("MatMul", y2, t[arch.D3])))
    length = graph("Sqrt", graph("ReduceSum", graph("Mul", out, out), ints(-1), keepdims=1))
    graph("Div", out, length, outputs="embedding")


def layer_norm(graph: Graph, x: str, gamma: Any, beta: Any) -> str:
    return graph("LayerNormalization", x, gamma, beta, axis=-1, epsilon=arch.EPSILON)


def branch(graph: Graph, order: int) -> dict[str, Any]:
    return {part: graph.tensors[name] for part, name in arch.branch_names(order).items()}


def ints(*values: int) -> Any:
    return np.array(values, np.int64)
