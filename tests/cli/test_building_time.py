"""How long a build takes is said before it begins, and measured while it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsearch.cli.live import building
from jobsearch.cli.opening import building_time, roughly


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "about 5 seconds"),
        (16.3, "about 15 seconds"),
        (18, "about 20 seconds"),
        (99, "about 100 seconds"),
        (100, "about 2 minutes"),
        (290, "about 5 minutes"),
    ],
)
def test_times_are_round(seconds: float, said: str) -> None:
    assert roughly(seconds) == said


def test_it_is_estimated_by_the_labels(session_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path))
    assert building_time() == "about 20 seconds"  # 2 s and 100,483 labels by 6,200 a second
    monkeypatch.setenv("JOBSEARCH_HOME", str(session_home))
    assert building_time() == "a few seconds"


def test_the_live_search_is_told_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path))
    now = iter((0.0, 3.0, 7.0, 23.0, 43.0))
    monkeypatch.setattr("jobsearch.cli.live.building.time.monotonic", lambda: next(now))
    with building._lines() as progress:
        progress("loading encoder", 0, 0)
        progress("embedding labels", 0, 1000)
        progress("embedding labels", 100, 1000)  # 4 s for 100: 36 s for the rest
        progress("embedding labels", 500, 1000)  # 20 s for 500
        progress("building index", 0, 0)
    assert capsys.readouterr().out.splitlines() == [
        "one-time index build, about 20 seconds: loading encoder",
        "one-time index build, about 20 seconds: embedding labels",
        "index build, about 35 seconds left: embedding labels 10%",
        "index build, about 20 seconds left: embedding labels 50%",
        "index build: building index",
    ]
