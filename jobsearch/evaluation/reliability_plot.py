"""Confidence against what is right, as a picture. Matplotlib is imported on use, without its global state."""

from __future__ import annotations

import io
from collections.abc import Mapping

from jobsearch.evaluation.reliability import Reliability

# Told apart with any colour vision, and by their shapes.
_STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#1B1F24", "^", ":"))


def reliability_plot(measured: Mapping[str, Reliability], title: str, form: str = "png") -> bytes:
    """Draw how often first hits are right at which confidence.

    Args:
        measured: what to draw, by name; three at most.
        title: says what was asked where.
        form: `png`, `svg` or another format of Matplotlib's.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6), dpi=144, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color="#666666", linewidth=1)
    ax.annotate("as right as it says", (0.77, 0.8), rotation=45, ha="center", va="center", color="#666666", fontsize=9)
    for (name, one), (colour, marker, line) in zip(measured.items(), _STYLES, strict=False):
        sure, right = [bar.confidence for bar in one.bins], [bar.right for bar in one.bins]
        # Rounding can leave a share a little outside its own interval.
        low = [max(0.0, bar.right - bar.interval.low) for bar in one.bins]
        high = [max(0.0, bar.interval.high - bar.right) for bar in one.bins]
        label = f"{name}: error {one.error:.3f} ({one.titles:,} titles)"
        style = {"color": colour, "marker": marker, "linestyle": line, "capsize": 3, "elinewidth": 1}
        ax.errorbar(sure, right, yerr=[low, high], label=label, **style)  # type: ignore[arg-type]
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set_xlabel("confidence of the first hit (mean of a tenth of the titles)")
    ax.set_ylabel("share of them that is right (bars: 95%)")
    ax.set_title(title, parse_math=False, fontsize=11)
    for text in ax.legend(loc="upper left", frameon=False, fontsize=9).get_texts():
        text.set_parse_math(False)
    ax.grid(color="#DDDDDD", linewidth=0.5)
    out = io.BytesIO()
    figure.savefig(out, format=form)
    return out.getvalue()
