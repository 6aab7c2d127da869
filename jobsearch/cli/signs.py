"""Signs and short names that all of the terminal's lists share, and which of them a terminal can show."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsearch.comparison import Move
    from jobsearch.taxonomy.model import Kind

# What kinds are called where there is little room; `--kind` takes these names, too.
KIND_NAMES: Mapping[Kind, str] = {"occupation": "title", "skill": "skill"}
_C_LOCALES = ("", "C", "POSIX")


def shows_unicode(variables: Mapping[str, str], encoding: str) -> bool:
    """Tell whether a terminal can show letters beyond ASCII.

    Args:
        variables: the environment; a locale of C or none at all means ASCII.
        encoding: stdout's. Python makes it UTF-8 in the C locale, too, so that it does not tell by itself.
    """
    if "utf" not in encoding.lower():
        return False
    names = [variables.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if names[0] == "" and names[1] == "C.UTF-8" and names[2] in _C_LOCALES:
        names[1] = ""  # set by Python itself (PEP 538), not by the user
    return next((name for name in names if name), "") not in _C_LOCALES


def stdout_shows_unicode() -> bool:
    """Tell whether the terminal behind stdout can show letters beyond ASCII."""
    return shows_unicode(os.environ, getattr(sys.stdout, "encoding", None) or "")


def movement_marks(unicode: bool) -> tuple[str, str]:
    """Return the signs for up and down."""
    return ("↑", "↓") if unicode else ("+", "-")


def movement_mark(move: Move, signs: tuple[str, str]) -> str:
    """Return how a concept moved, in a few cells."""
    if move.base_rank is None:
        return "new"
    if move.tuned_rank is None:
        return "out"
    risen = move.base_rank - move.tuned_rank
    return "=" if risen == 0 else f"{signs[0] if risen > 0 else signs[1]}{abs(risen)}"
