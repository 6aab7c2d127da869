"""Values that users type for options, wherever an option of that name is."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from cli_process import Cli, error_of
from test_help import TREE

KINDS = {path: option for path, command in TREE.items() for option in command.params if "--kind" in option.opts}
LANGUAGES = {
    f"{path} {option.opts[0]}": (command, option)
    for path, command in TREE.items()
    for option in command.params
    if {"--language", "--from", "--to"} & set(option.opts) and option.metavar == "CODE"
}


def test_the_options_are_there() -> None:
    assert {"search", "match", "shell", "compare", "evaluate retrieval", "evaluate confidence"} <= set(KINDS)
    assert {"search --language", "match --language", "tune --language", "pairs --language"} <= set(LANGUAGES)
    assert {"esco import --language", "esco download --language", "evaluate retrieval --from"} <= set(LANGUAGES)


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize(
    ("typed", "kind"),
    [("title", "occupation"), ("Titles", "occupation"), ("OCCUPATION", "occupation"), ("skills", "skill")],
)
def test_a_kind_has_several_names(path: str, typed: str, kind: str) -> None:
    context = click.Context(TREE[path])
    assert KINDS[path].process_value(context, typed) == kind


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_languages_code_may_be_in_capitals(name: str) -> None:
    command, option = LANGUAGES[name]
    several = option.multiple if isinstance(option, click.Option) else False
    typed, read = (("EN", " De"), ("en", "de")) if several else ("EN", "en")
    assert option.process_value(click.Context(command), typed) == read


def test_they_find_the_same(session_home: Path, cli: Cli) -> None:
    arguments = ("search", "baker", "-k", "2", "--index", "both")
    plain = cli(session_home, *arguments, "--kind", "occupation", "--language", "de")
    assert (plain.code, "occupation/baker" in plain.out) == (0, True)
    assert cli(session_home, *arguments, "--kind", "Title", "--language", "DE") == plain


def test_what_is_no_kind_is_told_as_it_was_typed(session_home: Path, cli: Cli) -> None:
    for kind in ("Job", ""):
        line = error_of(cli(session_home, "search", "nurse", "--kind", kind))
        assert line == f"Error: kind is {kind!r}, expected one of occupation, skill, all"


def test_the_line_by_line_shell_knows_them_too(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "shell", stdin=b":kind titles\n:kind SKILL\n")
    assert (found.out, found.err) == ("Finding: occupation.\nFinding: skill.\n", "")
