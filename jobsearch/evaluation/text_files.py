"""Reading text files that users bring, with errors that say where they are at fault."""

from __future__ import annotations

from pathlib import Path

from jobsearch.errors import EvaluationError
from jobsearch.utf8 import read

# Far beyond any evaluation set; whatever is larger is another file, or was made to do harm.
MOST_BYTES = 100_000_000


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without byte-order mark.

    Raises:
        EvaluationError: it is missing, unreadable, too large, or not UTF-8 (the row is named).
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
    if size > MOST_BYTES:
        raise EvaluationError(f"{path} has {size:,} bytes, expected at most {MOST_BYTES:,}")
    return read(path, "check the path", EvaluationError)
