"""How a request fails: one JSON shape for everything, `{"error": {"code", "message"}}`, and never a traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from jobsearch.errors import JobSearchError, QueryError

# Where a request's scope keeps what the access log wants to know (see `middleware.AccessLog`).
NOTES = "jobsearch.notes"
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "not_json",
}
_MOST_PROBLEMS = 3
_LONGEST_MESSAGE = 500


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
        return _invalid(error.errors())
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
        message = f"{short(request.url.path)} takes {allowed}, not {short(request.method)}"
        return ServiceError(405, code, message, {"Allow": allowed})
    if error.status_code == 400:
        return ServiceError(400, "malformed_json", "the body cannot be read as JSON")
    return ServiceError(error.status_code, code, short(str(error.detail)), error.headers)


def _invalid(problems: Sequence[Any]) -> ServiceError:
    for problem in problems:
        if problem["type"] == "json_invalid":
            return ServiceError(400, "malformed_json", f"the body is no JSON: {short(str(problem['ctx']['error']))}")
    told = "; ".join(_problem(problem) for problem in problems[:_MOST_PROBLEMS])
    more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
    return ServiceError(422, "invalid_request", short(told, _LONGEST_MESSAGE) + more)


def _problem(problem: Mapping[str, Any]) -> str:
    """Return one problem of a request, by the field's name; values are not repeated, they may be huge or private."""
    # The first part says "body" or "query", and a variant's tag stands beside the field's name.
    where = ".".join(short(str(part), 60) for part in problem["loc"][1:] if not str(part).startswith("("))
    told = {"missing": "is missing", "extra_forbidden": "is not known here"}.get(problem["type"])
    return f"{where or 'the body'}: {told or problem['msg']}"


def short(text: str, most: int = 100) -> str:
    """Return a text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
