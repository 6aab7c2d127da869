"""What PySpark raises, as errors of ours: one line each, with what to do."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Iterator

from jobsearch.errors import JobSearchError, MatchingError

_INSTALL = "run `pip install 'jobsearch[spark]'`"
# What a Python process of an executor raised stands at the end of its traceback, which Spark passes on as text.
_RAISED = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception)): (.+)$", re.MULTILINE)
# Of Java's errors each is caused by the next; those that mean something bear a name in brackets.
_NAMED = re.compile(r"\[[A-Z][A-Z0-9_.]+\] .+")
_CAUSE = re.compile(r"^(?:Caused by|): [\w.$]+(?:Exception|Error): (.+)$", re.MULTILINE)
_LONGEST = 300


def check_installed() -> None:
    """Check that PySpark is there.

    Raises:
        MatchingError: it is not.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise MatchingError(f"Spark needs the package pyspark, not installed; {_INSTALL}")


@contextlib.contextmanager
def spark_errors(doing: str) -> Iterator[None]:
    """Turn what PySpark raises into errors of ours.

    Args:
        doing: what could not be done, for the message.

    Raises:
        MatchingError: always one, whatever Spark said.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise translated(error, doing) from error


def translated(error: Exception, doing: str) -> JobSearchError:
    """Return an error of ours for one of PySpark's."""
    text = str(error)
    if "JAVA_GATEWAY_EXITED" in text:
        return MatchingError("Spark needs Java 17 or newer, and it did not start; install it, or set JAVA_HOME")
    raised = _RAISED.findall(text)
    if raised and raised[-1][1].startswith("No module named 'jobsearch"):
        return MatchingError(
            "Spark's executors have no jobsearch; install it in their Python (PYSPARK_PYTHON names it)"
        )
    if raised and not raised[-1][0].startswith(("Py4J", "Spark")):
        return MatchingError(f"Spark cannot {doing}: {_short(raised[-1][1])}")
    named = _NAMED.findall(text) or _CAUSE.findall(text)
    return MatchingError(f"Spark cannot {doing}: {_short(named[-1] if named else text)}")


def _short(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "it gives no reason")
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST]} …"
