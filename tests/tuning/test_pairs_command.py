"""`jobsearch pairs`: the files, what is printed, and errors in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pair_taxonomies import made_up

from jobsearch.cli.app import run
from jobsearch.taxonomy.library import store_taxonomy
from jobsearch.tuning.pairs_file import read_pairs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def out(jobsearch_home: Path, tmp_path: Path) -> Path:
    """A file to write to, in a home that has the made-up taxonomy."""
    store_taxonomy(made_up())
    return tmp_path / "data" / "training_data.csv"


def test_files_and_counts(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pairs", "--out", str(out), "--taxonomy", "made-up", "--validation", "0.2", "--names", "50"]) == 0
    printed, warnings = capsys.readouterr()
    assert warnings == ""
    pairs = read_pairs(out)
    assert f"{out}: {len(pairs.training):,} pairs; " in printed.replace("\n", " ")
    lines = printed.splitlines()
    assert lines[0].split() == ["Kind", "Training", "Held", "out"]
    [names] = [line.split() for line in lines if line.startswith("name ") and "0." not in line]
    assert int(names[1]) + int(names[2]) == 50
    for kind in ("description", "name", "translation", "neighbour", "unrelated"):
        assert sum(line.startswith(f"{kind} ") for line in lines) == 3, kind  # counts and two examples
    assert all(len(line) <= 160 for line in lines[:-1])


def test_json(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["pairs", "--out", str(out), "--taxonomy", "made-up", "--validation", "0.2", "--json", "--seed", "7"]
    assert run([*arguments, "--language", "de", "--graded"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert list(record) == ["file", "validation_file", "taxonomy", "seed", "digest", "counts", "examples"]
    assert (record["file"], record["taxonomy"], record["seed"]) == (str(out), "made-up", 7)
    assert set(record["counts"]["training"]) == {"description", "name", "neighbour", "graded", "unrelated"}
    assert all(len(shown) == 2 for shown in record["examples"].values())
    assert list(record["examples"]["name"][0]) == ["base", "ref", "similarity"]
    content = out.read_bytes(), Path(record["validation_file"]).read_bytes()
    assert run([*arguments, "--language", "de", "--graded"]) == 1
    assert f"Error: {out} is there already; name another file with --out, or add --force" in capsys.readouterr().err
    out.unlink()  # the held-out pairs beside it are somebody's, too
    assert run([*arguments, "--language", "de", "--graded"]) == 1
    assert ".validation.csv is there already" in capsys.readouterr().err
    assert run([*arguments, "--language", "de", "--graded", "--force"]) == 0
    assert json.loads(capsys.readouterr().out) == record
    assert (out.read_bytes(), Path(record["validation_file"]).read_bytes()) == content
    assert len(read_pairs(out).validation) == sum(record["counts"]["validation"].values())


@pytest.mark.slow
def test_the_built_in_taxonomy_is_the_default(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["pairs", "--out", str(out), "--names", "100", "--unrelated", "50", "--descriptions", "7", "--json"]) == 0
    )
    printed, warnings = capsys.readouterr()
    assert json.loads(printed)["taxonomy"] == "esco-en"
    assert warnings == "Warning: asked for 7 descriptions, esco-en gives 0\n"
    assert len(out.read_text(encoding="utf-8").splitlines()) > 100


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing option '--out'"),
        (["--out", "x.csv", "--names", "-3"], 1, "names is -3, expected 0 or more"),
        (["--out", "x.csv", "--names", "many"], 2, "'many' is not a valid integer"),
        (["--out", "x.csv", "--validation", "0.7"], 2, "0.7 is not in the range"),
        (["--out", "x.csv", "--taxonomy", "none"], 1, "no taxonomy 'none'"),
        (["--out", "x.csv", "--language", "fr"], 1, "made-up has no labels in fr, expected some of de, en"),
        (["--out", "x.csv", "--hard", "5", "--encoder", "none"], 1, "no encoder 'none'"),
        (["--out", "."], 1, "cannot write"),
    ],
)
def test_errors_are_one_line(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    empty = out.parent.parent / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    taxonomy = [] if "--taxonomy" in arguments else ["--taxonomy", "made-up"]
    assert run(["pairs", *arguments, *taxonomy]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert message in error
    assert error.count("\n") == 1
    assert list(empty.iterdir()) == []


def test_help_and_run_without_tensorflow(out: Path) -> None:
    script = (
        "import sys; from jobsearch.cli.app import run; code = run(sys.argv[1:]); "
        "heavy = {'tensorflow', 'numpy', 'faiss', 'scipy'} & set(sys.modules); print(sorted(heavy)); sys.exit(code)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, "pairs", "-h"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.count("\n      jobsearch pairs --out") + told.stdout.count("\n    jobsearch pairs --out") == 2
    assert told.stdout.endswith("[]\n")
    made = subprocess.run(
        [sys.executable, "-c", script, "pairs", "--out", str(out), "--taxonomy", "made-up", "--graded"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tensorflow" not in made.stdout.splitlines()[-1]


@pytest.mark.slow
def test_hard_negatives_of_the_real_encoder(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pairs", "--out", str(out), "--taxonomy", "made-up", "--names", "50", "--hard", "20", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    # A concept or two that are held out have few others to be unlike.
    assert 16 <= sum(side.get("hard", 0) for side in record["counts"].values()) <= 20
    assert all(pair["similarity"] == 0.5 for pair in record["examples"]["hard"])
