"""`jobsearch shell`, and `jobsearch` alone: the interactive search."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import click

from jobsearch.cli.common import hits_wanted, k_option, kind_named, kind_option, stdin_lines
from jobsearch.cli.opening import open_engine
from jobsearch.errors import JobSearchError, QueryError

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.hits import Hit, KindFilter

_MOST_DIGITS = 10  # Python refuses to read numbers of thousands of digits
_HELP = """\
Type a job title or a skill to find what is nearest to it.
  3              open hit 3: its labels, ISCO group and related skills
  :k 5           show 5 hits for each query
  :kind skill    find only skills (occupation, skill, all)
  :compare       ask the base and the newest tuned encoder the last query again (or :compare QUERY)
  :help          this help
  :quit          leave (also Ctrl-D)"""


@click.command()
@k_option
@kind_option()
@click.option("--index", "index_name", metavar="NAME", help="Index to search. Default: that of the taxonomy in use.")
@click.option("--plain", is_flag=True, help="Line by line, without the full screen.")
def shell(k: int | None, kind: str, index_name: str | None, plain: bool) -> None:
    """Search interactively.

    In a terminal the hits change while you type; F1 shows the keys. Elsewhere, and with --plain, it goes line by line:
    hits are numbered, a number opens one, `:help` shows the rest.

    \b
    Examples:
      jobsearch shell --kind occupation
      printf 'plumber\\n1\\n' | jobsearch shell
    """
    engine = open_engine(index_name)
    session = _Session(engine, hits_wanted(k, engine, kind), kind)
    if not plain and _has_full_screen():
        from jobsearch.cli.live.app import run_live

        run_live(engine, k, cast("KindFilter", kind))
        return
    if sys.stdin.isatty():
        labels = session.engine.opened.manifest.counts["labels"]
        click.echo(f"{labels:,} labels. Type a job title or a skill; :help for more, Ctrl-D to leave.")
    for line in _input():
        try:
            if not session.handle(line.strip()):
                break
        except JobSearchError as error:
            click.echo(f"Error: {error}", err=True)


def _has_full_screen() -> bool:
    dumb = os.environ.get("TERM", "dumb").lower() in ("", "dumb", "unknown")
    return sys.stdin.isatty() and sys.stdout.isatty() and not dumb


class _Session:
    """What the shell remembers between lines."""

    def __init__(self, engine: JobSearch, k: int, kind: str) -> None:
        self.engine = engine
        self._k = k
        self._kind: KindFilter = "all"
        self._hits: list[Hit] = []
        self._query = ""
        self._both: tuple[JobSearch, JobSearch] | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "help": lambda _: click.echo(_HELP),
            "k": self._set_k,
            "kind": self._set_kind,
            "compare": self._compare,
        }
        self._set(k, kind)

    def handle(self, line: str) -> bool:
        """Act on one line; return whether to go on."""
        if line in (":quit", ":q", ":exit"):
            return False
        if line.startswith(":"):
            name, _, argument = line[1:].partition(" ")
            command = self._commands.get(name)
            if command is None:
                raise QueryError(f"there is no command :{name}; expected one of :help, :k, :kind, :compare, :quit")
            command(argument.strip())
        elif line.isdecimal() and len(line) < _MOST_DIGITS and 1 <= int(line) <= len(self._hits):
            self._open(self._hits[int(line) - 1])
        elif line:
            self._search(line)
        return True

    def _set_k(self, argument: str) -> None:
        try:
            self._set(int(argument), self._kind)
        except ValueError:
            raise QueryError(f":k takes a whole number and got {argument!r}; type for example :k 5") from None
        click.echo(f"Showing {self._k} hits.")

    def _set_kind(self, argument: str) -> None:
        self._set(self._k, kind_named(argument))
        click.echo(f"Finding: {self._kind}.")

    def _set(self, k: int, kind: str) -> None:
        wanted = cast("KindFilter", kind)
        self.engine.search_many([], k, wanted)  # checks both, and says what is wrong
        self._k, self._kind = k, wanted

    def _compare(self, argument: str) -> None:
        from jobsearch.cli.compare import open_both
        from jobsearch.cli.compare_render import print_comparison
        from jobsearch.comparison import compare

        query = argument or self._query
        if not query:
            raise QueryError("there is no query to compare yet; search first, or type :compare QUERY")
        self._both = self._both or open_both()
        print_comparison(*self._both, compare(*self._both, [query], self._k, self._kind)[0])

    def _search(self, query: str) -> None:
        from jobsearch.cli.hints import name_hint
        from jobsearch.cli.render import print_hits

        self._hits = self.engine.search(query, self._k, self._kind)
        self._query = query
        if hint := name_hint(self.engine.opened, query):
            click.echo(hint, err=True)
        print_hits(query, self._hits)

    def _open(self, hit: Hit) -> None:
        from jobsearch.cli.render import print_concept

        entry = self.engine.concept(hit.uri, hit.language)
        related = (*entry.skills.values(), *entry.occupations.values())
        names = {uri: self.engine.concept(uri, hit.language).labels[0] for uris in related for uri in uris}
        print_concept(entry, names)


def _input() -> Iterator[str]:
    """Yield what the user types: edited and remembered in a terminal, plain lines elsewhere."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield from stdin_lines()
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    from jobsearch.cli.live.history import HISTORY_FILE
    from jobsearch.home import data_directory

    history: History
    try:
        data_directory().mkdir(parents=True, exist_ok=True)
        path = data_directory() / HISTORY_FILE
        path.touch()
        history = FileHistory(str(path))
    except OSError:
        history = InMemoryHistory()  # a read-only home is no reason not to search
    session: PromptSession[str] = PromptSession(history=history)
    while True:
        try:
            yield session.prompt("> ")
        except KeyboardInterrupt:
            continue  # drops the line, as in other shells
        except EOFError:
            return
