"""The picture of differences: tuned less base on each set, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobsearch.report.canvas import BLUE, GREY, INK, ORANGE, Picture, heading, new_figure, quiet, short


@dataclass(frozen=True)
class Difference:
    """What tuning changed on one set.

    Args:
        name: the set.
        metric: the figure.
        base: before.
        tuned: after.
        low, high: 95 % interval of the difference.
    """

    name: str
    metric: str
    base: float
    tuned: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """Tuned less base."""
        return self.tuned - self.base

    @property
    def said(self) -> str:
        """Whether it is better, worse, or too close to tell."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no sure difference"


_LOOKS = {"better": (BLUE, "o"), "worse": (ORANGE, "s"), "no sure difference": (GREY, "D")}


def differences(found: Sequence[Difference], base: str, tuned: str) -> Picture:
    """Draw a row for each set: the difference, its 95 % interval, and the line of no difference.

    Args:
        found: at least one.
        base, tuned: names of the encoders.
    """
    title = f"{tuned} against {base}, set by set"
    figure = new_figure(9.0, 1.7 + 0.62 * len(found))
    heading(figure, title)
    axes = figure.subplots()
    quiet(axes)
    axes.axvline(0, color=INK, linewidth=1)
    shown: set[str] = set()
    for row, one in enumerate(found):
        colour, marker = _LOOKS[one.said]
        label = None if one.said in shown else one.said
        shown.add(one.said)
        spread = [[max(0.0, one.value - one.low)], [max(0.0, one.high - one.value)]]
        axes.errorbar(
            one.value, row, xerr=spread, fmt=marker, color=colour, capsize=4, markersize=7, linewidth=2, label=label
        )
        text = f"{one.value:+.4f}"
        axes.annotate(text, (one.value, row), (0, 8), textcoords="offset points", ha="center", fontsize=9, color=INK)
    names = [f"{short(one.name, 46)}\n{one.metric}" for one in found]
    axes.set_yticks(range(len(found)), labels=names, fontsize=9, parse_math=False)
    axes.set_ylim(len(found) - 0.5, -0.7)
    axes.set_xlabel(f"difference: {tuned} − {base} (right of 0: tuned is better)", parse_math=False)
    axes.legend(fontsize=8, loc="best")
    told = "; ".join(
        f"{one.name}, {one.metric}: {one.value:+.4f}, 95 % interval {one.low:+.4f} to {one.high:+.4f}, {one.said}"
        for one in found
    )
    return Picture(
        "differences",
        title,
        "Each mark is what tuning changed on one set; the bar is its 95 % interval, found by drawing the queries or "
        "pairs anew two thousand times. A bar that touches 0 may be chance.",
        f"{title}. {told}.",
        figure,
    )
