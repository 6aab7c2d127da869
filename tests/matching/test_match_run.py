"""Whole files: every row once and in its order, whatever the formats; and what may stand in the way of writing."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matching_files import FORMATS, Counted, expected, read_rows, small_engine, titles, write_rows

from jobsearch.engine import JobSearch
from jobsearch.errors import MatchingError, QueryError, StorageError
from jobsearch.filters import Filter
from jobsearch.matching import matcher, run, unfinished, writers
from jobsearch.matching.run import Summary, Wanted, match_file, match_stream
from jobsearch.matching.sources import open_source

TITLES = titles(300)
EMPTY = sum(not title.strip(" \t\u200b") for title in TITLES)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "BATCH", 64)
    monkeypatch.setattr(writers, "_ROW_GROUP", 100)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # no power is cut here, and it is most of the time


@pytest.fixture(scope="module")
def engine() -> JobSearch:
    return small_engine()


def matched(engine: JobSearch, source: Path, out: Path, **options: Any) -> Summary:
    wanted = options.pop("wanted", run.BEST)
    column = options.pop("column", None)
    any_keys = out.suffix == ".jsonl"
    return match_file(engine, open_source(str(source), column, any_keys=any_keys), out, wanted, **options)


def any_good(engine: JobSearch, text: str, k: int, wanted: Wanted) -> bool:
    """Tell whether a search by meaning has a good match for a title."""
    if not text.strip(" \t\u200b"):
        return False
    return any(hit.good_match for hit in engine.search(text, k, wanted.kind, wanted.where, "meaning"))


def partial(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


# --- rows and hits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("into", FORMATS)
@pytest.mark.parametrize("of", FORMATS)
@pytest.mark.parametrize("k", [1, 3])
def test_every_row_is_written_with_its_hits(engine: JobSearch, tmp_path: Path, of: str, into: str, k: int) -> None:
    texts = [*TITLES[:149], "zzz"]  # the nearest to the last one is no good match
    source, out = write_rows(tmp_path / f"f.{of}", texts), tmp_path / f"out.{into}"
    wanted = Wanted(k, "all", Filter(min_score=0.395))
    summary = matched(engine, source, out, wanted=wanted)
    rows, lines = read_rows(out), expected(engine, texts, k, "all", wanted.where)
    own = read_rows(source)
    assert len(rows) == len(lines) >= 150
    for row, line in zip(rows, lines, strict=True):
        # A CSV knows texts only; so does what is made of one, and a table that is made of JSON lines.
        was = own[line.pop("position")]
        if into == "csv" or (of, into) == ("jsonl", "parquet"):
            was = {name: str(value) for name, value in was.items()}
        if k == 1:
            del line["match_rank"]
        for name in ("match_score", "match_confidence"):
            number, found = line.pop(name), row.pop(name)
            assert (found in (None, "")) if number is None else float(found) == pytest.approx(number, abs=1.01e-4), name
        found_in_it = {name: "" if value is None and into == "csv" else value for name, value in line.items()}
        if into == "csv" and line["match_good_match"] is not None:
            found_in_it["match_good_match"] = "true" if line["match_good_match"] else "false"
        if k == 3 and into == "csv":
            found_in_it["match_rank"] = str(found_in_it["match_rank"])
        assert row == {**was, **found_in_it}
    assert list(rows[0])[:3] == ["id", "title", "note"]
    assert summary == replace(
        summary,
        rows=150,
        empty=sum(not text.strip(" \t\u200b") for text in texts),
        searched=len({" ".join(text.split()) for text in texts} - {"", "\u200b"}),
        resumed_after=0,
    )
    assert summary.without_hit == sum(line["match_uri"] in (None, "") for line in lines) - summary.empty
    good = {number for number, text in enumerate(texts) if any_good(engine, text, k, wanted)}
    assert 0 < summary.without_good_match == summary.titles - len(good) < summary.titles
    assert summary.rows_per_second == pytest.approx(150 / summary.seconds)
    assert not partial(out).exists()


def test_rows_are_kept_as_they_are(engine: JobSearch, tmp_path: Path) -> None:
    """JSON to the letter, cells of a CSV, values and types and order of the columns of a table."""
    lines = ['{"n":1e2, "title" : "baker","n":2}', "{ }", '{"title":"\\u00e9","x":[1,{"y":null}]  }']
    (tmp_path / "f.jsonl").write_text("\n".join(lines))
    matched(engine, tmp_path / "f.jsonl", tmp_path / "o.jsonl")
    written = (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()
    assert written[0].startswith('{"n":1e2, "title" : "baker","n":2, "match_uri": "')
    assert written[1].startswith('{"match_uri": null, ')
    assert written[2].startswith('{"title":"\\u00e9","x":[1,{"y":null}], "match_uri": "')

    (tmp_path / "f.csv").write_bytes(b'title;x;y\r\n"a ""b""; c";" d ";"1\r2"\r\nbaker;;"e\nf"\r\n')
    matched(engine, tmp_path / "f.csv", tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";", strict=True))
    assert [row[:3] for row in rows] == [["title", "x", "y"], ['a "b"; c', " d ", "1\r2"], ["baker", "", "e\nf"]]

    table = pa.table(
        {
            "when": pa.array([1, None], pa.timestamp("us", "Europe/Berlin")),
            "title": pa.array(["baker", None]).dictionary_encode(),
            "deep": pa.array([[{"a": 1}], None], pa.list_(pa.struct([("a", pa.int16())]))),
        }
    ).replace_schema_metadata({"mine": "kept"})
    pq.write_table(table, tmp_path / "f.parquet")
    matched(engine, tmp_path / "f.parquet", tmp_path / "o.parquet")
    written_table = pq.read_table(tmp_path / "o.parquet")
    assert written_table.select(table.column_names).equals(table)
    assert written_table.schema.metadata[b"mine"] == b"kept"
    for name, kind in {"score": pa.float64(), "confidence": pa.float64(), "good_match": pa.bool_()}.items():
        assert written_table.schema.field(f"match_{name}").type == kind
    assert written_table["match_uri"].to_pylist()[1] is None


def as_excel_writes(path: Path, rows: int) -> Path:
    """Write a CSV with byte-order mark and CRLF, a line break within a header's cell and one within a row's."""
    lines = ['\ufefftitle;"the\nnumber"', *(f"Bäcker {n % 7};{n}" for n in range(rows)), 'x;"1\n2\r\n"']
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return path


def test_a_csv_of_excel_stays_one(engine: JobSearch, tmp_path: Path) -> None:
    """Without the mark Excel takes it for the encoding of its country, and an umlaut for two other letters."""
    source, out = as_excel_writes(tmp_path / "f.csv", 3), tmp_path / "o.csv"
    matched(engine, source, out)
    content = out.read_bytes()
    assert content.startswith(b'\xef\xbb\xbftitle;"the\nnumber";match_uri;')
    assert content.count(b"\xef\xbb\xbf") == 1
    lines = content.split(b"\r\n")
    assert [line.split(b";")[:2] for line in lines[1:4]] == [[f"Bäcker {n}".encode(), b"%d" % n] for n in range(3)]
    assert (lines[4], lines[-1], len(lines)) == (b'x;"1\n2', b"", 7)  # a cell as it was, and the file's end
    streamed = io.BytesIO()
    match_stream(engine, open_source(str(source)), streamed)
    assert streamed.getvalue() == content
    matched(engine, source, tmp_path / "o.jsonl")
    assert (tmp_path / "o.jsonl").read_bytes().startswith(b'{"title": "B')

    def plain(content: bytes) -> bytes:
        return content[3:].replace(b'\r\n"', b'"').replace(b"\r\n", b"\n")

    (tmp_path / "plain.csv").write_bytes(plain(source.read_bytes()))
    matched(engine, tmp_path / "plain.csv", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_bytes() == plain(content)


def test_duplicates_are_encoded_once_in_a_whole_file(tmp_path: Path) -> None:
    counted = Counted()
    summary = matched(small_engine(counted), write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv")
    assert len(counted.texts) == len(set(counted.texts)) == summary.searched < 300 - EMPTY


@pytest.mark.parametrize("into", FORMATS)
def test_a_file_without_rows(engine: JobSearch, tmp_path: Path, into: str) -> None:
    (tmp_path / "f.csv").write_text("title,x\n")
    summary = matched(engine, tmp_path / "f.csv", tmp_path / f"o.{into}", wanted=Wanted(k=2))
    assert (summary.rows, summary.searched) == (0, 0)
    assert read_rows(tmp_path / f"o.{into}") == []
    if into == "csv":
        assert (tmp_path / "o.csv").read_text().startswith("title,x,match_rank,match_uri,match_label,")
    if into == "parquet":
        assert pq.read_schema(tmp_path / "o.parquet").names[:3] == ["title", "x", "match_rank"]


def test_row_groups_have_one_size(engine: JobSearch, tmp_path: Path) -> None:
    matched(engine, write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.parquet")
    metadata = pq.read_metadata(tmp_path / "o.parquet")
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [100, 100, 100]


def test_many_hits_make_small_batches(engine: JobSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "_MOST_LINES", 90)
    told: list[tuple[str, int, int]] = []
    source = write_rows(tmp_path / "f.csv", ["baker"] * 20)
    matched(engine, source, tmp_path / "o.csv", wanted=Wanted(k=10), progress=lambda *step: told.append(step))
    assert told == [
        ("checking", 0, 0),
        *(("matching", done, 20) for done in (9, 18, 20)),
        ("finishing", 0, 0),
    ]


def test_a_stream_is_answered_as_a_csv(engine: JobSearch, tmp_path: Path) -> None:
    out = io.BytesIO()
    summary = match_stream(engine, open_source(str(write_rows(tmp_path / "f.csv", TITLES))), out)
    matched(engine, tmp_path / "f.csv", tmp_path / "o.csv")
    assert out.getvalue() == (tmp_path / "o.csv").read_bytes()
    assert (summary.rows, summary.empty) == (300, EMPTY)


def test_only_a_few_batches_are_in_memory(engine: JobSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading does not run away from writing."""
    source = open_source(str(write_rows(tmp_path / "f.csv", TITLES * 10)))
    read, behind = [0], []
    batches = source.batches

    def counted(size: int) -> Iterator[Any]:
        for batch in batches(size):
            read[0] += 1
            yield batch

    monkeypatch.setattr(source, "batches", counted)
    written = [0]

    class Slow(io.BytesIO):
        def write(self, content: Any) -> int:
            written[0] += 1
            behind.append(read[0] - written[0])
            threading.Event().wait(0.005)
            return super().write(content)

    match_stream(engine, source, Slow())
    assert read[0] == 47
    assert max(behind) <= 9  # three queues, of 2, 1 and 1, and what each of four steps has at hand


