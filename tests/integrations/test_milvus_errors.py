"""Milvus away, slow, full, or not ours: one line of our own, within the time that was given."""

from __future__ import annotations

import errno
import logging
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'jobsearch[milvus]'")

import grpc
from milvus_lite.engine.collection import Collection
from pymilvus import MilvusException

from jobsearch.cli.app import run
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexNotFoundError, JobSearchError, StorageError, VectorStoreError
from jobsearch.integrations.milvus_address import Address
from jobsearch.integrations.milvus_errors import milvus_errors
from jobsearch.integrations.milvus_store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def timed(address: str) -> tuple[str, float]:
    start = time.monotonic()
    with pytest.raises(VectorStoreError) as raised:
        JobSearch.open(address)
    return str(raised.value), time.monotonic() - start


def test_nobody_there(closed_port: int, capfd: pytest.CaptureFixture[str]) -> None:
    told, took = timed(f"milvus://127.0.0.1:{closed_port}?timeout=0.5")
    assert told == (
        f"Milvus at milvus://127.0.0.1:{closed_port}?timeout=0.5 cannot be reached; see that it runs, and that address "
        "and port are right"
    )
    assert took < 5
    assert capfd.readouterr() == ("", "")  # Milvus' client prints tracebacks, if it is let


def test_no_such_host() -> None:
    told, took = timed("milvus://nowhere.invalid?timeout=0.5")
    assert "cannot be reached" in told
    assert took < 5


def test_one_who_never_answers(deaf_port: int) -> None:
    told, took = timed(f"milvus://127.0.0.1:{deaf_port}?timeout=0.5")
    assert "cannot be reached" in told or "did not answer within 0.5 s" in told
    assert took < 5


def test_the_command_line_says_it_in_one_line(closed_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"milvus://127.0.0.1:{closed_port}?timeout=0.3"
    for command in (["search", "x", "--index", address], ["index", "push", "--rollback", "--to", address]):
        assert run(command) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"Error: Milvus at {address} cannot be reached; ")


