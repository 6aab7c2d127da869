"""How one question is put to the ESCO web API: politely, with patience, and with an answer that is JSON or an error.

urllib3's `Retry` is used as the policy (how often, how long to wait) and not mounted on the session, because then
every attempt passes the rate limiter and is counted, and a body that breaks off or is not JSON is tried again too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

import jobsearch
from jobsearch.errors import DownloadError
from jobsearch.taxonomy.labels import clean_label

Params = Mapping[str, str | int | Sequence[str]]

AGAIN = "run the same command again later, what has arrived is kept"
_RECORDS = f"expected records; {AGAIN}"
_TRIES = 5  # after the first attempt
_LONGEST_WAIT = 120.0  # seconds; a server that asks for more is left alone
# Trouble of the service as a whole. All other 5xx may be the fault of one record in the page that was asked for.
_BUSY = frozenset({429, 502, 503})


class RequestError(DownloadError):
    """This request fails, while others may do well.

    Args:
        seen: what was seen.
        advice: what was expected and what to do next, if the failure ends the download.
    """

    def __init__(self, seen: str, advice: str) -> None:
        super().__init__(f"{seen}, {advice}")
        self.seen = seen


class HeavyRequestError(RequestError):
    """The server fails on this request, and may answer a smaller one. If `slow`, its size is to blame."""

    def __init__(self, seen: str, advice: str, *, slow: bool = False) -> None:
        super().__init__(seen, advice)
        self.slow = slow


class RefusedError(RequestError):
    """The server says that the request itself is wrong (4xx)."""


class _TryAgainError(Exception):
    """One attempt failed; `final` is what to raise when patience ends."""

    def __init__(self, final: DownloadError, wait: float = 0.0) -> None:
        super().__init__(str(final))
        self.final = final
        self.wait = wait


class RateLimiter:
    """Keep at least 1/`per_second` seconds between calls of `wait`."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at: float | None = None

    def wait(self) -> None:
        """Return when the next request may go out."""
        now = self._clock()
        if self._free_at is not None and now < self._free_at:
            self._sleep(self._free_at - now)
            now = self._clock()
        self._free_at = now + self._interval


