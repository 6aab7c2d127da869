"""What concepts are about, embedded: a label is nearer to a query if its concept's description is, too.

Only concepts with a description are in it. A label's vector and that of the sentence about its concept are put
together when scores are made (`lexical.fusion.with_about`); the index itself holds labels as they are, so what finds
candidates, and whatever else reads vectors, is not changed by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.tensorfile import read_tensors
from jobsearch.index.labels import LabelTable, Strings
from jobsearch.index.vectors import Stored
from jobsearch.progress import Progress, silent

# Sentences embedded, and labels compared with them, at once.
_SLICE = 4096
Floats = npt.NDArray[np.float32]


class About:
    """The sentences about an index version's concepts; safe to share between threads.

    Args:
        tensors: what `build` returned, or a file has:
            `concept` int32 (n,): the concepts that have one, rising; `text_data` and `text_offsets`: the sentences
            (`Strings`); `vectors` float32 (n, dim), unit rows; `near` float32 (labels,): the cosine of each label and
            the sentence about its concept, 0 where there is none.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.concepts = tensors["concept"]
        self.texts = Strings(tensors["text_data"], tensors["text_offsets"])
        self.vectors: Floats = tensors["vectors"]
        self.near: Floats = tensors["near"]
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
        embeddings: Stored,
        encoder: Encoder,
        known: Mapping[str, Floats] | None = None,
        progress: Progress = silent,
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays.

        Args:
            sentences: by URI of the concept.
            labels: the label table.
            embeddings: (labels, dim), one row a label.
            encoder: the one that made them.
            known: vectors of sentences that need not be embedded again.
            progress: told of sentences embedded.
        """
        told = [(number, sentences[uri]) for number, uri in enumerate(labels.uris) if uri in sentences]
        concepts = np.array([number for number, _ in told], np.int32)
        texts = [text for _, text in told]
        vectors = _embed(texts, encoder, known or {}, progress)
        near = np.zeros(len(labels), np.float32)
        place = _places(concepts, labels.concept_of)
        rows = np.flatnonzero(place >= 0)
        for start in range(0, len(rows), _SLICE):
            part = rows[start : start + _SLICE]
            near[part] = np.einsum("ij,ij->i", embeddings[part].astype(np.float32), vectors[place[part]])
        data, offsets = Strings.pack(texts)
        return {"concept": concepts, "text_data": data, "text_offsets": offsets, "vectors": vectors, "near": near}

    def __len__(self) -> int:
        """Number of concepts that have one."""
        return len(self.concepts)

    def cosines(self, concepts: npt.NDArray[np.int32], vector: Floats) -> Floats:
        """Return the cosine of some concepts' sentences with a vector of shape (dim,), NaN where there is none."""
        found = np.full(len(concepts), np.nan, np.float32)
        place = _places(self.concepts, concepts)
        wanted = np.flatnonzero(place >= 0)
        for start in range(0, len(wanted), _SLICE):
            part = wanted[start : start + _SLICE]
            found[part] = self.vectors[place[part]] @ vector
        return found

    @cached_property
    def by_concept(self) -> Mapping[int, str]:
        """The sentence about each concept that has one, by the concept's number."""
        return dict(zip(self.concepts.tolist(), self.texts, strict=True))


def _places(among: npt.NDArray[np.int32], concepts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where each of some concepts is among others, which rise; -1 where it is not."""
    if not len(among):
        return np.full(len(concepts), -1, np.int64)
    place = np.minimum(np.searchsorted(among, concepts), len(among) - 1)
    return np.where(among[place] == concepts, place, -1)


def _embed(texts: Sequence[str], encoder: Encoder, known: Mapping[str, Floats], progress: Progress) -> Embeddings:
    missing = sorted({text for text in texts if text not in known}, key=lambda text: (len(text), text))
    made = dict(known)
    for start in range(0, len(missing), _SLICE):
        progress("embedding descriptions", start, len(missing))
        part = missing[start : start + _SLICE]
        made.update(zip(part, encoder.encode(part), strict=True))
    if missing:
        progress("embedding descriptions", len(missing), len(missing))
    if not texts:
        return np.empty((0, encoder.dim), np.float32)
    return np.stack([made[text] for text in texts])
