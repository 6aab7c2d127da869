"""Reading text files that users bring, with errors that say where they are at fault."""

from __future__ import annotations

from pathlib import Path

from jobsearch.errors import EvaluationError

# Far beyond any evaluation set; whatever is larger is another file, or was made to do harm.
MOST_BYTES = 100_000_000


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without byte-order mark.

    Raises:
        EvaluationError: it is missing, unreadable, too large, or not UTF-8 (the row is named).
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise EvaluationError(f"{path} has {size:,} bytes, expected at most {MOST_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"cannot read {path} ({error.strerror or error}); check the path") from error
    return decode(str(path), content)


def decode(place: str, content: bytes) -> str:
    """Decode UTF-8, with or without byte-order mark.

    Args:
        place: what to call the content in an error.
        content: the bytes.

    Raises:
        EvaluationError: it is not UTF-8 (the row is named).
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise EvaluationError(
            f"{place}, row {row}: byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
