"""Small things to tune: a bag of words as a student, the same as a SavedModel, and the real network made once."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.text import Case, prepare
from jobsearch.encoder.tf import tensorflow
from jobsearch.encoder.weights import WeightSet
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.student import NativeStudent, values_of

tf = tensorflow()
DIM, BUCKETS = 24, 997


class WordModel(tf.Module):
    """Words are hashed to rows of a table, a text is their mean, times a matrix.

    Args:
        trainable: whether a gradient may change its variables.
    """

    def __init__(self, trainable: bool = True) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        rows = random.normal(size=(BUCKETS, DIM)).astype(np.float32)
        mixing = np.eye(DIM, dtype=np.float32) + random.normal(size=(DIM, DIM)).astype(np.float32) / 10
        self.table = tf.Variable(rows, name="words", trainable=trainable)
        self.mixing = tf.Variable(mixing, name="mixing", trainable=trainable)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        return embed_words(texts, self.table, self.mixing)


def embed_words(texts: Any, table: Any, mixing: Any) -> Any:
    words = tf.strings.split(tf.strings.join([texts, "."], " "))
    rows = tf.gather(table, tf.strings.to_hash_bucket_fast(words, BUCKETS))
    return tf.matmul(tf.reduce_mean(rows, axis=1), mixing)


def export_word_model(directory: Path, trainable: bool = True) -> Path:
    tf.saved_model.save(WordModel(trainable), str(directory))
    return directory


class WordEncoder:
    """The bag of words with fixed values."""

    name = "words"
    dim = DIM
    case: Case = "lower"

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(b"".join(self.values[key].tobytes() for key in sorted(self.values))).hexdigest()

    def encode(self, texts: Sequence[str]) -> Embeddings:
        batch = tf.constant([text.encode() for text in prepare(texts, self.case)])
        return tf.math.l2_normalize(embed_words(batch, *self.values.values()), axis=-1).numpy()

    def save(self, directory: Path) -> None:
        raise NotImplementedError


class WordStudent:
    """The bag of words as `student.Student`, with drop-out: all that a trainer needs, in a tenth of a second."""

    def __init__(self, recipe: Recipe) -> None:
        self._dropout = recipe.dropout
        self._model = WordModel()

    @property
    def variables(self) -> list[Any]:
        return [self._model.table, self._model.mixing]

    def inputs(self, texts: Sequence[str]) -> tuple[Any, ...]:
        return (np.array([text.lower().encode() for text in texts], object),)

    def signature(self) -> tuple[Any, ...]:
        return (tf.TensorSpec((None,), tf.string),)

    def embed(self, inputs: tuple[Any, ...], count: Any, draw: Any) -> Any:
        table, mixing = self.variables
        kept = tf.cast(tf.random.stateless_uniform((BUCKETS, DIM), draw) >= self._dropout, tf.float32)
        return tf.math.l2_normalize(embed_words(inputs[0], table * kept, mixing), axis=-1)

    def encoder(self, name: str, lineage: Mapping[str, Any]) -> WordEncoder:
        return WordEncoder(values_of(self.variables))


@functools.cache
def native_base() -> WeightSet:
    """USE as packaged, lower-cased; shared, so never changed."""
    return packaged_weights("lower")


@functools.cache
def native_student() -> NativeStudent:
    """The real network with drop-out (some seconds); whoever changes its variables puts them back."""
    return NativeStudent(native_base(), find_recipe("default", dropout=0.1, max_tokens=12))
