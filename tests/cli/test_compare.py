"""`jobsearch compare`: two encoders over one taxonomy, side by side."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_home import linked_copy
from cli_process import Cli, Result, error_of, execute, shape

from jobsearch.cli.app import run
from jobsearch.comparison import Comparison, compare
from jobsearch.encoder import architecture as arch
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.weights import WeightSet

HIT = {
    "rank": int,
    "score": float,
    "uri": str,
    "kind": str,
    "label": str,
    "matched_label": str,
    "language": str,
    "cosine": float,
    "words": float,
    "matched_by": str,
    "confidence": float,
    "good_match": bool,
}
SIDE = {"encoder": {"name": str, "fingerprint": str}, "hits": [HIT]}


@pytest.fixture(scope="session")
def perturbed() -> WeightSet:
    """USE with noise in its last layers: another encoder, near enough that the best hits stay."""
    base = packaged_weights("lower")
    random = np.random.default_rng(0)
    tensors = dict(base.tensors)
    for name in (arch.P3, arch.D3):
        values = tensors[name]
        tensors[name] = values + (random.normal(size=values.shape) * values.std() * 2).astype(np.float32)
    return replace(base, tensors=tensors, name="tuned-1")


@pytest.fixture(scope="session")
def compared_home(session_home: Path, perturbed: WeightSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a tuned encoder and an index for it, which no test may change."""
    folder = linked_copy(session_home, tmp_path_factory.mktemp("compare") / "home")
    model = folder / "data" / "models" / "tuned-1"
    perturbed.save(model)
    record = {"name": "tuned-1", "created": "2026-01-01", "recipe": {}, "data": {}, "gate": {"verdict": "accepted"}}
    (model / "record.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBSEARCH_HOME", str(folder))
        assert run(["compare", "nurse", "--json"]) == 0
    assert names(folder) == {"both", "small", "small@tuned-1"}
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_home(compared_home: Path, tmp_path: Path) -> Iterator[Path]:
    """The same for one test, without the index of the tuned encoder."""
    folder = linked_copy(compared_home / "data", tmp_path / "home" / "data").parent
    linked_copy(compared_home / "indexes" / "small", folder / "indexes" / "small")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # what is built in it is 80 MB


def names(home: Path) -> set[str]:
    return {path.name for path in (home / "indexes").iterdir() if path.is_dir()}


def versions(home: Path, name: str = "small") -> list[str]:
    return sorted(path.name for path in (home / "indexes" / name / "versions").iterdir())


def records(result: Result) -> list[dict[str, Any]]:
    assert result.code == 0, result
    return [json.loads(line) for line in result.out.splitlines()]


# --- one query ---------------------------------------------------------------------------------------------------


def test_json_has_the_promised_schema(compared_home: Path, perturbed: WeightSet, cli: Cli) -> None:
    found = cli(compared_home, "compare", "nurse", "-k", "5", "--json")
    assert found.err == ""
    (record,) = records(found)
    moves = record.pop("moves")
    assert list(record) == ["query", "base", "tuned"]
    assert shape(record) == {"query": str, "base": SIDE, "tuned": SIDE}
    for move in moves:
        assert list(move) == ["uri", "label", "base_rank", "tuned_rank"]
    assert record["base"]["encoder"]["name"] == "use"
    assert record["tuned"]["encoder"] == {"name": "tuned-1", "fingerprint": perturbed.fingerprint}
    assert record["base"]["encoder"]["fingerprint"] == packaged_weights("lower").fingerprint
    before, after = ({hit["uri"]: hit["rank"] for hit in record[side]["hits"]} for side in ("base", "tuned"))
    assert len(before) == len(after) == 5
    assert {move["uri"]: (move["base_rank"], move["tuned_rank"]) for move in moves} == {
        uri: (before.get(uri), after.get(uri)) for uri in {*before, *after}
    }
    assert any(move["base_rank"] is None for move in moves)  # null in JSON
    assert any(move["tuned_rank"] is None for move in moves)


def test_each_side_answers_as_its_own_index_does(compared_home: Path, cli: Cli) -> None:
    (record,) = records(cli(compared_home, "compare", "care for people", "--kind", "occupation", "--json"))
    for side, index in (("base", "small"), ("tuned", "small@tuned-1")):
        alone = cli(compared_home, "search", "care for people", "--kind", "occupation", "--index", index, "--json")
        assert record[side]["hits"] == records(alone)[0]["hits"]


def test_several_queries_give_a_line_of_json_each(compared_home: Path, cli: Cli) -> None:
    found = records(cli(compared_home, "compare", "nurse", "plumber", "--json"))
    assert [record["query"] for record in found] == ["nurse", "plumber"]


