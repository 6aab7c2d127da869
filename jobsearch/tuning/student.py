"""The encoder being tuned: the native Keras network, or any SavedModel, behind one shape."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.keras_encoder import KerasEncoder, lay_out
from jobsearch.encoder.keras_model import build_model, extract_weights, tf
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.savedmodel import SavedModelEncoder
from jobsearch.encoder.text import Tokenizer, prepare
from jobsearch.encoder.weights import WeightSet
from jobsearch.errors import TuningError
from jobsearch.tuning.recipes import Recipe

Arrays = dict[str, npt.NDArray[Any]]


class Student(Protocol):
    """What the trainer needs: inputs from texts, embeddings from inputs, and the weights that change."""

    @property
    def variables(self) -> list[Any]:
        """The variables to train, always in the same order."""

    def inputs(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Return tensors for `embed`, the same number of them each time."""

    def signature(self) -> tuple[Any, ...]:
        """Return the TensorSpecs of `inputs`."""

    def shares(self, texts: Sequence[str], replicas: int) -> list[tuple[Any, ...]]:
        """Return tensors for `embed` for each replica, of which number r embeds the texts r, r + replicas, …

        Drop-out is that of all texts together: each text's embedding is the one that `inputs` leads to.

        Raises:
            TuningError: this student is trained by one process only.
        """

    def share_signature(self) -> tuple[Any, ...]:
        """Return the TensorSpecs of each of `shares`."""

    def embed(self, inputs: tuple[Any, ...], count: Any, draw: Any) -> Any:
        """Return float32 (count, dim), unit rows, with drop-out.

        Args:
            inputs: what `inputs` gave, or one of `shares`.
            count: number of texts.
            draw: int32 (2,): source of the drop-out's randomness; equal draws give equal drop-out.
        """

    def encoder(self, name: str, lineage: Mapping[str, Any]) -> Encoder:
        """Return the present weights as an encoder for searching."""


def cut(ids: Sequence[Sequence[int]], most: int) -> list[Sequence[int]]:
    """Return token ids with the sentences longer than `most` cut, end mark kept."""
    return [sentence if len(sentence) <= most else [*sentence[: most - 1], arch.END_ID] for sentence in ids]


