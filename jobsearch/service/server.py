"""Running the application under uvicorn: slow and surplus connections are cut, and a signal ends it in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from jobsearch.service.app import create_app
from jobsearch.service.errors import ServiceError
from jobsearch.service.logs import log
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines

_HEAD_BYTES = 16 << 10
_KEEP_ALIVE = 5
# Beyond the time that a request may take anyway.
_GRACE = 2.0


class PatientProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1 connection with three things that it lacks.

    - A client has `patience` seconds to send a request's head, from the connection's or the head's first byte on.
    - A client that takes none of an answer for as long is cut off.
    - At most `most` connections are open; one more is answered with 503 and closed.

    `patience` and `most` are set in a subclass (see `make_server`), since uvicorn makes the instances.
    """

    patience = 10.0
    most = 512
    _head: asyncio.TimerHandle | None = None
    _answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        # So that uvicorn is told of every byte that the client does not take, not only of many.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.most:
            self._send(ServiceError.overloaded())
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Read on; once a head is whole nobody waits for it any more."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        else:
            _cancel(self._head)
            self._head = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        _cancel(self._head)
        _cancel(self._answer)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what was sent."""
        super().pause_writing()
        self._answer = self._answer or self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It was taken."""
        super().resume_writing()
        _cancel(self._answer)
        self._answer = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the service's own shape."""
        self._send(ServiceError(400, "bad_request", "this is no valid HTTP request"))

    def _wait_for_head(self) -> None:
        self._head = self._head or self.loop.call_later(self.patience, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._send(ServiceError(408, "too_slow", f"the request did not arrive within {self.patience:g} s"))

    def _send(self, refusal: ServiceError) -> None:
        """Answer outside of any request, and close."""
        response = refusal.response()
        headers = [*response.raw_headers, (b"connection", b"close")]
        with contextlib.suppress(h11.LocalProtocolError):  # half an answer is out already
            for event in (
                h11.Response(status_code=refusal.status, headers=headers, reason=b""),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        log(logging.WARNING, "refused", status=refusal.status, code=refusal.code)
        self.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and will listen.

    Args:
        host: address or name.
        port: 0 takes a free one.

    Raises:
        OSError: the address cannot be had.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()
    except BaseException:
        bound.close()
        raise
    return bound


def make_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return a server for an application; `run(sockets=[listen(…)])` serves until `should_exit` is set.

    Args:
        app: what `create_app` made.
        settings: those of the application.
    """
    limits: dict[str, Any] = {"patience": settings.patience, "most": settings.max_connections}
    config = uvicorn.Config(
        app,
        http=type("Connection", (PatientProtocol,), limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=round(settings.timeout + _GRACE),
    )
    return uvicorn.Server(config)


def serve(source: Callable[[], Engines], settings: Settings, bound: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then let requests under way finish.

    Args:
        source: opens the engines; called once the server listens.
        settings: limits and switches.
        bound: where to listen; it is closed at the end.

    Raises:
        JobSearchError: the engines cannot be opened.
    """
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    server = make_server(create_app(source, settings, on_failure=fail), settings)
    with bound, _signals_are_no_errors():
        log(logging.INFO, "listening", url=url_of(bound))
        server.run(sockets=[bound])
    if failures:
        raise failures[0]
    log(logging.INFO, "stopped")


def url_of(bound: socket.socket) -> str:
    """Return the address of what listens on a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def browser_url(bound: socket.socket) -> str:
    """Return the address by which a browser on this machine reaches it, whatever addresses it listens on."""
    url = url_of(bound)
    for anywhere, here in (("//0.0.0.0:", "//127.0.0.1:"), ("//[::]:", "//[::1]:")):
        url = url.replace(anywhere, here)
    return url


@contextlib.contextmanager
def _signals_are_no_errors() -> Iterator[None]:
    """Let a signal that uvicorn raises again when it is done, so that the process dies of it, do nothing."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
