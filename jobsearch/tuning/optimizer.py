"""Adam with a learning rate of its own for the embedding table."""

from __future__ import annotations

from typing import Any

import keras

from jobsearch.encoder import architecture as arch
from jobsearch.tuning.recipes import Recipe

_TABLE = (arch.VOCABULARY, arch.TOKEN_WIDTH)


class RecipeAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam by a recipe's values. Only USE's own table is told from other variables, by its shape.

    Args:
        recipe: learning rates, decays and clipping.
    """

    def __init__(self, recipe: Recipe) -> None:
        clip = {"global_clipnorm" if recipe.clip == "global" else "clipnorm": recipe.clip_norm}
        super().__init__(recipe.learning_rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2, **clip)
        self._table_rate = recipe.table_rate

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable and its running means by its gradient."""
        own = self._table_rate if tuple(variable.shape) == _TABLE else 1.0
        super().update_step(gradient, variable, learning_rate * own)
