"""How many cores there are to work with."""

from __future__ import annotations

import os

import pytest

from jobsearch.cores import usable_cores


@pytest.mark.parametrize(
    ("said", "cores"),
    [("1", 1), ("3", 3), (" 2 ", 2), ("2,4", 2), ("99", 8), ("", 8), ("0", 8), ("-1", 8), ("many", 8)],
)
def test_openmp_says_how_many_at_most(said: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert usable_cores() == cores


def test_without_a_word_all_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert usable_cores() == 3
