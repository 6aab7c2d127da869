"""The live shell as a full-screen application: keys, layout, and the threads behind it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, FilterOrBool
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.styles import Style

from jobsearch.cli.live.answering import Answerer
from jobsearch.cli.live.export import Format, export
from jobsearch.cli.live.history import QueryHistory
from jobsearch.cli.live.messages import Answer
from jobsearch.cli.live.preparing import Both, Preparation
from jobsearch.cli.live.state import LiveState
from jobsearch.cli.live.text import Glyphs, glyphs_for
from jobsearch.cli.live.view import STYLES, About, Line, View
from jobsearch.cli.live.worker import Worker
from jobsearch.errors import StorageError
from jobsearch.home import data_directory

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.hits import KindFilter

_HITS, _COMPARED = 30, 10
_LONGEST = 1000  # letters that may be pasted; more is no title
_ESCAPE = 0.05  # seconds after which Esc is a key and not the beginning of another one
_PATIENCE = 0.5  # seconds that leaving waits for an answer under way
_FIXED = 4  # lines around the list and the status: header, query, rule, keys


def run_live(engine: JobSearch, k: int | None, kind: KindFilter) -> None:
    """Search on a full screen until the user leaves.

    Args:
        engine: what is searched.
        k: hits of a query, checked; default: 30, and 10 on either side of a comparison.
        kind: what to find at first, checked.
    """
    # Warnings and progress would be written over the screen.
    with contextlib.redirect_stderr(io.StringIO()):
        LiveShell(engine, k, kind).run()


class LiveShell:
    """Ties state, view and worker to a terminal."""

    def __init__(self, engine: JobSearch, k: int | None, kind: KindFilter) -> None:
        self._preparation = Preparation(_open_both, self._deliver)
        answerer = Answerer(engine, k or _HITS, k or _COMPARED, self._preparation.both)
        self._worker = Worker(answerer, self._deliver)
        self._state = LiveState(self._worker.ask, self._preparation.start, self._preparation.cancel, kind)
        history = QueryHistory(data_directory())
        self._recent = list(history.load_history_strings())
        opened = engine.opened
        about = About(opened.name, opened.encoder.name, opened.manifest.counts["labels"])
        glyphs = glyphs_for(os.environ, sys.stdout.encoding or "")
        self._view = View(glyphs, about, self._recent)
        self._query = Buffer(multiline=False, history=history, on_text_changed=self._typed)
        self._application = self._make(glyphs)

    def run(self) -> None:
        """Show the screen until the user leaves; the terminal is as before then, whatever happened."""
        broken: list[BaseException] = []

        def prepare() -> None:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._leave)

            def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
                # A fault of ours: leave the screen first, then let it be seen.
                if isinstance(context.get("exception"), BaseException):
                    broken.append(context["exception"])
                self._leave()

            loop.set_exception_handler(fail)

        try:
            self._application.run(pre_run=prepare, set_exception_handler=False)
        finally:
            self._preparation.cancel()
            self._worker.close(_PATIENCE)
        if broken:
            raise broken[0]

    def _deliver(self, answer: Answer) -> None:
        """Bring an answer from any thread to the screen's."""
        loop = self._application.loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed just now: nobody is looking any more
                loop.call_soon_threadsafe(self._show, answer)

    def _show(self, answer: Answer) -> None:
        self._state.receive(answer)
        self._application.invalidate()

    def _leave(self) -> None:
        if self._application.is_running and not self._application.is_done:
            self._application.exit()

    def _typed(self, buffer: Buffer) -> None:
        # Bytes that are no UTF-8 come as surrogates, which nothing behind can write.
        self._state.type(buffer.text.encode("utf-8", "replace").decode())

    # Layout

    def _make(self, glyphs: Glyphs) -> Application[None]:
        view, state = self._view, self._state

        def part(draw: Callable[[int, int], list[Line]], height: Callable[[], int] | int | None = None) -> Window:
            control = FormattedTextControl(lambda: _joined(draw(*self._size())))
            return Window(control, height=height, always_hide_cursor=True)

        query = Window(BufferControl(self._query, input_processors=[_Letters(glyphs)]), height=1)
        root = HSplit(
            [
                part(lambda width, _: [view.header(state, width)], 1),
                VSplit([Window(FormattedTextControl("> "), width=2), query], height=1),
                part(lambda width, _: [view.rule(width)], 1),
                part(lambda width, height: view.body(state, width, height)),
                part(lambda width, _: view.status(state, width), self._status_height),
                part(lambda width, _: [view.keys(state, width)], 1),
            ]
        )
        application: Application[None] = Application(
            Layout(root, focused_element=query),
            key_bindings=self._bindings(),
            style=Style.from_dict(STYLES),
            color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
            full_screen=True,
        )
        application.ttimeoutlen = _ESCAPE
        application.timeoutlen = 2 * _ESCAPE
        return application

    def _status_height(self) -> int:
        size = self._application.output.get_size()
        # However long a message is, some of what it is about stays on the screen.
        return min(len(self._view.status(self._state, size.columns)), max(1, size.rows // 3))

    def _size(self) -> tuple[int, int]:
        """Return width and height of the part that lists."""
        size = self._application.output.get_size()
        return size.columns, max(1, size.rows - _FIXED - self._status_height())

    def _page(self) -> int:
        """Return how many rows a page is: one less than there are lines, for the headings."""
        return max(1, self._size()[1] - 1)

    # Keys

    def _bindings(self) -> KeyBindings:
        keys, state = KeyBindings(), self._state
        concept = Condition(lambda: state.screen == "concept")
        empty = Condition(lambda: not self._query.text)

        def on(*names: str, act: Callable[[], object], when: FilterOrBool = True) -> None:
            for name in names:
                keys.add(name, filter=when)(lambda _: act() and None)

        on("c-c", "c-d", "<sigint>", act=self._leave)
        on("up", act=lambda: state.move(-1))
        on("down", act=lambda: state.move(1))
        on("pageup", act=lambda: state.move(-self._page()))
        on("pagedown", act=lambda: state.move(self._page()))
        on("enter", act=self._enter)
        on("escape", act=self._back)
        on("right", act=self._enter, when=concept)
        on("left", "backspace", act=self._back, when=concept)
        on("tab", act=state.tab)
        on("c-t", act=self._compare)
        on("c-y", act=self._copy)
        on("c-s", act=lambda: self._export("csv"))
        on("c-o", act=lambda: self._export("json"))
        on("c-p", act=lambda: self._recall(self._query.history_backward))
        on("c-n", act=lambda: self._recall(self._query.history_forward))
        on("f1", act=state.toggle_help)
        on("?", act=state.toggle_help, when=empty)

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(" ".join(event.data.split())[:_LONGEST])

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        return keys

    def _enter(self) -> None:
        if self._query.text.strip() in (":q", ":quit", ":exit"):  # as in the plain loop
            self._leave()
        else:
            self._keep()
            self._state.enter()

    def _compare(self) -> None:
        self._keep()
        self._state.toggle_compare()

    def _back(self) -> None:
        if not self._state.back():
            self._leave()
        elif not self._state.query:
            self._query.text = ""

    def _keep(self) -> None:
        """Put the query into the history, unless it is the last one there."""
        query = self._query.text.strip()
        if query and self._recent[:1] != [query]:
            self._recent.insert(0, query)
            self._query.reset(Document(self._query.text, self._query.cursor_position), append_to_history=True)

    def _recall(self, step: Callable[[], None]) -> None:
        before = self._query.text
        step()
        if self._query.text == before:  # the query itself was kept just now
            step()

    def _copy(self) -> None:
        uri = self._state.uri
        if uri is None:
            self._state.say("There is no hit whose URI could be copied.")
            return
        self._keep()
        output = self._application.output
        for sequence in clipboard_sequences(uri, "TMUX" in os.environ):
            output.write_raw(sequence)
        output.flush()
        self._state.say(f"Sent to the clipboard: {uri}")

    def _export(self, form: Format) -> None:
        if self._state.uri is None:
            self._state.say("There is nothing listed that could be saved.")
            return
        self._keep()
        try:
            path, rows = export(self._state, form, Path.cwd())
        except (StorageError, OSError) as error:  # OSError: the working directory has gone
            self._state.say(str(error), failed=True)
        else:
            self._state.say(f"Wrote {rows} row{'s' if rows > 1 else ''} to {path}")


class _Letters(Processor):
    """Shows the query in the letters that the terminal has."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments: StyleAndTextTuples = [
            (style, self._glyphs.same_length(text)) for style, text, *_ in transformation_input.fragments
        ]
        return Transformation(fragments)


def clipboard_sequences(text: str, tmux: bool) -> list[str]:
    """Return what asks a terminal to put a text on the clipboard (OSC 52), within tmux also past it.

    No terminal says whether it did: some do not by default, and tmux only with `set-clipboard on` or
    `allow-passthrough on`.
    """
    sequence = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
    passed = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return [sequence, passed] if tmux else [sequence]


def _open_both() -> Both:
    from jobsearch.cli.compare import open_both

    return open_both()


def _joined(lines: list[Line]) -> StyleAndTextTuples:
    joined: StyleAndTextTuples = []
    for position, line in enumerate(lines):
        joined += [("", "\n")] if position else []
        joined += line
    return joined
