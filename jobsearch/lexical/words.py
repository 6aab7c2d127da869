"""An inverted index of labels by letters, as plain arrays that can be mapped from a file.

A label is a bag of features (`features`), weighted by 1 + log of its count and by smoothed inverse document frequency,
of unit length: tf-idf as in Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.tensorfile import read_tensors
from jobsearch.lexical.features import features, normal, words

Scores = npt.NDArray[np.float32]
# A weight is kept in one byte: so many steps up to the largest that its feature has.
_STEPS = 255
# Bytes of a word that is counted; longer ones are no words that have a plural form to be looked for.
_LONGEST = 32
# A word gives way to another form of it that so many times as many labels have.
_MORE_OFTEN = 3
# Letters of an unknown word that an s is taken from; shorter ones are names and abbreviations.
_LEAST_UNKNOWN = 6


class Words:
    """The words of labels, asked; safe to share between threads.

    Args:
        tensors: what `build` returned, or a file has:
            `feature` uint8 (features, width): sorted, padded with zeros; `idf` and `step` float32 (features,);
            `start` int64 (features + 1,): where the feature's labels begin in `row` int32 and `weight` uint8;
            `word` uint8 (words, width) and `count` int32 (words,): the labels that have it; `labels` int64 (1,).
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self._feature, self._word = (_as_bytes(tensors[name]) for name in ("feature", "word"))
        self._idf, self._step, self._start = tensors["idf"], tensors["step"], tensors["start"]
        self._row, self._weight, self._count = tensors["row"], tensors["weight"], tensors["count"]
        self._labels = int(tensors["labels"][0])
        lengths = (len(self._feature) + 1, len(self._idf) + 1, len(self._step) + 1)
        if {len(self._start)} != set(lengths) or len(self._word) != len(self._count) or self._start[0] != 0:
            raise ValueError("the words' arrays do not fit together")
        if len(self._row) != len(self._weight) or len(self._row) != self._start[-1] or (np.diff(self._start) < 0).any():
            raise ValueError("the words' rows do not fit together")

    @staticmethod
    def open(path: Path) -> Words:
        """Map the index from its file.

        Raises:
            OSError, ValueError, KeyError: it cannot be read as one.
        """
        return Words(read_tensors(path))

    @staticmethod
    def build(labels: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an index over labels, row i for label i."""
        known: dict[str, list[str]] = {}  # words repeat: their features are made once
        number: dict[str, int] = {}
        columns: list[int] = []
        times: list[int] = []
        sizes: list[int] = []
        counts: Counter[str] = Counter()
        for label in labels:
            found = words(label)
            counts.update(set(found))
            bag: Counter[str] = Counter()
            for word in found:
                if word not in known:
                    known[word] = features(word)
                bag.update(known[word])
            sizes.append(len(bag))
            for feature, often in bag.items():
                columns.append(number.setdefault(feature, len(number)))
                times.append(often)
        column_of_features, order = _sorted_bytes(number)
        place = np.empty(len(number), np.int64)  # from the order of discovery to the sorted one
        place[order] = np.arange(len(number))
        column = place[np.array(columns, np.int64)] if columns else np.empty(0, np.int64)
        row = np.repeat(np.arange(len(labels), dtype=np.int32), sizes)
        having = np.bincount(column, minlength=len(number))
        idf = (np.log((1 + len(labels)) / (1 + having)) + 1).astype(np.float32)
        weight = (1 + np.log(np.array(times, np.float32))) * idf[column]
        length = np.sqrt(np.bincount(row, weight.astype(np.float64) ** 2, len(labels)))
        weight = weight / np.maximum(length, 1e-9).astype(np.float32)[row]
        by_column = np.argsort(column, kind="stable")
        column, row, weight = column[by_column], row[by_column], weight[by_column]
        largest = np.zeros(len(number), np.float32)
        np.maximum.at(largest, column, weight)
        step = largest / _STEPS
        short = [word for word in counts if len(word.encode()) <= _LONGEST]
        column_of_words, order = _sorted_bytes(short)
        return {
            "feature": column_of_features,
            "idf": idf,
            "step": step,
            "start": np.concatenate([[0], np.cumsum(having)]).astype(np.int64),
            "row": row,
            "weight": np.rint(weight / step[column]).astype(np.uint8) if len(column) else np.empty(0, np.uint8),
            "word": column_of_words,
            "count": np.array([counts[short[position]] for position in order.tolist()], np.int32),
            "labels": np.array([len(labels)], np.int64),
        }

    def __len__(self) -> int:
        """Number of labels."""
        return self._labels

    def scores(self, query: str) -> Scores:
        """Return the cosine of each label's bag with the query's, float32 (labels,), 0 to about 1.

        Features that no label has do not count: what is not known can tell no label from another.
        """
        bag = Counter(feature for word in words(query) for feature in features(word))
        found, times = self._find(self._feature, bag), np.array(list(bag.values()), np.float32)
        times, found = times[found >= 0], found[found >= 0]
        if not len(found):
            return np.zeros(self._labels, np.float32)
        weight = (1 + np.log(times)) * self._idf[found]
        weight *= self._step[found] / np.sqrt(np.square(weight).sum())
        scores = np.zeros(self._labels, np.float32)
        for number, own in zip(found.tolist(), weight, strict=True):
            span = slice(self._start[number], self._start[number + 1])
            # Half the time of one `bincount` over all of them, which makes float64 and int64 of what it gets.
            np.add.at(scores, self._row[span], self._weight[span] * own)
        return scores

    def singular(self, query: str) -> str:
        """Return the query with each word in the form that labels have, where they have it much more often.

        Occupations are called in the singular, and "cooks" has few letters of "cook". Which plurals mean what they
        say ("sales", "operations") the labels decide, by their own counts; so no language is asked for.
        """
        result = query
        for token in dict.fromkeys(query.split()):
            core = token.strip("()[],;:.!?\"'/")
            if (form := self._better_form(core)) is not None:
                result = " ".join(part.replace(core, form) if part == token else part for part in result.split())
        return result

    def _better_form(self, word: str) -> str | None:
        # A word that is too long to be counted may well be one that labels have.
        forms = _forms(word) if word.isalpha() and len(normal(word).encode()) <= _LONGEST else []
        if not forms:
            return None
        own, *counts = self._counts([word, *forms])
        best = int(np.argmax(counts))
        if counts[best] > _MORE_OFTEN * own:
            return forms[best]
        # Of a word that no label has in any form the encoder knows the singular better, too.
        return _plain_singular(word) if not own else None

    def _counts(self, forms: Sequence[str]) -> list[int]:
        """Return how many labels have each of some words."""
        found = self._find(self._word, [(words(form) or [""])[0] for form in forms])
        return [int(self._count[number]) if number >= 0 else 0 for number in found.tolist()]

    @staticmethod
    def _find(column: npt.NDArray[np.bytes_], texts: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the place of each text in a sorted column, -1 where it is not there."""
        wanted = np.array([text.encode() for text in texts], np.bytes_)
        if not len(column) or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        place = np.minimum(np.searchsorted(column, wanted), len(column) - 1)
        return np.where(column[place] == wanted, place, -1)


def _forms(word: str) -> list[str]:
    """Return what a word may be the plural of: by its ending alone, most of them no words at all."""
    low = word.lower()
    found = []
    if low.endswith("men"):
        found.append(word[:-2] + "an")
    if low.endswith("ves"):
        found += [word[:-3] + "f", word[:-3] + "fe"]
    if low.endswith("ies"):
        found.append(word[:-3] + "y")
    if low.endswith("es"):
        found.append(word[:-2])
    if low.endswith("s") and not low.endswith("ss"):
        found.append(word[:-1])
    return [form for form in found if len(form) > 2]


def _plain_singular(word: str) -> str | None:
    low = word.lower()
    if len(low) < _LEAST_UNKNOWN or not low.endswith("s") or low.endswith(("ss", "us", "is")):
        return None
    return word[:-3] + "y" if low.endswith("ies") else word[:-1]


def _sorted_bytes(texts: Iterable[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return texts as sorted UTF-8, padded with zeros to one width, and the order that sorted them."""
    encoded = np.array([text.encode() for text in texts], np.bytes_)
    order = np.argsort(encoded, kind="stable")
    width = max(1, encoded.dtype.itemsize)
    column = np.frombuffer(encoded[order].astype(f"S{width}").tobytes(), np.uint8).reshape(len(encoded), width)
    return column, order


def _as_bytes(column: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    return np.ascontiguousarray(column).view(f"S{column.shape[1]}").reshape(len(column))
