"""What several commands share: options, progress, and lines on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobsearch.progress import Progress, silent

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch

_DEFAULT_HITS = 10
# What a kind is called elsewhere: by the live search, and in the plural.
_KINDS = {"title": "occupation", "titles": "occupation", "occupations": "occupation", "skills": "skill", "both": "all"}
# The console of the bar that is shown, if one is.
_bars: list[Any] = []
Command = TypeVar("Command", bound=Callable[..., Any])


def kind_named(text: str) -> str:
    """Return the kind that a user names; what is none comes back as it is, for the search to refuse."""
    plain = text.strip().lower()
    return _KINDS.get(plain, plain if plain in ("occupation", "skill", "all") else text)


def read_kind(_: click.Context, __: click.Parameter, value: str) -> str:
    """Read a kind by any of its names, as an option's callback."""
    return kind_named(value)


def read_language(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Read a language's code in any case, as an option's callback; several where the option may be repeated."""
    if isinstance(value, tuple):
        return tuple(code.strip().lower() for code in value)
    return None if value is None else value.strip().lower()


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON instead of a table.")(command)


def k_option(command: Command) -> Command:
    """Add `-k`; without it 10 hits are shown, or all where an index holds fewer (see `hits_wanted`)."""
    text = f"Hits for each query.  [default: {_DEFAULT_HITS}]"
    return click.option("-k", type=int, default=None, metavar="N", help=text)(command)


def kind_option(default: str = "all") -> Callable[[Command], Command]:
    """Return what adds `--kind`."""
    text = "What to find: occupation, skill or all."
    return click.option("--kind", callback=read_kind, default=default, show_default=True, metavar="KIND", help=text)


def filter_options(command: Command) -> Command:
    """Add `--isco`, `--language` and `--min-score`, the parts of a `Filter`."""
    isco = click.option("--isco", metavar="CODE", help="Only occupations of this ISCO-08 group, 1 to 4 digits.")
    language = click.option("--language", callback=read_language, metavar="CODE", help="Only labels in this language.")
    score = "Only hits with this score or a higher one, -1 to 1."
    min_score = click.option("--min-score", type=float, metavar="SCORE", help=score)
    return isco(language(min_score(command)))


def hits_wanted(k: int | None, engine: JobSearch, kind: str) -> int:
    """Return how many hits to ask for: what the user said, unchecked, else as many as there are up to 10."""
    from jobsearch.hits import one_kind

    if k is not None:
        return k
    return max(1, min(_DEFAULT_HITS, engine.opened.labels.concepts(one_kind(kind))))


def languages_option(command: Command) -> Command:
    """Add `--language`, several times if wanted, as `languages`."""
    text = "Only this language; may be repeated."
    return click.option("--language", "languages", callback=read_language, multiple=True, metavar="CODE", help=text)(
        command
    )


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON on stdout; `indent=None` gives one line."""
    # Where stdout is not UTF-8 some letters would come out as question marks: escaped, they all come through.
    escaped = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    click.echo(json.dumps(value, ensure_ascii=escaped, indent=indent))


def disk_size(count: int) -> str:
    """Return bytes as people read them, in powers of ten as disks are sold."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def write_output(path: str, content: bytes) -> None:
    """Write a file that the user named, whole or not at all, and say so on stderr.

    Raises:
        StorageError: it cannot be written.
    """
    from pathlib import Path

    from jobsearch.files import write_atomically

    write_atomically(Path(path).expanduser(), content)
    click.echo(f"Wrote {path}.", err=True)


def stdin_lines() -> Iterator[str]:
    """Yield stdin's lines as they come, read as UTF-8 whatever the locale says; a byte-order mark is dropped.

    Raises:
        QueryError: it is UTF-16. Other bytes that are no UTF-8 come through as U+FFFD: one must not end a stream.
    """
    from jobsearch.errors import QueryError
    from jobsearch.utf8 import refuse_utf16

    # Not through `sys.stdin.buffer`: at exit the interpreter closes that, and crashes if a thread still reads it.
    with open(sys.stdin.fileno(), "rb", closefd=False) as raw:
        refuse_utf16(raw.peek(2), "stdin", QueryError)
        yield from io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace")


@contextlib.contextmanager
def show_progress() -> Iterator[Progress]:
    """Yield a progress callback: a bar on stderr, or nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        current: dict[str, Any] = {}  # the one step that is shown, by name

        def report(step: str, done: int, total: int) -> None:
            if step not in current:
                for task in current.values():
                    bar.remove_task(task)
                current.clear()
                current[step] = bar.add_task(step, total=total or None)
            bar.update(current[step], completed=done, total=total or None)

        _bars.append(bar.console)
        try:
            yield report
        finally:
            _bars.pop()


def say(message: str) -> None:
    """Print a line on stderr, above the bar if one is shown."""
    if _bars:
        _bars[-1].print(message, markup=False, highlight=False, soft_wrap=True)
    else:
        click.echo(message, err=True)
