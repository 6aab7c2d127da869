"""CSV files of a company's own titles and of a gate's queries: what is read, and what is refused with its row."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from jobsearch.errors import IndexingError
from jobsearch.index.edit_files import read_additions, read_gate
from jobsearch.index.edits import Edit, own_uri
from jobsearch.index.gate import Gate


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "titles.csv"


def written(file: Path, content: str | bytes) -> Path:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def added(file: Path, content: str | bytes) -> list[Edit]:
    return read_additions(written(file, content))


def own(label: str, kind: str = "occupation", language: str = "en") -> Edit:
    """Return what a row with nothing but a label is read as."""
    return Edit("add", own_uri(kind, language, label), label)  # type: ignore[arg-type]


# --- labels to add -----------------------------------------------------------------------------------------------


def test_every_column_is_read(file: Path) -> None:
    content = (
        "label,uri,kind,language,preferred,isco_group\n"
        "growth hacker,urn:acme:1,occupation,en,yes,2431\n"
        "Prompts schreiben,https://acme.example/skills/2,skill,de,no,\n"
    )
    assert added(file, content) == [
        Edit("add", "urn:acme:1", "growth hacker", "occupation", "en", True, "2431"),
        Edit("add", "https://acme.example/skills/2", "Prompts schreiben", "skill", "de", False, ""),
    ]


def test_a_label_is_all_that_a_row_needs(file: Path) -> None:
    assert added(file, "label\ngrowth hacker\nagile coach") == [own("growth hacker"), own("agile coach")]


def test_columns_come_in_any_order_and_cells_may_be_empty(file: Path) -> None:
    content = " uri , label,kind\n,growth hacker,\n urn:a , agile coach ,skill\n,prompting,skill\n"
    assert added(file, content) == [
        own("growth hacker"),
        Edit("add", "urn:a", "agile coach", "skill"),
        Edit("add", own_uri("skill", "en", "prompting"), "prompting", "skill"),
    ]


def test_a_label_without_a_uri_is_a_concept_of_its_own_in_each_language(file: Path) -> None:
    content = "label,language\nScrum Master,en\nScrum Master,de\nSCRUM MASTER,en\n"
    english, german, shouted = (edit.uri for edit in added(file, content))
    assert english == shouted == own_uri("occupation", "en", "Scrum Master")
    assert german == own_uri("occupation", "de", "Scrum Master") != english


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("yes", True),
        ("YES", True),
        ("true", True),
        ("1", True),
        ("no", False),
        ("False", False),
        ("0", False),
        ("", False),
    ],
)
def test_words_for_yes_and_no(file: Path, cell: str, expected: bool) -> None:
    assert added(file, f"label,preferred\nx,{cell}\n")[0].preferred is expected


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("\ufefflabel\nx\n", ["x"]),  # with the mark that spreadsheets write
        ("label\r\nx\r\ny\r\n", ["x", "y"]),
        ("label,uri\n\nx,urn:a\n , \n,\ny\n\n", ["x", "y"]),  # blank rows, and one that ends early
        ('label\n"manager, sales"\n"the ""boss"""\n', ["manager, sales", 'the "boss"']),
        ('label\n"two\nlines"\n', ["two lines"]),
        ("label\nBa\u0308cker\n night\u00a0 \u200bnurse \n", ["B\u00e4cker", "night nurse"]),  # cleaned as ESCO's are
        ("label\nNA\nnull\nNone\n123\n", ["NA", "null", "None", "123"]),  # words, not missing values or numbers
        ("label\n面包师\n👩‍🍳\n", ["面包师", "👩‍🍳"]),
    ],
)
def test_any_usual_csv_is_read(file: Path, content: str, labels: list[str]) -> None:
    assert [edit.label for edit in added(file, content)] == labels


