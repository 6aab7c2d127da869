"""What every request passes before it reaches a route, outermost first: access log, token, body.

All three are plain ASGI: nothing is buffered but the body, and that only up to its limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobsearch.service.errors import BODY, NOTES, ServiceError, note_code
from jobsearch.service.logs import log
from jobsearch.service.metrics import Metrics
from jobsearch.service.settings import Settings
from jobsearch.service.words import seen

# For callers that hold no token: what tells nothing of an index's content. The document is made from this package's
# models and from limits, and says which token to bring; /docs, which is made from it, would link to a refusal else.
OPEN_PATHS = frozenset({"/", "/docs", "/health", "/openapi.json", "/page.css", "/page.js"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_LONGEST_PATH = 200
# What is read of a body after it was refused, so that the refusal arrives before the connection is closed.
_DRAIN_BYTES, _DRAIN_SECONDS = 16 << 20, 1.0
_GONE = 499  # as nginx logs a client that went away before it had its answer


class AccessLog:
    """Gives each request an id, logs and counts it, and turns what nobody foresaw into a 500.

    A caller's `X-Request-Id` is kept if it is 1 to 64 letters, digits, dots and dashes.

    Args:
        app: the application within.
        metrics: where requests are counted.
        paths: those that there are; all others are counted together, since callers may make up any number.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; anything but HTTP goes straight through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)
        notes: dict[str, Any] = {}
        scope[NOTES] = notes
        status = _GONE

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        began = time.perf_counter()
        self._metrics.begin()
        error: Exception | None = None
        try:
            await self._app(scope, receive, send_marked)
        except Exception as unforeseen:
            error = unforeseen
            if status == _GONE:
                refusal = ServiceError(500, "internal", f"something went wrong; the log tells more under {request_id}")
                note_code(scope, refusal)
                await refusal.response()(scope, receive, send_marked)
            else:
                raise  # half an answer is out: only closing the connection can tell that it is not whole
        finally:
            seconds = time.perf_counter() - began
            path = scope["path"]
            self._metrics.end(scope["method"], path if path in self._paths else None, status, seconds)
            log(
                logging.ERROR if error else logging.INFO,
                "request",
                error=error,
                request_id=request_id,
                client=scope["client"][0] if scope.get("client") else None,
                method=scope["method"][:20],
                path=path[:_LONGEST_PATH],
                status=status,
                ms=round(1000 * seconds, 1),
                **notes,
            )


class TokenGate:
    """Lets only those pass who send the token, but for `OPEN_PATHS`.

    Args:
        app: the application within.
        token: what `Authorization: Bearer …` must hold.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._knows(scope):
            await self._app(scope, receive, send)
            return
        # What was sent is not repeated: it may be a token, of this service or of another one.
        sent = any(name == b"authorization" for name, _ in scope["headers"])
        told = "the Authorization that was sent is not this service's" if sent else "no token was sent"
        message = f"{told}, expected it on all but {', '.join(sorted(OPEN_PATHS))}; "
        message += "send the service's token as `Authorization: Bearer TOKEN`"
        await refuse(ServiceError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"}), scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        # In constant time: how long it takes must not tell how much of a guess is right.
        return hmac.compare_digest(token.strip(), self._token) and scheme.lower() == b"bearer"


class BodyGate:
    """Reads a request's body, within its limits of size and time, before anything works on it.

    So neither a huge body nor one that drips holds more than its own connection.

    Args:
        app: the application within.
        settings: the limits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole body, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(Headers(scope=scope), receive)
        except ServiceError as refusal:
            await refuse(refusal, scope, receive, send)
            return
        if body is None:
            return  # the client has gone
        given = False

        async def receive_again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        scope[BODY] = body
        await self._app(scope, receive_again, send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise ServiceError(
                400, "bad_request", f"Content-Length is {seen(length)}, expected a number of bytes; send the body's"
            )
        # Python refuses to read numbers of thousands of digits; 18 digits are more than any limit.
        size = int(length) if len(length) <= 18 else 10**18
        if size > self._settings.max_body:
            raise self._too_large(
                f"{size} bytes" if len(length) <= 18 else f"a number of bytes of {len(length)} digits"
            )
        if (size or "transfer-encoding" in headers) and not _is_json(headers.get("content-type", "")):
            kind = headers.get("content-type")
            told = "there is no Content-Type" if kind is None else f"Content-Type is {seen(kind)}"
            message = f"{told}, expected application/json; send JSON, with `Content-Type: application/json`"
            raise ServiceError(415, "not_json", message)
        try:
            return await asyncio.wait_for(self._collect(receive), self._settings.patience)
        except asyncio.TimeoutError:
            message = f"the body did not arrive within {self._settings.patience:g} s"
            raise ServiceError(408, "too_slow", message, {"Connection": "close"}) from None

    async def _collect(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._settings.max_body:
                raise self._too_large(f"{len(body)} bytes or more")
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self, size: str) -> ServiceError:
        most = self._settings.max_body
        message = f"the body has {size}, expected at most {most} bytes; send less at once, in several requests"
        return ServiceError(413, "too_large", message)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def refuse(refusal: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a refusal before the body was read, read some of what still comes, then close the connection.

    A connection that is closed with unread data is reset, and a client that is still sending then never sees why.
    """
    note_code(scope, refusal)
    response = refusal.response()
    response.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": refusal.status, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_drain(receive), _DRAIN_SECONDS)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    seen = 0
    while seen < _DRAIN_BYTES:
        message = await receive()
        seen += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
