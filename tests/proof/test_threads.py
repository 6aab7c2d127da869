"""Threads that search while versions are published under them: no error, and no answer is of two versions."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from forks import Forks, warm
from life_cycle import alike, hash_encoders, one_tokenizer, plain, questions

from jobsearch.engine import JobSearch
from jobsearch.index.versions import IndexDirectory
from jobsearch.searcher import Searcher

pytestmark = pytest.mark.slow

__all__ = ["hash_encoders", "one_tokenizer"]
THREADS = 32
# Versions kept, so many that no engine is that late.
KEPT = 6
# More than one call to the encoder has, so that an answer is put together of several parts.
LONG = [f"night nurse {number}" for number in range(300)]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with warm("hash", tmp_path_factory.mktemp("warm")) as process:
        yield process


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns fifty times as often as they would: more meetings, and a reload among 32 is no long wait."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


QUESTIONS = {**questions(), "long": lambda engine: engine.search_many(LONG, k=3)}


def answer(engine: JobSearch, question: str) -> str:
    return plain(QUESTIONS[question](engine))


@dataclass
class Crowd:
    """Threads that ask engines and compare with what undisturbed engines of each version say.

    Args:
        engines: asked by turns.
        expected: for each content, answers by question.
    """

    engines: list[JobSearch]
    expected: dict[str, dict[str, str]]
    pause: float = 0.02
    wrong: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask for the length of a block."""
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads)

    def _work(self, number: int) -> None:
        random = np.random.default_rng(number)
        names = [*questions()] * 7 + ["long"]  # which takes as long as all the others
        # The pauses, a few calls long, leave a publisher and a reload their turn among so many.
        while not self.stopped.wait(random.uniform(0, self.pause)):
            engine = self.engines[int(random.integers(len(self.engines)))]
            try:
                if random.random() < 0.2:
                    self._check_snapshot(engine.snapshot(), random.permutation(names)[:3].tolist())
                else:
                    question = names[int(random.integers(len(names)))]
                    self._tell(question, self._contents(question, answer(engine, question)))
            except Exception as error:
                self.wrong.append(repr(error))
                return

    def _contents(self, question: str, found: str) -> set[str]:
        return {name for name, known in self.expected.items() if alike(found, known[question])}

    def _check_snapshot(self, engine: JobSearch, names: list[str]) -> None:
        """All that a snapshot says is of one version."""
        of = [self._contents(question, answer(engine, question)) for question in names]
        self._tell("snapshot", set.intersection(*of))

    def _tell(self, question: str, contents: set[str]) -> None:
        if not contents:
            self.wrong.append(f"{question}: the answer is of no version")
        for name in contents:
            self.answered[f"{question} of {name}"] += 1


def publish_and_reload(publisher: Forks, path: Path, versions: int, caplog: pytest.LogCaptureFixture) -> Crowd:
    """Let a crowd ask while versions of two contents are published by turns, and engines move to each of them.

    One engine is moved by hand and must move each time; one watches the index and moves by itself; one stays on the
    version that it has, which is removed meanwhile.
    """
    expected = {}
    for name in ("a", "b"):
        publisher.done("build", path, name)
        engine = JobSearch.open(path)
        expected[name] = {question: answer(engine, question) for question in QUESTIONS}
    # Between the two contents every question has two answers, else it would prove nothing.
    assert not any(alike(expected["a"][question], expected["b"][question]) for question in QUESTIONS)
    moved, watching, staying = (JobSearch.open(path) for _ in range(3))
    crowd = Crowd([moved, watching, staying], expected)
    caplog.set_level(logging.WARNING, logger="jobsearch")
    with watching.watch(interval=0.01), crowd.asking():
        for name in itertools.islice(itertools.cycle(("a", "b")), versions):
            version = publisher.done("build", path, name, "flat", KEPT)
            assert moved.reload()
            assert moved.opened.version == version
            if crowd.wrong:
                break
        waited = threading.Event()
        while watching.opened.version != version and not waited.wait(0.05):
            pass
    assert crowd.wrong == []
    assert staying.opened.version not in IndexDirectory(path).versions()
    assert all(alike(answer(staying, question), expected["b"][question]) for question in QUESTIONS)
    assert [record.getMessage() for record in caplog.records] == []
    return crowd


@pytest.mark.usefixtures("hash_encoders", "quick_switches")
@pytest.mark.parametrize("versions", [40, pytest.param(100, marks=pytest.mark.slow)])
def test_32_threads_while_versions_are_published(
    versions: int, forks: Forks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crowd = publish_and_reload(forks, tmp_path / "i", versions, caplog)
    # Each question was answered by both, so the threads did meet the reloads.
    missed = {f"{question} of {name}" for question in [*QUESTIONS, "snapshot"] for name in ("a", "b")}
    assert missed <= set(crowd.answered), crowd.answered


@pytest.mark.slow
@pytest.mark.usefixtures("one_tokenizer")
def test_32_threads_with_the_real_encoder(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with warm("use", tmp_path_factory.mktemp("warm-use")) as publisher:
        publish_and_reload(publisher, tmp_path / "i", 20, caplog)


class Restless(JobSearch):
    """An engine that moves to the other version, and back, each time that anything asks which one is in use."""

    def __init__(self, *engines: JobSearch) -> None:
        self._turns = itertools.cycle([engine._searcher for engine in engines])

    @property
    def _searcher(self) -> Searcher:
        return next(self._turns)


@pytest.mark.usefixtures("hash_encoders")
def test_each_call_asks_once_which_version_is_in_use(forks: Forks, tmp_path: Path) -> None:
    """Threads meet a reload in the middle of a call only now and then; here every call does."""
    engines = []
    for name in ("a", "b"):
        forks.done("build", tmp_path / name, name)
        engines.append(JobSearch.open(tmp_path / name))
    restless = Restless(*engines)
    for question in QUESTIONS:
        found = sorted(answer(restless, question) for _ in range(2))
        assert found == sorted(answer(engine, question) for engine in engines), question
    uri = engines[0].opened.labels.uris[0]
    found = sorted(plain(restless.concept(uri)) for _ in range(2))
    assert found == sorted(plain(engine.concept(uri)) for engine in engines)


# --- opening while versions come and go ------------------------------------------------------------------------


@pytest.mark.usefixtures("hash_encoders")
def test_a_version_that_goes_while_it_is_opened(forks: Forks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between being looked up and being opened a version may be removed: then there is a newer one to open."""
    path = tmp_path / "i"
    forks.done("build", path, "a")
    look_up = IndexDirectory.current

    def look_up_and_wait(directory: IndexDirectory) -> str:
        version = look_up(directory)
        if version == "0001":
            forks.done("build", path, "b", "flat", 1)
        return version

    monkeypatch.setattr(IndexDirectory, "current", look_up_and_wait)
    assert JobSearch.open(path).opened.version == "0002"
    assert IndexDirectory(path).versions() == ["0002"]


@pytest.mark.usefixtures("hash_encoders", "quick_switches")
def test_opening_while_all_but_the_newest_are_removed(forks: Forks, tmp_path: Path) -> None:
    path = tmp_path / "i"
    forks.done("build", path, "a")
    wrong: list[str] = []
    opened: Counter[str] = Counter()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                opened[JobSearch.open(path).opened.version] += 1
            except Exception as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(40):
            forks.done("build", path, "ab"[number % 2], "flat", 1)
    finally:
        stopped.set()
        for thread in threads:
            thread.join(20)
    assert wrong == []
    assert len(opened) > 20
