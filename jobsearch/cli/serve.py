"""`jobsearch serve`: HTTP for backends, and a page to try it."""

from __future__ import annotations

import importlib.util
import ipaddress
from typing import TYPE_CHECKING

import click

from jobsearch.cli.opening import open_encoder_engine, open_engine
from jobsearch.errors import IndexingError, JobSearchError

if TYPE_CHECKING:
    from jobsearch.engine import JobSearch
    from jobsearch.service.state import Engines, Pair

_NEEDED = ("fastapi", "uvicorn", "prometheus_client")
_AT_LEAST_ONE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--index", "index_name", metavar="NAME", help="Index, or its path. Default: of the taxonomy in use.")
@click.option("--base", default="use", show_default=True, metavar="NAME", help="Encoder or index before, for /compare.")
@click.option("--tuned", metavar="NAME", help="Encoder or index after. Default: your newest tuned one.")
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

    Listens at once and loads the index meanwhile; /health answers 200 when it is there, and tells of /compare
    apart: what that asks is opened next, and built if it is missing, while all else answers. Without a tuned encoder
    of yours it compares with the index's own, or with the shipped one. Logs are JSON lines on stderr and hold no
    queries. SIGTERM or Ctrl-C lets requests under way finish. If JOBSEARCH_TOKEN is set, callers must send it as
    `Authorization: Bearer`.

    For more than one core's worth of searches start several of them: they share the mapped vectors.

    \b
    Examples:
      jobsearch serve
      JOBSEARCH_TOKEN=secret jobsearch serve --host 0.0.0.0 --no-reload --no-compare --watch 10
    """
    import logging
    import os
    import sys

    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"the service needs {', '.join(missing)}, not installed; run pip install 'jobsearch[serve]'"
        )
    from jobsearch.service.logs import log, stderr_as_log, write_logs
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
    person = sys.stderr.isatty()  # elsewhere all lines are the log's, and JSON; the first of them holds the address
    if person:
        click.echo(f"Open {browser_url(bound)} in a browser; Ctrl-C ends the service.", err=True)
    write_logs(log_level)
    if token is None and not _is_loopback(bound.getsockname()[0]):
        danger = f"listening on {host} without a token: whoever reaches this machine can search"
        danger += "" if no_reload else ", and reload"
        log(logging.WARNING, "no_token", message=f"{danger}; set JOBSEARCH_TOKEN")
    try:
        with stderr_as_log():
            run(lambda: _open(index_name, None if no_compare else (base, tuned)), settings, bound)
    except JobSearchError:
        if person:
            raise
        raise click.exceptions.Exit(1) from None  # the log's last line says why


def _open(index_name: str | None, names: tuple[str, str | None] | None) -> Engines:
    from jobsearch.service.state import Engines

    main = open_engine(index_name)
    return Engines(main) if names is None else Engines(main, open_pair=lambda: _open_pair(main, *names))


def _open_pair(main: JobSearch, base: str, tuned: str | None) -> Pair:
    """Open base and tuned, each built if it is missing; the index that is served where it is one of them.

    Args:
        main: the index that is served.
        base: encoder or index before.
        tuned: encoder or index after; default: the newest encoder that was tuned here, else the served index's own
            unless that is the base already, else the shipped one. So a service needs one more index at most.

    Raises:
        JobSearchError: one cannot be opened or built, or would not hold what the served index does.
    """
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.shipped import SHIPPED_NAME
    from jobsearch.tuning.models import newest_own_model

    tuned = tuned or newest_own_model()
    if tuned is None and main.opened.encoder.name != BASE_NAME:
        return _open_side(main, base), main.snapshot()
    return _open_side(main, base), _open_side(main, tuned or SHIPPED_NAME)


def _open_side(main: JobSearch, name: str) -> JobSearch:
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.shipped import SHIPPED_NAME
    from jobsearch.engine import MILVUS
    from jobsearch.index.versions import index_names

    if name in index_names() or name.startswith(MILVUS):
        return _shared(main, open_encoder_engine(name))
    # Of these two the name says it all; another encoder may have been tuned again since the index was built.
    if name == main.opened.encoder.name and name in (BASE_NAME, SHIPPED_NAME):
        return main.snapshot()
    _check_taxonomy(main)
    return _shared(main, open_encoder_engine(name))


def _check_taxonomy(main: JobSearch) -> None:
    """Refuse to compare by an index that holds other concepts than the one that is served.

    Raises:
        IndexingError: the taxonomy in use is not the one of the served index.
        TaxonomyError: it cannot be read.
    """
    from jobsearch.taxonomy.library import taxonomy_directory
    from jobsearch.taxonomy.store import read_about

    served, about = main.opened.manifest.taxonomy, read_about(taxonomy_directory())
    if served["fingerprint"] != about["fingerprint"]:
        used = about["source"]
        raise IndexingError(
            f"index {main.opened.name!r} holds {served['name']} {served['version']}, expected the taxonomy in use, "
            f"{used['name']} {used['version']}, from which the index to compare with is built; name two indexes with "
            "--base and --tuned, or build the served one anew"
        )


def _shared(main: JobSearch, engine: JobSearch) -> JobSearch:
    """Return an engine that stays on its version; the main engine's own memory where that has it open too."""
    # By content: an index at a path may have the name and the version of one in the home folder, and be another.
    same = main.opened.manifest == engine.opened.manifest
    return (main if same else engine).snapshot()


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
