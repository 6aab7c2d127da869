"""A home folder as a user's commands make it, and ways to run more commands on it."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest
from cli_home import linked_copy, write_bundle
from cli_process import Cli, Result

from jobsearch.cli.app import run
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.text import Tokenizer
from jobsearch.home import builtin_taxonomy_directory
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.taxonomy.store import load_taxonomy

sys.path.append(str(Path(__file__).parents[1] / "taxonomy"))  # for the server that plays the ESCO web API


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "ESCO dataset - v1.2.1")


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """A home folder as commands make it: `small` (English, in use) and `both` (German too), each with its index.

    No test may change it: take `home` for that.
    """
    folder = tmp_path_factory.mktemp("cli") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBSEARCH_HOME", str(folder))
        read_once(patch)
        for arguments in (
            ("esco", "import", str(bundle), "--name", "both", "--no-use"),
            ("esco", "import", str(bundle), "--language", "en", "--name", "small"),
            ("index", "build", "--encoder", "use"),
            ("index", "build", "--taxonomy", "both", "--encoder", "use"),
        ):
            assert run(arguments) == 0
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


def read_once(patch: pytest.MonkeyPatch) -> None:
    """Read what ships with the package only once: it never changes, and it takes longer than all that is tested."""
    patch.setattr("jobsearch.encoder.lean.Tokenizer", _tokenizer)
    patch.setattr("jobsearch.encoder.packaged.packaged_weights", _weights)
    patch.setattr("jobsearch.encoder.library.packaged_weights", _weights)
    patch.setattr("jobsearch.taxonomy.library.load_taxonomy", _taxonomy)


_tokenizer = functools.cache(Tokenizer)
_weights = functools.cache(packaged_weights)
_builtin = functools.cache(load_taxonomy)


def _taxonomy(directory: Path) -> Taxonomy:
    return _builtin(directory) if directory == builtin_taxonomy_directory() else load_taxonomy(directory)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Run a command line in this process, which is fast: `cli(home, "search", "nurse", stdin=b"")`."""
    monkeypatch.delenv("COLUMNS", raising=False)
    read_once(monkeypatch)

    def call(folder: Path, *arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setenv("JOBSEARCH_HOME", str(folder))
        (tmp_path / "stdin").write_bytes(stdin)
        capsys.readouterr()
        with (tmp_path / "stdin").open() as file, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", file)
            code = run(arguments)
        return Result(code, *capsys.readouterr())

    return call
