"""Where to write the names of points so that none covers another: pure geometry, in any unit of length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# A line to a name is looked at in so many pieces.
_PIECES = 8
_PASSES = 3


def place(points: Floats, sizes: Floats, bounds: tuple[float, float, float, float], gap: float) -> Floats:
    """Choose a place for each point's name: near it, off all points, inside the bounds, over no name and no line.

    A name that stands off is joined to its point by a line, which other names keep off too. Names whose points lie
    close together come first; each takes the place with the least cost, among rows of places around its point, and
    then each may change its mind, now that it sees where the others are.

    Args:
        points: (n, 2).
        sizes: width and height of each name; (n, 2).
        bounds: left, bottom, right, top of what may be written on.
        gap: least distance of a name from its point, and of anything from anything.

    Returns:
        The centre of each name, (n, 2). Where there is no free place, names overlap as little as can be.
    """
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(np.sort(distances, axis=1)[:, : min(3, len(points))].mean(axis=1))
    centres = np.array(points, np.float64)
    dots = np.concatenate([points - gap, points + gap], axis=1)
    names: dict[int, Floats] = {}
    lines: dict[int, Floats] = {}
    for own in [*order.tolist()] * _PASSES:
        names.pop(own, None)
        lines.pop(own, None)
        candidates = _around(points[own], sizes[own], gap)
        boxes = np.concatenate([candidates - sizes[own] / 2, candidates + sizes[own] / 2], axis=1)
        leaders = _leaders(points[own], candidates, sizes[own], gap)
        others = np.array([*names.values()]).reshape(-1, 4)
        cost = np.linalg.norm(leaders[:, -1, :2] - leaders[:, 0, :2], axis=1) / sizes[own][1]
        cost += np.abs(candidates[:, 0] - points[own][0]) / sizes[own][0]  # centred rather than aside
        cost += 40 * _overlap(boxes, np.concatenate([dots, *lines.values()])).sum(axis=1) / sizes[own].prod()
        cost += 200 * _overlap(boxes, others + np.array([-gap, -gap, gap, gap]) / 2).sum(axis=1) / sizes[own].prod()
        crossed = _overlap(leaders.reshape(-1, 4), others).sum(axis=1).reshape(len(candidates), -1)
        cost += 40 * crossed.sum(axis=1) / gap**2
        cost += 1000 * _outside(boxes, bounds) / (np.hypot(*sizes[own]) + gap)
        best = int(np.argmin(cost))
        centres[own], names[own], lines[own] = candidates[best], boxes[best], leaders[best]
    return centres


def overlaps(centres: Floats, sizes: Floats) -> list[tuple[int, int]]:
    """Return the pairs of names that cover each other."""
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    area = np.triu(_overlap(boxes, boxes), k=1)
    return [(int(first), int(second)) for first, second in zip(*np.nonzero(area > 1e-9), strict=True)]


def _around(point: Floats, size: Floats, gap: float) -> Floats:
    """Return the centres that a name may have: beside the point, and in rows above and below it."""
    width, height = size / 2
    beside = [(side * (width + 1.5 * gap), 0.0) for side in (1, -1)]
    rows = [height + 1.2 * gap + 0.6 * size[1] * row for row in range(10)]
    shifts = np.linspace(-1.8, 1.8, 13) * width
    found: Floats = point + np.array([*beside, *((x, side * y) for y in rows for side in (1, -1) for x in shifts)])
    return found


def _leaders(point: Floats, candidates: Floats, size: Floats, gap: float) -> Floats:
    """Return the line from a point to the edge of each place as small boxes, (candidates, boxes, 4)."""
    edges = np.clip(point, candidates - size / 2, candidates + size / 2)
    along = np.linspace(0, 1, _PIECES)[:, None]
    middles = point + along * 0.98 * (edges - point)[:, None]
    return np.concatenate([middles - gap / 4, middles + gap / 4], axis=2)


def _overlap(boxes: Floats, others: Floats) -> Floats:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    area: Floats = np.clip(high - low, 0, None).prod(axis=2)
    return area


def _outside(boxes: Floats, bounds: Sequence[float]) -> Floats:
    low = np.clip(np.array(bounds[:2]) - boxes[:, :2], 0, None)
    high = np.clip(boxes[:, 2:] - np.array(bounds[2:]), 0, None)
    found: Floats = (low + high).sum(axis=1)
    return found
