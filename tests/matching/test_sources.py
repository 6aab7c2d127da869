"""Files of titles: each format as it is written in the wild, and one clear line for what cannot be read."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matching_files import FORMATS, write_rows

from jobsearch.errors import MatchingError
from jobsearch.matching.sources import Source, format_of, open_source


def made(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def opened(folder: Path, name: str, content: bytes | str, *options: Any, **more: Any) -> Source:
    return open_source(str(made(folder, name, content)), *options, **more)


def titles_of(source: Source, size: int = 100) -> list[str | None]:
    return [title for batch in source.batches(size) for title in batch.titles]


def refused(folder: Path, name: str, content: bytes | str, *options: Any, **more: Any) -> str:
    """Check that a file is refused when opened or read, in one line that names it, and return the rest of that line."""
    with pytest.raises(MatchingError) as error:
        opened(folder, name, content, *options, **more).count()
    message = str(error.value)
    assert str(folder / name) in message
    assert "\n" not in message
    return message.replace(str(folder / name), "FILE")


# --- all formats -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [1, 7, 20, 50])
def test_rows_come_in_batches_in_their_order(tmp_path: Path, kind: str, size: int) -> None:
    texts = [f"title {number}" for number in range(20)]
    source = open_source(str(write_rows(tmp_path / f"f.{kind}", texts)))
    sizes = [len(batch) for batch in source.batches(size)]
    assert sizes == [size] * (20 // size) + [20 % size] * (20 % size > 0)
    for _ in range(2):  # from the beginning each time
        assert titles_of(source, size) == texts
    assert (source.column, source.columns, source.count()) == ("title", ("id", "title", "note"), 20)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_column_is_title_or_the_only_one_or_named(tmp_path: Path, kind: str) -> None:
    path = str(write_rows(tmp_path / f"f.{kind}", ["a", "b"], column="job"))
    with pytest.raises(MatchingError, match="has the columns id, job, note; say with --column which"):
        open_source(path)
    with pytest.raises(MatchingError, match="has no column 'Job'; there are: id, job, note"):
        open_source(path, "Job")
    assert titles_of(open_source(path, "job")) == ["a", "b"]
    if kind == "csv":
        assert titles_of(opened(tmp_path, "one.csv", "anything\na\n")) == ["a"]
    elif kind == "jsonl":
        assert titles_of(opened(tmp_path, "one.jsonl", '{"anything": "a"}\n')) == ["a"]
    else:
        pq.write_table(pa.table({"anything": ["a"]}), tmp_path / "one.parquet")
        assert titles_of(open_source(str(tmp_path / "one.parquet"))) == ["a"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_not_there(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        MatchingError, match=rf"no\.{kind} cannot be read \(No such file or directory\); check the path"
    ):
        open_source(str(tmp_path / f"no.{kind}"))
    (tmp_path / f"dir.{kind}").mkdir()
    with pytest.raises(MatchingError, match="cannot be read"):
        open_source(str(tmp_path / f"dir.{kind}"))


@pytest.mark.parametrize("kind", FORMATS)
def test_columns_of_an_earlier_match_are_not_mixed_up(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / f"f.{kind}", ["a"], column="match_uri")
    with pytest.raises(MatchingError, match="'match_uri' already; rename or drop it"):
        open_source(str(path), "note").count()


@pytest.mark.parametrize(("name", "suffix"), [("f.txt", "'.txt'"), ("f.csv.gz", "'.gz'"), ("f", "'nothing'")])
def test_an_unknown_suffix(name: str, suffix: str) -> None:
    with pytest.raises(MatchingError, match=rf"{suffix}, expected one of .csv, .jsonl, .ndjson, .parquet"):
        format_of(name)


def test_suffixes_in_capitals() -> None:
    assert [format_of(name) for name in ("A.CSV", "b.NDJSON", "-", "c.Parquet")] == ["csv", "jsonl", "csv", "parquet"]


def test_a_change_is_told(tmp_path: Path) -> None:
    source = opened(tmp_path, "f.csv", "title\na\n")
    before = source.identity()
    assert source.identity() == before
    os.utime(tmp_path / "f.csv", ns=(1, 1))
    assert source.identity() != before
    made(tmp_path, "f.csv", "title\nb\n")
    os.utime(tmp_path / "f.csv", ns=(before.modified, before.modified))
    assert source.identity() != before


# --- CSV -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("title,x\na,1\nb,2\n", ["a", "b"]),
        ("title;x\na, b;1\n", ["a, b"]),
        ("x\ttitle\n1\ta;b,c\n", ["a;b,c"]),
        (b"\xef\xbb\xbftitle,x\r\na,1\r\n", ["a"]),
        ('title,x\n"a\nb",1\n"say ""hi""",2\n', ["a\nb", 'say "hi"']),
        ("title,x\n\na,1\n\n", ["a"]),
        ("title\na\n\nb\n", ["a", "", "b"]),
        ("title,x\na,1", ["a"]),
        ("title\n", []),
        ("title;a,b;x\nt;1;2\n", ["t"]),
        ("title\n東京の看護師\n", ["東京の看護師"]),
    ],
    ids=["comma", "semicolon", "tab", "bom", "quoted", "blank", "one", "no-end", "header", "most", "unicode"],
)
def test_csv_as_it_is_written(tmp_path: Path, content: bytes | str, expected: list[str]) -> None:
    source = opened(tmp_path, "f.csv", content)
    assert titles_of(source) == expected
    assert source.count() == len(expected)


