"""Scores by meaning and words for whole retrieval sets: what `index.fused` gives, without candidates or an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.lexical.fusion import (
    Mode,
    concept_score,
    exact_first,
    likeness,
    without_hubness,
    words_share,
)
from jobsearch.lexical.words import Words

Scores = npt.NDArray[np.float32]


class FusedScores:
    """The labels of a retrieval set, scored by the rule that searching uses.

    Args:
        corpus: all labels.
        concept_of: number of each label's concept; None: each stands alone.
        by_concept: rank concepts, by their best label; else every label by itself.
        mode: `both` or `words`.
        priors: how likely each concept is to be meant (`taxonomy.prior`), (concepts,).
        hubness: of each label (`jobsearch.hubness`), (labels,); None: 0.
    """

    def __init__(
        self,
        corpus: Sequence[str],
        concept_of: npt.NDArray[np.int64] | None,
        by_concept: bool,
        mode: Mode,
        priors: Scores | None = None,
        hubness: Scores | None = None,
    ) -> None:
        self._words = Words(Words.build(corpus))
        self._share = words_share(mode)
        self._by_concept = by_concept
        alone = np.arange(len(corpus))
        concept_of = alone if concept_of is None else concept_of
        self._hubness = hubness
        self._order = np.argsort(concept_of, kind="stable")
        ordered = concept_of[self._order]
        self._starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self._sizes = np.diff(self._starts, append=len(corpus))
        # By words alone what shares no letters has to stay at 0.
        if priors is None or mode == "words":
            self._prior = np.zeros(len(self._starts), np.float32)
        else:
            self._prior = priors[ordered[self._starts]]
        self._owner = np.repeat(np.arange(len(self._starts)), self._sizes)
        self._rows: dict[str, list[int]] = {}
        for place, row in enumerate(self._order.tolist()):
            self._rows.setdefault(corpus[row].casefold(), []).append(place)

    def prepare(self, queries: Sequence[str]) -> list[str]:
        """Return the queries as they are embedded."""
        return [self._words.singular(query) for query in queries]

    def score(self, queries: Sequence[str], cosines: Scores) -> npt.NDArray[np.float64]:
        """Return scores, (queries, concepts) or (queries, labels).

        Args:
            queries: as typed.
            cosines: (queries, labels), of vectors as an index has them (`index.about`).
        """
        if self._hubness is not None:
            cosines = without_hubness(cosines, self._hubness)
        found = np.empty((len(queries), len(self._starts) if self._by_concept else len(self._order)))
        for row, query in enumerate(queries):
            words = self._words.scores(self._words.singular(query))
            like = likeness(cosines[row], words, self._share)[self._order].astype(np.float64)
            exact = np.zeros(len(like), np.bool_)
            exact[self._rows.get(query.casefold(), [])] = True
            found[row] = self._concepts(like, exact) if self._by_concept else self._labels(like, exact)
        return found

    def _evidence(self, like: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the mean of each concept's labels, and its preferred label's: the one listed first."""
        return np.add.reduceat(like, self._starts) / self._sizes, like[self._starts]

    def _concepts(self, like: npt.NDArray[np.float64], exact: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        best = np.maximum.reduceat(like, self._starts)
        scores = concept_score(best, *self._evidence(like), self._prior)
        return exact_first(scores, np.logical_or.reduceat(exact, self._starts))

    def _labels(self, like: npt.NDArray[np.float64], exact: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        mean, preferred = self._evidence(like)
        back = np.empty_like(like)
        back[self._order] = exact_first(
            concept_score(like, mean[self._owner], preferred[self._owner], self._prior[self._owner]), exact
        )
        return back