class NativeStudent:
    """USE multilingual as a Keras model.

    Args:
        base: weights to begin with.
        recipe: decides whether the embedding table is trained, drop-out, and where texts are cut.
        texts: what will be seen, noise apart: of the table, the rows of its tokens are trained. No other row would
            change by more than noise, and most of the vocabulary is of other languages. None: all rows.
    """

    def __init__(self, base: WeightSet, recipe: Recipe, texts: Iterable[str] | None = None) -> None:
        self._base = base
        self._recipe = recipe
        rows: Sequence[int] = _rows(base, texts) if recipe.train_table else ()
        self._model = build_model(base, trained_rows=rows)
        self._keras = KerasEncoder(base, self._model)

    @property
    def variables(self) -> list[Any]:
        """The dense tensors, and rows of the embedding table if the recipe says so."""
        return list(self._model.trainable_variables)

    def inputs(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Return the texts' tokens as `lay_out` gives them; long texts are cut, end mark kept."""
        return lay_out(cut(self._keras.token_ids(texts), self._recipe.max_tokens))

    def signature(self) -> tuple[Any, ...]:
        """Return three int32 vectors of any length."""
        return (tf.TensorSpec((None,), tf.int32),) * 3

    def shares(self, texts: Sequence[str], replicas: int) -> list[tuple[Any, ...]]:
        """Return each share's tokens, where its distinct ones lie among those of all texts, and how many these are."""
        ids = cut(self._keras.token_ids(texts), self._recipe.max_tokens)
        every = lay_out(ids)[0]
        laid_out = [lay_out(ids[number::replicas]) for number in range(replicas)]
        return [(*own, np.searchsorted(every, own[0]).astype(np.int32), np.int32(len(every))) for own in laid_out]

    def share_signature(self) -> tuple[Any, ...]:
        """Return four int32 vectors of any length, and a number."""
        return (*(tf.TensorSpec((None,), tf.int32),) * 4, tf.TensorSpec((), tf.int32))

    def embed(self, inputs: tuple[Any, ...], count: Any, draw: Any) -> Any:
        """Embed with drop-out on the token embeddings, the same for equal tokens of a step."""
        distinct, place, sentence, *shared = inputs
        dropout = None
        if self._recipe.dropout:
            kept = 1 - self._recipe.dropout
            rows = shared[1] if shared else tf.shape(distinct)[0]
            chance = tf.random.stateless_uniform((rows, arch.TOKEN_WIDTH), draw)
            if shared:
                chance = tf.gather(chance, shared[0])
            dropout = tf.cast(chance < kept, tf.float32) / kept
        return self._model.embed_run(distinct, place, sentence, count, dropout)

    def weights(self, name: str, lineage: Mapping[str, Any]) -> WeightSet:
        """Return the present weights as a weight set."""
        return extract_weights(self._model, self._base, name=name, lineage=lineage)

    def encoder(self, name: str, lineage: Mapping[str, Any]) -> Encoder:
        """Return the present weights in the lean runtime."""
        return LeanEncoder(self.weights(name, lineage))


def _rows(base: WeightSet, texts: Iterable[str] | None) -> Sequence[int]:
    """Return the rows of the tokens of texts, rising."""
    if texts is None:
        return range(arch.VOCABULARY)
    distinct = sorted(set(prepare(list(texts), base.case)))
    return sorted(set(itertools.chain.from_iterable(Tokenizer(base.tokenizer_model)(distinct))))


class SavedModelStudent:
    """Any SavedModel with variables that a gradient may change; drop-out is not added to it.

    A copy is trained: the encoder that it was made from stays as it is, to compare with.
    """

    def __init__(self, base: SavedModelEncoder) -> None:
        self._base = _copy(base, base.name)

    @property
    def variables(self) -> list[Any]:
        """The SavedModel's own trainable variables."""
        return self._base.trainable_variables

    def inputs(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Return the texts themselves, case setting applied."""
        return (np.array([text.encode() for text in prepare(texts, self._base.case)], object),)

    def signature(self) -> tuple[Any, ...]:
        """Return one vector of strings."""
        return (tf.TensorSpec((None,), tf.string),)

    def shares(self, texts: Sequence[str], replicas: int) -> list[tuple[Any, ...]]:
        """Refuse."""
        raise no_savedmodel(self._base)

    def share_signature(self) -> tuple[Any, ...]:
        """Refuse."""
        raise no_savedmodel(self._base)

    def embed(self, inputs: tuple[Any, ...], count: Any, draw: Any) -> Any:
        """Embed by the SavedModel's own function."""
        return self._base.embed_tensor(inputs[0])

    def encoder(self, name: str, lineage: Mapping[str, Any]) -> Encoder:
        """Return a copy of the SavedModel with its present weights."""
        return _copy(self._base, name)


def _copy(encoder: SavedModelEncoder, name: str) -> SavedModelEncoder:
    """Write a SavedModel with its present weights aside and open that; the files go when the copy does."""
    folder = Path(tempfile.mkdtemp(prefix="jobsearch-savedmodel-"))
    try:
        copy = encoder.snapshot(folder, name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(copy, shutil.rmtree, folder, ignore_errors=True)
    return copy


def make_student(base: WeightSet | Encoder, recipe: Recipe, texts: Iterable[str] | None = None) -> Student:
    """Return the student for a base encoder.

    Args:
        base: the encoder to begin with.
        recipe: how it will be trained.
        texts: what it will see, noise apart (see `NativeStudent`).

    Raises:
        TuningError: the encoder has no weights that can be trained.
    """
    if isinstance(base, WeightSet):
        return NativeStudent(base, recipe, texts)
    if isinstance(base, SavedModelEncoder) and base.trainable_variables:
        return SavedModelStudent(base)
    raise TuningError(f"encoder {base.name!r} has no weights that can be trained; name another with --base")


def no_savedmodel(base: SavedModelEncoder) -> TuningError:
    """Return what is said where several replicas are to train a SavedModel."""
    # Its variables come from its file, and TensorFlow does not make them anew for each replica.
    return TuningError(f"{base.name!r} is a SavedModel, which one process trains alone; leave --strategy away")


def values_of(variables: Sequence[Any]) -> Arrays:
    """Copy variables' values, by position."""
    return {f"{position:03d}": np.asarray(variable).copy() for position, variable in enumerate(variables)}


def assign(variables: Sequence[Any], values: Arrays) -> None:
    """Set variables to values that `values_of` gave."""
    for position, variable in enumerate(variables):
        variable.assign(values[f"{position:03d}"])
