"""Builders killed at any moment: what is published is whole, the old or the new, and the next builder goes on."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forks import End, Forks, warm
from life_cycle import (
    EDIT,
    TYPES,
    alike,
    answers,
    choose,
    content,
    hash_encoders,
    leftovers,
    one_tokenizer,
    plain,
    questions,
)

from jobsearch.engine import JobSearch
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory

__all__ = ["hash_encoders", "one_tokenizer"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")]
# Steps of a build that no run has more of; where a count of steps ends is found by running them all.
MANY = 500


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with warm("hash", tmp_path_factory.mktemp("warm")) as process:
        yield process


@dataclass
class Undisturbed:
    """Answers of indexes whose builders nobody killed, by what is in them: `a`, or `a+` with the edit."""

    forks: Forks
    folder: Path
    known: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        if name not in self.known:
            path = self.folder / name
            self.forks.done("build", path, name.rstrip("+"))
            if name.endswith("+"):
                self.forks.done("edit", path)
            self.known[name] = answers(JobSearch.open(path))
        return self.known[name]


@pytest.fixture(scope="module")
def undisturbed(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(forks, tmp_path_factory.mktemp("undisturbed"))


def holds(path: Path, undisturbed: Undisturbed, names: tuple[str, ...], version: str | None = None) -> str:
    """Open an index, check that all of its answers are those of one of these contents, and return which."""
    engine = JobSearch.open(path, version)
    found = answers(engine)
    for name in names:
        if alike(found, undisturbed[name]):
            return name
    pytest.fail(f"version {engine.opened.version} of {path} answers like none of {names}: {found[:400]}")


def goes_on(path: Path, forks: Forks, undisturbed: Undisturbed, name: str, index_type: str = "flat") -> float:
    """Check that whatever a killed builder left, all versions are whole, and the next build is and tidies up.

    Returns:
        Seconds that the build took.
    """
    directory = IndexDirectory(path)
    for version in directory.versions():
        open_version(directory, version)
    end = forks.run("build", path, name, index_type)
    assert not (end.signal or end.error), end.trace
    assert holds(path, undisturbed, (name,)) == name
    assert leftovers(directory) == []
    return end.seconds


# --- at each step ----------------------------------------------------------------------------------------------

# What is done, the content before and after, and whether there is nothing yet.
CHANGES: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "first build": (("build", "b"), "", "b"),
    "build": (("build", "b"), "a", "b"),
    "build that knows all labels": (("build", "a"), "b", "a"),
    "edit": (("edit",), "b", "b+"),
    "rollback": (("publish", "0001"), "b", "a"),
    "prune": (("prune", 1), "b", "b"),
}
# The steps of a build but for the embedding, which the others have.
RARER = {"build that knows all labels"}


@pytest.fixture(scope="module")
def prepared(forks: Forks, undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes as they are before a change: `a` holds version a, `b` the versions a and b; no test changes them."""
    folder = tmp_path_factory.mktemp("prepared")
    forks.done("build", folder / "a", "a")
    for name in "ab":
        forks.done("build", folder / "b", name)
    return folder


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize(
    "change",
    [pytest.param(change, marks=[pytest.mark.slow] if change in RARER else []) for change in CHANGES],
)
def test_killed_before_each_change_to_the_disk(
    change: str, forks: Forks, undisturbed: Undisturbed, prepared: Path, tmp_path: Path
) -> None:
    """Every state that the disk goes through, one by one: before each rename, removal, new file and sync."""
    (task, *arguments), before, after = CHANGES[change]
    seen = []
    for step in range(MANY):
        path = tmp_path / str(step)
        if before:
            shutil.copytree(prepared / before, path, copy_function=os.link)
        end = forks.run(task, path, *arguments, step=step)
        assert not end.error, end.trace
        assert end.signal in (0, signal.SIGKILL)
        if not before and not (path / "current").exists():
            seen.append("")
        else:
            seen.append(holds(path, undisturbed, (before, after) if before else (after,)))
        goes_on(path, forks, undisturbed, "ab"[step % 2])
        shutil.rmtree(path)
        if not end.signal:
            break
    assert end.steps == step > 5
    # There is one moment at which the new version becomes the one in use; it is the old before and the new after.
    moments = [number for number in range(1, len(seen)) if seen[number] != seen[number - 1]]
    assert len(moments) == (before != after), seen
    assert (seen[0], seen[-1]) == (before, after)


@pytest.mark.usefixtures("hash_encoders")
def test_a_deletion_killed_before_each_change_to_the_disk(
    forks: Forks, undisturbed: Undisturbed, prepared: Path, tmp_path: Path
) -> None:
    """The index is there whole or it is not there, and the next deletion removes what the killed one left."""
    seen = []
    for step in range(MANY):
        path = tmp_path / str(step) / "b"
        shutil.copytree(prepared / "b", path, copy_function=os.link)
        end = forks.run("delete", path, step=step)
        assert not end.error, end.trace
        assert end.signal in (0, signal.SIGKILL)
        seen.append(path.exists())
        if path.exists():
            assert holds(path, undisturbed, ("b",)) == "b"
        if end.signal:
            forks.done("delete", path)
        assert list(path.parent.iterdir()) == []
        if not end.signal:
            break
    assert end.steps == step > 5
    assert (seen[0], seen[-1]) == (True, False)
    assert sorted(seen, reverse=True) == seen  # one moment at which it goes


