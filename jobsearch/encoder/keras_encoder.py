"""The Keras model from texts: TensorFlow Text's tokenizer, and two ways to lay out a batch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.keras_model import PADDING, UseModel, build_model, tf
from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.text import Tokenizer, prepare
from jobsearch.encoder.weights import WeightSet, WeightSetEncoder
from jobsearch.errors import EncoderError

# Places between two sentences of a run: as far as the widest window, order 5, reaches to either side.
RUN_GAP = 2
# Tokens of one forward pass: bounds the memory of `encode` (about 20 kB a token).
_BATCH_TOKENS = 16_384


class KerasEncoder(WeightSetEncoder):
    """The Keras model as an encoder: TensorFlow Text's tokenizer, then the network.

    Training the model does not change the fingerprint; `extract_weights` makes a weight set with one of its own.

    Args:
        weights: the weight set.
        model: a model of these weights, if one was built already.
    """

    def __init__(self, weights: WeightSet, model: UseModel | None = None) -> None:
        super().__init__(weights)
        self.model = model if model is not None else build_model(weights)
        self._tokenize = _tokenizer(weights.tokenizer_model)
        self._forward = tf.function(self.model, input_signature=[tf.TensorSpec((None, None), tf.int32)])

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids with begin and end marks, case setting applied."""
        return self._tokenize(prepare(texts, self._weights.case))

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts (see `protocol.Encoder.encode`)."""
        ids = self.token_ids(texts)
        vectors = np.empty((len(ids), arch.DIM), np.float32)
        # Longest last, so that a batch holds sentences of like length and little padding.
        order = sorted(range(len(ids)), key=lambda position: len(ids[position]))
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and len(ids[order[stop]]) * (stop + 1 - start) <= _BATCH_TOKENS:
                stop += 1
            chosen = order[start:stop]
            vectors[chosen] = self._forward(pad([ids[position] for position in chosen])).numpy()
            start = stop
        return vectors


def pad(ids: Sequence[Sequence[int]]) -> npt.NDArray[np.int32]:
    """Lay sentences of token ids into one int32 array (batch, longest), `PADDING` behind the shorter ones."""
    out = np.full((len(ids), max(map(len, ids), default=0)), PADDING, np.int32)
    for row, sentence in zip(out, ids, strict=True):
        row[: len(sentence)] = sentence
    return out


def lay_out(ids: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int32], ...]:
    """Lay sentences of token ids end to end for `UseModel.embed_run`: (distinct, place, sentence)."""
    gap = [PADDING] * RUN_GAP
    run = [*gap, *itertools.chain.from_iterable([*sentence, *gap] for sentence in ids)]
    lengths = np.array([len(sentence) + RUN_GAP for sentence in ids])
    sentence = np.repeat(np.arange(len(ids)), lengths)
    distinct, place = np.unique(np.array(run, np.int32), return_inverse=True)
    return distinct, place.astype(np.int32), np.concatenate([[0] * RUN_GAP, sentence]).astype(np.int32)


class _TensorFlowTextTokenizer:
    def __init__(self, model: bytes) -> None:
        self._model = model
        self._sentencepiece = self._make()

    def _make(self) -> Any:
        import tensorflow_text

        return tensorflow_text.SentencepieceTokenizer(model=self._model, out_type=tf.int32)

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        batch = tf.constant([text.encode() for text in texts])
        try:
            ragged = self._sentencepiece.tokenize(batch)
        except tf.errors.NotFoundError:  # whoever sets TensorFlow's seed destroys the resource behind it
            self._sentencepiece = self._make()
            ragged = self._sentencepiece.tokenize(batch)
        return [[arch.BEGIN_ID, *ids, arch.END_ID] for ids in ragged.to_list()]


def _tokenizer(model: bytes) -> Tokenizer | _TensorFlowTextTokenizer:
    """Return TensorFlow Text's tokenizer; where it has no build (Windows), the one that agrees with it."""
    try:
        return _TensorFlowTextTokenizer(model)
    except ImportError:
        return Tokenizer(model)
    except Exception as error:
        raise EncoderError(f"the tokenizer model cannot be read ({error}); make the weight set again") from error
