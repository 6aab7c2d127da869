"""Text in cells of a terminal: cut, filled up, wrapped, and in letters that the terminal can show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from prompt_toolkit.utils import get_cwidth

from jobsearch.cli.signs import movement_marks, shows_unicode
from jobsearch.errors import JobSearchError


@dataclass(frozen=True)
class Glyphs:
    """The signs that the screen is made of, and whether letters beyond ASCII can be shown."""

    rule: str
    bar: str
    pointer: str
    ellipsis: str
    step: str
    dot: str
    up: str
    down: str
    unicode: bool

    def clean(self, text: str) -> str:
        """Return a text without what would disturb the screen: control characters, letters it cannot show."""
        if text.isascii() and text.isprintable():
            return text
        return "".join(map(self._letter, unicodedata.normalize("NFC", text)))

    def same_length(self, text: str) -> str:
        """Return a text with one sign for each letter, so that a cursor in it stays where it is."""
        return "".join(self._letter(letter) or "?" for letter in text)

    def _letter(self, letter: str) -> str:
        category = unicodedata.category(letter)
        if category in ("Cc", "Cs", "Zl", "Zp"):
            return "?"
        if category == "Cf":
            return ""  # invisible; some turn the direction of all that follows
        if self.unicode or letter.isascii():
            return letter
        if unicodedata.combining(letter):
            return ""
        plain = unicodedata.normalize("NFKD", letter)[:1]
        return plain if plain.isascii() else "?"


UNICODE = Glyphs("─", "│", "›", "…", "›", "·", *movement_marks(unicode=True), unicode=True)
ASCII = Glyphs("-", "|", ">", "...", ">", "-", *movement_marks(unicode=False), unicode=False)


def glyphs_for(variables: Mapping[str, str], encoding: str) -> Glyphs:
    """Return the signs that a terminal can show.

    Args:
        variables: the environment.
        encoding: stdout's.
    """
    return UNICODE if shows_unicode(variables, encoding) else ASCII


def fit(text: str, width: int, glyphs: Glyphs) -> str:
    """Return a text in just `width` cells: filled up with spaces, or cut with an ellipsis at its end."""
    text = glyphs.clean(text)
    if get_cwidth(text) > width:
        text = head(text, width - len(glyphs.ellipsis)) + glyphs.ellipsis if width > len(glyphs.ellipsis) else ""
    return text + " " * max(0, width - get_cwidth(text))


def head(text: str, width: int) -> str:
    """Return as much of the beginning of a text as goes into `width` cells."""
    used = 0
    for position, letter in enumerate(text):
        used += get_cwidth(letter)
        if used > width:
            return text[:position]
    return text


def wrap(text: str, width: int, glyphs: Glyphs) -> list[str]:
    """Return a text as lines of at most `width` cells, broken at spaces, a longer word within."""
    width = max(2, width)  # a letter may be two cells wide
    lines, line = [], ""
    for word in glyphs.clean(text).split():
        joined = f"{line} {word}" if line else word
        if line and get_cwidth(joined) > width:
            lines.append(line)
            joined = word
        line = joined
        while get_cwidth(line) > width:
            part = head(line, width)
            lines.append(part)
            line = line[len(part) :]
    return [*lines, line] if line or not lines else lines


def one_line(error: Exception) -> str:
    """Return an error as a line for a user; one that nobody foresaw with its type."""
    said = " ".join(str(error).split())
    return said if isinstance(error, JobSearchError) else f"{type(error).__name__}: {said}"
