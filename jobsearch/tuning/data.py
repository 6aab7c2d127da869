"""The pairs that a recipe trains on, from a taxonomy."""

from __future__ import annotations

from jobsearch.errors import TuningError
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.taxonomy.split import split_concepts
from jobsearch.tuning.pairs import PairOptions, PairSet, generate_pairs
from jobsearch.tuning.recipes import Recipe


def recipe_pairs(
    taxonomy: Taxonomy,
    recipe: Recipe,
    *,
    languages: tuple[str, ...] = (),
    validation: float = 0.1,
    seed: int = 0,
    progress: Progress = silent,
) -> PairSet:
    """Make the pairs that a recipe needs: all grades for the angular loss, else those that belong together.

    Args:
        taxonomy: concepts and labels, in one language or several.
        recipe: decides by its loss.
        languages: only these; empty for all.
        validation: share of the concepts to hold out, 0 to 0.5.
        seed: of split and draw.
        progress: told of the steps.

    Raises:
        TuningError: a language is not there, the share is out of range, or there is nothing to make a pair of.
    """
    if not 0 <= validation <= 0.5:
        raise TuningError(f"validation share is {validation}, expected 0 to 0.5")
    if recipe.loss == "angular":
        options = PairOptions(languages=languages, seed=seed)
    else:
        options = PairOptions(neighbours=0, unrelated=0, languages=languages, seed=seed)
    split = split_concepts(taxonomy, validation=validation, seed=seed)
    return generate_pairs(taxonomy, options, split, progress=progress)
