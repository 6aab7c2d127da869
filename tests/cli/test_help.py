"""Every command explains itself, with examples that are right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from cli_process import Cli

from jobsearch import __version__
from jobsearch.cli.app import cli as root

# What must be there; a new command is walked and checked without being named here.
COMMANDS = {
    "",
    "doctor",
    "esco",
    "esco download",
    "esco import",
    "esco info",
    "esco use",
    "index",
    "index build",
    "index info",
    "index list",
    "index rollback",
    "index verify",
    "search",
    "shell",
}


def walk(command: click.Command, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """All commands and groups below a command, by what a user types."""
    found = {" ".join(path): command}
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            found |= walk(sub, (*path, name))
    return found


TREE = walk(root)


def examples(help_text: str) -> list[str]:
    """The lines below "Examples:"."""
    _, _, below = help_text.partition("\n  Examples:\n")
    return [line.strip() for line in below.partition("\n\n")[0].splitlines()]


def test_every_command_is_there() -> None:
    assert set(TREE) >= COMMANDS


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("path", TREE, ids=lambda path: path or "jobsearch")
def test_help(cli: Cli, tmp_path: Path, path: str, flag: str) -> None:
    shown = cli(tmp_path / "home", *path.split(), flag)
    assert (shown.code, shown.err) == (0, "")
    usage, _, body = shown.out.partition("\n\n")
    assert usage.startswith(f"Usage: {' '.join(['jobsearch', *path.split()])} ")
    assert re.match(r"  [A-Z]", body)  # says what it does
    lines = examples(shown.out)
    assert len(lines) >= 2, shown.out
    for line in lines:
        assert " ".join(["jobsearch", *path.split()]) in line, line
    options = shown.out.partition("\nOptions:\n")[2].partition("\n\n")[0]
    assert "-h, --help" in options
    for option in re.findall(r"^  (--?\S.*)$", options, re.MULTILINE):  # each says what it is for
        assert re.search(r"\S {2,}\S", option) or re.search(rf"{re.escape(option)}\n {{6,}}\S", options), option
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("path", TREE, ids=lambda path: path or "jobsearch")
def test_the_examples_are_right(path: str) -> None:
    """They are parsed, not run: commands, options and the number of arguments must be what they are."""
    help_text = TREE[path].get_help(click.Context(TREE[path]))
    for line in examples(help_text):
        words = shlex.split(line, comments=True)
        ours = words[words.index("jobsearch") + 1 :]
        for end in ("|", ">", "&&", ">>"):
            ours = ours[: ours.index(end)] if end in ours else ours
        command: click.Command = root
        while isinstance(command, click.Group) and ours:
            assert ours[0] in command.commands, line
            command = command.commands[ours.pop(0)]
        command.make_context(line, ours)  # a usage error fails the test


@pytest.mark.parametrize("path", [path for path in TREE if isinstance(TREE[path], click.Group)], ids=str)
def test_no_command_is_cut_short_where_it_is_listed(path: str) -> None:
    """In a terminal of 80 columns."""
    group = TREE[path]
    shown = group.get_help(click.Context(group, info_name="jobsearch", terminal_width=78))
    assert [line for line in shown.partition("\nCommands:\n")[2].splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("path", TREE, ids=lambda path: path or "jobsearch")
def test_help_may_be_typed_as_a_command(cli: Cli, tmp_path: Path, path: str) -> None:
    *group, last = path.split() or [""]
    expected = cli(tmp_path, *path.split(), "-h")
    assert cli(tmp_path, "help", *path.split()) == expected
    if group:  # within it, too
        assert cli(tmp_path, *group, "help", last) == expected


def test_every_command_that_reports_has_json() -> None:
    reporting = {
        "search",
        "esco import",
        "esco download",
        "esco info",
        "index list",
        "index info",
        "doctor",
    }
    for path in reporting:
        assert any("--json" in option.opts for option in TREE[path].params), path


def test_version(cli: Cli, tmp_path: Path) -> None:
    for flag in ("-V", "--version"):
        assert cli(tmp_path, flag).out == f"jobsearch, version {__version__}\n"


def test_completion_scripts_for_shells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from jobsearch.cli.app import run

    monkeypatch.setenv("_JOBSEARCH_COMPLETE", "zsh_source")
    with pytest.raises(SystemExit) as left:
        run([])
    assert left.value.code == 0
    assert "#compdef jobsearch" in capsys.readouterr().out