@pytest.mark.parametrize(("delimiter", "content"), [("|", "title|x\na,b|1\n"), ("pipe", "title|x\na,b|1\n")])
def test_a_delimiter_may_be_named(tmp_path: Path, delimiter: str, content: str) -> None:
    assert titles_of(opened(tmp_path, "f.csv", content, None, delimiter)) == ["a,b"]
    assert titles_of(opened(tmp_path, "g.csv", "title,x\na\n", None, "tab")) == ["a"]
    assert titles_of(opened(tmp_path, "g.csv", "title,x\na\n", None, "\\t")) == ["a"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", r"FILE has no header; expected columns in line 1, .*"),
        ("\ntitle\n", r"FILE has no header; .*"),
        ("title,x\na,1\nb\n", r"FILE, row 3 has 1 cells for 2 columns, delimiter ','; put quotation marks .*"),
        ('title,x\n"a\n",1\nb,2,3\n', r"FILE, row 3 \(line 4\) has 3 cells for 2 columns, .*"),
        ("title\na, b\n", r"FILE, row 2 has 2 cells for 1 columns, .* name another one with --delimiter"),
        ('title,x\na,1\n"b,2\nc,3\n', r"FILE: the row that begins in line 3 is no CSV \(unexpected end of data\); .*"),
        ('title,x\n"a"b,1\n', r"FILE: the row that begins in line 2 is no CSV .*"),
        (b"title,x\na,1\nB\xe4cker,2\n", r"FILE line 3 is not UTF-8 \(byte 0xe4 at 2\); save the file as UTF-8"),
        (
            "\ufefftitle,x\r\n".encode("utf-16-le"),
            r"FILE is UTF-16 \(Excel's \"Unicode text\"\), expected UTF-8; save it as \"CSV UTF-8\", or convert .*",
        ),
        ("\ufefftitle,x\r\n".encode("utf-16-be"), r"FILE is UTF-16 .*"),
        ("title,x,x\n", r"FILE has the column 'x' twice; rename one of them"),
        (f"title,x\n{'a' * 200_000},1\n", r"FILE: the row that begins in line 2 is no CSV \(field larger .*"),
    ],
    ids=[
        "empty",
        "blank",
        "short",
        "long",
        "comma",
        "open",
        "quote",
        "latin-1",
        "utf-16",
        "utf-16-be",
        "twice",
        "huge",
    ],
)
def test_csv_that_cannot_be_read(tmp_path: Path, content: bytes | str, says: str) -> None:
    assert re.fullmatch(says, refused(tmp_path, "f.csv", content))


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "comma "])
def test_a_delimiter_that_is_none(tmp_path: Path, delimiter: str) -> None:
    path = made(tmp_path, "f.csv", "title,x\n")
    with pytest.raises(
        MatchingError, match=r"delimiter is .*, expected one character, or one of comma, semicolon, tab"
    ):
        open_source(str(path), None, delimiter)


