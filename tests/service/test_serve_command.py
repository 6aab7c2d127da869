"""`jobsearch serve` as users run it: how it starts, warns, moves on, and ends."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from service_indexes import WELDER
from service_running import ROOT, Client, Process, logs_put_back, wait_until

from jobsearch.cli.app import run
from jobsearch.index.versions import IndexDirectory

PAIR = ("--index", "small", "--base", "small", "--tuned", "small-tuned")
# Loads for as long as a file is there.
SLOW_LOAD = """
import sys, time
from pathlib import Path
from jobsearch.service import logs, server, settings
def load():
    while Path(sys.argv[1]).exists():
        time.sleep(0.02)
    raise SystemError("never to be seen")
logs.write_logs("info")
server.serve(load, settings.Settings(), server.listen("127.0.0.1", 0))
"""


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `serve` in this process, where it fails before it listens, and return the one line that it prints."""
    assert run(["serve", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("Error: ")
    return err


def mapped_files(process: Process) -> str:
    """Return the names of the files that a process has mapped, libraries included, where the system tells them."""
    maps = Path("/proc") / str(process.popen.pid) / "maps"
    return maps.read_text() if maps.exists() else ""


# --- a whole life ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_serves_logs_and_lets_requests_finish_when_it_is_told_to_end(service_home: Path) -> None:
    with Process(service_home, *PAIR) as process, process.client("comparison_ready") as client:
        assert client.url.startswith("http://127.0.0.1:")
        assert client.get("/search", params={"q": "private"}).status_code == 200
        assert client.post("/compare", json={"query": "nurse"}).status_code == 200
        assert "text/html" in client.get("/").headers["Content-Type"]
        assert "tensorflow" not in mapped_files(process)

        answers: list[requests.Response] = []
        texts = [f"{number} {'very long title ' * 60}" for number in range(256)]  # takes some seconds
        asking = threading.Thread(
            target=lambda: answers.append(Client(client.url).post("/embed", json={"texts": texts}))
        )
        asking.start()
        wait_until(lambda: "jobsearch_work_pending 1.0" in client.get("/metrics").text)
        process.popen.send_signal(signal.SIGTERM)
        asking.join(30)
        assert answers[0].status_code == 200
        assert len(answers[0].json()["embeddings"]) == 256
        assert process.end() == 0
        with pytest.raises(requests.ConnectionError):
            Client(client.url).get("/health")
    assert process.popen.stdout is not None
    assert [json.loads(line)["event"] for line in process.lines][:3] == ["listening", "ready", "comparison_ready"]
    compared = process.event("comparison_ready")
    assert (compared["base"]["name"], compared["tuned"]["name"]) == ("use", "tuned-1")
    assert process.events[-1]["event"] == "stopped"
    logged = [event for event in process.events if event["event"] == "request"]
    assert {(event["method"], event["path"], event["status"]) for event in logged} >= {
        ("GET", "/search", 200), ("POST", "/compare", 200), ("POST", "/embed", 200)}  # fmt: skip
    assert "private" not in "".join(process.lines)


@pytest.mark.slow
def test_ctrl_c_ends_it_as_well_and_idle_connections_do_not_hold_it_up(service_home: Path) -> None:
    with Process(service_home, "--index", "small", "--no-compare", "--no-reload", JOBSEARCH_TOKEN="t0ken") as process:
        client = process.client()
        assert client.get("/health").status_code == 200  # its connection stays open
        assert client.get("/version").status_code == 401
        client.headers["Authorization"] = "Bearer t0ken"
        assert client.get("/version").json()["compare"] is None
        assert client.post("/compare", json={"query": "x"}).status_code == 404
        assert client.post("/reload").status_code == 404
        began = time.monotonic()
        process.popen.send_signal(signal.SIGINT)
        assert process.end() == 0
        assert time.monotonic() - began < 4
        client.close()
    assert "t0ken" not in "".join(process.lines)


@pytest.mark.slow
def test_it_can_be_ended_while_it_loads(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    with Process(tmp_path, str(flag), program=SLOW_LOAD) as process:
        client = Client(process.event("listening")["url"])
        assert client.get("/health").json()["status"] == "loading"
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == 0


def test_an_index_that_cannot_be_opened_ends_it_with_one_line(service_home: Path) -> None:
    with Process(service_home, "--index", "nobody") as process:
        assert process.end() == 1
    assert [json.loads(line)["event"] for line in process.lines] == ["listening", "load_failed"]
    failed = process.event("load_failed")
    assert failed["level"] == "error"
    assert failed["message"] == (
        "no index 'nobody'; there are: small, small-tuned; run `jobsearch index build --name nobody` to build it"
    )
    assert "exception" not in failed


@pytest.mark.slow
def test_it_follows_new_versions_by_itself(jobs: IndexDirectory, tmp_path: Path) -> None:
    with Process(tmp_path, "--index", "jobs", "--no-compare", "--watch", "0.1") as process:
        client = process.client()
        jobs.publish("0002")
        wait_until(lambda: client.get("/health").json()["index"]["version"] == "0002")
        assert client.get("/search", params={"q": "welder", "k": 1}).json()["hits"][0]["uri"] == WELDER.uri
        client.close()


@pytest.mark.slow
def test_serving_needs_no_tensorflow(service_home: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from service_running import running;"
        "from jobsearch.service.app import create_app; from jobsearch.service.state import Engines;"
        "from jobsearch import JobSearch;"
        "base, tuned = (JobSearch.open(Path(sys.argv[2]) / name) for name in ('small', 'small-tuned'));"
        "context = running(create_app(Engines(base, base, tuned))); client = context.__enter__();"
        "print([client.post(path, json=body).status_code for path, body in ("
        "('/search', {'query': 'x'}), ('/compare', {'query': 'x'}), ('/recommend', {'title': 'x'}))]);"
        "context.__exit__(None, None, None);"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(service_home / "indexes")],
        capture_output=True, check=False, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[200, 200, 200]", "[]"], done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("serve", "--port", "x")])
def test_nobody_waits_for_what_only_serving_needs(arguments: tuple[str, ...]) -> None:
    program = (
        "import sys; from jobsearch.cli.app import run; run(sys.argv[1:]);"
        "print([name for name in ('fastapi', 'uvicorn', 'pydantic', 'asyncio', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, check=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


# --- what is told before it starts -----------------------------------------------------------------------------------


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else find(name))
    assert error_of(capsys) == ("Error: the service needs fastapi, not installed; run pip install 'jobsearch[serve]'\n")


def test_an_address_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in error_of(
            capsys, "--port", str(port)
        )
    assert "cannot listen on no.such.host.invalid" in error_of(capsys, "--host", "no.such.host.invalid")


@pytest.mark.parametrize(
    ("host", "terminal", "address"),
    [("127.0.0.1", True, "http://127.0.0.1"), ("0.0.0.0", True, "http://127.0.0.1"), ("127.0.0.1", False, None)],
)
def test_in_a_terminal_it_says_what_to_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, terminal: bool, address: str | None
) -> None:
    ports = []

    def serve(source: Any, settings: Any, bound: socket.socket) -> None:
        ports.append(bound.getsockname()[1])
        bound.close()

    monkeypatch.setattr("jobsearch.service.server.serve", serve)
    monkeypatch.setattr("jobsearch.service.logs.write_logs", lambda level: None)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setenv("JOBSEARCH_TOKEN", "t0ken")
    assert run(["serve", "--host", host, "--port", "0"]) == 0
    out, err = capsys.readouterr()
    told = f"Open {address}:{ports[0]}/ in a browser; Ctrl-C ends the service.\n"
    assert (out, err) == ("", told if address else "")


@pytest.mark.parametrize("token", ["", "two words"])
def test_a_token_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    monkeypatch.setenv("JOBSEARCH_TOKEN", token)
    assert "JOBSEARCH_TOKEN cannot be used: it " in error_of(capsys)


@pytest.mark.parametrize(
    "arguments",
    [("--port", "65536"), ("--port", "x"), ("--max-k", "0"), ("--max-body", "-1"), ("--timeout", "0"),
     ("--watch", "-1"), ("--max-batch", "0"), ("--log-level", "loud"), ("extra",)],
)  # fmt: skip
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(["serve", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "token", "warned"),
    [("127.0.0.1", None, False), ("localhost", None, False), ("0.0.0.0", None, True), ("0.0.0.0", "t0ken", False)],
)
def test_an_open_door_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, token: str | None, warned: bool
) -> None:
    served: list[Any] = []

    def serve(source: Any, settings: Any, bound: socket.socket) -> None:
        served.append(settings)
        bound.close()

    monkeypatch.setattr("jobsearch.service.server.serve", serve)
    monkeypatch.delenv("JOBSEARCH_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("JOBSEARCH_TOKEN", token)
    options = ("--max-body", "5", "--max-batch", "6", "--max-k", "7", "--timeout", "8", "--watch", "9")
    with logs_put_back():
        assert run(["serve", "--host", host, "--port", "0", "--no-reload", *options]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["no_token"] * warned
    for line in lines:
        assert line["level"] == "warning"
        assert line["message"] == (
            f"listening on {host} without a token: whoever reaches this machine can search; set JOBSEARCH_TOKEN"
        )
    (settings,) = served
    assert (settings.max_body, settings.max_batch, settings.max_k, settings.timeout, settings.watch) == (5, 6, 7, 8, 9)
    assert (settings.reload, settings.compare, settings.token) == (False, True, token)
