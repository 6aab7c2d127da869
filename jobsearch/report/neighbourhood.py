"""The picture of a neighbourhood: a query and what lies around it, before and after, as a map."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from jobsearch.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, Picture, heading, new_figure, short
from jobsearch.report.placing import place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
_FONT = 8.5
# A point's kind: what it is near to, its colour and its shape.
_LOOKS = {
    "both": (BLUE, "o", "near in both"),
    "base": (ORANGE, "s", "near in the base only"),
    "tuned": (GREEN, "^", "near in the tuned only"),
}


@dataclass(frozen=True, eq=False)
class Neighbours:
    """A query's neighbourhood for one encoder or the other.

    Args:
        query: what was asked.
        names: of the concepts around it, by either encoder.
        near: for each name `both`, `base` or `tuned`: among whose nearest it is.
        base, tuned: embeddings, the query's first, then those of `names`; (1 + names, width).
    """

    query: str
    names: tuple[str, ...]
    near: tuple[str, ...]
    base: npt.NDArray[np.float32] = field(repr=False)
    tuned: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Projection:
    """Both sides in two dimensions.

    Args:
        base, tuned: (points, 2).
        kept: share of each side's spread that the two dimensions show, 0 to 1.
        together: whether both sides have the same axes.
    """

    base: Floats
    tuned: Floats
    kept: tuple[float, float]
    together: bool


def project(base: npt.NDArray[np.float32], tuned: npt.NDArray[np.float32]) -> Projection:
    """Project both encoders' embeddings of the same texts onto two dimensions, by one PCA of their union.

    Each side is centred on its own, so that what is shown is the texts' places among each other and no common shift.
    Encoders of different widths have no common axes; each then gets a PCA of its own.

    Args:
        base, tuned: (texts, width), at least 2 texts.
    """
    sides = [side.astype(np.float64) - side.mean(axis=0, dtype=np.float64) for side in (base, tuned)]
    together = base.shape[1] == tuned.shape[1]
    axes = [_axes(np.concatenate(sides))] * 2 if together else [_axes(side) for side in sides]
    flat = [side @ axis.T for side, axis in zip(sides, axes, strict=True)]
    kept = [float((f**2).sum() / max((s**2).sum(), 1e-12)) for f, s in zip(flat, sides, strict=True)]
    return Projection(flat[0], flat[1], (kept[0], kept[1]), together)


def _axes(rows: Floats) -> Floats:
    """Return the two directions of most spread, (2, width); signs are fixed, so that a map does not flip."""
    directions = np.linalg.svd(rows, full_matrices=False)[2][:2]
    if len(directions) < 2:
        directions = np.concatenate([directions, np.zeros((2 - len(directions), rows.shape[1]))])
    largest = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(2), largest] < 0, -1.0, 1.0)
    found: Floats = directions * signs[:, None]
    return found


def neighbourhood_map(found: Neighbours, base: str, tuned: str, data: str, name: str) -> Picture:
    """Draw a query and its neighbours, before and after, with one scale and where possible the same axes.

    Args:
        found: the neighbourhood.
        base, tuned: names of the encoders.
        data: what the neighbours are taken from.
        name: the picture's.
    """
    title = f"The neighbourhood of “{short(found.query)}”, before and after"
    flat = project(found.base, found.tuned)
    how = "one PCA of both" if flat.together else "a PCA of each"
    figure = new_figure(13.0, 7.0)
    heading(figure, f"{title}, among {data} ({how})")
    panels = figure.subplots(1, 2)
    reach = _limits(flat)
    for axes, text, points, kept in zip(panels, (base, tuned), (flat.base, flat.tuned), flat.kept, strict=True):
        axes.set_title(f"{short(text)}: {kept:.0%} of the spread is shown", fontsize=11, parse_math=False)
        axes.set_xlim(reach[0], reach[2])
        axes.set_ylim(reach[1], reach[3])
        axes.set_xlabel("first principal component")
        axes.set_ylabel("second principal component")
        axes.grid(alpha=0.25)
        axes.tick_params(labelsize=8, colors=GREY)
        _scatter(axes, points, found.near)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    names = [found.query, *found.names]
    write_names(figure, [(panels[0], flat.base), (panels[1], flat.tuned)], names)
    counts = {kind: found.near.count(kind) for kind in _LOOKS}
    return Picture(
        name,
        title,
        f"The query (star) and its nearest concepts among {data}: those near in both encoders, in the base only, and "
        f"in the tuned one only. Embeddings are flattened by {how} (principal component analysis); distances are "
        "therefore only roughly right.",
        f"{title}: {counts['both']} concepts are near in both ({_listed(found, 'both')}), {counts['base']} in {base} "
        f"only ({_listed(found, 'base')}), {counts['tuned']} in {tuned} only ({_listed(found, 'tuned')}).",
        figure,
    )


def write_names(figure: Figure, panels: Sequence[tuple[Axes, Floats]], names: Sequence[str]) -> None:
    """Write names beside points, the first one bold, joined to them by thin lines where they stand off.

    Args:
        figure: all is laid out on it already, but for the names.
        panels: axes and the points on them, in their coordinates.
        names: of the points.
    """
    with warnings.catch_warnings():  # of letters that the font lacks: `draw` finds them
        warnings.simplefilter("ignore")
        figure.draw_without_rendering()  # only then it is known where on the paper a point lies
        figure.set_layout_engine("none")  # and there it is to stay
        for axes, points in panels:
            _write_names(axes, points, names, gap=figure.dpi * 0.065)


def _write_names(axes: Axes, points: Floats, names: Sequence[str], gap: float) -> None:
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [
        axes.text(x, y, short(name, 32), fontsize=_FONT, color=INK, parse_math=False, ha="center", va="center")
        for (x, y), name in zip(points.tolist(), names, strict=True)
    ]
    texts[0].set_fontweight("bold")
    for text in texts:
        text.set(zorder=5, in_layout=False)
    boxes = [text.get_window_extent(renderer) for text in texts]
    sizes = np.array([(box.width, box.height) for box in boxes])
    on_paper = axes.transData.transform(points)
    frame = axes.get_window_extent(renderer)
    centres = place(on_paper, sizes, (frame.x0 + gap, frame.y0 + gap, frame.x1 - gap, frame.y1 - gap), gap)
    back = axes.transData.inverted().transform
    for text, centre, size, point in zip(texts, centres, sizes, on_paper, strict=True):
        text.set_position(tuple(back(centre)))
        edge = np.clip(point, centre - size / 2, centre + size / 2)
        if np.linalg.norm(edge - point) > 2.5 * gap:
            axes.plot(*np.array([back(point), back(edge)]).T, color=GREY, linewidth=0.6, zorder=2)


def _scatter(axes: Axes, points: Floats, near: Sequence[str]) -> None:
    axes.scatter(points[0, 0], points[0, 1], marker="*", s=150, color=INK, label="the query", zorder=4)
    for kind, (colour, marker, label) in _LOOKS.items():
        of_kind = points[1:][[one == kind for one in near]]
        axes.scatter(of_kind[:, 0], of_kind[:, 1], marker=marker, s=48, color=colour, label=label, zorder=3)


def _limits(flat: Projection) -> tuple[float, float, float, float]:
    both = np.concatenate([flat.base, flat.tuned])
    low, high = both.min(axis=0), both.max(axis=0)
    room = np.maximum(0.16 * (high - low), 1e-3)
    return (*(low - room), *(high + room))


def _listed(found: Neighbours, kind: str) -> str:
    return ", ".join(name for name, near in zip(found.names, found.near, strict=True) if near == kind) or "none"
