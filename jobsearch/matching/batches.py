"""Rows of a file as each of the formats wants them: cells of a CSV, JSON objects, an Arrow table."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Batch(ABC):
    """Some rows of a file, in their order.

    Args:
        titles: the text to match of each row, None where there is none.
        columns: names of the file's columns.
    """

    titles: Sequence[str | None]
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.titles)

    @abstractmethod
    def cells(self) -> Sequence[list[str]]:
        """Return each row as texts, one a column."""

    @abstractmethod
    def objects(self) -> Sequence[str]:
        """Return each row as the text of a JSON object."""

    @abstractmethod
    def table(self) -> Any:
        """Return the rows as a `pyarrow.Table`."""


@dataclass(frozen=True)
class CsvBatch(Batch):
    """Rows of a CSV.

    Args:
        rows: cells, as many in each row as there are columns.
    """

    rows: list[list[str]]

    def cells(self) -> list[list[str]]:
        """Return the cells as they were read."""
        return self.rows

    def objects(self) -> list[str]:
        """Return objects whose values are all texts."""
        return [to_json(dict(zip(self.columns, row, strict=True))) for row in self.rows]

    def table(self) -> Any:
        """Return a table whose columns are all strings."""
        return text_table(self.columns, self.rows)


@dataclass(frozen=True)
class JsonBatch(Batch):
    """Rows of JSON lines.

    Args:
        texts: the objects as they are written.
        values: the same as Python has them.
    """

    texts: list[str]
    values: list[dict[str, Any]]

    def cells(self) -> list[list[str]]:
        """Return texts as they are, other values as JSON, `""` for null or nothing."""
        return [[to_text(value.get(column)) for column in self.columns] for value in self.values]

    def objects(self) -> list[str]:
        """Return the objects as they were written."""
        return self.texts

    def table(self) -> Any:
        """Return a table whose columns are all strings, null for null or nothing."""
        rows = ([None if row.get(c) is None else to_text(row[c]) for c in self.columns] for row in self.values)
        return text_table(self.columns, rows)


@dataclass(frozen=True)
class ParquetBatch(Batch):
    """Rows of a Parquet file.

    Args:
        rows: a `pyarrow.Table`.
    """

    rows: Any

    def cells(self) -> list[list[str]]:
        """Return texts as they are, other values as `to_text` writes them."""
        columns = [map(to_text, column.to_pylist()) for column in self.rows.columns]
        return [list(row) for row in zip(*columns, strict=True)]

    def objects(self) -> list[str]:
        """Return objects whose values are as JSON has them, dates as texts."""
        return [to_json(row) for row in self.rows.to_pylist()]

    def table(self) -> Any:
        """Return the rows as they were read."""
        return self.rows


def text_table(columns: Sequence[str], rows: Any) -> Any:
    """Return rows of texts as a `pyarrow.Table` of strings."""
    import pyarrow as pa

    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    return pa.table([pa.array(column, pa.string()) for column in values], names=list(columns))


def to_text(value: Any) -> str:
    """Return a value as a cell of a CSV: `""` for nothing, a text as it is, JSON for the rest, dates in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    else:
        text = to_json(value) if isinstance(value, (bool, int, float, list, dict)) else str(value)
    # JSON may escape half a character, which no UTF-8 can hold.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_json(value: Any) -> str:
    """Return a value as JSON; what JSON has no name for becomes a text, and numbers that are none become null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_without_nan(value), ensure_ascii=False, default=str)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return value
