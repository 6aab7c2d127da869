"""Files of titles: CSV, JSON lines and Parquet, read a batch at a time."""

from __future__ import annotations

import codecs
import csv
import hashlib
import itertools
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from jobsearch.errors import MatchingError
from jobsearch.matching.batches import Batch, CsvBatch, JsonBatch, ParquetBatch
from jobsearch.matching.columns import DEFAULT_COLUMN, choose_column
from jobsearch.matching.matcher import COLUMNS
from jobsearch.utf8 import decode

Format = Literal["csv", "jsonl", "parquet"]
SUFFIXES: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_SHEETS = (".xlsx", ".xls", ".ods")
STREAM = "-"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
_HEAD = 1 << 16


def format_of(path: str) -> Format:
    """Return the format that a file's name tells; `-` is CSV.

    Raises:
        MatchingError: it tells none.
    """
    suffix = Path(path).suffix.lower()
    if path == STREAM:
        return "csv"
    if suffix not in SUFFIXES:
        if not suffix and Path(path).is_dir():
            raise MatchingError(f"{path} is a folder; name a file in it")
        step = "in the spreadsheet program save it as CSV UTF-8" if suffix in _SHEETS else "rename it"
        raise MatchingError(f"{path} ends in {suffix or 'nothing'!r}, expected one of {', '.join(SUFFIXES)}; {step}")
    return SUFFIXES[suffix]


def open_source(path: str, column: str | None = None, delimiter: str | None = None, any_keys: bool = True) -> Source:
    """Open a file of titles and find the column to match.

    Args:
        path: a file that ends in .csv, .jsonl, .ndjson or .parquet, or `-` for a CSV on stdin.
        column: the column that holds the titles; default: `title` if there, else one whose name says so, else the only
            one.
        delimiter: of a CSV; default: the one of `,`, `;` and tab that gives the first row most cells.
        any_keys: whether objects of JSON lines may have keys that the first one lacks.

    Raises:
        MatchingError: it cannot be read, has no such column, or is something else than its name tells.
    """
    kind = format_of(path)
    if delimiter is not None and kind != "csv":
        raise MatchingError(f"{path} is no CSV and has no delimiter; leave --delimiter out")
    if kind == "parquet":
        return ParquetSource(path, column)
    if kind == "jsonl":
        return JsonSource(path, column, any_keys)
    return CsvSource(path, column, delimiter)


@dataclass(frozen=True)
class Identity:
    """What tells a file from another one of the same name, or from itself after a change."""

    bytes: int
    modified: int
    head: str


