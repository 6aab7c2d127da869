"""Made-up answers for the live shell, and the live shell driven in this process: keys go in, its screen comes out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from prompt_toolkit.application import create_app_session
from prompt_toolkit.application.current import AppSession
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from jobsearch.cli.live.messages import Compared, ConceptRequest, Found, Link, Opened, SearchRequest
from jobsearch.comparison import compare_hits
from jobsearch.engine import JobSearch
from jobsearch.hits import Hit, KindFilter
from jobsearch.index.labels import ConceptEntry

UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
PAGE_UP, PAGE_DOWN, F1, ESCAPE = "\x1b[5~", "\x1b[6~", "\x1bOP", "\x1b"
ENTER, TAB, BACKSPACE = "\r", "\t", "\x7f"


def ctrl(letter: str) -> str:
    return chr(ord(letter.upper()) - 64)


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def hit(label: str, rank: int = 1, matched: str | None = None, language: str = "en", score: float = 0.5) -> Hit:
    return Hit(rank, score, f"urn:{label}", "occupation", label, matched or label, language, score, 0.0, "meaning")


def hits(*labels: str) -> tuple[Hit, ...]:
    return tuple(hit(label, rank) for rank, label in enumerate(labels, 1))


def found(query: str, *labels: str, kind: KindFilter = "all") -> Found:
    return Found(SearchRequest(query, kind), hits(*labels), 0.004)


def compared(query: str, before: Sequence[str], after: Sequence[str], kind: KindFilter = "all") -> Compared:
    comparison = compare_hits(query, hits(*before), hits(*after))
    return Compared(SearchRequest(query, kind, compared=True), comparison, "use", "tuned-1", 0.008, tuned_in_use=True)


def opened(label: str, related: Sequence[str] = (), other_names: Sequence[str] = ()) -> Opened:
    entry = ConceptEntry(
        f"urn:{label}", "occupation", "en", (label, *other_names), "2512", (("2", "Professionals"),), {}, {}
    )
    links = tuple(Link(f"urn:{name}", "occupation", name, 0.25) for name in related)
    return Opened(ConceptRequest(f"urn:{label}", "en"), entry, {"Related titles": links} if links else {})


def exact(label: str, kind: str = "title") -> re.Pattern[str]:
    """Return what the row of a hit looks like that is what was typed."""
    return re.compile(rf"1\.000 +\d+%  {kind}  {re.escape(label)}\b")


class Screen(DummyOutput):
    """A terminal of a size that a test may change."""

    def __init__(self, columns: int, rows: int) -> None:
        self.size = Size(rows=rows, columns=columns)
        self.sent: list[str] = []

    def get_size(self) -> Size:
        return self.size

    def write_raw(self, data: str) -> None:
        self.sent.append(data)


class Driver:
    """Someone before the screen, on a thread of their own."""

    def __init__(self, session: AppSession, pipe: PipeInput, screen: Screen) -> None:
        self._session = session
        self._pipe = pipe
        self.screen = screen

    def press(self, *keys: str) -> None:
        for key in keys:
            self._pipe.send_text(key)

    @property
    def lines(self) -> list[str]:
        shown = self._session.app and self._session.app.renderer.last_rendered_screen
        if not shown:
            return []
        cells = shown.data_buffer
        size = self.screen.size
        return ["".join(cells[row][column].char for column in range(size.columns)) for row in range(size.rows)]

    def resize(self, columns: int, rows: int) -> None:
        app = self._session.app
        assert app is not None
        self.screen.size = Size(rows=rows, columns=columns)
        app.loop.call_soon_threadsafe(app._on_resize)

    def give_up(self) -> None:
        """Leave, whatever the keys do."""
        app = self._session.app
        if app is not None and app.is_running:
            app.loop.call_soon_threadsafe(app.exit)

    def wait_for(
        self, *texts: str | re.Pattern[str], without: Sequence[str | re.Pattern[str]] = (), timeout: float = 10
    ) -> list[str]:
        """Wait until all texts are on the screen and none of `without` is, and return its lines."""
        end = time.monotonic() + timeout
        while True:
            lines = self.lines
            shown = "\n".join(lines)
            if shown and all(is_in(text, shown) for text in texts) and not any(is_in(text, shown) for text in without):
                return lines
            assert time.monotonic() < end, f"no {texts} without {without} in:\n{shown}"
            time.sleep(0.005)


def is_in(text: str | re.Pattern[str], shown: str) -> bool:
    return text in shown if isinstance(text, str) else bool(text.search(shown))


def wait_until(condition: Callable[[], object], timeout: float = 10) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def drive(
    engine: JobSearch,
    script: Callable[[Driver], None],
    k: int | None = None,
    kind: KindFilter = "all",
    size: tuple[int, int] = (80, 24),
    leave: str = ctrl("c"),
    timeout: float = 10,
) -> None:
    """Run the live shell, let a script use it, then leave by `leave`; "" where the script leaves by itself."""
    from jobsearch.cli.live.app import run_live

    with _terminal(Screen(*size)) as driver:
        faults: list[BaseException] = []
        ended = threading.Event()

        def use() -> None:
            try:
                driver.wait_for("F1 help")
                script(driver)
                driver.press(leave)
                assert ended.wait(timeout), "it did not leave"
            except BaseException as fault:
                faults.append(fault)
                driver.give_up()

        user = threading.Thread(target=use)
        user.start()
        try:
            run_live(engine, k, kind)
        finally:
            ended.set()
            user.join()
        if faults:
            raise faults[0]


@contextmanager
def _terminal(screen: Screen) -> Iterator[Driver]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=screen) as session:
        yield Driver(session, pipe, screen)
