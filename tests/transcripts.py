"""Terminal transcripts in documents: found, run again, compared, and on request written anew.

    python tests/transcripts.py README.md docs/*.md

runs the documents' ```console blocks, then the examples of their ```pycon blocks, and puts what was printed now where
it differs from what stands there.

In a block `$ ` begins a command, `> ` straight below goes on with it, and the rest is what it prints, on either stream.
`…` stands for anything within a line, and alone for any lines. How wide a gap is does not count, and a number with
decimals, or a percentage, may differ by two in its last place: that much another processor may round otherwise. A
command must succeed, unless it prints a line that begins with "Error:": then it must fail.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ANYTHING = "…"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PIECE = re.compile(rf"({ANYTHING}|\d+\.\d+|\d+%)")
_MARK = "--- end of step"
# The last one a test that imported TensorFlow has left behind.
_UNSET = (
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUTF8"),
    *("JOBSEARCH_TOKEN", "TF_CPP_MIN_LOG_LEVEL"),
)


@dataclass(frozen=True)
class Step:
    """A command of a transcript, what it should print, and where that stands: first and last line, from 0."""

    command: str
    expected: tuple[str, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it ended."""

    code: int
    printed: tuple[str, ...]


def blocks(text: str, *languages: str) -> list[tuple[int, str]]:
    """Return the fenced blocks in some of these languages, each with the number of its first line, from 0."""
    found = (match for match in _FENCE.finditer(text) if match[1] in languages)
    return [(text.count("\n", 0, match.start(2)), match[2]) for match in found]


def steps(text: str) -> list[Step]:
    """Return the commands of a document's ```console blocks, in order."""
    found: list[Step] = []
    for first, block in blocks(text, "console"):
        lines = block.splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        assert starts[:1] == [0], f"line {first + 1}: a console block begins with `$ `"
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            below = start + 1
            while below < end and lines[below].startswith("> "):
                below += 1
            command = "\n".join(line[2:] for line in lines[start:below])
            found.append(Step(command, tuple(lines[below:end]), first + below, first + end))
    return found


def run_steps(commands: Sequence[str], folder: Path, home: Path, timeout: float = 900) -> list[Outcome]:
    """Run commands one after the other in one shell, which is left with whatever they left running.

    Args:
        commands: what to run.
        folder: the working directory; a folder for two small programs is made beside it.
        home: the home folder of jobsearch.
        timeout: seconds for all of them.
    """
    programs = folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    for name, arguments in (("jobsearch", "-m jobsearch "), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        (programs / name).chmod(0o755)
    script = ["trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT", "exec 2>&1"]
    script += [f"{command}\nprintf '\\n%s %s\\n' '{_MARK}' $?" for command in commands]
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**kept, "PATH": path, "PYTHONPATH": str(ROOT), "JOBSEARCH_HOME": str(home)},
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        raise
    parts = re.split(rf"\n{_MARK} (\d+)\n", output)
    printed = [tuple(line.rstrip() for line in part.rstrip().splitlines()) for part in parts[:-1:2]]
    return [Outcome(int(code), lines) for code, lines in zip(parts[1::2], printed, strict=True)]


def agrees(step: Step, outcome: Outcome) -> bool:
    """Tell whether a command printed, and ended, as its transcript says."""
    if any(map(_failed, step.expected)) != (outcome.code != 0):
        return False
    numbers: list[str] = []
    pattern = "".join(_line_pattern(line, numbers) for line in step.expected)
    found = re.fullmatch(pattern, "".join(f"{_squeezed(line)}\n" for line in outcome.printed))
    return found is not None and all(map(_near, numbers, found.groups()))


def _line_pattern(line: str, numbers: list[str]) -> str:
    """Return what a line must match; the numbers in it are appended to `numbers`, a group each."""
    if line.strip() == ANYTHING:
        return r"(?:.*\n)*?"
    pattern = ""
    for piece in _PIECE.split(_squeezed(line)):
        if piece == ANYTHING:
            pattern += ".*"
        elif _PIECE.fullmatch(piece):
            numbers.append(piece)
            pattern += rf"(\d+\.\d{{{len(piece.partition('.')[2])}}})" if "." in piece else r"(\d+%)"
        else:
            pattern += re.escape(piece)
    return pattern + r"\n"


