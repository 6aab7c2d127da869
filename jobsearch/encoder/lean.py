"""The lean runtime: USE in NumPy, for searching and indexing without TensorFlow.

Three exact savings over the textbook forward pass (`tests/encoder/reference.py` keeps that as the yardstick):

- Projection, LayerNorm and the first convolution's products depend on one token alone, so they are computed once for
  each distinct token of a batch and gathered; that is over half of the arithmetic.
- A batch is one ragged run of tokens with two empty positions between sentences (the reach of the widest window), so
  nothing is spent on padding.
- Batches are small enough for the processor's cache and run on one thread a core, with BLAS held to one thread each:
  element-wise work then uses all cores as well.

Why NumPy and not a runtime library: `tests/benchmarks/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.cores import usable_cores
from jobsearch.encoder import architecture as arch
from jobsearch.encoder.blas import one_blas_thread
from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.text import Tokenizer, prepare
from jobsearch.encoder.weights import WeightSet, WeightSetEncoder, table_rows

Floats = npt.NDArray[np.float32]
# Found by measurement: 1,024 is about 12 % faster than 2,048 and 25 % faster than 4,096.
_BATCH_TOKENS = 1024
# Below this it costs more to start threads than to work.
_PARALLEL_TOKENS = 2 * _BATCH_TOKENS
_GAP = 2
# Width of a row of the token table: embedding, three x, products with 2 + 3 + 5 window places.
_TOKEN_ROW = arch.TOKEN_WIDTH + (len(arch.ORDERS) + sum(arch.ORDERS)) * arch.BRANCH_WIDTH
# Calls with at most so many distinct tokens, which queries are, remember their rows: 15 KB each, 31 MB in all.
_REMEMBER_TOKENS = 64
_MOST_REMEMBERED = 2048
# BLAS rounds the product of a row by how many rows there are and, on some processors, by the row's place among them;
# four are one tile of every OpenBLAS kernel. What is remembered must not depend on which tokens were new together.
_TOGETHER = 4


@dataclass(frozen=True)
class _Branch:
    order: int
    left: int
    x: slice  # columns of the token table, see LeanEncoder._tokens
    products: slice
    gamma: Floats
    beta: Floats
    w1: Floats  # (256, order * 256): products of one position with all window places at once
    b1: Floats
    w2: Floats  # (order * 256, 256)
    b2: Floats


class LeanEncoder(WeightSetEncoder):
    """USE multilingual in NumPy; equal to the Keras model of the same weight set within 1e-5.

    Safe to share between threads: what `encode` remembers of tokens changes nothing but its speed.

    Args:
        weights: the weight set; mapped tensors stay mapped, the embedding table is never copied.
        threads: how many batches to work on at once; default: one a core that this process may use.
    """

    def __init__(self, weights: WeightSet, threads: int | None = None) -> None:
        super().__init__(weights)
        self._threads = threads or usable_cores()
        self._tokenize = Tokenizer(weights.tokenizer_model)
        tensors = weights.tensors
        self._projection = np.concatenate([tensors[arch.branch_names(n)["proj"]] for n in arch.ORDERS], axis=1)
        self._projection_bias = np.concatenate([tensors[arch.branch_names(n)["proj_bias"]] for n in arch.ORDERS])
        self._branches = list(_branches(weights))
        self._known: dict[int, Floats] = {}

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts (see `protocol.Encoder.encode`); equal texts in one call are computed once."""
        prepared = prepare(texts, self._weights.case)
        # Sorted, so that texts with common tokens share a batch.
        distinct = sorted(set(prepared))
        ids = self._tokenize(distinct)
        vectors = np.empty((len(distinct), arch.DIM), np.float32)

        def work(bounds: tuple[int, int]) -> None:
            start, stop = bounds
            vectors[start:stop] = self._encode_batch(ids[start:stop])

        with one_blas_thread():
            if self._threads > 1 and sum(map(len, ids)) > _PARALLEL_TOKENS:
                self._run_parallel(work, list(_batches(ids)))
            else:
                for bounds in _batches(ids):
                    work(bounds)
        if distinct == prepared:
            return vectors
        row = {text: position for position, text in enumerate(distinct)}
        return vectors[[row[text] for text in prepared]]

    def _run_parallel(self, work: Any, jobs: list[tuple[int, int]]) -> None:
        pool = ThreadPoolExecutor(min(self._threads, len(jobs)), thread_name_prefix="jobsearch-encode")
        try:
            for _ in pool.map(work, jobs):
                pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _encode_batch(self, ids: list[list[int]]) -> Floats:
        lengths = np.array([len(sentence) for sentence in ids])
        tokens = np.concatenate([np.asarray(sentence, np.int64) for sentence in ids])
        distinct, token = np.unique(tokens, return_inverse=True)
        table = self._remembered(distinct) if len(distinct) <= _REMEMBER_TOKENS else self._tokens(distinct)
        # Place of each token in a run that has _GAP empty places before, between and after the sentences.
        place = np.arange(len(tokens)) + _GAP * (np.repeat(np.arange(len(ids)), lengths) + 1)
        places = len(tokens) + _GAP * (len(ids) + 1)
        token_at = np.full(places, len(distinct))  # an index past the last token: a row of zeros
        token_at[place] = token

        features = np.empty((len(tokens), arch.FEATURES), np.float32)
        features[:, : arch.TOKEN_WIDTH] = table[token, : arch.TOKEN_WIDTH]
        for position, branch in enumerate(self._branches):
            start = arch.TOKEN_WIDTH + position * arch.BRANCH_WIDTH
            features[:, start : start + arch.BRANCH_WIDTH] = _convolve(branch, table, token, token_at, place)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return self._pool(features, starts, lengths)

    def _remembered(self, distinct: npt.NDArray[np.int64]) -> Floats:
        """Return `_tokens(distinct)`, taking the rows of tokens that came before from memory."""
        wanted = distinct.tolist()
        known = self._known
        missing = [token for token in wanted if token not in known]
        if missing:
            if len(known) + len(missing) > _MOST_REMEMBERED:
                # Emptied whole: calls under way in other threads keep the dictionary that they began with.
                known = self._known = {token: known[token] for token in wanted if token in known}
            for start in range(0, len(missing), _TOGETHER):
                tokens = missing[start : start + _TOGETHER]
                # Copied, so that a row does not keep those beside it in memory.
                known.update(zip(tokens, map(np.copy, self._tokens(np.resize(tokens, _TOGETHER))), strict=False))
        table = np.zeros((len(wanted) + 1, _TOKEN_ROW), np.float32)
        np.stack([known[token] for token in wanted], out=table[:-1])
        return table

    def _tokens(self, distinct: npt.NDArray[np.int64]) -> Floats:
        """Return all that depends on one token alone: a row each, and a last row of zeros for an empty place.

        Columns: the embedding (512), then x of the three branches (256 each: projected, then each normalised on its
        own), then the products of x with all places of each branch's first window.
        """
        table = np.zeros((len(distinct) + 1, _TOKEN_ROW), np.float32)
        embedded = table_rows(self._weights.tensors, distinct)
        x: Floats = embedded @ self._projection
        x += self._projection_bias
        x = x.reshape(len(x), len(arch.ORDERS), arch.BRANCH_WIDTH)
        x -= x.mean(axis=-1, keepdims=True)
        variance = np.einsum("ubi,ubi->ub", x, x) / np.float32(arch.BRANCH_WIDTH)
        x /= np.sqrt(variance + np.float32(arch.EPSILON))[..., None]
        rows = table[:-1]
        rows[:, : arch.TOKEN_WIDTH] = embedded
        for position, branch in enumerate(self._branches):
            x[:, position] *= branch.gamma
            x[:, position] += branch.beta
            rows[:, branch.x] = x[:, position]
            np.matmul(x[:, position], branch.w1, out=rows[:, branch.products])
        return table

    def _pool(self, features: Floats, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Embeddings:
        """LayerNorm over all features, sum over each sentence, then the top layers."""
        tensors = self._weights.tensors
        features -= features.mean(axis=-1, keepdims=True)
        variance = np.einsum("ti,ti->t", features, features) / np.float32(arch.FEATURES)
        features *= (1 / np.sqrt(variance + np.float32(arch.EPSILON)))[:, None]
        length = lengths.astype(np.float32)[:, None]
        sums: Floats = np.add.reduceat(features, starts, axis=0)
        # Scale, shift and the dense layer are linear: they are applied once to the sum, not to each token.
        summed = sums * tensors[arch.POOL_GAMMA] + length * tensors[arch.POOL_BETA]
        s = (summed @ tensors[arch.POOL_KERNEL] + length * tensors[arch.POOL_BIAS]) / np.sqrt(length)
        y0 = _relu(s @ tensors[arch.D0])
        y1 = _relu(s @ tensors[arch.P1] + y0 @ tensors[arch.D1])
        y2 = _relu(y1 @ tensors[arch.D2])
        out: Floats = np.tanh(y1 @ tensors[arch.P3] + y2 @ tensors[arch.D3])
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return out


def _convolve(
    branch: _Branch,
    table: Floats,
    token: npt.NDArray[np.int64],
    token_at: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
) -> Floats:
    """Both residual convolutions of one branch: c of shape (tokens, 256).

    Args:
        table: what depends on one token alone (see `LeanEncoder._tokens`).
        token: row of each token.
        token_at: the same for each place of the run with gaps; the last row where the place is empty.
        place: each token's place in that run.
    """
    order, left, width = branch.order, branch.left, arch.BRANCH_WIDTH
    first = branch.products.start
    h = table[token_at[place - left], first : first + width]
    for k in range(1, order):
        h += table[token_at[place - left + k], first + k * width : first + (k + 1) * width]
    h += branch.b1
    np.maximum(h, 0, out=h)
    h += table[token, branch.x]

    run = np.zeros((len(token_at), width), np.float32)
    run[place] = h
    # Row p of `windows` is the run's places p … p + order - 1 laid end to end: a view, not a copy.
    windows = np.lib.stride_tricks.as_strided(
        run, (len(run) - order + 1, order * width), (run.strides[0], run.itemsize), writeable=False
    )
    c: Floats = windows[place - left] @ branch.w2
    c += branch.b2
    np.maximum(c, 0, out=c)
    c += h
    return c


def _branches(weights: WeightSet) -> Iterator[_Branch]:
    width = arch.BRANCH_WIDTH
    x = arch.TOKEN_WIDTH
    products = x + len(arch.ORDERS) * width
    for order in arch.ORDERS:
        part = {key: weights.tensors[name] for key, name in arch.branch_names(order).items()}
        yield _Branch(
            order=order,
            left=arch.LEFT_CONTEXT[order],
            x=slice(x, x + width),
            products=slice(products, products + order * width),
            gamma=part["gamma"],
            beta=part["beta"],
            w1=part["w1"].reshape(order, width, width).transpose(1, 0, 2).reshape(width, order * width),
            b1=part["b1"],
            w2=part["w2"],
            b2=part["b2"],
        )
        x, products = x + width, products + order * width


def _batches(ids: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Cut into runs of whole sentences of about _BATCH_TOKENS tokens, as (start, stop)."""
    start = tokens = 0
    for position, sentence in enumerate(ids):
        if tokens and tokens + len(sentence) > _BATCH_TOKENS:
            yield start, position
            start, tokens = position, 0
        tokens += len(sentence)
    if start < len(ids):
        yield start, len(ids)


def _relu(values: npt.NDArray[Any]) -> Floats:
    positive: Floats = np.maximum(values, np.float32(0))
    return positive
