"""`jobsearch match`: files and streams of titles, one line for what is wrong, Ctrl-C and kill."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_home import ESCO
from cli_process import Cli, Result, environment, error_of, execute, shape, start

from jobsearch.cli.match_interrupted import Watched

TITLES = ["nurse", "Bread Maker", "", "truck driver (m/f)", "nurse", "coder"]
FOUND = ["nurse", "baker", "", "driver", "nurse", "programmer"]
TABLE = "id,title\n" + "".join(f"{number},{title}\n" for number, title in enumerate(TITLES))


def write(path: Path, content: str = TABLE) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def found_in(rows: list[dict[str, Any]]) -> list[str]:
    return [(row["match_uri"] or "").removeprefix(f"{ESCO}occupation/") for row in rows]


def test_a_csv_is_matched_beside_itself(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli(session_home, "match", str(write(tmp_path / "jobs.csv")))
    assert (done.code, done.out) == (0, "")
    out = tmp_path / "jobs.matched.csv"
    assert re.fullmatch(
        r"6 rows: 4 titles searched, 1 empty, 0 without a hit; 0 of 5 titles without a good match; "
        rf"[\d,]+ rows/s; in {out}\.\n",
        done.err,
    )
    rows = rows_of(out.read_text(encoding="utf-8"))
    assert found_in(rows) == FOUND
    assert [row["title"] for row in rows] == TITLES
    assert rows[1] == {
        "id": "1",
        "title": "Bread Maker",
        "match_uri": f"{ESCO}occupation/baker",
        "match_label": "baker",
        "match_matched_label": "bread maker",
        "match_kind": "occupation",
        "match_score": "1.0",
        "match_isco_group": "7512",
        "match_confidence": rows[1]["match_confidence"],
        "match_good_match": "true",
    }
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "stdin") == ["jobs.csv", "jobs.matched.csv"]


def test_hits_are_those_of_search(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    options = ("--kind", "all", "-k", "3", "--min-score", "0.3")
    cli(session_home, "match", str(write(tmp_path / "jobs.csv")), *options, "--out", str(tmp_path / "o.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()]
    for number, title in enumerate(TITLES):
        own = [row for row in rows if row["id"] == str(number)]
        if not title:
            assert [row["match_rank"] for row in own] == [None]
            continue
        hits = json.loads(cli(session_home, "search", title, *options, "--mode", "meaning", "--json").out)["hits"]
        assert [(row["match_rank"], row["match_uri"], row["match_matched_label"]) for row in own] == [
            (hit["rank"], hit["uri"], hit["matched_label"]) for hit in hits
        ]
        assert [row["match_score"] for row in own] == pytest.approx([hit["score"] for hit in hits], abs=1.01e-4)
        sure = [hit["confidence"] for hit in hits]
        assert [row["match_confidence"] for row in own] == pytest.approx(sure, abs=1.01e-4)
        assert [row["match_good_match"] for row in own] == [hit["good_match"] for hit in hits]


def test_rows_without_a_good_match_are_told(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    source = write(tmp_path / "jobs.csv", "title\nnurse\nlorem ipsum dolor\n\n")
    done = cli(session_home, "match", str(source))
    assert "3 rows: 2 titles searched, 1 empty, 0 without a hit; 1 of 2 titles without a good match; " in done.err
    rows = rows_of((tmp_path / "jobs.matched.csv").read_text(encoding="utf-8"))
    assert list(rows[0])[-2:] == ["match_confidence", "match_good_match"]  # behind those that were there before them
    assert [row["match_good_match"] for row in rows] == ["true", "false", ""]
    assert float(rows[0]["match_confidence"]) > 0.5 > float(rows[1]["match_confidence"]) > 0
    assert "No good match" in cli(session_home, "search", "lorem ipsum dolor", "--mode", "meaning").out
    done = cli(session_home, "match", str(source), "--force", "--min-score", "0.9")
    assert "1 without a hit; 1 of 2 titles without a good match; " in done.err


def test_filters_narrow_it(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    source, out = str(write(tmp_path / "jobs.csv", "title\nnurse\n")), tmp_path / "jobs.matched.csv"

    def best(*options: str) -> dict[str, str]:
        assert cli(session_home, "match", source, "--force", *options).code == 0
        return rows_of(out.read_text(encoding="utf-8"))[0]

    assert best("--isco", "75")["match_label"] == "baker"
    assert best("--kind", "skill")["match_kind"] == "skill"
    german = best("--index", "both", "--language", "de")
    assert (german["match_label"], german["match_uri"]) == ("Krankenpfleger", f"{ESCO}occupation/nurse")
    assert best("--isco", "75", "--min-score", "0.99")["match_uri"] == ""


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_formats_go_by_their_names(session_home: Path, cli: Cli, tmp_path: Path, suffix: str) -> None:
    first = tmp_path / f"a.{suffix}"
    assert cli(session_home, "match", str(write(tmp_path / "f.csv")), "--out", str(first)).code == 0
    renamed = tmp_path / "b.csv"
    options = ("--column", "match_label", "--out", str(renamed))
    says = error_of(cli(session_home, "match", str(first), *options))
    assert re.fullmatch(rf"Error: {first}.* has the (column|key) 'match_uri' already; rename or drop it", says)


def test_the_summary_as_json(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    source = write(tmp_path / "jobs.csv")
    done = cli(session_home, "match", str(source), "--json")
    assert (done.code, done.err) == (0, "")
    record = json.loads(done.out)
    assert shape(record) == {
        "file": str,
        "column": str,
        "out": str,
        "index": {"name": str, "version": str},
        "encoder": {"name": str, "fingerprint": str},
        "rows": int,
        "empty": int,
        "without_hit": int,
        "without_good_match": int,
        "searched": int,
        "resumed_after": int,
        "seconds": float,
        "rows_per_second": float,
    }
    assert (record["file"], record["column"], record["out"]) == (
        str(source),
        "title",
        str(tmp_path / "jobs.matched.csv"),
    )
    assert [record[name] for name in ("rows", "empty", "without_hit", "searched", "resumed_after")] == [6, 1, 0, 4, 0]
    assert record["index"] == {"name": "small", "version": "0001"}


# --- streams ---------------------------------------------------------------------------------------------------


def test_stdin_is_answered_on_stdout(session_home: Path, tmp_path: Path) -> None:
    done = execute(session_home, "match", "-", stdin=TABLE.encode())
    assert done.code == 0
    assert found_in(rows_of(done.out)) == FOUND
    assert re.fullmatch(r"6 rows: 4 titles .* rows/s; in stdout\.\n", done.err)
    assert done.out.splitlines()[3] == "2,,,,,,,,,"


def test_stdin_may_go_to_a_file_and_a_file_to_stdout(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    assert cli(session_home, "match", "-", "--out", str(out), stdin=TABLE.encode()).code == 0
    assert found_in([json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]) == FOUND
    done = execute(session_home, "match", str(write(tmp_path / "f.csv")), "--out", "-")
    assert found_in(rows_of(done.out)) == FOUND


def test_a_reader_that_has_seen_enough(session_home: Path) -> None:
    with start(session_home, "match", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(TABLE.encode())
        process.stdin.flush()
        time.sleep(0.2)
        process.stdout.close()
        process.stdin.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_it_does_without_tensorflow(session_home: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from jobsearch.cli.app import run\n"
        f"assert run(['match', {str(write(tmp_path / 'f.csv'))!r}]) == 0\n"
        "print([name for name in ('tensorflow', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment(session_home)
    )
    assert done.stdout.strip() == "[]"


# --- what is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "options", "says"),
    [
        (
            "f.csv",
            "id,job\n1,nurse\n",
            (),
            r"FILE has the columns id, job; say with --column which holds the titles, or put .*",
        ),
        ("f.csv", TABLE, ("--column", "job"), r"FILE has no column 'job'; there are: id, title"),
        ("f.csv", "", (), r"FILE has no header; expected columns in line 1, .*"),
        ("f.csv", "id,title\n1,nurse, head\n", (), r"FILE, row 2 has 3 cells for 2 columns, .*"),
        ("f.jsonl", '{"title": "nurse"}\n{"title": \n', (), r"FILE, line 2 is no JSON .*"),
        ("f.parquet", "title\n", (), r"FILE is no Parquet, or damaged .*"),
        (
            "f.xlsx",
            "",
            (),
            r"FILE ends in '.xlsx', expected one of .csv, .jsonl, .ndjson, .parquet; in the .* save it as CSV UTF-8",
        ),
        ("f.csv", TABLE, ("--out", "x.txt"), r"x.txt ends in '.txt', expected one of .*"),
        ("f.csv", TABLE, ("--delimiter", "; "), r"delimiter is '; ', expected one character, .*"),
        ("f.csv", TABLE, ("-k", "0"), r"k is 0, expected a whole number from 1 to 12 \(the occupations .*"),
        ("f.csv", TABLE, ("--kind", "job"), r"kind is 'job', expected one of occupation, skill, all"),
        ("f.csv", TABLE, ("--isco", "x"), r"isco is 'x', expected an ISCO-08 code .*"),
        ("f.csv", TABLE, ("--min-score", "2"), r"min_score is 2.0, expected a score, .*"),
        ("f.csv", TABLE, ("--language", "fr"), r"language is 'fr', expected one of this index: en"),
        ("f.csv", TABLE, ("--index", "none"), r"no index 'none'; there are: both, small; .*"),
    ],
)
def test_what_cannot_be_matched(
    session_home: Path, cli: Cli, tmp_path: Path, name: str, content: str, options: tuple[str, ...], says: str
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    source = write(folder / name, content)
    line = error_of(cli(session_home, "match", str(source), *options))
    assert re.fullmatch(f"Error: {says}", line.replace(str(source), "FILE")), line
    assert list(folder.iterdir()) == [source]


def test_files_that_are_there_or_not(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    source = write(tmp_path / "f.csv")
    assert "f.csv is the input itself" in error_of(cli(session_home, "match", str(source), "--out", str(source)))
    assert "no.csv cannot be read" in error_of(cli(session_home, "match", str(tmp_path / "no.csv")))
    write(tmp_path / "f.matched.csv", "precious")
    assert "add --force to replace it" in error_of(cli(session_home, "match", str(source)))
    assert (tmp_path / "f.matched.csv").read_text() == "precious"
    missing = tmp_path / "coded" / "o.csv"
    assert error_of(cli(session_home, "match", str(source), "--out", str(missing))) == (
        f"Error: there is no folder {missing.parent}; make it (`mkdir -p {missing.parent}`), or name another file with "
        "--out"
    )
    assert not missing.parent.exists()
    assert cli(session_home, "match", str(source), "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Missing argument 'FILE'"),
        (("-", "--json"), "--json prints a summary on stdout, where the rows go"),
        (("-", "--restart"), "--restart and --force are about a file to write"),
        (("f.csv", "--out", "-", "--force"), "--restart and --force are about a file to write"),
        (("f.csv", "-k", "x"), "'x' is not a valid integer"),
        (("f.csv", "g.csv"), "g.csv"),
    ],
)
def test_wrong_usage_of_match(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in error_of(cli(tmp_path / "home", "match", *arguments), code=2)
    assert not (tmp_path / "home").exists()


# --- stopped and started again ---------------------------------------------------------------------------------

SMALL_BATCHES = "import jobsearch.matching.matcher as m; m.BATCH = 128; from jobsearch.cli import main; main()"


def in_small_batches(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_BATCHES, "match", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
    )


def finished(process: subprocess.Popen[bytes]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out.decode(), err.decode())


def stop(process: subprocess.Popen[bytes], out: Path, how: signal.Signals, rows: int) -> Result:
    """Send a signal as soon as so many rows are done."""
    progress, end = out.with_name(f"{out.name}.partial") / "progress.json", time.monotonic() + 60

    def done() -> int:
        return int(json.loads(progress.read_text())["done"]["rows"]) if progress.exists() else 0

    while done() < rows:
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(how)
    return finished(process)


def told_when_stopped(out: Path) -> str:
    """Return what Ctrl-C must say: what lies on the disk, and what goes on with it."""
    folder = out.with_name(f"{out.name}.partial")
    rows = json.loads((folder / "progress.json").read_text())["done"]["rows"]
    return f"Interrupted; {rows:,} rows are done and kept in {folder}; the same command goes on from there.\n"


@pytest.mark.parametrize(
    ("suffix", "moments"),
    [
        ("csv", ((1, signal.SIGINT),)),
        *(
            pytest.param(suffix, tuple((rows, how) for rows in (1, 400, 800, 1500)), marks=pytest.mark.slow)
            for suffix in ("csv", "jsonl", "parquet")
            for how in (signal.SIGINT, signal.SIGKILL)
        ),
    ],
)
def test_it_goes_on_where_it_was_stopped(
    session_home: Path,
    cli: Cli,
    tmp_path: Path,
    suffix: str,
    moments: tuple[tuple[int, signal.Signals], ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobsearch.matching.matcher.BATCH", 128)
    titles = [f"{title} {number * 7919 % 4001}" for number, title in enumerate(TITLES * 400)]
    source = write(tmp_path / "f.csv", "title\n" + "".join(f"{title}\n" for title in titles))
    undisturbed, out = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    assert cli(session_home, "match", str(source), "--out", str(undisturbed)).code == 0
    for rows, how in moments:
        stopped = stop(in_small_batches(session_home, str(source), "--out", str(out)), out, how, rows)
        told = told_when_stopped(out)
        assert stopped == (Result(130, "", told) if how == signal.SIGINT else Result(-how, "", ""))
        assert not out.exists()
    done = cli(session_home, "match", str(source), "--out", str(out))
    assert done.code == 0
    before = re.match(r"2,400 rows, ([\d,]+) of them before: ", done.err)
    assert before, done.err
    assert int(before[1].replace(",", "")) >= moments[-1][0]
    assert out.read_bytes() == undisturbed.read_bytes()
    assert not out.with_name(f"{out.name}.partial").exists()


def test_ctrl_c_while_it_waits_for_stdin(session_home: Path) -> None:
    with start(session_home, "match", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(TABLE.encode())
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"id,title,match_uri,")  # the header comes at once
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        assert process.wait(30) == 130
        assert time.monotonic() - asked < 10
        assert process.stderr is not None
        assert process.stderr.read() == b"Interrupted; no row was done yet.\n"  # a batch has thousands


def interrupted_at(step: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ctrl-C come when a run tells that it is at a step."""
    note = Watched.__call__

    def stop_there(watched: Watched, now: str, done: int, total: int) -> None:
        note(watched, now, done, total)
        if now == step and done >= rows:
            raise KeyboardInterrupt

    monkeypatch.setattr(Watched, "__call__", stop_there)
    monkeypatch.setattr("jobsearch.matching.matcher.BATCH", 2)


