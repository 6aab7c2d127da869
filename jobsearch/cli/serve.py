"""`jobsearch serve`: HTTP for backends, and a page to try it."""

from __future__ import annotations

import importlib.util
import ipaddress
from typing import TYPE_CHECKING

import click

from jobsearch.cli.opening import open_encoder_engine, open_engine

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.service.state import Engines

_NEEDED = ("fastapi", "uvicorn", "prometheus_client")
_AT_LEAST_ONE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--index", "index_name", metavar="NAME", help="Index to serve. Default: that of the taxonomy in use.")
@click.option("--base", default="use", show_default=True, metavar="NAME", help="Encoder or index before, for /compare.")
@click.option("--tuned", metavar="NAME", help="Encoder or index after. Default: the newest tuned encoder, if any.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N", help="Port; 0: a free one."
)
@click.option("--no-reload", is_flag=True, help="Leave out /reload.")
@click.option("--no-compare", is_flag=True, help="Leave out /compare, and open one encoder only.")
@click.option("--watch", type=_SECONDS, metavar="SECONDS", help="Look for a newer version this often, and move to it.")
@click.option(
    "--max-body", type=_AT_LEAST_ONE, default=1 << 20, show_default=True, metavar="BYTES", help="Largest request body."
)
@click.option(
    "--max-batch", type=_AT_LEAST_ONE, default=256, show_default=True, metavar="N", help="Most texts in a request."
)
@click.option("--max-k", type=_AT_LEAST_ONE, default=100, show_default=True, metavar="N", help="Most hits for a query.")
@click.option(
    "--timeout", type=_SECONDS, default=10.0, show_default=True, metavar="SECONDS", help="Longest that an answer takes."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    metavar="LEVEL",
    help="Least to log: debug, info, warning or error.",
)
def serve(
    index_name: str | None,
    base: str,
    tuned: str | None,
    host: str,
    port: int,
    no_reload: bool,
    no_compare: bool,
    watch: float | None,
    max_body: int,
    max_batch: int,
    max_k: int,
    timeout: float,
    log_level: str,
) -> None:
    """Serve an index over HTTP, with a page to try it at /.

    Listens at once and loads the index meanwhile; /health answers 200 when it is there. Logs are JSON lines on
    stderr and hold no queries. SIGTERM or Ctrl-C lets requests under way finish. If JOBSEARCH_TOKEN is set, callers
    must send it as `Authorization: Bearer`.

    For more than one core's worth of searches start several of them: they share the mapped vectors.

    \b
    Examples:
      jobsearch serve
      JOBSEARCH_TOKEN=secret jobsearch serve --host 0.0.0.0 --no-reload --watch 10
    """
    import os
    import sys

    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"the service needs {', '.join(missing)}, not installed; run pip install 'jobsearch[serve]'"
        )
    from jobsearch.service.logs import write_logs
    from jobsearch.service.server import browser_url, listen
    from jobsearch.service.server import serve as run
    from jobsearch.service.settings import Settings, token_from

    try:
        token = token_from(os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    settings = Settings(
        max_body=max_body,
        max_batch=max_batch,
        max_k=max_k,
        timeout=timeout,
        reload=not no_reload,
        compare=not no_compare,
        watch=watch,
        token=token,
    )
    try:
        bound = listen(host, port)
    except OSError as error:
        reason = error.strerror or error
        raise click.ClickException(f"cannot listen on {host} port {port}: {reason}; choose another") from None
    if token is None and not _is_loopback(bound.getsockname()[0]):
        click.echo(
            f"Warning: listening on {host} without a token: whoever reaches this machine can search, and reload; "
            "set JOBSEARCH_TOKEN",
            err=True,
        )
    if sys.stderr.isatty():  # elsewhere the log's lines are all JSON, and the first of them holds the address
        click.echo(f"Open {browser_url(bound)} in a browser; Ctrl-C ends the service.", err=True)
    write_logs(log_level)
    run(lambda: _open(index_name, None if no_compare else (base, tuned)), settings, bound)


def _open(index_name: str | None, pair: tuple[str, str | None] | None) -> Engines:
    from jobsearch.service.state import Engines
    from jobsearch.tuning.models import newest_own_model

    main = open_engine(index_name)
    if pair is None:
        return Engines(main)
    base, tuned = pair[0], pair[1] or newest_own_model()
    if tuned is None:
        return Engines(main)
    return Engines(main, *(_shared(main, open_encoder_engine(name)) for name in (base, tuned)))


def _shared(main: JobSearch, engine: JobSearch) -> JobSearch:
    """Return an engine that stays on its version; the main engine's own memory where that has it open too."""
    same = (main.opened.name, main.opened.version) == (engine.opened.name, engine.opened.version)
    return (main if same else engine).snapshot()


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
