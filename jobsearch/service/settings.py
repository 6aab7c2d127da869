"""How a service is set: what it allows, how long it waits, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobsearch.cores import usable_cores

_DEFAULT_HITS = 10
TOKEN_VARIABLE = "JOBSEARCH_TOKEN"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits, switches and token of one service.

    Args:
        max_body: bytes of a request's body, at least 1.
        max_batch: texts in one request, at least 1.
        max_k: hits for one query, at least 1.
        max_text: characters of one query, title, skill or URI, at least 1.
        timeout: seconds that a request may wait and work before it is answered with 504.
        patience: seconds that a client has to send a request's head, then its body, and to take an answer.
        threads: requests worked on at once; default: one a core, and two at least, so that a large batch does not
            hold up all others.
        max_waiting: requests that wait for a thread; one more is answered with 503.
        max_connections: connections open at once; one more is answered with 503 and closed.
        reload: whether POST /reload is there.
        compare: whether POST /compare is there.
        watch: seconds between looks for a newer version of the index; None: never, only /reload moves to it.
        token: what callers must send as `Authorization: Bearer …`; None: anyone may ask.

    Raises:
        ValueError: a limit is out of its range.
    """

    max_body: int = 1 << 20
    max_batch: int = 256
    max_k: int = 100
    max_text: int = 1000
    timeout: float = 10.0
    patience: float = 10.0
    threads: int = field(default_factory=lambda: max(2, usable_cores()))
    max_waiting: int = 64
    max_connections: int = 512
    reload: bool = True
    compare: bool = True
    watch: float | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def default_k(self) -> int:
        """Hits for a query that names no number."""
        return min(_DEFAULT_HITS, self.max_k)

    def __post_init__(self) -> None:
        for name in ("max_body", "max_batch", "max_k", "max_text", "threads", "max_connections"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.max_waiting < 0:
            raise ValueError(f"max_waiting is {self.max_waiting}, expected at least 0")
        for name in ("timeout", "patience", "watch"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, expected more than 0 seconds")
        if self.token is not None:
            check_token(self.token)


def check_token(token: str) -> None:
    """Refuse a token that no client could send.

    Raises:
        ValueError: it is empty, or not of visible ASCII characters.
    """
    if not token:
        # An empty variable is most likely a slip (`JOBSEARCH_TOKEN=$UNSET`), and would leave the door open.
        raise ValueError("it is empty; give it a value or unset it")
    if not all("!" <= character <= "~" for character in token):
        raise ValueError("it holds spaces or characters outside ASCII; take letters and digits")


def token_from(environment: Mapping[str, str]) -> str | None:
    """Return the token that the environment variable JOBSEARCH_TOKEN names, or None where it is not set.

    Raises:
        ValueError: it is empty, or not of visible ASCII characters.
    """
    token = environment.get(TOKEN_VARIABLE)
    if token is None:
        return None
    try:
        check_token(token)
    except ValueError as error:
        raise ValueError(f"{TOKEN_VARIABLE} cannot be used: {error}") from None
    return token
