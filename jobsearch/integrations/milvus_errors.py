"""What Milvus' client raises, as errors of ours: one line each, with what to do."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from jobsearch.errors import IndexNotFoundError, JobSearchError, StorageError, VectorStoreError
from jobsearch.integrations.milvus_address import TOKEN, Address

# Words by which Milvus says that it has no more room: Lite passes on the system's, a server speaks of quotas.
_FULL = ("no space left", "disk quota", "memory quota", "file too large", "quota exceeded", "out of memory")
_SLOW = ("deadline_exceeded", "timeout", "timed out")
_AWAY = ("unavailable", "fail connecting", "failed to connect", "connection refused", "channel is closed")
_REFUSED = ("unauthenticated", "permission_denied", "auth check failure", "permission deny", "unauthorized")
_NOT_FOUND = 100
_LONGEST = 200


@contextlib.contextmanager
def milvus_errors(address: Address) -> Iterator[None]:
    """Turn what Milvus' client raises into errors of ours.

    Raises:
        VectorStoreError: Milvus is away, slow or refuses.
        IndexNotFoundError: a collection is gone.
        StorageError: Milvus has no more room.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
        raise translated(error, address) from error


def translated(error: Exception, address: Address) -> JobSearchError:
    """Return an error of ours for one of Milvus' client or of gRPC."""
    told = _told(error)
    where = f"Milvus at {address}"
    code = getattr(error, "code", None)
    code = str(code() if callable(code) else code)
    text = f"{code} {told}".lower()
    if any(word in text for word in _FULL):
        return StorageError(f"{where} has no more room ({told}); free some and run the same command again")
    if any(word in text for word in _REFUSED):
        return VectorStoreError(f"{where} refuses the token; set {TOKEN} to user:password or an API key")
    # A server that is away is tried until time is up: then the text has both.
    if any(word in text for word in _AWAY):
        return VectorStoreError(f"{where} cannot be reached; see that it runs, and that address and port are right")
    if any(word in text for word in _SLOW) or not told:
        return VectorStoreError(
            f"{where} did not answer within {address.timeout:g} s; try again, or give it longer by ?timeout=SECONDS"
        )
    if code == str(_NOT_FOUND):
        return IndexNotFoundError(f"{where}: {told}; push the index again with `jobsearch index push --to {address}`")
    return VectorStoreError(f"{where} refuses: {told}")


def quiet() -> None:
    """Keep Milvus' client from printing, with a traceback, what it raises as well."""
    for name in ("pymilvus.decorators", "milvus_lite"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _told(error: Exception) -> str:
    """Return the first line of what an error says."""
    details = getattr(error, "details", None)
    told = getattr(error, "message", None) or (details() if callable(details) else None) or str(error)
    line = " ".join(str(told).split("debug=")[0].split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