# --- what stands in the way ------------------------------------------------------------------------------------


def refused(match: str, engine: JobSearch, source: Path, out: Path, **options: Any) -> None:
    with pytest.raises(MatchingError, match=match) as error:
        matched(engine, source, out, **options)
    assert "\n" not in str(error.value)


def test_the_input_is_not_written_over(engine: JobSearch, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "f.csv", TITLES)
    before = source.read_bytes()
    (tmp_path / "link.csv").symlink_to(source)
    for out in (source, tmp_path / "x" / ".." / "f.csv", tmp_path / "link.csv"):
        (tmp_path / "x").mkdir(exist_ok=True)
        refused("f.csv is the input itself|link.csv is the input itself", engine, source, out, force=True)
    assert source.read_bytes() == before


def test_a_file_that_is_there_is_replaced_only_by_force(engine: JobSearch, tmp_path: Path) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"
    out.write_text("precious")
    for options in ({}, {"restart": True}):
        refused(r"o\.csv is there already; .* or add --force to replace it", engine, source, out, **options)
    assert out.read_text() == "precious"
    assert not partial(out).exists()
    matched(engine, source, out, force=True)
    assert len(read_rows(out)) == 300


def test_where_nothing_can_be_written(engine: JobSearch, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "f.csv", TITLES)
    (tmp_path / "dir.csv").mkdir()
    refused(r"dir\.csv is a folder; name a file in it", engine, source, tmp_path / "dir.csv", force=True)
    refused(r"o\.txt ends in '\.txt', expected one of", engine, source, tmp_path / "o.txt")
    with pytest.raises(StorageError, match=r"cannot write .*a file stands where a folder is needed"):
        matched(engine, source, source / "o.csv")
    partial(tmp_path / "o.csv").mkdir()
    (partial(tmp_path / "o.csv") / "mine").write_text("precious")
    for restart in (False, True):
        refused(r"o\.csv\.partial holds 'mine', which no run made", engine, source, tmp_path / "o.csv", restart=restart)
    assert (partial(tmp_path / "o.csv") / "mine").read_text() == "precious"


