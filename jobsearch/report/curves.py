"""The picture of the training: how it went, and which checkpoint was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobsearch.report.canvas import BLUE, GREY, INK, ORANGE, Picture, heading, new_figure, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Run:
    """One student's training.

    Args:
        name: what it learned from.
        history: the trainer's records, one a validation, at least one.
        chosen: step of the checkpoint that was kept.
        why: what made it the best.
    """

    name: str
    history: History
    chosen: int
    why: str


_WHY = {"mrr": "best held-out MRR", "loss": "lowest held-out loss", "step": "the last one"}


def recorded_runs(record: Mapping[str, Any]) -> list[Run]:
    """Return the training that a tuning run recorded: of the student that a teacher taught, and of the other."""
    found = []
    taught = record.get("teacher_history")
    if taught:
        teacher = record["teacher"]
        best = [one["step"] for one in taught if one.get("best")] or [taught[-1]["step"]]
        found.append(Run(f"learning from the teacher {teacher['name']}", taught, best[-1], _why(teacher["recipe"])))
    if record.get("history") and record["history"] != taught:  # equal: it was stopped before the second began
        found.append(Run("learning from pairs", record["history"], record["best_step"], _why(record["recipe"])))
    return found


def _why(recipe: Mapping[str, Any]) -> str:
    return _WHY.get(recipe.get("monitor", ""), "chosen")


def training_curves(runs: Sequence[Run], encoder: str, data: str) -> Picture:
    """Draw loss and held-out MRR over the steps, a column a run, and the checkpoint that was chosen.

    Args:
        runs: one, or with a teacher two; at least one.
        encoder: the tuned encoder's name.
        data: what it was tuned on.
    """
    title = f"Training of {encoder} on {data}"
    figure = new_figure(1.5 + 4.6 * len(runs), 5.6)
    heading(figure, title)
    grid = figure.subplots(2, len(runs), sharex="col", sharey="row", squeeze=False)
    for column, run in enumerate(runs):
        losses, ranks = grid[0][column], grid[1][column]
        losses.set_title(run.name, fontsize=10, parse_math=False)
        _line(losses, run.history, "loss", "held-out pairs", BLUE, "o", "-")
        _line(losses, run.history, "training_loss", "training pairs", ORANGE, "s", "--")
        _line(ranks, run.history, "mrr", "held-out MRR", BLUE, "o", "-")
        ranks.set_xlabel("training step")
        for axes, key in ((losses, "loss"), (ranks, "mrr")):
            axes.axvline(run.chosen, color=GREY, linestyle=":", label=f"chosen: step {run.chosen:,}, {run.why}")
            _ring(axes, run, key)
            quiet(axes)
            axes.legend(fontsize=8)
    grid[0][0].set_ylabel("loss (lower is better)")
    grid[1][0].set_ylabel("held-out MRR (higher is better)")
    return Picture(
        "training-curves",
        title,
        "The loss on pairs it learned from and on pairs of concepts that were held out, and how high the right concept "
        "is ranked for held-out names (MRR, 1 is best, among a sample of the labels). The dotted line with rings is "
        "the checkpoint that was kept.",
        ". ".join([title, *map(_in_words, runs)]) + ".",
        figure,
    )


def _line(axes: Axes, history: History, key: str, label: str, colour: str, marker: str, style: str) -> None:
    points = [(record["step"], record[key]) for record in history if key in record]
    if points:
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=colour, marker=marker, linestyle=style, markersize=5, label=label)


def _ring(axes: Axes, run: Run, key: str) -> None:
    values = [record[key] for record in run.history if record["step"] == run.chosen and key in record]
    axes.plot([run.chosen] * len(values), values, color=INK, marker="o", fillstyle="none", markersize=12, linestyle="")


def _in_words(run: Run) -> str:
    measured = [record for record in run.history if "mrr" in record]
    if not measured:
        return f"{run.name}: nothing was measured, chosen is step {run.chosen:,}, {run.why}"
    ranks = ", ".join(f"{record['mrr']:.4f} at step {record['step']:,}" for record in measured)
    return f"{run.name}: held-out MRR {ranks}; chosen is step {run.chosen:,}, {run.why}"
