"""What a step is asked to make smaller, by the recipe's loss: from a batch's embeddings and its targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobsearch.encoder.tf import tensorflow
from jobsearch.tuning.losses import angular_loss, contrastive_loss, level_loss, teacher_loss
from jobsearch.tuning.recipes import Recipe

tf = tensorflow()

# From embeddings (texts, dim) and a batch's targets to what was measured, `loss` among it.
Objective = Callable[..., dict[str, Any]]


def objective(recipe: Recipe) -> tuple[Objective, tuple[Any, ...]]:
    """Return what a step measures, and the TensorSpecs of the targets that it needs.

    Args:
        recipe: its loss decides. `contrastive` and `angular` take pairs, all anchors before all others, with the
            similarity of each and the false negatives among them; `teacher` takes texts with a teacher's cosines;
            `joint` these, then pairs.
    """

    def follow(embedded: Any, cosines: Any) -> dict[str, Any]:
        loss = teacher_loss(embedded, cosines, recipe.temperature)
        return {"loss": loss + level_loss(embedded, recipe.level) if recipe.level else loss}

    def contrast(embedded: Any, similarity: Any, false_negatives: Any) -> dict[str, Any]:
        anchors, others = _sides(embedded, similarity)
        return {"loss": contrastive_loss(anchors, others, false_negatives, recipe.scale)}

    def regress(embedded: Any, similarity: Any, false_negatives: Any) -> dict[str, Any]:
        loss, mae, mape = angular_loss(*_sides(embedded, similarity), similarity)
        return {"loss": loss, "mae": mae, "mape": mape}

    def do_both(embedded: Any, cosines: Any, similarity: Any, false_negatives: Any) -> dict[str, Any]:
        count = tf.shape(cosines)[0]
        told = follow(embedded[:count], cosines)["loss"]
        paired = contrast(embedded[count:], similarity, false_negatives)["loss"]
        return {"loss": told + recipe.pair_weight * paired, "teacher": told, "pairs": paired}

    seen = (tf.TensorSpec((None, None), tf.float32),)
    given = (tf.TensorSpec((None,), tf.float32), tf.TensorSpec((None, None), tf.bool))
    measures: dict[str, tuple[Objective, tuple[Any, ...]]] = {
        "teacher": (follow, seen),
        "contrastive": (contrast, given),
        "angular": (regress, given),
        "joint": (do_both, (*seen, *given)),
    }
    return measures[recipe.loss]


def _sides(embedded: Any, similarity: Any) -> tuple[Any, Any]:
    count = tf.shape(similarity)[0]
    return embedded[:count], embedded[count:]
