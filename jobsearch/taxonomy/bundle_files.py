"""The CSV files of a bundle, wherever they lie: in a folder, in a ZIP archive, in folders and archives below it.

Archives are read in place and never unpacked, so nothing in them can write anywhere. One that looks made to do harm,
by names that climb out or by its size, is refused as a whole.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from jobsearch.errors import TaxonomyError
from jobsearch.taxonomy.report import FileNotUsed

PORTAL = "https://esco.ec.europa.eu/en/use-esco/download"
# The bundle in one language has about 60 MB, in all 28 below 2 GiB; a line of it has less than 10 kB.
MAX_ARCHIVE_BYTES = 2 * 1024**3
MAX_LINE_BYTES = 1024**2
_CLIMBS_OUT = re.compile(r"\A(?:[/\\]|[A-Za-z]:)|(?:\A|[/\\])\.\.(?:[/\\]|\Z)")
_AGAIN = f"download the bundle again from {PORTAL}"


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A CSV file that is not yet read.

    Args:
        path: the file, or the archive that holds it.
        member: its name in the archive; None if it lies in a folder.
        trail: the names that lead to it, from the bundle's own name to the file's.
    """

    path: Path
    member: str | None
    trail: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it lies inside the bundle, for a reader."""
        return "/".join(self.trail[1:])

    @property
    def stem(self) -> str:
        """The file's name without `.csv`."""
        return self.trail[-1][: -len(".csv")]

    @contextlib.contextmanager
    def lines(self) -> Iterator[Iterator[str]]:
        """Open the file and give its lines, with their ends, one by one.

        Raises:
            TaxonomyError: it cannot be read, is damaged or is not UTF-8.
        """
        try:
            with contextlib.ExitStack() as stack:
                if self.member is None:
                    yield self._decoded(stack.enter_context(self.path.open("rb")))
                else:
                    archive = stack.enter_context(zipfile.ZipFile(self.path))
                    member = stack.enter_context(archive.open(self.member))
                    # Unbuffered, reading lines of limited length from an archive is slow.
                    yield self._decoded(io.BufferedReader(cast("io.RawIOBase", member)))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
            raise TaxonomyError(f"{self.place} cannot be unpacked ({error}); {_AGAIN}") from error
        except OSError as error:
            raise TaxonomyError(f"{self.path} cannot be read ({error.strerror or error}); check the file") from error

    def _decoded(self, file: IO[bytes]) -> Iterator[str]:
        number = 0
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES:
                raise TaxonomyError(f"{self.place} line {number} has over 1 MiB, expected a table of ESCO; {_AGAIN}")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise self._not_utf8(number, f"byte 0x{line[error.start]:02X}") from None
            if "\0" in text:  # UTF-16 without a mark: each letter is valid UTF-8, with a zero after it
                raise self._not_utf8(number, "byte 0x00")
            yield text

    def _not_utf8(self, number: int, what: str) -> TaxonomyError:
        return TaxonomyError(
            f"{self.place} line {number} is not UTF-8 ({what}), expected UTF-8 as ESCO publishes it; "
            "use the file as downloaded, or save it again as UTF-8"
        )


def find_files(path: Path) -> tuple[list[BundleFile], list[FileNotUsed]]:
    """List the CSV files at `path`, in the order of their places, and archives in archives, which are not opened.

    Raises:
        TaxonomyError: there is nothing, no CSV file, or an archive that is damaged, encrypted or looks made to do harm.
    """
    origin = path.resolve().name
    passed_over: list[FileNotUsed] = []
    if path.is_dir():
        files: list[BundleFile] = []
        for file in _walk(path):
            trail = (origin, *file.relative_to(path).parts)
            if file.suffix.casefold() == ".csv":
                files.append(BundleFile(file, None, trail))
            else:
                files += _members(file, trail, passed_over)
    elif path.suffix.casefold() == ".csv":
        raise TaxonomyError(f"{path} is one table, expected the folder or ZIP file that holds it; give {path.parent}")
    elif path.exists():
        files = _members(path, (origin,), passed_over)
    else:
        raise TaxonomyError(
            f"there is no {path}, expected ESCO's bundle, a folder of CSV files or a ZIP file; get it from {PORTAL}"
        )
    if not files:
        inside = f", but {passed_over[0].name}: {passed_over[0].reason}" if passed_over else ""
        raise TaxonomyError(f"{path} holds no CSV file{inside}; expected ESCO's bundle from {PORTAL}")
    return sorted(files, key=lambda file: file.trail), passed_over


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise TaxonomyError(f"{error.filename} cannot be read ({error.strerror}); check its permissions") from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(names):
            if name.casefold().endswith((".csv", ".zip")) and not _hidden(name):
                yield Path(place) / name


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _members(archive: Path, trail: tuple[str, ...], passed_over: list[FileNotUsed]) -> list[BundleFile]:
    """List the CSV files in an archive; archives in it go to `passed_over`."""
    try:
        with archive.open("rb") as file:
            beginning = file.read(4)
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except OSError as error:
        raise TaxonomyError(f"{archive} cannot be read ({error.strerror or error}); check the file") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        seen = "is cut short or damaged" if beginning.startswith(b"PK") else "is no ZIP file"
        raise TaxonomyError(f"{archive} {seen}, expected ESCO's bundle as a ZIP file; {_AGAIN}") from error
    files = []
    for info in infos:
        if _CLIMBS_OUT.search(info.filename):
            raise TaxonomyError(
                f"{archive} is refused: the name {info.filename!r} in it leads out of the archive, "
                f"expected plain names; {_AGAIN}"
            )
        parts = tuple(re.split(r"[/\\]", info.filename))
        name = parts[-1].casefold()
        if info.is_dir() or any(map(_hidden, parts)):
            continue
        if name.endswith(".zip"):
            place = "/".join((*trail[1:], *parts))
            passed_over.append(FileNotUsed(place, "an archive in an archive; unpack the outer one"))
        elif name.endswith(".csv"):
            if info.flag_bits & 0x1:
                raise TaxonomyError(
                    f"{archive} is encrypted ({info.filename}), expected an open ZIP file; "
                    "unpack it and import the folder"
                )
            files.append(BundleFile(archive, info.filename, (*trail, *parts)))
    if (size := sum(info.file_size for info in infos)) > MAX_ARCHIVE_BYTES:
        raise TaxonomyError(
            f"{archive} is refused: unpacked it would have {size:,} bytes, expected {MAX_ARCHIVE_BYTES:,} at most; "
            "if it is ESCO's, unpack it and import the folder"
        )
    return files