HEADER = "label,uri,kind,language,preferred,isco_group"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",urn:a,,,,", "the label is empty ('')"),
        ("\u200b\u00ad,urn:a,,,,", r"the label is empty ('\u200b\xad')"),
        ("x,,Skill,,,", "kind is 'Skill', expected occupation or skill"),
        ("x,,,EN,,", "language is 'EN', expected a code of two letters, such as en"),
        ("x,,,eng,,", "language is 'eng', expected a code of two letters, such as en"),
        ("x,,,,maybe,", "preferred is 'maybe', expected yes or no"),
        ("x,,,,,251", "isco_group is '251', expected the four digits of an ISCO-08 unit group"),
        ("x,,,,,C2512", "isco_group is 'C2512', expected the four digits of an ISCO-08 unit group"),
        ("x,,,,,٢٥١٢", "isco_group is '٢٥١٢', expected the four digits of an ISCO-08 unit group"),
        ("x,baker,,,,", "uri is 'baker', expected a URI such as urn:acme:title-17"),
        ("x,urn:a b,,,,", "uri is 'urn:a b', expected a URI such as urn:acme:title-17"),
        ("x,:a,,,,", "uri is ':a', expected a URI such as urn:acme:title-17"),
        ("manager, sales,urn:a,,,,", "7 cells for 6 columns; put quotation marks around a text that has a comma in it"),
    ],
)
@pytest.mark.parametrize("before", ["", "fine,,,,,\n", "fine,,,,,\n\nalso fine,urn:b,,,,\n"])
def test_a_row_that_cannot_be_used_is_named(file: Path, row: str, said: str, before: str) -> None:
    # The header is row 1, and blank rows count: so a spreadsheet shows them.
    number = 2 + before.count("\n")
    with pytest.raises(IndexingError) as raised:
        added(file, f"{HEADER}\n{before}{row}\n")
    assert str(raised.value) == f"{file}, row {number}: {said}"


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("Label\nx\n", "Label"),
        ("title,uri\nx,urn:a\n", "title, uri"),
        ("label;uri\nx;urn:a\n", "label;uri"),
        ("label,isco\nx,2512\n", "label, isco"),  # a slip must not be passed over
        ("label,label\nx,y\n", "label, label"),
        ("label,\nx,\n", "label, "),
        ("", "of an empty file"),
        ("\n\n", "of an empty file"),
    ],
)
def test_other_columns_are_told_with_those_expected(file: Path, content: str, columns: str) -> None:
    with pytest.raises(IndexingError) as raised:
        added(file, content)
    assert str(raised.value) == (
        f"{file} has the columns {columns}; expected label, and if wanted uri, kind, language, preferred, isco_group"
    )


@pytest.mark.parametrize("content", ["label\n", "label", "label,uri\n\n,\n"])
def test_a_file_without_labels_is_refused(file: Path, content: str) -> None:
    with pytest.raises(IndexingError, match="holds no labels; write one a row below the header"):
        added(file, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"label\nx\n\xff\n", r"line 3 is not UTF-8 (byte 0xff at 1); save the file as UTF-8"),
        ("label\nx\n".encode("utf-16"), "is UTF-16 (Excel's"),
        (b'label\n"x\n', "is no CSV (unexpected end of data)"),
        (b'label\n"x"y\n', "is no CSV (',' expected after '\"')"),
    ],
)
def test_what_is_no_table_is_refused(file: Path, content: bytes, said: str) -> None:
    for read in (read_additions, read_gate):
        with pytest.raises(IndexingError, match=re.escape(f"{file} {said}")) as raised:
            read(written(file, content))
        assert "\n" not in str(raised.value)


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for read in (read_additions, read_gate):
        for path, reason in ((tmp_path / "none.csv", os.strerror(2)), (tmp_path, os.strerror(21))):
            with pytest.raises(IndexingError) as raised:
                read(path)
            assert str(raised.value) == f"{path} cannot be read ({reason}); check the path"


# --- a gate's queries --------------------------------------------------------------------------------------------


def test_a_gate_is_read(file: Path) -> None:
    content = "query,uri\nbread  maker,urn:a\nbread maker,urn:b\nbread maker,urn:a\n\nBäcker,urn:a\n"
    assert read_gate(written(file, content)) == Gate(
        (("bread maker", "urn:a"), ("bread maker", "urn:b"), ("Bäcker", "urn:a"))  # each pair once
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",urn:a", "query '', uri 'urn:a'; give both"),
        ("x,", "query 'x', uri ''; give both"),
        ("x", "query 'x', uri ''; give both"),
        ("\u200b,urn:a", "query '\\u200b', uri 'urn:a'; give both"),
        ("x,urn:a,1", "3 cells for 2 columns; put quotation marks around a text that has a comma in it"),
    ],
)
def test_a_pair_that_is_none_is_named(file: Path, row: str, said: str) -> None:
    with pytest.raises(IndexingError) as raised:
        read_gate(written(file, f"query,uri\ny,urn:b\n\n{row}\n"))
    assert str(raised.value) == f"{file}, row 4: {said}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("query,uri\n", "holds no queries; write one a row: query,uri"),
        ("query\nx\n", "has the columns query; expected query, uri"),
        ("query,uri,rank\nx,urn:a,1\n", "has the columns query, uri, rank; expected query, uri"),
    ],
)
def test_a_gate_without_queries_or_with_other_columns_is_refused(file: Path, content: str, said: str) -> None:
    with pytest.raises(IndexingError) as raised:
        read_gate(written(file, content))
    assert str(raised.value) == f"{file} {said}"
