"""From text to HTML, escaped: tables, lists, pictures, sections. Nothing here knows what is reported."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobsearch.report.letters import printable


class Html(str):
    """Markup that is right as it is; every other string is text and is escaped."""

    __slots__ = ()


Cell = str | Html


def text(value: object) -> Html:
    """Return a value as markup: escaped, unless it is markup already."""
    return value if isinstance(value, Html) else Html(html.escape(printable(str(value))))


def joined(parts: Iterable[Cell]) -> Html:
    """Put parts behind each other."""
    return Html("\n".join(map(text, parts)))


def tag(name: str, content: Cell, **attributes: str) -> Html:
    """Return an element; `klass` is its class."""
    shown = "".join(f' {"class" if key == "klass" else key}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{shown}>{text(content)}</{name}>")


def paragraph(content: Cell, **attributes: str) -> Html:
    """Return a paragraph."""
    return tag("p", content, **attributes)


def items(contents: Iterable[Cell]) -> Html:
    """Return a list."""
    return tag("ul", joined(tag("li", content) for content in contents))


def table(caption: str, head: Sequence[Cell], rows: Iterable[Sequence[Cell]], words: int = 1) -> Html:
    """Return a table; the first column names its rows.

    Args:
        caption: what it shows.
        head: names of the columns; may be empty.
        rows: as many cells each.
        words: how many columns, from the left, are words; the others are numbers and stand to the right.
    """

    def cell(place: int, content: Cell) -> Html:
        klass = "words" if place < words else "number"
        return tag("th", content, scope="row", klass=klass) if place == 0 else tag("td", content, klass=klass)

    heads = joined(
        tag("th", content, scope="col", klass="words" if place < words else "number")
        for place, content in enumerate(head)
    )
    body = joined(tag("tr", joined(cell(place, content) for place, content in enumerate(row))) for row in rows)
    top = [tag("thead", tag("tr", heads))] if head else []
    inner = joined([tag("caption", tag("span", caption)), *top, tag("tbody", body)])
    return _wide(tag("table", inner), caption)


def pairs(caption: str, rows: Iterable[tuple[str, Cell]]) -> Html:
    """Return a table of names and values."""
    return table(caption, (), rows, words=2)


def image(svg: bytes, alternative: str, title: str, caption: str) -> Html:
    """Return a picture that is part of the page, with its caption."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    shown = Html(f'<img src="{source}" alt="{text(alternative)}">')
    return tag("figure", joined([_wide(shown, title), tag("figcaption", joined([tag("b", f"{title}."), caption]))]))


def _wide(content: Html, name: str) -> Html:
    """Let what is wider than the window be moved, by the keyboard too."""
    return tag("div", content, klass="wide", role="region", tabindex="0", **{"aria-label": name})


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        key: what links within the page name it by.
        title: its heading.
        content: its markup.
    """

    key: str
    title: str
    content: Html


def document(title: str, style: str, top: Html, sections: Sequence[Section], bottom: Html) -> str:
    """Return a whole page that loads nothing and runs nothing.

    Args:
        title: plain text.
        style: CSS.
        top: above the list of contents.
        sections: each is named in the list of contents.
        bottom: the last lines.
    """
    contents = items(Html(f'<a href="#{section.key}">{text(section.title)}</a>') for section in sections)
    shown = (
        tag("section", joined([tag("h2", section.title), section.content]), id=section.key) for section in sections
    )
    body = joined(
        [
            tag("header", top),
            tag("nav", contents, **{"aria-label": "Contents"}),
            tag("main", joined(shown)),
            tag("footer", bottom),
        ]
    )
    # The policy is the proof: a browser refuses whatever the page would want from elsewhere.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
