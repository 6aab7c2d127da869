"""SavedModels that the tests export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.tf import tensorflow
from jobsearch.encoder.weights import WeightSet, table_rows

tf = tensorflow()
DIM = 8


class HashModel(tf.Module):
    """Words are hashed to rows of a table; a text is their mean, times a matrix. Not of unit length."""

    def __init__(self, seed: int = 0, buckets: int = 50) -> None:
        super().__init__()
        random = tf.random.Generator.from_seed(seed)
        self.buckets = buckets
        self.table = tf.Variable(random.normal((buckets, DIM)), name="words")
        self.kernel = tf.Variable(random.normal((DIM, DIM)) + 3.0 * tf.eye(DIM), name="mixing")
        self.steps = tf.Variable(7, trainable=False, name="steps")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        return self.embed(texts)

    def embed(self, texts: Any) -> Any:
        words = tf.strings.split(tf.strings.join(["<s>", texts], " "))
        rows = tf.gather(self.table, tf.strings.to_hash_bucket_fast(words, self.buckets))
        return tf.matmul(tf.reduce_mean(rows, axis=1), self.kernel)


class ListedModel(HashModel):
    """Keeps lists of its variables, as TF Hub's "reusable SavedModels" do."""

    variables: Any = ()  # in place of tf.Module's properties, which are not exported
    trainable_variables: Any = ()

    def __init__(self) -> None:
        super().__init__()
        self.variables = [self.table, self.kernel, self.steps]
        self.trainable_variables = [self.table, self.kernel]


def export_signature_only(directory: Path, key: str | None = None) -> None:
    """Export a model that cannot be called, only by its `serving_default` signature.

    Args:
        directory: where to.
        key: name of the output, if the signature is to name it.
    """
    model = tf.Module()
    model.inner = HashModel()
    spec = tf.TensorSpec([None], tf.string, name="sentences")

    @tf.function(input_signature=[spec])
    def serve(sentences: Any) -> Any:
        embedded = model.inner.embed(sentences)
        return {"count": tf.size(sentences), key: embedded} if key else embedded

    tf.saved_model.save(model, str(directory), signatures={"serving_default": serve})


def export_answering(directory: Path, answer: Any) -> None:
    """Export a model that answers `answer(texts)`."""
    model = tf.Module()
    model.__call__ = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(model, str(directory))


class UseExport(tf.Module):
    """USE's variables under the names and in the shapes and parts of Google's SavedModel; the function is a dummy.

    Args:
        tensors: name to value, the table as 17 shards; `name/part_0` and so on for what is partitioned.
    """

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        super().__init__()
        self.parts = []
        for name, value in tensors.items():
            *scopes, last = name.split("/")
            with tf.name_scope("/".join(scopes)):
                self.parts.append(tf.Variable(value, name=last))
        self.unrelated = tf.Variable(0, trainable=False, name="global_step")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        touched = tf.add_n([tf.reduce_sum(part) for part in self.parts])
        return tf.zeros((tf.size(texts), arch.DIM)) + touched


def use_tensors(weights: WeightSet) -> dict[str, Any]:
    """Return a weight set's tensors as Google's variables have them."""
    table = table_rows(weights.tensors, np.arange(arch.VOCABULARY))
    tensors: dict[str, Any] = {}
    # Neither in the order of the shards nor all of the shards first: names decide, not places.
    for shard in (*range(9, 17), *range(9)):
        tensors[f"Embeddings/sharded_{shard}"] = table[shard :: arch.SHARDS]
    for name, shape in arch.dense_shapes().items():
        value = np.asarray(weights.tensors[name])
        if name.endswith(("Conv/bias", "Conv_1/bias")):
            tensors[name] = value[None]  # (1, 256) in the published graph
        elif name == arch.D1:
            tensors[f"{name}/part_1"], tensors[f"{name}/part_0"] = value[100:], value[:100]
        elif name == arch.D0:
            tensors |= {f"{name}/part_{i}": value[i * 32 : (i + 1) * 32] for i in reversed(range(shape[0] // 32))}
        else:
            tensors[name] = value
    return tensors
