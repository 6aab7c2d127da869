"""Where Milvus is and what it is asked for, as one address.

milvus://HOST[:PORT][/DATABASE][?collection=NAME&index=NAME|PATH&timeout=SECONDS&tls=true]
milvus://PATH.db[?…]        Milvus Lite, in a file of this machine
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from jobsearch.errors import VectorStoreError

SCHEME = "milvus://"
COLLECTION = "jobsearch"
TOKEN = "JOBSEARCH_MILVUS_TOKEN"
_PORT = 19530
_TIMEOUT = 10.0
_KNOWN = ("collection", "index", "timeout", "tls")
_FORMS = f"expected {SCHEME}HOST:PORT or {SCHEME}FILE.db"
# What Milvus takes as a name, with room for what a push puts behind it.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")


@dataclass(frozen=True)
class Address:
    """An address, taken apart.

    Args:
        uri: what Milvus' own client takes: `http(s)://host:port`, or the path of a file.
        database: of a server; "": its default.
        collection: the alias that readers open.
        index: the index directory that has all but the vectors, by name or path; None: the one that was pushed.
        timeout: seconds that Milvus has for an answer.
    """

    uri: str
    database: str = ""
    collection: str = COLLECTION
    index: str | None = None
    timeout: float = _TIMEOUT

    @staticmethod
    def parse(text: str, collection: str | None = None) -> Address:
        """Take an address apart; the beginning `milvus://` may be left out.

        Args:
            text: the address.
            collection: instead of the one that it names.

        Raises:
            VectorStoreError: it cannot be one.
        """
        place, _, query = text.removeprefix(SCHEME).partition("?")
        given = _options(text, query)
        name = collection or given.get("collection", COLLECTION)
        if not _NAME.match(name):
            raise VectorStoreError(f"collection {name!r}: Milvus takes letters, digits and _, at most 200")
        timeout = _seconds(text, given.get("timeout"))
        index = given.get("index")
        if place.endswith(".db") and "://" not in place:
            path = Path(place).expanduser().absolute()
            return Address(str(path), "", name, index, timeout)
        tls = given.get("tls", "false") == "true" or place.startswith("https://")
        uri, database = _server(text, place, tls)
        return Address(uri, database, name, index, timeout)

    @property
    def is_file(self) -> bool:
        """Whether it is Milvus Lite, in a file."""
        return self.uri.endswith(".db")

    @property
    def token(self) -> str:
        """What the server asks for, `user:password` or an API key; from the environment, so that no list shows it."""
        return os.environ.get(TOKEN, "")

    def __str__(self) -> str:
        """Return the address as it is typed."""
        scheme, _, host = self.uri.rpartition("://")
        more = {
            "collection": self.collection if self.collection != COLLECTION else "",
            "index": self.index or "",
            "timeout": f"{self.timeout:g}" if self.timeout != _TIMEOUT else "",
            "tls": "true" if scheme == "https" else "",
        }
        query = urlencode({key: value for key, value in more.items() if value}, safe="/")
        return f"{SCHEME}{host}{f'/{self.database}' if self.database else ''}{f'?{query}' if query else ''}"


def _options(text: str, query: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [key for key in given if key not in _KNOWN]
    if unknown:
        raise VectorStoreError(f"address {text!r}: {unknown[0]!r} is not known, expected {', '.join(_KNOWN)}")
    if given.get("tls", "false") not in ("true", "false"):
        raise VectorStoreError(f"address {text!r}: tls is {given['tls']!r}, expected true or false")
    return given


def _seconds(text: str, given: str | None) -> float:
    try:
        timeout = _TIMEOUT if given is None else float(given)
    except ValueError:
        timeout = 0.0
    if not 0 < timeout < 1e6:
        raise VectorStoreError(f"address {text!r}: timeout is {given!r}, expected seconds above 0")
    return timeout


def _server(text: str, place: str, tls: bool) -> tuple[str, str]:
    host = place.split("://", 1)[-1]
    if "@" in host:
        # Not repeated: it holds a password.
        raise VectorStoreError(f"the address holds a password; put it into {TOKEN}, as user:password")
    parts = urlsplit(f"//{host}")
    try:
        port = parts.port or _PORT
    except ValueError:
        port = 0
    database = parts.path.strip("/")
    if not parts.hostname or not port or "/" in database or (" " in host):
        raise VectorStoreError(f"address {text!r}: {_FORMS}")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{'https' if tls else 'http'}://{name}:{port}", database
