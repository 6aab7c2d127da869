"""Opens the two engines that a comparison needs, aside; what is missing is built first by another process."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobsearch.cli.live.messages import Preparing, Ready
from jobsearch.cli.live.text import one_line

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch

Both = tuple["JobSearch", "JobSearch"]
# Not by `-m`: that, too, would import whatever lies in the working directory first.
BUILD = (
    sys.executable,
    "-c",
    "import sys; sys.path = [path for path in sys.path if path]\n"
    "from jobsearch.cli.live.building import main; sys.exit(main())",
)
_PATIENCE = 3.0  # seconds for a build that is stopped to clear up


class Preparation:
    """Opens both engines once, as often as that is begun until it succeeds.

    Args:
        open_both: opens the engines before and after tuning, whose indexes are there.
        deliver: takes each step and the end, on a thread of its own; nothing after a `cancel`.
        build: the command that builds what is missing, printing the step it is at.
    """

    def __init__(
        self,
        open_both: Callable[[], Both],
        deliver: Callable[[Preparing | Ready], None],
        build: Sequence[str] = BUILD,
    ) -> None:
        self._open_both = open_both
        self._deliver = deliver
        self._build = build
        self._process: subprocess.Popen[str] | None = None
        self._both: Both | None = None

    def both(self) -> Both:
        """Return the engines, once `Ready` was delivered."""
        assert self._both is not None
        return self._both

    def start(self) -> None:
        """Begin, anew after a `cancel`."""
        self.cancel()
        try:
            process = self._process = subprocess.Popen(
                self._build,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            self._deliver(Ready(one_line(error)))
            return
        threading.Thread(target=self._run, args=(process,), name="preparing", daemon=True).start()

    def cancel(self) -> None:
        """Stop what is under way: an interrupted build keeps what it has embedded, and changes nothing else."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        timer = threading.Timer(_PATIENCE, process.kill)
        timer.daemon = True
        timer.start()

    def _run(self, process: subprocess.Popen[str]) -> None:
        line = ""
        with process:
            for line in process.stdout or ():
                self._tell(process, Preparing(line.strip()))
        if process is not self._process:
            return  # cancelled
        if process.returncode:
            self._tell(process, Ready(line.strip() or f"building the index ended with {process.returncode}"))
            return
        error = ""
        try:
            self._both = self._open_both()
        except Exception as problem:
            error = one_line(problem)
        self._tell(process, Ready(error))

    def _tell(self, process: subprocess.Popen[str], answer: Preparing | Ready) -> None:
        if process is self._process:
            with contextlib.suppress(RuntimeError):
                self._deliver(answer)
