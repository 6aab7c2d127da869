"""Fixtures of the report's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsearch.report import files, make, neighbourhood
from jobsearch.report.canvas import Drawn, Picture, new_figure


@pytest.fixture
def undrawn(jobsearch_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and pictures that are made but not drawn, which takes the most time."""
    for module in (make, files):
        monkeypatch.setattr(module, "draw", lambda figure, kind: Drawn(b"<svg/>", False))
    monkeypatch.setattr(neighbourhood, "write_names", lambda figure, panels, names: None)
    heat = Picture("similarity", "heat", "", "heat", new_figure(1, 1))
    monkeypatch.setattr(make, "similarity_heatmap", lambda *_: heat)
    return jobsearch_home
