"""An index on Spark's executors: packed once, sent once to each, opened once by each of its Python processes."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from jobsearch.engine import MILVUS, JobSearch
from jobsearch.errors import MatchingError
from jobsearch.files import storage_errors
from jobsearch.index.manifest import MANIFEST
from jobsearch.index.reader import open_version_at
from jobsearch.index.versions import IndexDirectory

_lock = threading.Lock()
# What each application was sent, by its id and the checksum of a version's manifest.
_sent: dict[tuple[str, str], VersionAddress] = {}


@dataclass(frozen=True)
class VersionAddress:
    """Where a process finds a version of an index.

    Args:
        name: of the index.
        version: its number.
        folder: the version's folder: a path, or the name by which Spark unpacked it.
        shipped: whether Spark did.
    """

    name: str
    version: str
    folder: str
    shipped: bool = False

    def open(self) -> JobSearch:
        """Open it and check that it is whole; a process does so once, for all parts that it matches.

        Raises:
            IndexingError: it is not there, or not whole.
        """
        return _open(self)


def find_index(index: str | Path, version: str | None) -> VersionAddress:
    """Return the address of an index on this machine.

    Args:
        index: name or path.
        version: its number; default: the current one.

    Raises:
        IndexNotFoundError: there is no such index or version.
        MatchingError: its vectors lie elsewhere.
    """
    if isinstance(index, str) and index.startswith(MILVUS):
        raise MatchingError(f"{index} is no index directory; Spark takes one to its executors: name that")
    directory = IndexDirectory.at(index)
    chosen = directory.current() if version is None else version
    directory.check_known(chosen)
    return VersionAddress(directory.name, chosen, str(directory.version_path(chosen)))


def ship(session: Any, located: VersionAddress) -> VersionAddress:
    """Have Spark send a version to each executor that comes to work; an application sends each version once.

    Args:
        session: a SparkSession.
        located: the version on this machine.

    Returns:
        Where the executors find it.

    Raises:
        MatchingError: the session is one of Spark Connect.
        StorageError: there is no room to pack it.
    """
    context, folder = _context(session), Path(located.folder)
    digest = xxhash.xxh3_64_hexdigest((folder / MANIFEST).read_bytes())
    application = (str(context.applicationId), digest)
    with _lock:
        if application not in _sent:
            name = f"jobsearch-{located.version}-{digest}"
            context.addArchive(f"{_pack(folder, name)}#{name}")
            _sent[application] = VersionAddress(located.name, located.version, name, shipped=True)
        return _sent[application]


@functools.lru_cache(maxsize=2)
def _open(address: VersionAddress) -> JobSearch:
    folder, mend = Path(address.folder), "copy the index to this machine again"
    if address.shipped:
        from pyspark import SparkFiles

        folder, mend = Path(SparkFiles.get(address.folder)), "start the Spark application anew"
    return JobSearch(IndexDirectory(folder), open_version_at(folder, address.name, address.version, mend))


def _context(session: Any) -> Any:
    from pyspark.errors import PySparkException

    try:
        return session.sparkContext
    except (PySparkException, AttributeError) as error:
        raise MatchingError(
            "a session of Spark Connect sends no index; have it on each machine, in one place, and say shipped=False"
        ) from error


def _pack(folder: Path, name: str) -> Path:
    """Put a version's files into an archive that lasts as long as this process, since executors may come late."""
    aside = Path(tempfile.mkdtemp(prefix="jobsearch-spark-"))
    atexit.register(shutil.rmtree, aside, ignore_errors=True)
    target = aside / f"{name}.zip"
    # Not compressed: vectors and weights are noise to a compressor.
    with storage_errors(target), zipfile.ZipFile(target, "w") as archive:
        for root, _, files in os.walk(folder):
            for file in sorted(files):
                path = Path(root) / file
                archive.write(path, path.relative_to(folder))
    return target
