"""What all pictures have in common: colours, a figure to draw on, and its way into files.

Matplotlib is used without `pyplot`, so no window system and no global state is touched.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobsearch.report.letters import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with any colour vision (https://jfly.uni-koeln.de/color/). Wherever colour
# carries a meaning, a shape, a line's style or a word carries it too. Words on white are in the darker ones.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY = "#1B1F24", "#666666"

_DPI = 144
_LONGEST = 40


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure and what is said of it.

    Args:
        name: file name without ending; plain letters, digits and dashes.
        title: what it shows, in a line.
        caption: how to read it.
        alternative: what it shows in words and numbers, for those who do not see it.
        figure: the drawing.
    """

    name: str
    title: str
    caption: str
    alternative: str
    figure: Figure = field(repr=False)


@dataclass(frozen=True)
class Drawn:
    """A picture as a file's content.

    Args:
        content: the bytes.
        letters_missing: whether the font lacks letters of some text, so that boxes stand for them.
    """

    content: bytes
    letters_missing: bool


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, white whatever is around it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def heading(figure: Figure, title: str) -> None:
    """Write a title over a whole figure, as it is: a dollar sign begins no formula."""
    figure.suptitle(printable(title), fontsize=12, color=INK, parse_math=False)


def quiet(axes: Axes) -> None:
    """Leave of the frame only what the eye needs."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)


def draw(figure: Figure, kind: str) -> Drawn:
    """Return a figure as `svg` (letters as outlines, which look alike everywhere) or `png`; always the same bytes.

    Args:
        figure: the drawing.
        kind: `svg` or `png`.
    """
    import matplotlib

    metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    out = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context({"svg.hashsalt": "jobsearch"}):
        warnings.simplefilter("always")
        figure.savefig(out, format=kind, metadata=metadata)
    return Drawn(out.getvalue(), any("missing from font" in str(warning.message) for warning in caught))


def short(text: str, longest: int = _LONGEST) -> str:
    """Cut a text that is too long for a label."""
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
