"""A small made-up ESCO, imported and indexed as a user would, and ways to run commands on it."""

from __future__ import annotations

import csv
import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import Result, execute

from jobsearch.cli.app import run
from jobsearch.encoder.text import Tokenizer

sys.path.append(str(Path(__file__).parents[1] / "taxonomy"))  # for the server that plays the ESCO web API

ESCO = "http://data.europa.eu/esco/"
# URI, ISCO group, then labels: preferred first, English and German.
OCCUPATIONS = [
    ("baker", "7512", ["baker", "bread maker", "bakery worker"], ["Bäcker", "Brotbäcker"]),
    ("cook", "5120", ["cook", "kitchen cook", "chef"], ["Koch"]),
    ("nurse", "2221", ["nurse", "registered nurse", "hospital nurse"], ["Krankenpfleger", "Krankenschwester"]),
    ("plumber", "7126", ["plumber", "pipe fitter", "plumbing technician"], ["Installateur"]),
    ("programmer", "2512", ["software developer", "programmer", "coder"], ["Softwareentwickler"]),
    ("engineer", "2512", ["machine learning engineer", "AI engineer [ML]"], ["KI-Ingenieur"]),
    ("driver", "8332", ["truck driver", "lorry driver"], ["Lastwagenfahrer"]),
    ("teacher", "2341", ["primary school teacher", "school teacher"], ["Grundschullehrer"]),
    ("lawyer", "2611", ["lawyer", "attorney"], ["Rechtsanwalt"]),
    ("electrician", "7411", ["electrician", "electrical fitter"], ["Elektriker"]),
    ("accountant", "2411", ["accountant", "bookkeeper"], ["Buchhalter"]),
    ("gardener", "6113", ["gardener", "garden worker"], ["Gärtner"]),
]
SKILLS = [
    ("bread", "bake bread", "Brot backen"),
    ("knives", "use kitchen knives", "Küchenmesser benutzen"),
    ("care", "care for patients", "Patienten pflegen"),
    ("pipes", "repair pipes", "Rohre reparieren"),
    ("python", "Python programming", "Python-Programmierung"),
    ("networks", "train neural networks", "neuronale Netze trainieren"),
    ("trucks", "drive trucks", "Lastwagen fahren"),
    ("children", "teach children", "Kinder unterrichten"),
    ("contracts", "draft contracts", "Verträge aufsetzen"),
    ("trees", "prune trees", "Bäume schneiden"),
]
RELATIONS = [
    ("baker", "bread", "essential"),
    ("baker", "knives", "optional"),
    ("cook", "knives", "essential"),
    ("nurse", "care", "essential"),
    ("plumber", "pipes", "essential"),
    ("programmer", "python", "essential"),
    ("engineer", "python", "optional"),
    ("engineer", "networks", "essential"),
]
GROUPS = [
    ("7", "Craft and related trades workers", "Handwerks- und verwandte Berufe"),
    ("75", "Food processing workers", "Berufe in der Nahrungsmittelverarbeitung"),
    ("751", "Food trades workers", "Nahrungsmittelhandwerker"),
    ("7512", "Bakers and pastry-cooks", "Bäcker und Konditoren"),
]
# Concepts and labels of it, as a reader of the lists above counts them.
CONCEPTS, ENGLISH, GERMAN = 12 + 10, 3 * 5 + 2 * 7 + 10, 2 * 2 + 10 + 10


def write_bundle(folder: Path) -> Path:
    """Write the taxonomy as ESCO's official CSV files, in English and German."""
    folder.mkdir(parents=True)
    for position, language in enumerate(("en", "de")):
        occupations = (
            ["Occupation", f"{ESCO}occupation/{name}", group, labels[position][0], "\n".join(labels[position][1:])]
            for name, group, *labels in OCCUPATIONS
        )
        _table(
            folder / f"occupations_{language}.csv",
            "conceptType conceptUri iscoGroup preferredLabel altLabels",
            occupations,
        )
        skills = (["KnowledgeSkillCompetence", f"{ESCO}skill/{name}", labels[position], ""] for name, *labels in SKILLS)
        _table(folder / f"skills_{language}.csv", "conceptType conceptUri preferredLabel altLabels", skills)
        groups = (["ISCOGroup", f"{ESCO}isco/C{code}", code, labels[position]] for code, *labels in GROUPS)
        _table(folder / f"ISCOGroups_{language}.csv", "conceptType conceptUri code preferredLabel", groups)
    relations = (
        [f"{ESCO}occupation/{occupation}", strength, f"{ESCO}skill/{skill}"]
        for occupation, skill, strength in RELATIONS
    )
    _table(folder / "occupationSkillRelations_en.csv", "occupationUri relationType skillUri", relations)
    return folder


def _table(path: Path, columns: str, rows: object) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns.split(), *rows])  # type: ignore[misc]


def linked_copy(source: Path, target: Path) -> Path:
    """Copy a folder by linking its files, 80 MB a version: change a file only by replacing it."""
    shutil.copytree(source, target, copy_function=os.link)
    return target


def replace_file(path: Path, content: bytes) -> None:
    """Give a linked file other content and leave what it was linked to as it is."""
    path.unlink()
    path.write_bytes(content)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "ESCO dataset - v1.2.1")


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """A home folder as commands make it: `small` (English, in use) and `both` (German too), each with its index.

    No test may change it: take `home` for that.
    """
    folder = tmp_path_factory.mktemp("cli") / "home"
    for arguments in (
        ("esco", "import", str(bundle), "--name", "both", "--no-use"),
        ("esco", "import", str(bundle), "--language", "en", "--name", "small"),
        ("index", "build"),
        ("index", "build", "--taxonomy", "both"),
    ):
        done = execute(folder, *arguments)
        assert done.code == 0, done
    return folder


@pytest.fixture
def home(session_home: Path, tmp_path: Path) -> Path:
    """A copy of the home folder, for one test; change files in it by `replace_file`."""
    return linked_copy(session_home, tmp_path / "home")


@pytest.fixture
def without_index(session_home: Path, tmp_path: Path) -> Path:
    """A home folder that has the taxonomies and no index."""
    linked_copy(session_home / "data", tmp_path / "fresh" / "data")
    return tmp_path / "fresh"


Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Run a command line in this process, which is fast: `cli(home, "search", "nurse", stdin=b"")`."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("jobsearch.encoder.lean.Tokenizer", _read_once)

    def call(folder: Path, *arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setenv("JOBSEARCH_HOME", str(folder))
        (tmp_path / "stdin").write_bytes(stdin)
        capsys.readouterr()
        with (tmp_path / "stdin").open() as file, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", file)
            code = run(arguments)
        return Result(code, *capsys.readouterr())

    return call


@functools.cache
def _read_once(model: bytes) -> Tokenizer:
    """Make a tokenizer; reading its model takes longer than all else in opening an index."""
    return Tokenizer(model)
