"""Small things to tune: a bag of words as a student, the same as a SavedModel, and the real network made once."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.text import Case, Tokenizer
from jobsearch.encoder.tf import tensorflow
from jobsearch.encoder.weights import WeightSet
from jobsearch.tuning.recipes import Recipe, find_recipe
from jobsearch.tuning.student import NativeStudent, values_of

tf = tensorflow()
DIM, BUCKETS = 24, 499


def start_values() -> tuple[Any, Any]:
    """A table of words, and a matrix that mixes the numbers of their mean."""
    random = np.random.default_rng(0)
    table = random.normal(size=(BUCKETS, DIM)).astype(np.float32)
    return table, (np.eye(DIM) + random.normal(size=(DIM, DIM)) / 10).astype(np.float32)


class WordModel(tf.Module):
    """Words are hashed to rows of a table, a text is their mean, times a matrix.

    Args:
        trainable: whether a gradient may change its variables.
    """

    def __init__(self, trainable: bool = True) -> None:
        super().__init__()
        table, mixing = start_values()
        self.table = tf.Variable(table, name="words", trainable=trainable)
        self.mixing = tf.Variable(mixing, name="mixing", trainable=trainable)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        words = tf.strings.split(tf.strings.join([texts, "."], " "))
        rows = tf.gather(self.table, tf.strings.to_hash_bucket_fast(words, BUCKETS))
        return tf.matmul(tf.reduce_mean(rows, axis=1), self.mixing)


def export_word_model(directory: Path, trainable: bool = True) -> Path:
    tf.saved_model.save(WordModel(trainable), str(directory))
    return directory


def counted(texts: Sequence[str]) -> Any:
    """Which words are in each text: float32 (texts, BUCKETS), rows that sum to 1."""
    counts = np.zeros((len(texts), BUCKETS), np.float32)
    for row, text in zip(counts, texts, strict=True):
        words = [*text.lower().split(), "."]
        for word in words:
            row[zlib.crc32(word.encode()) % BUCKETS] += 1 / len(words)
    return counts


class WordEncoder:
    """The bag of words with fixed values; without any, those that a student begins with."""

    name = "words"
    dim = DIM
    case: Case = "lower"

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values = values or dict(zip("ab", start_values(), strict=True))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(b"".join(self.values[key].tobytes() for key in sorted(self.values))).hexdigest()

    def encode(self, texts: Sequence[str]) -> Embeddings:
        table, mixing = self.values.values()
        rows = counted(texts) @ table @ mixing
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def save(self, directory: Path) -> None:
        (directory / "config.json").write_text(json.dumps({"fingerprint": self.fingerprint}), encoding="utf-8")


class WordStudent:
    """The bag of words as `student.Student`, with drop-out: all that a trainer needs, made in no time."""

    def __init__(self, recipe: Recipe) -> None:
        self._kept = 1 - recipe.dropout
        self.variables = [tf.Variable(values) for values in start_values()]

    def inputs(self, texts: Sequence[str]) -> tuple[Any, ...]:
        return (counted(texts),)

    def signature(self) -> tuple[Any, ...]:
        return (tf.TensorSpec((None, BUCKETS), tf.float32),)

    def shares(self, texts: Sequence[str], replicas: int) -> list[tuple[Any, ...]]:
        return [(counted(texts[number::replicas]),) for number in range(replicas)]

    def share_signature(self) -> tuple[Any, ...]:
        return self.signature()

    def embed(self, inputs: tuple[Any, ...], count: Any, draw: Any) -> Any:
        table, mixing = self.variables
        kept = tf.cast(tf.random.stateless_uniform((BUCKETS, DIM), draw) < self._kept, tf.float32)
        return tf.math.l2_normalize(inputs[0] @ (table * kept) @ mixing, axis=-1)

    def encoder(self, name: str, lineage: Mapping[str, Any]) -> WordEncoder:
        return WordEncoder(values_of(self.variables))


@contextlib.contextmanager
def compiled(yes: bool) -> Iterator[None]:
    """Have TensorFlow compile functions or not: for a handful of steps of a small student that is the most work."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(not yes)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@functools.cache
def native_base() -> WeightSet:
    """USE as packaged, lower-cased; shared, so never changed."""
    return packaged_weights("lower")


@functools.cache
def native_student() -> NativeStudent:
    """The real network with drop-out (some seconds); whoever changes its variables puts them back."""
    student = NativeStudent(native_base(), find_recipe("default", dropout=0.1, max_tokens=12))
    # TensorFlow Text's tokenizer lives until somebody sets TensorFlow's seed, as each tuning run does.
    student._keras._tokenize = Tokenizer(native_base().tokenizer_model)
    return student
