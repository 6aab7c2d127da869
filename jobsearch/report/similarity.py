"""The picture of a few titles' similarities: base, tuned, and the difference."""

from __future__ import annotations

from jobsearch.evaluation.plots import heatmap_figure
from jobsearch.evaluation.scales import panels
from jobsearch.evaluation.similarity import SimilarityMatrix
from jobsearch.report.canvas import Picture


def similarity_heatmap(base: SimilarityMatrix, tuned: SimilarityMatrix, before: str, after: str) -> Picture:
    """Draw two matrices of the same titles on one scale, and tuned less base on another.

    Args:
        base, tuned: the matrices.
        before, after: names of the encoders.
    """
    shown = panels({before: base.values, after: tuned.values})
    figure = heatmap_figure(shown, base.titles, base.measure, compact=True)
    change = tuned.values - base.values
    pairs = sorted(((r, c) for r in range(base.n) for c in range(r)), key=lambda pair: -abs(change[pair]))
    told = "; ".join(
        f"{base.titles[c]} and {base.titles[r]} from {base.values[r, c]:.2f} to {tuned.values[r, c]:.2f}"
        for r, c in pairs[:6]
    )
    title = f"Similarity of {base.n} job titles by {before} and {after}, and the difference"
    return Picture(
        "similarity",
        title,
        "Angular similarity of each pair of titles: 1 for equal, 0.5 for unrelated; on the right what tuning changed. "
        f"The mean of different titles went from {base.metrics['mean']:.2f} to {tuned.metrics['mean']:.2f}. Kindred "
        "titles should be near 1 and unrelated ones near 0.5.",
        f"{title}. The largest changes: {told}.",
        figure,
    )
