"""A look at a few titles: how similar an encoder finds each pair of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.embedding import embed
from jobsearch.evaluation.metrics import Floats, angular_similarity
from jobsearch.evaluation.records import EncoderId, Task, base_record
from jobsearch.evaluation.scales import Panel

Measure = Literal["angular", "cosine"]
MEASURES: tuple[Measure, ...] = ("angular", "cosine")
DEFAULT_TITLES = (
    "Data Scientist",
    "Machine Learning Engineer",
    "Data Analyst",
    "Software Developer",
    "Nurse",
    "Care Assistant",
    "Plumber",
    "Truck Driver",
    "Financial Controller",
)


@dataclass(frozen=True, eq=False)
class SimilarityMatrix:
    """How similar an encoder finds the titles of a list.

    Args:
        encoder: who was asked.
        titles: the list.
        measure: `angular` (1 - arccos(cosine) / π, 0.5 for unrelated) or `cosine`.
        values: symmetric, 1 on the diagonal; (titles, titles).
    """

    task: ClassVar[Task] = "similarity"
    encoder: EncoderId
    titles: tuple[str, ...]
    measure: Measure
    values: Floats = field(repr=False)

    @property
    def n(self) -> int:
        """Number of titles."""
        return len(self.titles)

    @property
    def set_name(self) -> str:
        """The list, for reports and the history."""
        known = "default" if self.titles == DEFAULT_TITLES else f"{self.n}"
        return f"{known} titles, {self.measure}"

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Mean, lowest and highest similarity of two different titles of the list."""
        pairs = self.values[np.triu_indices(self.n, k=1)]
        return {"mean": float(pairs.mean()), "lowest": float(pairs.min()), "highest": float(pairs.max())}

    def to_dict(self) -> dict[str, Any]:
        """Return the record that `evaluate similarity --json` prints."""
        return {
            **base_record(self),
            "measure": self.measure,
            "titles": list(self.titles),
            "matrix": self.values.tolist(),
        }


def similarity_matrix(
    encoder: Encoder, titles: Sequence[str] = DEFAULT_TITLES, measure: Measure = "angular"
) -> SimilarityMatrix:
    """Compare each title of a list with each.

    Args:
        encoder: any encoder.
        titles: at least 2.
        measure: `angular` or `cosine`.

    Raises:
        EvaluationError: fewer than 2 titles, an empty one, another measure, or an embedding that is not finite.
    """
    if len(titles) < 2:
        raise EvaluationError(f"a similarity matrix of {len(titles)} titles; name at least 2")
    if not all(title.strip() for title in titles):
        position = [bool(title.strip()) for title in titles].index(False)
        raise EvaluationError(f"title {position + 1} is empty; expected a job title")
    if measure not in MEASURES:
        raise EvaluationError(f"measure is {measure!r}, expected one of {', '.join(MEASURES)}")
    vectors = embed(encoder, titles).astype(np.float64)
    # Near 1 the angle magnifies rounding: float32's 6e-8 off the cosine would be 1e-4 off the similarity.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.clip(vectors @ vectors.T, -1.0, 1.0)
    values = angular_similarity(cosines) if measure == "angular" else cosines
    values = (values + values.T) / 2
    np.fill_diagonal(values, 1.0)
    return SimilarityMatrix(EncoderId.of(encoder), tuple(titles), measure, values)


def panels_csv(panels: Sequence[Panel], titles: Sequence[str]) -> str:
    """Lay out matrices as one CSV table: `encoder,title,<title 1>,<title 2>,…`, one row a title and matrix.

    Args:
        panels: what `scales.panels` gives; the column `encoder` says `difference` for a difference.
        titles: of rows and columns.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["encoder", "title", *titles])
    for panel in panels:
        for title, row in zip(titles, panel.values, strict=True):
            writer.writerow([panel.name, title, *(f"{value:.6f}" for value in row)])
    return out.getvalue()
