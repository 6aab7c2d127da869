"""The formulas of retrieval and similarity, in NumPy; checked by hand-derived cases in the tests.

Ties. One label string often belongs to several concepts, so equal scores are common, and their order decides much:
over all orders of equal scores, MELO's en→en MRR of USE ranges from .527 to .561, and a tenth of real vacancy titles
meet such a tie. An arbitrary order (that of a file)
would make figures depend on it, and an optimistic one would give an encoder that maps all texts to one vector full
marks. So every figure here is its **expected value when equal scores come in random order**, computed exactly:
F. McSherry, M. Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
Scores", ECIR 2008. Without ties the formulas are the usual ones. Scores closer than `TIE` are equal, for rounding
depends on what else is computed with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Ten times the rounding of a float32 cosine, and the search engine's measure as well.
TIE = 1e-6


@dataclass(frozen=True, eq=False)
class Judged:
    """What the figures need to know of the rankings of some queries.

    Args:
        above: items that score higher than the best relevant one (by more than `TIE`); (queries,).
        tied: items that score as much as the best relevant one, itself included; (queries,).
        tied_relevant: how many of the tied ones are relevant, 1 to `tied`; (queries,).
        gains: probability that the item at each rank is relevant, from rank 1; (queries, depth).
        relevant: relevant items in all; (queries,).
    """

    above: Ints
    tied: Ints
    tied_relevant: Ints
    gains: Floats
    relevant: Ints

    @staticmethod
    def together(parts: Sequence[Judged]) -> Judged:
        """Put the queries of several batches behind each other."""
        return Judged(
            above=np.concatenate([part.above for part in parts]),
            tied=np.concatenate([part.tied for part in parts]),
            tied_relevant=np.concatenate([part.tied_relevant for part in parts]),
            gains=np.concatenate([part.gains for part in parts]),
            relevant=np.concatenate([part.relevant for part in parts]),
        )

    @property
    def best_ranks(self) -> Ints:
        """Rank of the first relevant item where all ties fall for it, 1 for the best; (queries,)."""
        return self.above + 1

    @property
    def worst_ranks(self) -> Ints:
        """Rank of the first relevant item where all ties fall against it, 1 for the best; (queries,)."""
        return self.above + self.tied - self.tied_relevant + 1


def judge(scores: Scores, relevant: Sequence[npt.NDArray[np.integer]], depth: int = 10) -> Judged:
    """Find where the relevant items stand among all items.

    Args:
        scores: finite; higher is better; (queries, items).
        relevant: for each query the columns of its relevant items, at least one, none twice.
        depth: how many ranks to look at for `gains`, at least 1.

    Returns:
        One row a query, in order.
    """
    queries = len(scores)
    counts = np.array([len(columns) for columns in relevant], np.int64)
    rows = np.repeat(np.arange(queries), counts)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_relevant = np.full((queries, int(counts.max(initial=1))), -np.inf, scores.dtype)
    of_relevant[rows, place] = scores[rows, np.concatenate(relevant)]
    best = of_relevant.max(axis=1, keepdims=True)

    above = (scores > best + TIE).sum(axis=1)
    return Judged(
        above=above,
        tied=(scores >= best - TIE).sum(axis=1) - above,
        tied_relevant=(of_relevant >= best - TIE).sum(axis=1),
        gains=_gains(scores, of_relevant, depth),
        relevant=counts,
    )


def _gains(scores: Scores, of_relevant: Scores, depth: int) -> Floats:
    """Return the share of relevant items among those tied at each rank, (queries, depth).

    Args:
        scores: (queries, items).
        of_relevant: scores of the relevant items, padded with -inf; (queries, most relevant).
        depth: ranks to look at; beyond the last item the share is 0.
    """
    queries, items = scores.shape
    reach = min(depth, items)
    top = np.sort(np.partition(scores, items - reach, axis=1)[:, items - reach :], axis=1)[:, ::-1]
    group = np.cumsum(top[:, :-1] - top[:, 1:] > TIE, axis=1)
    group = np.concatenate([np.zeros((queries, 1), group.dtype), group], axis=1)
    same = group[:, :, None] == group[:, None, :]
    size = same.sum(axis=2)
    highest = np.where(same, top[:, None, :], -np.inf).max(axis=2)
    lowest = np.where(same, top[:, None, :], np.inf).min(axis=2)
    # The lowest group may go on beyond reach.
    last = group == group[:, -1:]
    of_last = (scores >= lowest[:, -1:] - TIE).sum(axis=1, keepdims=True) - (~last).sum(axis=1, keepdims=True)
    size = np.where(last, of_last, size)
    within = (of_relevant[:, None, :] <= highest[:, :, None] + TIE) & (
        of_relevant[:, None, :] >= lowest[:, :, None] - TIE
    )
    gains = np.zeros((queries, depth))
    gains[:, :reach] = within.sum(axis=2) / size
    return gains


def reciprocal_rank(judged: Judged) -> Floats:
    """Return 1 / rank of the first relevant item, expected over the order of ties; (queries,).

    Its mean is MRR: E. M. Voorhees, "The TREC-8 Question Answering Track Report", 1999. Ranks are not cut off. With
    a items above, and r relevant ones among n tied, the first relevant one is the (j+1)-th of the tied with
    probability C(n-1-j, r-1) / C(n, r), and then ranks a+1+j.
    """
    values = 1.0 / (judged.above.astype(np.float64) + 1.0)
    for query in np.flatnonzero(judged.tied > judged.tied_relevant):
        above, n, r = (int(of[query]) for of in (judged.above, judged.tied, judged.tied_relevant))
        j = np.arange(n - r + 1)
        not_yet = np.concatenate([[1.0], np.cumprod((n - r - j[:-1]) / (n - j[:-1]))])
        values[query] = np.sum(not_yet * r / (n - j) / (above + 1 + j))
    return values


def recall_at(judged: Judged, k: int) -> Floats:
    """Return whether a relevant item is among the first k, as a probability over the order of ties; (queries,).

    For a query with one relevant concept this is recall@k. With several relevant items it is still "found or not"
    (`success_k` of trec_eval, accuracy@k in MELO's paper and sentence-transformers), not the share of them found:
    MELO's relevant items are all names of one concept, and who has one of them has the concept. With s ranks left for
    n tied items of which r are relevant: 1 - C(n-r, s) / C(n, s).
    """
    left = k - judged.above
    missed = np.ones(len(left))
    for drawn in range(k):
        others = np.maximum(judged.tied - judged.tied_relevant - drawn, 0)
        missed *= np.where(drawn < left, others / np.maximum(judged.tied - drawn, 1), 1.0)
    return 1.0 - missed


def ndcg_at(judged: Judged, k: int) -> Floats:
    """Return nDCG@k with gain 1 for relevant items, expected over the order of ties; (queries,).

    DCG@k = Σ gain(rank) / log2(rank + 1), divided by that of all relevant items coming first: K. Järvelin,
    J. Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 20(4), 2002, in the form with log2(rank+1).

    Args:
        judged: with a depth of at least k.
        k: ranks that count.
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(judged.relevant, k) - 1]
    found: Floats = judged.gains[:, :k] @ discount / ideal
    return found


def angular_similarity(cosines: npt.NDArray[np.floating]) -> Floats:
    """Return 1 - arccos(cosine) / π: 1 for equal directions, 0.5 for orthogonal ones, 0 for opposite ones.

    D. Cer et al., "Universal Sentence Encoder", 2018, arXiv:1803.11175, section 5, found it to do better than the
    cosine on average. Cosines that rounding took beyond ±1 count as ±1.
    """
    angles: Floats = np.arccos(np.clip(np.asarray(cosines, np.float64), -1.0, 1.0))
    return 1.0 - angles / np.pi


def pearson(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Floats:
    """Return Pearson's correlation over the last axis; 0 where a side is constant, which says nothing of the other.

    SciPy gives NaN there, which no threshold catches and JSON cannot carry.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    varied = (np.ptp(x, axis=-1) > 0) & (np.ptp(y, axis=-1) > 0)
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    result: Floats = np.where(varied, (x * y).sum(axis=-1) / np.where(varied, scale, 1.0), 0.0)
    return result
