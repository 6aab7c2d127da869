"""`jobsearch match --engine spark`: the rows of one machine, as files; and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_home import ESCO
from cli_process import Cli, error_of, execute, shape
from spark_cluster import needs_spark

TITLES = ["nurse", 'Bread "Maker"', "", "truck driver (m/f)", "nurse", "coder", "line\nbreak nurse", " baker "]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A CSV whose cells need quotation marks, hold line breaks, and begin and end in white space."""
    path = tmp_path / "jobs.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(["id", "title", "note"])
        writer.writerows([number, TITLES[number % len(TITLES)], f" é;{number} "] for number in range(200))
    return path


def parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith("part-"))


def on_spark(home: Path, *arguments: str) -> Any:
    return execute(home, "match", *arguments, "--engine", "spark", "--master", "local[2]", timeout=180)


@needs_spark
def test_a_csv_is_matched_as_on_one_machine(session_home: Path, cli: Cli, source: Path, tmp_path: Path) -> None:
    assert cli(session_home, "match", str(source), "--out", str(tmp_path / "one.csv"), "-k", "2").code == 0
    done = on_spark(session_home, str(source), "--out", str(tmp_path / "many.csv"), "-k", "2", "--json")
    assert done.code == 0
    record = json.loads(done.out)
    assert shape(record) == {
        "file": str,
        "out": str,
        "index": {"name": str, "version": str},
        "encoder": {"name": str, "fingerprint": str},
        "rows": int,
        "without_hit": int,
        "without_good_match": int,
        "seconds": float,
        "rows_per_second": float,
    }
    assert [record[name] for name in ("rows", "without_hit", "without_good_match")] == [200, 25, 25]
    written = parts(tmp_path / "many.csv")
    assert len(written) == 2  # one CSV is spread over both cores, in its order
    with (tmp_path / "one.csv").open(encoding="utf-8", newline="") as file:
        wanted = list(csv.DictReader(file, delimiter=";"))
    found: list[dict[str, str]] = []
    for part in written:
        with part.open(encoding="utf-8", newline="") as file:
            found += csv.DictReader(file)
    numbers = ("match_score", "match_confidence")
    without = dict.fromkeys(numbers, "")
    assert [{**row, **without} for row in found] == [{**row, **without} for row in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        for name in numbers:
            assert float(ours[name] or 0) == pytest.approx(float(theirs[name] or 0), abs=1.01e-4)


@needs_spark
def test_nothing_is_replaced_unasked(session_home: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    done = on_spark(session_home, str(source), "--out", str(out))
    assert done.code == 0
    counts = "200 rows: 25 without a title or a hit, 25 without a title or a good match"
    assert re.search(rf"^{counts}; [\d,]+ rows/s; in {out}\.$", done.err, re.MULTILINE)
    rows = [json.loads(line) for part in parts(out) for line in part.read_text(encoding="utf-8").splitlines()]
    assert [row["title"] for row in rows[:8]] == [title or None for title in TITLES]
    assert rows[0]["match_uri"] == f"{ESCO}occupation/nurse" and rows[2]["match_uri"] is None
    again = on_spark(session_home, str(source), "--out", str(out))
    assert again.code == 1
    assert again.err.splitlines()[-1] == (
        f"Error: {out} is there already; name another folder with --out, or add --force to replace it"
    )
    assert on_spark(session_home, str(source), "--out", str(out), "--force", "-k", "2").code == 0
    assert "match_rank" in json.loads(parts(out)[0].read_text(encoding="utf-8").splitlines()[0])
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@needs_spark
def test_a_csv_that_is_none_is_refused_whole(session_home: Path, tmp_path: Path) -> None:
    source = tmp_path / "jobs.csv"
    source.write_text("id,title\n1,nurse\n2,baker,too many\n", encoding="utf-8")
    done = on_spark(session_home, str(source))
    assert done.code == 1
    assert re.match(rf"Error: Spark cannot match {source}: .*(M|m)alformed", done.err.splitlines()[-1])
    assert not (tmp_path / "jobs.matched.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f.csv", "--master", "local"), "--master is about Spark; add --engine spark"),
        (("-", "--engine", "spark"), "Spark reads and writes folders and files, no stream"),
        (("f.csv", "--engine", "spark", "--out", "-"), "Spark reads and writes folders and files, no stream"),
        (("f.csv", "--engine", "spark", "--restart"), "a run on Spark always begins anew; leave --restart out"),
        (("f.csv", "--engine", "flink"), "'flink' is not one of 'local', 'spark'"),
    ],
)
def test_options_that_cannot_go_together(
    arguments: tuple[str, ...], message: str, session_home: Path, cli: Cli
) -> None:
    assert message in error_of(cli(session_home, "match", *arguments), code=2)
