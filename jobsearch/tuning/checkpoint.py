"""A run's folder: the last state to resume from, the best weights so far, and what was measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.errors import TuningError
from jobsearch.files import storage_errors, write_atomically
from jobsearch.tuning.student import Arrays
from jobsearch.tuning.unfinished import STATE


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Args:
        identity: recipe, data digest, base fingerprint, seed: a state of another identity is not resumed.
        step: steps done.
        best_step: the step that the best weights are from; None before the first validation.
        best_value: value of what the recipe monitors there, as "higher is better".
        stale: validations since then.
        history: one record a validation.
        last, best: names of the files with the last state and the best weights.
    """

    identity: dict[str, Any]
    step: int = 0
    best_step: int | None = None
    best_value: float = float("-inf")
    stale: int = 0
    history: tuple[dict[str, Any], ...] = field(default_factory=tuple)
    last: str | None = None
    best: str | None = None


class RunDirectory:
    """Keeps a run's state so that a kill at any moment leaves a whole one.

    Tensors are written under new names first; the state file that names them is then replaced by one rename.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, identity: dict[str, Any]) -> RunState | None:
        """Return the state of an earlier run of the same identity, or None.

        Raises:
            TuningError: the state is damaged.
        """
        try:
            content = json.loads((self.path / STATE).read_text(encoding="utf-8"))
            state = RunState(**{**content, "history": tuple(content["history"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TuningError(
                f"{self.path / STATE} cannot be read ({error}); remove {self.path} to begin anew"
            ) from error
        if json.dumps(state.identity, sort_keys=True) != json.dumps(identity, sort_keys=True):
            return None
        return state

    def save(self, state: RunState, last: Arrays, best: Arrays | None) -> RunState:
        """Keep a state and its tensors; earlier ones go.

        Args:
            state: where the run stands.
            last: variables of student and optimizer.
            best: the best weights, if they are new.

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            names = {"last": f"last-{state.step:07d}.safetensors"}
            write_tensors(self.path / names["last"], last)
            if best is not None:
                names["best"] = f"best-{state.step:07d}.safetensors"
                write_tensors(self.path / names["best"], best)
        state = replace(state, **names)  # type: ignore[arg-type]
        write_atomically(self.path / STATE, (json.dumps(state.__dict__) + "\n").encode())
        for path in self.path.glob("*.safetensors"):
            if path.name not in (state.last, state.best):
                path.unlink(missing_ok=True)
        return state

    def read(self, name: str | None) -> Arrays:
        """Return tensors that a state names.

        Raises:
            TuningError: the file is missing or damaged.
        """
        try:
            return {key: value.copy() for key, value in read_tensors(self.path / str(name)).items()}
        except (OSError, ValueError) as error:
            raise TuningError(
                f"checkpoint {self.path / str(name)} cannot be read ({error}); remove {self.path}"
            ) from error

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
