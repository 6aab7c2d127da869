"""What the live shell shows and what each key does to it; knows neither terminal nor engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from jobsearch.cli.live.messages import (
    Answer,
    Compared,
    ConceptRequest,
    Failed,
    Found,
    Opened,
    Preparing,
    Ready,
    Request,
    SearchRequest,
)
from jobsearch.cli.live.page import Cursor, Page

if TYPE_CHECKING:
    from jobsearch.hits import KindFilter

Screen = Literal["help", "concept", "comparison", "hits"]
KIND_ORDER: tuple[KindFilter, ...] = ("all", "occupation", "skill")


class LiveState:
    """The live shell's state: keys and answers go in, requests come out.

    Only the answer to the newest request counts; any other is dropped when it comes.

    Args:
        ask: takes each request.
        prepare: begins to open what a comparison needs, which may take a while.
        cancel: gives that up.
        kind: what to find at first.
    """

    def __init__(
        self,
        ask: Callable[[Request], None],
        prepare: Callable[[], None],
        cancel: Callable[[], None],
        kind: KindFilter = "all",
    ) -> None:
        self._ask_engine = ask
        self._prepare = prepare
        self._cancel = cancel
        self.kind = kind
        self.query = ""
        self.listed: Found | Compared | None = None
        self.pages: list[Page] = []
        self.comparing = False
        self.preparing = ""  # the step of it that is under way
        self.help = False
        self.help_scroll = 0  # lines of it above the screen
        self.note = ""
        self.failed = False
        self._ready = False
        self._cursor = Cursor()
        self._wanted: Request | None = None
        self._enter_waits = False

    @property
    def screen(self) -> Screen:
        """What is shown."""
        if self.help:
            return "help"
        if self.pages:
            return "concept"
        return "comparison" if isinstance(self.listed, Compared) else "hits"

    @property
    def cursor(self) -> Cursor:
        """The cursor of this screen."""
        return self.pages[-1].cursor if self.pages else self._cursor

    @property
    def items(self) -> list[tuple[str, str] | None]:
        """What each row of this screen opens: URI and language."""
        if self.pages:
            page, language = self.pages[-1], self.pages[-1].opened.entry.language
            return [(row.link.uri, language) if row.link else None for row in page.rows]
        if isinstance(self.listed, Compared):
            one = self.listed.comparison
            languages = {hit.uri: hit.language for hit in (*one.base, *one.tuned)}
            return [(move.uri, languages[move.uri]) for move in one.moves]
        return [(hit.uri, hit.language) for hit in self.listed.hits] if self.listed else []

    @property
    def uri(self) -> str | None:
        """The concept that a key is about now: the selected one, else the opened one."""
        selected = self._selected()
        if selected:
            return selected[0]
        return self.pages[-1].opened.entry.uri if self.pages else None

    @property
    def waiting(self) -> bool:
        """Whether a request has no answer yet; until then the list belongs to an earlier one."""
        return self._wanted is not None

    # Keys

    def type(self, query: str) -> None:
        """The query is another one now: search for it, whatever was shown."""
        if query == self.query:
            return
        self.query = query
        self.help = False
        self.pages.clear()
        self._search()

    def tab(self) -> None:
        """Find titles, skills or both, in turn; on a concept's page go to the next section."""
        if self.screen == "concept":
            self.say("")
            self.pages[-1].next_section()
        elif self.screen != "help":
            self.kind = KIND_ORDER[(KIND_ORDER.index(self.kind) + 1) % len(KIND_ORDER)]
            self._search()

    def move(self, step: int) -> None:
        """Select another row; in the help go to another line."""
        if self.help:
            self.help_scroll = max(0, self.help_scroll + step)
        elif self.items:
            self.say("")
            self.cursor.move(step, len(self.items))

    def enter(self) -> None:
        """Open what is selected; where its list is still on its way, open its first when it comes."""
        if self.help:
            self.help = False
        elif self._wanted is not None:
            self._enter_waits = not isinstance(self._wanted, ConceptRequest)
        elif selected := self._selected():
            self.say("")
            self._ask(ConceptRequest(*selected))

    def back(self) -> bool:
        """Go one step back, at last to no query; return whether there was a step."""
        self.say("")
        if self.help:
            self.help = False
        elif self.pages:
            self.pages.pop()
            self._wanted = None
            if not self.pages:
                self._refresh()
        elif self.comparing:
            self.toggle_compare()
        elif self.query:
            self.type("")
        else:
            return False
        return True

    def toggle_compare(self) -> None:
        """Show base and tuned side by side, or the hits again."""
        self.help = False
        self.pages.clear()
        self._wanted = None
        self.comparing = not self.comparing
        self.say("")
        if self.comparing and not self._ready:
            self.preparing = "opening base and tuned"
            self._prepare()
        elif self.preparing:
            self.preparing = ""
            self._cancel()
        self._refresh()

    def toggle_help(self) -> None:
        """Show the help, or what was shown before."""
        self.help = not self.help

    def say(self, message: str, failed: bool = False) -> None:
        """Show a message on the status line until one goes on: types, moves, opens or goes back."""
        self.note, self.failed = message, failed

    # Answers

    def receive(self, answer: Answer) -> None:
        """Show an answer, if it is still wanted."""
        if isinstance(answer, (Preparing, Ready)):
            if self.preparing:
                self._prepared(answer)
        elif answer.request == self._wanted:
            self._wanted = None
            if isinstance(answer, Opened):
                self.pages.append(Page(answer))
            elif isinstance(answer, Failed):
                self._fail(answer)
            else:
                self._list(answer)

    def _list(self, answer: Found | Compared | None) -> None:
        self.listed = answer
        self._cursor = Cursor()
        if self._enter_waits:
            self._enter_waits = False
            self.enter()

    def _fail(self, answer: Failed) -> None:
        self._enter_waits = False
        self.say(answer.message, failed=True)
        if not isinstance(answer.request, ConceptRequest):
            self._list(None)  # what is shown was not found for this query

    def _prepared(self, answer: Preparing | Ready) -> None:
        if isinstance(answer, Preparing):
            self.preparing = answer.step
            return
        self.preparing, self._ready = "", not answer.error
        if answer.error:
            self.comparing = False
            self.say(answer.error, failed=True)
        elif not self.pages:
            self._refresh()

    # Parts of it

    def _request(self) -> Request | None:
        """Return what the list should answer."""
        if not self.query.strip():
            return None
        return SearchRequest(self.query, self.kind, self.comparing and self._ready)

    def _search(self) -> None:
        self._enter_waits = False
        self.say("")
        request = self._request()
        if request is None:
            self._wanted = None
            self._list(None)
        else:
            self._ask(request)

    def _refresh(self) -> None:
        """Search again where the list is not what is wanted now."""
        if self._request() not in (self._wanted, self.listed.request if self.listed else None):
            self._search()

    def _ask(self, request: Request) -> None:
        self._wanted = request
        self._ask_engine(request)

    def _selected(self) -> tuple[str, str] | None:
        if not self.pages and self.waiting:
            return None  # the rows shown are not those of this query
        items = self.items
        return items[self.cursor.selected] if self.cursor.selected < len(items) else None