def test_a_folder_that_is_missing_is_not_made(engine: JobSearch, tmp_path: Path) -> None:
    source, folder = write_rows(tmp_path / "f.csv", ["baker"]), tmp_path / "my jobs" / "b"
    says = f"there is no folder {folder}; make it (`mkdir -p '{folder}'`), or name another file with --out"
    for options in ({}, {"force": True}, {"restart": True}):
        refused(f"^{re.escape(says)}$", engine, source, folder / "o.csv", **options)
    assert list(tmp_path.iterdir()) == [source]


def test_how_far_an_unfinished_run_got(engine: JobSearch, tmp_path: Path) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"
    assert unfinished.kept(out) is None
    begun(engine, source, out)
    done = unfinished.kept(out)
    assert done is not None
    assert (done.rows, done.batches, done.whole) == (128, 2, False)
    (partial(out) / "progress.json").write_text("{")
    assert unfinished.kept(out) is None
    with unfinished.Unfinished(tmp_path / "p.csv", {}, 1):
        assert unfinished.kept(tmp_path / "p.csv") is None  # begun, and no row is done


def test_a_folder_that_is_not_ours(engine: JobSearch, unprivileged: Callable[[], AbstractContextManager[None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder that only its owner enters
        source = write_rows(Path(folder) / "f.csv", ["baker"])
        source.chmod(0o644)
        Path(folder).chmod(0o555)
        with unprivileged(), pytest.raises(StorageError, match="permission is missing"):
            matched(engine, source, Path(folder) / "o.csv")


def test_what_cannot_be_wanted_leaves_nothing_behind(engine: JobSearch, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "f.csv", ["baker"])
    with pytest.raises(QueryError, match="k is 0"):
        matched(engine, source, tmp_path / "o.csv", wanted=Wanted(k=0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv"]


def test_a_row_that_cannot_be_read_is_told_before_any_is_matched(tmp_path: Path) -> None:
    counted = Counted()
    engine = small_engine(counted)
    (tmp_path / "f.csv").write_text("title,x\n" + "baker,1\n" * 200 + "baker\n")
    refused(r"f\.csv, row 202 has 1 cells", engine, tmp_path / "f.csv", tmp_path / "o.csv")
    assert counted.texts == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv"]


def test_a_broken_stream_is_answered_up_to_there(engine: JobSearch, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("title,x\n" + "baker,1\n" * 100 + "baker\n")
    out = io.BytesIO()
    with pytest.raises(MatchingError, match="row 102"):
        match_stream(engine, open_source(str(tmp_path / "f.csv")), out)
    assert out.getvalue().count(b"\n") == 101


def test_an_input_that_changes_meanwhile(engine: JobSearch, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "f.csv", TITLES)

    def change(step: str, done: int, total: int) -> None:
        if done == 128:
            os.utime(source, ns=(1, 1))

    refused("was changed while it was read; add --restart", engine, source, tmp_path / "o.csv", progress=change)
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_keeps_what_was_finished(engine: JobSearch, tmp_path: Path, kind: str) -> None:
    source, out, other = write_rows(tmp_path / "f.csv", TITLES), tmp_path / f"o.{kind}", tmp_path / f"other.{kind}"
    matched(engine, source, other)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*o\.\w+.*: the file is larger than") as error:
            matched(engine, source, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert not out.exists()
    assert json.loads((partial(out) / "progress.json").read_text())["done"]["rows"] in (64, 128, 192)
    assert matched(engine, source, out).resumed_after > 0
    assert out.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_disk_that_is_full_at_the_very_end(
    engine: JobSearch, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / f"o.{kind}"
    replaced = Path.replace

    def fail(path: Path, target: Path) -> Path:
        if Path(target) == out:
            raise OSError(28, "No space left on device")
        return replaced(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(StorageError, match="the disk is full; free some space and run the same command again"):
            matched(engine, source, out)
    assert matched(engine, source, out).resumed_after == 300
    assert len(read_rows(out)) == 300
    assert not partial(out).exists()


# --- a run that is not at its end ------------------------------------------------------------------------------


class StopError(Exception):
    """Stands for whatever ends a run."""


def stop_at(rows: int) -> Callable[[str, int, int], None]:
    def progress(step: str, done: int, total: int) -> None:
        if step == "matching" and done >= rows:
            raise StopError

    return progress


def begun(engine: JobSearch, source: Path, out: Path, rows: int = 128, **options: Any) -> None:
    """Leave a run unfinished after so many rows."""
    with pytest.raises(StopError):
        matched(engine, source, out, progress=stop_at(rows), **options)
    assert partial(out).is_dir()
    assert not out.exists()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("k", [1, 3])
def test_a_run_goes_on_where_it_stopped(tmp_path: Path, kind: str, k: int) -> None:
    source, wanted = write_rows(tmp_path / f"f.{kind}", TITLES), Wanted(k)
    undisturbed = Counted()
    matched(small_engine(undisturbed), source, tmp_path / f"a.{kind}", wanted=wanted)
    out, counted = tmp_path / f"b.{kind}", Counted()
    for rows in (64, 256):
        begun(small_engine(counted), source, out, rows, wanted=wanted)
    counted.texts.clear()
    last = small_engine(counted)
    summary = matched(last, source, out, wanted=wanted)
    assert (summary.rows, summary.resumed_after, summary.searched) == (300, 256, len(undisturbed.texts))
    assert counted.texts == undisturbed.texts[len(undisturbed.texts) - len(counted.texts) :]  # and no other
    assert len(counted.texts) < len(undisturbed.texts) / 3
    assert out.read_bytes() == (tmp_path / f"a.{kind}").read_bytes()


def test_a_csv_of_excel_is_gone_on_with(engine: JobSearch, tmp_path: Path) -> None:
    source, out = as_excel_writes(tmp_path / "f.csv", 200), tmp_path / "o.csv"
    matched(engine, source, tmp_path / "whole.csv")
    begun(engine, source, out)
    assert matched(engine, source, out).resumed_after == 128
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_titles_that_were_forgotten_are_forgotten_after_going_on_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered decides what is encoded together: it is the same as in an undisturbed run."""
    monkeypatch.setattr("jobsearch.matching.run.Matcher.__init__", _with_little_memory(70))
    source, asked = write_rows(tmp_path / "f.csv", TITLES), []
    for name in ("a.csv", "b.csv"):
        counted = Counted()
        if name == "b.csv":
            begun(small_engine(), source, tmp_path / name, 128)
        matched(small_engine(counted), source, tmp_path / name)
        asked.append(counted.texts)
    assert len(set(asked[0])) < len(asked[0])  # some were forgotten and asked again
    assert asked[1] == asked[0][len(asked[0]) - len(asked[1]) :]
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def _with_little_memory(remembered: int) -> Any:
    original = run.Matcher.__init__

    def init(self: Any, *arguments: Any) -> None:
        original(self, *arguments, remembered=remembered)

    return init


CHANGES: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    "k": ("k was 1 and is 2", lambda _: {"wanted": Wanted(k=2)}),
    "kind": ("kind was 'occupation' and is 'all'", lambda _: {"wanted": Wanted(kind="all")}),
    "filter": ("filter.isco was None and is '25'", lambda _: {"wanted": Wanted(where=Filter(isco="25"))}),
    "uris": ("filter.allowed was None and is '", lambda _: {"wanted": Wanted(where=Filter(allowed={"urn:a"}))}),
    "column": ("column was 'title' and is 'note'", lambda _: {"column": "note"}),
    "input": ("input.modified was ", lambda source: os.utime(source, ns=(1, 1)) or {}),  # type: ignore[func-returns-value]
    "content": ("input.bytes was ", lambda source: source.write_text("title\nbaker\n") and {}),
    "index": ("encoder was ", lambda _: {"engine": _with_another_encoder()}),
    "version": ("index.version was '0001' and is '0002'", lambda _: {"engine": _with_version("0002")}),
}


def _with_another_encoder() -> JobSearch:
    engine = small_engine()
    opened = engine.opened
    encoder = Counted().encoder
    encoder.fingerprint = "other"
    return JobSearch(engine._place, replace(opened, encoder=encoder))


def _with_version(version: str) -> JobSearch:
    engine = small_engine()
    return JobSearch(engine._place, replace(engine.opened, version=version))


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_not_gone_on_with(engine: JobSearch, tmp_path: Path, change: str) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"
    begun(engine, source, out)
    says, make = CHANGES[change]
    options = make(source)
    other = options.pop("engine", engine)
    before = (partial(out) / "progress.json").read_bytes()
    refused(
        rf"o\.csv\.partial holds an unfinished run that differs: {re.escape(says)}.*; start it as it was begun, or add "
        "--restart to begin anew",
        other,
        source,
        out,
        **options,
    )
    assert (partial(out) / "progress.json").read_bytes() == before
    if change in ("k", "content"):
        assert matched(other, source, out, restart=True, **options).resumed_after == 0
        assert not partial(out).exists()


def test_a_run_that_was_begun_by_force_goes_on_without(engine: JobSearch, tmp_path: Path) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"
    out.write_text("old")
    with pytest.raises(StopError):
        matched(engine, source, out, progress=stop_at(64), force=True)
    assert out.read_text() == "old"
    assert matched(engine, source, out).resumed_after == 64
    assert len(read_rows(out)) == 300


def test_a_run_of_an_earlier_release_is_not_gone_on_with(engine: JobSearch, tmp_path: Path) -> None:
    """Its rows had fewer columns: half a file of each would be read by no program."""
    source, out = as_excel_writes(tmp_path / "f.csv", 200), tmp_path / "o.csv"
    begun(engine, source, out)
    progress = partial(out) / "progress.json"
    progress.write_text(progress.read_text(encoding="utf-8").replace('"layout": 3', '"layout": 2'), encoding="utf-8")
    refused(r"program\.layout was 2 and is 3; start it as it was begun, or add --restart", engine, source, out)


@pytest.mark.parametrize("harm", ["cut rows", "cut answers", "no json", "empty json"])
def test_a_damaged_run_is_not_gone_on_with(engine: JobSearch, tmp_path: Path, harm: str) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"
    begun(engine, source, out)
    if harm.startswith("cut"):
        os.truncate(partial(out) / harm.split()[1], 10)
        says = r"has 10 bytes, expected [\d,]+; add --restart"
    else:
        (partial(out) / "progress.json").write_text("{" if harm == "no json" else "{}")
        says = r"progress\.json cannot be read \(.*\); add --restart"
    refused(says, engine, source, out)
    matched(engine, source, out, restart=True)
    assert len(read_rows(out)) == 300


def test_two_at_once_do_not_get_in_each_others_way(engine: JobSearch, tmp_path: Path) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"

    def meanwhile(step: str, done: int, total: int) -> None:
        if step == "matching":
            for restart in (False, True):
                refused(r"another process is at work on .*o\.csv\.partial", engine, source, out, restart=restart)

    matched(engine, source, out, progress=meanwhile)
    assert len(read_rows(out)) == 300


def test_a_run_that_had_done_nothing_is_no_run(engine: JobSearch, tmp_path: Path) -> None:
    source, out = write_rows(tmp_path / "f.csv", TITLES), tmp_path / "o.csv"
    with unfinished.Unfinished(out, {"other": "run"}, 1) as one:
        saved = {path.name: path.read_bytes() for path in one.folder.iterdir()}
    assert not partial(out).exists()
    partial(out).mkdir()
    for name, content in saved.items():  # as a kill leaves it
        (partial(out) / name).write_bytes(content)
    (partial(out) / ".progress.json-x1y2").write_bytes(b"half")
    assert matched(engine, source, out).resumed_after == 0


def test_stdin_cannot_be_gone_on_with(engine: JobSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.csv").write_text("title\n" + "baker\n" * 100)
    out = tmp_path / "o.csv"

    def from_stdin(**options: Any) -> Summary:
        with (tmp_path / "f.csv").open() as file, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", file)
            return match_file(engine, open_source("-"), out, **options)

    with pytest.raises(StopError):
        from_stdin(progress=stop_at(64))
    with pytest.raises(
        MatchingError, match=r"o\.csv\.partial is unfinished and stdin cannot be read again; add --rest"
    ):
        from_stdin()
    assert from_stdin(restart=True).rows == 100
    assert len(read_rows(out)) == 100