# --- at random moments -----------------------------------------------------------------------------------------


@dataclass
class Life:
    """An index that goes from version to version while its builders are killed, and an engine that follows it."""

    path: Path
    forks: Forks
    undisturbed: Undisturbed
    random: np.random.Generator
    contents: tuple[str, ...]
    types: tuple[str, ...]
    now: str = ""
    killed: int = 0
    halfway: int = 0

    def __post_init__(self) -> None:
        self.now = self.contents[0]
        self.seconds = max(self.forks.run("build", self.path, name).seconds for name in self.contents)
        self.forks.done("build", self.path, self.now)
        self.follower = JobSearch.open(self.path)

    def disturb(self, **limits: Any) -> None:
        """Build or edit, be killed, and check the index; then let another build come to its end."""
        if choose(self.random, (True, True, True, False)):
            after = choose(self.random, self.contents)
            end = self.forks.run("build", self.path, after, choose(self.random, self.types), **limits)
        else:
            after = self.now.rstrip("+") + "+"
            end = self.forks.run("edit", self.path, **limits)
        assert not end.error, end.trace
        assert end.signal in ((signal.SIGXFSZ,) if "bytes" in limits else (signal.SIGKILL,)) or not end.signal, end
        found = holds(self.path, self.undisturbed, (self.now, after) if end.signal else (after,))
        self.killed += bool(end.signal)
        self.halfway += bool(end.signal and leftovers(IndexDirectory(self.path)))
        self.follow(found)
        self.now = choose(self.random, self.contents)
        # How long a build takes changes with what else the machine does, so the last one is the measure of the next.
        self.seconds = goes_on(self.path, self.forks, self.undisturbed, self.now, choose(self.random, self.types))
        if self.random.random() < 0.3:
            self.forks.done("prune", self.path, int(self.random.integers(1, 4)))
        self.follow(self.now)

    def follow(self, name: str) -> None:
        """Check that an engine that was open all the while moves to what is published."""
        self.follower.reload()
        ask = questions()["many"]
        assert alike(plain(ask(self.follower)), plain(ask(JobSearch.open(self.path))))
        assert self.follower.opened.version == IndexDirectory(self.path).current(), name


def random_moments(life: Life, kills: int) -> None:
    """Kill that often by SIGKILL, after a time drawn from the whole length of a build and a little more."""
    while life.killed < kills:
        life.disturb(after=float(life.random.uniform(0, 1.2 * life.seconds)))


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments(kills: int, forks: Forks, undisturbed: Undisturbed, tmp_path: Path) -> None:
    life = Life(tmp_path / "i", forks, undisturbed, np.random.default_rng(kills), ("a", "b"), ("flat", "hnsw", "sq8"))
    random_moments(life, kills)
    assert life.killed == kills
    assert life.halfway > kills / 4  # and not before it began or after its end


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_random_moments_with_labels_for_every_type(
    kills: int, forks: Forks, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    random = np.random.default_rng(kills)
    life = Life(tmp_path / "i", forks, undisturbed, random, ("a-large", "b-large"), TYPES)
    random_moments(life, kills)


@pytest.mark.slow
@pytest.mark.usefixtures("one_tokenizer")
@pytest.mark.parametrize("kills", [30])
def test_killed_at_random_moments_with_the_real_encoder(
    kills: int, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with warm("use", tmp_path_factory.mktemp("warm-use")) as forks:
        undisturbed = Undisturbed(forks, tmp_path / "undisturbed")
        life = Life(tmp_path / "i", forks, undisturbed, np.random.default_rng(kills), ("a", "b"), ("flat", "hnsw"))
        random_moments(life, kills)


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_a_file(kills: int, forks: Forks, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The operating system ends the builder at a byte of a file drawn at random; all bytes before it are there."""
    random = np.random.default_rng(kills)
    life = Life(tmp_path / "i", forks, undisturbed, random, ("a", "b"), ("flat", "hnsw", "sq8"))
    while life.killed < kills:
        life.disturb(bytes=int(10 ** random.uniform(0, 5)))


# --- the lock --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize("second", ["build", "edit"])
def test_who_waits_for_a_killed_builder_goes_on(
    second: str, forks: Forks, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    path = tmp_path / "i"
    forks.done("build", path, "a")
    forks.start("stall", path, after=0.6)
    while not list((path / "versions").glob(".*/half")):
        time.sleep(0.01)
    work: dict[str, Callable[[], Any]] = {
        "build": lambda: build_index(*content("b"), IndexDirectory(path), options=Options(index_type="flat")),
        "edit": lambda: edit_index([EDIT], IndexDirectory(path)),
    }
    waiting = threading.Thread(target=work[second])
    waiting.start()
    assert IndexDirectory(path).current() == "0001"
    assert waiting.is_alive()
    end: End = forks.wait()
    assert end.signal == signal.SIGKILL
    waiting.join(20)
    assert not waiting.is_alive()
    expected = "b" if second == "build" else "a+"
    assert holds(path, undisturbed, (expected,)) == expected
    assert leftovers(IndexDirectory(path)) == []
