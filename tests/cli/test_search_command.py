"""`jobsearch search`: tables, JSON, streams, and what goes where."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from queue import Queue

import pytest
from cli_home import CONCEPTS, ENGLISH, ESCO
from cli_process import Cli, Result, command, environment, error_of, execute, shape, start

from jobsearch.cli.search import _MOST_AT_ONCE

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
RECORD = {
    "query": str,
    "index": {"name": str, "version": str},
    "encoder": {"name": str, "fingerprint": str},
    "good_match": bool,
    "hits": [HIT],
}


def records(result: Result) -> list[dict]:
    assert result.code == 0, result
    return [json.loads(line) for line in result.out.splitlines()]


# --- tables ----------------------------------------------------------------------------------------------------


def test_a_table_of_ten_hits(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "search", "nurse")
    assert (found.code, found.err) == (0, "")
    head, *rows = found.out.splitlines()
    assert head.split() == ["Score", "Sure", "Kind", "Label", "Matched", "by", "Concept"]
    assert len(rows) == 10
    sure = rows[0].split().pop(2)
    assert re.fullmatch(r"[5-9]\d%", sure)
    assert rows[0].split() == ["1", "1.000", sure, "occupation", "nurse", "occupation/nurse"]
    for rank, row in enumerate(rows, 1):
        assert re.match(rf" ?{rank}  -?\d\.\d\d\d +\d+%  (occupation|skill)  +\S", row)
    scores = [float(row.split()[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_no_line_of_a_table_ends_in_spaces(session_home: Path, cli: Cli) -> None:
    for arguments in (("search", "bread maker"), ("index", "list"), ("index", "info"), ("doctor",), ("models", "list")):
        found = cli(session_home, *arguments)
        assert len(found.out.splitlines()) > 1, found
        assert [line for line in found.out.splitlines() if line != line.rstrip()] == [], arguments


def test_the_label_that_matched_is_shown_where_it_is_another_one(session_home: Path, cli: Cli) -> None:
    _, row = cli(session_home, "search", "bread maker", "-k", "1").out.splitlines()
    rank, score, _, *rest = re.split(r" {2,}", row.strip())
    assert [rank, score, *rest] == ["1", "1.000", "occupation", "baker", "bread maker", "occupation/baker"]


def test_labels_with_brackets_are_no_markup(session_home: Path, cli: Cli) -> None:
    assert "AI engineer [ml]" in cli(session_home, "search", "AI engineer [ml]", "-k", "1").out


def test_the_language_is_shown_where_hits_are_in_several(session_home: Path, cli: Cli) -> None:
    both = cli(session_home, "search", "baker", "Bäcker", "--index", "both", "-k", "12").out
    assert "baker (en)" in both
    assert "Bäcker (de)" in both
    assert "(en)" not in cli(session_home, "search", "baker").out


def test_several_queries_give_a_table_each_under_the_query(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "search", "nurse [x]", "plumber", "-k", "1")
    blocks = [block.splitlines() for block in found.out.split("\n\n")]
    assert [block[0] for block in blocks] == ["nurse [x]", "plumber"]
    assert "occupation/nurse" in blocks[0][2]
    assert "occupation/plumber" in blocks[1][2]
    assert [len(block) for block in blocks] == [3, 3]


def test_a_table_fits_into_a_narrow_terminal(session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobsearch.cli.render.os.environ", {"COLUMNS": "80", "TERM": "xterm"})
    rows = cli(session_home, "search", "primary teaching").out.splitlines()
    assert max(map(len, rows)) <= 80


def test_a_real_process_prints_plain_text_in_utf8(session_home: Path) -> None:
    found = execute(session_home, "search", "مهندس 👩‍⚕️", "nurse", "-k", "1", TERM="xterm-256color")
    assert (found.code, found.err) == (0, "")  # no warnings, no progress
    assert found.out.splitlines()[0] == "مهندس 👩‍⚕️"
    assert "\x1b" not in found.out


# --- JSON ------------------------------------------------------------------------------------------------------


def test_json_has_the_promised_schema(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "search", "bread maker", "--json")
    assert found.err == ""
    assert found.out.count("\n") == 1
    (record,) = records(found)
    assert shape(record) == RECORD
    assert list(record) == list(RECORD)
    assert list(record["hits"][0]) == list(HIT)
    assert record["query"] == "bread maker"
    assert record["index"] == {"name": "small", "version": "0001"}
    assert record["encoder"]["name"] == "use"
    assert re.fullmatch(r"[0-9a-f]{64}", record["encoder"]["fingerprint"])
    assert [hit["rank"] for hit in record["hits"]] == list(range(1, 11))
    first = record["hits"][0]
    rounded = {name: round(first[name], 4) for name in ("score", "cosine")}
    assert 0.5 < first["confidence"] < 1
    assert first | rounded | {"words": round(first["words"], 1), "confidence": 0} == {
        "rank": 1,
        "score": 1.0,
        "uri": f"{ESCO}occupation/baker",
        "kind": "occupation",
        "label": "baker",
        "matched_label": "bread maker",
        "language": "en",
        "cosine": 1.0,
        "words": 1.0,
        "matched_by": "exact",
        "confidence": 0,
        "good_match": True,
    }


def test_json_has_one_line_a_query_in_their_order(session_home: Path, cli: Cli) -> None:
    found = records(cli(session_home, "search", "nurse", "two\nlines", "nurse", "--json", "-k", "2"))
    assert [record["query"] for record in found] == ["nurse", "two\nlines", "nurse"]
    assert found[0] == found[2]


def test_k_counts_hits_and_kind_filters_them(session_home: Path, cli: Cli) -> None:
    def hits(*options: str) -> list[dict]:
        (record,) = records(cli(session_home, "search", "nurse", "--json", *options))
        return record["hits"]

    assert len(hits("-k", "3")) == 3
    everything = hits("-k", str(CONCEPTS))
    assert {hit["kind"] for hit in everything} == {"occupation", "skill"}
    for kind, count in (("occupation", 12), ("skill", 10)):
        of_kind = hits("-k", str(count), "--kind", kind)
        assert [hit["uri"] for hit in of_kind] == [hit["uri"] for hit in everything if hit["kind"] == kind]


def test_queries_in_any_script_come_back_as_they_were(session_home: Path, cli: Cli) -> None:
    queries = [
        "مهندس معماري",
        "מהנדס",
        "👩‍⚕️ nurse 🏥",
        "Bäcker\u00a0und Köchin",
        "护士",
        "e\u0301lectricien",
        "-x",
        "\u202eabc",
    ]
    found = cli(session_home, "search", "--json", "-k", "1", "--", *queries)
    assert [record["query"] for record in records(found)] == queries
    assert [shape(record) for record in records(found)] == [RECORD] * len(queries)
    assert "\\u" not in found.out  # readable, not escaped
    table = cli(session_home, "search", "-k", "1", "--", *queries)
    assert (table.code, table.err) == (0, "")
    assert all(query in table.out for query in queries)


class LatinStdout(io.TextIOWrapper):
    """A stdout that is Latin-1, as files and pipes of Windows often are."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="latin-1")

    def printed(self) -> str:
        self.seek(0)
        return self.read()


