"""Losses and angular similarity: values derived by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from jobsearch.encoder.tf import tensorflow
from jobsearch.tuning.losses import angular_loss, angular_similarity, contrastive_loss

tf = tensorflow()
NOTHING_MASKED = np.zeros((2, 2), bool)


def rows(*values: tuple[float, ...]) -> Any:
    return tf.constant(values, tf.float32)


# --- angular similarity ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cosine", "expected"),
    # arccos is 0, π/3, 0.795399, π/2, 2π/3 and π. At the ends the clipping to 1 - 1e-6 costs sqrt(2e-6)/π = 0.00045.
    [(1, 0.99955), (0.5, 2 / 3), (0.7, 0.7468167), (0, 0.5), (-0.5, 1 / 3), (-1, 0.00045)],
)
def test_angular_similarity(cosine: float, expected: float) -> None:
    assert float(angular_similarity(tf.constant(cosine, tf.float32))) == pytest.approx(expected, abs=1e-5)


def test_angular_similarity_is_within_half_a_thousandth_at_the_ends() -> None:
    assert angular_similarity(tf.constant([1.0, -1.0])).numpy() == pytest.approx([1, 0], abs=5e-4)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0000001, -1.0000001, 0.0])
def test_gradients_are_finite_at_the_ends(cosine: float) -> None:
    x = tf.Variable(cosine)
    with tf.GradientTape() as tape:
        y = angular_similarity(x)
    assert math.isfinite(float(y))
    assert math.isfinite(float(tape.gradient(y, x)))


def test_the_slope_is_that_of_arccos() -> None:
    x = tf.Variable(0.6)
    with tf.GradientTape() as tape:
        y = angular_similarity(x)
    # d/dx (1 - arccos(x)/π) = 1 / (π · sqrt(1 - x²)), and sqrt(1 - 0.36) is 0.8.
    assert float(tape.gradient(y, x)) == pytest.approx(1 / (0.8 * math.pi), rel=1e-5)


def test_angular_loss() -> None:
    # Cosines 0 and 0.5, so similarities 1/2 and 2/3; the errors against 0.6 and 0.5 are -0.1 and 1/6.
    anchors = rows((1, 0), (1, 0))
    others = rows((0, 1), (0.5, math.sqrt(0.75)))
    squared, absolute, relative = angular_loss(anchors, others, tf.constant([0.6, 0.5]))
    assert float(squared) == pytest.approx((0.01 + 1 / 36) / 2, rel=1e-5)
    assert float(absolute) == pytest.approx((0.1 + 1 / 6) / 2, rel=1e-5)
    assert float(relative) == pytest.approx((100 * 0.1 / 0.6 + 100 * (1 / 6) / 0.5) / 2, rel=1e-5)


def test_angular_loss_has_a_finite_percentage_where_the_similarity_is_zero() -> None:
    _, _, relative = angular_loss(rows((1, 0)), rows((0, 1)), tf.constant([0.0]))
    assert math.isfinite(float(relative))


# --- contrastive -------------------------------------------------------------------------------------------------

ANCHORS, POSITIVES = rows((1, 0), (0, 1)), rows((0.8, 0.6), (0, 1))
# Scores at scale 2, anchors down, positives across: 2 · cosine = [[1.6, 0], [1.2, 2]]. Cross-entropy of each row
# with its diagonal, log(sum of exp) - own: log(1 + e^-1.6) and log(1 + e^-0.8). Of each column: log(1 + e^-0.4) and
# log(1 + e^-2). The loss is the mean of the rows' mean and the columns' mean, so of all four.
ROWS = (math.log1p(math.exp(-1.6)), math.log1p(math.exp(-0.8)))
COLUMNS = (math.log1p(math.exp(-0.4)), math.log1p(math.exp(-2)))


def test_contrastive_loss() -> None:
    loss = contrastive_loss(ANCHORS, POSITIVES, NOTHING_MASKED, 2.0)
    assert float(loss) == pytest.approx((sum(ROWS) + sum(COLUMNS)) / 4, rel=1e-6)


def test_a_false_negative_counts_for_nothing() -> None:
    # Anchor 0 and positive 1 belong together: row 0 and column 1 have nothing left to lose against.
    masked = np.array([[False, True], [False, False]])
    loss = contrastive_loss(ANCHORS, POSITIVES, masked, 2.0)
    assert float(loss) == pytest.approx((ROWS[1] + COLUMNS[0]) / 4, rel=1e-6)
    assert float(contrastive_loss(ANCHORS, POSITIVES, ~np.eye(2, dtype=bool), 2.0)) == pytest.approx(0, abs=1e-7)


def test_no_gradient_comes_from_a_false_negative() -> None:
    def gradient(masked: np.ndarray) -> Any:
        anchors = tf.Variable(rows((1, 0), (0, 1), (0.6, 0.8)))
        with tf.GradientTape() as tape:
            loss = contrastive_loss(anchors, rows((0.8, 0.6), (0, 1), (1, 0)), masked, 2.0)
        return tape.gradient(loss, anchors).numpy()

    alone = np.ones((3, 3), bool)
    np.fill_diagonal(alone, False)
    assert abs(gradient(alone)).max() == 0
    assert abs(gradient(np.zeros((3, 3), bool))).max() > 0.1


def test_contrastive_loss_is_symmetric() -> None:
    masked = np.array([[False, True], [False, False]])
    for mask in (NOTHING_MASKED, masked):
        forth = contrastive_loss(ANCHORS, POSITIVES, mask, 2.0)
        back = contrastive_loss(POSITIVES, ANCHORS, mask.T, 2.0)
        assert float(forth) == pytest.approx(float(back), rel=1e-6)


def test_scores_at_the_largest_scale_stay_finite() -> None:
    assert math.isfinite(float(contrastive_loss(-ANCHORS, POSITIVES, NOTHING_MASKED, 200.0)))
