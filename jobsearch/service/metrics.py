"""What the service counts, for Prometheus; each application counts for itself."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Seconds; a search takes some milliseconds, a full batch some seconds.
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# What callers make up must not become labels without end.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"


class Metrics:
    """The figures of one application.

    Args:
        pending: tells how many pieces of work wait or are under way.
    """

    def __init__(self, pending: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "jobsearch_requests", "Requests answered.", ("method", "path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "jobsearch_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ("path",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._in_flight = Gauge("jobsearch_requests_in_flight", "Requests under way.", registry=self._registry)
        self._texts = Counter("jobsearch_texts", "Queries and other texts encoded.", registry=self._registry)
        self._reloads = Counter("jobsearch_reloads", "Requests to reload.", ("result",), registry=self._registry)
        self._index = Gauge(
            "jobsearch_index_info", "1 for the index version in use.", ("index", "version"), registry=self._registry
        )
        work = Gauge("jobsearch_work_pending", "Pieces of work waiting or under way.", registry=self._registry)
        work.set_function(pending)

    def begin(self) -> None:
        """Count a request in."""
        self._in_flight.inc()

    def end(self, method: str, path: str | None, status: int, seconds: float) -> None:
        """Count a request out.

        Args:
            method: as it was sent.
            path: that of a route, or None where there is none.
            status: of the answer.
            seconds: from head to answer.
        """
        self._in_flight.dec()
        path = path or _OTHER
        self._requests.labels(method if method in _METHODS else _OTHER, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def texts(self, count: int) -> None:
        """Count texts that were encoded."""
        self._texts.inc(count)

    def reload(self, result: str) -> None:
        """Count a reload: `moved`, `same` or `failed`."""
        self._reloads.labels(result).inc()

    def render(self, index: tuple[str, str] | None) -> bytes:
        """Return all figures in Prometheus's text format.

        Args:
            index: name and version of the index in use, or None where there is none.
        """
        self._index.clear()
        if index is not None:
            self._index.labels(*index).set(1)
        return generate_latest(self._registry)
