"""Pushing a version's vectors into Milvus: aside, verified, then made live by moving an alias.

jobsearch                             the alias: what readers open
jobsearch__0003_20260131…_1a2b         a collection that is or was live, by version and time
jobsearch__pushing_…                  one that is being written, or was when a push was killed: the next removes it
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from jobsearch.errors import EncoderMismatchError, IndexingError, IndexNotFoundError, JobSearchError, VectorStoreError
from jobsearch.index.check import check_version
from jobsearch.index.reader import IndexVersion
from jobsearch.index.recall import probes, recall
from jobsearch.integrations.milvus import checksum, vectors_of
from jobsearch.integrations.milvus_store import VECTOR, Pushed, Store
from jobsearch.integrations.milvus_vectors import TYPES
from jobsearch.progress import Progress, silent

# Rows written at once: 4 MB at 512 dimensions, where a server takes 64.
_ROWS = 2_048
# Up to here exact search is fast enough.
_FLAT_UP_TO = 200_000
# Queries that recall is measured with, and how often a long step is asked how far it is.
_PROBES = 100
_EVERY = 0.2
_STAMP = r"\d{20}_[0-9a-f]{4}\Z"


@dataclass(frozen=True)
class PushResult:
    """What a push made live.

    Args:
        collection: its name.
        pushed: what it holds.
        recall: recall@10 against exact search, as measured after loading.
        removed: collections removed: leftovers of killed pushes, and old ones.
    """

    collection: str
    pushed: Pushed
    recall: float
    removed: tuple[str, ...]


def push_version(
    version: IndexVersion, store: Store, index_type: str | None = None, keep: int = 2, progress: Progress = silent
) -> PushResult:
    """Write a version's vectors into a new collection, verify it, and make it live.

    Whatever goes wrong, what was live stays live. One push at a time: a second removes what the first has written.

    Args:
        version: opened, with its vectors.
        store: the connection.
        index_type: one of `TYPES`; default: FLAT up to 200,000 labels, else HNSW.
        keep: collections to keep, the live one and that before it among them, at least 2 for a rollback.
        progress: told of rows written and indexed.

    Raises:
        VectorStoreError: Milvus is away, slow or refuses, or the alias belongs to another index.
        IndexingError: what was written is not what it should be.
        StorageError: Milvus has no more room.
    """
    kind = _find_type(index_type, len(version.vectors))
    before = store.live()
    _check_alias(version, store, before)
    removed = _remove_leftovers(store)
    stamp = f"{datetime.now(timezone.utc):%Y%m%d%H%M%S%f}_{secrets.token_hex(2)}"
    alias = store.address.collection
    collection, final = f"{alias}__pushing_{stamp}", f"{alias}__{version.version}_{stamp}"
    pushed = _describe(version, kind, before)
    try:
        store.create(collection, pushed)
        _write(version, store, collection, progress)
        _index(store, collection, pushed, progress)
        found = _verify(version, store, collection, pushed, progress)
        store.rename(collection, final)
        collection = final
        _load(store, collection, progress)
        if store.live() != before:
            raise VectorStoreError(f"alias {alias!r} was moved while the index was pushed; run the same command again")
        store.point(collection, over=before)
    except BaseException:
        # Without an answer nobody knows whether the alias has moved: what is live must stay.
        with contextlib.suppress(JobSearchError):
            if store.live() != collection:
                store.drop(collection)
        raise
    removed += _prune(store, collection, pushed.previous, keep)
    return PushResult(collection, pushed, found, tuple(removed))


def roll_back(store: Store) -> tuple[str, Pushed]:
    """Make the collection live again that was live before.

    Returns:
        Its name, and what it holds.

    Raises:
        IndexNotFoundError: there is none.
        VectorStoreError: it is not whole, or Milvus is away, slow or refuses.
    """
    current = store.live()
    if current is None:
        raise IndexNotFoundError(f"Milvus at {store.address} has no alias {store.address.collection!r}; nothing to do")
    previous = store.describe(current).previous
    if previous is None or previous not in store.collections():
        raise IndexNotFoundError(
            f"Milvus at {store.address} has no collection from before {current!r}; nothing was changed"
        )
    pushed = store.describe(previous)
    _load(store, previous, silent)
    seen = store.count(previous)
    if seen != pushed.labels:
        raise VectorStoreError(
            f"collection {previous!r} has {seen:,} rows, expected {pushed.labels:,}; nothing was changed"
        )
    store.point(previous, over=current)
    return previous, pushed


def _find_type(name: str | None, labels: int) -> str:
    if name is None:
        return "FLAT" if labels <= _FLAT_UP_TO else "HNSW"
    if name.upper() not in TYPES:
        raise IndexingError(f"index type {name!r} is not known for Milvus; expected one of {', '.join(TYPES)}")
    return name.upper()


def _check_alias(version: IndexVersion, store: Store, before: str | None) -> None:
    """Refuse to put one index in the place of another."""
    served = version.name if before is None else store.describe(before).index
    if served != version.name:
        raise VectorStoreError(
            f"alias {store.address.collection!r} of Milvus at {store.address} serves index {served!r}, not "
            f"{version.name!r}; name another with --collection"
        )


def _describe(version: IndexVersion, index_type: str, before: str | None) -> Pushed:
    manifest = version.manifest
    fingerprint = version.encoder.fingerprint
    if fingerprint != manifest.encoder["fingerprint"]:
        raise EncoderMismatchError(f"index {version.name!r} does not hold the encoder that made it; build it again")
    return Pushed(
        index=version.name,
        version=version.version,
        encoder=fingerprint,
        checksum=checksum(manifest),
        dim=version.vectors.dim,
        labels=len(version.vectors),
        type=index_type,
        previous=before,
        pushed=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
    )


def _write(version: IndexVersion, store: Store, collection: str, progress: Progress) -> None:
    vectors = version.vectors
    for start in range(0, len(vectors), _ROWS):
        progress("writing vectors", start, len(vectors))
        store.insert(collection, start, vectors.embeddings[start : start + _ROWS])
    progress("flushing", 0, 0)
    with store.errors():
        store.client.flush(collection, **store.patient)


def _index(store: Store, collection: str, pushed: Pushed, progress: Progress) -> None:
    client = store.client
    parameters = client.prepare_index_params()
    parameters.add_index(VECTOR, index_type=pushed.type, metric_type="IP", params=TYPES[pushed.type])
    progress("indexing", 0, 0)
    with store.errors():
        client.create_index(collection, parameters, sync=False, **store.patient)
        while (state := client.describe_index(collection, VECTOR, **store.soon)).get("state") != "Finished":
            if state.get("state") == "Failed":
                raise VectorStoreError(
                    f"Milvus at {store.address} cannot index: {state.get('index_state_fail_reason')}"
                )
            progress("indexing", int(state.get("indexed_rows", 0)), pushed.labels)
            time.sleep(_EVERY)
    _load(store, collection, progress)


def _load(store: Store, collection: str, progress: Progress) -> None:
    progress("loading", 0, 0)
    with store.errors():
        store.client.load_collection(collection, _async=True, **store.patient)
        while (state := store.client.get_load_state(collection, **store.soon))["state"].name != "Loaded":
            progress("loading", int(state.get("progress", 0)), 100)
            time.sleep(_EVERY)


def _verify(version: IndexVersion, store: Store, collection: str, pushed: Pushed, progress: Progress) -> float:
    """Check counts, that a sample of labels is stored as embedded and finds itself, and the record; measure recall."""
    progress("checking", 0, 0)
    seen = store.count(collection)
    if seen != pushed.labels:
        raise VectorStoreError(
            f"Milvus has {seen:,} rows, expected {pushed.labels:,}; nothing was published; try again"
        )
    if store.describe(collection) != pushed:
        raise VectorStoreError(
            f"Milvus at {store.address} does not keep what a collection holds; nothing was published"
        )
    vectors = vectors_of(store, collection, pushed, fresh=True)
    queries = version.encoder.encode(probes(version.labels.texts)[:: max(1, 500 // _PROBES)])  # type: ignore[arg-type]
    found = recall(vectors, queries, truth=version.vectors)
    manifest = replace(version.manifest, recall={"recall@10": found, "queries": len(queries)})
    try:
        check_version(replace(version, vectors=vectors, manifest=manifest))
    except VectorStoreError:
        raise
    except IndexingError as error:
        raise IndexingError(f"what Milvus has is not what was pushed, nothing was published: {error}") from error
    return found


def _remove_leftovers(store: Store) -> list[str]:
    """Remove what killed pushes left."""
    pattern = re.compile(rf"{store.address.collection}__pushing_{_STAMP}")
    found = [name for name in store.collections() if pattern.match(name)]
    for name in found:
        store.drop(name)
    return found


def _prune(store: Store, live: str, previous: str | None, keep: int) -> list[str]:
    """Remove old collections; the live one and the one before it stay as long as two are kept."""
    pattern = re.compile(rf"{store.address.collection}__\d{{4,}}_({_STAMP})")
    times = {name: found[1] for name in store.collections() if (found := pattern.match(name))}
    # Newest first, those two before all.
    order = sorted(times, key=lambda name: (name == live, name == previous, times[name]), reverse=True)
    removed = order[max(1, keep) :]
    for name in removed:
        store.drop(name)
    return removed