def test_the_table_shows_both_sides_and_what_moved(compared_home: Path, cli: Cli) -> None:
    arguments = ("compare", "nurse", "-k", "5")
    (record,) = records(cli(compared_home, *arguments, "--json"))
    found = cli(compared_home, *arguments)
    assert (found.code, found.err) == (0, "")
    query, head, *rows = found.out.splitlines()
    assert query == "nurse"
    columns = ("Score", "Sure", "Kind")
    assert re.split(r" {2,}", head.strip()) == [*columns, "before: use", *columns, "after: tuned-1"]
    assert {hit["kind"] for side in ("base", "tuned") for hit in record[side]["hits"]} == {"occupation", "skill"}
    assert len(rows) == 5
    moves = {move["uri"]: move for move in record["moves"]}
    for rank, (row, before, after) in enumerate(
        zip(rows, record["base"]["hits"], record["tuned"]["hits"], strict=True), start=1
    ):
        move = moves[after["uri"]]
        expected = (
            "new"
            if move["base_rank"] is None
            else "="
            if move["base_rank"] == rank
            else f"{'up' if move['base_rank'] > rank else 'down'} from {move['base_rank']}"
        )
        dropped = ["dropped"] if moves[before["uri"]]["tuned_rank"] is None else []
        cells = [str(rank), *cells_of(before), *dropped, *cells_of(after), expected]
        assert re.split(r" {2,}", row.strip()) == cells
    assert "dropped" in found.out
    assert "new" in found.out


def cells_of(hit: dict[str, Any]) -> list[str]:
    return [f"{hit['score']:.3f}", f"{hit['confidence']:.0%}", hit["kind"], hit["label"]]


def test_where_all_hits_are_of_one_kind_it_is_not_told(compared_home: Path, cli: Cli) -> None:
    _, head, *_ = cli(compared_home, "compare", "nurse", "--kind", "occupation").out.splitlines()
    assert re.split(r" {2,}", head.strip()) == [*("Score", "Sure", "before: use"), *("Score", "Sure", "after: tuned-1")]


@pytest.mark.parametrize(
    ("good", "told"),
    [
        ((True, True), []),
        ((False, False), ["No good match; the nearest there are:"]),
        ((False, True), ["No good match before; the nearest there are:"]),
        ((True, False), ["No good match after; the nearest there are:"]),
    ],
)
def test_no_good_match_is_told_as_a_search_tells_it(
    compared_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, good: tuple[bool, bool], told: list[str]
) -> None:
    def ask(*arguments: Any) -> list[Comparison]:
        (one,) = compare(*arguments)
        sides = [
            tuple(replace(hit, good_match=each) for hit in hits)
            for hits, each in zip((one.base, one.tuned), good, strict=True)
        ]
        return [replace(one, base=sides[0], tuned=sides[1])]

    monkeypatch.setattr("jobsearch.comparison.compare", ask)
    query, *lines = cli(compared_home, "compare", "nurse", "-k", "1").out.splitlines()
    assert query == "nurse"
    assert lines[:-2] == told


def test_several_queries_give_a_table_each(compared_home: Path, cli: Cli) -> None:
    blocks = cli(compared_home, "compare", "nurse", "plumber [x]", "-k", "1").out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == ["nurse", "plumber [x]"]


# --- which index ---------------------------------------------------------------------------------------------------


def test_an_index_is_built_once_where_there_is_none(own_home: Path, cli: Cli) -> None:
    found = cli(own_home, "compare", "nurse", "--json")
    assert found.code == 0
    first, second = found.err.splitlines()
    assert first == "Building the index 'small@tuned-1' once to compare, a few seconds at best …"
    assert second.startswith("Index 'small@tuned-1', version 0001: ")
    assert names(own_home) == {"small", "small@tuned-1"}
    again = cli(own_home, "compare", "nurse", "--json")
    assert (again.out, again.err) == (found.out, "")
    assert versions(own_home, "small@tuned-1") == ["0001"]


def test_an_earlier_version_of_the_index_in_use_is_taken(own_home: Path, perturbed: WeightSet, cli: Cli) -> None:
    before = cli(own_home, "compare", "kitchen work", "--tuned", "small", "--json").out
    assert cli(own_home, "index", "build", "--encoder", "tuned-1").code == 0
    assert versions(own_home) == ["0001", "0002"]
    found = cli(own_home, "compare", "kitchen work", "--json")
    assert found.err == ""  # nothing is built
    assert names(own_home) == {"small"}
    assert versions(own_home) == ["0001", "0002"]
    (record,) = records(found)
    assert record["base"] == json.loads(before)["base"]
    assert record["base"]["encoder"]["name"] == "use"
    assert record["tuned"]["encoder"]["fingerprint"] == perturbed.fingerprint
    assert record["tuned"]["hits"] != record["base"]["hits"]


