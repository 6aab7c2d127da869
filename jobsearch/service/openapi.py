"""The OpenAPI document: all errors in their one shape, and the limits that are in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from jobsearch.service import requests, responses
from jobsearch.service.requests import AT_MOST, DEFAULT
from jobsearch.service.responses import ErrorAnswer
from jobsearch.service.settings import Settings

_ABOUT = """Search job titles and skills by meaning.

Every answer names the index version that gave it: in the header `Jobsearch-Index`, and in the body where there is
room. Errors have one shape, `{"error": {"code", "message"}}`. `X-Request-Id` is taken over from the request, or made.
"""
_KEYWORDS = {"integer": "maximum", "string": "maxLength", "array": "maxItems"}
_ANYWHERE = {
    408: "The request did not arrive in time.",
    500: "Something went wrong; the log tells what, under the answer's `X-Request-Id`.",
    503: "The index is not loaded, or too many requests are waiting.",
    504: "The answer took too long.",
}
_WITH_INPUT = {
    400: "The body is no JSON.",
    415: "The body is not declared as JSON.",
    422: "The request does not fit this document, or cannot be answered.",
}


def error_responses(settings: Settings) -> dict[int | str, dict[str, Any]]:
    """Return what every route may answer with instead."""
    told = {**_ANYWHERE, **_WITH_INPUT, 413: f"The body is larger than {settings.max_body} bytes."}
    if settings.token is not None:
        told[401] = "The token is missing or wrong."
    return {status: {"model": ErrorAnswer, "description": text} for status, text in sorted(told.items())}


def describe(app: FastAPI, settings: Settings) -> None:
    """Let the application's document hold limits and defaults of its settings, and the token if one is needed."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
            _put_limits(made, settings)
            _put_examples(made["components"]["schemas"])
            if settings.token is not None:
                made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                for path, operations in made["paths"].items():
                    for operation in operations.values():
                        operation["security"] = [] if path == "/health" else [{"token": []}]
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _put_limits(node: Any, settings: Settings) -> None:
    if isinstance(node, Mapping):
        if AT_MOST in node and isinstance(node, dict):
            node[_KEYWORDS[node["type"]]] = getattr(settings, node.pop(AT_MOST))
        if DEFAULT in node and isinstance(node, dict):
            node["default"] = getattr(settings, node.pop(DEFAULT))
        for value in list(node.values()):
            _put_limits(value, settings)
    elif isinstance(node, list):
        for value in node:
            _put_limits(value, settings)


def _put_examples(schemas: dict[str, Any]) -> None:
    """Put back what FastAPI changes in examples: it leaves out members that are null, and sorts them."""
    for name, schema in schemas.items():
        model = getattr(responses, name, None) or getattr(requests, name, None)
        if "examples" in schema and model is not None:
            schema["examples"] = model.model_config["json_schema_extra"]["examples"]
