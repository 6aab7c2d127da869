"""USE multilingual as a trainable Keras model: the network of `architecture`, for tuning.

Written with `keras.ops` alone; only the tokenizer is TensorFlow's. For searching there is `lean`, which gives the
same embeddings within 1e-5 and does not import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.tf import tensorflow
from jobsearch.encoder.weights import WeightSet, table_rows

tf = tensorflow()
import keras  # noqa: E402  (after TensorFlow, which it would import noisily)
from keras import ops  # noqa: E402

PADDING = -1
# Name of the variable that holds the embedding table's trained rows.
TRAINED_ROWS = "trained_rows"


class NgramBranch(keras.layers.Layer):  # type: ignore[misc]
    """One n-gram branch: project, normalise, two residual convolutions.

    Args:
        order: window size n, one of `architecture.ORDERS`.

    Input: embedded tokens (batch, time, 512) and a mask (batch, time, 1) that is 0 on padding.
    Output: (batch, time, 256), 0 on padding.
    """

    def __init__(self, order: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order
        self.left = arch.LEFT_CONTEXT[order]
        width = arch.BRANCH_WIDTH
        self.projection = self.add_weight(shape=(arch.TOKEN_WIDTH, width), name="proj")
        self.projection_bias = self.add_weight(shape=(width,), name="proj_bias")
        self.gamma = self.add_weight(shape=(width,), name="gamma")
        self.beta = self.add_weight(shape=(width,), name="beta")
        self.w1 = self.add_weight(shape=(order * width, width), name="w1")
        self.b1 = self.add_weight(shape=(width,), name="b1")
        self.w2 = self.add_weight(shape=(order * width, width), name="w2")
        self.b2 = self.add_weight(shape=(width,), name="b2")

    def named_weights(self) -> dict[str, Any]:
        """Map tensor names of `architecture` to variables."""
        variables = {
            "proj": self.projection,
            "proj_bias": self.projection_bias,
            "gamma": self.gamma,
            "beta": self.beta,
            "w1": self.w1,
            "b1": self.b1,
            "w2": self.w2,
            "b2": self.b2,
        }
        return {name: variables[part] for part, name in arch.branch_names(self.order).items()}

    def call(self, embedded: Any, mask: Any) -> Any:
        """Return c."""
        x = self._project(embedded, mask)
        h = (ops.relu(self._convolve(x, self.w1) + self.b1) + x) * mask
        return (ops.relu(self._convolve(h, self.w2) + self.b2) + h) * mask

    def call_run(self, embedded: Any, token_mask: Any, place: Any, mask: Any) -> Any:
        """Return c for a run of tokens, what depends on one token alone computed once for each distinct token.

        Projection, normalisation and the first convolution's products are that: over half of the arithmetic.

        Args:
            embedded: (distinct, 512), the row of padding first.
            token_mask: (distinct, 1), 0 for padding.
            place: (places,), the distinct token at each place.
            mask: (places, 1), 0 on padding.
        """
        x = self._project(embedded, token_mask)
        width = arch.BRANCH_WIDTH
        window = ops.pad(place, [[self.left, self.order - 1 - self.left]])
        summed = self.b1
        for k in range(self.order):
            products = ops.matmul(x, self.w1[k * width : (k + 1) * width])
            summed = summed + ops.take(products, window[k : k + ops.shape(place)[0]], axis=0)
        h = (ops.relu(summed) + ops.take(x, place, axis=0)) * mask
        return (ops.relu(self._convolve(h[None], self.w2)[0] + self.b2) + h) * mask

    def _project(self, embedded: Any, mask: Any) -> Any:
        projected = ops.matmul(embedded, self.projection) + self.projection_bias
        return (_normalise(projected) * self.gamma + self.beta) * mask

    def _convolve(self, x: Any, kernel: Any) -> Any:
        """Window product of each position, zeros outside the sentence."""
        time = ops.shape(x)[1]
        padded = ops.pad(x, [[0, 0], [self.left, self.order - 1 - self.left], [0, 0]])
        windows = [padded[:, place : place + time] for place in range(self.order)]
        return ops.matmul(ops.concatenate(windows, axis=-1), kernel)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "order": self.order}


class UseModel(keras.Model):  # type: ignore[misc]
    """USE multilingual, from token ids to unit vectors.

    Args:
        trained_rows: rows of the embedding table that are trained too, rising; the others stay as they are. All of
            them are 65 M of 69 M weights, those of the tokens that a language has less than a fifth of that.

    Input: int32 token ids (batch, time) with begin and end marks, `PADDING` behind shorter sentences.
    Output: float32 (batch, 512), rows of unit length.
    """

    def __init__(self, trained_rows: Sequence[int] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trained_rows = tuple(int(row) for row in trained_rows)
        self.table = self.add_weight(
            shape=(arch.VOCABULARY, arch.TOKEN_WIDTH), initializer="zeros", trainable=False, name="table"
        )
        self.rows = None
        if self.trained_rows:
            self.rows = self.add_weight(
                shape=(len(self.trained_rows), arch.TOKEN_WIDTH), initializer="zeros", name=TRAINED_ROWS
            )
            self._row_of = np.full(arch.VOCABULARY, -1, np.int32)
            self._row_of[list(self.trained_rows)] = np.arange(len(self.trained_rows))
        self.branches = [NgramBranch(order, name=f"ngram_order_{order}") for order in arch.ORDERS]
        shapes = arch.dense_shapes()
        branch_tensors = {name for branch in self.branches for name in branch.named_weights()}
        self._top = {
            name: self.add_weight(shape=shape, name=name.replace("/", "_"))
            for name, shape in shapes.items()
            if name not in branch_tensors
        }
        self.built = True

    def named_weights(self) -> dict[str, Any]:
        """Map tensor names of `architecture`, the table's apart, to variables."""
        named = dict(self._top)
        for branch in self.branches:
            named.update(branch.named_weights())
        return named

    def call(self, token_ids: Any, training: bool = False) -> Any:
        """Embed a padded batch of token ids."""
        embedded, mask = self._embed_tokens(token_ids)
        branches = [branch(embedded, mask) for branch in self.branches]
        features = self._features(embedded, branches, mask)
        return self._top_layers(ops.sum(features, axis=1), ops.sum(mask, axis=1))

    def embed_run(self, distinct: Any, place: Any, sentence: Any, count: Any, dropout: Any = None) -> Any:
        """Embed sentences laid end to end: the form that training uses, equal to `call` and much cheaper.

        Nothing is spent on padding, and equal tokens share what depends on them alone (see `keras_encoder.lay_out`).

        Args:
            distinct: int32 (distinct,), the token ids that occur, `PADDING` first.
            place: int32 (places,), position in `distinct` of the token at each place; two places of padding before,
                between and after the sentences, as wide as the widest window reaches.
            sentence: int32 (places,), not falling: the sentence that each place belongs to.
            count: number of sentences.
            dropout: float32 (distinct, 512) factors for the embedded tokens, or None.

        Returns:
            float32 (count, 512), rows of unit length.
        """
        embedded, token_mask = self._embed_tokens(distinct)
        if dropout is not None:
            embedded = embedded * dropout
        mask = ops.take(token_mask, place, axis=0)
        branches = [branch.call_run(embedded, token_mask, place, mask) for branch in self.branches]
        features = self._features(ops.take(embedded, place, axis=0), branches, mask)
        summed = ops.segment_sum(features, sentence, count)
        return self._top_layers(summed, ops.segment_sum(mask, sentence, count))

    def _embed_tokens(self, token_ids: Any) -> tuple[Any, Any]:
        """Return table rows (…, 512), 0 for padding, and the mask (…, 1)."""
        mask = ops.cast(ops.expand_dims(token_ids >= 0, -1), "float32")
        ids = ops.maximum(token_ids, 0)
        embedded = ops.take(self.table, ids, axis=0)
        if self.rows is not None:
            row = ops.take(self._row_of, ids, axis=0)
            trained = ops.take(self.rows, ops.maximum(row, 0), axis=0)
            embedded = ops.where(ops.expand_dims(row >= 0, -1), trained, embedded)
        return embedded * mask, mask

    def _features(self, embedded: Any, branches: list[Any], mask: Any) -> Any:
        """Return normalised features (…, 1280), 0 on padding."""
        features = _normalise(ops.concatenate([embedded, *branches], axis=-1))
        return (features * self._top[arch.POOL_GAMMA] + self._top[arch.POOL_BETA]) * mask

    def _top_layers(self, summed: Any, length: Any) -> Any:
        """Return embeddings from summed features (batch, 1280) and token counts (batch, 1)."""
        top = self._top
        s = (ops.matmul(summed, top[arch.POOL_KERNEL]) + length * top[arch.POOL_BIAS]) / ops.sqrt(length)
        y0 = ops.relu(ops.matmul(s, top[arch.D0]))
        y1 = ops.relu(ops.matmul(s, top[arch.P1]) + ops.matmul(y0, top[arch.D1]))
        y2 = ops.relu(ops.matmul(y1, top[arch.D2]))
        out = ops.tanh(ops.matmul(y1, top[arch.P3]) + ops.matmul(y2, top[arch.D3]))
        return out / ops.norm(out, axis=-1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the model, without its weights."""
        return {"trained_rows": list(self.trained_rows), "name": self.name}


def build_model(weights: WeightSet, *, trained_rows: Sequence[int] = ()) -> UseModel:
    """Make the Keras model of a weight set.

    Args:
        weights: read, not kept; the table is unpacked to float32 (262 MB).
        trained_rows: rows of the embedding table that are trained too, rising.
    """
    model = UseModel(trained_rows, name="use")
    for name, variable in model.named_weights().items():
        variable.assign(weights.tensors[name])
    model.table.assign(table_rows(weights.tensors, np.arange(arch.VOCABULARY)))
    if model.rows is not None:
        model.rows.assign(table_rows(weights.tensors, np.array(model.trained_rows)))
    return model


def extract_weights(model: UseModel, base: WeightSet, *, name: str, lineage: Mapping[str, Any]) -> WeightSet:
    """Take the model's present weights as a weight set.

    Args:
        model: what `build_model` made, trained since.
        base: the weight set it was made from: gives tokenizer, case, and the table where that was not trained.
        name: name of the new weight set.
        lineage: how the weights came to be.
    """
    tensors: dict[str, npt.NDArray[Any]] = {
        tensor: np.asarray(variable, np.float32) for tensor, variable in model.named_weights().items()
    }
    if model.rows is not None:
        # Half precision: 131 MB instead of 262, and far finer than the 6-bit steps that the base table has.
        table = np.asarray(model.table, np.float32).astype(np.float16)
        table[list(model.trained_rows)] = np.asarray(model.rows, np.float32)
        tensors[arch.TABLE] = table
    else:
        kept = (arch.TABLE, arch.TABLE_SCALE, arch.TABLE_OFFSET)
        tensors.update({tensor: base.tensors[tensor] for tensor in kept if tensor in base.tensors})
    return WeightSet(tensors, base.tokenizer_model, base.case, name, lineage)


def _normalise(x: Any) -> Any:
    """Zero mean and unit variance over the last axis."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return centred * ops.rsqrt(variance + arch.EPSILON)
