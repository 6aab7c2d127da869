"""A run's folder: whole after a kill at any moment, and never mistaken for another run's."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobsearch.errors import StorageError, TuningError
from jobsearch.tuning import checkpoint
from jobsearch.tuning.checkpoint import RunDirectory, RunState
from jobsearch.tuning.recipes import find_recipe

IDENTITY = {"base": "b", "data": "d", "recipe": find_recipe("default").to_dict(), "seed": 0}


def arrays(value: float) -> dict[str, Any]:
    return {
        "000": np.full((3, 2), value, np.float32),
        "001": np.array([value], np.float16),
        "002": np.array(int(value), np.int64),
    }


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return found.keys() == expected.keys() and all(
        found[key].dtype == expected[key].dtype and np.array_equal(found[key], expected[key]) for key in expected
    )


def state_at(step: int) -> RunState:
    history = tuple({"step": done, "mrr": done / 10, "best": True} for done in range(0, step + 1, 2))
    return RunState(IDENTITY, step=step, best_step=step, best_value=step / 10, stale=0, history=history)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / ".runs" / "name")


def test_nothing_is_there_at_first(run: RunDirectory) -> None:
    assert run.load(IDENTITY) is None
    run.remove()
    assert not run.path.exists()


def test_a_state_comes_back_as_it_was_kept(run: RunDirectory) -> None:
    kept = run.save(state_at(4), arrays(1.5), arrays(2.5))
    assert (kept.last, kept.best) == ("last-0000004.safetensors", "best-0000004.safetensors")
    found = RunDirectory(run.path).load(json.loads(json.dumps(IDENTITY)))
    assert found == kept
    assert found == replace(state_at(4), last=kept.last, best=kept.best)
    assert same(run.read(found.last), arrays(1.5))
    assert same(run.read(found.best), arrays(2.5))


def test_tensors_that_were_read_may_be_changed(run: RunDirectory) -> None:
    kept = run.save(state_at(4), arrays(1), arrays(2))
    found = run.read(kept.last)
    found["000"][:] = 7
    run.remove()
    assert found["000"].sum() == 42


def test_a_state_without_a_best_value_comes_back_too(run: RunDirectory) -> None:
    run.save(RunState(IDENTITY), arrays(1), None)
    found = run.load(IDENTITY)
    assert found is not None
    assert (found.best_value, found.best_step, found.best) == (float("-inf"), None, None)


@pytest.mark.parametrize(
    "other",
    [
        {"base": "x"},
        {"data": "x"},
        {"seed": 1},
        {"recipe": find_recipe("default", batch=8).to_dict()},
        {"more": None},
    ],
)
def test_another_identity_is_not_resumed(run: RunDirectory, other: dict[str, Any]) -> None:
    run.save(state_at(4), arrays(1), arrays(2))
    assert run.load({**IDENTITY, **other}) is None


def test_earlier_files_go_and_the_best_stays(run: RunDirectory) -> None:
    first = run.save(state_at(2), arrays(1), arrays(1))
    second = run.save(replace(state_at(4), best_step=2, best=first.best), arrays(2), None)
    assert sorted(path.name for path in run.path.iterdir()) == [
        "best-0000002.safetensors",
        "last-0000004.safetensors",
        "state.json",
    ]
    assert same(run.read(second.best), arrays(1))
    run.save(replace(state_at(6), best=second.best), arrays(3), arrays(3))
    assert sorted(path.name for path in run.path.iterdir()) == [
        "best-0000006.safetensors",
        "last-0000006.safetensors",
        "state.json",
    ]
    run.remove()
    assert not run.path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"identity": ',
        b"\xff\xfe",
        json.dumps({"identity": IDENTITY, "step": 3}).encode(),
        json.dumps({"identity": IDENTITY, "history": [], "unheard of": 3}).encode(),
    ],
)
def test_a_damaged_state_is_told(run: RunDirectory, content: bytes) -> None:
    run.save(state_at(4), arrays(1), arrays(2))
    (run.path / "state.json").write_bytes(content)
    with pytest.raises(TuningError) as caught:
        run.load(IDENTITY)
    message = str(caught.value)
    assert message.startswith(f"{run.path / 'state.json'} cannot be read (")
    assert message.endswith(f"); remove {run.path} to begin anew")


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "noise"])
def test_damaged_tensors_are_told(run: RunDirectory, damage: str) -> None:
    kept = run.save(state_at(4), arrays(1), arrays(2))
    path = run.path / str(kept.last)
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes({"empty": b"", "cut": whole[:-1], "noise": b"\xff" * 100}[damage])
    with pytest.raises(TuningError) as caught:
        run.read(kept.last)
    assert str(caught.value).startswith(f"checkpoint {path} cannot be read (")
    assert str(caught.value).endswith(f"; remove {run.path}")


def test_a_state_that_names_no_tensors_is_told(run: RunDirectory) -> None:
    with pytest.raises(TuningError, match="cannot be read"):
        run.read(None)


def test_a_kill_before_the_state_is_written_leaves_the_one_before(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run.save(state_at(2), arrays(1), arrays(1))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "write_atomically", killed)
        run.save(replace(state_at(4), best=before.best), arrays(2), arrays(2))
    assert (run.path / "best-0000004.safetensors").is_file()  # it came that far
    found = run.load(IDENTITY)
    assert found == before
    assert same(run.read(found.last), arrays(1))
    assert same(run.read(found.best), arrays(1))
    run.save(state_at(4), arrays(3), arrays(3))  # the run goes on and clears up
    assert len(list(run.path.iterdir())) == 3


@pytest.mark.parametrize("which", ["last", "best"])
def test_a_kill_while_tensors_are_written_leaves_the_state_before(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    before = run.save(state_at(2), arrays(1), arrays(1))
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        if path.name.startswith(which):
            write(path, content[: len(content) // 2])
            raise KeyboardInterrupt
        return write(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", half)
        run.save(replace(state_at(4), best=before.best), arrays(2), arrays(2))
    found = run.load(IDENTITY)
    assert found == before
    assert same(run.read(found.last), arrays(1))
    assert same(run.read(found.best), arrays(1))


def test_a_full_disk_is_told_and_the_state_before_stays(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run.save(state_at(2), arrays(1), arrays(1))

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="disk is full"):
        patch.setattr(Path, "write_bytes", full)
        run.save(state_at(4), arrays(2), arrays(2))
    assert run.load(IDENTITY) == before
