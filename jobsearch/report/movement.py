"""Pictures of ranks: how hits moved for one query, and how far the right answer moved over many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from jobsearch.comparison import Move
from jobsearch.report.canvas import BLUE, GREY, INK, ORANGE, Picture, heading, new_figure, quiet, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Bounds of the bins of a rank's change: 1, 2 to 10, 11 to 100, more.
_BOUNDS = (1, 10, 100)
_BINS = ("1", "2–10", "11–100", "over 100")


def rank_movement(query: str, moves: Sequence[Move], k: int, base: str, tuned: str, data: str, name: str) -> Picture:
    """Draw the first k of base and tuned as two lists whose equal entries are joined.

    Args:
        query: what was asked.
        moves: every concept that is among the first k on either side, with its rank on both, however low.
        k: length of the lists.
        base, tuned: names of the encoders.
        data: what was searched.
        name: the picture's.
    """
    title = f"“{short(query)}”: how the first {k} among {data} moved"
    figure = new_figure(11.4, 1.9 + 0.36 * (k + 1))
    heading(figure, title)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-1.4, 2.4)
    axes.set_ylim(k + 1.9, -0.2)
    for x, text, side in ((0.0, base, "right"), (1.0, tuned, "left")):
        axes.text(x, 0.1, short(text), ha=side, fontsize=11, weight="bold", color=INK, parse_math=False)
    for move in moves:
        before, after = _rank(move.base_rank), _rank(move.tuned_rank)
        # What is not among the first k comes from, or goes to, a place below the list.
        left, right = min(before, k + 1.0), min(after, k + 1.0)
        colour, style, sign = _look(before, after)
        inside = before <= k and after <= k
        axes.plot(
            (0.03, 0.97),
            (left, right),
            color=colour,
            linestyle=style if inside else ":",
            linewidth=2 if inside else 1.3,
        )
        if before <= k:
            axes.plot(0.03, left, marker="o", color=colour, markersize=5)
            gone = f"   (now {after})" if after > k else ""
            _text(axes, -0.02, left, f"{short(move.label)}{gone}  {before}", "right")
        if after <= k:
            axes.plot(0.97, right, marker="o", color=colour, markersize=5)
            came = f"   (was {before})" if before > k else ""
            _text(axes, 1.02, right, f"{after}  {sign} {short(move.label)}{came}", "left")
    axes.text(0.5, k + 1.45, f"beyond the first {k}", ha="center", fontsize=8, color=GREY)
    key = "▲ blue: rose      ▼ orange, dashed: fell      = grey: stayed      dotted: came in or went out"
    axes.text(0.5, k + 1.85, key, ha="center", fontsize=8, color=GREY)
    return Picture(
        name,
        title,
        f"The {k} nearest by meaning alone, the base's on the left and the tuned encoder's on "
        "the right; lines join the same concept.",
        f"{title}. " + "; ".join(map(_in_words, moves)) + ".",
        figure,
    )


def rank_changes(set_name: str, base: npt.NDArray[np.int64], tuned: npt.NDArray[np.int64], name: str) -> Picture:
    """Draw over how many queries the right answer rose or fell by how many ranks.

    Args:
        set_name: the queries' set.
        base, tuned: rank of the first right answer for each query, 1 for the best.
        name: the picture's.
    """
    title = f"Where the right answer moved: {short(set_name, 60)}"
    counts = change_counts(base, tuned)
    figure = new_figure(9.0, 4.2)
    heading(figure, title)
    axes = figure.subplots()
    quiet(axes)
    axes.grid(visible=False, axis="x")
    hatches = {ORANGE: "//", GREY: "", BLUE: ""}
    for place, (label, count) in enumerate(counts.items()):
        colour = ORANGE if label.startswith("fell") else BLUE if label.startswith("rose") else GREY
        axes.bar(place, count, color=colour, hatch=hatches[colour], edgecolor="white", width=0.85)
        share = 100 * count / max(1, len(base))
        axes.annotate(
            f"{count:,}\n{share:.0f} %", (place, count), (0, 3), textcoords="offset points", ha="center", fontsize=9
        )
    axes.set_xticks(range(len(counts)), labels=[label.replace(" by ", "\nby ") for label in counts], fontsize=9)
    axes.set_ylabel(f"queries, of {len(base):,}")
    axes.set_xlabel("change of rank from base to tuned (left: worse, right: better)")
    axes.margins(y=0.2)
    told = ", ".join(f"{label}: {count:,}" for label, count in counts.items())
    return Picture(
        name,
        title,
        "For each query, by how many ranks its right answer rose (blue) or fell (orange, hatched) from base to tuned. "
        "Equal scores are counted against the right answer.",
        f"{title}. Of {len(base):,} queries {told}.",
        figure,
    )


def change_counts(base: npt.NDArray[np.int64], tuned: npt.NDArray[np.int64]) -> dict[str, int]:
    """Return how many queries fell, stayed and rose, in bins, the worst first."""
    rise = base - tuned
    bins = np.digitize(np.abs(rise), [bound + 1 for bound in _BOUNDS])
    found = {f"fell by {_BINS[b]}": int(((rise < 0) & (bins == b)).sum()) for b in reversed(range(len(_BINS)))}
    found["stayed"] = int((rise == 0).sum())
    return found | {f"rose by {_BINS[b]}": int(((rise > 0) & (bins == b)).sum()) for b in range(len(_BINS))}


def _rank(rank: int | None) -> int:
    if rank is None:
        raise ValueError("a move without a rank on one side; give the rank among all concepts")
    return rank


def _look(before: int, after: int) -> tuple[str, str, str]:
    if after < before:
        return BLUE, "-", "▲"
    return (ORANGE, "--", "▼") if after > before else (GREY, "-", "=")


def _text(axes: Axes, x: float, y: float, text: str, side: str) -> None:
    axes.text(x, y, text, ha=side, va="center", fontsize=9, color=INK, parse_math=False)


def _in_words(move: Move) -> str:
    before, after = _rank(move.base_rank), _rank(move.tuned_rank)
    return f"{move.label}: {before:,} to {after:,}" if before != after else f"{move.label}: stays {after:,}"
