"""What is said of a file that is no UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsearch.errors import QueryError
from jobsearch.utf8 import decode, read


def test_a_byte_order_mark_goes_at_the_beginning_alone() -> None:
    assert decode(b"\xef\xbb\xbfK\xc3\xb6chin\r\n", "a", QueryError) == "Köchin\r\n"
    assert decode(b"\xef\xbb\xbfa", "a", QueryError, line=2) == "\ufeffa"


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"K\xf6chin", 1, "a.csv line 1 is not UTF-8 (byte 0xf6 at 2); save the file as UTF-8"),
        (b"\xef\xbb\xbfx\nK\xf6chin\n", 1, "a.csv line 2 is not UTF-8 (byte 0xf6 at 2); save the file as UTF-8"),
        (b"\xf6\n", 7, "a.csv line 7 is not UTF-8 (byte 0xf6 at 1); save the file as UTF-8"),
        (
            "nurse\n".encode("utf-16"),
            1,
            'a.csv is UTF-16 (Excel\'s "Unicode text"), expected UTF-8; save it as "CSV UTF-8", or convert it with '
            "`iconv -f UTF-16 -t UTF-8`",
        ),
    ],
)
def test_what_is_no_utf8(content: bytes, line: int, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        decode(content, "a.csv", QueryError, line=line)
    assert str(caught.value) == said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(QueryError) as caught:
        read(tmp_path / "no.csv", "name a file with queries", QueryError)
    assert (
        str(caught.value)
        == f"{tmp_path / 'no.csv'} cannot be read (No such file or directory); name a file with queries"
    )