def test_a_version_of_another_state_of_the_taxonomy_is_not_taken(
    own_home: Path, bundle: Path, tmp_path: Path, cli: Cli
) -> None:
    changed = shutil.copytree(bundle, tmp_path / "changed")
    table = (changed / "occupations_en.csv").read_text(encoding="utf-8")
    (changed / "occupations_en.csv").write_text(table.replace("bread maker", "loaf maker"), encoding="utf-8")
    assert cli(own_home, "esco", "import", str(changed), "--language", "en", "--name", "small").code == 0
    found = cli(own_home, "compare", "loaf maker", "--tuned", "use", "-k", "1", "--json")
    assert "Building the index 'small@use' once to compare, " in found.err
    (record,) = records(found)
    assert record["base"]["hits"][0]["matched_label"] == "loaf maker"


def test_indexes_by_name(compared_home: Path, cli: Cli) -> None:
    (record,) = records(cli(compared_home, "compare", "Bäcker", "--base", "small", "--tuned", "both", "--json"))
    assert record["base"]["hits"][0]["language"] == "en"
    assert record["tuned"]["hits"][0]["label"] == "Bäcker"


# --- many queries --------------------------------------------------------------------------------------------------

QUERIES = ("nurse", "kitchen work", "bread maker", "fix pipes", "court")


def test_a_file_of_queries_is_summed_up(compared_home: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "titles.txt").write_text("\ufeff" + "\n \n".join(QUERIES) + "\n", encoding="utf-8")
    found = cli(compared_home, "compare", "--file", str(tmp_path / "titles.txt"), "-k", "3", "--json")
    assert found.err == ""
    summary = json.loads(found.out)
    single = records(cli(compared_home, "compare", *QUERIES, "-k", "3", "--json"))
    assert summary["base"] == single[0]["base"]["encoder"]
    assert summary["tuned"] == single[0]["tuned"]["encoder"]
    assert (summary["queries"], summary["k"], summary["expected"], summary["won"]) == (5, 3, 0, [])
    shared = [sum(None not in (m["base_rank"], m["tuned_rank"]) for m in record["moves"]) / 3 for record in single]
    assert summary["overlap@3"] == pytest.approx(sum(shared) / 5)
    assert sum(summary["movements"].values()) == sum(len(record["moves"]) for record in single)
    assert summary["movements"]["entered"] == summary["movements"]["dropped"]
    assert summary["changed_first"] == sum(
        record["base"]["hits"][0]["uri"] != record["tuned"]["hits"][0]["uri"] for record in single
    )


@pytest.fixture
def moves(compared_home: Path, cli: Cli) -> dict[str, list[dict[str, Any]]]:
    """How all 22 concepts move for each query, the biggest rise first."""
    found = records(cli(compared_home, "compare", *QUERIES, "-k", "22", "--json"))
    return {
        record["query"]: sorted(record["moves"], key=lambda move: move["tuned_rank"] - move["base_rank"])
        for record in found
    }


def right_concepts(folder: Path, moves: dict[str, list[dict[str, Any]]]) -> Path:
    """Take for the right one what rises most for the first and last query, falls most for the second, stays for the
    fourth; for the third it is not known.
    """
    first, second, _, fourth, last = QUERIES
    (same, *_) = (move for move in moves[fourth] if move["tuned_rank"] == move["base_rank"])
    uris = {first: moves[first][0], second: moves[second][-1], fourth: same, last: moves[last][0]}
    rows = [f'{uris[query]["uri"] if query in uris else ""},"a, b",{query}' for query in QUERIES]
    path = folder / "titles.csv"
    path.write_text("\r\n".join(["uri,note,Query", *rows, ""]), encoding="utf-8")
    return path


def row(query: str, move: dict[str, Any]) -> dict[str, Any]:
    return {"query": query, "base_rank": move["base_rank"], "tuned_rank": move["tuned_rank"]}


def test_a_csv_with_the_right_concepts(
    compared_home: Path, cli: Cli, tmp_path: Path, moves: dict[str, list[dict[str, Any]]]
) -> None:
    path = right_concepts(tmp_path, moves)
    summary = json.loads(cli(compared_home, "compare", "--file", str(path), "-k", "22", "--json").out)
    assert (summary["queries"], summary["expected"]) == (5, 4)
    assert summary["found_base"] == summary["found_tuned"] == 4  # all 22 concepts are among 22 hits
    first, second, *_, last = QUERIES
    won = [row(query, moves[query][0]) for query in (first, last)]
    assert summary["won"] == sorted(won, key=lambda r: r["tuned_rank"] - r["base_rank"])
    assert all(r["tuned_rank"] < r["base_rank"] for r in won)
    assert summary["lost"] == [row(second, moves[second][-1])]


