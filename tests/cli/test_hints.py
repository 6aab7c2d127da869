"""What is said of an ISCO code or a URI that the index does not have, alike in every way to search."""

from __future__ import annotations

from pathlib import Path

import pytest
from brute_force import SOURCE, engine_of, occupation
from cli_home import ESCO, replace_file
from cli_process import Cli
from encoders import HashEncoder
from live_driver import Driver, drive

from jobsearch.cli.hints import name_hint
from jobsearch.engine import JobSearch
from jobsearch.taxonomy.model import Taxonomy

ELSEWHERE = "This index knows no ISCO groups; index 'both' does (use --index both)."
BAKER = f"{ESCO}occupation/baker"


@pytest.fixture(scope="module")
def without_groups() -> JobSearch:
    """An index that knows no ISCO groups, as the built-in one."""
    return engine_of(Taxonomy.of(SOURCE, [occupation("a", "surveyor"), occupation("b", "sailor")]), HashEncoder())


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("7512", ELSEWHERE),
        (" ISCO-08 7512\n", ELSEWHERE),
        (
            "9999",
            "This index knows no ISCO groups; `jobsearch esco import` of the official bundle brings them.",
        ),
        (BAKER, f"This index has no concept {BAKER}; index 'both' does (use --index both)."),
        (f"{ESCO}occupation/none", f"This index has no concept {ESCO}occupation/none."),
        ("surveyor", ""),
        ("", ""),
    ],
)
def test_the_index_that_has_it_is_named(
    without_groups: JobSearch, session_home: Path, monkeypatch: pytest.MonkeyPatch, query: str, says: str
) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(session_home))
    assert name_hint(without_groups.opened, query) == says


def test_where_no_other_index_has_it_the_bundle_is_named(
    without_groups: JobSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path))
    assert "`jobsearch esco import`" in name_hint(without_groups.opened, "7512")


def test_a_damaged_index_is_not_named(without_groups: JobSearch, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(home))
    for labels in (home / "indexes" / "both").glob("versions/*/labels.safetensors"):
        replace_file(labels, b"damaged")
    assert "'small'" in name_hint(without_groups.opened, "7512")


def test_the_searched_index_names_itself_never(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "search", "9999")
    assert found.err == "This index has no occupations in the ISCO group 9999.\n"


def test_a_plain_search_and_the_plain_loop_say_it(session_home: Path, cli: Cli) -> None:
    says = f"This index has no concept {ESCO}occupation/none.\n"
    found = cli(session_home, "search", f"{ESCO}occupation/none")
    assert (found.out, found.err) == ("Nothing found.\n", says)
    looped = cli(session_home, "shell", stdin=f"{ESCO}occupation/none\n".encode())
    assert (looped.out, looped.err) == ("Nothing found.\n", says)


def test_the_live_search_says_it_while_one_types(
    without_groups: JobSearch, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setitem(without_groups.opened.manifest.counts, "labels", 2)  # type: ignore[arg-type]

    def script(user: Driver) -> None:
        user.press("7512")
        user.wait_for(ELSEWHERE, "1 of 2, found in")
        user.press("x")
        user.wait_for("1 of 2, found in", "> 7512x", without=["ISCO groups"])

    drive(without_groups, script)
