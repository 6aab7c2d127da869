"""Titles of a Spark DataFrame to concepts: the index goes to each executor, and its rows are matched there.

>>> from jobsearch.integrations import spark
>>> coded = spark.match(session.read.parquet("vacancies.parquet"), "title", "esco-en", k=1)

The executors need this package, as any that a function of Spark's uses, and nothing of TensorFlow. By `mapInArrow` and
not by `mapInPandas`: pandas has no whole numbers with gaps, and would round the caller's other columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobsearch.errors import MatchingError
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.hits import KindFilter
from jobsearch.integrations.spark_errors import check_installed
from jobsearch.integrations.spark_index import VersionAddress, find_index, ship
from jobsearch.matching.columns import choose_column
from jobsearch.matching.matcher import TYPES, Matcher
from jobsearch.matching.writers import hit_arrays, hit_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def match(
    df: DataFrame,
    column: str | None = None,
    index: str | Path = "esco-en",
    k: int = 1,
    kind: KindFilter = "occupation",
    where: Filter = EVERYTHING,
    *,
    version: str | None = None,
    shipped: bool = True,
) -> DataFrame:
    """Find the concepts of each title of a DataFrame; lazy, as all of Spark's transformations.

    The columns are those of `jobsearch match` behind the DataFrame's own, a row a hit, and a row of nulls for a title
    that is empty or has no hit. The hits are those of `jobsearch match`; of score and confidence, of four decimals,
    the last may differ by one, since titles are encoded together with others than there.

    Args:
        df: any DataFrame.
        column: the column, of strings, that holds the titles; default: `title` if there, else the only one.
        index: name or path of an index directory on this machine.
        k: hits for each title.
        kind: `"occupation"`, `"skill"` or `"all"`.
        where: what else each hit must fulfil.
        version: number of the version that answers all (`"0002"`); default: the current one.
        shipped: send the index to each executor, once for all that an application matches; else it must be there
            already, in the same place on each machine (a disk that all see, an image), which is best from some GB on.

    Raises:
        MatchingError: there is no such column, it holds no strings, PySpark is not installed, or the index cannot be
            sent by this kind of session.
        QueryError: k, kind or the filter cannot be.
        IndexingError: the index cannot be opened.
        StorageError: there is no room to pack it.
    """
    check_installed()
    from pyspark.sql.types import BooleanType, DoubleType, IntegerType, StringType, StructField, StructType

    chosen = choose_column("the DataFrame", df.columns, column)
    found = df.schema[chosen].dataType
    if not isinstance(found, StringType):
        raise MatchingError(
            f"column {chosen!r} of the DataFrame is of type {found.simpleString()}, expected string; cast it first"
        )
    located = find_index(index, version)
    columns = Matcher(located.open(), k, kind, where).columns
    types = {int: IntegerType(), float: DoubleType(), bool: BooleanType()}
    added = [StructField(name, types.get(TYPES.get(name, str), StringType())) for name in columns]
    reached = ship(df.sparkSession, located) if shipped else located
    work = _Work(reached, df.columns.index(chosen), k, kind, where)
    # PySpark warns of pandas 3, which nothing here uses.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return df.mapInArrow(work, StructType([*df.schema.fields, *added]))


@dataclass(frozen=True)
class _Work:
    """What an executor does with a part of the rows.

    Args:
        index: where it finds the index.
        position: of the column of titles.
        k, kind, where: what is wanted.
    """

    index: VersionAddress
    position: int
    k: int
    kind: KindFilter
    where: Filter

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Turn record batches of rows into record batches of rows with hits."""
        # One for each part: within it equal titles are encoded once.
        matcher = Matcher(self.index.open(), self.k, self.kind, self.where)
        schema = hit_schema(matcher.columns)
        for batch in batches:
            for start in range(0, batch.num_rows, matcher.batch_size):
                yield self._answered(batch.slice(start, matcher.batch_size), matcher, schema)

    def _answered(self, rows: Any, matcher: Matcher, schema: Any) -> Any:
        import pyarrow as pa

        lines = matcher.match(rows.column(self.position).to_pylist()).lines()
        if len(lines.positions) > rows.num_rows:
            rows = rows.take(pa.array(lines.positions, pa.int64()))
        return pa.RecordBatch.from_arrays(
            [*rows.columns, *hit_arrays(lines, schema)], [*rows.schema.names, *schema.names]
        )