class Source(ABC):
    """A file of titles.

    Args:
        path: the file, or `-`.
    """

    format: Format
    columns: tuple[str, ...]
    column: str

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def is_stream(self) -> bool:
        """Whether it can be read only once."""
        return self.path == STREAM

    @property
    def name(self) -> str:
        """What messages call it."""
        return "stdin" if self.is_stream else self.path

    @abstractmethod
    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all rows, `size` at a time, from the beginning.

        Raises:
            MatchingError: a row cannot be read; those before it were yielded.
        """

    def count(self) -> int:
        """Read all rows, so that what is wrong with one is known before any is matched, and return how many there are.

        Raises:
            MatchingError: a row cannot be read.
        """
        return sum(map(len, self.batches(8192)))

    def identity(self) -> Identity:
        """Return what tells the file from others; not for a stream."""
        with self._reading():
            status = Path(self.path).stat()
            with Path(self.path).open("rb") as file:
                head = hashlib.sha256(file.read(_HEAD)).hexdigest()
        return Identity(status.st_size, status.st_mtime_ns, head)

    def _choose(self, wanted: str | None) -> None:
        """Set `column`, given `columns`."""
        self.column = choose_column(self.name, self.columns, wanted)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if self.is_stream:
            # Not `sys.stdin.buffer`: at exit the interpreter closes that, and crashes if a thread still reads it.
            yield cast("BinaryIO", open(sys.stdin.fileno(), "rb", closefd=False))  # noqa: SIM115
            return
        with Path(self.path).open("rb") as file:
            yield file

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MatchingError(f"{self.name} cannot be read ({error.strerror or error}); check the path") from error

    def _decoded(self, lines: Iterable[bytes]) -> Iterator[str]:
        """Yield lines as text, without a byte-order mark."""
        for number, line in enumerate(lines, start=1):
            yield decode(line, self.name, MatchingError, line=number)


class CsvSource(Source):
    """A CSV with a header; what is written for it begins with the same byte-order mark and ends lines the same way.

    Excel takes a CSV without that mark for one in the encoding of its country, and shows other letters for umlauts.
    """

    format: Format = "csv"

    def __init__(self, path: str, column: str | None, delimiter: str | None) -> None:
        super().__init__(path)
        with self._reading(), self._open() as file:
            first = next(iter(file), b"")
            text = next(self._decoded([first]), "")
            self.delimiter = delimiter_of(text) if delimiter is None else DELIMITERS.get(delimiter, delimiter)
            if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
                raise MatchingError(
                    f"delimiter is {delimiter!r}, expected one character, or one of {', '.join(DELIMITERS)}"
                )
            last = first

            def lines() -> Iterator[bytes]:
                nonlocal last
                for line in itertools.chain([first], file):
                    last = line
                    yield line

            # A stream is read on from here; a file is opened again.
            rows = self._rows(lines())
            _, header = next(rows, (1, []))
            # Of the header's last line: a line break within a cell, as Alt-Enter makes it, says nothing of the rows.
            self.line_end = "\r\n" if last.endswith(b"\r\n") else "\n"
            self.bom = codecs.BOM_UTF8 if first.startswith(codecs.BOM_UTF8) else b""
            if self.is_stream:
                self._stream = rows
        if not header:
            raise MatchingError(f"{self.name} has no header; expected columns in line 1, and below it a title a row")
        self.columns = tuple(header)
        self._choose(column)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all rows; a stream is read on from behind its header, once."""
        if self.is_stream:
            with self._reading():
                yield from self._batches(self._stream, size)
            return
        with self._reading(), self._open() as file:
            rows = self._rows(file)
            next(rows)
            yield from self._batches(rows, size)

    def _batches(self, rows: Iterator[tuple[int, list[str]]], size: int) -> Iterator[Batch]:
        width, place = len(self.columns), self.columns.index(self.column)
        for part in _parts(self._whole(rows, width), size):
            yield CsvBatch([row[place] for row in part], self.columns, part)

    def _whole(self, rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[list[str]]:
        """Yield rows that have all cells; an empty line is a row only where there is one column."""
        number = 1
        for line, row in rows:
            if not row:
                if width > 1:
                    continue
                row.append("")
            number += 1
            if len(row) != width:
                where = f"row {number}" if line == number else f"row {number} (line {line})"
                raise MatchingError(
                    f"{self.name}, {where} has {len(row)} cells for {width} columns, delimiter {self.delimiter!r}; put "
                    "quotation marks around a text that holds the delimiter, or name another one with --delimiter"
                )
            yield row

    def _rows(self, lines: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
        """Yield each row's last line and its cells."""
        reader = csv.reader(self._decoded(lines), delimiter=self.delimiter, strict=True)
        begun = 1
        try:
            for row in reader:
                begun = reader.line_num + 1
                yield reader.line_num, row
        except csv.Error as error:
            raise MatchingError(
                f"{self.name}: the row that begins in line {begun} is no CSV ({error}); look for a quotation mark that "
                "is left open or not doubled"
            ) from error


class JsonSource(Source):
    """JSON lines: an object a line."""

    format: Format = "jsonl"

    def __init__(self, path: str, column: str | None, any_keys: bool) -> None:
        super().__init__(path)
        self.columns, self.column = (), column or DEFAULT_COLUMN
        self._any_keys = any_keys
        _, _, first = next(self._objects(), (0, "", None))
        if first is not None:  # a file without rows has no columns, and that is no error
            self.columns = tuple(first)
            self._choose(column)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all rows; blank lines are none."""
        for part in _parts(self._objects(), size):
            titles = [self._title(number, value) for number, _, value in part]
            yield JsonBatch(titles, self.columns, [text for _, text, _ in part], [value for _, _, value in part])

    def _title(self, number: int, value: dict[str, Any]) -> str | None:
        title = value.get(self.column)
        if title is None or isinstance(title, str):
            return title
        raise MatchingError(
            f"{self.name}, line {number}: {self.column!r} is {json.dumps(title):.40}, expected a text or null"
        )

    def _objects(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield each line's number, text and object."""
        with self._reading(), self._open() as file:
            for number, line in enumerate(self._decoded(file), start=1):
                text = line.strip()
                if text:
                    yield number, text, self._object(number, text)

    def _object(self, number: int, text: str) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MatchingError(
                f"{self.name}, line {number} is no JSON ({error}): {text!r:.60}; expected an object a line"
            ) from error
        if not isinstance(value, dict):
            raise MatchingError(f"{self.name}, line {number} is {text!r:.60}, expected a JSON object")
        if '"match_' in text and (taken := [name for name in COLUMNS if name in value]):
            raise MatchingError(f"{self.name}, line {number} has the key {taken[0]!r} already; rename or drop it")
        if not self._any_keys and self.columns and (new := value.keys() - set(self.columns)):
            raise MatchingError(
                f"{self.name}, line {number} has the key {sorted(new)[0]!r} that the first line lacks; "
                "a table needs the same columns in all rows: write JSON lines (--out NAME.jsonl)"
            )
        return value


class ParquetSource(Source):
    """A Parquet file."""

    format: Format = "parquet"

    def __init__(self, path: str, column: str | None) -> None:
        super().__init__(path)
        with self._parquet() as file:
            self.schema = file.schema_arrow
            self.columns = tuple(self.schema.names)
            self._total = int(file.metadata.num_rows)
        self._choose(column)
        kind = self.schema.field(self.column).type
        if not _is_text(kind):
            raise MatchingError(f"{path}: column {self.column!r} is of type {kind}, expected string; say --column")

    def count(self) -> int:
        """Return how many rows there are; the file tells."""
        return self._total

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all rows; a batch may be smaller where a row group ends."""
        import pyarrow as pa

        done = 0
        with self._parquet(lambda: f", behind row {done}") as file:
            for rows in file.iter_batches(batch_size=size):
                done += len(rows)
                titles = rows.column(rows.schema.get_field_index(self.column)).cast(pa.string()).to_pylist()
                yield ParquetBatch(titles, self.columns, pa.Table.from_batches([rows]))

    @contextmanager
    def _parquet(self, place: Callable[[], str] = lambda: "") -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._reading(), self._open():
            pass  # whether it can be read is asked in Python, which says it in fewer words
        try:
            with pq.ParquetFile(self.path) as file:
                yield file
        except (pa.ArrowException, OSError) as error:  # Arrow takes OSError for damaged pages, too
            reason = str(error).split("\n", maxsplit=1)[0]
            raise MatchingError(f"{self.path}{place()} is no Parquet, or damaged ({reason}); write it anew") from error


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def delimiter_of(header: str) -> str:
    """Return the delimiter that gives the header most cells."""
    return max((",", ";", "\t"), key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter), [])))


def _parts(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Cut into lists of `size` items; if reading breaks off, what came before is yielded first."""
    part: list[Any] = []
    try:
        for item in items:
            part.append(item)
            if len(part) == size:
                yield part
                part = []
    except MatchingError:
        if part:
            yield part
        raise
    if part:
        yield part
