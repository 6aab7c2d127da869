"""The similarity matrix as a picture. Matplotlib is imported on use; nothing here touches its global state."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobsearch.evaluation.scales import Panel, ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# With more titles the numbers would be smaller than can be read.
_MOST_NUMBERED = 25
_LONGEST_NAME = 32
_CELL_INCHES, _COMPACT_CELL_INCHES, _SMALL_CELL_INCHES = 0.56, 0.42, 0.25
# What of an inclined name stands at its tick.
_ANCHORS = {45: "top", 90: "center"}
_MOST_INCHES = 16.0


@dataclass(frozen=True)
class Picture:
    """A PNG file's content.

    Args:
        png: the bytes.
        letters_missing: whether the font lacks letters of some title, so that boxes stand for them.
    """

    png: bytes
    letters_missing: bool


def heatmap(panels: Sequence[Panel], titles: Sequence[str], measure: str) -> Picture:
    """Draw matrices side by side, as a PNG (see `heatmap_figure`)."""
    figure = heatmap_figure(panels, titles, measure)
    out = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(out, format="png")
    return Picture(out.getvalue(), any("missing from font" in str(warning.message) for warning in caught))


def heatmap_figure(panels: Sequence[Panel], titles: Sequence[str], measure: str, compact: bool = False) -> Figure:
    """Draw matrices side by side: those of encoders with one scale for all, a difference with its own.

    Args:
        panels: what `scales.panels` gives.
        titles: of rows and columns.
        measure: what the numbers are, for the scale's label.
        compact: with small cells, and names upright below them, so that letters stay large when the width is given.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbered = len(titles) <= _MOST_NUMBERED
    cell, gap = (_COMPACT_CELL_INCHES, 0.1) if compact else (_CELL_INCHES, 0.9)
    cells = min(max(len(titles), 5) * (cell if numbered else _SMALL_CELL_INCHES), _MOST_INCHES)
    figure = Figure(figsize=(len(panels) * (cells + gap) + 2.2, cells + 2.2), dpi=144, layout="compressed")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    images = []
    for position, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        scale = panel.scale
        images.append(ax.imshow(panel.values, cmap=scale.map_name, vmin=scale.low, vmax=scale.high))
        ax.set_title(_short(panel.name), parse_math=False, fontsize=12, pad=10)
        points = min(9.0, 0.7 * 72 * cells / len(titles))
        _label(ax, titles, rows=position == 0, points=points, turned=90 if compact else 45)
        if numbered:
            _write_numbers(ax, panel)
    bar: dict[str, Any] = {"pad": 0.02, "aspect": 30}
    encoders = [position for position, panel in enumerate(panels) if not panel.scale.signed]
    figure.colorbar(images[encoders[-1]], ax=[axes[p] for p in encoders], **bar).set_label(f"{measure} similarity")
    if panels[-1].scale.signed:
        first, second = (_short(panels[position].name) for position in encoders)
        figure.colorbar(images[-1], ax=axes[-1], **bar).set_label(f"{second} − {first}", parse_math=False)
    return figure


def _label(ax: Axes, titles: Sequence[str], rows: bool, points: float, turned: int) -> None:
    places = range(len(titles))
    names = [_short(title) for title in titles]
    # Titles are text, whatever dollar signs they hold.
    style: dict[str, Any] = {"parse_math": False, "fontsize": points}
    ax.set_xticks(
        places, labels=names, rotation=turned, ha="right", va=_ANCHORS[turned], rotation_mode="anchor", **style
    )
    ax.set_yticks(places, labels=names if rows else [""] * len(names), **style)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _write_numbers(ax: Axes, panel: Panel) -> None:
    for (row, column), value in np.ndenumerate(panel.values):
        text, colour = panel.scale.text(value), ink(panel.scale.colour(value))
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