def test_rows_before_a_broken_one_are_read(tmp_path: Path) -> None:
    source = opened(tmp_path, "f.csv", "title,x\na,1\nb,2\nc,3\nd\n")
    got: list[str | None] = []
    with pytest.raises(MatchingError, match="row 5"):
        for batch in source.batches(2):
            got += batch.titles
    assert got == ["a", "b", "c"]


# --- JSON lines ------------------------------------------------------------------------------------------------


def test_json_lines_as_they_are_written(tmp_path: Path) -> None:
    lines = b'\xef\xbb\xbf{"title": "a", "x": 1}\r\n\n  {"title": null}\n{"x": 2}\n{"title": "B\\u00e4cker\\ud83d"}'
    source = opened(tmp_path, "f.ndjson", lines)
    assert titles_of(source) == ["a", None, None, "Bäcker\ud83d"]
    assert titles_of(opened(tmp_path, "none.jsonl", "")) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            '{"title": "a"}\n{"title": \n',
            r"FILE, line 2 is no JSON \(Expecting value.*\): '\{\"title\":'; expected an .*",
        ),
        ('{"title": "a"}\n["a"]\n', r"FILE, line 2 is '\[\"a\"\]', expected a JSON object"),
        ('{"title": "a"}\n\n{"title": 7}\n', r"FILE, line 3: 'title' is 7, expected a text or null"),
        ('{"title": ["a"]}\n', r"FILE, line 1: 'title' is \[\"a\"\], expected a text or null"),
        (b'{"title": "\xe4"}\n', r"FILE line 1 is not UTF-8 \(byte 0xe4 at 12\); .*"),
        ('{"title": "a"}\r\n'.encode("utf-16"), r"FILE is UTF-16 .*"),
        ('{"title": "a"}\n{"title": "b", "match_kind": 1}\n', r"FILE, line 2 has the key 'match_kind' already; .*"),
        (
            '{"a": "x", "b": "y"}\n',
            r"FILE has the columns a, b; say with --column which holds the titles, or put their names .*",
        ),
        ('{"title": "' + "[" * 10 + '"}\n' + "[" * 100_000, r"FILE, line 2 is no JSON .*"),
    ],
    ids=["broken", "list", "number", "title-list", "latin-1", "utf-16", "taken", "columns", "deep"],
)
def test_json_lines_that_cannot_be_read(tmp_path: Path, content: bytes | str, says: str) -> None:
    assert re.fullmatch(says, refused(tmp_path, "f.jsonl", content))


def test_keys_may_differ_unless_a_table_is_wanted(tmp_path: Path) -> None:
    content = '{"title": "a"}\n{"title": "b", "new": 1}\n'
    assert titles_of(opened(tmp_path, "f.jsonl", content)) == ["a", "b"]
    says = refused(tmp_path, "f.jsonl", content, any_keys=False)
    assert "line 2 has the key 'new' that the first line lacks; " in says
    assert titles_of(opened(tmp_path, "g.jsonl", '{"title": "a", "x": 1}\n{"title": "b"}\n', any_keys=False)) == [
        "a",
        "b",
    ]


def test_only_a_csv_has_a_delimiter(tmp_path: Path) -> None:
    assert "is no CSV and has no delimiter" in refused(tmp_path, "f.jsonl", '{"title": "a"}\n', None, ",")


