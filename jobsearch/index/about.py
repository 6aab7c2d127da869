"""What concepts are about: a label stands in the index together with a sentence about its concept.

A label's vector there is that of `label + SENTENCE * sentence`, both unit vectors, made a unit vector again; where the
concept has no description it is the label's own. So whatever searches these vectors, FAISS, Milvus or a scan, and by
whatever mode, finds what is nearer for what its description says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.tensorfile import read_tensors
from jobsearch.index.labels import LabelTable
from jobsearch.index.strings import Strings

# What the sentence about a concept weighs beside a label; chosen on validation data (`tests/benchmarks/README.md`).
# Another value makes other vectors, so it needs another `manifest.FORMAT_VERSION`.
SENTENCE = 0.7
Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


def described(labels: Embeddings, sentences: Embeddings) -> Embeddings:
    """Return the vectors of labels with the sentences about their concepts.

    Args:
        labels: float32 (n, dim), unit rows.
        sentences: the same of each label's sentence.
    """
    together: Embeddings = labels + np.float32(SENTENCE) * sentences
    together /= np.linalg.norm(together, axis=1, keepdims=True)
    return together


def undescribed(vectors: Embeddings, sentences: Embeddings) -> Embeddings:
    """Return the vectors of labels that `described` made these of, but for float32 rounding."""
    cosines = np.einsum("ij,ij->i", vectors, sentences)
    # How long the sum was: the one length at which the rest, without the sentence, is a unit vector.
    lengths = SENTENCE * cosines + np.sqrt(1 - SENTENCE**2 * (1 - cosines**2))
    alone: Embeddings = lengths[:, None].astype(np.float32) * vectors - np.float32(SENTENCE) * sentences
    return alone


class About:
    """The sentences about an index version's concepts; safe to share between threads.

    Args:
        tensors: what `build` returned, or a file has:
            `concept` int32 (n,): the concepts that have one, rising; `text_data` and `text_offsets`: the sentences
            (`Strings`); `vectors` float32 (n, dim), unit rows.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.concepts = tensors["concept"]
        self.texts = Strings(tensors["text_data"], tensors["text_offsets"])
        self.vectors: Floats = tensors["vectors"]
        if not len(self.concepts) == len(self.texts) == len(self.vectors) or self.vectors.ndim != 2:
            raise ValueError("the sentences about concepts do not fit together")
        if (np.diff(self.concepts) <= 0).any():
            raise ValueError("the sentences about concepts are not in their order")

    @staticmethod
    def open(path: Path) -> About:
        """Map the sentences from their file.

        Raises:
            OSError, ValueError, KeyError: it cannot be read as one.
        """
        return About(read_tensors(path))

    @staticmethod
    def build(
        sentences: Mapping[str, str],
        labels: LabelTable,
        encode: Callable[[Sequence[str]], Embeddings],
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays.

        Args:
            sentences: by URI of the concept.
            labels: the label table.
            encode: returns the vectors of texts, float32 (n, dim), also of none.
        """
        told = [(number, sentences[uri]) for number, uri in enumerate(labels.uris) if uri in sentences]
        texts = [text for _, text in told]
        data, offsets = Strings.pack(texts)
        return {
            "concept": np.array([number for number, _ in told], np.int32),
            "text_data": data,
            "text_offsets": offsets,
            "vectors": encode(texts),
        }

    def __len__(self) -> int:
        """Number of concepts that have one."""
        return len(self.concepts)

    def places(self, concepts: npt.NDArray[Any]) -> Places:
        """Return where the sentence about each of some concepts is, int64 (n,); -1 where there is none."""
        if not len(self):
            return np.full(len(concepts), -1, np.int64)
        place = np.minimum(np.searchsorted(self.concepts, concepts), len(self) - 1)
        return np.where(self.concepts[place] == concepts, place, -1)

    def describe(self, labels: Embeddings, concepts: npt.NDArray[Any]) -> Embeddings:
        """Return the vectors of labels of these concepts as the index has them (see `described`)."""
        return self._turned(labels, concepts, described)

    def labels_alone(self, vectors: Embeddings, concepts: npt.NDArray[Any]) -> Embeddings:
        """Return the vectors of labels of these concepts without what `describe` gave them."""
        return self._turned(vectors, concepts, undescribed)

    def _turned(
        self, vectors: Embeddings, concepts: npt.NDArray[Any], turn: Callable[[Embeddings, Embeddings], Embeddings]
    ) -> Embeddings:
        place = self.places(concepts)
        told = np.flatnonzero(place >= 0)
        if not len(told):
            return vectors
        found = np.array(vectors, np.float32)
        found[told] = turn(found[told], self.vectors[place[told]])
        return found

    @cached_property
    def by_concept(self) -> Mapping[int, str]:
        """The sentence about each concept that has one, by the concept's number."""
        return dict(zip(self.concepts.tolist(), self.texts, strict=True))


class LabelsAlone:
    """The vectors of an index's labels, read without what is said about their concepts.

    Args:
        vectors: (labels, dim), as the index has them, in memory or in a file.
        about: what concepts are about.
        concept_of: the concept of each label.
    """

    def __init__(self, vectors: Any, about: About, concept_of: npt.NDArray[np.int32]) -> None:
        self._vectors, self._about, self._concept_of = vectors, about, concept_of
        self.shape: tuple[int, int] = vectors.shape

    def __getitem__(self, rows: Places) -> Embeddings:
        """Return rows by their numbers; float32 (n, dim)."""
        vectors = np.asarray(self._vectors[rows], np.float32)
        return self._about.labels_alone(vectors, self._concept_of[rows])
