"""Files of pairs: what is written is read, what others write is read or refused with the row, and nothing leaks."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from pair_taxonomies import SHARED, made_up

from jobsearch.errors import StorageError, TuningError
from jobsearch.taxonomy.split import split_concepts
from jobsearch.tuning.pairs import Pair, PairOptions, PairSet, generate_pairs
from jobsearch.tuning.pairs_file import FEWEST_ROWS, read_pairs, validation_path, write_pairs

HEADER = "base,ref,similarity\n"
GOOD = "".join(f"title {n},name {n},0.7468\n" for n in range(30))


def texts(pairs: tuple[Pair, ...]) -> set[str]:
    return {text.casefold() for pair in pairs for text in (pair.base, pair.ref)}


def rows(pairs: tuple[Pair, ...]) -> list[tuple[str, str, float]]:
    return [(pair.base, pair.ref, pair.similarity) for pair in pairs]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "pairs.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# --- writing -----------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pairs = generate_pairs(made_up(), PairOptions(graded=True), split_concepts(made_up(), validation=0.2))
    path, beside = write_pairs(tmp_path / "data" / "training_data.csv", pairs)
    assert (path.name, beside.name) == ("training_data.csv", "training_data.validation.csv")
    read = read_pairs(path)
    assert rows(read.training) == rows(pairs.training)
    assert rows(read.validation) == rows(pairs.validation)  # similarities to the last bit
    assert (read.repeated, read.left_out) == (0, 0)
    assert read.counts() == {"training": {"file": len(pairs.training)}, "validation": {"file": len(pairs.validation)}}
    before = path.read_bytes(), beside.read_bytes()
    write_pairs(path, pairs)
    assert (path.read_bytes(), beside.read_bytes()) == before
    assert before[0].startswith(b"base,ref,similarity\n")
    assert b"\r" not in before[0]


def test_texts_that_need_quotes(tmp_path: Path) -> None:
    odd = ['seller of "antiques"', "cook, chef", "bäcker", "职员", "a\ud800b", " = 1", "'"]
    pairs = tuple(Pair(f"base {n}", text, 0.5, "x", "y") for n, text in enumerate(odd * 4))
    path, _ = write_pairs(tmp_path / "pairs.csv", PairSet(pairs, (), 0))
    expected = [text.replace("\ud800", "?").strip() for text in odd * 4]
    assert [pair.ref for pair in read_pairs(path).training] == expected
    with path.open(newline="", encoding="utf-8") as lines:
        assert [row["ref"].strip() for row in csv.DictReader(lines)] == expected


def test_without_held_out_pairs_an_older_file_of_them_does_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    some = tuple(Pair(f"a{n}", f"b{n}", 0.5, "x", "y") for n in range(30))
    write_pairs(path, PairSet(some, (Pair("c", "d", 0.5, "x", "y"),), 0))
    assert len(read_pairs(path).validation) == 1
    write_pairs(path, PairSet(some, (), 0))
    assert validation_path(path).read_text() == HEADER
    read = read_pairs(path, validation=0.5)  # "none held out" was a choice
    assert (len(read.training), read.validation) == (30, ())


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, unprivileged: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    tmp_path.chmod(0o500)
    with unprivileged(), pytest.raises(StorageError, match="permission is missing"):
        write_pairs(tmp_path / "pairs.csv", PairSet((), (), 0))


def test_a_folder_of_that_name_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        write_pairs(tmp_path / "pairs", PairSet((), (), 0))
    assert [path.name for path in tmp_path.iterdir()] == ["pairs"]


# --- reading -----------------------------------------------------------------------------------------------------


def test_the_tutorials_file() -> None:
    path = SHARED / "seed" / "training_data.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    pairs = read_pairs(path)
    assert len(pairs.training) + len(pairs.validation) == 98
    assert pairs.left_out == 0
    assert pairs.repeated == 1  # "data scientist, research data scientist" comes twice
    assert not texts(pairs.training) & {pair.base for pair in pairs.validation}
    assert 9 <= len(pairs.validation) <= 33
    assert {round(pair.similarity, 4) for pair in pairs.training} == {0.5, 0.7468, 1.0}
    # One description in the file has a leading space and ends in a line break.
    [text] = {pair.ref for pair in pairs.training if "equine dental care" in pair.ref}
    assert text.startswith("Equine dental technicians")
    assert text.endswith("legislation.")
    # Other names of data scientist are its group, and names that it is only compared with are not.
    group = {pair.base: pair.base_group for pair in pairs.training} | {p.ref: p.ref_group for p in pairs.training}
    assert group["data expert"] == group["data scientist"] == group["esperto di dati"]
    assert group["dresser"] != group["data scientist"]


def test_columns_by_name_in_any_order_and_others_ignored(file: Callable[[str], Path]) -> None:
    body = "".join(f"x,0.5,name {n},title {n}\n" for n in range(30))
    assert rows(read_pairs(file(f"id, Similarity ,REF,base\n{body}"), validation=0).training) == [
        (f"title {n}", f"name {n}", 0.5) for n in range(30)
    ]


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("title 3,", '" title\n 3 ",'),
        lambda text: text.replace("0.7468", " 7.468e-1 "),
    ],
    ids=["byte-order mark", "CRLF", "CR", "blank lines", "no last line break", "line break in a cell", "spaces"],
)
def test_ways_of_writing_the_same(file: Callable[[str], Path], changed: Callable[[str], str]) -> None:
    expected = [(f"title {n}", f"name {n}", 0.7468) for n in range(30)]
    assert rows(read_pairs(file(changed(HEADER + GOOD)), validation=0).training) == expected


def test_repeated_rows_are_counted_and_kept(file: Callable[[str], Path]) -> None:
    pairs = read_pairs(file(HEADER + GOOD + "title 1,name 1,0.7468\nTITLE 1,Name 1,0.7\n"), validation=0)
    assert len(pairs.training) == 32
    assert pairs.repeated == 2


def test_similarities_at_the_edges(file: Callable[[str], Path]) -> None:
    pairs = read_pairs(file(HEADER + GOOD + "a,b,0\nc,d,1\ne,f,-0.0\n"), validation=0)
    assert [pair.similarity for pair in pairs.training[-3:]] == [0, 1, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty, expected the columns base,ref,similarity"),
        ("\n\n", "is empty"),
        (HEADER, f"holds 0 pairs, expected at least {FEWEST_ROWS}"),
        (HEADER + "a,b,0.5\n" * 19, "holds 19 pairs, expected at least 20"),
        (f"base,similarity\n{GOOD}", "line 1: no column 'ref' in 'base,similarity'"),
        (f"base;ref;similarity\n{GOOD}", "in 'base;ref;similarity', expected base,ref,similarity; separate cells by"),
        (
            "base,ref\na,b\n",
            "no column 'similarity' in 'base,ref', expected base,ref,similarity; add it: 1 for the same",
        ),
        (f"base,ref,ref,similarity\n{GOOD}", "line 1: more than one column 'ref'"),
        (GOOD, "line 1: no column 'base' in 'title 0,name 0,0.7468'"),
        (HEADER + GOOD + "a,,0.5\n", "line 32: ref is empty"),
        (HEADER + GOOD + "\u00a0,b,0.5\n", "line 32: base is empty"),
        (HEADER + GOOD + "a,b,\n", "line 32: similarity is empty"),
        (HEADER + GOOD + ",,\n", "line 32: base is empty"),
        (HEADER + GOOD + "a,b,nan\n", "line 32: similarity is 'nan', expected a number from 0 to 1"),
        (HEADER + GOOD + "a,b,inf\n", "line 32: similarity is 'inf'"),
        (
            HEADER + GOOD + "a,b,4.5\n",
            "similarity is '4.5', expected a number from 0 to 1; mend it: 1 for the same meaning",
        ),
        (HEADER + GOOD + "a,b,1.0001\n", "line 32: similarity is '1.0001'"),
        (HEADER + GOOD + "a,b,-0.1\n", "line 32: similarity is '-0.1'"),
        (HEADER + GOOD + "a,b,high\n", "line 32: similarity is 'high'"),
        (HEADER + GOOD + 'a,b,"0,5"\n', "line 32: similarity is '0,5'"),
        (HEADER + GOOD + "a,b\n", "line 32: 2 cells, expected 3 as in the header"),
        (HEADER + GOOD + "a,b,c,0.5\n", "line 32: 4 cells, expected 3"),
        (HEADER + GOOD + "\n\na,b,2\n", "line 34: similarity is '2'"),  # blank lines count as lines
        (HEADER + GOOD + '"a\nb\nc",d,0.5\ne,f,2\n', "line 35: similarity is '2'"),  # and so do those in cells
        (HEADER + GOOD + '"a\nb\nc",d,2\n', "line 32: similarity is '2'"),  # a row is where it begins
        (HEADER + GOOD + '"a,b,0.5\n' + GOOD, "line 32: unexpected end of data"),
        (HEADER + GOOD + '"a"x,b,0.5\n', "line 32: ',' expected after '\"'"),
        (HEADER + GOOD + f"{'x' * 200_000},b,0.5\n", "line 32: field larger than field limit"),
        (
            (HEADER + GOOD).encode() + b"b\xe4cker,b,0.5\n",
            "line 32 is not UTF-8 (byte 0xe4 at 2); save the file as UTF-8",
        ),
        (b"\xef\xbb\xbf" + (HEADER + GOOD).encode() + b"b\xe4cker,b,0.5\n", "line 32 is not UTF-8 (byte 0xe4 at 2)"),
        ((HEADER + GOOD).encode("utf-16"), 'is UTF-16 (Excel\'s "Unicode text"), expected UTF-8'),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_line(
    file: Callable[[str | bytes], Path], content: str | bytes, message: str
) -> None:
    path = file(content)
    with pytest.raises(TuningError) as caught:
        read_pairs(path)
    text = str(caught.value)
    assert message in text
    assert str(path) in text
    assert ";" in text.replace(";ref;", ""), "it does not say what to do next"
    assert "\n" not in text


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TuningError, match=r"none\.csv cannot be read \(No such file or directory\); give a CSV file"):
        read_pairs(tmp_path / "none.csv")
    with pytest.raises(TuningError, match="Is a directory"):
        read_pairs(tmp_path)


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_share_out_of_range(file: Callable[[str], Path], share: float) -> None:
    with pytest.raises(TuningError, match=r"validation share is .*, expected 0 to 0\.5"):
        read_pairs(file(HEADER + GOOD), validation=share)


# --- two sides ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "held_out"), [(30, 10), (1200, 400), (2000, 400), (8000, 800)])
def test_of_few_pairs_more_are_held_out(file: Callable[[str], Path], count: int, held_out: int) -> None:
    path = file(HEADER + "".join(f"title {n},name {n},1\n" for n in range(count)))
    assert len(read_pairs(path).validation) == held_out
    assert len(read_pairs(path, validation=0.1).validation) == count // 10


def test_a_file_is_split_by_groups_of_texts(file: Callable[[str], Path]) -> None:
    body = "".join(f"title {n},name {n} {m},0.7468\nTitle {n},foe {n} {m},0.5\n" for n in range(50) for m in range(2))
    pairs = read_pairs(file(HEADER + body), validation=0.2)
    assert (len(pairs.training), len(pairs.validation), pairs.left_out) == (160, 40, 0)
    assert not texts(pairs.training) & texts(pairs.validation)
    for pair in (*pairs.training, *pairs.validation):
        assert (pair.base_group == pair.ref_group) == (pair.similarity > 0.7)
        assert (pair.source, pair.language) == ("file", "en")
    assert read_pairs(file(HEADER + body), validation=0.2) == pairs
    assert read_pairs(file(HEADER + body), validation=0.2, seed=1) != pairs


def test_held_out_titles_have_names_that_training_knows(file: Callable[[str], Path]) -> None:
    pairs = read_pairs(file(HEADER + "".join(f"title {n},name {n % 5},1\n" for n in range(50))), validation=0.2)
    assert (len(pairs.training), len(pairs.validation), pairs.left_out) == (40, 10, 0)
    assert not texts(pairs.training) & {pair.base for pair in pairs.validation}
    known = {pair.ref: pair.ref_group for pair in pairs.training}
    assert all(known[pair.ref] == pair.base_group for pair in pairs.validation)


def test_rows_between_the_sides_are_left_out_and_counted(file: Callable[[str], Path]) -> None:
    linked = "".join(f"title {n},name {n},1\nname {n},title {n},1\n" for n in range(40))
    across = "".join(f"title {n},name {(n + 1) % 40},0.5\n" for n in range(40))
    pairs = read_pairs(file(HEADER + linked + across), validation=0.1)
    assert pairs.left_out > 0
    assert len(pairs.training) + len(pairs.validation) + pairs.left_out == 120
    assert not texts(pairs.training) & texts(pairs.validation)


def test_held_out_pairs_beside_the_file_are_taken(file: Callable[[str], Path]) -> None:
    path = file(HEADER + GOOD)
    # The second row has a name that is trained on, which is as it should be; the third asks with what is trained on.
    validation_path(path).write_text(HEADER + "x,y,0.5\nx,NAME 7,0.5\nNAME 7,z,0.5\n", encoding="utf-8")
    pairs = read_pairs(path, validation=0.5)
    assert len(pairs.training) == 30
    assert rows(pairs.validation) == [("x", "y", 0.5), ("x", "NAME 7", 0.5)]
    assert pairs.left_out == 1


def test_errors_in_held_out_pairs_name_that_file(file: Callable[[str], Path]) -> None:
    path = file(HEADER + GOOD)
    validation_path(path).write_text(HEADER + "x,y,5\n", encoding="utf-8")
    with pytest.raises(TuningError, match=r"pairs\.validation\.csv line 2: similarity is '5'"):
        read_pairs(path)
