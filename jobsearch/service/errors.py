"""How a request fails: one JSON shape for everything, `{"error": {"code", "message"}}`, and never a traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from jobsearch.errors import JobSearchError, QueryError
from jobsearch.service.problems import no_json, problems_told, unreadable
from jobsearch.service.words import short

# Where a request's scope keeps what the access log wants to know (see `middleware.AccessLog`).
NOTES = "jobsearch.notes"
# Where it keeps the body, for what is said if that cannot be read.
BODY = "jobsearch.body"
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "not_json",
}


class ServiceError(Exception):
    """A refusal: an answer other than the one that was asked for.

    Args:
        status: HTTP status, 400 to 599.
        code: a word for programs.
        message: one line for people, with what to do.
        headers: more response headers.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    @staticmethod
    def overloaded() -> ServiceError:
        """Return the refusal of one who comes when too many wait already."""
        return ServiceError(503, "overloaded", "too many requests are waiting; try again", {"Retry-After": "1"})

    def response(self) -> Response:
        """Return the refusal as a response."""
        return json_response({"error": {"code": self.code, "message": self.message}}, self.status, self.headers)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return plain values as a JSON response; what UTF-8 cannot carry (lone surrogates) becomes "?"."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="application/json")


def add_error_handlers(app: FastAPI) -> None:
    """Let all that is raised by routes, and by the router itself, end in the one shape.

    What nobody foresaw is caught further out, by `middleware.AccessLog`.
    """

    async def answer(request: Request, error: Exception) -> Response:
        refusal = as_refusal(request, error)
        note_code(request.scope, refusal)
        return refusal.response()

    for kind in (ServiceError, RequestValidationError, HTTPException, JobSearchError):
        app.add_exception_handler(kind, answer)


def note_code(scope: Any, refusal: ServiceError) -> None:
    """Leave a refusal's code for the access log."""
    scope.get(NOTES, {})["code"] = refusal.code


def as_refusal(request: Request, error: Exception) -> ServiceError:
    """Turn a foreseen error into a refusal."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(request, error)
    if isinstance(error, HTTPException):
        return _http_error(request, error)
    if isinstance(error, QueryError):
        return ServiceError(422, "invalid_query", str(error))
    return ServiceError(503, "unavailable", str(error))


def _http_error(request: Request, error: HTTPException) -> ServiceError:
    code = _CODES.get(error.status_code, "error")
    if error.status_code == 404:
        return ServiceError(
            404, code, f"there is nothing at {short(request.url.path)}; /docs and /openapi.json tell what there is"
        )
    if error.status_code == 405:
        # The router knows only the first route of a path, which may be had by other methods too.
        allowed = ", ".join(sorted(request.app.state.methods.get(request.url.path, ())))
        message = f"{short(request.url.path)} takes {allowed}, not {short(request.method)}; /docs tells what each does"
        return ServiceError(405, code, message, {"Allow": allowed})
    if error.status_code == 400:
        return ServiceError(400, "malformed_json", unreadable(*_asked(request), request.scope.get(BODY, b"")))
    return ServiceError(error.status_code, code, short(str(error.detail)), error.headers)


def _invalid(request: Request, error: RequestValidationError) -> ServiceError:
    document, operation = _asked(request)
    problems = error.errors()
    for problem in problems:
        if problem["type"] == "json_invalid":
            body, position = str(error.body), int(problem["loc"][1])
            told = no_json(document, operation, str(problem["ctx"]["error"]), body, position)
            return ServiceError(400, "malformed_json", told)
    return ServiceError(422, "invalid_request", problems_told(document, operation, problems))


def _asked(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the document, and its entry for what was asked."""
    document = request.app.openapi()
    return document, document["paths"].get(request.url.path, {}).get(request.method.lower(), {})
