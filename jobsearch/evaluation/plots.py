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

# With more titles the numbers would be smaller than can be read.
_MOST_NUMBERED = 25
_LONGEST_NAME = 32
_CELL_INCHES, _SMALL_CELL_INCHES = 0.56, 0.25
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
    """Draw matrices side by side: those of encoders with one scale for all, a difference with its own.

    Args:
        panels: what `scales.panels` gives.
        titles: of rows and columns.
        measure: what the numbers are, for the scale's label.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbered = len(titles) <= _MOST_NUMBERED
    cells = min(max(len(titles), 5) * (_CELL_INCHES if numbered else _SMALL_CELL_INCHES), _MOST_INCHES)
    figure = Figure(figsize=(len(panels) * (cells + 0.9) + 2.2, cells + 2.2), dpi=144, layout="compressed")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    images = []
    for position, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        scale = panel.scale
        images.append(ax.imshow(panel.values, cmap=scale.map_name, vmin=scale.low, vmax=scale.high))
        ax.set_title(_short(panel.name), parse_math=False, fontsize=12, pad=10)
        _label(ax, titles, rows=position == 0, points=min(9.0, 0.7 * 72 * cells / len(titles)))
        if numbered:
            _write_numbers(ax, panel)
    bar: dict[str, Any] = {"pad": 0.02, "aspect": 30}
    encoders = [position for position, panel in enumerate(panels) if not panel.scale.signed]
    figure.colorbar(images[encoders[-1]], ax=[axes[p] for p in encoders], **bar).set_label(f"{measure} similarity")
    if panels[-1].scale.signed:
        first, second = (_short(panels[position].name) for position in encoders)
        figure.colorbar(images[-1], ax=axes[-1], **bar).set_label(f"{second} − {first}", parse_math=False)
    out = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(out, format="png")
    return Picture(out.getvalue(), any("missing from font" in str(warning.message) for warning in caught))


def _label(ax: Axes, titles: Sequence[str], rows: bool, points: float) -> None:
    places = range(len(titles))
    names = [_short(title) for title in titles]
    # Titles are text, whatever dollar signs they hold.
    style: dict[str, Any] = {"parse_math": False, "fontsize": points}
    ax.set_xticks(places, labels=names, rotation=45, ha="right", rotation_mode="anchor", **style)
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
