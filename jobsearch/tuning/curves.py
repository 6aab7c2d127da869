"""The training curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Okabe and Ito's colours, told apart by colour-blind readers too (https://jfly.uni-koeln.de/color/).
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"


def draw_curves(history: Sequence[Mapping[str, Any]], best_step: int, title: str, path: Path) -> None:
    """Write a PNG: loss in training and validation, held-out MRR, and the checkpoint that was chosen.

    Args:
        history: the trainer's records, one a validation.
        best_step: step of the chosen checkpoint.
        title: encoder, recipe and data, for whoever sees the picture alone.
        path: file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
    losses, ranks = figure.subplots(2, 1, sharex=True)
    steps = [record["step"] for record in history]
    training = [(record["step"], record["training_loss"]) for record in history if "training_loss" in record]
    losses.plot(steps, [record["loss"] for record in history], color=_BLUE, marker="o", label="held-out pairs")
    if training:
        losses.plot(*zip(*training, strict=True), color=_ORANGE, marker="s", linestyle="--", label="training pairs")
    losses.set_ylabel("loss")
    losses.set_title(title, fontsize=10, parse_math=False)
    ranks.plot(steps, [record["mrr"] for record in history], color=_BLUE, marker="o", label="held-out MRR")
    ranks.set_ylabel("MRR")
    ranks.set_xlabel("step")
    for axes in (losses, ranks):
        axes.axvline(best_step, color=_GREY, linestyle=":", label=f"chosen: step {best_step}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path)
