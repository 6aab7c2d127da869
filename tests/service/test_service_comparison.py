"""What /compare asks is opened aside: all else is ready before it, and without it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import click
import pytest
from service_indexes import opening_later, small_taxonomy
from service_running import Process, logs_put_back, running, wait_until

from jobsearch.cli import serve as command
from jobsearch.engine import JobSearch
from jobsearch.errors import StorageError
from jobsearch.service.app import create_app
from jobsearch.service.logs import stderr_as_log, write_logs
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines, Pair
from jobsearch.taxonomy.library import activate, store_taxonomy

QUERY = {"query": "nurse"}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder with the taxonomy of the small indexes in use, and no index; they are deployed elsewhere."""
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path / "home"))
    store_taxonomy(small_taxonomy())
    activate("small")
    return tmp_path / "home"


# --- the application ---------------------------------------------------------------------------------------------


def test_all_else_answers_while_the_pair_is_opened(engines: Engines) -> None:
    go_on = threading.Event()
    with running(create_app(opening_later(engines, go_on))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get("/health").json()["comparison"] == "loading"
        assert client.post("/search", json=QUERY).status_code == 200
        assert client.get("/version").json()["compare"] is None
        response = client.post("/compare", json=QUERY)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        error = response.json()["error"]
        assert error["code"] == "comparison_loading"
        assert "try again" in error["message"]
        assert "/health" in error["message"]
        go_on.set()
        wait_until(lambda: client.get("/health").json()["comparison"] == "ready")
        assert client.post("/compare", json=QUERY).json()["tuned"]["encoder"]["name"] == "tuned-1"
        assert client.get("/version").json()["compare"]["tuned"]["name"] == "tuned-1"


@pytest.mark.parametrize(
    ("error", "told", "kept"),
    [
        (
            StorageError("no room in indexes; free some"),
            "no room in indexes; free some; then start again",
            "",
        ),
        (RuntimeError("a secret from within"), "the service's log says why; then start again", "a secret"),
    ],
)
def test_a_pair_that_cannot_be_opened_leaves_out_the_comparison_alone(
    engines: Engines, caplog: pytest.LogCaptureFixture, error: Exception, told: str, kept: str
) -> None:
    def fail() -> Pair:
        raise error

    caplog.set_level("INFO", "jobsearch")
    with running(create_app(Engines(engines.main, open_pair=fail))) as client:
        wait_until(lambda: client.get("/health").json()["comparison"] == "failed")
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "ready")
        response = client.post("/compare", json=QUERY)
        assert (response.status_code, response.json()["error"]["code"]) == (409, "comparison_failed")
        assert response.json()["error"]["message"].endswith(told)
        assert not kept or kept not in response.text
        assert client.post("/search", json=QUERY).status_code == 200
    (record,) = [one for one in caplog.records if one.getMessage() == "comparison_failed"]
    assert (record.exc_info is not None) == bool(kept)  # a traceback of what nobody foresaw


def test_without_compare_nothing_is_opened(engines: Engines) -> None:
    asked: list[int] = []

    def open_pair() -> Pair:
        asked.append(1)
        raise AssertionError

    with running(create_app(Engines(engines.main, open_pair=open_pair), Settings(compare=False))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get("/health").json()["comparison"] == "off"
        assert client.post("/compare", json=QUERY).status_code == 404
    assert asked == []


# --- the command -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_path_alone_is_compared_with_an_index_that_is_built_aside(service_home: Path, home: Path) -> None:
    """As the guide promises: side by side without any option, each line of the log JSON though something is built."""
    path = service_home / "indexes" / "small-tuned"
    with Process(home, "--index", str(path)) as process:
        client = process.client("comparison_ready")
        answer = client.post("/compare", json={"query": "nurse", "k": 2}).json()
        assert [answer[side]["encoder"]["name"] for side in ("base", "tuned")] == ["use", "tuned-1"]
        client.close()
    events = [json.loads(line) for line in process.lines]  # all of them
    names = [event["event"] for event in events]
    assert names.index("ready") < names.index("message") < names.index("comparison_ready")
    told = [event["message"] for event in events if event["event"] == "message"]
    assert told[0].startswith("Building the index 'small@use' once")


def test_each_side_is_the_served_index_where_that_holds_it(
    service_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.is_dir()
    opened: list[str] = []

    def open_encoder_engine(name: str) -> JobSearch:
        opened.append(name)
        return JobSearch.open(service_home / "indexes" / ("small" if name == "use" else "small-tuned"))

    monkeypatch.setattr(command, "open_encoder_engine", open_encoder_engine)
    use, tuned = (JobSearch.open(service_home / "indexes" / name) for name in ("small", "small-tuned"))
    for main, names, expected in (
        (tuned, ("use", None), ["use"]),  # after: its own
        (use, ("use", None), ["use-jobs"]),  # before: its own
        (use, ("use", "tuned-1"), ["tuned-1"]),
    ):
        opened.clear()
        pair = command._open_pair(main, *names)
        assert opened == expected
        assert [one.opened.encoder.name for one in pair] == ["use", "tuned-1"]


def test_two_indexes_of_one_name_are_not_taken_for_one_another(service_home: Path, tmp_path: Path) -> None:
    shutil.copytree(service_home / "indexes" / "small-tuned", tmp_path / "small", copy_function=os.link)
    there, here = JobSearch.open(tmp_path / "small"), JobSearch.open(service_home / "indexes" / "small")
    assert (there.opened.name, there.opened.version) == (here.opened.name, here.opened.version)
    assert command._shared(there, here).opened is here.opened
    again = JobSearch.open(service_home / "indexes" / "small")
    assert command._shared(here, again).opened is here.opened


def test_an_index_of_another_taxonomy_is_not_compared_with(service_home: Path, tmp_path: Path) -> None:
    path = service_home / "indexes" / "small"
    with Process(tmp_path, "--index", str(path)) as process:  # the built-in taxonomy is in use there
        client = process.client("comparison_failed")
        message = client.post("/compare", json=QUERY).json()["error"]["message"]
        assert "index 'small' holds small 1, expected the taxonomy in use, esco-en" in message
        assert "--base and --tuned" in message
        assert client.get("/health").status_code == 200
        client.close()
    assert process.event("comparison_failed")["level"] == "error"
    assert not (tmp_path / "indexes").exists()


# --- the log -----------------------------------------------------------------------------------------------------


def test_what_is_written_to_stderr_becomes_lines_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logs_put_back(), (tmp_path / "log").open("w") as stream:
        write_logs("info", stream)
        with stderr_as_log():
            click.echo("Building …", err=True)
            click.echo("Warning: stale", err=True)
            sys.stderr.write("half a ")
            other = threading.Thread(target=lambda: sys.stderr.write("another's\n"))
            other.start()
            other.join()
            sys.stderr.write("line\n\n\n")
            assert not sys.stderr.isatty()
        sys.stderr.write("after\n")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["level"], line["event"], line["message"]) for line in lines] == [
        ("info", "message", "Building …"),
        ("warning", "message", "stale"),
        ("info", "message", "another's"),
        ("info", "message", "half a line"),
    ]
    assert capsys.readouterr().err == "after\n"


def test_a_log_that_cannot_be_written_is_no_endless_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logs_put_back(), (tmp_path / "log").open("w") as stream:
        write_logs("info", stream)
        stream.close()
        with stderr_as_log():
            sys.stderr.write("a line\n")
    assert capsys.readouterr().err == ""
