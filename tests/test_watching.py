"""Watching: reloads go on until they are told to stop, whatever happens to one of them."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brute_force import SOURCE, opening_hash_encoders, skill
from encoders import HashEncoder

from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError
from jobsearch.index.build import build_index
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.watching import Watcher

SOON = 10.0  # far more than it takes; reached only when something is wrong
QUICK = 0.005


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.002)


class Reload:
    """Stands in for an engine's `reload`: does what it is told, one thing a call, the last one for ever."""

    def __init__(self, *outcomes: bool | BaseException) -> None:
        self._outcomes = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))
        self.calls = 0
        self.threads: set[threading.Thread] = set()

    def __call__(self) -> bool:
        self.calls += 1
        self.threads.add(threading.current_thread())
        outcome = next(self._outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def test_reload_is_called_again_and_again_in_one_daemon_thread() -> None:
    reload = Reload(False)
    with Watcher(reload, QUICK):
        until(lambda: reload.calls >= 5)
    (thread,) = reload.threads
    assert thread.daemon
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_after_closing_nothing_is_called() -> None:
    reload = Reload(True)
    watcher = Watcher(reload, QUICK)
    until(lambda: reload.calls >= 1)
    watcher.close()
    calls = reload.calls
    time.sleep(10 * QUICK)
    assert reload.calls == calls
    watcher.close()  # a second time is no error


def test_closing_does_not_wait_for_the_interval() -> None:
    start = time.monotonic()
    Watcher(Reload(False), 3600).close()
    assert time.monotonic() - start < SOON


def test_closing_waits_for_a_reload_under_way() -> None:
    """Else a service could go on to shut down what the reload still uses."""
    entered, leave, done = threading.Event(), threading.Event(), threading.Event()

    def reload() -> bool:
        entered.set()
        assert leave.wait(SOON)
        done.set()
        return True

    watcher = Watcher(reload, QUICK)
    assert entered.wait(SOON)
    threading.Timer(0.05, leave.set).start()
    watcher.close()
    assert done.is_set()


def test_the_watcher_is_closed_when_the_block_raises() -> None:
    reload = Reload(False)
    with pytest.raises(RuntimeError), Watcher(reload, QUICK):
        until(lambda: reload.calls >= 1)
        raise RuntimeError
    assert not any(thread.is_alive() for thread in reload.threads)


def test_a_broken_version_is_logged_once_and_again_only_if_it_is_another(caplog: pytest.LogCaptureFixture) -> None:
    first, second = IndexCorruptError("0002 is broken"), IndexCorruptError("0003 is broken")
    # Twice the first, twice the second, whole, then the second again: news, since it was whole in between.
    reload = Reload(first, first, second, second, False, second, second)
    with caplog.at_level(logging.ERROR, logger="jobsearch"), Watcher(reload, QUICK):
        until(lambda: reload.calls >= 9)
    assert [record.getMessage() for record in caplog.records] == [
        f"the newest version is not taken: {error}" for error in (first, second, second)
    ]
    assert {record.name for record in caplog.records} == {"jobsearch.watching"}


def test_an_unforeseen_error_is_logged_whole_and_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    reload = Reload(RuntimeError("no such thing"), False)
    with caplog.at_level(logging.ERROR, logger="jobsearch"), Watcher(reload, QUICK):
        until(lambda: reload.calls >= 3)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "no such thing" in caplog.text


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_an_interval_must_be_above_zero(interval: float) -> None:
    with pytest.raises(ValueError, match=f"interval is {interval!r}, expected seconds above 0"):
        Watcher(Reload(False), interval)


# --- an engine that watches its index ----------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="module")
def hash_encoders() -> Iterator[None]:
    with opening_hash_encoders():
        yield


@pytest.fixture
def directory(tmp_path: Path) -> IndexDirectory:
    directory = IndexDirectory(tmp_path / "t")
    build(directory, "bake")
    return directory


def build(directory: IndexDirectory, *labels: str) -> None:
    concepts = [skill(label, label) for label in labels]
    build_index(Taxonomy.of(SOURCE, concepts), HashEncoder(32), directory)


def test_an_engine_moves_by_itself_to_what_is_published(directory: IndexDirectory) -> None:
    engine = JobSearch.open(directory.path)
    with engine.watch(QUICK):
        build(directory, "bake", "weld")
        until(lambda: engine.opened.version == "0002")
        assert engine.search("weld", 1)[0].label == "weld"
        directory.publish("0001")
        until(lambda: engine.opened.version == "0001")
    directory.publish("0002")
    time.sleep(10 * QUICK)
    assert engine.opened.version == "0001"  # nobody watches any more


def test_an_engine_stays_on_its_version_while_the_newest_is_broken(
    directory: IndexDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = JobSearch.open(directory.path)
    build(directory, "bake", "weld")
    vectors = directory.version_path("0002") / "vectors.faiss"
    whole = vectors.read_bytes()
    vectors.write_bytes(whole[:-1])
    with caplog.at_level(logging.ERROR, logger="jobsearch"), engine.watch(QUICK):
        until(lambda: bool(caplog.records))
        time.sleep(10 * QUICK)
        assert engine.opened.version == "0001"
        assert engine.search("bake", 1)[0].label == "bake"
        (tmp_path / "whole").write_bytes(whole)
        (tmp_path / "whole").replace(vectors)  # at once, so that no other damage is seen in between
        until(lambda: engine.opened.version == "0002")
    (record,) = caplog.records  # said once, though it was tried many times
    assert "vectors.faiss has" in record.getMessage()


def test_a_wrong_interval_is_told_by_the_engine_too(directory: IndexDirectory) -> None:
    with pytest.raises(ValueError, match="interval is 0"):
        JobSearch.open(directory.path).watch(0)
