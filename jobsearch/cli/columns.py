"""Tables of one line a row: what a terminal has no room for is shortened or left out, the least needed first.

A cell that goes on in the next line makes it hard to see what belongs together, and a list of ten hits longer than the
screen. So a table is told which columns give way, in which order, and which texts are to stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

_GAP = 2  # cells between two columns


@dataclass(eq=False)
class Column:
    """A column of a table; it changes while the table is fitted.

    Args:
        heading: what stands over it.
        cells: its texts, one a row, without markup.
        right: whether they stand at the right.
        styles: rich's style of each cell, if any has one.
        shorter: what may stand there instead, one a row.
        least: cells of the terminal that it takes at least, also where its texts are shorter.
    """

    heading: str
    cells: Sequence[str]
    right: bool = False
    styles: Sequence[str] = ()
    shorter: Sequence[str] | None = None
    least: int = 0

    def __post_init__(self) -> None:
        self.width = self.natural

    @property
    def natural(self) -> int:
        """Cells of the terminal that its texts take."""
        return max(self.least, *map(cell_len, (self.heading, *self.cells)))

    def shorten(self) -> None:
        """Take the shorter texts."""
        self.cells = self.cells if self.shorter is None else self.shorter
        self.width = self.natural


@dataclass(frozen=True)
class Step:
    """Room that columns give where the labels of a table have not enough.

    Args:
        columns: they give it together; none where the table lacks them.
        cut_to: cells down to which they are cut; 0: they are left out, a part of them would be of no use.
        shorten: whether they take their shorter texts instead of both.
        worth: cells of a label that are worth it, of longer ones as many; None: a whole one.
    """

    columns: Sequence[Column]
    cut_to: int = 0
    shorten: bool = False
    worth: int | None = None


def fit_columns(columns: Sequence[Column], labels: Sequence[Column], steps: Iterable[Step], width: int) -> list[Column]:
    """Fit a table into a width, and return the columns that are left.

    Args:
        columns: all of them, from left to right.
        labels: those of them that are cut last, after all steps.
        steps: what gives way for them, least needed first; none that is not needed is taken.
        width: cells of the terminal.
    """
    left = list(columns)

    def over(worth: int | None) -> int:
        kept = {id(label): min(label.natural, worth or label.natural) for label in labels}
        return sum(kept.get(id(column), column.width) + _GAP for column in left) - _GAP - width

    for step in steps:
        giving = [column for column in step.columns if column in left]
        missing = over(step.worth)
        if missing <= 0 or not giving:
            continue
        if step.shorten:
            for column in giving:
                column.shorten()
        elif step.cut_to and all(column.width - missing >= step.cut_to for column in giving):
            for column in giving:
                column.width -= missing
        else:
            left = [column for column in left if column not in giving]
    _cut_labels(labels, over(None))
    return left


def _cut_labels(labels: Sequence[Column], missing: int) -> None:
    """Let labels give what is still missing, of several the longest first."""
    for _ in range(max(0, missing)):
        longest = max(labels, key=lambda label: label.width)
        longest.width = max(1, longest.width - 1)


def draw(columns: Sequence[Column], ellipsis: str, width: int | None = None) -> list[Text]:
    """Return a table as its lines, the headings first.

    Args:
        columns: as `fit_columns` left them.
        ellipsis: what stands where a text was cut.
        width: cells of the terminal that no line exceeds; None: there is no terminal.
    """
    rows = [Text(style="dim"), *(Text() for _ in columns[0].cells)]
    for position, column in enumerate(columns):
        styles = ("", *(column.styles or [""] * len(column.cells)))
        for row, text, style in zip(rows, (column.heading, *column.cells), styles, strict=True):
            shown = cut(text, column.width, ellipsis)
            padding = " " * (column.width - cell_len(shown))
            row.append(" " * _GAP if position else "")
            row.append(padding + shown if column.right else shown, style=style)
            row.append("" if column.right else padding)
    for row in rows:
        row.rstrip()
        if width is not None and row.cell_len > width:  # narrower than what never gives way
            row.truncate(width)
    return rows


def cut(text: str, width: int, ellipsis: str) -> str:
    """Return a text of at most `width` cells, with an ellipsis at its end where it was cut."""
    if cell_len(text) <= width:
        return text
    if width <= len(ellipsis):
        return ellipsis[:width]
    shown = text
    while cell_len(shown) > width - len(ellipsis):
        shown = shown[:-1]
    return shown.rstrip() + ellipsis
