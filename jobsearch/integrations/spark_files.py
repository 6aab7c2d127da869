"""Files and folders of titles matched on Spark, read and written as Spark reads and writes them."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobsearch.errors import MatchingError
from jobsearch.files import there_already
from jobsearch.integrations.spark import match
from jobsearch.integrations.spark_errors import check_installed, spark_errors
from jobsearch.matching.columns import choose_column
from jobsearch.matching.run import BEST, Wanted
from jobsearch.matching.sources import DELIMITERS, Format, delimiter_of, format_of
from jobsearch.progress import Progress, silent

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Cells as they stand: what is written is read back the same, here and by `jobsearch match` on one machine.
_CSV = {
    "header": "true",
    "encoding": "UTF-8",
    "quote": '"',
    "escape": '"',
    "multiLine": "true",
    "mode": "FAILFAST",
    "ignoreLeadingWhiteSpace": "false",
    "ignoreTrailingWhiteSpace": "false",
    "maxCharsPerColumn": "-1",
}


@dataclass(frozen=True)
class SparkSummary:
    """What a run on Spark did.

    Args:
        rows: rows of the input, each of which is in the output.
        without_hit: rows of these without a title or without a hit.
        without_good_match: rows without a title or without a hit that is a good match; those without a hit among them.
        seconds: how long it took, Spark's start not counted.
    """

    rows: int
    without_hit: int
    without_good_match: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows done in a second."""
        return self.rows / max(self.seconds, 1e-9)


@contextlib.contextmanager
def spark_session(master: str | None = None) -> Iterator[SparkSession]:
    """Start Spark, and stop it at the end if it was not there before.

    Args:
        master: address of a cluster, `local[*]` or the like; default: what Spark's own settings say, else this machine.

    Raises:
        MatchingError: PySpark or Java is missing, or the address cannot be one.
    """
    check_installed()
    from pyspark.sql import SparkSession

    if master is None or master.startswith("local"):
        # Its workers are on this machine: they take the Python that runs here, not the first one that PATH has.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    there = SparkSession.getActiveSession()
    builder = SparkSession.builder.appName("jobsearch match").config("spark.ui.showConsoleProgress", "false")
    if master is not None:
        builder = builder.master(master)
    # PySpark warns of pandas 3, which nothing here uses.
    with warnings.catch_warnings(), spark_errors("start"):
        warnings.simplefilter("ignore")
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        if there is None:
            session.stop()


def match_files(
    session: SparkSession,
    path: str,
    out: str,
    index: str | Path,
    wanted: Wanted = BEST,
    progress: Progress = silent,
    *,
    column: str | None = None,
    delimiter: str | None = None,
    version: str | None = None,
    force: bool = False,
) -> SparkSummary:
    """Match all titles of a file, a folder of parts or a pattern, and write a folder of parts.

    Spark does a part again whose executor is lost; a run that is interrupted begins anew, and leaves nothing under
    the name of the output. Parts of a CSV are as Spark writes them, with commas and line feeds and without a byte-order
    mark, whatever the input has.

    Args:
        session: as `spark_session` gives it.
        path: anything that Spark can read, ending in .csv, .jsonl, .ndjson or .parquet.
        out: the folder to make; what it ends in tells the format of its parts.
        index: name or path of an index on this machine.
        wanted: what to find.
        progress: told of parts done, of those of all stages that Spark has planned so far.
        column: the column that holds the titles; default: `title` if there, else the only one.
        delimiter: of a CSV; default: told by its first row.
        version: of the index; default: the current one.
        force: replace the output if it is there.

    Raises:
        MatchingError: the input cannot be read, or the output not be written or is there already.
        QueryError: k, kind or the filter cannot be.
        IndexingError: the index cannot be opened.
    """
    kind, target = format_of(path), format_of(out)
    if out.rstrip("/") == path.rstrip("/"):
        raise MatchingError(f"{out} is the input itself; name another folder with --out")
    _check_free(session, out, force)
    with spark_errors(f"read {path}"):
        rows = _read(session, path, kind, delimiter)
        choose_column(path, rows.columns, column)
        rows = _spread(session, rows)
    coded = match(rows, column, index, wanted.k, wanted.kind, wanted.where, version=version)
    begun = time.perf_counter()
    with spark_errors(f"match {path}"), _watching(session, progress):
        counted, coded = _counting(coded)
        partial = f"{out.rstrip('/')}.partial"
        _write(coded, partial, target)
        _publish(session, partial, out, force)
    counts = counted.get
    return SparkSummary(
        counts["rows"], counts["without_hit"], counts["without_good_match"], time.perf_counter() - begun
    )


