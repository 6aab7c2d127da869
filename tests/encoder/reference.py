"""The yardstick: USE's forward pass as a textbook would write it, one text at a time, in double precision.

It shares no code with `jobsearch.encoder`: names, window offsets and the table's packing are written out again from
the description in `jobsearch/encoder/architecture.py`, so that a slip there shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece

Array = npt.NDArray[Any]
EPSILON = 1e-12
# What each window place sees: position t + offset.
OFFSETS = {2: (0, 1), 3: (-1, 0, 1), 5: (-2, -1, 0, 1, 2)}


class Reference:
    """USE from a weight set's tensors (packed table) and its tokenizer model; the case setting is not its affair."""

    def __init__(self, tensors: Mapping[str, Array], tokenizer_model: bytes) -> None:
        self._tensors = tensors
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer_model)

    def token_ids(self, text: str) -> list[int]:
        return [1, *self._processor.encode(text), 2]

    def encode(self, texts: Sequence[str]) -> Array:
        return np.stack([self.embed(self.token_ids(text)) for text in texts])

    def embed(self, ids: Sequence[int]) -> Array:
        e = np.stack([self._row(i) for i in ids])
        branches = [self._branch(e, order) for order in OFFSETS]
        f = self._layer_norm(np.concatenate([e, *branches], axis=1), "EncoderDNN/CNN_layers/LayerNorm")
        w, b = self._get("EncoderDNN/CNN_layers/dense/kernel"), self._get("EncoderDNN/CNN_layers/dense/bias")
        s = (f @ w + b).sum(axis=0) / np.sqrt(len(ids))
        dnn = "EncoderDNN/DNN/ResidualHidden"
        d0, d1, d2, d3 = (self._get(f"{dnn}_{layer}/dense/kernel") for layer in range(4))
        p1, p3 = (self._get(f"{dnn}_{layer}/AdjustDepth/projection/kernel") for layer in (1, 3))
        y0 = relu(s @ d0)
        y1 = relu(s @ p1 + y0 @ d1)
        y2 = relu(y1 @ d2)
        out = np.tanh(y1 @ p3 + y2 @ d3)
        return out / np.sqrt(np.sum(out**2))

    def _branch(self, e: Array, order: int) -> Array:
        scope = f"EncoderDNN/CNN_layers/ngram_order_{order}"
        projection = f"{scope}/input_size_projection/dense"
        projected = e @ self._get(f"{projection}/kernel") + self._get(f"{projection}/bias")
        x = self._layer_norm(projected, f"{scope}/LayerNorm")
        h = relu(self._convolve(x, order, f"{scope}/Ngram-{order}-Conv")) + x
        return relu(self._convolve(h, order, f"{scope}/Ngram-{order}-Conv_1")) + h

    def _convolve(self, x: Array, order: int, scope: str) -> Array:
        """Row t: bias + the sum over window places k of x[t + offset k] · kernel k; zeros where there is no x."""
        kernels = self._get(f"{scope}/weights").reshape(order, 256, 256)
        out = np.tile(self._get(f"{scope}/bias"), (len(x), 1))
        padded = np.concatenate([np.zeros((2, 256)), x, np.zeros((2, 256))])
        for kernel, offset in zip(kernels, OFFSETS[order], strict=True):
            out += padded[2 + offset :][: len(x)] @ kernel
        return out

    def _layer_norm(self, x: Array, scope: str) -> Array:
        mean = x.mean(axis=1, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=1, keepdims=True)
        return (x - mean) / np.sqrt(variance + EPSILON) * self._get(f"{scope}/gamma") + self._get(f"{scope}/beta")

    def _row(self, piece: int) -> Array:
        scale, low = self._get("Embeddings/scale"), self._get("Embeddings/offset")
        return self._tensors["Embeddings/table"][piece] * scale[piece % 17] + low[piece % 17]

    def _get(self, name: str) -> Array:
        return self._tensors[name].astype(np.float64)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)
