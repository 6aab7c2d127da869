"""What the package gives: public names, types, and a wheel that works where there is no checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import jobsearch
from jobsearch import errors

ROOT = Path(__file__).parents[1]


def python(*arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run Python and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name != "JOBSEARCH_HOME"}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        cwd=cwd,
        env={**kept, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- public names ----------------------------------------------------------------------------------------------


def test_the_public_names_are_these() -> None:
    assert jobsearch.__all__ == [
        "Filter",
        "Hit",
        "IndexingError",
        "JobSearch",
        "JobSearchError",
        "QueryError",
        "Recommendation",
        "__version__",
    ]


def test_the_public_names_are_the_things_themselves() -> None:
    from jobsearch import engine, filters, hits

    assert jobsearch.JobSearch is engine.JobSearch
    assert jobsearch.Filter is filters.Filter
    assert jobsearch.Hit is hits.Hit
    assert jobsearch.Recommendation is hits.Recommendation
    assert jobsearch.JobSearchError is errors.JobSearchError
    assert jobsearch.IndexingError is errors.IndexingError
    assert jobsearch.QueryError is errors.QueryError
    assert re.fullmatch(r"\d+\.\d+\.\d+", jobsearch.__version__)
    namespace: dict[str, object] = {}
    exec("from jobsearch import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(jobsearch.__all__)
    assert set(jobsearch.__all__) <= set(dir(jobsearch))


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'jobsearch' has no attribute 'JobSerach'"):
        _ = jobsearch.JobSerach  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="cannot import name 'JobSerach'"):
        exec("from jobsearch import JobSerach")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("numpy", "faiss", "pandas", "tensorflow", "click", "jobsearch.engine")
    program = f"import sys, jobsearch; print([name for name in {heavy} if name in sys.modules])"
    assert python("-c", program).strip() == "[]"
    used = f"import sys, jobsearch; jobsearch.JobSearch; print([name for name in {heavy} if name in sys.modules])"
    assert python("-c", used).strip() == "['numpy', 'jobsearch.engine']"


def test_the_readme_example_of_the_architecture(tmp_path: Path) -> None:
    """A missing index is an error of the library that the public base catches."""
    with pytest.raises(jobsearch.IndexingError, match="no index"):
        jobsearch.JobSearch.open(tmp_path / "esco-en")


@pytest.mark.slow
def test_type_checkers_see_the_public_names(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "from jobsearch import Filter, Hit, JobSearch, JobSearchError, Recommendation\n"
        "def first(engine: JobSearch) -> str:\n"
        "    hits = engine.search('x', k=1, kind='skill', where=Filter(language='en'))\n"
        "    reveal_type(hits)\n"
        "    reveal_type(engine.recommend_skills('x'))\n"
        "    return hits[0].label\n"
        "wrong: int = JobSearch.open('x')\n"
        "from jobsearch import JobSerach\n",
        encoding="utf-8",
    )
    arguments = ["-m", "mypy", "--strict", "--no-incremental", "--config-file", os.devnull, str(tmp_path / "use.py")]
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, check=False, encoding="utf-8", cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )  # fmt: skip
    own = [line.removeprefix("use.py:") for line in done.stdout.splitlines() if line.startswith("use.py:")]
    assert len(own) == 4, done.stdout
    assert re.match(r'4: note: Revealed type is "(builtins\.)?list\[jobsearch\.hits\.Hit\]"', own[0])
    assert re.match(r'5: note: Revealed type is "(builtins\.)?list\[jobsearch\.hits\.Recommendation\]"', own[1])
    assert re.match(r'7: error: Incompatible types in assignment .*"JobSearch"', own[2])
    assert re.match(r'8: error: Module "jobsearch" has no attribute "JobSerach"', own[3])


def test_the_module_runs_as_a_command() -> None:
    assert python("-m", "jobsearch", "--version") == f"jobsearch, version {jobsearch.__version__}\n"


# --- the wheel -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    python("-m", "pip", "wheel", str(ROOT), "--no-deps", "-w", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_what_it_needs_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        metadata = f"jobsearch-{jobsearch.__version__}.dist-info"
        entry_points = packed.read(f"{metadata}/entry_points.txt").decode()
        about = packed.read(f"{metadata}/METADATA").decode()
        files = {name: packed.read(name) for name in names if name.startswith("jobsearch/builtin/")}
    assert "jobsearch = jobsearch.cli:main" in entry_points
    assert {"jobsearch/py.typed", "jobsearch/__main__.py", "jobsearch/cli/app.py"} <= names
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "jobsearch").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    shipped = [path for folder in ("esco", "encoder") for path in (ROOT / "data" / folder).iterdir()]
    expected = {f"jobsearch/builtin/{path.parent.name}/{path.name}": path.read_bytes() for path in shipped}
    counts = ROOT / "data" / "title_counts.csv.gz"
    expected[f"jobsearch/builtin/{counts.name}"] = counts.read_bytes()
    assert files.keys() == expected.keys()
    assert files == expected
    assert {"jobsearch/builtin/esco/taxonomy.json", "jobsearch/builtin/encoder/delta.safetensors"} <= files.keys()
    assert {name.split("/")[0] for name in names} == {"jobsearch", metadata}  # no tests, no data, no indexes
    assert not [name for name in names if "decisions" in name or "__pycache__" in name or "test" in name.split("/")]
    assert f"\nVersion: {jobsearch.__version__}\n" in about
    licences = {name.removeprefix(f"{metadata}/licenses/") for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "data/esco/NOTICE"}


@pytest.mark.slow
def test_the_installed_wheel_works_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    installed, cwd, user = tmp_path / "site", tmp_path / "cwd", tmp_path / "user"
    cwd.mkdir()
    user.mkdir()
    python("-m", "pip", "install", "--no-deps", "--no-index", "--target", str(installed), str(wheel))
    assert (installed / "bin" / "jobsearch").is_file()
    variables = {"PYTHONPATH": str(installed), "HOME": str(user), "XDG_DATA_HOME": str(user / "share")}

    def run(*arguments: str) -> str:
        return python("-m", "jobsearch", *arguments, cwd=cwd, **variables)

    where = python("-c", "import jobsearch; print(jobsearch.__file__)", cwd=cwd, **variables)
    assert Path(where.strip()).is_relative_to(installed)
    assert "3,039 occupations" in run("esco", "info")
    assert json.loads(run("esco", "info", "--json"))["path"] == str(installed / "jobsearch" / "builtin" / "esco")
    assert "Accepted" in run("models", "show", "use-jobs")
    code = "from jobsearch.encoder.library import find_encoder; print(find_encoder('use-jobs').encode(['cook']).shape)"
    assert python("-c", code, cwd=cwd, **variables).strip() == "(1, 512)"
    (home,) = (finding for finding in json.loads(run("doctor", "--json")) if finding["what"] == "Home")
    assert home["seen"].startswith(f"{user / 'share' / 'jobsearch'}, ")
    assert list(cwd.iterdir()) == list(user.iterdir()) == []  # asking makes nothing
