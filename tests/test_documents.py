"""What the documents say holds: commands, options and links are there, and transcripts show what is printed."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from transcripts import ROOT, Outcome, agrees, blocks, build_home, examples_that_differ, rewrite, run_steps, steps

from jobsearch.cli.app import cli as root

SHOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL = [
    *SHOWN,
    *(ROOT / name for name in ("CHANGELOG.md", "data/README.md", "data/encoder/README.md", "indexes/README.md")),
    ROOT / "tests" / "benchmarks" / "README.md",
]
RUN = [path for path in SHOWN if re.search(r"^```(console|pycon)$", path.read_text(encoding="utf-8"), re.MULTILINE)]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def shell_lines(text: str) -> list[str]:
    """The commands of a document: those of its transcripts, and those that are only shown."""
    shown = [line for _, block in blocks(text, "sh") for line in block.replace("\\\n", "").splitlines()]
    return [*(step.command for step in steps(text)), *shown]


def calls(line: str) -> list[list[str]]:
    """What stands after `jobsearch` in a line of a shell, each time it is called there."""
    plain = re.sub(r"(?<=\s)\d(?=>)", "", line.partition("<<")[0])  # `2> log` is a redirection, not an argument
    words = shlex.shlex(plain, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    found: list[list[str]] = []
    word_before, open_call = "", False
    for word in words:
        starts = word_before in ("", "|", "&&", ";", "&") or re.fullmatch(r"\w+=\S*", word_before) is not None
        if word == "jobsearch" and (starts or word_before == "exec"):
            found.append([])
            open_call = True
        elif re.fullmatch(r"[|&;<>()]+", word):
            open_call = False
        elif open_call:
            found[-1].append(word)
        word_before = word
    return found


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and the words behind it."""
    command: click.Command = root
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}: jobsearch {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    return command, rest


def options_of(command: click.Command) -> set[str]:
    found = {"-h", "--help"}
    for parameter in command.params:
        found |= {*parameter.opts, *parameter.secondary_opts} if isinstance(parameter, click.Option) else set()
    return found


def all_options(command: click.Command) -> set[str]:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return options_of(command).union(*map(all_options, below))


def slugs(text: str) -> set[str]:
    """The anchors that a heading gets where the documents are shown."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", SHOWN, ids=named)
def test_commands_that_are_shown_are_there(path: Path) -> None:
    """They are parsed, not run."""
    for line in shell_lines(path.read_text(encoding="utf-8")):
        for words in calls(line):
            command, rest = command_of(words)
            if not {"-h", "--help", "--version"} & set(rest):
                # A usage error fails the test. Click remembers a command's help option as it is first asked for it.
                command.make_context(line, rest, help_option_names=["-h", "--help"])


@pytest.mark.parametrize("path", SHOWN, ids=named)
def test_commands_and_options_in_the_text_are_there(path: Path) -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in (ROOT / "tests").glob("benchmarks/*.py"))
    for span in _SPAN.findall(prose(path.read_text(encoding="utf-8"))):
        if span.startswith("jobsearch "):
            command, rest = command_of([word for word in span.split()[1:] if word not in ("…", "COMMAND")])
            for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(rest)):
                assert option in options_of(command), span
        elif re.match(r"--[a-z]", span):
            option = re.match(r"--[a-z-]+", span)
            assert option
            assert option[0] in all_options(root) or f'"{option[0]}"' in scripts, span


@pytest.mark.parametrize("path", ALL, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in _LINK.findall(prose(text)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in slugs(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("path", SHOWN, ids=named)
def test_python_that_is_shown_is_python(path: Path) -> None:
    for _, block in blocks(path.read_text(encoding="utf-8"), "python"):
        ast.parse(block)


def hunks(text: str) -> list[tuple[str, str]]:
    """The hunks of a document's diffs: the file, and what is to be there before."""
    found: list[tuple[str, str]] = []
    for _, block in blocks(text, "diff"):
        file = ""
        for part in re.split(r"^(?=--- |@@ )", block, flags=re.MULTILINE):
            if part.startswith("--- "):
                file = part.partition("\n")[0].removeprefix("--- ").removeprefix("a/")
            elif part.startswith("@@"):
                body = part.partition("\n")[2]
                found.append((file, "".join(f"{line[1:]}\n" for line in body.splitlines() if line[:1] in (" ", "-"))))
    return found


@pytest.mark.parametrize("file,before", hunks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
def test_diffs_that_are_shown_apply(file: str, before: str) -> None:
    if file != "/dev/null":
        assert before in (ROOT / file).read_text(encoding="utf-8")


def test_what_a_transcript_lets_pass() -> None:
    (step,) = steps("text\n\n```console\n$ a \\\n> b\n1  0.500  85%  x … z\n…\nend\n```\n")
    assert step.command == "a \\\nb"
    assert (step.begin, step.end) == (5, 8)
    printed = ("1   0.502   84%  x y z", "anything", "", "end")
    assert agrees(step, Outcome(0, printed))
    assert not agrees(step, Outcome(1, printed))
    assert not agrees(step, Outcome(0, ("1  0.503  85%  x y z", "end")))
    assert not agrees(step, Outcome(0, ("1  0.5020  85%  x y z", "end")))
    assert not agrees(step, Outcome(0, ("2  0.500  85%  x y z", "end")))


def test_a_transcript_written_anew_keeps_what_still_agrees(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("x\n\n```console\n$ a\none … of 3\ntwo\n$ b\nthree\n```\n", encoding="utf-8")
    assert rewrite(document, [Outcome(0, ("one 1 of 3", "2")), Outcome(0, ("three",))]) == 1
    assert document.read_text(encoding="utf-8") == "x\n\n```console\n$ a\none … of 3\n2\n$ b\nthree\n```\n"


def test_examples_in_python_that_differ() -> None:
    text = "x\n\n```pycon\n>>> a = 1\n>>> a\n1\n```\n\n```pycon\n>>> a + 1\n3\n>>> 'abcd'\n'a...'\n```\n"
    ((step, printed),) = examples_that_differ(text)
    assert (step.command, step.expected, step.begin, step.end, printed) == ("a + 1\n", ("3",), 10, 11, "2\n")
    with pytest.raises(ZeroDivisionError):  # which is no way to agree
        examples_that_differ("```pycon\n>>> 1 / 0\n1\n```\n")


# --- slow ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder after a first search and a first comparison."""
    return build_home(tmp_path_factory.mktemp("documents") / "home")


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=named)
def test_transcripts_show_what_is_printed(
    path: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text(encoding="utf-8")
    home, folder = tmp_path / "home", tmp_path / "work"
    shutil.copytree(built, home, copy_function=os.link)
    folder.mkdir()
    wanted = steps(text)
    outcomes = run_steps([step.command for step in wanted], folder, home)
    for step, outcome in zip(wanted, outcomes, strict=True):
        shown, printed = "\n".join(step.expected), "\n".join(outcome.printed)
        assert agrees(step, outcome), f"$ {step.command}\n{shown}\n--- now, exit code {outcome.code} ---\n{printed}"
    monkeypatch.setenv("JOBSEARCH_HOME", str(home))
    monkeypatch.chdir(folder)
    assert examples_that_differ(text) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pdoc") is None, reason="pdoc is not installed: pip install -e '.[docs]'")
def test_reference_is_written(tmp_path: Path) -> None:
    script = str(ROOT / "docs" / "reference.py")
    done = subprocess.run([sys.executable, script, str(tmp_path)], check=False, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "Warn" not in done.stderr
    page = (tmp_path / "jobsearch.html").read_text(encoding="utf-8")
    assert "recommend_skills" in page
    assert (tmp_path / "jobsearch" / "tuning" / "recipes.html").is_file()
