"""What is reported of one encoder or two on one set: JSON records, and the rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jobsearch.errors import EvaluationError
from jobsearch.evaluation.records import Evaluated
from jobsearch.evaluation.retrieval import RetrievalResult
from jobsearch.evaluation.similarity import SimilarityMatrix
from jobsearch.evaluation.statistics import Paired
from jobsearch.evaluation.sts import StsResult

Measured = StsResult | RetrievalResult


def column_names(results: Sequence[Evaluated]) -> list[str]:
    """Return a name for each result's encoder, all different: with the fingerprint, or a number, where needed."""
    names = [result.encoder.name for result in results]
    if len(set(names)) < len(names):
        names = [f"{result.encoder.name} {result.encoder.fingerprint[:8]}" for result in results]
    seen: Counter[str] = Counter()
    for position, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[position] = f"{name} ({seen[name]})"
    return names


def compare(group: Sequence[Measured]) -> Paired | None:
    """Compare the second of two results on one set with the first; None if there is one only."""
    match group:
        case [StsResult() as base, StsResult() as other]:
            return other.paired(base)
        case [RetrievalResult() as base, RetrievalResult() as other]:
            return other.paired(base)
        case [_]:
            return None
    raise EvaluationError(f"{len(group)} results of one task were expected to be 1 or 2")


def records(group: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return the JSON record of each result on one set; the second holds the comparison as `paired`."""
    found = [result.to_dict() for result in group]
    paired = compare(group)
    if paired is not None:
        found[1]["paired"] = paired.to_dict()
    return found


def records_both_ways(preferred: Sequence[Measured], every: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return the records with all labels, each with the figures by preferred labels only under `preferred`."""
    found = records(every)
    for record, by_preferred in zip(found, records(preferred), strict=True):
        kept = ("set", "metrics", "intervals", "mrr_range", "labels", "paired")
        record["preferred"] = {key: by_preferred[key] for key in kept if key in by_preferred}
    return found


def similarity_records(matrices: Sequence[SimilarityMatrix]) -> list[dict[str, Any]]:
    """Return the JSON record of each matrix; the second holds second minus first as `difference`."""
    found = [matrix.to_dict() for matrix in matrices]
    if len(matrices) > 1:
        found[1]["difference"] = (matrices[1].values - matrices[0].values).tolist()
    return found


def figure_rows(group: Sequence[Measured]) -> list[list[str]]:
    """Return a table of the figures, its head first: one row a metric.

    With one encoder: metric, figure, 95 % interval. With two: metric, both figures, difference, and for the metric
    that is compared the difference's 95 % interval and p.
    """
    first = group[0]
    paired = compare(group)
    head = ["", *column_names(group)]
    head += ["95 % interval"] if paired is None else ["Difference", "95 % interval", "p"]
    rows = [head]
    for name, value in first.metrics.items():
        figures = [f"{result.metrics[name]:.4f}" for result in group]
        if paired is None:
            interval = first.intervals[name]
            rows.append([name, *figures, f"{interval.low:.4f} to {interval.high:.4f}"])
            continue
        difference = f"{group[1].metrics[name] - value:+.4f}"
        test = ["", ""]
        if name == paired.metric:
            test = [f"{paired.interval.low:+.4f} to {paired.interval.high:+.4f}", f"{paired.p_value:.4f}"]
        rows.append([name, *figures, difference, *test])
    return rows