class ApiClient:
    """Ask the API of one pinned version and count what that took. Use it as a context manager, from one thread.

    Args:
        base_url: address in front of `/resource` and `/search`.
        version: `v1.2.0`; goes out with every request, since the API's own default is another version.
        requests_per_second: upper limit, retries included.
        backoff: factor in seconds of the exponential back-off between attempts; its jitter is as large.
        timeout: seconds for connecting and for a pause in the answer.
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        *,
        requests_per_second: float,
        backoff: float,
        timeout: tuple[float, float],
    ) -> None:
        self._base = base_url.rstrip("/")
        self._version = version
        self._limiter = RateLimiter(requests_per_second)
        self._policy = Retry(total=_TRIES, backoff_factor=backoff, backoff_jitter=backoff)
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"jobsearch/{jobsearch.__version__} (ESCO download)"
        self._session.headers["Accept"] = "application/json"
        self.requests = 0
        self.retries = 0

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, path: str, params: Params, *, patience: int = 0) -> dict[str, Any]:
        """Return the answer as a JSON object.

        A busy server (429, 502, 503), a connection that fails or breaks off and a page that is not JSON are tried
        again up to five times. A failure that may lie in the request (500, 504, no answer in time, broken JSON) is
        tried again `patience` times only, since the caller can ask for less.

        Raises:
            HeavyRequestError: asking for less may help.
            RefusedError: the request is not accepted.
            DownloadError: the service is not reachable or out of order.
        """
        url = f"{self._base}/{path}"
        policy = self._policy
        heavy = 0
        while True:
            self._limiter.wait()
            self.requests += 1
            try:
                return self._attempt(url, {"language": "en", **params, "selectedVersion": self._version})
            except _TryAgainError as failure:
                heavy += isinstance(failure.final, HeavyRequestError)
                try:
                    policy = policy.increment("GET", url, error=failure)
                except MaxRetryError:
                    raise failure.final from failure
                if heavy > patience or failure.wait > _LONGEST_WAIT:
                    raise failure.final from failure
                self.retries += 1
                time.sleep(max(failure.wait, policy.get_backoff_time()))

    def _attempt(self, url: str, params: Params) -> dict[str, Any]:
        try:
            response = self._session.get(url, params=dict(params), timeout=self._timeout)
        except requests.exceptions.SSLError as error:
            raise DownloadError(
                f"{self._base} has no certificate that this machine trusts ({_innermost(error)}), expected a secure "
                "connection; check the system's clock, certificates and proxy"
            ) from error
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            # requests reports a body that stalls as a connection error that wraps urllib3's time-out.
            if isinstance(error, requests.ReadTimeout) or any(isinstance(a, ReadTimeoutError) for a in error.args):
                seconds = self._timeout[1]
                raise _TryAgainError(
                    HeavyRequestError(f"{url} gave no answer within {seconds:g} s", _RECORDS, slow=True)
                ) from error
            raise _TryAgainError(
                DownloadError(
                    f"{self._base} cannot be reached ({_innermost(error)}), expected the ESCO web API; check the "
                    f"connection and the proxy and {AGAIN}"
                )
            ) from error
        except requests.RequestException as error:
            raise DownloadError(
                f"{url} cannot be asked ({_innermost(error)}), expected the address of the ESCO web API; "
                "check the base URL"
            ) from error
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise self._failure(response, url)
        return self._parsed(response, url)

    def _failure(self, response: requests.Response, url: str) -> Exception:
        status = response.status_code
        seen = f"{url} answers {status} ({_message(response)})"
        if status in _BUSY:
            wait = self._retry_after(response)
            asked = f" and asks to wait {wait:.0f} s" if wait > _LONGEST_WAIT else ""
            return _TryAgainError(DownloadError(f"{seen}{asked}, {_RECORDS}"), wait)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _TryAgainError(HeavyRequestError(seen, _RECORDS, slow=status == HTTPStatus.GATEWAY_TIMEOUT))
        if status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return RefusedError(
                seen, "expected records; check the base URL, the proxy and whether the service lets this machine in"
            )
        return RefusedError(
            f"{seen} for version {self._version}",
            "expected records; ask for a published version such as v1.2.0 and check the base URL",
        )

    def _parsed(self, response: requests.Response, url: str) -> dict[str, Any]:
        try:
            answer = json.loads(response.content)
        except ValueError as error:
            kind = response.headers.get("Content-Type", "no content type")
            seen = f"{url} answers with {kind} ({_excerpt(response)})"
            if "html" in kind:
                raise _TryAgainError(
                    DownloadError(f"{seen}, expected JSON; the service may be down for maintenance, {AGAIN}")
                ) from error
            raise _TryAgainError(HeavyRequestError(seen, f"expected JSON; {AGAIN}")) from error
        if not isinstance(answer, dict):
            raise DownloadError(f"{url} answers with a JSON {type(answer).__name__}, expected an object; check the URL")
        return answer

    def _retry_after(self, response: requests.Response) -> float:
        text = response.headers.get("Retry-After")
        if text is None:
            return 0.0
        try:
            return self._policy.parse_retry_after(text)
        except InvalidHeader:
            return 0.0


def _message(response: requests.Response) -> str:
    """What the API says in its error object `{logref, status, message}`, or else the standard reason."""
    try:
        said = json.loads(response.content)["message"]
    except (ValueError, KeyError, TypeError):
        said = response.reason
    return clean_label(str(said))[:200]


def _excerpt(response: requests.Response) -> str:
    return clean_label(response.content[:400].decode("utf-8", "replace"))[:80] or "empty"


def _innermost(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return clean_label(str(error))[:200] or type(error).__name__
