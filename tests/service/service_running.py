"""A service that runs: in a thread of this process, or in a process of its own; and a client that may misbehave."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from fastapi import FastAPI

from jobsearch.service.server import listen, make_server, url_of
from jobsearch.service.settings import Settings

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}


class Client(requests.Session):
    """A session with the service's address before each path.

    Args:
        url: the service's address.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False  # no proxy stands before loopback
        self.url = url

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        options.setdefault("timeout", 30)
        return super().request(method, self.url.rstrip("/") + url, *args, **options)


@contextlib.contextmanager
def running(app: FastAPI, settings: Settings | None = None, port: int = 0) -> Iterator[Client]:
    """Serve an application from a thread; yields a client of it; the port is a free one unless it is named."""
    settings = settings or Settings()
    bound = listen("127.0.0.1", port)
    url = url_of(bound)
    server = make_server(app, settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        with Client(url) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()
    assert not thread.is_alive()


@contextlib.contextmanager
def logs_put_back() -> Iterator[None]:
    """Undo at the end what `write_logs` does to this process's loggers."""
    loggers = [logging.getLogger(name) for name in ("jobsearch", "uvicorn", "asyncio")]
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def talk(url: str, *parts: bytes, pause: float = 0.0, timeout: float = 10) -> bytes:
    """Send bytes as they are, with a pause after each part, and return all that comes until the other side closes."""
    host, port = url.removeprefix("http://").rstrip("/").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the server may have had enough
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


def refusal(response: requests.Response, status: int, code: str) -> str:
    """Check an error's status and its one shape, and return its message."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["error"]
    assert list(answer["error"]) == ["code", "message"]
    assert answer["error"]["code"] == code
    message: str = answer["error"]["message"]
    assert message
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def parsed(answer: bytes) -> tuple[int, Any]:
    """Return status and JSON of one raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


class Process:
    """`jobsearch serve` in a process of its own, on a free port.

    Args:
        home: its home folder.
        arguments: more of the command line.
        program: Python code to run in place of the command line.
        variables: environment variables.
    """

    def __init__(self, home: Path, *arguments: str, program: str | None = None, **variables: str) -> None:
        what = ["-c", program] if program else ["-m", "jobsearch", "serve", "--port", "0"]
        kept = {name: value for name, value in os.environ.items() if name != "JOBSEARCH_TOKEN"}
        self.popen = subprocess.Popen(
            [sys.executable, *what, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "PYTHONPATH": str(ROOT), "JOBSEARCH_HOME": str(home), **variables},
        )
        self.lines: list[str] = []
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._arrived:
                self.lines.append(line.rstrip("\n"))
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was logged."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event and return it."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events if event["event"] == name), None)

        with self._arrived:
            assert self._arrived.wait_for(lambda: found() or not self._reader.is_alive(), 60)
        event = found()
        assert event is not None, self.lines
        return event

    def client(self, event: str = "ready") -> Client:
        """Wait until it is ready, or for another event, and return a client of it."""
        client = Client(self.event("listening")["url"])
        self.event(event)
        return client

    def end(self) -> int:
        """Wait until it has ended and return its exit code."""
        code = self.popen.wait(30)
        self._reader.join(10)
        return code

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()
        self._reader.join(10)
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()
