"""Which folder is home, and where the built-in taxonomy is."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from jobsearch import home as module
from jobsearch.home import builtin_taxonomy_directory, data_directory, home, indexes_directory


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tells where home is: no variable, no checkout around the current folder or the package."""
    monkeypatch.delenv("JOBSEARCH_HOME", raising=False)
    (tmp_path / "cwd" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd" / "deep")
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "site-packages" / "jobsearch")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))


def make_checkout(folder: Path) -> Path:
    (folder / "jobsearch").mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text("")
    (folder / "jobsearch" / "home.py").write_text("")
    return folder


def test_the_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkout(tmp_path / "cwd")
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path / "named"))
    assert home() == tmp_path / "named"
    assert data_directory() == tmp_path / "named" / "data"
    assert indexes_directory() == tmp_path / "named" / "indexes"
    assert not (tmp_path / "named").exists()  # asking makes nothing


def test_the_variable_may_be_relative_or_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("JOBSEARCH_HOME", "~/jobs")
    assert home() == tmp_path / "user" / "jobs"
    monkeypatch.setenv("JOBSEARCH_HOME", "here")
    assert home() == tmp_path / "cwd" / "deep" / "here"


@pytest.mark.parametrize("at", ["cwd", "cwd/deep"])
def test_a_checkout_around_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    make_checkout(tmp_path / "site-packages")
    assert home() == tmp_path / "site-packages"  # the checkout that the package runs from
    make_checkout(tmp_path / at)
    assert home() == tmp_path / at  # the current folder's comes first
    monkeypatch.setenv("JOBSEARCH_HOME", "")
    assert home() == tmp_path / at  # an empty variable says nothing


@pytest.mark.parametrize("missing", ["pyproject.toml", "jobsearch/home.py"])
def test_another_project_is_no_checkout(tmp_path: Path, missing: str) -> None:
    (make_checkout(tmp_path / "cwd") / missing).unlink()
    assert home() == tmp_path / "xdg" / "jobsearch"


def test_else_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda name, appauthor: str(tmp_path / "user" / name))
    assert home() == tmp_path / "user" / "jobsearch"


def test_the_builtin_taxonomy_of_an_installed_package_and_of_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "jobsearch"
    assert builtin_taxonomy_directory() == tmp_path / "site-packages" / "data" / "esco"
    (package / "builtin" / "esco").mkdir(parents=True)
    assert builtin_taxonomy_directory() == package / "builtin" / "esco"


def test_the_builtin_taxonomy_does_not_depend_on_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path))
    assert (builtin_taxonomy_directory() / "taxonomy.json").is_file()
