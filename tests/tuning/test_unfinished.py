"""Runs that are not at their end, as their folders tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jobsearch.encoder.library import models_directory
from jobsearch.errors import TuningError
from jobsearch.tuning.unfinished import UnfinishedRun, unfinished_runs


def run_of(folder: str, state: bytes | None) -> Path:
    path = models_directory() / ".runs" / folder
    (path / "tensorboard").mkdir(parents=True)
    (path / "tensorboard" / "events").write_bytes(bytes(1000))
    if state is not None:
        (path / "state.json").write_bytes(state)
        os.utime(path / "state.json", (1_700_000_000, 1_700_000_000))
    return path


def state_of(step: int, steps: int) -> bytes:
    return json.dumps({"identity": {"recipe": {"name": "taught", "steps": steps}}, "step": step}).encode()


def test_runs_are_listed_with_their_size_and_how_far_they_are(jobsearch_home: Path) -> None:
    assert unfinished_runs() == []
    taught = run_of("mine@taught", state_of(1500, 4000))
    by_epochs = run_of("other", state_of(20, 0))
    fresh = run_of("fresh", None)
    (models_directory() / ".runs" / "file").write_bytes(b"")
    found = unfinished_runs()
    assert [(run.name, run.folder) for run in found] == [("fresh", fresh), ("mine", taught), ("other", by_epochs)]
    assert [run.standing() for run in found] == [
        "nothing saved yet",
        "step 1,500 of 4,000 by recipe taught",
        "step 20 by recipe taught",
    ]
    assert found[0].bytes == 1000
    assert found[1] == UnfinishedRun(
        "mine", taught, 1000 + len(state_of(1500, 4000)), datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
    )


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"identity": {}, "step": 1}'])
def test_a_damaged_state_is_told(jobsearch_home: Path, content: bytes) -> None:
    folder = run_of("mine", content)
    (run,) = unfinished_runs()
    with pytest.raises(TuningError, match=rf"^{folder / 'state.json'} cannot be read \(.*\); remove {folder} to begin"):
        run.standing()


def test_it_needs_no_tensorflow() -> None:
    code = "import sys, jobsearch.tuning.unfinished; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
