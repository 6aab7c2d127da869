"""An opened concept as rows of one line each, and the cursor of any list."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobsearch.cli.live.messages import Link, Opened


@dataclass
class Cursor:
    """The selected row of a list, and how many rows are above the screen."""

    selected: int = 0
    scroll: int = 0

    def move(self, step: int, rows: int) -> None:
        """Select the row `step` further, stopping at either end."""
        self.selected = max(0, min(self.selected + step, rows - 1))

    def window(self, line: int, lines: int, height: int) -> int:
        """Scroll no more than it takes to have a line on the screen, and return the first line shown."""
        self.scroll = min(max(self.scroll, line - height + 1), line, max(0, lines - height))
        self.scroll = max(0, self.scroll)
        return self.scroll


@dataclass(frozen=True)
class Row:
    """A line of a concept's page: a heading, a text, or a concept that can be opened."""

    text: str
    heading: bool = False
    link: Link | None = None


@dataclass
class Page:
    """An opened concept as rows, and where one is in it."""

    opened: Opened
    rows: list[Row] = field(init=False)
    cursor: Cursor = field(default_factory=Cursor)

    def __post_init__(self) -> None:
        entry = self.opened.entry
        self.rows = [Row(f"{entry.labels[0]}  ({entry.kind}, {entry.language})", heading=True), Row(entry.uri)]
        path = [Row(f"{code} {label}".strip()) for code, label in entry.isco_path]
        self._add("ISCO-08", path)
        self._add(f"Also called ({len(entry.labels) - 1})", [Row(label) for label in entry.labels[1:]])
        for heading, links in self.opened.sections.items():
            self._add(f"{heading} ({len(links)})", [Row(link.label, link=link) for link in links])

    def next_section(self) -> None:
        """Select the first row of the next section, after the last one the top."""
        starts = [at + 1 for at, row in enumerate(self.rows) if row.heading][1:]
        self.cursor.selected = next((at for at in starts if at > self.cursor.selected), 0)

    def _add(self, heading: str, rows: list[Row]) -> None:
        if rows:
            self.rows += [Row(""), Row(heading, heading=True), *rows]
