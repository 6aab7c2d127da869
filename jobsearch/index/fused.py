"""Searching by meaning and words at once: candidates by either, each scored by both.

The labels nearest by meaning and those nearest by words name the candidates, with all labels that are what was typed;
all labels of a candidate concept, in the language of its best one, then decide its score (`lexical.fusion`). A label
that is what was typed comes first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobsearch.confidence import confidences, evidence
from jobsearch.encoder.protocol import Embeddings
from jobsearch.index.concepts import fetch
from jobsearch.index.labels import LabelTable
from jobsearch.index.reader import IndexVersion
from jobsearch.index.recall import FETCH, TIE
from jobsearch.index.rows import Rows
from jobsearch.index.vectors import RowNumbers, RowVectors
from jobsearch.lexical.fusion import (
    MatchedBy,
    Mode,
    concept_score,
    exact_first,
    likeness,
    without_hubness,
    words_share,
)
from jobsearch.lexical.words import Scores

# Labels by each side that name candidates: twice or four times as many move MRR on validation by .0004 at most.
_CANDIDATES = 50
# The same where coded titles move scores farther: twice as many move recall by .003 more.
_CANDIDATES_CODED = 200
# By words only labels count that are at least so near as this share of the nearest.
_NEAR = 0.5
# Labels whose vectors are read at once.
_BLOCK = 1 << 16
_NONE: RowNumbers = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Fused:
    """One concept found.

    Args:
        score: 1 for an exact label, else the concept's score, -1 to 1.
        row: of the label that speaks for it.
        cosine: of query and that label, as the index has it (`index.about`).
        words: the same by words, 0 to 1.
        matched_by: `exact`, or what named it: `meaning`, `words` or `both`; by words alone always `words`.
        confidence: probability that it is the concept meant, of those of its kind, 0 to 1, or None (see `Hit`).
        plain: the score without what coded titles make of it, which tells a good match; None: the score.
    """

    score: float
    row: int
    cosine: float
    words: float
    matched_by: MatchedBy
    confidence: float | None = None
    plain: float | None = None


def fused_concepts(
    opened: IndexVersion,
    typed: str,
    query: str,
    vector: Embeddings,
    k: int,
    rows: Rows,
    min_score: float = -2.0,
    mode: Mode = "both",
) -> list[Fused]:
    """Find the k best concepts for one query.

    Args:
        opened: the version to search.
        typed: what was typed, for exact labels.
        query: what is searched for by words.
        vector: float32 (1, dim), unit row: what is searched for by meaning.
        k: concepts wanted.
        rows: the rows that may be found.
        min_score: score below which a concept is not found.
        mode: `both`, or `words`, for which meaning counts nothing. (For `meaning` alone see `concepts`.)

    Returns:
        k concepts, or fewer only where fewer are left by `rows` and `min_score`; best first, equal scores ordered by
        preferred label, then by the table's order.
    """
    vectors, words, labels = opened.vectors, opened.words, opened.labels
    share = words_share(mode)
    by_words = words.scores(query)
    spelled = labels.spelled.find([typed]).get(0, _NONE)
    same = spelled[rows.have(spelled)]
    count = max(_CANDIDATES_CODED if labels.has_own_priors else _CANDIDATES, FETCH * k)
    while True:
        whole = count >= len(rows)
        near, tied = _nearest_rows(vectors, vector, count, k, rows) if share < 1 or whole else (_NONE, False)
        alike = _best_rows(by_words, count, rows, labels)
        concepts = np.unique(labels.concept_of[np.concatenate([near, alike, same])])
        if whole or (len(concepts) >= k and not tied):
            break
        count *= 4
    found = _score(opened, concepts, by_words, vector[0], spelled, rows, share)
    order = _in_order(found, labels, k, min_score)
    if share == 1:
        near = _NONE
    sides = (set(labels.concept_of[near].tolist()), set(labels.concept_of[alike].tolist()))
    # Of 500 vacancy titles 28 % leave a kind with fewer than ten candidates. With this in place of those missing its
    # first hit's confidence is off by .015 in the mean, without by .036 (against four hundred candidates a side).
    unseen = None if whole or not len(concepts) else float(np.quantile(found.scores, 0.25))
    kinds = labels.kinds(concepts)
    preferred = labels.preferred[found.rows]
    counted, plain = (evidence(scores, kinds, preferred) for scores in (found.scores, found.plain))
    sure = confidences(counted, kinds, mode, unseen, plain)
    return [found.at(place, concepts[place], *sides, float(sure[place])) for place in order]


@dataclass(frozen=True, eq=False)
class _Scored:
    """Candidates, scored: arrays over them."""

    scores: npt.NDArray[np.float64]
    plain: npt.NDArray[np.float64]
    rows: RowNumbers
    cosines: Scores
    words: Scores
    exact: npt.NDArray[np.bool_]

    def at(self, place: int, concept: int, near: set[int], alike: set[int], confidence: float) -> Fused:
        by: MatchedBy = "both"
        if self.exact[place]:
            by = "exact"
        elif concept not in near:
            by = "words"
        elif concept not in alike:
            by = "meaning"
        return Fused(
            score=float(self.scores[place]),
            row=int(self.rows[place]),
            cosine=float(self.cosines[place]),
            words=float(self.words[place]),
            matched_by=by,
            confidence=confidence,
            plain=float(self.plain[place]),
        )


def _in_order(found: _Scored, labels: LabelTable, k: int, min_score: float) -> list[int]:
    """Return the places of the k best, best first; what differs by rounding alone is a tie."""
    # Exact ones stand apart from all others, however near those come.
    scores = np.where(found.exact, 2.0, found.scores)
    order = np.argsort(-scores, kind="stable")
    order = order[found.scores[order] >= min_score]
    rising = -scores[order]
    result: list[int] = []
    start = 0
    while start < len(order) and len(result) < k:
        # The first that lies a step below the first of its group begins the next.
        group = order[start : int(np.searchsorted(rising, rising[start] + TIE))]
        rows = found.rows[group]
        result += group[np.lexsort((rows, ~labels.preferred[rows]))].tolist()
        start += len(group)
    return result[:k]


def _nearest_rows(vectors: RowVectors, vector: Embeddings, count: int, k: int, rows: Rows) -> tuple[RowNumbers, bool]:
    """Return the rows nearest by meaning, all there are where that many are asked for.

    And tell whether the best k tie with the last one, so that others just as good may have been cut off.
    """
    scores, near = fetch(vectors, vector, count, rows)
    have = rows.have(near[0])
    kept: RowNumbers = near[0][have]
    own = scores[0][have]
    return kept, len(own) > k and bool(own[k - 1] - own[-1] < TIE)


def _best_rows(scores: Scores, count: int, rows: Rows, labels: LabelTable) -> RowNumbers:
    """Return the rows with the best scores, at most `count`, those of score 0 never; of equal ones preferred first."""
    found = _rows_above(scores, 1e-6, rows)
    if not len(found):
        return found
    found = found[scores[found] > _NEAR * float(scores[found].max())]
    if len(found) <= count:
        return found
    own = scores[found]
    last = np.partition(own, len(own) - count)[-count]
    above, equal = found[own > last], found[own == last]
    equal = equal[np.argsort(~labels.preferred[equal], kind="stable")]
    return np.concatenate([above, equal[: count - len(above)]])


def _rows_above(scores: Scores, least: float, rows: Rows) -> RowNumbers:
    found = np.flatnonzero(scores[rows.start : rows.stop] > least) + rows.start
    return found if rows.mask is None else found[rows.mask[found]]


def _score(
    opened: IndexVersion,
    concepts: npt.NDArray[np.int32],
    by_words: Scores,
    vector: npt.NDArray[np.float32],
    spelled: RowNumbers,
    rows: Rows,
    share: float,
) -> _Scored:
    """Score candidate concepts by all their labels, of which those `spelled` are what was typed."""
    vectors, labels = opened.vectors, opened.labels
    n = len(concepts)
    if not n:
        none = np.empty(0)
        return _Scored(none, none, np.empty(0, np.int64), none, none, np.empty(0, np.bool_))  # type: ignore[arg-type]
    first, last = labels.row_range(concepts)
    sizes = last - first
    heads = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    every = np.repeat(first - heads, sizes) + np.arange(sizes.sum())
    owner = np.repeat(np.arange(n), sizes)
    cosines = np.empty(len(every), np.float32)
    for start in range(0, len(every), _BLOCK):
        part = every[start : start + _BLOCK]
        cosines[start : start + len(part)] = vectors.embeddings[part] @ vector
    words = by_words[every]
    like = likeness(without_hubness(cosines, labels.hubness[every]) if share < 1 else cosines, words, share)
    exact = np.isin(every, spelled)
    allowed = rows.have(every)
    # An exact label speaks for its concept, else the best that may be found; of equal ones the preferred or first one.
    speaking = np.where(allowed, np.where(exact, 2.0, like), -3.0)
    highest = np.maximum.reduceat(speaking, heads)
    hit = np.flatnonzero(speaking > highest[owner] - TIE)
    hit = hit[np.lexsort((~labels.preferred[every[hit]], owner[hit]))]
    places = hit[np.flatnonzero(np.diff(owner[hit], prepend=-1))]
    # Labels in another language than the one that speaks say nothing: a mean over languages punishes all alike.
    same = labels.language_numbers[every] == labels.language_numbers[every[places]][owner]
    mean = np.bincount(owner, np.where(same, like, 0), n) / np.bincount(owner, same, n)
    preferred = np.full(n, -2.0)
    is_preferred = same & labels.preferred[every]
    preferred[owner[is_preferred]] = like[is_preferred]
    preferred = np.where(preferred > -2, preferred, mean)
    # By words alone what shares no letters has to stay at 0.
    prior, own_prior = (labels.priors[concepts], labels.own_priors[concepts]) if share < 1 else (0.0, 0.0)
    best = like[places].astype(np.float64)
    plain, scores = (concept_score(best, mean, preferred, one) for one in (prior, prior + own_prior))
    scores, plain = (exact_first(each, exact[places]) for each in (scores, plain))
    return _Scored(scores, plain, every[places], cosines[places], words[places], exact[places])