def test_a_slow_answer(pushing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pushing.push()
    engine = JobSearch.open(f"{pushing.address}&timeout=0.2")
    expected = engine.search("sales manager")
    search, slow = Collection.search, [True]

    def slowly(self: Collection, *arguments: Any, **more: Any) -> Any:
        if slow[0]:
            time.sleep(0.4)
        return search(self, *arguments, **more)

    monkeypatch.setattr(Collection, "search", slowly)
    start = time.monotonic()
    with pytest.raises(
        VectorStoreError, match=r"did not answer within 0.2 s; try again, or give it longer by \?timeout"
    ):
        engine.search("sales manager")
    assert time.monotonic() - start < 3
    slow[0] = False
    time.sleep(0.4)
    assert engine.search("sales manager") == expected  # the engine is as good as it was


def test_an_engine_that_goes_away_and_comes_back(pushing: Any) -> None:
    from milvus_lite.server_manager import server_manager_instance

    pushing.push()
    engine = JobSearch.open(f"{pushing.address}&timeout=0.5")
    server_manager_instance.release_all()
    with pytest.raises(VectorStoreError, match="cannot be reached"):
        engine.search("sales manager")
    with pytest.raises(VectorStoreError, match="cannot be reached"):
        engine.reload()
    assert JobSearch.open(pushing.address).search("sales manager")


def test_a_collection_that_is_gone(pushing: Any) -> None:
    pushing.push()
    engine = JobSearch.open(pushing.address)
    engine.search("sales manager")
    pushing.store().drop(engine.opened.vectors.collection)  # type: ignore[attr-defined]
    with pytest.raises(
        IndexNotFoundError, match="does not exist; push the index again with `jobsearch index push --to"
    ):
        engine.search("night nurse")


def test_no_room_while_writing(pushing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Milvus Lite passes on what the system says, through a real connection."""
    first = pushing.push()

    def full(self: Any, records: Any, **_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "insert", full)
        with pytest.raises(StorageError, match=r"has no more room \(\[Errno 28\] No space left on device\); free some"):
            pushing.push()
    assert (pushing.store().collections(), pushing.store().live()) == ([first.collection], first.collection)


@pytest.mark.slow
def test_a_disk_that_is_really_full(pushing: Any, tmp_path: Path) -> None:
    """The second push does not fit; the first stays live, and the same command works once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here, which needs root ({error})")
    pushing.address = f"milvus://{disk / 't.db'}?index={pushing.directory.path}"
    try:
        first = pushing.push()
        filler = disk / "filler"
        with filler.open("wb") as file:
            file.write(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 8192))
        with pytest.raises(StorageError, match="has no more room"):
            pushing.push()
        assert pushing.store().live() == first.collection
        assert JobSearch.open(pushing.address).search("sales manager")
        filler.unlink()
        second = pushing.push()
        assert pushing.store().live() == second.collection
        assert set(pushing.store().collections()) == {first.collection, second.collection}
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


SERVER = Address.parse("milvus://h")


class Rpc(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, told: str) -> None:
        self._code, self._told = code, told

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._told


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        # As a cluster says it: https://milvus.io/docs/limit_collection_counts.md, …/disk_quota and the client's code.
        (MilvusException(9, "quota exceeded[reason=disk quota exceeded, please allocate more resources]"), StorageError,
         "has no more room (quota exceeded[reason=disk quota exceeded, please allocate more resources]); free some"),
        (MilvusException(9, "deny to write, reason: memory quota exceeded, please allocate more resources"),
         StorageError, "has no more room"),
        (Rpc(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct"), VectorStoreError,
         "refuses the token; set JOBSEARCH_MILVUS_TOKEN to user:password or an API key"),
        (Rpc(grpc.StatusCode.PERMISSION_DENIED, "PrivilegeLoad: permission deny to reader"), VectorStoreError,
         "refuses the token"),
        (Rpc(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), VectorStoreError, "did not answer within 10 s"),
        (MilvusException(grpc.StatusCode.UNAVAILABLE, "[search] Retry timeout: 10s, StatusCode.UNAVAILABLE"),
         VectorStoreError, "cannot be reached"),
        (grpc.FutureTimeoutError(), VectorStoreError, "did not answer within 10 s"),
        (MilvusException(100, "can't find collection[database=default][collection=a]"), IndexNotFoundError,
         "push the index again with `jobsearch index push --to milvus://h:19530`"),
        (MilvusException(65535, f"strange\nthing {'x' * 500}"), VectorStoreError, "refuses: strange thing xxx"),
    ],
)  # fmt: skip
def test_errors_are_ours(error: Exception, kind: type[JobSearchError], told: str) -> None:
    with pytest.raises(kind) as raised, milvus_errors(SERVER):
        raise error
    assert type(raised.value) is kind
    assert str(raised.value).startswith("Milvus at milvus://h:19530")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400
    assert raised.value.__cause__ is error


def test_others_pass() -> None:
    with pytest.raises(KeyboardInterrupt), milvus_errors(SERVER):
        raise KeyboardInterrupt


# --- Milvus Lite's file -----------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match=r"there is no .*/typo.db; run `jobsearch index push --to milvus://"):
        JobSearch.open(f"milvus://{tmp_path}/typo.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database")
    with pytest.raises(JobSearchError, match=r"notes.db"):
        Store(Address.parse(f"{tmp_path}/notes.db"), create=True)
    assert (tmp_path / "notes.db").read_text() == "no database"


def test_a_file_that_another_process_has_open(pushing: Any) -> None:
    script = textwrap.dedent(
        """
        import sys
        from milvus_lite import MilvusLite
        held = MilvusLite(sys.argv[1])
        print("open", flush=True)
        sys.stdin.read()
        """
    )
    command = [sys.executable, "-c", script, str(pushing.file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(VectorStoreError, match="is open in another process, and Milvus Lite lets in one at a time"):
            pushing.store()
        other.communicate("")
    pushing.push()


@pytest.mark.parametrize("package", ["pymilvus", "milvus_lite"])
def test_what_is_not_installed(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VectorStoreError, match=rf"{package} is needed \(.*\); run `pip install 'jobsearch\[milvus\]'`"):
        Store(Address.parse(f"{tmp_path}/t.db"), create=True)


def test_milvus_own_tracebacks_are_not_printed(pushing: Any) -> None:
    """Its client logs what it raises, to a handler of its own."""
    loggers = [logging.getLogger(name) for name in ("pymilvus.decorators", "milvus_lite.adapter.grpc.servicer")]
    for logger in loggers:
        logger.setLevel(logging.NOTSET)
    pushing.store()
    assert not any(logger.isEnabledFor(logging.ERROR) for logger in loggers)