NOTHING = "no row was done yet, so there is nothing to go on with"
GOES_ON = "2 rows are done and kept in {partial}; the same command goes on from there"
STDIN = "stdin cannot be read again, so there is no going on with the 2 rows that are done; --restart drops them"


@pytest.mark.parametrize(
    ("file", "out", "step", "rows", "says"),
    [
        ("f.csv", "o.csv", "checking", 0, NOTHING),
        ("f.csv", "o.csv", "matching", 2, GOES_ON),
        ("-", "o.csv", "checking", 0, NOTHING),
        ("-", "o.csv", "matching", 2, f"{STDIN} ({{partial}})"),
        ("f.csv", "-", "matching", 4, "4 rows were written to stdout; the same command begins anew"),
    ],
)
def test_ctrl_c_tells_the_truth(
    session_home: Path,
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    out: str,
    step: str,
    rows: int,
    says: str,
) -> None:
    source = write(tmp_path / "f.csv")
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        interrupted_at(step, rows, patch)
        done = cli(session_home, "match", file, "--out", out, stdin=TABLE.encode())
    partial = Path("o.csv.partial")
    assert (done.code, done.err) == (130, f"Interrupted; {says.format(partial=partial)}.\n")
    assert partial.exists() == (rows == 2)
    if says == GOES_ON:
        monkeypatch.setattr("jobsearch.matching.matcher.BATCH", 2)
        assert "6 rows, 2 of them before: " in cli(session_home, "match", file, "--out", out).err
    assert source.read_text(encoding="utf-8") == TABLE


