"""Matching on Spark: a cluster of two worker processes gives the rows of one machine, whatever happens to a worker."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from brute_force import ROLES, WORDS, made_up
from spark_cluster import NEEDS_SPARK, cluster, executors, kill

from jobsearch.encoder.library import find_encoder
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError, IndexNotFoundError, MatchingError, QueryError
from jobsearch.filters import Filter
from jobsearch.index.build import Options, build_index
from jobsearch.index.versions import IndexDirectory
from jobsearch.integrations import spark
from jobsearch.matching.run import Wanted, match_file
from jobsearch.matching.sources import open_source

pytestmark = [
    *NEEDS_SPARK,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
BIG = 2**53  # from here on a float64 skips whole numbers


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with cluster() as started:
        yield started


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up labels and the encoder that is shipped."""
    directory = IndexDirectory(tmp_path_factory.mktemp("spark") / "t")
    build_index(made_up(), find_encoder("use-jobs"), directory, options=Options(index_type="flat"))
    return directory.path


def titles(count: int) -> list[str | None]:
    """Return titles of which some come again, and some are empty."""
    made: list[str | None] = []
    for number in range(count):
        word, role = WORDS[number * 7 % len(WORDS)], ROLES[number * 3 % len(ROLES)]
        made.append(None if number % 31 == 4 else " \u200b" if number % 29 == 5 else f"{word} {role} {number // 3}")
    return made


def vacancies(path: Path, texts: list[str | None]) -> Path:
    """Write titles among columns of other types, as others' tables have them."""
    count = range(len(texts))
    columns = {
        "id": pa.array(count, pa.int64()),
        "title": pa.array(texts),
        "big": pa.array([None if number % 3 else BIG + number for number in count], pa.int64()),
        "when": pa.array([datetime.datetime(2026, 1, 1 + number % 28) for number in count], pa.timestamp("us", "UTC")),
        "tags": pa.array([["a", None] if number % 2 else None for number in count], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), path, row_group_size=1000)
    return path


def on_one_machine(source: Path, index: Path, wanted: Wanted, out: Path) -> list[dict[str, Any]]:
    match_file(JobSearch.open(index), open_source(str(source), "title"), out, wanted)
    return pq.read_table(out).to_pylist()


def collected(coded: Any) -> list[dict[str, Any]]:
    """Return rows in the order of the input, as Arrow has them."""
    order = [name for name in ("id", "match_rank") if name in coded.columns]
    return coded.orderBy(*order).toArrow().to_pylist()


