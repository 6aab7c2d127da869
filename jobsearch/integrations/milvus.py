"""Serving an index whose vectors lie in Milvus.

A push (`milvus_push`) writes the vectors alone, with a row's number as key; the label table, the words and the encoder
are read from the index directory, where the same version must be, with or without its vectors. What a collection holds
is written in its properties; readers find it by an alias, which a push moves last.
"""

from __future__ import annotations

import json
from pathlib import Path

from jobsearch.errors import EncoderMismatchError, IndexCorruptError, IndexNotFoundError, VectorStoreError
from jobsearch.index.manifest import MANIFEST, Manifest
from jobsearch.index.reader import IndexVersion, open_version_at
from jobsearch.index.versions import IndexDirectory
from jobsearch.integrations.milvus_address import Address
from jobsearch.integrations.milvus_store import Pushed, Store
from jobsearch.integrations.milvus_vectors import MilvusVectors


class MilvusPlace:
    """Where a push publishes: the collection that an alias stands for.

    Args:
        address: as `milvus_address` has it.

    Raises:
        VectorStoreError: the address cannot be one, or Milvus does not answer.
        IndexNotFoundError: there is no such file.
    """

    def __init__(self, address: str) -> None:
        self._store = Store(Address.parse(address))

    def open(self, version: str | None = None) -> IndexVersion:
        """Open what is live.

        Args:
            version: refused: the alias names the version.

        Raises:
            IndexNotFoundError: nothing was pushed, or the index directory does not have the version.
            EncoderMismatchError: the vectors were made by another encoder than the version's.
            IndexCorruptError: the collection is of another version of that number, or a file is damaged.
            VectorStoreError: Milvus does not answer.
        """
        address = self._store.address
        if version is not None:
            raise IndexNotFoundError(
                f"Milvus at {address} serves one version; `jobsearch index push --rollback --to {address}` goes back"
            )
        return open_collection(self._store, _live(self._store))

    def newer(self, opened: IndexVersion) -> IndexVersion | None:
        """Open what is live now; None where that is open already."""
        live = _live(self._store)
        own = opened.vectors
        if isinstance(own, MilvusVectors) and own.collection == live:
            return None
        return open_collection(self._store, live)


def _live(store: Store) -> str:
    live = store.live()
    if live is None:
        raise IndexNotFoundError(
            f"Milvus at {store.address} has no alias {store.address.collection!r}; "
            f"run `jobsearch index push --to {store.address}`"
        )
    return live


def open_collection(store: Store, collection: str) -> IndexVersion:
    """Open a collection with what the index directory has of the same version.

    Raises:
        As `MilvusPlace.open`.
    """
    pushed = store.describe(collection)
    directory = IndexDirectory.named(store.address.index or pushed.index)
    path = directory.version_path(pushed.version)
    again = f"run `jobsearch index push {pushed.index} --to {store.address}` where the index was built"
    if not _is_there(path):
        raise IndexNotFoundError(
            f"Milvus at {store.address} has the vectors of index {pushed.index!r}, version {pushed.version}, and the "
            f"rest of it is not in {path}; copy that folder here (vectors.* may be left out), or {again}"
        )
    manifest = Manifest.read(path, directory.mend)
    held = manifest.encoder["fingerprint"]
    if held != pushed.encoder:
        raise EncoderMismatchError(
            f"the vectors in Milvus at {store.address} were made by encoder {pushed.encoder[:12]} and index "
            f"{directory.name!r}, version {pushed.version}, holds {held[:12]}; {again}"
        )
    if checksum(manifest) != pushed.checksum:
        raise IndexCorruptError(
            f"the vectors in Milvus at {store.address} are not those of index {directory.name!r}, version "
            f"{pushed.version}, here: it was built another time; {again}"
        )
    store.load(collection)
    seen = store.count(collection)
    if seen != pushed.labels:
        raise VectorStoreError(
            f"collection {collection!r} of Milvus at {store.address} has {seen:,} rows, expected {pushed.labels:,}; "
            f"{again}"
        )
    return open_version_at(path, directory.name, pushed.version, directory.mend, vectors_of(store, collection, pushed))


def vectors_of(store: Store, collection: str, pushed: Pushed, fresh: bool = False) -> MilvusVectors:
    """Return a collection's vectors (see `MilvusVectors`)."""
    return MilvusVectors(store, collection, pushed.labels, pushed.dim, pushed.type, fresh)


def checksum(manifest: Manifest) -> str:
    """Return the checksum of a manifest: two builds never share it."""
    found: str = json.loads(manifest.to_json())["checksum"]
    return found


def _is_there(path: Path) -> bool:
    return (path / MANIFEST).is_file()