def test_json_loses_no_letter_where_stdout_is_not_utf8(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = LatinStdout()
    monkeypatch.setattr("sys.stdout", stdout)
    assert cli(session_home, "search", "مهندس", "--json", "-k", "1").code == 0
    assert json.loads(stdout.printed())["query"] == "مهندس"


def test_a_terminal_that_cannot_show_a_letter_is_no_reason_to_fail(
    session_home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = LatinStdout()
    monkeypatch.setattr("sys.stdout", stdout)
    found = cli(session_home, "search", "مهندس", "café", "-k", "1")
    assert (found.code, found.err) == (0, "")
    shown = stdout.printed().splitlines()
    assert [shown[0], shown[4]] == ["?????", "café"]


def test_bytes_that_are_no_text_are_searched_without_them(session_home: Path) -> None:
    done = subprocess.run(
        [*map(str.encode, command("search", "--json", "-k", "1")), b"nurse caf\xe9"],
        capture_output=True,
        check=False,
        env=environment(session_home),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["hits"][0]["label"] == "nurse"


# --- streams ---------------------------------------------------------------------------------------------------


def test_queries_from_stdin_give_json_lines(session_home: Path, cli: Cli) -> None:
    text = "nurse\r\n\n \t \nBrotbäcker\n\u200b\nplumber"
    found = cli(session_home, "search", "-", "-k", "2", stdin=text.encode())
    got = records(found)
    assert [record["query"] for record in got] == ["nurse", "Brotbäcker", "plumber"]
    assert all(shape(record) == RECORD and len(record["hits"]) == 2 for record in got)
    assert found.err == "Warning: skipped 3 blank lines\n"


def test_stdin_in_utf16_is_told_as_such(session_home: Path, cli: Cli) -> None:
    line = error_of(cli(session_home, "search", "-", stdin="nurse\n".encode("utf-16")))
    assert line.startswith('Error: stdin is UTF-16 (Excel\'s "Unicode text"), expected UTF-8; save it as')


def test_one_blank_line_is_one(session_home: Path, cli: Cli) -> None:
    assert cli(session_home, "search", "-", stdin=b"nurse\n\n").err == "Warning: skipped 1 blank line\n"


def test_an_empty_query_is_told_by_its_place_before_anything_is_searched(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "search", "nurse", " ", "plumber")
    assert error_of(found) == "Error: query 2 is empty (' '); type a job title or a skill"
    assert found.out == ""


def test_stdin_is_read_as_utf8_whatever_the_locale(session_home: Path) -> None:
    text = "\ufeffBäcker\nnurse".encode()  # a byte-order mark, as some editors write it
    found = execute(session_home, "search", "-", "-k", "1", stdin=text, PYTHONIOENCODING="latin-1")
    assert [record["query"] for record in records(found)] == ["Bäcker", "nurse"]
    assert found.err == ""


def test_lines_that_are_not_utf8_are_searched_and_do_not_end_the_stream(session_home: Path, cli: Cli) -> None:
    got = records(cli(session_home, "search", "-", "-k", "1", stdin=b"caf\xe9 nurse\n\xff\xfe\nplumber\n"))
    assert [record["query"] for record in got] == ["caf\ufffd nurse", "\ufffd\ufffd", "plumber"]
    assert got[0]["hits"][0]["label"] == "nurse"
    assert got[2]["hits"][0]["label"] == "plumber"


def test_an_empty_stream_gives_nothing(session_home: Path, cli: Cli) -> None:
    assert cli(session_home, "search", "-") == Result(0, "", "")


def test_more_lines_than_are_searched_together(session_home: Path, cli: Cli) -> None:
    queries = [("nurse", "baker", "lawyer")[number % 3] for number in range(2 * _MOST_AT_ONCE + 1)]
    got = records(cli(session_home, "search", "-", "-k", "1", stdin="\n".join(queries).encode()))
    assert [record["query"] for record in got] == queries
    assert [record["hits"][0]["label"] for record in got] == queries


def test_arguments_beside_a_stream_are_json_lines_too(session_home: Path, cli: Cli) -> None:
    found = records(cli(session_home, "search", "plumber", "-", "baker", "-k", "1", stdin=b"nurse\n"))
    assert [record["query"] for record in found] == ["plumber", "nurse", "baker"]


def test_a_slow_writer_gets_each_answer_at_once(session_home: Path) -> None:
    process = start(session_home, "search", "-", "-k", "1")
    assert process.stdin
    assert process.stdout
    answers: Queue[bytes] = Queue()
    out = process.stdout
    reader = threading.Thread(target=lambda: [answers.put(line) for line in iter(out.readline, b"")])
    reader.start()
    try:
        for query in ("nurse", "plumber", "baker"):  # each is written only after the answer before it
            process.stdin.write(f"{query}\n".encode())
            process.stdin.flush()
            assert json.loads(answers.get(timeout=60))["hits"][0]["label"] == query
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        reader.join()
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
        process.stderr.close()


@pytest.mark.parametrize("end", ["error", "interrupt"])
def test_leaving_while_the_writer_goes_on(session_home: Path, end: str) -> None:
    """Python aborts at exit if a thread then still reads from stdin."""
    options = ("-k", "999") if end == "error" else ("-k", "1")
    process = start(session_home, "search", "-", *options)
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        process.stdin.write(b"nurse\n")
        process.stdin.flush()
        if end == "interrupt":
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
        err = process.stderr.read().decode()
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
    assert err.count("\n") == 1
    assert (code, err.split()[0]) == ((1, "Error:") if end == "error" else (130, "Interrupted;"))


# --- streams that end early ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("search", "nurse", "baker"), ("--help",)], ids=["table", "help"])
def test_a_reader_that_is_gone_before_the_first_line(session_home: Path, arguments: tuple[str, ...]) -> None:
    process = start(session_home, *arguments)
    assert process.stdout
    process.stdout.close()  # small outputs fit into a pipe that nobody reads: only so is it sure to be noticed
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


def test_a_reader_that_has_seen_enough(session_home: Path) -> None:
    """`jobsearch search - | head -1`, and a writer that goes on."""
    script = 'for i in $(seq 2000); do echo nurse; done | { "$@"; echo $? >&2; } | head -1'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command("search", "-")],
        capture_output=True,
        check=False,
        timeout=60,
        env=environment(session_home),
    )
    assert json.loads(done.stdout)["query"] == "nurse"
    assert done.stderr.splitlines()[-1] == b"0"
    assert set(done.stderr.splitlines()) <= {b"0", b"bash: line 1: echo: write error: Broken pipe"}


@pytest.mark.parametrize("arguments", [("search", "nurse"), ("--help",)], ids=["table", "help"])
def test_a_full_disk_behind_stdout(session_home: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(session_home, *arguments, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(r"Error: [^\n]*No space left on device[^\n]*\n", err.decode())


@pytest.mark.parametrize("closing", ["<&-", ">&- 2>&-"])
def test_closed_streams_are_like_empty_ones(session_home: Path, closing: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f'exec "$@" {closing}', "bash", *command("search", "nurse", "-", "-k", "1")],
        capture_output=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=environment(session_home),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b'"nurse"' in done.stdout) == (closing == "<&-")


# --- which index -----------------------------------------------------------------------------------------------


def test_the_first_search_builds_the_index_and_says_so_on_stderr(without_index: Path, cli: Cli) -> None:
    first = execute(without_index, "search", "nurse", "-k", "1", "--json", TERM="xterm-256color")
    (record,) = records(first)
    assert record["hits"][0]["label"] == "nurse"
    says, built = first.err.splitlines()
    assert says == "First use: building the index 'small' once, a few seconds at best …"
    assert built.startswith(f"Index 'small', version 0001: {ENGLISH} labels of {CONCEPTS} concepts, encoder use-jobs (")
    assert "\x1b" not in first.err
    assert "\r" not in first.err  # no bar where stderr is no terminal
    again = cli(without_index, "search", "nurse", "-k", "1", "--json")
    assert again == Result(0, first.out, "")


def test_the_default_index_is_that_of_the_taxonomy_in_use(home: Path, cli: Cli) -> None:
    def index(*options: str) -> str:
        (record,) = records(cli(home, "search", "Bäcker", "--json", "-k", "1", *options))
        return record["index"]["name"]

    assert index() == "small"
    assert cli(home, "esco", "use", "both").code == 0
    assert index() == "both"
    assert index("--index", "small") == "small"


def test_an_index_by_its_path(home: Path, cli: Cli, tmp_path: Path) -> None:
    moved = (home / "indexes" / "small").rename(tmp_path / "elsewhere")
    (record,) = records(cli(home, "search", "nurse", "--json", "-k", "1", "--index", str(moved)))
    assert record["index"]["name"] == "elsewhere"
    assert record["hits"][0]["label"] == "nurse"


def test_only_the_default_index_is_built_when_missing(session_home: Path, cli: Cli) -> None:
    line = error_of(cli(session_home, "search", "nurse", "--index", "german"))
    assert "no index 'german'" in line
    assert "both, small" in line
    assert "`jobsearch index build --name german`" in line


def test_a_taxonomy_that_has_changed_since_is_warned_of(home: Path, bundle: Path, cli: Cli) -> None:
    assert cli(home, "esco", "import", str(bundle), "--language", "de", "--name", "small").code == 0
    found = cli(home, "search", "nurse", "-k", "1", "--json")
    assert records(found)[0]["hits"][0]["label"] == "nurse"
    assert found.err.startswith("Warning: taxonomy 'small' has changed since index 'small' was built; run `")
    assert found.err.count("\n") == 1
    shutil.rmtree(home / "data")  # an index may travel without its taxonomy
    alone = cli(home, "search", "nurse", "-k", "1", "--index", str(home / "indexes" / "small"), "--json")
    assert (alone.code, alone.err) == (0, "")


def test_hits_can_be_filtered(session_home: Path, cli: Cli) -> None:
    def labels(*options: str) -> list[str]:
        found = cli(session_home, "search", "baker", "--json", "--index", "both", *options)
        assert (found.code, found.err) == (0, "")
        return [hit["matched_label"] for hit in json.loads(found.out)["hits"]]

    # The two occupations of ISCO group 2512, each by the label nearest to "baker".
    assert sorted(labels("--isco", "25")) == ["machine learning engineer", "programmer"]
    assert labels("--language", "de", "-k", "1") == ["Bäcker"]
    assert labels("--min-score", "0.999") == ["baker"]


def test_a_search_is_by_what_is_asked(session_home: Path, cli: Cli) -> None:
    def first(query: str, *options: str) -> dict:
        found = cli(session_home, "search", query, "--json", "-k", "1", *options)
        assert (found.code, found.err) == (0, "")
        return json.loads(found.out)["hits"][0]

    by = {mode: first("elektrical fiter", "--mode", mode) for mode in ("meaning", "words", "both")}
    assert {hit["matched_label"] for hit in by.values()} == {"electrical fitter"}
    assert (by["meaning"]["matched_by"], by["meaning"]["words"]) == ("meaning", 0)
    assert by["meaning"]["score"] == by["meaning"]["cosine"]
    assert (by["words"]["matched_by"], by["both"]["matched_by"]) == ("words", "both")
    assert by["words"]["words"] == by["both"]["words"] > 0.3
    assert by["words"]["score"] != by["both"]["score"] != by["meaning"]["score"]
    assert first("elektrical fiter") == by["both"]
    known = {"score": 0, "cosine": 0, "confidence": 0}
    assert first("Nurses") | known == first("nurse") | known | {"matched_by": "both"}


def test_by_words_alone_nothing_without_shared_letters_is_listed(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "search", "lorry", "--mode", "words", "-k", "22", "--json")
    hits = json.loads(found.out)["hits"]
    assert 0 < len(hits) < CONCEPTS
    assert all(hit["score"] > 0 for hit in hits)
    nothing = cli(session_home, "search", "xqxq", "--mode", "words")
    assert (nothing.code, nothing.out, nothing.err) == (0, "Nothing shares letters with the query.\n", "")
    # Something may share letters and not be of that group.
    assert cli(session_home, "search", "xqxq", "--mode", "words", "--isco", "25").out == "Nothing found.\n"
    assert json.loads(cli(session_home, "search", "xqxq", "--mode", "words", "--json").out)["hits"] == []


@pytest.mark.parametrize("mode", ["letters", "", "Both"])
def test_a_mode_that_is_none(session_home: Path, cli: Cli, mode: str) -> None:
    says = f"Error: mode is {mode!r}, expected one of meaning, words, both"
    for query in ("nurse", "-"):
        assert error_of(cli(session_home, "search", query, "--mode", mode)) == says


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--isco", "x"), "isco is 'x', expected an ISCO-08 code of one to four digits"),
        (("--language", "xx"), "language is 'xx', expected one of this index: en"),
        (("--min-score", "2"), "min_score is 2.0, expected a score"),
    ],
)
def test_filters_that_cannot_be(session_home: Path, cli: Cli, options: tuple[str, ...], says: str) -> None:
    assert says in error_of(cli(session_home, "search", "nurse", *options))
    assert says in error_of(cli(session_home, "search", "-", *options))
