"""What has arrived from the web API is kept on disk, so that an interrupted download goes on where it stopped.

One file a listing: every finished page is appended as a gzip member of its own that holds one line of JSON. The
member's checksum tells whether it is whole, so after a kill at any moment the file is good up to its last whole
page, and `zcat` shows it. Records are kept with all their languages: the next language needs no second crawl.
A small file beside it says that the listing is complete.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobsearch.files import storage_errors, write_atomically

Record = dict[str, Any]

_FORMAT = 1
_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Missing:
    """A record that the service counts and does not give.

    Args:
        listing: `"occupations"`, `"skills"` or `"groups"`.
        reason: what the service said.
        uri: its URI, where some answer named it.
        position: its row in the listing, counted from 0, where only that is known.
    """

    listing: str
    reason: str
    uri: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A finished piece of a listing.

    Args:
        rows: rows of the listing that it covers; 0 for records that were got in other ways.
        total: rows that the listing has, as the server says.
        limit: the page size that the server was found to stick to, or 0.
        records: records in the form of `webapi_records.trim`.
        missing: what could not be had.
    """

    rows: int
    total: int
    limit: int
    records: tuple[Record, ...]
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A listing that is complete, as far as the service gives it."""

    total: int
    records: int
    missing: tuple[Missing, ...]


class ListingCache:
    """The pages of one listing of one version under `directory`."""

    def __init__(self, directory: Path, name: str, version: str) -> None:
        self._pages = directory / f"{name}.jsonl.gz"
        self._marker = directory / f"{name}.complete.json"
        self._version = version
        self._whole = 0  # bytes up to the end of the last whole page

    @property
    def path(self) -> Path:
        """The file that holds the pages."""
        return self._pages

    def batches(self) -> Iterator[Batch]:
        """Yield what is kept, up to the first page that is torn, damaged or of another version or format."""
        self._whole = 0
        try:
            file = self._pages.open("rb")
        except FileNotFoundError:
            return
        with file:
            unpack, text, pending = zlib.decompressobj(_GZIP), bytearray(), b""
            while chunk := pending or file.read(_CHUNK):
                try:
                    text += unpack.decompress(chunk)
                except zlib.error:
                    return
                pending = unpack.unused_data
                if not unpack.eof:
                    continue
                batch = self._decoded(bytes(text))
                if batch is None:
                    return
                self._whole = file.tell() - len(pending)
                yield batch
                unpack, text = zlib.decompressobj(_GZIP), bytearray()

    def append(self, batch: Batch) -> None:
        """Keep a finished piece. Call it after `batches` was read to its end: what is torn behind that is cut off.

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        line = json.dumps({"format": _FORMAT, "version": self._version, **asdict(batch)}, ensure_ascii=False) + "\n"
        packed = gzip.compress(line.encode(), compresslevel=6, mtime=0)
        with storage_errors(self._pages), self._pages.open("ab") as file:
            file.truncate(self._whole)
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(packed)

    def finish(self, summary: Summary) -> None:
        """Mark the listing as complete."""
        about = {"format": _FORMAT, "version": self._version, "bytes": self._pages.stat().st_size, **asdict(summary)}
        write_atomically(self._marker, (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())

    def reopen(self) -> None:
        """Take the mark away, so that the next download checks every page."""
        self._marker.unlink(missing_ok=True)

    def finished(self) -> Summary | None:
        """What the mark says, or None if there is none or the pages are not those that it was made for."""
        try:
            about = json.loads(self._marker.read_text(encoding="utf-8"))
            marked = (about["format"], about["version"], about["bytes"])
            if marked != (_FORMAT, self._version, self._pages.stat().st_size):
                return None
            return Summary(about["total"], about["records"], tuple(Missing(**item) for item in about["missing"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _decoded(self, text: bytes) -> Batch | None:
        try:
            page = json.loads(text)
            if (page.pop("format"), page.pop("version")) != (_FORMAT, self._version):
                return None
            missing = tuple(Missing(**item) for item in page.pop("missing"))
            return Batch(**{**page, "records": tuple(page["records"])}, missing=missing)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
