"""The history of figures: appending, reading, and lines that broke off."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from encoders import HashEncoder

import jobsearch
from jobsearch.errors import EvaluationError, StorageError
from jobsearch.evaluation.history import history_path, read_history, remember
from jobsearch.evaluation.similarity import SimilarityMatrix, similarity_matrix

pytestmark = pytest.mark.usefixtures("jobsearch_home")
RESULT = similarity_matrix(HashEncoder(64))


def named(name: str) -> SimilarityMatrix:
    return replace(RESULT, encoder=replace(RESULT.encoder, name=name))


def test_an_entry_is_one_json_line(jobsearch_home: Path) -> None:
    assert read_history().entries == ()
    assert not jobsearch_home.exists()  # asking makes nothing
    entry = remember(RESULT)
    assert history_path() == jobsearch_home / "data" / "evaluations.jsonl"
    [line] = history_path().read_text().splitlines()
    record = json.loads(line)
    assert record == entry.to_dict()
    assert list(record) == ["time", "task", "set", "encoder", "case", "metrics", "n", "jobsearch"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["time"])
    assert record["encoder"] == {"name": "hash", "fingerprint": HashEncoder(64).fingerprint}
    assert record["metrics"] == RESULT.metrics
    assert (record["task"], record["set"], record["n"]) == ("similarity", "default titles, angular", 9)
    assert (record["case"], record["jobsearch"]) == ("lower", jobsearch.__version__)
    assert read_history().entries == (entry,)


def test_entries_are_found_by_task_and_set() -> None:
    remember(RESULT)
    remember(similarity_matrix(HashEncoder(64), ["cook", "chef"]))
    assert [entry.n for entry in read_history().entries] == [9, 2]
    assert [entry.n for entry in read_history(task="similarity", set_name="default").entries] == [9]
    assert read_history(task="sts").entries == ()


def test_the_oldest_comes_first_whatever_the_order_of_lines() -> None:
    remember(RESULT)
    line = json.loads(history_path().read_text())
    earlier = json.dumps({**line, "time": "2020-01-01T00:00:00+00:00", "n": 1})
    with history_path().open("a") as file:
        file.write(f"{earlier}\n")
    assert [entry.n for entry in read_history().entries] == [1, 9]


def test_a_line_that_broke_off_costs_no_other() -> None:
    remember(named("first"))
    whole = history_path().read_bytes()
    history_path().write_bytes(whole + whole[:40])  # no end of line: the power failed there
    found = read_history()
    assert ([entry.encoder for entry in found.entries], found.unreadable) == (["first"], 1)
    remember(named("second"))
    found = read_history()
    assert ([entry.encoder for entry in found.entries], found.unreadable) == (["first", "second"], 1)


@pytest.mark.parametrize("line", [b"[]", b"3", b"{}", b'{"time": 1}', b"\xff\xfe", b'{"encoder": "x"}', b"null"])
def test_lines_of_another_kind_are_passed_over(line: bytes) -> None:
    remember(RESULT)
    with history_path().open("ab") as file:
        file.write(line + b"\n\n")
    found = read_history()
    assert (len(found.entries), found.unreadable) == (1, 1)


def test_several_writers_at_once() -> None:
    threads = [
        threading.Thread(target=lambda name=f"writer {number}": [remember(named(name)) for _ in range(20)])
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_history()
    assert (len(found.entries), found.unreadable) == (160, 0)


def test_names_that_utf8_cannot_carry() -> None:
    remember(named("caf\udce9"))  # as Python reads a file name in another encoding
    assert read_history().entries[0].encoder == "caf\udce9"


def test_a_home_that_cannot_be_written(
    jobsearch_home: Path, unprivileged: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    jobsearch_home.parent.chmod(0o755)
    jobsearch_home.mkdir(mode=0o555)
    with unprivileged(), pytest.raises(StorageError, match=r"cannot write .*evaluations\.jsonl: permission is missing"):
        remember(RESULT)
    jobsearch_home.chmod(0o755)
    history_path().mkdir(parents=True)
    with pytest.raises(EvaluationError, match=r"cannot read .*evaluations\.jsonl"):
        read_history()
