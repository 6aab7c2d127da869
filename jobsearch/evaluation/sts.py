"""General ability: how well an encoder's similarities of sentence pairs agree with people's (STS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.embedding import embed
from jobsearch.evaluation.metrics import Floats, angular_similarity, pearson
from jobsearch.evaluation.records import EncoderId, Task, base_record
from jobsearch.evaluation.statistics import Interval, Paired, correlation_interval, paired_correlations, spearman
from jobsearch.progress import Progress, silent

HIGHEST_SCORE = 5.0


@dataclass(frozen=True, eq=False)
class StsSet:
    """Sentence pairs and how similar people find them.

    Args:
        name: for reports and the history.
        sentences1: one side of each pair.
        sentences2: the other side.
        scores: 0 (nothing in common) to 5 (equal in meaning); (pairs,), not all the same.
    """

    name: str
    sentences1: tuple[str, ...]
    sentences2: tuple[str, ...]
    scores: Floats

    def __post_init__(self) -> None:
        lengths = (len(self.sentences1), len(self.sentences2), len(self.scores))
        if len(set(lengths)) != 1 or lengths[0] < 2:
            raise EvaluationError(f"STS set {self.name!r} has {lengths[0]} pairs, expected at least 2")
        if np.ptp(self.scores) == 0:
            raise EvaluationError(
                f"all {lengths[0]} scores of STS set {self.name!r} are {self.scores[0]:g}; nothing correlates with that"
            )

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.scores)


@dataclass(frozen=True, eq=False)
class StsResult:
    """An encoder's figures on an STS set.

    Args:
        set_name: the set's name.
        encoder: who was measured.
        cosines: the cosine of each pair; (pairs,).
        scores: what people said; (pairs,).
    """

    task: ClassVar[Task] = "sts"
    set_name: str
    encoder: EncoderId
    cosines: Floats = field(repr=False)
    scores: Floats = field(repr=False)

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.scores)

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Pearson and Spearman of cosine and of angular similarity; a constant encoder gets 0.

        The two Spearman figures are equal but for rounding: the angle falls whenever the cosine rises.
        """
        angular = angular_similarity(self.cosines)
        return {
            "pearson": float(pearson(self.cosines, self.scores)),
            "spearman": float(spearman(self.cosines, self.scores)),
            "pearson_angular": float(pearson(angular, self.scores)),
            "spearman_angular": float(spearman(angular, self.scores)),
        }

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        """95 % intervals of the metrics (takes a second)."""
        of_cosine = {
            "pearson": correlation_interval(pearson, self.cosines, self.scores),
            "spearman": correlation_interval(spearman, self.cosines, self.scores),
        }
        angular = correlation_interval(pearson, angular_similarity(self.cosines), self.scores)
        return {**of_cosine, "pearson_angular": angular, "spearman_angular": of_cosine["spearman"]}

    def paired(self, base: StsResult) -> Paired:
        """Compare with another encoder's result on the same set, by Pearson of the cosines."""
        return paired_correlations("pearson", base.cosines, self.cosines, self.scores)

    def to_dict(self) -> dict[str, Any]:
        """Return the record that `evaluate sts --json` prints; an interval is `[low, high]`."""
        intervals = {name: [interval.low, interval.high] for name, interval in self.intervals.items()}
        return {**base_record(self), "intervals": intervals}


def evaluate_sts(encoder: Encoder, sts: StsSet, progress: Progress = silent) -> StsResult:
    """Measure an encoder on sentence pairs.

    Args:
        encoder: any encoder.
        sts: the pairs.
        progress: called with ("encoding sentences", distinct sentences done, in all).

    Raises:
        EvaluationError: an embedding is not finite.
    """
    vectors = embed(encoder, [*sts.sentences1, *sts.sentences2], "encoding sentences", progress)
    cosines = np.einsum("pd,pd->p", vectors[: len(sts)], vectors[len(sts) :], dtype=np.float64)
    return StsResult(sts.name, EncoderId.of(encoder), np.clip(cosines, -1.0, 1.0), sts.scores)
