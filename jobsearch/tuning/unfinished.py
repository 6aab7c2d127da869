"""Tuning runs that are not at their end, as their folders tell. No TensorFlow here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from jobsearch.encoder.library import models_directory
from jobsearch.errors import TuningError
from jobsearch.files import folder_size

# Below the models' folder; in it a folder a run, by the encoder's name, and of a teacher's student with that behind it.
RUNS, TAUGHT_RUN = ".runs", "@taught"
# What says where a run stands; `tuning.checkpoint` writes it.
STATE = "state.json"


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that was stopped, or is at work.

    Args:
        name: of the encoder that it would make.
        folder: where its checkpoints are.
        bytes: of all its files.
        written: when it was last saved, UTC.
    """

    name: str
    folder: Path
    bytes: int
    written: datetime

    def standing(self) -> str:
        """Return how far it got, for people.

        Raises:
            TuningError: its state cannot be read.
        """
        path = self.folder / STATE
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            recipe, step = state["identity"]["recipe"], int(state["step"])
            of = f" of {recipe['steps']:,}" if recipe["steps"] else ""
            return f"step {step:,}{of} by recipe {recipe['name']}"
        except FileNotFoundError:
            return "nothing saved yet"
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TuningError(f"{path} cannot be read ({error}); remove {self.folder} to begin anew") from error


def unfinished_runs() -> list[UnfinishedRun]:
    """Return the runs in the home folder, sorted by name."""
    runs = models_directory() / RUNS
    found = []
    for folder in sorted(runs.iterdir()) if runs.is_dir() else []:
        if folder.is_dir():
            state = folder / STATE
            at = (state if state.is_file() else folder).stat().st_mtime
            name = folder.name.removesuffix(TAUGHT_RUN)
            found.append(UnfinishedRun(name, folder, folder_size(folder), datetime.fromtimestamp(at, timezone.utc)))
    return found
