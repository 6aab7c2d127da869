"""Runs killed before each change of the disk: the next one goes on, and makes what an undisturbed one makes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from match_forks import Forks, warm
from matching_files import FORMATS, titles, write_rows

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
TITLES = titles(300)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with warm() as process:
        yield process


def undisturbed(forks: Forks, source: Path, out: Path, k: int = 1) -> tuple[bytes, int]:
    """Return the file that an undisturbed run makes, and how many steps it has."""
    steps = forks.match(source, out, k)
    content = out.read_bytes()
    out.unlink()
    return content, steps


def go_on(forks: Forks, source: Path, out: Path, k: int = 1, **options: Any) -> bool:
    """Start again, and tell whether that came to its end; what was whole and all but tidied up is at its end."""
    folder = out.with_name(f"{out.name}.partial")
    if out.exists() and not (folder / "progress.json").exists():
        assert {path.name for path in folder.iterdir()} <= {"lock"}
        shutil.rmtree(folder)
        return True
    return forks.match(source, out, k, **options) is not None


def check_whole(out: Path, content: bytes) -> None:
    assert out.read_bytes() == content
    assert not out.with_name(f"{out.name}.partial").exists()


@pytest.mark.parametrize(
    ("kind", "every"),
    [("csv", 10), ("parquet", 15), *(pytest.param(kind, 1, marks=pytest.mark.slow) for kind in FORMATS)],
)
def test_killed_before_a_change_of_the_disk(forks: Forks, tmp_path: Path, kind: str, every: int) -> None:
    source, out = write_rows(tmp_path / f"f.{kind}", TITLES), tmp_path / f"o.{kind}"
    content, steps = undisturbed(forks, source, out)
    assert steps > 60
    for step in range(steps % every, steps, every):
        assert forks.match(source, out, step=step) is None
        assert not out.exists() or out.read_bytes() == content  # never a part of it under its name
        go_on(forks, source, out)
        check_whole(out, content)
        out.unlink()


@pytest.mark.parametrize(
    ("kind", "how", "runs"),
    [
        ("csv", signal.SIGINT, 1),
        *(
            pytest.param(kind, how, 15, marks=pytest.mark.slow)
            for kind in FORMATS
            for how in (signal.SIGKILL, signal.SIGINT)
        ),
    ],
)
def test_stopped_again_and_again(forks: Forks, tmp_path: Path, kind: str, how: signal.Signals, runs: int) -> None:
    """Each start gets a little further, or not; k is 3, so that a row has several lines."""
    source, out = write_rows(tmp_path / f"f.{kind}", TITLES), tmp_path / f"o.{kind}"
    content, steps = undisturbed(forks, source, out, 3)
    random = np.random.default_rng(runs)
    for _ in range(runs):
        stops = 0
        while not go_on(forks, source, out, 3, step=int(random.integers(5, steps // 2)), how=how):
            stops += 1
            assert stops < 50
        assert stops > 0
        check_whole(out, content)
        out.unlink()
