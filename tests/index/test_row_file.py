"""Rows in a file: what is written is read, however it is asked for, and nothing of a nameless file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobsearch.index import row_file
from jobsearch.index.row_file import RowFile

ROWS = np.arange(40 * 3, dtype=np.float32).reshape(40, 3)
EVERY = np.arange(40)


@pytest.fixture(params=["temporary", "npy", "in blocks"])
def rows(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RowFile:
    if request.param == "npy":
        np.save(tmp_path / "rows.npy", ROWS)
        return RowFile.open(tmp_path / "rows.npy")
    if request.param == "in blocks":
        monkeypatch.setattr(row_file, "_BLOCK", 7)
    file = RowFile.temporary(tmp_path, ROWS.shape, np.float32)
    file[EVERY] = ROWS
    return file


@pytest.mark.parametrize(
    "numbers",
    [
        EVERY,
        EVERY[::2],  # all between are read
        EVERY[::13],  # each is read by itself
        EVERY[::-1],
        np.array([5, 5, 6]),
        np.array([0, 39]),
        np.array([39]),
        np.array([], np.int64),
        np.random.default_rng(0).integers(0, 40, 200),
    ],
    ids=str,
)
def test_rows_by_number_are_those_of_an_array(rows: RowFile, numbers: np.ndarray) -> None:
    assert np.array_equal(rows[numbers], ROWS[numbers])
    assert rows[numbers].dtype == np.float32


@pytest.mark.parametrize("part", [slice(None), slice(3, 9), slice(30, 99), slice(9, 3), slice(-4, None)], ids=str)
def test_slices_are_those_of_an_array(rows: RowFile, part: slice) -> None:
    assert np.array_equal(rows[part], ROWS[part])
    assert (len(rows), rows.shape, rows.dtype) == (40, (40, 3), np.float32)


@pytest.mark.parametrize("numbers", [[40], [0, 40], [39, 40], [-1]])
def test_rows_that_are_not_there_are_not_made_up(rows: RowFile, numbers: list[int]) -> None:
    with pytest.raises((OSError, IndexError), match=r"the file ends before|row -1, expected 0"):
        rows[np.array(numbers)]


def test_writing_rounds_to_what_the_file_has_and_leaves_other_rows_alone(tmp_path: Path) -> None:
    file = RowFile.temporary(tmp_path, (5, 2), np.float16)
    file[np.array([3, 0])] = np.array([[0.1, 1], [2, 3]], np.float32)
    # 0.1 is 1638.4 / 2^14, and half precision has steps of 2^-14 there.
    assert file[:].tolist() == [[2, 3], [0, 0], [0, 0], [1638 / 2**14, 1], [0, 0]]


def test_a_full_disk_is_told_as_such() -> None:
    """A real one: everything written to /dev/full is refused for lack of space."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    file = RowFile(os.open("/dev/full", os.O_RDWR), (5, 2), np.float32)
    with pytest.raises(OSError, match="No space left"):
        file[np.array([1])] = np.ones((1, 2), np.float32)


def test_a_file_that_is_cut_short_later_is_not_read_as_zeros(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    file = RowFile.open(tmp_path / "rows.npy")
    os.truncate(tmp_path / "rows.npy", 300)
    for numbers in (slice(30, 40), np.array([39]), np.arange(30, 40)):
        with pytest.raises(OSError, match="the file ends before"):
            file[numbers]


@pytest.mark.parametrize(
    "content",
    [np.zeros(3), np.zeros((2, 2, 2)), np.asfortranarray(ROWS), np.array([["x", "y"]], object)],
    ids=["1-d", "3-d", "by columns", "objects"],
)
def test_other_arrays_are_refused(tmp_path: Path, content: np.ndarray) -> None:
    np.save(tmp_path / "rows.npy", content)
    with pytest.raises(ValueError, match=r"holds no rows|[Oo]bject"):
        RowFile.open(tmp_path / "rows.npy")


@pytest.mark.parametrize("size", [0, 50, 128, 600])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    np.save(tmp_path / "rows.npy", ROWS)  # 128 bytes of header and 480 of rows
    os.truncate(tmp_path / "rows.npy", size)
    with pytest.raises((ValueError, EOFError)):
        RowFile.open(tmp_path / "rows.npy")


# --- without a name ----------------------------------------------------------------------------------------------


def test_a_temporary_file_has_no_name_while_it_is_used(tmp_path: Path) -> None:
    file = RowFile.temporary(tmp_path, ROWS.shape, np.float32)
    file[EVERY] = ROWS
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(file[:], ROWS)


def test_its_descriptor_is_closed_with_it(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("the kernel does not tell what is open")
    before = len(list(descriptors.iterdir()))
    file = RowFile.temporary(tmp_path, ROWS.shape, np.float32)
    assert len(list(descriptors.iterdir())) == before + 1
    del file
    assert len(list(descriptors.iterdir())) == before


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from jobsearch.index.row_file import RowFile
file = RowFile.temporary(Path(sys.argv[1]), (1000, 1000), np.float32)
file[np.arange(1000)] = np.ones((1000, 1000))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
