"""`jobsearch index`: build, list, info, verify, rollback, prune."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_home import CONCEPTS, ENGLISH, GERMAN, linked_copy, replace_file
from cli_process import Cli, Result, error_of, shape

from jobsearch import JobSearch
from jobsearch.cli.building import as_before, tell_built
from jobsearch.errors import EncoderError, IndexingError

SUMMARY = {
    "name": str,
    "path": str,
    "version": str,
    "versions": [str],
    "created": str,
    "counts": {"labels": int, "concepts": int, "occupations": int, "skills": int, "relations": int},
    "encoder": {"name": str, "fingerprint": str, "case": str},
    "dim": int,
    "index_type": str,
    "factory": str,
    "search": {},
    "recall": {"recall@10": float, "queries": int},
    "edits": int,
    "gate": type(None),
    "titles": type(None),
    "taxonomy": {"name": str, "version": str, "fingerprint": str, "languages": [str]},
    "made_with": {"jobsearch": str, "faiss": str},
}


def info(cli: Cli, home: Path, *name: str) -> dict[str, Any]:
    found = cli(home, "index", "info", *name, "--json")
    assert (found.code, found.err) == (0, "")
    return json.loads(found.out)


def add_version(home: Path, name: str = "small") -> Path:
    """Publish a second version, as whole as the first one."""
    folder = home / "indexes" / name
    linked_copy(folder / "versions" / "0001", folder / "versions" / "0002")
    replace_file(folder / "current", b"0002\n")
    return folder / "versions" / "0002"


# --- build -----------------------------------------------------------------------------------------------------


def test_a_build_publishes_the_next_version_and_says_so(home: Path, cli: Cli) -> None:
    built = cli(home, "index", "build")
    assert (built.code, built.out) == (0, "")
    assert re.fullmatch(
        rf"Index 'small', version 0002: {ENGLISH} labels of {CONCEPTS} concepts, "
        r"encoder use \([0-9a-f]{12}, case lower\), type flat with recall@10 1\.0000\.\n",
        built.err,
    )
    assert info(cli, home)["versions"] == ["0001", "0002"]
    assert info(cli, home)["version"] == "0002"
    assert info(cli, home, "both")["version"] == "0001"  # untouched


def test_a_build_as_json(home: Path, cli: Cli) -> None:
    built = cli(home, "index", "build", "--json")
    assert (built.code, built.err) == (0, "")
    record = json.loads(built.out)
    assert shape(record) == {**SUMMARY, "seconds": float}
    assert 0 < record.pop("seconds") < 600
    assert record == info(cli, home)
    assert (record["name"], record["version"], record["path"]) == ("small", "0002", str(home / "indexes" / "small"))


def test_a_build_as_json_warns_all_the_same(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("jobsearch.cli.building._PROMISED", 1.1)
    built = cli(home, "index", "build", "--json")
    assert built.err.startswith("Warning: type flat finds less than ")
    assert json.loads(built.out)["version"] == "0002"
    (tmp_path / "gate.csv").write_text("query\n")
    assert error_of(cli(home, "index", "build", "--json", "--gate", str(tmp_path / "gate.csv")))


@pytest.mark.slow
def test_a_rebuild_is_of_what_it_was_built_from(home: Path, cli: Cli) -> None:
    first = cli(
        home, "index", "build", "--name", "mine", "--taxonomy", "both", "--encoder", "use-jobs", "--case", "keep"
    )
    assert first.code == 0
    before = info(cli, home, "mine")
    assert cli(home, "index", "build", "--name", "mine").code == 0
    after = info(cli, home, "mine")
    assert (after["version"], after["taxonomy"], after["encoder"]) == ("0002", before["taxonomy"], before["encoder"])
    assert cli(home, "index", "build", "--name", "mine", "--taxonomy", "small", "--encoder", "use").code == 0
    assert info(cli, home, "mine")["taxonomy"]["name"] == "small"
    assert info(cli, home, "mine")["encoder"]["name"] == "use"


def test_a_rebuild_of_what_is_gone_is_refused(home: Path, cli: Cli) -> None:
    shutil.rmtree(home / "data" / "taxonomies" / "both")
    line = error_of(cli(home, "index", "build", "--name", "both"))
    assert (
        "index 'both' was built from the taxonomy 'both', which is not here; name one with --taxonomy (esco-en" in line
    )


def test_a_rebuild_with_an_encoder_that_is_gone_is_refused(session_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(session_home))
    assert as_before("small", None, None, None) == ("small", "use", "lower")
    assert as_before("small", "both", "use-jobs", None) == ("both", "use-jobs", None)
    assert as_before("new", None, None, "keep") == (None, None, "keep")

    def gone(name: str) -> None:
        raise EncoderError(f"no {name}")

    monkeypatch.setattr("jobsearch.encoder.library.find_encoder", gone)
    with pytest.raises(
        IndexingError, match=r"index 'small' was built with the encoder 'use', which is not here by that"
    ):
        as_before("small", None, None, None)


def test_name_taxonomy_and_case_can_be_chosen(home: Path, cli: Cli) -> None:
    built = cli(home, "index", "build", "--name", "mine", "--taxonomy", "both", "--case", "keep")
    assert built.code == 0
    mine, both = info(cli, home, "mine"), info(cli, home, "both")
    assert mine["taxonomy"] == both["taxonomy"]
    assert mine["counts"] == both["counts"]
    assert mine["encoder"]["case"] == "keep"
    assert both["encoder"]["case"] == "lower-caps"  # what suits German
    assert mine["encoder"]["fingerprint"] != both["encoder"]["fingerprint"]
    query = ("search", "--index", "mine", "-k", "1", "--json", "--mode", "meaning")
    first = [json.loads(cli(home, *query, text).out)["hits"][0] for text in ("bread maker", "BREAD MAKER")]
    assert [hit["score"] for hit in first] == [1, 1]  # the same label
    assert first[0]["cosine"] > first[1]["cosine"] + 0.05  # case counts in this one


@pytest.mark.parametrize(("recall", "warned"), [(0.9899, True), (0.99, False)])
def test_a_type_that_misses_too_much_is_warned_of(
    session_home: Path, capsys: pytest.CaptureFixture[str], recall: float, warned: bool
) -> None:
    opened = JobSearch.open(session_home / "indexes" / "small").opened
    manifest = replace(opened.manifest, recall={"recall@10": recall, "queries": 500}, index_type="hnsw")
    tell_built(replace(opened, manifest=manifest))
    warning = "Warning: type hnsw finds less than 99% of what exact search does"
    assert (warning in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--case", "UPPER"), "case is 'UPPER', expected one of keep, lower, lower-caps"),
        (("--taxonomy", "nope"), "no taxonomy 'nope'; expected one of esco-en, both, small"),
        (("--encoder", "nope"), "no encoder 'nope'; expected one of use"),
        (("--name", "no name!"), "index name 'no name!': expected letters"),
    ],
)
def test_what_cannot_be_built(home: Path, cli: Cli, options: tuple[str, ...], says: str) -> None:
    assert says in error_of(cli(home, "index", "build", *options))
    assert sorted(path.name for path in (home / "indexes").iterdir()) == ["both", "small"]
    assert info(cli, home)["versions"] == ["0001"]


# --- list and info ---------------------------------------------------------------------------------------------


def test_list_and_info_as_json(session_home: Path, cli: Cli) -> None:
    listed = cli(session_home, "index", "list", "--json")
    assert (listed.code, listed.err) == (0, "")
    both, small = json.loads(listed.out)
    assert shape(small) == shape(both) == SUMMARY
    assert list(small) == list(SUMMARY)
    assert small == info(cli, session_home) == info(cli, session_home, "small")
    assert both == info(cli, session_home, "both")
    assert small["name"] == "small"
    assert small["path"] == str(session_home / "indexes" / "small")
    assert (small["version"], small["versions"]) == ("0001", ["0001"])
    assert small["counts"] == {
        "labels": ENGLISH,
        "concepts": CONCEPTS,
        "occupations": 12,
        "skills": 10,
        "relations": 8,
    }
    assert both["counts"]["labels"] == ENGLISH + GERMAN
    assert (small["taxonomy"]["languages"], both["taxonomy"]["languages"]) == (["en"], ["de", "en"])
    assert (small["taxonomy"]["name"], small["taxonomy"]["version"]) == ("small", "1.2.1")
    assert (small["dim"], small["index_type"], small["factory"]) == (512, "flat", "Flat")
    assert small["recall"] == {"recall@10": 1.0, "queries": ENGLISH}
    assert (small["edits"], small["gate"]) == (0, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", small["created"])


def test_list_and_info_as_tables(session_home: Path, cli: Cli) -> None:
    head, both, small = cli(session_home, "index", "list").out.splitlines()
    assert head.split() == ["Index", "Version", "Of", "Labels", "Encoder", "Taxonomy", "Built", "(UTC)"]
    assert both.split()[:6] == ["both", "0001", "1", str(ENGLISH + GERMAN), "use", "both"]
    assert small.split()[:6] == ["small", "0001", "1", str(ENGLISH), "use", "small"]
    created = info(cli, session_home)["created"]
    assert small.split()[6:] == [created[:10], created[11:16]]
    shown = cli(session_home, "index", "info").out
    for part in (
        str(session_home),
        "version 0001",
        f"{ENGLISH} of {CONCEPTS} concepts",
        "12 occupations, 10 skills",
        "small (ESCO 1.2.1), en",
    ):
        assert part in shown


def test_without_an_index(without_index: Path, cli: Cli) -> None:
    assert cli(without_index, "index", "list", "--json") == Result(0, "[]\n", "")
    found = cli(without_index, "index", "list")
    assert (found.code, found.out) == (0, "")
    assert "`jobsearch index build`" in found.err
    for command in ("info", "verify", "rollback"):
        assert "no index 'small'" in error_of(cli(without_index, "index", command))


def test_a_broken_index_does_not_hide_the_others(home: Path, cli: Cli) -> None:
    (home / "indexes" / "both" / "versions" / "0001" / "manifest.json").unlink()
    (home / "indexes" / "no name!").mkdir()
    (home / "indexes" / "no name!" / "current").write_text("0001\n")
    (home / "indexes" / "empty").mkdir()
    found = cli(home, "index", "list", "--json")
    assert found.code == 0
    assert [entry["name"] for entry in json.loads(found.out)] == ["small"]
    warnings = found.err.splitlines()
    assert len(warnings) == 2
    assert all(line.startswith("Warning: ") for line in warnings)
    assert "both" in warnings[0]
    assert "no name!" in warnings[1]


# --- verify ----------------------------------------------------------------------------------------------------


def test_verify_says_what_was_checked(session_home: Path, cli: Cli) -> None:
    assert cli(session_home, "index", "verify") == Result(
        0, f"Index 'small', version 0001: 7 files whole, {ENGLISH} labels embedded again and found.\n", ""
    )
    assert "2 labels embedded again" in cli(session_home, "index", "verify", "--sample", "2").out
    assert cli(session_home, "index", "verify", "both").code == 0


# --- rollback --------------------------------------------------------------------------------------------------


def test_rollback_goes_one_version_back(home: Path, cli: Cli) -> None:
    add_version(home)
    assert info(cli, home)["version"] == "0002"
    back = cli(home, "index", "rollback")
    assert back == Result(0, "Index 'small': version 0001 is current, was 0002.\n", "")
    assert info(cli, home)["version"] == "0001"
    assert json.loads(cli(home, "search", "nurse", "--json").out)["index"]["version"] == "0001"
    line = error_of(cli(home, "index", "rollback"))
    assert "has no version before 0001; nothing was changed" in line


def test_rollback_to_a_version_goes_either_way(home: Path, cli: Cli) -> None:
    add_version(home)
    assert cli(home, "index", "rollback", "small", "--to", "0001").code == 0
    assert cli(home, "index", "rollback", "--to", "0002").code == 0
    assert info(cli, home)["version"] == "0002"
    for unknown in ("0003", "2", "x", "../0001"):
        assert f"no version '{unknown}'; it has: 0001, 0002" in error_of(
            cli(home, "index", "rollback", "--to", unknown)
        )
    assert info(cli, home)["version"] == "0002"


def test_rollback_leaves_a_broken_current_version(home: Path, cli: Cli) -> None:
    broken = add_version(home)
    replace_file(broken / "vectors.faiss", b"damaged")
    assert cli(home, "search", "nurse").code == 1
    assert cli(home, "index", "rollback").code == 0
    assert cli(home, "search", "nurse").code == 0


def test_rollback_refuses_a_broken_version(home: Path, cli: Cli) -> None:
    add_version(home)
    replace_file(home / "indexes" / "small" / "versions" / "0001" / "labels.safetensors", b"damaged")
    for options in ((), ("--to", "0001")):
        assert "labels.safetensors has 7 bytes" in error_of(cli(home, "index", "rollback", *options))
    assert info(cli, home)["version"] == "0002"


def test_a_build_after_a_rollback_takes_a_new_number(home: Path, cli: Cli) -> None:
    add_version(home)
    assert cli(home, "index", "rollback").code == 0
    assert cli(home, "index", "build").code == 0
    assert info(cli, home)["versions"] == ["0001", "0002", "0003"]
    assert info(cli, home)["version"] == "0003"
    # To what was in use when it was built, not to 0002, from which somebody went back.
    assert cli(home, "index", "rollback").out == "Index 'small': version 0001 is current, was 0003.\n"


# --- prune -----------------------------------------------------------------------------------------------------


def test_prune_keeps_the_newest_and_the_current(home: Path, cli: Cli) -> None:
    add_version(home)
    assert cli(home, "index", "prune", "--keep", "2").out == "Index 'small': removed nothing; kept: 0001, 0002.\n"
    assert cli(home, "index", "prune", "--keep", "1").out == "Index 'small': removed 0001; kept: 0002.\n"
    assert not (home / "indexes" / "small" / "versions" / "0001").exists()
    assert cli(home, "search", "nurse").code == 0


def test_prune_after_a_rollback_tells_what_is_newer(home: Path, cli: Cli) -> None:
    add_version(home)
    cli(home, "index", "rollback")
    pruned = cli(home, "index", "prune", "--keep", "1")
    assert pruned.out == "Index 'small': removed nothing; kept: 0001, 0002.\n"
    assert pruned.err == "0002 is newer than 0001, the current one; --newer removes it too.\n"
    assert cli(home, "index", "rollback", "--to", "0002").code == 0  # there still
    cli(home, "index", "rollback")
    pruned = cli(home, "index", "prune", "--keep", "1", "--newer")
    assert pruned == Result(0, "Index 'small': removed 0002; kept: 0001.\n", "")
    assert not (home / "indexes" / "small" / "versions" / "0002").exists()
    assert cli(home, "search", "nurse").code == 0


def test_prune_must_be_told_how_many_to_keep(home: Path, cli: Cli) -> None:
    for arguments in ((), ("--keep", "0")):
        assert cli(home, "index", "prune", *arguments).code == 2
    assert info(cli, home)["versions"] == ["0001"]
