"""The state as lines of styled text, each of just the screen's width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prompt_toolkit.utils import get_cwidth

from jobsearch.cli.live.messages import Compared, Found
from jobsearch.cli.live.text import Glyphs, fit, wrap
from jobsearch.cli.signs import KIND_NAMES, movement_mark
from jobsearch.hits import any_good_match

if TYPE_CHECKING:
    from jobsearch.cli.live.page import Row
    from jobsearch.cli.live.state import LiveState
    from jobsearch.comparison import Move
    from jobsearch.hits import Hit, KindFilter

Fragment = tuple[str, str]
Line = list[Fragment]
_Item = TypeVar("_Item")
STYLES = {
    "heading": "bold",
    "selected": "reverse",
    "occupation": "ansigreen",
    "skill": "ansimagenta",
    "matched": "ansicyan",
    "entered": "ansigreen",
    "up": "ansigreen",
    "down": "ansiyellow",
    "dropped": "ansired",
    "failed": "ansired bold",
    "hint": "ansiyellow",
}
_TABS: tuple[tuple[KindFilter, str], ...] = (("all", "both"), ("occupation", "titles"), ("skill", "skills"))
_LEAST_TEXTS = 40  # cells for two labels side by side: the preferred one and the one that matched
# Cells of a label that are worth a column of figures. By the screen's width alone, so that none moves while one types.
_WORTH_FIGURES = 24
_WORTH_COMPARED = 20  # the same where there are two lists side by side
_LEAST_WITH_HEADS = 3  # lines of a list that can spare one for headings
_MARGIN, _COMPARED_MARGIN = 7, 8  # cells that pointer, rank and, in a comparison, movement take
_RECENT = 8
_IN_USE = " (in use)"
_LISTS = ("Tab kind", "^Y copy URI", "^S save", "^P earlier")
_KEYS = {
    "hits": ("Enter open", "^T compare", *_LISTS),
    "comparison": ("Enter open", "^T hits", *_LISTS),
    "concept": ("Enter open", "Esc back", "Tab section", "^Y copy URI", "^S save"),
    "help": ("Esc back", "Up Down scroll"),
}
_ALWAYS = ("F1 help", "^C leave")
HELP = (
    ("", "Hits change while you type a job title or a skill, in any of 16 languages."),
    ("", "Sure: how likely a hit is the one meant. Matched by: its name that was nearest."),
    ("Up Down PgUp PgDn", "move through hits, and through an opened concept"),
    ("Enter", "open what is selected: labels, ISCO, skills, related titles"),
    ("Esc", "back; among hits empty the query; without one leave"),
    ("Tab", "find titles, skills or both; in a concept the next section"),
    ("Ctrl-T", "base and tuned side by side, what moved is marked; and back"),
    ("Ctrl-Y", "copy the URI, where the terminal allows it (OSC 52)"),
    ("Ctrl-S Ctrl-O", "save the list into a new file here, as CSV or as JSON"),
    ("Ctrl-P Ctrl-N", "earlier and later queries, also of other sessions"),
    ("F1, or ? at first", "this help"),
    ("Ctrl-C Ctrl-D", "leave; so does :q and Enter"),
    ("Ctrl-Z", "suspend; fg comes back"),
)


@dataclass(frozen=True)
class About:
    """What the header says of the engine."""

    index: str
    encoder: str
    labels: int


class View:
    """Draws the state.

    Args:
        glyphs: the signs that the terminal can show.
        about: what is searched.
        recent: earlier queries, newest first.
    """

    def __init__(self, glyphs: Glyphs, about: About, recent: Sequence[str] = ()) -> None:
        self._glyphs = glyphs
        self._about = about
        self._recent = recent

    def header(self, state: LiveState, width: int) -> Line:
        """Return the first line: what is searched, and which kind is found."""
        tabs = "".join(f"[{name}]" if kind == state.kind else f" {name} " for kind, name in _TABS)
        if get_cwidth(tabs) >= width:
            return [("", self._fit(f"[{dict(_TABS)[state.kind]}]", width))]
        dot = f" {self._glyphs.dot} "
        about = dot.join((self._about.index, self._about.encoder, f"{self._about.labels:,} labels"))
        return [("class:heading", self._fit(about, width - len(tabs))), ("", tabs)]

    def rule(self, width: int) -> Line:
        """Return a line across the screen."""
        return [("", self._glyphs.rule * width)]

    def body(self, state: LiveState, width: int, height: int) -> list[Line]:
        """Return what is between the query and the status line, at most `height` lines."""
        if state.screen == "help":
            lines = self._help(width)
            state.help_scroll = max(0, min(state.help_scroll, len(lines) - height))
            return lines[state.help_scroll :][:height]
        if state.screen == "concept":
            rows = state.pages[-1].rows
            return self._rows(state, rows, lambda row: self._page_row(row, width - 2), width, height)
        if isinstance(state.listed, Compared):
            return self._comparison(state, state.listed, width, height)
        if state.listed is None:
            return [] if state.query.strip() else self._welcome(width)[:height]
        hits = state.listed.hits
        several = len({hit.language for hit in hits}) > 1
        heads = [self._heads(width)] if height >= _LEAST_WITH_HEADS and hits else []
        height -= len(heads)
        return heads + self._rows(state, hits, lambda hit: self._hit(hit, several, width - 2), width, height)

    def status(self, state: LiveState, width: int) -> list[Line]:
        """Return the status: a message or what is under way, on as many lines as it needs; else what is listed."""
        style = "class:failed" if state.failed else "class:heading" if state.preparing and not state.note else ""
        going_on = f"Compare: {state.preparing}{self._glyphs.ellipsis} (^T stops it)" if state.preparing else ""
        text = state.note or going_on or self._summary(state)
        lines: list[Line] = [[(style, line)] for line in wrap(text, width, self._glyphs)]
        if state.listed and state.listed.hint and not (state.note or state.waiting or state.pages or state.help):
            return [[("class:hint", line)] for line in wrap(state.listed.hint, width, self._glyphs)] + lines
        return lines

    def keys(self, state: LiveState, width: int) -> Line:
        """Return the last line: the keys that matter now, as many as there is room for."""
        room = width - sum(len(name) + 2 for name in _ALWAYS) + 2
        names = list(_ALWAYS)
        for position, name in enumerate(_KEYS[state.screen]):
            room -= len(name) + 2
            if room < 0:
                break
            names.insert(position, name)
        return [("", self._fit("  ".join(names), width))]

    def _fit(self, text: str, width: int) -> str:
        return fit(text, width, self._glyphs)

    def _rows(
        self, state: LiveState, rows: Sequence[_Item], draw: Callable[[_Item], Line], width: int, height: int
    ) -> list[Line]:
        """Return the part of a list that is on the screen, each row behind a pointer if it is selected."""
        selected = state.cursor.selected
        first = state.cursor.window(selected, len(rows), height)
        lines = []
        for position, row in enumerate(rows[first : first + height], first):
            line: Line = [("", f"{self._glyphs.pointer if position == selected else ' '} "), *draw(row)]
            text = "".join(part for _, part in line)
            if position == selected:
                line = [("class:selected", self._fit(text, width))]
            elif get_cwidth(text) > width:  # narrower than what never shrinks
                line = [("", self._fit(text, width))]
            lines.append(line)
        return lines

    def _heads(self, width: int) -> Line:
        """Return what is over the columns of hits: the same over each list, so that nothing moves while one types."""
        score, sure, kind = _figures(width - _MARGIN, "Score", "Sure", "Kind")
        numbers = " " * _MARGIN + score + sure + kind
        texts = self._share("Label", "Matched by", width - len(numbers))
        return [("class:heading", self._fit(numbers + "".join(texts), width))]

    def _hit(self, hit: Hit, several: bool, width: int) -> Line:
        matched = "" if hit.matched_label == hit.label else hit.matched_label
        if several:
            matched = f"{matched or hit.label} ({hit.language})"
        likely = "" if hit.confidence is None else f"{hit.confidence:.0%}"
        rank = f"{hit.rank:>3}  "
        score, sure, kind = _figures(width - len(rank), f"{hit.score:.3f}", likely, KIND_NAMES[hit.kind])
        line: Line = [("", rank + score + sure), (f"class:{hit.kind}", kind)]
        label, matched = self._share(hit.label, matched, width - sum(len(text) for _, text in line))
        return [
            *line,
            ("bold" if hit.rank == 1 and hit.good_match is not False else "", label),
            ("class:matched", matched),
        ]

    def _share(self, label: str, matched: str, width: int) -> tuple[str, str]:
        """Return a label and what matched, filled up to `width` cells: the second begins at three fifths or not at all.

        A label that needs that room gets it, for it is what one looks for; opened, a concept shows all its names.
        """
        column = width * 3 // 5
        if not matched or width < _LEAST_TEXTS or get_cwidth(self._glyphs.clean(label)) > column - 2:
            return self._fit(label, width), ""
        return self._fit(label, column), self._fit(matched, width - column)

    def _page_row(self, row: Row, width: int) -> Line:
        if row.link is None:
            return [("class:heading" if row.heading else "", self._fit(row.text, width))]
        score = "" if row.link.score is None else f"{row.link.score:>6.3f}  "
        return [(f"class:{row.link.kind}", self._fit(score + row.text, width))]

    def _comparison(self, state: LiveState, compared: Compared, width: int, height: int) -> list[Line]:
        one, bar = compared.comparison, f" {self._glyphs.bar} "
        left = (width - len(bar)) // 2
        right = width - len(bar) - left
        before = f"before: {compared.base}{_IN_USE if compared.base_in_use else ''}"
        after = f"after: {compared.tuned}{_IN_USE if compared.tuned_in_use else ''}"
        lines = [[("class:heading", self._fit(before, left)), ("", bar), ("class:heading", self._fit(after, right))]]
        chosen = one.moves[state.cursor.selected] if state.cursor.selected < len(one.moves) else None
        line = (chosen.tuned_rank or chosen.base_rank or 1) - 1 if chosen else 0
        rows = max(len(one.base), len(one.tuned))
        first = state.cursor.window(line, rows, max(1, height - 1))
        moves = {move.uri: move for move in one.moves}
        for row in range(first, min(rows, first + height - 1)):
            cells = []
            for hits, cell_width in ((one.base, left), (one.tuned, right)):
                hit = hits[row] if row < len(hits) else None
                move = moves[hit.uri] if hit else None
                # What moved is marked where it arrived, what dropped where it was.
                shown = move is not None and (hits is one.tuned or move.movement == "dropped")
                figures = "" if hit is None else _compared_figures(hit, compared.request.kind == "all", left)
                cells.append(self._cell(hit, move, figures, shown, move is not None and move == chosen, cell_width))
            lines.append([cells[0], ("", bar), cells[1]])
        return lines

    def _cell(
        self, hit: Hit | None, move: Move | None, figures: str, marked: bool, selected: bool, width: int
    ) -> Fragment:
        if hit is None or move is None:
            return "", " " * width
        pointer = self._glyphs.pointer if selected else " "
        mark = movement_mark(move, (self._glyphs.up, self._glyphs.down)) if marked else ""
        style = f"class:{move.movement}" if marked else ""
        text = f"{pointer}{hit.rank:>2} {figures}{mark:<4}{hit.label}"
        return f"{style} class:selected" if selected else style, self._fit(text, width)

    def _summary(self, state: LiveState) -> str:
        if state.screen == "help":
            return ""
        if state.pages:
            return f" {self._glyphs.step} ".join(page.opened.entry.labels[0] for page in state.pages)
        if state.waiting:
            return f"searching{self._glyphs.ellipsis}"
        if state.listed is None:
            return "" if state.query.strip() or not state.comparing else "Type a query to compare it."
        count, place = len(state.items), state.cursor.selected
        if not count:
            return "nothing found"
        text = f"{place + 1} of {count}, found in {state.listed.seconds * 1000:.0f} ms"
        hits = state.listed.hits if isinstance(state.listed, Found) else state.listed.comparison.tuned
        text = text if any_good_match(hits) else f"No good match: {text}"
        if isinstance(state.listed, Found):
            return text
        move = state.listed.comparison.moves[place]
        return f"{text}: {_rank(move.base_rank)} before, {_rank(move.tuned_rank)} after"

    def _welcome(self, width: int) -> list[Line]:
        lines = wrap("Type a job title or a skill: what is nearest to it appears while you type.", width, self._glyphs)
        recent = list(dict.fromkeys(self._recent))[:_RECENT]
        if recent:
            lines += ["", "Your last queries, which Ctrl-P brings back:", *(f"  {query}" for query in recent)]
        return [[("", self._fit(line, width))] for line in lines]

    def _help(self, width: int) -> list[Line]:
        column = max(len(key) for key, _ in HELP) + 2
        lines: list[Line] = []
        for key, does in HELP:
            if not key or width < 2 * column:
                lines += [[("", line)] for line in wrap(f"{key} {does}", width, self._glyphs)]
                continue
            for position, part in enumerate(wrap(does, width - column, self._glyphs)):
                lines.append([("class:heading", f"{'' if position else key:<{column}}"), ("", part)])
        return lines


def _rank(rank: int | None) -> str:
    return "not listed" if rank is None else f"rank {rank}"


def _figures(width: int, score: str, sure: str, kind: str) -> tuple[str, str, str]:
    """Return figures as cells of columns, "" for the least needed ones where a label would have too little room."""
    cells = [f"{score:>6}  ", f"{sure:>4}  ", f"{kind:<5}  "]
    for place in range(len(cells)):
        if width - sum(map(len, cells)) < _WORTH_FIGURES:
            cells[place] = ""
    first, second, third = cells
    return first, second, third


def _compared_figures(hit: Hit, mixed: bool, width: int) -> str:
    """Return what stands before a label on one side of a comparison; its kind where the list may hold both."""
    room = width - _COMPARED_MARGIN - _WORTH_COMPARED
    kind = f"{KIND_NAMES[hit.kind]:<5} " if mixed else ""
    score = f"{hit.score:>6.3f} "
    kind = kind if len(kind) <= room else ""
    return f"{score}{kind}" if len(score) + len(kind) <= room else kind
