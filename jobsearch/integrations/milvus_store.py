"""A connection to Milvus: the few things that are asked of it, with errors of ours."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import IndexFormatError, IndexNotFoundError, JobSearchError, StorageError, VectorStoreError
from jobsearch.files import storage_errors
from jobsearch.integrations.milvus_address import Address
from jobsearch.integrations.milvus_errors import milvus_errors, quiet, translated

ROW, VECTOR = "row", "vector"
FORMAT = 1
# Where a collection's description is kept: Lite keeps properties, and not all servers keep properties of ours.
_PROPERTY = "jobsearch"
# A step that may take hours is not timed; a server that goes away meanwhile is tried again so often, for seconds.
_RETRIES = 6
# Lite hangs up, and gRPC prints it, where its client asks every 10 s whether it is there while it builds an index.
_UNASKED = {"grpc.keepalive_time_ms": (1 << 31) - 1}


@dataclass(frozen=True)
class Pushed:
    """What a collection holds, written when it was made.

    Args:
        index, version: name of the index and number of its version.
        encoder: fingerprint of the encoder that made the vectors.
        checksum: of the version's manifest: a row is that row of this very version's label table.
        dim, labels: width and number of the vectors.
        type: index type of Milvus.
        previous: the collection that was live before; None for a first one.
        pushed: UTC time in ISO 8601.
        format: of this record and the collection's fields.
    """

    index: str
    version: str
    encoder: str
    checksum: str
    dim: int
    labels: int
    type: str
    previous: str | None
    pushed: str
    format: int = FORMAT


class Store:
    """A connection; safe to share between threads.

    Args:
        address: of the server, or of a file.
        create: whether to make a file that is not there.

    Raises:
        VectorStoreError: there is no answer, or Milvus' client is not installed.
        IndexNotFoundError: there is no such file.
        StorageError: the file cannot be made or opened.
    """

    def __init__(self, address: Address, create: bool = False) -> None:
        self.address = address
        _check_installed(address)
        import pymilvus

        quiet()
        if address.is_file and create:
            with storage_errors(Path(address.uri)):
                Path(address.uri).parent.mkdir(parents=True, exist_ok=True)
        elif address.is_file and not Path(address.uri).exists():
            raise IndexNotFoundError(f"there is no {address.uri}; run `jobsearch index push --to {address}`")
        with milvus_errors(address):
            try:
                self.client = pymilvus.MilvusClient(
                    address.uri,
                    token=address.token,
                    db_name=address.database,
                    timeout=address.timeout,
                    grpc_options=_UNASKED if address.is_file else {},
                )
            except pymilvus.MilvusException as error:
                if address.is_file:
                    raise _file_error(error, address) from error
                raise

    def close(self) -> None:
        """Let the connection go."""
        self.client.close()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of Milvus into ours (see `milvus_errors`)."""
        with milvus_errors(self.address):
            yield

    @property
    def soon(self) -> dict[str, Any]:
        """What a call takes that must be answered in time."""
        return {"timeout": self.address.timeout}

    @property
    def patient(self) -> dict[str, Any]:
        """What a call takes that may take hours."""
        return {"timeout": None, "retry_times": _RETRIES}

    def live(self) -> str | None:
        """Return the collection that the alias stands for, or None where there is no such alias."""
        alias = self.address.collection
        if alias in self.collections():
            raise VectorStoreError(
                f"{alias!r} is a collection of Milvus at {self.address}, expected an alias; name another"
            )
        with self.errors():
            # Asked first, since a missing alias is another error on each server.
            if not self.client.has_collection(alias, **self.soon):
                return None
            return str(self.client.describe_alias(alias, **self.soon)["collection_name"])

    def collections(self) -> list[str]:
        """Return the names of all collections."""
        with self.errors():
            return [str(name) for name in self.client.list_collections(**self.soon)]

    def describe(self, collection: str) -> Pushed:
        """Return what a collection holds.

        Raises:
            IndexNotFoundError: it is not one that a push made.
            IndexFormatError: it is one of another release.
        """
        with self.errors():
            found = self.client.describe_collection(collection, **self.soon)
        text = found.get("properties", {}).get(_PROPERTY) or found.get("description") or ""
        try:
            content = json.loads(text)
            known = content.get("format")
        except (ValueError, AttributeError):
            raise IndexNotFoundError(
                f"collection {collection!r} of Milvus at {self.address} was not made by `jobsearch index push`; "
                "name another with collection=NAME"
            ) from None
        if known != FORMAT or set(content) != {field.name for field in fields(Pushed)}:
            raise IndexFormatError(
                f"collection {collection!r} of Milvus at {self.address} has format {known}, this release reads "
                f"{FORMAT}; push it again with `jobsearch index push --to {self.address}`"
            )
        return Pushed(**content)

    def create(self, collection: str, pushed: Pushed) -> None:
        """Make a collection: the row's number, and its vector."""
        from pymilvus import DataType

        about = json.dumps(asdict(pushed))
        with self.errors():
            schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False, description=about)
            schema.add_field(ROW, DataType.INT64, is_primary=True)
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=pushed.dim)
            self.client.create_collection(
                collection,
                schema=schema,
                properties={_PROPERTY: about},
                consistency_level="Bounded",
                **self.soon,
            )

    def insert(self, collection: str, first: int, vectors: Embeddings) -> None:
        """Add rows from number `first` on."""
        rows = [{ROW: first + place, VECTOR: vector} for place, vector in enumerate(vectors)]
        with self.errors():
            self.client.insert(collection, rows, **self.patient)

    def count(self, collection: str) -> int:
        """Count a collection's rows, those added just now, too."""
        with self.errors():
            found = self.client.query(collection, output_fields=["count(*)"], consistency_level="Strong", **self.soon)
        return int(found[0]["count(*)"])

    def load(self, collection: str) -> None:
        """Have a collection ready for searching; at once where it is.

        Raises:
            VectorStoreError: it is not in time.
        """
        with self.errors():
            self.client.load_collection(collection, **self.soon)

    def rows(self, collection: str, numbers: Sequence[int], **more: Any) -> list[dict[str, Any]]:
        """Return rows by their numbers, in any order; those that are not there are missing."""
        with self.errors():
            return list(
                self.client.query(collection, ids=list(numbers), output_fields=[ROW, VECTOR], **self.soon, **more)
            )

    def search(
        self, collection: str, queries: Embeddings, where: str, limit: int, parameters: dict[str, Any], **more: Any
    ) -> list[tuple[Sequence[float], Sequence[int]]]:
        """Return (cosines, row numbers) of each query, best first."""
        with self.errors():
            found = self.client.search(
                collection,
                data=list(queries),
                filter=where,
                limit=limit,
                output_fields=[ROW],
                anns_field=VECTOR,
                search_params={"metric_type": "IP", "params": parameters},
                **self.soon,
                **more,
            )
        return [(hits.distances, hits.ids) for hits in found]

    def point(self, collection: str, over: str | None) -> None:
        """Let the alias stand for a collection; readers see the old one or the new one.

        Args:
            collection: loaded and verified.
            over: what the alias stands for now; None: there is no alias yet.
        """
        move = self.client.create_alias if over is None else self.client.alter_alias
        with self.errors():
            move(collection, self.address.collection, **self.soon)

    def rename(self, collection: str, name: str) -> None:
        """Give a collection another name."""
        with self.errors():
            self.client.rename_collection(collection, name, **self.soon)

    def drop(self, collection: str) -> None:
        """Remove a collection."""
        with self.errors():
            self.client.drop_collection(collection, **self.patient)


def _check_installed(address: Address) -> None:
    for package in ("pymilvus", *(("milvus_lite",) if address.is_file else ())):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise VectorStoreError(f"{package} is needed ({error}); run `pip install 'jobsearch[milvus]'`") from error


def _file_error(error: Exception, address: Address) -> JobSearchError:
    """Say why a file cannot be opened: Milvus Lite's own reason, which its client does not pass on."""
    from milvus_lite import DataDirLockedError, MilvusLite

    try:
        MilvusLite(address.uri).close()
    except DataDirLockedError:
        return VectorStoreError(
            f"{address.uri} is open in another process, and Milvus Lite lets in one at a time; end that one first"
        )
    except OSError as reason:
        found = translated(reason, address)  # a full disk
        if isinstance(found, StorageError):
            return found
        return StorageError(f"cannot open {address.uri} ({reason.strerror}); choose another place")
    except Exception as reason:
        return VectorStoreError(f"Milvus Lite cannot open {address.uri} ({reason}); push into another file")
    return translated(error, address)