def _near(expected: str, printed: str) -> bool:
    decimals = len(expected.partition(".")[2])
    difference = float(expected.rstrip("%")) - float(printed.rstrip("%"))
    return abs(difference) < 2.5 * 10**-decimals


def _squeezed(line: str) -> str:
    return " ".join(line.split())


class _Examples(doctest.DocTestRunner):
    """Runs examples and keeps what those print that print something else than is shown."""

    def __init__(self) -> None:
        super().__init__(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        self.different: list[tuple[Step, str]] = []

    def report_failure(self, out: Any, test: doctest.DocTest, example: doctest.Example, got: str) -> None:
        begin = (test.lineno or 0) + example.lineno + example.source.count("\n")
        shown = example.want.splitlines()
        self.different.append((Step(example.source, tuple(shown), begin, begin + len(shown)), got))

    def report_unexpected_exception(
        self, out: Any, test: doctest.DocTest, example: doctest.Example, exc_info: Any
    ) -> None:
        raise exc_info[1]


def examples_that_differ(text: str) -> list[tuple[Step, str]]:
    """Run the examples of a document's ```pycon blocks; return those that print something else, and what they print."""
    runner, names = _Examples(), dict[str, Any]()
    for first, block in blocks(text, "pycon"):
        test = doctest.DocTestParser().get_doctest(block, names, f"line {first + 1}", None, first)
        test.globs = names  # what a block defines the next ones know
        runner.run(test, clear_globs=False)
    return runner.different


def build_home(home: Path) -> Path:
    """Make a home folder with the built-in labels indexed by both encoders, as a first search and comparison do."""
    commands = ["jobsearch search plumber", "jobsearch compare plumber"]
    folder = home.parent / "building"
    folder.mkdir(parents=True)
    outcomes = run_steps(commands, folder, home)
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    return home


def rewrite(document: Path, outcomes: Sequence[Outcome]) -> int:
    """Put what was printed where it differs from the transcript; return how many commands that were."""
    wanted = steps(document.read_text(encoding="utf-8"))
    told = [(step, outcome) for step, outcome in zip(wanted, outcomes, strict=True) if not agrees(step, outcome)]
    _put(document, [(step, _kept(step.expected, outcome.printed)) for step, outcome in told])
    return len(told)


def _put(document: Path, told: Sequence[tuple[Step, Sequence[str]]]) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    for step, printed in reversed(told):
        lines[step.begin : step.end] = printed
    document.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _kept(expected: Sequence[str], printed: Sequence[str]) -> Sequence[str]:
    """Return the lines printed, but those with `…` that are shown in their place where these allow for them."""
    if len(expected) != len(printed):
        return printed
    return [shown if _allows(shown, now) else now for shown, now in zip(expected, printed, strict=True)]


def _allows(shown: str, now: str) -> bool:
    return ANYTHING in shown and agrees(Step("", (shown,), 0, 0), Outcome(_failed(shown), (now,)))


def _failed(line: str) -> int:
    return int(line.startswith("Error:"))


def main() -> None:
    """Write the transcripts of the documents that are named anew."""
    with tempfile.TemporaryDirectory() as scratch:
        built = build_home(Path(scratch) / "built" / "home")
        for number, name in enumerate(sys.argv[1:]):
            document, place = (ROOT / name).resolve(), Path(scratch) / str(number)
            (place / "work").mkdir(parents=True)
            shutil.copytree(built, place / "home", copy_function=os.link)
            commands = [step.command for step in steps(document.read_text(encoding="utf-8"))]
            outcomes = run_steps(commands, place / "work", place / "home")
            changed = rewrite(document, outcomes)
            os.environ["JOBSEARCH_HOME"] = str(place / "home")
            os.chdir(place / "work")
            examples = examples_that_differ(document.read_text(encoding="utf-8"))
            _put(document, [(step, printed.splitlines()) for step, printed in examples])
            told = f"{changed} of {len(commands)} commands and {len(examples)} examples changed"
            sys.stderr.write(f"{document}: {told}\n")
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
