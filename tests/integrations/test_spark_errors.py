"""What Spark says, in one line; without Spark."""

from __future__ import annotations

import pytest

from jobsearch.errors import MatchingError
from jobsearch.integrations import spark_errors

_TRACEBACK = """
An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "spark_index.py", line 1, in open
    raise IndexCorruptError(
jobsearch.errors.IndexCorruptError: index 't', version 0001: vectors.faiss is damaged; start the application anew
"""


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (_TRACEBACK, "Spark cannot match v.csv: index 't', version 0001: vectors.faiss is damaged; start the appli.*"),
        ("ModuleNotFoundError: No module named 'jobsearch'", "Spark's executors have no jobsearch; install it .*"),
        ("[JAVA_GATEWAY_EXITED] Java gateway process exited", "Spark needs Java 17 or newer, and it did not start.*"),
        ("\n[PATH_NOT_FOUND] no such path\nat java", r"Spark cannot match v.csv: \[PATH_NOT_FOUND\] no such path"),
        ("", "Spark cannot match v.csv: it gives no reason"),
        ("x" * 1000, "Spark cannot match v.csv: x{300} …"),
    ],
)
def test_what_spark_says_is_one_line(said: str, message: str) -> None:
    error = spark_errors.translated(RuntimeError(said), "match v.csv")
    assert isinstance(error, MatchingError)
    assert "\n" not in str(error)
    with pytest.raises(MatchingError, match=f"^{message}$"):
        raise error


def test_pyspark_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MatchingError, match=r"needs the package pyspark, .* run `pip install 'jobsearch\[spark\]'`"):
        spark_errors.check_installed()