def test_ctrl_c_before_there_is_a_run_or_behind_its_end(
    session_home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write(tmp_path / "f.csv"), tmp_path / "f.matched.csv"
    with monkeypatch.context() as patch:
        patch.setattr("jobsearch.cli.match.open_engine", stop_now)
        assert cli(session_home, "match", str(source)).err == f"Interrupted; {NOTHING}.\n"
        assert cli(session_home, "match", str(source), "--engine", "spark").err == (
            "Interrupted; a run on Spark keeps nothing; the same command begins anew.\n"
        )
    assert list(tmp_path.glob("f.*")) == [source]
    with monkeypatch.context() as patch:
        patch.setattr("jobsearch.matching.run._summary", stop_now)
        assert cli(session_home, "match", str(source)).err == f"Interrupted; {out} is whole.\n"
    assert found_in(rows_of(out.read_text(encoding="utf-8"))) == FOUND


def stop_now(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_file_without_a_header_is_not_matched_without_a_word(session_home: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nurse\nplumber\n")
    done = cli(session_home, "match", str(tmp_path / "a.csv"))
    assert "The titles are taken from the only column; line 1, 'nurse', is its name.\n" in done.err
    (tmp_path / "b.csv").write_text("job title\nplumber\n")
    assert "is its name" not in cli(session_home, "match", str(tmp_path / "b.csv")).err
