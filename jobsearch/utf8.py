"""UTF-8 as users' files hold it, and what is said of a file that is none."""

from __future__ import annotations

import codecs
from pathlib import Path

from jobsearch.errors import JobSearchError


def decode(content: bytes, place: str, error: type[JobSearchError], *, line: int = 1) -> str:
    """Decode UTF-8; at a file's beginning a byte-order mark is dropped.

    Args:
        content: what to decode: a file, or a line of one.
        place: what to call the file in an error.
        error: what to raise.
        line: number of its first line in the file, from 1.

    Raises:
        JobSearchError: `error`; it is not UTF-8. The line and the byte in it, both from 1, are named.
    """
    if line == 1:
        refuse_utf16(content, place, error)
    try:
        return content.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as wrong:
        before = wrong.object[: wrong.start]
        line += before.count(b"\n")
        column = wrong.start - (before.rfind(b"\n") + 1) + 1
        raise error(
            f"{place} line {line} is not UTF-8 (byte 0x{wrong.object[wrong.start]:02x} at {column}); "
            "save the file as UTF-8"
        ) from None


def refuse_utf16(content: bytes, place: str, error: type[JobSearchError]) -> None:
    """Raise `error` where what a file begins with says that it is UTF-16 (arguments as of `decode`)."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise error(
            f'{place} is UTF-16 (Excel\'s "Unicode text"), expected UTF-8; save it as "CSV UTF-8", or convert it with '
            "`iconv -f UTF-16 -t UTF-8`"
        )


def read(path: Path, wanted: str, error: type[JobSearchError]) -> str:
    """Read a file of UTF-8, with or without a byte-order mark.

    Args:
        path: the file.
        wanted: what to give instead where it cannot be read, such as "name a file with queries".
        error: what to raise.

    Raises:
        JobSearchError: `error`; it cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as wrong:
        raise error(f"{path} cannot be read ({wrong.strerror or wrong}); {wanted}") from wrong
    return decode(content, str(path), error)
