"""The application: routes, what every request passes before them, and engines that are loaded aside."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI
from fastapi.routing import APIRoute

import jobsearch
from jobsearch.engine import JobSearch
from jobsearch.errors import JobSearchError
from jobsearch.reporting import encoder_record, index_record
from jobsearch.service.context import Context
from jobsearch.service.errors import add_error_handlers
from jobsearch.service.logs import log
from jobsearch.service.metrics import Metrics
from jobsearch.service.middleware import AccessLog, BodyGate, TokenGate
from jobsearch.service.openapi import describe, error_responses
from jobsearch.service.operations import operation_routes
from jobsearch.service.routes import index_routes
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines, State
from jobsearch.service.workers import Workers


def create_app(
    engines: JobSearch | Engines | Callable[[], Engines],
    settings: Settings | None = None,
    on_failure: Callable[[BaseException], None] | None = None,
) -> FastAPI:
    """Make the application, for any ASGI server that supports lifespans.

    Args:
        engines: one engine; several; or what opens them, which is called in a thread when the server has started, so
            that it listens, and says so in /health, while it still loads.
        settings: limits and switches; default: those of `Settings`.
        on_failure: called, in the event loop, with what went wrong if the engines cannot be opened; without it the
            service stays up and says so in /health.
    """
    settings = settings or Settings()
    state = State(Engines(engines) if isinstance(engines, JobSearch) else engines)
    workers = Workers(settings.threads, settings.max_waiting, settings.timeout)
    context = Context(settings, state, workers, Metrics(lambda: workers.pending))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with contextlib.ExitStack() as stack:
            stack.callback(workers.close)
            loading = asyncio.create_task(_load(state, settings, on_failure, stack))
            try:
                yield
            finally:
                loading.cancel()

    app = FastAPI(
        title="jobsearch",
        version=jobsearch.__version__,
        docs_url=None,  # these pages fetch their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=error_responses(settings),
        lifespan=lifespan,
    )
    methods: dict[str, set[str]] = {"/openapi.json": {"GET"}}
    for router in (index_routes(context), operation_routes(context)):
        app.include_router(router)
        for route in router.routes:
            if isinstance(route, APIRoute):
                methods.setdefault(route.path, set()).update(route.methods or ())
    app.state.methods = methods
    add_error_handlers(app)
    describe(app, settings)
    # The last one added is the outermost.
    app.add_middleware(BodyGate, settings=settings)
    if settings.token is not None:
        app.add_middleware(TokenGate, token=settings.token)
    app.add_middleware(AccessLog, metrics=context.metrics, paths=frozenset(methods))
    return app


async def _load(
    state: State, settings: Settings, on_failure: Callable[[BaseException], None] | None, stack: contextlib.ExitStack
) -> None:
    """Load the engines, watch for newer versions if that is wanted, and then load what they are compared with."""
    await _aside(state.load)
    if state.error is not None:
        log(logging.ERROR, "load_failed", error=_unforeseen(state.error), message=str(state.error))
        if on_failure is not None:
            on_failure(state.error)
        return
    main = state.engines.main
    log(logging.INFO, "ready", **index_record(main.opened))
    if settings.watch is not None:
        stack.enter_context(main.watch(settings.watch))
    if settings.compare:
        await _load_pair(state)


async def _load_pair(state: State) -> None:
    """Open what /compare asks, while all else answers already; a failure leaves out /compare and nothing more."""
    if state.comparison == "none":
        return
    await _aside(state.load_pair)
    if state.pair_error is not None:
        error = state.pair_error
        log(logging.ERROR, "comparison_failed", error=_unforeseen(error), message=str(error))
        return
    base, tuned = (encoder_record(engine.opened) for engine in state.pair)
    log(logging.INFO, "comparison_ready", base=base, tuned=tuned)


async def _aside(work: Callable[[], None]) -> None:
    """Do what may take long in a thread that no shutdown waits for."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def run() -> None:
        work()
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="jobsearch-load", daemon=True).start()
    await done.wait()


def _unforeseen(error: BaseException) -> BaseException | None:
    """Return an error whose traceback somebody will want to see."""
    return None if isinstance(error, JobSearchError) else error