# --- Parquet ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None, "b"], pa.string()),
        pa.array(["a", None, "b"], pa.large_string()),
        pa.array(["a", None, "b"]).dictionary_encode(),
    ],
    ids=["string", "large", "dictionary"],
)
def test_parquet_columns_of_text(tmp_path: Path, column: Any) -> None:
    pq.write_table(pa.table({"title": column}), tmp_path / "f.parquet")
    assert titles_of(open_source(str(tmp_path / "f.parquet"))) == ["a", None, "b"]


@pytest.mark.parametrize("column", [pa.array([1, 2]), pa.array([["a"], ["b"]]), pa.array([b"a", b"b"])], ids=str)
def test_parquet_columns_of_something_else(tmp_path: Path, column: Any) -> None:
    pq.write_table(pa.table({"title": column}), tmp_path / "f.parquet")
    with pytest.raises(MatchingError, match=r"f.parquet: column 'title' is of type .*, expected string; say --column"):
        open_source(str(tmp_path / "f.parquet"))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"title\na\n" * 100])
def test_what_is_no_parquet(tmp_path: Path, content: bytes) -> None:
    assert "FILE is no Parquet, or damaged (" in refused(tmp_path, "f.parquet", content)


def test_damaged_parquet_is_told_where_it_breaks(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    texts = [os.urandom(20).hex() for _ in range(4000)]
    pq.write_table(pa.table({"title": texts}), path, row_group_size=1000, use_dictionary=False, compression="snappy")
    content = bytearray(path.read_bytes())
    middle = len(content) * 5 // 8
    content[middle : middle + 5000] = bytes(5000)
    path.write_bytes(content)
    with pytest.raises(MatchingError, match=r"f\.parquet, behind row \d000 is no Parquet, or damaged \(.*\); write it"):
        list(open_source(str(path)).batches(1000))


# --- as the other formats want them ----------------------------------------------------------------------------


def test_values_as_texts(tmp_path: Path) -> None:
    import datetime as dt

    row = {"t": "a", "i": 3, "f": 0.5, "n": None, "b": True, "l": [1, None], "s": {"k": "ö"}, "nan": float("nan")}
    parquet = {**row, "d": dt.date(2024, 2, 29)}
    pq.write_table(pa.Table.from_pylist([parquet]), tmp_path / "f.parquet")
    (batch,) = open_source(str(tmp_path / "f.parquet"), "t").batches(5)
    cells = ["a", "3", "0.5", "", "true", "[1, null]", '{"k": "ö"}', "null", "2024-02-29"]
    assert batch.cells() == [cells]
    assert json.loads(batch.objects()[0]) == {**row, "nan": None, "d": "2024-02-29"}
    (batch,) = opened(tmp_path, "f.jsonl", json.dumps({**row, "nan": None}), "t").batches(5)
    assert batch.cells() == [["a", "3", "0.5", "", "true", "[1, null]", '{"k": "ö"}', ""]]
    assert batch.table().to_pylist()[0] == dict(
        zip(row, ["a", "3", "0.5", None, "true", "[1, null]", '{"k": "ö"}', None], strict=True)
    )
    (batch,) = opened(tmp_path, "f.csv", "title,x\na,\n").batches(5)
    assert batch.table().to_pylist() == [{"title": "a", "x": ""}]
    assert batch.objects() == ['{"title": "a", "x": ""}']


@pytest.mark.parametrize("name", ["Title", "job_title", "Job Title", "vacancyTitle", "POSITION"])
def test_a_column_whose_name_says_that_it_holds_titles_is_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text(f"id,{name},place\n1,nurse,Ghent\n")
    assert open_source(str(tmp_path / "a.csv")).column == name
    (tmp_path / "b.csv").write_text(f"{name},title\nx,nurse\n")
    assert open_source(str(tmp_path / "b.csv")).column == "title"
    (tmp_path / "c.csv").write_text(f"{name},jobtitles\nx,nurse\n")
    with pytest.raises(MatchingError, match="say with --column which"):
        open_source(str(tmp_path / "c.csv"))
