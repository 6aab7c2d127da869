"""Which column of a table holds the titles, and whether there is room for what is found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobsearch.errors import MatchingError
from jobsearch.matching.matcher import COLUMNS

DEFAULT_COLUMN = "title"
# What else a column of titles is called, in small letters and without what is between words.
_TITLES = {DEFAULT_COLUMN, "jobtitle", "vacancytitle", "positiontitle", "position", "occupation", "jobtitles", "titles"}


def choose_column(name: str, columns: Sequence[str], wanted: str | None) -> str:
    """Return the column that holds the titles.

    Args:
        name: what messages call the table.
        columns: its columns.
        wanted: the one to take; default: `title` if there, else one whose name says so, else the only one.

    Raises:
        MatchingError: there is no such column, or one that the hits' columns would meet.
    """
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise MatchingError(f"{name} has the column {twice!r} twice; rename one of them")
    taken = [column for column in COLUMNS if column in columns]
    if taken:
        raise MatchingError(f"{name} has the column {taken[0]!r} already; rename or drop it")
    listed = ", ".join(columns)
    if wanted is None:
        named = [column for column in columns if is_title_column(column)]
        if DEFAULT_COLUMN in columns:
            return DEFAULT_COLUMN
        if len(named) == 1 or len(columns) == 1:
            return (named or columns)[0]
        raise MatchingError(
            f"{name} has the columns {listed}; say with --column which holds the titles, or put their names above if "
            "these are none"
        )
    if wanted not in columns:
        raise MatchingError(f"{name} has no column {wanted!r}; there are: {listed}")
    return wanted


def is_title_column(name: str) -> bool:
    """Tell whether a column's name says that it holds titles: `Title`, `job_title`, `vacancyTitle`."""
    return re.sub(r"[\W_]+", "", name).casefold() in _TITLES
