"""The tuned encoders at hand: names, lists, deletion, and the commands for it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_card import RECORD

from jobsearch.cli.app import run
from jobsearch.encoder.library import models_directory
from jobsearch.errors import TuningError
from jobsearch.tuning.card import model_card
from jobsearch.tuning.models import (
    check_model_name,
    delete_model,
    list_models,
    model_directory,
    newest_model,
    newest_own_model,
    next_model_name,
    read_record,
)

ROOT = Path(__file__).parents[2]


def keep(name: str, day: int = 1, verdict: str = "accepted") -> Path:
    """Keep a tuned encoder without weights."""
    record = copy.deepcopy(RECORD) | {"name": name, "created": f"2026-01-{day:02}T00:00:00+00:00"}
    record["gate"]["verdict"] = verdict
    record["history"] = [{"step": 0, "mrr": 0.4}]
    folder = models_directory() / ("rejected" if verdict == "rejected" else "") / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "README.md").write_text(model_card(record), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def home(jobsearch_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COLUMNS", raising=False)
    return jobsearch_home


# --- names -----------------------------------------------------------------------------------------------------------


def test_the_next_name_is_the_first_that_is_free() -> None:
    assert next_model_name() == "tuned-1"
    keep("tuned-1")
    keep("tuned-3")
    keep("mine")
    assert next_model_name() == "tuned-2"
    keep("tuned-2")
    assert next_model_name() == "tuned-4"


def test_a_rejected_encoder_keeps_its_name() -> None:
    keep("tuned-1", verdict="rejected")
    assert next_model_name() == "tuned-2"


@pytest.mark.parametrize("name", ["use", "use-jobs", "rejected"])
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(TuningError) as caught:
        check_model_name(name)
    assert str(caught.value) == f"{name!r} is reserved; give another name with --name"


@pytest.mark.parametrize("name", ["", ".", "..", ".runs", "a/b", "a\\b", "a b", "-x", "ä", "x" * 101, "a\n", "a\x00"])
def test_names_that_are_no_plain_ones_are_refused(name: str) -> None:
    with pytest.raises(TuningError) as caught:
        check_model_name(name)
    assert str(caught.value) == (
        f"encoder name {name!r}: expected letters, digits, dots and dashes; give one with --name"
    )


def test_a_name_that_is_taken_is_refused() -> None:
    keep("mine")
    with pytest.raises(TuningError) as caught:
        check_model_name("mine")
    assert str(caught.value) == ("there is an encoder 'mine'; give another name, or run `jobsearch models delete mine`")


def test_other_names_may_be_used() -> None:
    keep("bad", verdict="rejected")
    for name in ("mine", "tuned-1", "a.b_c-9", "9", "x" * 100, "bad"):
        check_model_name(name)


# --- lists -----------------------------------------------------------------------------------------------------------


def test_usable_ones_come_first_and_newer_ones_before_older() -> None:
    keep("old", day=1)
    keep("newest", day=9, verdict="rejected")
    keep("new", day=5, verdict="forced")
    keep("older", day=2, verdict="rejected")
    records = list_models()
    assert [record["name"] for record in records] == ["new", "old", "use-jobs", "newest", "older"]
    assert records[0]["path"] == str(models_directory() / "new")
    assert records[3]["path"] == str(models_directory() / "rejected" / "newest")
    assert newest_model() == newest_own_model() == "new"


def test_what_is_no_record_is_not_listed() -> None:
    assert [record["name"] for record in list_models()] == ["use-jobs"]
    assert (newest_model(), newest_own_model()) == ("use-jobs", None)
    keep("mine", verdict="rejected")
    assert (newest_model(), newest_own_model()) == ("use-jobs", None)
    (models_directory() / "by hand").mkdir()
    (models_directory() / "by hand" / "config.json").write_text("{}")  # a weight set that nobody tuned here
    (models_directory() / ".mine-x").mkdir()
    (models_directory() / ".runs" / "mine").mkdir(parents=True)
    (models_directory() / "rejected" / ".aside").mkdir()
    (models_directory() / "rejected" / ".aside" / "record.json").write_text("{}")
    assert [record["name"] for record in list_models()] == ["use-jobs", "mine"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"3", b"\xff", b'{"name": "mine"}'])
def test_a_damaged_record_is_told(content: bytes) -> None:
    folder = keep("mine")
    (folder / "record.json").write_bytes(content)
    for call in (list_models, lambda: read_record(folder)):
        with pytest.raises(TuningError) as caught:
            call()
        assert str(caught.value).startswith(f"{folder / 'record.json'} cannot be read (")
        assert str(caught.value).endswith(f"; remove {folder} or tune again")


def test_a_folder_by_its_name() -> None:
    usable, rejected = keep("mine"), keep("bad", verdict="rejected")
    assert model_directory("mine") == usable
    assert model_directory("bad") == rejected
    again = keep("mine", verdict="rejected")
    assert model_directory("mine") == usable  # what is in use comes first
    assert delete_model("mine", rejected=False) == usable
    assert not usable.exists()
    assert model_directory("mine") == again


@pytest.mark.parametrize("name", ["other", "use", "rejected", "../models/mine", "", "mine/"])
def test_an_unknown_name_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(TuningError) as caught:
        model_directory(name)
    assert str(caught.value) == f"no tuned encoder {name!r}; there are: use-jobs"
    keep("mine")
    keep("bad", verdict="rejected")
    for call in (model_directory, delete_model):
        with pytest.raises(TuningError) as caught:
            call(name)
        assert str(caught.value) == f"no tuned encoder {name!r}; there are: mine, use-jobs, bad"


# --- commands --------------------------------------------------------------------------------------------------------


def test_models_list(capsys: pytest.CaptureFixture[str]) -> None:
    keep("mine", day=3)
    keep("bad", day=4, verdict="rejected")
    assert run(["models", "list"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [line.split() for line in out.splitlines()]
    assert rows[2][0] == "use-jobs"
    assert [rows[1], rows[3]] == [
        ["mine", "accepted", "tutorial", "pairs.csv", "0.4000", "to", "0.4500", "2026-01-03", "00:00"],
        ["bad", "rejected", "tutorial", "pairs.csv", "0.4000", "to", "0.4500", "2026-01-04", "00:00"],
    ]


@pytest.mark.parametrize("name", ["mine", "data-scientists-2026-second-try"])
def test_models_list_loses_nothing_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    keep(name, day=3)
    assert run(["models", "list"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert [word for word in (name, "0.4000 to 0.4500", "2026-01-03 00:00") if word not in shown] == []
    assert "…" not in shown


def test_models_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep("mine")
    assert run(["models", "list", "--json"]) == 0
    record, _ = json.loads(capsys.readouterr().out)
    expected: dict[str, Any] = json.loads((folder / "record.json").read_text())
    del expected["history"]
    assert record == {**expected, "path": str(folder)}


def test_models_show(capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep("bad", verdict="rejected")
    assert run(["models", "show", "bad"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for told in ("bad", "Rejected: sentences fell.", "held-out MRR (4,000 queries, 99,000 labels)", "learning_rate"):
        assert told in out
    assert run(["models", "show", "bad", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["path"] == str(folder)
    assert record["history"] == [{"step": 0, "mrr": 0.4}]


def test_models_delete(capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep("mine")
    other = keep("other")
    assert run(["models", "delete", "mine"]) == 0
    assert capsys.readouterr() == ("", "Encoder 'mine' is deleted.\n")
    assert not folder.exists()
    assert other.exists()


def test_of_two_encoders_of_one_name_the_right_one_is_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    """A name whose first run was rejected may be given again; who tidies up must not lose the better one."""
    usable, rejected = keep("mine"), keep("mine", verdict="rejected")
    assert run(["models", "delete", "mine"]) == 1
    told = "Error: there are two encoders 'mine', a usable and a rejected one; say which with --usable or --rejected\n"
    assert capsys.readouterr() == ("", told)
    assert usable.exists() and rejected.exists()
    assert run(["models", "delete", "mine", "--rejected"]) == 0
    assert capsys.readouterr() == ("", "Rejected encoder 'mine' is deleted.\n")
    assert usable.exists() and not rejected.exists()
    assert run(["models", "delete", "mine", "--rejected"]) == 1
    assert capsys.readouterr() == ("", "Error: the only encoder 'mine' is usable; nothing was deleted\n")
    keep("mine", verdict="rejected")
    assert run(["models", "delete", "mine", "--usable"]) == 0
    assert capsys.readouterr() == ("", "Encoder 'mine' is deleted.\n")
    assert run(["models", "delete", "mine", "--usable"]) == 1
    assert capsys.readouterr() == ("", "Error: the only encoder 'mine' is rejected; nothing was deleted\n")
    assert run(["models", "delete", "mine"]) == 0  # one alone needs no word more
    assert not usable.exists() and not rejected.exists()


@pytest.mark.parametrize("command", ["show", "delete"])
def test_an_unknown_name_ends_with_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    keep("mine")
    assert run(["models", command, "minee"]) == 1
    assert capsys.readouterr() == ("", "Error: no tuned encoder 'minee'; there are: mine, use-jobs\n")
    assert run(["models", command]) == 2


def test_none_of_this_needs_tensorflow() -> None:
    keep("mine")
    code = (
        "import sys\nfrom jobsearch.cli.app import run\n"
        "assert run(['models', 'list']) == run(['models', 'show', 'mine']) == run(['models', 'delete', 'mine']) == 0\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
