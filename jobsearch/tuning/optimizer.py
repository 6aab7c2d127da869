"""Adam with a learning rate of its own for the embedding table's rows."""

from __future__ import annotations

from typing import Any

import keras

from jobsearch.encoder.keras_model import TRAINED_ROWS
from jobsearch.tuning.recipes import Recipe


class RecipeAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam by a recipe's values. Only the rows of USE's own table are told from other variables, by their name.

    Args:
        recipe: learning rates, decays and clipping.
    """

    def __init__(self, recipe: Recipe) -> None:
        clip = {"global_clipnorm" if recipe.clip == "global" else "clipnorm": recipe.clip_norm}
        super().__init__(recipe.learning_rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2, **clip)
        self._table_rate = recipe.table_rate
        self._of_table: int | None = None

    def build(self, variables: list[Any]) -> None:
        """Make the running means of all variables that will be changed."""
        super().build(variables)
        names = [variable.name for variable in variables]
        self._of_table = names.index(TRAINED_ROWS) if TRAINED_ROWS in names else None

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable and its running means by its gradient."""
        own = self._table_rate if self._get_variable_index(variable) == self._of_table else 1.0
        super().update_step(gradient, variable, learning_rate * own)