def _read(session: SparkSession, path: str, kind: Format, delimiter: str | None) -> DataFrame:
    if delimiter is not None and kind != "csv":
        raise MatchingError(f"{path} is no CSV and has no delimiter; leave --delimiter out")
    if kind == "parquet":
        return session.read.parquet(path)
    if kind == "jsonl":
        return session.read.json(path, mode="FAILFAST")
    if delimiter is None:
        first = session.read.text(path).first()
        chosen = delimiter_of(first[0] if first else "")
    else:
        chosen = DELIMITERS.get(delimiter, delimiter)
    return session.read.options(**_CSV, sep=chosen).csv(path)


def _spread(session: SparkSession, rows: DataFrame) -> DataFrame:
    """Cut rows that came in fewer parts than there are cores, as those of one CSV do, and keep their order."""
    from pyspark.sql.functions import monotonically_increasing_id

    cores = session.sparkContext.defaultParallelism
    if rows.rdd.getNumPartitions() >= cores:
        return rows
    place = "jobsearch_row"
    numbered = rows.withColumn(place, monotonically_increasing_id())
    return numbered.repartitionByRange(cores, place).sortWithinPartitions(place).drop(place)


def _counting(coded: DataFrame) -> tuple[Any, DataFrame]:
    """Return what will hold the counts when the rows were written, and the rows."""
    from pyspark.sql import Observation
    from pyspark.sql.functions import coalesce, col, count_if, lit

    counted = Observation()
    rank = coalesce(col("match_rank"), lit(1)) if "match_rank" in coded.columns else lit(1)
    rows, without_hit = count_if(rank == 1), count_if(col("match_uri").isNull())
    # Of a title's hits the first is a good match, if any is.
    without_good_match = count_if((rank == 1) & ~coalesce(col("match_good_match"), lit(False)))
    named = {"rows": rows, "without_hit": without_hit, "without_good_match": without_good_match}
    return counted, coded.observe(counted, *(count.alias(name) for name, count in named.items()))


@contextlib.contextmanager
def _watching(session: SparkSession, progress: Progress) -> Iterator[None]:
    """Tell how far Spark is, now and then, while it works."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            tracker = session.sparkContext.statusTracker()
            stages = [stage for number in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(number))]
            done, total = (sum(getattr(stage, name) for stage in stages) for name in ("numCompletedTasks", "numTasks"))
            progress("matching on Spark, parts", done, total)

    thread = threading.Thread(target=watch, daemon=True, name="jobsearch-spark-progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _write(coded: DataFrame, folder: str, target: Format) -> None:
    writer = coded.write.mode("overwrite")
    if target == "parquet":
        writer.parquet(folder)
    elif target == "jsonl":
        writer.json(folder, ignoreNullFields=False)
    else:
        # An empty text is written as an empty cell, as nothing is, and not as two quotation marks.
        options = {key: _CSV[key] for key in _CSV if key not in ("multiLine", "mode", "maxCharsPerColumn")}
        writer.options(**options, emptyValue="").csv(folder)


def _check_free(session: SparkSession, out: str, force: bool) -> None:
    files, path = _files(session, out)
    with spark_errors(f"write {out}"):
        if not force and files.exists(path):
            raise MatchingError(there_already(out, "folder"))


def _publish(session: SparkSession, partial: str, out: str, force: bool) -> None:
    """Give what is whole its name."""
    files, path = _files(session, out)
    whole = _files(session, partial)[1]
    if force and files.exists(path):
        files.delete(path, True)
    if not files.rename(whole, path):
        raise MatchingError(f"{whole} is whole and cannot be renamed to {out}; rename it yourself")


def _files(session: SparkSession, path: str) -> tuple[Any, Any]:
    """Return the file system of a path, wherever that is, and the path, as Hadoop has them."""
    context: Any = session.sparkContext
    found = context._jvm.org.apache.hadoop.fs.Path(path)
    return found.getFileSystem(context._jsc.hadoopConfiguration()), found
