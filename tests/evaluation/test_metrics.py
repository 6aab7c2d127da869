"""The formulas, by cases whose derivation is written beside them, and by trying out all orders of ties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsearch.evaluation.metrics import (
    Judged,
    angular_similarity,
    judge,
    ndcg_at,
    pearson,
    recall_at,
    reciprocal_rank,
)
from jobsearch.evaluation.statistics import spearman

LOG2_3 = math.log2(3)  # 1.58496


def one(scores: list[float], relevant: list[int], depth: int = 10) -> Judged:
    return judge(np.array([scores], np.float64), [np.array(relevant)], depth)


# --- without ties ----------------------------------------------------------------------------------------------


def test_one_relevant_item_at_rank_2() -> None:
    judged = one([0.9, 0.1, 0.5], [2])
    assert judged.best_ranks.tolist() == judged.worst_ranks.tolist() == [2]
    assert reciprocal_rank(judged) == pytest.approx([1 / 2])
    assert recall_at(judged, 1) == pytest.approx([0])
    assert recall_at(judged, 2) == recall_at(judged, 10) == pytest.approx([1])
    # DCG = 1 / log2(2 + 1); one relevant item, so the ideal is 1 / log2(1 + 1) = 1.
    assert ndcg_at(judged, 10) == pytest.approx([1 / LOG2_3])
    assert ndcg_at(judged, 1) == pytest.approx([0])


def test_three_relevant_items_at_ranks_1_3_and_5() -> None:
    judged = one([0.9, 0.8, 0.7, 0.6, 0.5], [4, 0, 2])
    assert reciprocal_rank(judged) == pytest.approx([1])
    # "Found or not": one of three relevant items at rank 1 counts in full.
    assert recall_at(judged, 1) == pytest.approx([1])
    # DCG@3 = 1/log2(2) + 1/log2(4) = 1.5; ideal@3 = 1/log2(2) + 1/log2(3) + 1/log2(4) = 1.5 + 1/log2(3).
    assert ndcg_at(judged, 3) == pytest.approx([1.5 / (1.5 + 1 / LOG2_3)])
    # DCG@10 adds 1/log2(6); the ideal stays, for there are three relevant items only.
    assert ndcg_at(judged, 10) == pytest.approx([(1.5 + 1 / math.log2(6)) / (1.5 + 1 / LOG2_3)])


def test_more_relevant_items_than_ranks_that_count() -> None:
    # Two ranks count and both are relevant: nothing better is possible, though three relevant items are left out.
    assert ndcg_at(one([5, 4, 3, 2, 1], [0, 1, 2, 3, 4]), 2) == pytest.approx([1])


def test_several_queries_keep_their_order() -> None:
    scores = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2]], np.float32)
    judged = judge(scores, [np.array([0]), np.array([0, 1]), np.array([0])])
    # Query 1: relevant at rank 1. Query 2: items 0 and 1 at ranks 3 and 2. Query 3: item 0 at rank 3.
    assert reciprocal_rank(judged) == pytest.approx([1, 1 / 2, 1 / 3])
    assert recall_at(judged, 2) == pytest.approx([1, 1, 0])
    parts = [judge(scores[row : row + 1], [np.array(own)]) for row, own in enumerate([[0], [0, 1], [0]])]
    for own, joined in zip(vars(judged).values(), vars(Judged.together(parts)).values(), strict=True):
        assert np.array_equal(own, joined)


# --- with ties -------------------------------------------------------------------------------------------------


def test_one_relevant_among_three_tied() -> None:
    judged = one([0.5, 0.5, 0.5], [1])
    assert (judged.best_ranks.tolist(), judged.worst_ranks.tolist()) == ([1], [3])
    # It is at rank 1, 2 or 3 with probability 1/3 each: (1 + 1/2 + 1/3) / 3 = 11/18.
    assert reciprocal_rank(judged) == pytest.approx([11 / 18])
    assert recall_at(judged, 1) == pytest.approx([1 / 3])
    assert recall_at(judged, 2) == pytest.approx([2 / 3])
    # (1 + 1/log2(3)) / 3 for ranks 1 and 2.
    assert ndcg_at(judged, 2) == pytest.approx([(1 + 1 / LOG2_3) / 3])


def test_two_relevant_among_four_tied_below_one_other() -> None:
    judged = one([0.9, 0.5, 0.5, 0.5, 0.5, 0.1], [2, 4])
    assert (judged.best_ranks.tolist(), judged.worst_ranks.tolist()) == ([2], [4])
    # The first relevant one is the 1st of the tied with 2/4, the 2nd with 2/4 · 2/3, the 3rd with 2/4 · 1/3 · 2/2:
    # 1/2, 1/3, 1/6 at ranks 2, 3, 4: 1/4 + 1/9 + 1/24 = 29/72.
    assert reciprocal_rank(judged) == pytest.approx([29 / 72])
    # Rank 2 holds a relevant one with 2/4. Ranks 2 and 3 hold none with (2/4)(1/3) = 1/6. Ranks 2 to 4 always do.
    assert recall_at(judged, 1) == pytest.approx([0])
    assert recall_at(judged, 2) == pytest.approx([1 / 2])
    assert recall_at(judged, 3) == pytest.approx([5 / 6])
    assert recall_at(judged, 4) == pytest.approx([1])
    # Ranks 2 to 5 each hold a relevant one with 2/4; the ideal is ranks 1 and 2.
    dcg = 0.5 * sum(1 / math.log2(rank + 1) for rank in (2, 3, 4, 5))
    assert ndcg_at(judged, 10) == pytest.approx([dcg / (1 + 1 / LOG2_3)])


def test_ties_go_on_beyond_the_ranks_that_are_looked_at() -> None:
    # Rank 1 is not relevant; of the five tied at ranks 2 to 6 two are, but only ranks 1 to 3 are looked at.
    judged = one([0.9, 0.5, 0.5, 0.5, 0.5, 0.5], [4, 5], depth=3)
    assert judged.gains == pytest.approx(np.array([[0, 2 / 5, 2 / 5]]))
    assert ndcg_at(judged, 3) == pytest.approx([0.4 * (1 / LOG2_3 + 1 / 2) / (1 + 1 / LOG2_3)])
    # Fewer items than ranks: nothing is there.
    assert one([0.9, 0.5], [1], depth=4).gains.tolist() == [[0, 1, 0, 0]]


def test_rounding_is_no_difference() -> None:
    noisy = one([0.5, 0.5 + 1e-7, 0.5 - 1e-7, 0.4], [1])
    exact = one([0.5, 0.5, 0.5, 0.4], [1])
    assert reciprocal_rank(noisy) == pytest.approx(reciprocal_rank(exact))
    assert ndcg_at(noisy, 10) == pytest.approx(ndcg_at(exact, 10))
    assert reciprocal_rank(one([0.5, 0.5 + 1e-5], [1])) == pytest.approx([1])


def test_an_encoder_that_maps_all_texts_to_one_vector_gets_no_credit() -> None:
    # A rank drawn from 1 … 1000: MRR is the 1000th harmonic number / 1000 = .0075; an optimistic rule would say 1.
    judged = one([1.0] * 1000, [0])
    assert reciprocal_rank(judged) == pytest.approx([sum(1 / rank for rank in range(1, 1001)) / 1000])
    assert recall_at(judged, 10) == pytest.approx([10 / 1000])


@given(data=st.data(), scores=st.lists(st.integers(0, 3), min_size=1, max_size=6), k=st.integers(1, 4))
def test_figures_are_the_means_over_all_orders_of_ties(data: st.DataObject, scores: list[int], k: int) -> None:
    relevant = data.draw(st.lists(st.sampled_from(range(len(scores))), min_size=1, unique=True))
    found: list[tuple[float, float, float]] = []
    for order in itertools.permutations(range(len(scores))):
        ranking = sorted(order, key=lambda item: -scores[item])  # stable: ties stay in this order
        hits = [item in relevant for item in ranking]
        dcg = sum(hit / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], start=1))
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
        found.append((1 / (hits.index(True) + 1), float(any(hits[:k])), dcg / ideal))
    judged = one([float(score) for score in scores], relevant, depth=4)
    figures = (reciprocal_rank(judged)[0], recall_at(judged, k)[0], ndcg_at(judged, k)[0])
    assert figures == pytest.approx(np.mean(found, axis=0))
    assert min(r for r, _, _ in found) == pytest.approx(1 / judged.worst_ranks[0])
    assert max(r for r, _, _ in found) == pytest.approx(1 / judged.best_ranks[0])


# --- similarity and correlation --------------------------------------------------------------------------------


def test_angular_similarity() -> None:
    # arccos of 1, 1/2, 0, -1 is 0, π/3, π/2, π; beyond ±1 is rounding. cos .7 gives the tutorial's .7468.
    cosines = np.array([1.0, 0.5, 0.0, -1.0, 1.0000001, 0.7])
    assert angular_similarity(cosines) == pytest.approx([1, 2 / 3, 1 / 2, 0, 1, 0.7468], abs=5e-5)


def test_pearson_and_spearman() -> None:
    # Deviations (-1, 0, 1) and (-1, 1, 0): products sum to 1, squares to 2 and 2: 1 / √(2 · 2) = 1/2.
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    assert pearson(x, y) == pytest.approx(0.5)
    # Deviations (-5, -4, 9) and (-1, 1, 0): 1 / √(122 · 2); its ranks are those above.
    bent = np.array([1.0, 2.0, 15.0])
    assert pearson(bent, y) == pytest.approx(1 / math.sqrt(122 * 2))
    assert spearman(bent, y) == pytest.approx(0.5)
    # Tied values share their mean rank: ranks (1, 2.5, 2.5) and (1, 2, 3) deviate by (-1.5, .75, .75), (-1, 0, 1):
    # 2.25 / √(3.375 · 2) = .8660.
    assert spearman(np.array([1.0, 7.0, 7.0]), x) == pytest.approx(2.25 / math.sqrt(3.375 * 2))


def test_a_constant_correlates_with_nothing() -> None:
    constant, y = np.full(4, 0.1), np.array([1.0, 2.0, 3.0, 5.0])
    assert pearson(constant, y) == pearson(y, constant) == spearman(constant, y) == 0
    assert pearson(np.stack([constant, y]), np.stack([y, y])) == pytest.approx([0, 1])
