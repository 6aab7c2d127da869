"""Rows and their hits as bytes, a batch at a time, and the file that they become at the end."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jobsearch.matching.batches import Batch, to_json
from jobsearch.matching.matcher import TYPES, Lines
from jobsearch.matching.sources import Format, ParquetSource, Source

# Rows of a row group of a Parquet file: one is in memory at a time.
_ROW_GROUP = 65_536


class Writer(ABC):
    """Turns batches into bytes; what has been written can be cut at the end of any batch and gone on from there."""

    def begin(self) -> bytes:
        """Return what comes before the first batch."""
        return b""

    @abstractmethod
    def batch(self, batch: Batch, lines: Lines) -> bytes:
        """Return rows, each once for each of its hits, with the hits' columns behind their own."""

    def finish(self, written: Path, finished: Path) -> Path:
        """Make the file of what was written.

        Args:
            written: all bytes.
            finished: where to make the file, if it is not `written`.

        Returns:
            The file.
        """
        return written


def open_writer(kind: Format, source: Source, columns: Sequence[str]) -> Writer:
    """Return a writer.

    Args:
        kind: the format.
        source: whose rows will come.
        columns: the hits' columns.
    """
    if kind == "parquet":
        return ParquetWriter(source, columns)
    return CsvWriter(source, columns) if kind == "csv" else JsonWriter()


class CsvWriter(Writer):
    """CSV in UTF-8, with byte-order mark, line ends and delimiter of the source if that is a CSV."""

    def __init__(self, source: Source, columns: Sequence[str]) -> None:
        self._header = [*source.columns, *columns]
        self._delimiter = getattr(source, "delimiter", ",")
        self._line_end: str = getattr(source, "line_end", "\n")
        self._bom: bytes = getattr(source, "bom", b"")

    def begin(self) -> bytes:
        """Return the header."""
        return self._bom + self._text([self._header])

    def batch(self, batch: Batch, lines: Lines) -> bytes:
        """Return lines of the CSV."""
        cells = batch.cells()
        found = zip(*([_cell(value) for value in column] for column in lines.columns.values()), strict=True)
        return self._text([cells[position] + [*hit] for position, hit in zip(lines.positions, found, strict=True)])

    def _text(self, rows: list[list[str]]) -> bytes:
        text = self._written(rows)
        if "\r" in text and "\r" not in self._line_end:
            # Not every Python puts quotation marks around a carriage return that ends no line.
            text = "".join(self._written([row], any("\r" in cell for cell in row)) for row in rows)
        return text.encode()

    def _written(self, rows: Iterable[list[str]], quoted: bool = False) -> str:
        out = io.StringIO(newline="")
        writer = csv.writer(
            out,
            delimiter=self._delimiter,
            lineterminator=self._line_end,
            quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        )
        writer.writerows(rows)
        return out.getvalue()


class JsonWriter(Writer):
    """JSON lines: the row's own object as it was written, with the hit's keys at its end."""

    def batch(self, batch: Batch, lines: Lines) -> bytes:
        """Return a line for each hit."""
        objects, names = batch.objects(), tuple(lines.columns)
        out = []
        for position, hit in zip(lines.positions, zip(*lines.columns.values(), strict=True), strict=True):
            own = objects[position].rstrip()[:-1].rstrip()
            found = to_json(dict(zip(names, hit, strict=True)))[1:]
            out.append(f"{own}{'' if own == '{' else ', '}{found}\n")
        return "".join(out).encode("utf-8", "replace")


class ParquetWriter(Writer):
    """Parquet, by way of Arrow streams: a Parquet file cannot be read before it is whole, nor be gone on with."""

    def __init__(self, source: Source, columns: Sequence[str]) -> None:
        import pyarrow as pa

        self._added = hit_schema(columns)
        own = (
            source.schema
            if isinstance(source, ParquetSource)
            else pa.schema([(c, pa.string()) for c in source.columns])
        )
        self._schema = pa.schema([*own, *self._added], metadata=own.metadata)

    def batch(self, batch: Batch, lines: Lines) -> bytes:
        """Return an Arrow stream."""
        import pyarrow as pa

        table = batch.table()
        if len(lines.positions) > len(batch):
            table = table.take(pa.array(lines.positions, pa.int64()))
        found = hit_arrays(lines, self._added)
        out = io.BytesIO()
        with pa.ipc.new_stream(out, self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
            stream.write_table(pa.Table.from_arrays([*table.columns, *found], schema=self._schema))
        return out.getvalue()

    def finish(self, written: Path, finished: Path) -> Path:
        """Make the Parquet file, in row groups of one size."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Through a Python file, so that the system's refusals come as they are.
        with finished.open("wb") as file, pq.ParquetWriter(file, self._schema) as parquet:
            rows: list[Any] = []
            for batch in _stored(written):
                rows.append(batch)
                while (there := sum(map(len, rows))) >= _ROW_GROUP:
                    table = pa.Table.from_batches(rows, self._schema)
                    _write(parquet, table.slice(0, _ROW_GROUP))
                    rows = table.slice(_ROW_GROUP).to_batches() if there > _ROW_GROUP else []
            if rows:
                _write(parquet, pa.Table.from_batches(rows, self._schema))
        return finished


def hit_schema(columns: Sequence[str]) -> Any:
    """Return the hits' columns as a `pyarrow.Schema`."""
    import pyarrow as pa

    types = {int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    return pa.schema([pa.field(name, types.get(TYPES.get(name, str), pa.string())) for name in columns])


def hit_arrays(lines: Lines, schema: Any) -> list[Any]:
    """Return the hits' columns as Arrow arrays.

    Args:
        lines: of some titles.
        schema: what `hit_schema` gave.
    """
    import pyarrow as pa

    return [pa.array(lines.columns[field.name], field.type) for field in schema]


def _cell(value: Any) -> str:
    """Return a hit's value as a cell of a CSV; true and false are in small letters, as JSON and Spark have them."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stored(written: Path) -> Iterator[Any]:
    """Yield the record batches of streams that lie end to end in a file."""
    import pyarrow as pa

    size = written.stat().st_size
    with pa.OSFile(str(written)) as file:
        while file.tell() < size:
            with pa.ipc.open_stream(file) as stream:
                yield from stream


def _write(parquet: Any, table: Any) -> None:
    """Write a row group that is the same however the rows came together."""
    parquet.write_table(table.unify_dictionaries().combine_chunks(), row_group_size=_ROW_GROUP)
