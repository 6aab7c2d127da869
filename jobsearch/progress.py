"""How long steps say how far they are; whoever calls decides whether and how to show it."""

from __future__ import annotations

from collections.abc import Callable

# Called with the step's name, how much is done and how much there is in all (0 if unknown).
Progress = Callable[[str, int, int], None]


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""
