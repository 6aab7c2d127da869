"""The routes that tell about the service or move it: health, version, reload, metrics, and the pages."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

import jobsearch
from jobsearch.errors import JobSearchError
from jobsearch.reporting import encoder_record, index_record
from jobsearch.service import responses as give
from jobsearch.service.context import Context
from jobsearch.service.errors import json_response
from jobsearch.service.logs import log
from jobsearch.service.metrics import CONTENT_TYPE
from jobsearch.service.reference import reference

# Only its own files, no code in the page itself, nothing from elsewhere, in nobody's frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


def operation_routes(context: Context) -> APIRouter:
    """Return the routes, for one application."""
    router = APIRouter(tags=["operation"])
    settings, state = context.settings, context.state

    @router.get(
        "/health",
        response_model=give.HealthAnswer,
        operation_id="health",
        responses={503: {"model": give.HealthAnswer, "description": "No index is loaded, or not yet."}},
    )
    async def health() -> Response:
        """Tell whether an index is loaded; `comparison`, on which no status depends, tells the same of `/compare`."""
        status = state.status
        index = index_record(state.engines.main.opened) if status == "ready" else None
        comparison = state.comparison if settings.compare else "off"
        return json_response({"status": status, "index": index, "comparison": comparison}, 200 if index else 503)

    @router.get("/version", response_model=give.VersionAnswer, operation_id="version")
    async def version() -> Response:
        """Tell what runs here, and over what."""
        opened = state.pinned().opened
        manifest, pair = opened.manifest, state.pair_or_none
        compare = None
        if pair is not None and settings.compare:
            compare = {side: encoder_record(one.opened) for side, one in zip(("base", "tuned"), pair, strict=True)}
        limits = {name: getattr(settings, name) for name in ("max_body", "max_batch", "max_k", "max_text")}
        answer: dict[str, Any] = {
            "jobsearch": jobsearch.__version__,
            "index": index_record(opened),
            "encoder": encoder_record(opened),
            "compare": compare,
            "taxonomy": dict(manifest.taxonomy),
            "counts": dict(manifest.counts),
            "dim": manifest.dim,
            "created": manifest.created,
            "limits": limits,
        }
        return json_response(answer)

    if settings.reload:

        @router.post("/reload", response_model=give.ReloadAnswer, operation_id="reload")
        async def reload() -> Response:
            """Move to the newest published version of the index; requests under way finish on the old one."""
            try:
                moved, engine = await context.workers.run(state.reload)
            except JobSearchError:
                context.metrics.reload("failed")
                raise
            context.metrics.reload("moved" if moved else "same")
            log(logging.INFO, "reload", moved=moved, **index_record(engine.opened))
            return json_response({"reloaded": moved, "index": index_record(engine.opened)})

    @router.get(
        "/metrics",
        operation_id="metrics",
        response_class=Response,
        responses={
            200: {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
        },
    )
    async def metrics() -> Response:
        """Tell how the service does, for Prometheus."""
        opened = state.engines.main.opened if state.status == "ready" else None
        figures = context.metrics.render(None if opened is None else (opened.name, opened.version))
        return Response(figures, headers={"Content-Type": CONTENT_TYPE})

    for path, (name, kind) in _FILES.items():
        router.add_api_route(path, _file(name, kind), methods=["GET"], include_in_schema=False)

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return Response(reference(request.app.openapi()), headers=_PAGE_HEADERS, media_type="text/html")

    return router


def _file(name: str, kind: str) -> Any:
    content = Path(__file__).with_name(name).read_bytes()

    async def send() -> Response:
        return Response(content, headers=_PAGE_HEADERS, media_type=kind)

    return send
