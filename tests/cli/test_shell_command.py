"""`jobsearch shell`, and `jobsearch` alone, fed through a pipe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_process import Cli, Result, error_of, execute


def feed(cli: Cli, home: Path, *lines: str, options: tuple[str, ...] = ()) -> Result:
    return cli(home, "shell", *options, stdin="".join(f"{line}\n" for line in lines).encode())


def labels(out: str) -> list[str]:
    """The labels in tables of hits."""
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines() if re.match(r" *\d+ +-?\d\.\d{3} ", line)]
    return [row[4] for row in rows]


def test_a_session_in_a_process_of_its_own(session_home: Path) -> None:
    found = execute(session_home, "shell", "-k", "2", stdin="Bäckerei\nnurse\n1\n".encode())
    assert (found.code, found.err) == (0, "")
    assert "\x1b" not in found.out
    assert "> " not in found.out  # no prompt where nobody types
    assert len(labels(found.out)) == 4
    assert labels(found.out)[2] == "nurse"
    assert found.out.index("nurse  occupation, en") > found.out.index("occupation/nurse")


def test_without_a_command_the_shell_starts(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, stdin=b"nurse\n")
    assert (found.code, found.err) == (0, "")
    assert labels(found.out)[0] == "nurse"
    assert len(labels(found.out)) == 10


def test_a_number_opens_a_hit(session_home: Path, cli: Cli) -> None:
    out = feed(cli, session_home, "bread maker", "1").out
    opened = out[out.index("baker  occupation, en") :]
    fields = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in opened.splitlines()[1:])
    assert fields == {
        "URI": "http://data.europa.eu/esco/occupation/baker",
        "Also called": "bread maker; bakery worker",
        "ISCO-08": (
            "7 Craft and related trades workers › 75 Food processing workers › 751 Food trades workers › "
            "7512 Bakers and pastry-cooks"
        ),
        "Essential skills": "bake bread",
        "Optional skills": "use kitchen knives",
    }


def test_a_skill_shows_the_occupations_that_need_it(session_home: Path, cli: Cli) -> None:
    out = feed(cli, session_home, "use kitchen knives", "1").out
    assert "use kitchen knives  skill, en" in out
    assert re.search(r"Essential occupations +cook *\n", out)
    assert re.search(r"Optional occupations +baker *\n", out)
    assert "ISCO" not in out
    assert "Also called" not in out


def test_a_hit_opens_in_the_language_that_matched(session_home: Path, cli: Cli) -> None:
    german = feed(cli, session_home, "Brotbäcker", "1", options=("--index", "both")).out
    assert "Bäcker  occupation, de" in german
    assert "7512 Bäcker und Konditoren" in german
    assert re.search(r"Essential skills +Brot backen *\n", german)
    english = feed(cli, session_home, "bread maker", "1", options=("--index", "both")).out
    assert "baker  occupation, en" in english
    assert "7512 Bakers and pastry-cooks" in english
    assert re.search(r"Essential skills +bake bread *\n", english)


def test_a_number_counts_in_the_last_table(session_home: Path, cli: Cli) -> None:
    out = feed(cli, session_home, "nurse", "plumber", "1", "2", options=("-k", "2")).out
    opened = re.findall(r"^(.*?)  (?:occupation|skill), en", out, re.MULTILINE)
    assert opened == labels(out)[2:]
    assert opened[0] == "plumber"


@pytest.mark.parametrize("number", ["11", "0", "9" * 5000, "²"])
def test_a_number_that_is_no_hit_is_a_query(session_home: Path, cli: Cli, number: str) -> None:
    found = feed(cli, session_home, "nurse", number, "1")
    # Two digits may be an ISCO group, which is told as in a plain search.
    says = "This index has no occupations in the ISCO group 11.\n" if number == "11" else ""
    assert (found.code, found.err) == (0, says)
    assert len(labels(found.out)) == 20


def test_k_and_kind_hold_from_then_on(session_home: Path, cli: Cli) -> None:
    out = feed(cli, session_home, ":k 3", "nurse", ":kind skill", "nurse", ":kind all", ":k  1 ", "nurse").out
    said = [line for line in out.splitlines() if line.startswith(("Showing", "Finding"))]
    assert said == ["Showing 3 hits.", "Finding: skill.", "Finding: all.", "Showing 1 hits."]
    assert len(labels(out)) == 3 + 3 + 1
    assert labels(out)[0] == "nurse"
    assert labels(out)[3] == "care for patients"
    assert labels(out)[6] == "nurse"
    kinds = [line.split()[3] for line in out.splitlines() if re.match(r" *\d+ +-?\d\.", line)]
    assert set(kinds[3:6]) == {"skill"}


def test_options_set_k_and_kind(session_home: Path, cli: Cli) -> None:
    out = feed(cli, session_home, "nurse", options=("-k", "2", "--kind", "skill")).out
    assert len(labels(out)) == 2
    assert "occupation" not in out


def test_help_names_every_command(session_home: Path, cli: Cli) -> None:
    out = feed(cli, session_home, ":help").out
    assert all(command in out for command in (":k", ":kind", ":help", ":quit", "3 ", "Ctrl-D"))


@pytest.mark.parametrize("quit_command", [":quit", ":q", ":exit", " :quit "])
def test_quit_leaves_at_once(session_home: Path, cli: Cli, quit_command: str) -> None:
    assert feed(cli, session_home, quit_command, "nurse", ":nonsense") == Result(0, "", "")


def test_errors_are_one_line_each_and_do_not_end_it(session_home: Path, cli: Cli) -> None:
    lines = [":nonsense", ":", ":k", ":k many", ":k 0", ":k 23", ":kind", ":kind job", "\u200b", "", "   ", "nurse"]
    found = feed(cli, session_home, *lines)
    assert found.code == 0
    assert labels(found.out)[0] == "nurse"
    assert len(labels(found.out)) == 10  # neither k nor kind were changed
    errors = found.err.splitlines()
    assert all(line.startswith("Error: ") for line in errors)
    says = [
        "there is no command :nonsense; expected one of :help, :k, :kind,",
        "there is no command :;",
        ":k takes a whole number and got ''; type for example :k 5",
        ":k takes a whole number and got 'many'",
        "k is 0, expected",
        "k is 23, expected",
        "kind is '', expected one of occupation, skill, all",
        "kind is 'job', expected one of occupation, skill, all",
        "is empty",
    ]
    assert len(errors) == len(says)
    for line, part in zip(errors, says, strict=True):
        assert part in line


def test_the_end_of_input_leaves(session_home: Path, cli: Cli) -> None:
    assert cli(session_home, "shell", stdin=b"") == Result(0, "", "")
    assert labels(cli(session_home, "shell", stdin=b"nurse").out)[0] == "nurse"  # also without an end of line


def test_lines_that_are_not_utf8_do_not_end_it(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "shell", "-k", "1", stdin=b"caf\xe9 nurse\nplumber\n")
    assert (found.code, found.err, labels(found.out)) == (0, "", ["nurse", "plumber"])


def test_an_index_that_is_not_there(session_home: Path, cli: Cli) -> None:
    assert "no index 'x'" in error_of(cli(session_home, "shell", "--index", "x", stdin=b"nurse\n"))


def test_a_pipe_leaves_no_history(home: Path, cli: Cli) -> None:
    assert feed(cli, home, "nurse").code == 0
    assert not (home / "data" / "shell_history").exists()
