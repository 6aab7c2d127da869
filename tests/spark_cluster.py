"""What the tests of Spark share: whether it is there, and a cluster of real worker processes on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_MISSING = " and ".join(
    name
    for name, there in (
        ("PySpark", importlib.util.find_spec("pyspark") is not None),
        ("Java", shutil.which("java") is not None or "JAVA_HOME" in os.environ),
    )
    if not there
)
NEEDS_SPARK = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(_MISSING), reason=f"{_MISSING} not installed: pip install 'jobsearch[spark]', and Java 17"),
]


def needs_spark(test: Any) -> Any:
    """Mark one test of a module whose others need no Spark."""
    for mark in NEEDS_SPARK:
        test = mark(test)
    return test


@contextlib.contextmanager
def cluster(workers: int = 2) -> Iterator[Any]:
    """Start a driver and workers of one core each, which are processes of their own, and stop them all at the end."""
    import pyspark
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas 3
        session = (
            SparkSession.builder.master(f"local-cluster[{workers},1,2048]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        own = Path(pyspark.__file__).parent / "work" / session.sparkContext.applicationId
        try:
            yield session
        finally:
            session.stop()
            shutil.rmtree(own, ignore_errors=True)


def executors(session: Any) -> list[int]:
    """Return the process numbers of a session's executors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            own = session.sparkContext.applicationId.encode()
            if any(word.endswith(b"CoarseGrainedExecutorBackend") for word in words) and own in words:
                found.append(int(path.parent.name))
    return found


def kill(process: int) -> None:
    """End a process as a machine that goes down does."""
    os.kill(process, signal.SIGKILL)
