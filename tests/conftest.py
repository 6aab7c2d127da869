"""Fixtures that several test modules share."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from encoders import linked

from jobsearch.encoder.library import find_encoder
from jobsearch.encoder.protocol import Encoder


def pytest_configure() -> None:
    # What a table looks like must not depend on where the tests were started; pytest-xdist sets a width, too.
    os.environ.pop("COLUMNS", None)
    # A shell starts what it runs in the background with Ctrl-C ignored, and child processes inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def use_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The packaged USE encoder; its `save` links files, so change a saved file only by replacing it."""
    return linked(find_encoder("use"), tmp_path_factory.mktemp("use") / "encoder")


@pytest.fixture
def jobsearch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder that is in force."""
    folder = tmp_path / "home"
    monkeypatch.setenv("JOBSEARCH_HOME", str(folder))
    return folder


@pytest.fixture
def unprivileged() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A context in which permission bits bind: root becomes nobody for as long as it lasts."""

    @contextlib.contextmanager
    def context() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return context