def test_the_sum_for_people(
    compared_home: Path, cli: Cli, tmp_path: Path, moves: dict[str, list[dict[str, Any]]]
) -> None:
    arguments = ("compare", "--file", str(right_concepts(tmp_path, moves)), "-k", "22")
    summary = json.loads(cli(compared_home, *arguments, "--json").out)
    found = cli(compared_home, *arguments)
    assert (found.code, found.err) == (0, "")
    lines = [re.split(r" {2,}", line.strip()) for line in found.out.splitlines()]
    counts = ", ".join(f"{number} {movement}" for movement, number in summary["movements"].items())
    assert lines[:6] == [
        ["Encoders", "use before, tuned-1 after"],
        ["Queries", "5, 22 hits each"],
        ["Overlap@22", "1.000"],
        ["Moves", counts],
        ["Best hit", f"changed for {summary['changed_first']} queries"],
        ["Right concept", "known for 4, found for 4 before and 4 after; 2 won, 1 lost"],
    ]
    expected = []
    for heading in ("won", "lost"):
        expected += [[""], [heading.capitalize(), "before", "after"]]
        expected += [[r["query"], str(r["base_rank"]), str(r["tuned_rank"])] for r in summary[heading]]
    assert lines[6:] == expected


# --- what goes wrong -----------------------------------------------------------------------------------------------


def test_queries_or_a_file(compared_home: Path, cli: Cli, tmp_path: Path) -> None:
    for arguments in ((), ("nurse", "--file", str(tmp_path / "x"))):
        line = error_of(cli(compared_home, "compare", *arguments), code=2)
        assert line.startswith("Error: give one QUERY or more, or --file, not both")


def test_who_has_tuned_nothing_compares_with_what_is_shipped(without_index: Path, cli: Cli) -> None:
    (record,) = records(cli(without_index, "compare", "nurse", "--json"))
    assert [record[side]["encoder"]["name"] for side in ("base", "tuned")] == ["use", "use-jobs"]
    assert names(without_index) == {"small@use", "small@use-jobs"}
    assert cli(without_index, "compare", "nurse", "--json").err == ""


def test_an_unknown_encoder(compared_home: Path, cli: Cli) -> None:
    line = error_of(cli(compared_home, "compare", "nurse", "--tuned", "tuned-9"))
    others = "a directory, a TF-Hub address, or st:MODEL"
    assert line == f"Error: no encoder 'tuned-9'; expected one of use, use-jobs, tuned-1, {others}"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", None, "cannot be read (No such file or directory); name a file with queries"),
        ("a.txt", b"nurse\n\xff\n", "line 2 is not UTF-8 (byte 0xff at 1); save the file as UTF-8"),
        ("a.txt", b" \n\n", "holds no queries; write one a line"),
        ("a.csv", b"title,uri\nnurse,x\n", "has the columns title, uri; expected query, and uri if known"),
        ("a.csv", b"", "has the columns none; expected query, and uri if known"),
        ("a.csv", b"query,uri\n,x\n", "holds no queries; write one a line"),
    ],
)
def test_a_file_that_cannot_be_used(
    compared_home: Path, cli: Cli, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert error_of(cli(compared_home, "compare", "--file", str(path))) == f"Error: {path} {says}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("", "-k", "1"), "query 1 is empty"), (("x", "-k", "0"), "k is 0"), (("x", "--kind", "y"), "kind is 'y'")],
)
def test_what_cannot_be_searched(compared_home: Path, cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    assert says in error_of(cli(compared_home, "compare", *arguments))


def test_comparing_needs_no_tensorflow(compared_home: Path) -> None:
    found = execute(compared_home, "compare", "nurse", "-k", "1", PYTHONPROFILEIMPORTTIME="1")
    assert found.code == 0, found
    assert "before: use" in found.out
    imported = {line.rpartition("|")[2].strip() for line in found.err.splitlines()}
    assert "numpy" in imported
    assert "tensorflow" not in imported


@pytest.mark.parametrize("query", ["-", "titles.csv", "Queries.TXT"])
def test_a_file_is_no_query(cli: Cli, tmp_path: Path, query: str) -> None:
    line = error_of(cli(tmp_path, "compare", query), code=2)
    assert f"{query!r} is no query; for a file of queries write --file {query}" in line
