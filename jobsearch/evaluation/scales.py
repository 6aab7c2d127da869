"""What is shown of one matrix or two, and on which scale: the same in the terminal and in the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jobsearch.evaluation.metrics import Floats

RGB = tuple[int, int, int]
# The difference's scale reaches at least this far, so that a change of no weight does not look like one.
_LEAST_DIFFERENCE = 0.05
# Matplotlib's maps viridis and PuOr at equal steps, for a terminal; both can be told apart with any colour vision.
_SIMILARITY = ("viridis", ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)))
_DIFFERENCE = ("PuOr", ((127, 59, 8), (253, 184, 99), (247, 247, 247), (178, 171, 210), (45, 0, 75)))


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to colours.

    Args:
        low: number at the dark end.
        high: number at the other end, above `low`.
        signed: whether the numbers are differences: 0 is in the middle then, and the sign is written.
    """

    low: float
    high: float
    signed: bool = False

    @property
    def map_name(self) -> str:
        """Name of the colour map in Matplotlib."""
        return (_DIFFERENCE if self.signed else _SIMILARITY)[0]

    def colour(self, value: float) -> RGB:
        """Return the ground's colour for a number; beyond the scale that of its end."""
        _, steps = _DIFFERENCE if self.signed else _SIMILARITY
        place = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0) * (len(steps) - 1)
        step = min(int(place), len(steps) - 2)
        share = place - step
        red, green, blue = (
            round((1 - share) * before + share * after)
            for before, after in zip(steps[step], steps[step + 1], strict=True)
        )
        return red, green, blue

    def text(self, value: float) -> str:
        """Write a number with two decimals; a difference that rounds to nothing is `0`."""
        if not self.signed:
            return f"{value:.2f}"
        return "0" if abs(value) < 0.005 else f"{value:+.2f}"


@dataclass(frozen=True, eq=False)
class Panel:
    """One matrix as it is to be shown."""

    name: str
    values: Floats = field(repr=False)
    scale: Scale


def panels(matrices: Mapping[str, Floats]) -> list[Panel]:
    """Return what to show: each matrix, on one scale, and for two their difference, second minus first.

    Args:
        matrices: one or two, by encoder name; similarities, so 1 on the diagonal.
    """
    # The diagonal's 1 is the scale's end; its start is the next lower twentieth.
    low = math.floor(min(float(values.min()) for values in matrices.values()) * 20) / 20
    scale = Scale(min(low, 0.95), 1.0)
    shown = [Panel(name, values, scale) for name, values in matrices.items()]
    if len(shown) > 1:
        change = shown[1].values - shown[0].values
        most = max(float(np.abs(change).max()), _LEAST_DIFFERENCE)
        shown.append(Panel("difference", change, Scale(-most, most, signed=True)))
    return shown


def ink(ground: RGB) -> str:
    """Return `black` or `white`, whichever can be read on a ground (by its luma, ITU-R BT.601)."""
    red, green, blue = ground
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 127 else "white"
