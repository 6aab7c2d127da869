"""The queries that a tuning run's gate asked: a run keeps its figures but no queries, so they are made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobsearch.errors import JobSearchError
from jobsearch.evaluation.retrieval import RetrievalSet
from jobsearch.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The gate's queries, or why they are not there.

    Args:
        queries: the set, or None.
        missing: why there is none, in a sentence; empty if there is one.
    """

    queries: RetrievalSet | None
    missing: str = ""


def held_out_again(record: Mapping[str, Any], progress: Progress = silent) -> HeldOut:
    """Make a run's pairs again, and take the gate's queries.

    Only if the digest of all pairs is the recorded one are they the run's own: then no query was trained on, and the
    figures are the gate's to the last digit.

    Args:
        record: of the run.
        progress: told of the steps.
    """
    source = record["data"]["source"]
    try:
        pairs = _pairs(record, progress)
    except (JobSearchError, TypeError) as error:  # TypeError: a recipe that another release knows
        return HeldOut(None, f"The pairs cannot be made again from {source}: {error}.")
    if pairs.digest != record["data"]["digest"]:
        return HeldOut(
            None,
            f"The pairs cannot be made again from {source}: it has changed since, or another version of jobsearch made "
            "them.",
        )
    from jobsearch.tuning.validation import held_out_set

    queries = held_out_set(pairs, seed=record["seed"], everything=True)
    return HeldOut(replace(queries, name=f"held-out concepts of {source} (gate)"))


def _pairs(record: Mapping[str, Any], progress: Progress) -> Any:
    from jobsearch.taxonomy.library import find_taxonomy
    from jobsearch.tuning.data import recipe_pairs
    from jobsearch.tuning.known_names import among_labels
    from jobsearch.tuning.pairs_file import read_pairs
    from jobsearch.tuning.recipes import Recipe

    data, seed = record["data"], record["seed"]
    # Records of earlier versions do not say these.
    source, share, languages = data["source"], data.get("held_out_share", 0.1), tuple(data.get("languages", ()))
    recipe = Recipe(**record["recipe"])
    if Path(source).is_file():
        pairs = read_pairs(Path(source), validation=share, seed=seed)
        return among_labels(pairs, find_taxonomy(data["among"])) if "among" in data else pairs
    return recipe_pairs(
        find_taxonomy(source), recipe, languages=languages, validation=share, seed=seed, progress=progress
    )
