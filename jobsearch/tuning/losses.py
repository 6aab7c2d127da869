"""What a step minimises."""

from __future__ import annotations

from typing import Any

from jobsearch.encoder.tf import tensorflow

tf = tensorflow()

# arccos has an infinite slope at 1 and -1; cosines are kept this far away, an angle of 0.08 degrees.
_EDGE = 1e-6
_NEVER = -1e9


def angular_similarity(cosine: Any) -> Any:
    """Return 1 - arccos(cosine)/pi, in 0 to 1; 0.5 means orthogonal.

    Source: Cer et al. 2018, "Universal Sentence Encoder" (arXiv 1803.11175), section 5.
    """
    clipped = tf.clip_by_value(cosine, -1 + _EDGE, 1 - _EDGE)
    return 1 - tf.acos(clipped) / 3.141592653589793


def angular_loss(anchors: Any, others: Any, similarity: Any) -> tuple[Any, Any, Any]:
    """Return mean squared error, mean absolute error and mean absolute percentage error of angular similarities.

    Args:
        anchors: float32 (n, dim), unit rows.
        others: the same for the pairs' other sides.
        similarity: float32 (n,), the similarity that each pair should have, 0 to 1.
    """
    error = angular_similarity(tf.reduce_sum(anchors * others, axis=-1)) - similarity
    absolute = tf.abs(error)
    relative = 100 * absolute / tf.maximum(tf.abs(similarity), 1e-7)
    return tf.reduce_mean(tf.square(error)), tf.reduce_mean(absolute), tf.reduce_mean(relative)


def contrastive_loss(anchors: Any, positives: Any, false_negatives: Any, scale: Any) -> Any:
    """Return the symmetric in-batch softmax loss.

    Each anchor is to find its positive among all positives of the batch, and each positive its anchor: the mean
    cross-entropy of both. Source: Henderson et al. 2017, "Efficient Natural Language Response Suggestion" (arXiv
    1705.00652), section 4.4; symmetric and with a scale as in Radford et al. 2021 (arXiv 2103.00020), figure 3.

    Args:
        anchors: float32 (n, dim), unit rows.
        positives: the same, row by row.
        false_negatives: bool (n, n): pairs off the diagonal that belong together after all; they count for nothing.
        scale: what cosines are multiplied with, the inverse of a temperature.
    """
    scores = tf.matmul(anchors, positives, transpose_b=True) * scale
    scores = tf.where(false_negatives, _NEVER, scores)
    own = tf.range(tf.shape(scores)[0])
    forth = tf.nn.sparse_softmax_cross_entropy_with_logits(own, scores)
    back = tf.nn.sparse_softmax_cross_entropy_with_logits(own, tf.transpose(scores))
    return (tf.reduce_mean(forth) + tf.reduce_mean(back)) / 2


def teacher_loss(embedded: Any, cosines: Any, temperature: Any) -> Any:
    """Return how far the student's neighbourhoods are from the teacher's.

    For each text a softmax over all others of the batch says which are near, once by the teacher's cosines and once by
    the student's; the loss is the mean Kullback-Leibler divergence of the second from the first. Source: Passalis and
    Tefas 2018, "Learning Deep Representations with Probabilistic Knowledge Transfer" (arXiv 1803.10837), with a
    softmax of cosines in place of their kernel.

    Args:
        embedded: float32 (n, dim), unit rows: the student's.
        cosines: float32 (n, n): the teacher's cosines of the same texts.
        temperature: what both cosines are divided by; the smaller, the more the nearest alone count.
    """
    itself = tf.eye(tf.shape(cosines)[0], dtype=tf.bool)
    wanted = tf.where(itself, _NEVER, cosines / temperature)
    given = tf.where(itself, _NEVER, tf.matmul(embedded, embedded, transpose_b=True) / temperature)
    divergence = tf.nn.log_softmax(wanted) - tf.nn.log_softmax(given)
    return tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(wanted) * divergence, axis=-1))


def level_loss(embedded: Any, level: float) -> Any:
    """Return ten times the squared distance of the texts' mean cosine from a level.

    Every softmax over cosines stays the same when all of them fall or rise together, and without this they fall: two
    unlike texts, and two that are alike, would be further apart after tuning than before.

    Args:
        embedded: float32 (n, dim), unit rows, n of at least 2.
        level: the mean cosine of two of them that is wanted.
    """
    count = tf.cast(tf.shape(embedded)[0], tf.float32)
    mean = (tf.reduce_sum(tf.square(tf.reduce_sum(embedded, axis=0))) - count) / (count * (count - 1))
    return 10 * tf.square(mean - level)
