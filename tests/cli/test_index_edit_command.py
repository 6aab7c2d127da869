"""`jobsearch index add | remove | export` and the gate on publishing."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli_home import CONCEPTS, ENGLISH, ESCO
from cli_process import Cli, error_of

from jobsearch import JobSearch

NURSE = f"{ESCO}occupation/nurse"


def hits(cli: Cli, home: Path, query: str, *options: str) -> list[dict[str, Any]]:
    return json.loads(cli(home, "search", query, "--json", *options).out)["hits"]


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


# --- add and remove --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_own_titles_are_found_and_survive_a_rebuild(home: Path, cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", "label,uri,kind", f"ward sister,{NURSE},", "growth hacker,urn:acme:1,occupation")
    added = cli(home, "index", "add", file)
    assert (added.code, added.out) == (0, "")
    assert f"version 0002: {ENGLISH + 2} labels of {CONCEPTS + 1} concepts, 2 edits" in added.err
    for _ in range(2):
        first = hits(cli, home, "ward sister")[0]
        assert (first["uri"], first["label"], first["matched_label"]) == (NURSE, "nurse", "ward sister")
        assert hits(cli, home, "Growth Hacker")[0]["uri"] == "urn:acme:1"
        assert cli(home, "index", "build").code == 0
    again = cli(home, "index", "add", file)
    assert (again.code, again.err) == (0, "Index 'small', version 0004, has it all already; nothing to do.\n")
    assert cli(home, "index", "build", "--discard-edits").code == 0
    assert "urn:acme:1" not in [hit["uri"] for hit in hits(cli, home, "growth hacker", "-k", str(CONCEPTS))]


@pytest.mark.slow
def test_what_was_removed_stays_out_until_rolled_back(home: Path, cli: Cli) -> None:
    assert cli(home, "index", "remove", NURSE).code == 0
    assert cli(home, "index", "build").code == 0
    assert NURSE not in [hit["uri"] for hit in hits(cli, home, "nurse")]
    assert cli(home, "index", "rollback", "--to", "0001").code == 0
    assert hits(cli, home, "nurse")[0]["uri"] == NURSE


def test_every_change_of_an_index_is_told_as_json(home: Path, cli: Cli, tmp_path: Path) -> None:
    def told(*command: str) -> dict[str, Any]:
        done = cli(home, "index", *command, "--json")
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)

    removed = told("remove", NURSE)
    assert (removed.pop("changed"), removed["edits"], removed["version"]) == (True, 1, "0002")
    assert removed == told("info")
    again = told("add", write(tmp_path / "known.csv", "label,uri", f"plumber,{ESCO}occupation/plumber"))
    assert (again.pop("changed"), again) == (False, removed)
    assert told("rollback") == {"name": "small", "version": "0001", "was": "0002"}
    assert told("verify", "--sample", "3") == {"name": "small", "version": "0001", "files": 7, "labels_found": 3}
    pruned = told("prune", "--keep", "1", "--newer")
    assert pruned == {"name": "small", "version": "0001", "versions": ["0001"], "removed": ["0002"]}


def test_a_rollback_goes_to_what_was_in_use_before(home: Path, cli: Cli) -> None:
    assert cli(home, "index", "remove", NURSE).code == 0
    assert cli(home, "index", "rollback").out == "Index 'small': version 0001 is current, was 0002.\n"
    assert cli(home, "index", "build").code == 0
    # Not to 0002, from which it was rolled back.
    assert cli(home, "index", "rollback").out == "Index 'small': version 0001 is current, was 0003.\n"


def test_a_short_uri_will_do(home: Path, cli: Cli) -> None:
    assert cli(home, "index", "remove", "occupation/nurse").code == 0
    assert NURSE not in [hit["uri"] for hit in hits(cli, home, "nurse")]
    line = error_of(cli(home, "index", "remove", "skill/"))
    assert "there is no concept 'skill/' to remove" in line


def test_one_label_is_removed(home: Path, cli: Cli) -> None:
    assert cli(home, "index", "remove", NURSE, "--label", "registered nurse").code == 0
    assert hits(cli, home, "registered nurse")[0]["score"] < 0.999
    assert hits(cli, home, "hospital nurse")[0]["score"] > 0.999


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "nowhere.csv"), "nowhere.csv cannot be read (No such file or directory); check the path"),
        (("add", "bad.csv"), "bad.csv, row 3: kind is 'job', expected occupation or skill"),
        (("remove", "urn:none"), "there is no concept 'urn:none' to remove; `jobsearch search … --json` shows URIs"),
        (("remove", NURSE, "--label", "sister"), f"concept '{NURSE}' has no label 'sister' to remove"),
        (("add", "bad.csv", "--name", "nope"), "row 3"),
        (("remove", "urn:none", "--name", "nope"), "no index 'nope'"),
    ],
)
def test_what_cannot_be_edited_changes_nothing(
    home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "bad.csv", "label,kind", "growth hacker,", "prompt wrangler,job")
    assert says in error_of(cli(home, "index", *arguments))
    assert [path.name for path in (home / "indexes" / "small" / "versions").iterdir()] == ["0001"]
    assert not (home / "indexes" / "nope").exists()


# --- the gate --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_gate_holds_back_what_finds_less_unless_forced(home: Path, cli: Cli, tmp_path: Path) -> None:
    gate = write(tmp_path / "gate.csv", "query,uri", f"nurse,{NURSE}", f"hospital nurse,{NURSE}")
    assert cli(home, "index", "build", "--gate", gate).code == 0
    line = error_of(cli(home, "index", "remove", NURSE))
    assert "recall@10 fell from 1.0000 to 0.0000 over 2 queries, lost 'nurse', 'hospital nurse'" in line
    assert hits(cli, home, "nurse")[0]["uri"] == NURSE
    forced = cli(home, "index", "remove", NURSE, "--force")
    assert forced.code == 0
    assert "Warning: recall@10 of the gate fell from 1.0000; published by force." in forced.err
    shown = json.loads(cli(home, "index", "info", "--json").out)
    assert shown["gate"] == {"queries": 2, "recall@10": 0.0, "before": 1.0, "forced": True}
    assert cli(home, "index", "build", "--no-gate").code == 0
    assert json.loads(cli(home, "index", "info", "--json").out)["gate"] is None


def test_a_gate_cannot_be_set_and_dropped_at_once(home: Path, cli: Cli, tmp_path: Path) -> None:
    gate = write(tmp_path / "gate.csv", "query,uri", f"nurse,{NURSE}")
    assert cli(home, "index", "build", "--gate", gate, "--no-gate").code == 2


# --- export ----------------------------------------------------------------------------------------------------


def test_parquet_holds_each_row_with_its_vector(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    done = cli(session_home, "index", "export", "both", str(folder), "--json")
    opened = JobSearch.open(session_home / "indexes" / "both").opened
    assert json.loads(done.out) == {
        "folder": str(folder),
        "files": ["labels.parquet", "manifest.json"],
        "rows": len(opened.labels),
    }
    table = pq.read_table(folder / "labels.parquet")
    assert table.column_names == ["uri", "kind", "label", "preferred", "language", "isco_group", "embedding"]
    vectors = np.stack(table["embedding"].to_numpy())
    assert np.array_equal(vectors, opened.vectors.embeddings)
    row = table["label"].to_pylist().index("Bäcker")
    assert table.slice(row, 1).drop(["embedding"]).to_pylist() == [
        {
            "uri": f"{ESCO}occupation/baker",
            "kind": "occupation",
            "label": "Bäcker",
            "preferred": True,
            "language": "de",
            "isco_group": "7512",
        }
    ]
    assert table.schema.metadata[b"encoder"].decode() == opened.encoder.fingerprint


def test_npy_and_csv_have_the_same_rows(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    assert cli(session_home, "index", "export", str(folder), "--format", "npy").code == 0
    opened = JobSearch.open(session_home / "indexes" / "small").opened
    assert np.array_equal(np.load(folder / "vectors.npy"), opened.vectors.embeddings)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == list(opened.labels.texts)
    assert json.loads((folder / "manifest.json").read_text())["encoder"]["fingerprint"] == opened.encoder.fingerprint


def test_an_export_of_an_index_named_as_elsewhere_or_by_its_option(
    session_home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, arguments in enumerate((("both",), ("--name", "both"), (str(session_home / "indexes" / "both"),))):
        done = cli(session_home, "index", "export", *arguments, f"v{number}")
        assert (done.code, done.out.split(":")[0]) == (0, "Index 'both', version 0001")
    assert sorted(path.name for path in tmp_path.glob("v*")) == ["v0", "v1", "v2"]
    assert cli(session_home, "index", "export", "./small").code == 0  # a folder that has an index's name
    assert (tmp_path / "small" / "labels.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Missing argument 'FOLDER'"),
        (("both",), "'both' is an index; name also the folder to make: `jobsearch index export both FOLDER`"),
        (("both", "a", "b"), "expected an index and a folder, got 3 names: both, a, b"),
        (("both", "a", "--name", "small"), "the index is named twice, as 'both' and with --name; leave one out"),
    ],
)
def test_an_export_that_is_not_told_what_or_where(
    session_home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in error_of(cli(session_home, "index", "export", *arguments), code=2)
    assert [path.name for path in tmp_path.iterdir() if path.name != "stdin"] == []


def test_an_export_replaces_nothing(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    assert "is there already" in error_of(cli(session_home, "index", "export", str(tmp_path)))
    assert (tmp_path / "mine").read_text() == "precious"


# --- coded titles ------------------------------------------------------------------------------------------------


def test_coded_titles_are_counted_kept_and_dropped(home: Path, cli: Cli, tmp_path: Path) -> None:
    def titles() -> Any:
        return json.loads(cli(home, "index", "info", "--json").out)["titles"]

    rows = (f"night nurse,{NURSE}", f"nurse (f),{NURSE}", "x,urn:other", " ,urn:empty", "y, ")
    coded = write(tmp_path / "coded.csv", "vacancyTitle,conceptUri", *rows)
    done = cli(home, "index", "build", "--titles", coded)
    assert done.code == 0
    assert "1 of 3 coded titles mean concepts that index 'small' does not hold" in done.err
    assert titles() == {"titles": 3, "concepts": 2}
    assert "Titles     3 coded, of 2 concepts\n" in cli(home, "index", "info").out
    assert cli(home, "index", "build").code == 0
    assert titles() == {"titles": 3, "concepts": 2}
    assert cli(home, "index", "build", "--no-titles").code == 0
    assert titles() is None
    assert "Titles     none\n" in cli(home, "index", "info").out


def test_coded_titles_that_cannot_be_used(home: Path, cli: Cli, tmp_path: Path) -> None:
    coded = write(tmp_path / "coded.csv", "vacancyTitle,conceptUri", "nurse,urn:x")
    assert "none of the 1 coded titles means a concept of index 'small'" in error_of(
        cli(home, "index", "build", "--titles", coded)
    )
    empty = write(tmp_path / "empty.csv", "vacancyTitle,conceptUri", "nurse,")
    assert "holds no titles with a concept; write one a row: vacancyTitle,conceptUri" in error_of(
        cli(home, "index", "build", "--titles", empty)
    )
    assert "expected a CSV file with the columns vacancyTitle,conceptUri" in error_of(
        cli(home, "index", "build", "--titles", write(tmp_path / "other.csv", "a,b", "1,2"))
    )
    assert "exclude each other" in error_of(cli(home, "index", "build", "--titles", coded, "--no-titles"), code=2)
    assert json.loads(cli(home, "index", "info", "--json").out)["version"] == "0001"


def test_comparing_with_an_index_of_other_coded_titles_is_warned_of(home: Path, cli: Cli, tmp_path: Path) -> None:
    coded = write(tmp_path / "coded.csv", "vacancyTitle,conceptUri", f"night nurse,{NURSE}")
    assert cli(home, "index", "build", "--name", "other", "--taxonomy", "small", "--titles", coded).code == 0
    warning = "Warning: the indexes 'small' and 'other' count other coded titles"
    assert warning in cli(home, "compare", "nurse", "--base", "small", "--tuned", "other", "-k", "1").err
    assert "Warning" not in cli(home, "compare", "nurse", "--base", "other", "--tuned", "other", "-k", "1").err
    assert cli(home, "index", "build", "--titles", coded).code == 0
    assert "Warning" not in cli(home, "compare", "nurse", "--base", "small", "--tuned", "other", "-k", "1").err