def check_same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Check that rows are equal, but for the last decimal of a score or a confidence."""
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        numbers = [(row.pop("match_score"), row.pop("match_confidence")) for row in (ours, theirs)]
        assert ours == theirs
        for mine, its in zip(*numbers, strict=True):
            assert mine == its or abs(mine - its) < 1.5e-4


@pytest.mark.parametrize(
    "wanted",
    [Wanted(), Wanted(k=3, kind="all"), Wanted(k=2, where=Filter(isco="25", min_score=0.3))],
    ids=["best", "three", "filtered"],
)
def test_rows_are_those_of_one_machine(session: Any, index: Path, wanted: Wanted, tmp_path: Path) -> None:
    source = vacancies(tmp_path / "v.parquet", titles(3000))
    # More parts than workers, cut elsewhere than a file's batches.
    rows = session.read.parquet(str(source)).repartition(7)
    coded = spark.match(rows, "title", index, wanted.k, wanted.kind, wanted.where)
    expected = on_one_machine(source, index, wanted, tmp_path / "o.parquet")
    assert any(row["match_uri"] for row in expected) and any(row["match_uri"] is None for row in expected)
    assert coded.columns == list(expected[0])
    check_same(collected(coded), expected)


def test_a_worker_that_is_killed_costs_no_row(session: Any, index: Path, tmp_path: Path) -> None:
    # All different, so that there is work enough to be killed at.
    texts: list[str | None] = [f"{title} {number}" for number, title in enumerate(titles(16_000))]
    source = vacancies(tmp_path / "v.parquet", texts)
    before = executors(session)
    assert len(before) == 2
    got: list[list[dict[str, Any]]] = []
    rows = session.read.parquet(str(source)).repartition(12)
    run = threading.Thread(target=lambda: got.append(collected(spark.match(rows, "title", index))), daemon=True)
    run.start()
    _wait_until(lambda: _tasks_done(session) >= 2, 120)
    kill(before[0])
    run.join(240)
    check_same(got[0], on_one_machine(source, index, Wanted(), tmp_path / "o.parquet"))
    _wait_until(lambda: len(executors(session)) == 2, 60)  # and another one takes its place
    assert before[0] not in executors(session)


def _tasks_done(session: Any) -> int:
    """Return how many of the parts that are being matched are done; shuffles come before."""
    tracker = session.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return max((stage.numCompletedTasks for stage in stages if stage and stage.numTasks == 12), default=0)


def _wait_until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_each_executor_gets_one_copy_and_no_tensorflow(session: Any, index: Path) -> None:
    rows = session.createDataFrame([(number, "baker") for number in range(8)], "id int, title string").repartition(4)
    for k in (1, 2):
        collected(spark.match(rows, "title", index, k))

    def look(batches: Iterator[Any]) -> Iterator[Any]:
        import sys

        from pyspark import SparkFiles

        for _ in batches:
            own = [path for path in Path(SparkFiles.getRootDirectory()).iterdir() if path.is_dir()]
            copies = sum((path / "manifest.json").exists() for path in own)
            seen = {"matched": "jobsearch.matching.matcher" in sys.modules, "tf": "tensorflow" in sys.modules}
            yield pa.RecordBatch.from_pydict({"copies": [copies], **{key: [value] for key, value in seen.items()}})

    seen = rows.mapInArrow(look, "copies bigint, matched boolean, tf boolean").collect()
    assert any(row.matched for row in seen)
    assert not any(row.tf for row in seen)
    assert {row.copies for row in seen} == {1}


def test_an_index_that_all_machines_see_is_not_sent(session: Any, index: Path) -> None:
    rows = session.createDataFrame([("baker",)], "title string")
    coded = spark.match(rows, index=index, shipped=False).collect()
    assert coded == spark.match(rows, index=index).collect()
    (index / "versions" / "0001").rename(index / "versions" / "0001.away")
    try:
        with pytest.raises(IndexNotFoundError, match="0001"):
            spark.match(rows, index=index, shipped=False)
    finally:
        (index / "versions" / "0001.away").rename(index / "versions" / "0001")


def test_what_is_wrong_is_said_before_spark_begins(session: Any, index: Path, tmp_path: Path) -> None:
    rows = session.createDataFrame([(1, "baker")], "id int, title string")
    for column, message in (("name", "no column 'name'; there are: id, title"), ("id", "of type int, expected string")):
        with pytest.raises(MatchingError, match=message):
            spark.match(rows, column, index)
    with pytest.raises(MatchingError, match="'match_uri' already"):
        spark.match(rows.withColumnRenamed("id", "match_uri"), "title", index)
    with pytest.raises(QueryError, match="k is 0"):
        spark.match(rows, "title", index, 0)
    with pytest.raises(IndexNotFoundError, match="0007"):
        spark.match(rows, "title", index, version="0007")
    with pytest.raises(MatchingError, match="no index directory"):
        spark.match(rows, "title", "milvus://x.db")
    damaged = tmp_path / "t"
    _copy_damaged(index, damaged)
    with pytest.raises(IndexCorruptError, match=r"vectors\.faiss"):
        spark.match(rows, "title", damaged)


def _copy_damaged(index: Path, target: Path) -> None:
    import shutil

    shutil.copytree(index, target)
    file = target / "versions" / "0001" / "vectors.faiss"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
