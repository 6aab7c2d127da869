"""A training pair, a set of them, and the concepts of one side of a split that they are made of."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import astuple, dataclass

from jobsearch.taxonomy.model import Concept

# In the order in which pairs are made: a pair of texts that comes twice keeps its first kind.
SOURCES = ("description", "name", "translation", "neighbour", "graded", "hard", "unrelated")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts and their angular similarity.

    Args:
        base: the anchor: what somebody might type.
        ref: what it is compared with.
        similarity: 1 − arccos(cosine)/π that an encoder should give, 0 to 1.
        base_group: what `base` names: a concept's URI, or for pairs of a file the id of the texts that belong
            together. Texts of equal groups are never negatives of each other.
        ref_group: what `ref` names.
        language: of `base`, ISO 639-1.
        source: one of `SOURCES`, or `"file"`.
    """

    base: str
    ref: str
    similarity: float
    base_group: str
    ref_group: str
    language: str = "en"
    source: str = ""


@dataclass(frozen=True, slots=True)
class PairSet:
    """Pairs for training and held-out ones; no base of the latter, case folded, is in training.

    Args:
        training: pairs to learn from.
        validation: pairs to choose a checkpoint by.
        seed: what the draw depended on.
        repeated: rows of a file that say again what an earlier one says; they are kept.
        left_out: rows of a file that would have asked with what training sees.
        labels: what else held-out texts are to be told from: labels of a taxonomy, with their concepts, which pairs of
            the same concept have for groups.
    """

    training: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    seed: int
    repeated: int = 0
    left_out: int = 0
    labels: tuple[tuple[str, str], ...] = ()

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of pairs by side and source."""
        return {
            side: dict(Counter(pair.source for pair in pairs))
            for side, pairs in (("training", self.training), ("validation", self.validation))
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all pairs, their order, sides and labels; computed at each call."""
        found = hashlib.sha256()
        for pairs in (self.training, self.validation):
            for pair in pairs:
                found.update(json.dumps(astuple(pair)).encode())
            found.update(b"\n")
        if self.labels:
            found.update(json.dumps(self.labels).encode())
        return found.hexdigest()


@dataclass(frozen=True)
class Side:
    """The concepts that pairs of one side are made of, in the languages asked for.

    Args:
        name: `"training"` or `"validation"`.
        by_uri: each concept's records, sorted by URI and language.
    """

    name: str
    by_uri: dict[str, tuple[Concept, ...]]

    @property
    def concepts(self) -> list[Concept]:
        """All records."""
        return [record for records in self.by_uri.values() for record in records]
