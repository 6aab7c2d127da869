"""Pushing: what is live stays live until all is verified; going back; what does not belong together."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from brute_force import made_up
from encoders import HashEncoder

pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed: pip install 'jobsearch[milvus]'")
# Its import closes all log handlers, and with absl's, where TensorFlow was imported before, the stream that was stderr
# then. While tests are collected that stream is stderr still, and is spared; during a test it is another, and is lost.
pytest.importorskip("pymilvus")

from click.testing import CliRunner

from jobsearch.cli.app import cli as root
from jobsearch.engine import JobSearch
from jobsearch.errors import (
    EncoderMismatchError,
    IndexCorruptError,
    IndexFormatError,
    IndexingError,
    IndexNotFoundError,
    VectorStoreError,
)
from jobsearch.index.build import Options, build_index
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.integrations import milvus_push as module
from jobsearch.integrations.milvus_push import roll_back
from jobsearch.integrations.milvus_store import Store

pytestmark = pytest.mark.slow


def slow(value: Any) -> Any:
    return pytest.param(value, marks=pytest.mark.slow)


STEPS = ["writing vectors", "flushing", "indexing", "loading", "checking"]


def answers(engine: JobSearch) -> list[tuple[str, float]]:
    return [(hit.uri, round(hit.score, 5)) for hit in engine.search("sales manager", k=8)]


def names(pushing: Any) -> list[str]:
    return sorted(pushing.store().collections())


def test_a_push_is_served_and_the_next_one_takes_its_place(pushing: Any) -> None:
    first = pushing.push()
    engine = JobSearch.open(pushing.address)
    old = answers(engine)
    assert old == answers(JobSearch.open(pushing.directory.path))
    assert not engine.reload()
    assert engine.opened.version == "0001"
    assert first.pushed.encoder == HashEncoder(64).fingerprint
    assert (first.recall, first.removed) == (1.0, ())

    pushing.build(seed=1)
    second = pushing.push()
    assert second.pushed.previous == first.collection
    stays = engine.snapshot()
    assert answers(engine) == old  # until it is told
    assert engine.reload()
    assert engine.opened.version == "0002"
    assert answers(engine) == answers(JobSearch.open(pushing.directory.path)) != old
    assert answers(stays) == old
    assert names(pushing) == sorted([first.collection, second.collection])


def test_rolling_back(pushing: Any) -> None:
    first = pushing.push()
    pushing.build(seed=1)
    pushing.push()
    engine = JobSearch.open(pushing.address)
    new = answers(engine)
    assert roll_back(pushing.store()) == (first.collection, first.pushed)
    assert engine.reload()
    assert (engine.opened.version, answers(engine) != new) == ("0001", True)
    with pytest.raises(IndexNotFoundError, match=r"no collection from before 'jobsearch__0001_.*; nothing was changed"):
        roll_back(pushing.store())
    assert pushing.store().live() == first.collection
    # The next push goes on from what is live.
    assert pushing.push().pushed.previous == first.collection


@pytest.mark.slow
def test_what_is_not_whole_is_not_rolled_back_to(pushing: Any) -> None:
    first = pushing.push()
    second = pushing.push()
    pushing.store().client.delete(first.collection, ids=[0, 1])
    with pytest.raises(
        VectorStoreError, match=rf"'{first.collection}' has \d+ rows, expected \d+; nothing was changed"
    ):
        roll_back(pushing.store())
    assert pushing.store().live() == second.collection


@pytest.mark.slow
def test_old_collections_go_and_those_of_others_stay(pushing: Any) -> None:
    store = pushing.store()
    store.create("jobsearch__notes", pushing.push().pushed)
    collections = [pushing.push(keep=3).collection for _ in range(4)]
    assert names(pushing) == sorted([*collections[-3:], "jobsearch__notes"])
    last = pushing.push(keep=1)
    assert sorted(last.removed) == sorted(collections[-3:])
    assert names(pushing) == sorted([last.collection, "jobsearch__notes"])


# --- broken off ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [slow(step) if step != "checking" else step for step in STEPS])
@pytest.mark.parametrize("error", [KeyboardInterrupt, slow(VectorStoreError)])
def test_a_push_that_is_broken_off_changes_nothing(pushing: Any, step: str, error: type[BaseException]) -> None:
    first = pushing.push()
    old = answers(JobSearch.open(pushing.address))
    pushing.build(seed=1)

    def progress(seen: str, done: int, total: int) -> None:
        if seen == step:
            raise error("here")

    with pytest.raises(error, match="here"):
        pushing.push(progress=progress)
    assert names(pushing) == [first.collection]
    assert pushing.store().live() == first.collection
    assert answers(JobSearch.open(pushing.address)) == old


@pytest.mark.parametrize("step", [slow(step) if step != "loading" else step for step in STEPS])
def test_what_a_killed_push_left_is_removed_by_the_next(
    pushing: Any, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves no time to tidy up; so there is none here."""
    first = pushing.push()

    def progress(seen: str, done: int, total: int) -> None:
        if seen == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "drop", lambda self, collection: None)
        with pytest.raises(KeyboardInterrupt):
            pushing.push(progress=progress)
    (left,) = set(names(pushing)) - {first.collection}
    assert left.startswith("jobsearch__pushing_")
    assert JobSearch.open(pushing.address).opened.vectors.collection == first.collection  # type: ignore[attr-defined]
    second = pushing.push()
    assert second.removed == (left,)
    assert names(pushing) == sorted([first.collection, second.collection])


@pytest.mark.slow
@pytest.mark.parametrize("fails", [slow("rename"), "point"])
def test_an_alias_that_does_not_move_leaves_nothing(pushing: Any, fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pushing.push()

    def fail(*_: Any, **__: Any) -> None:
        raise VectorStoreError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Store, fails, fail)
        with pytest.raises(VectorStoreError, match="no"):
            pushing.push()
    assert (names(pushing), pushing.store().live()) == ([first.collection], first.collection)


@pytest.mark.slow
def test_an_alias_that_moved_and_was_not_heard_of_stays(pushing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer got lost: the collection is live, and must not be tidied up."""
    point = Store.point

    def lost(self: Store, collection: str, over: str | None) -> None:
        point(self, collection, over)
        raise VectorStoreError("no answer")

    monkeypatch.setattr(Store, "point", lost)
    with pytest.raises(VectorStoreError, match="no answer"):
        pushing.push()
    assert names(pushing) == [pushing.store().live()]
    assert answers(JobSearch.open(pushing.address)) == answers(JobSearch.open(pushing.directory.path))


@pytest.mark.slow
def test_an_alias_that_someone_else_moved_stays_there(pushing: Any) -> None:
    first, second = pushing.push(), pushing.push()

    def progress(seen: str, done: int, total: int) -> None:
        if seen == "checking":
            pushing.store().point(first.collection, second.collection)

    with pytest.raises(VectorStoreError, match="alias 'jobsearch' was moved while the index was pushed; run the same"):
        pushing.push(progress=progress)
    assert pushing.store().live() == first.collection
    assert names(pushing) == sorted([first.collection, second.collection])


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_real_kill(pushing: Any, step: str) -> None:
    """The process is killed in the step, and another one finds the file as it was left."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from brute_force import opening_hash_encoders
        from jobsearch.index.reader import open_version
        from jobsearch.index.versions import IndexDirectory
        from jobsearch.integrations.milvus_address import Address
        from jobsearch.integrations.milvus_push import push_version
        from jobsearch.integrations.milvus_store import Store

        def progress(step, done, total):
            if step == sys.argv[3]:
                os.kill(os.getpid(), signal.SIGKILL)

        with opening_hash_encoders():
            opened = open_version(IndexDirectory(Path(sys.argv[1])))
        print(push_version(opened, Store(Address.parse(sys.argv[2]), create=True), progress=progress).collection)
        """
    )

    def run(at: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, str(pushing.directory.path), pushing.address, at]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())

    first = run("never").stdout.strip()
    assert run(step).returncode == -signal.SIGKILL
    second = run("never").stdout.strip()
    assert names(pushing) == sorted([first, second])
    assert pushing.store().live() == second
    assert answers(JobSearch.open(pushing.address)) == answers(JobSearch.open(pushing.directory.path))


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


# --- verified --------------------------------------------------------------------------------------------------


def spoilt(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    insert = Store.insert

    def other(self: Store, collection: str, first: int, vectors: np.ndarray) -> None:
        insert(self, collection, first, spoil(np.array(vectors)))

    monkeypatch.setattr(Store, "insert", other)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(
            lambda vectors: vectors[:-1],
            r"Milvus has \d+ rows, expected \d+; nothing was published",
            marks=pytest.mark.slow,
        ),
        (
            lambda vectors: vectors[::-1],
            "what Milvus has is not what was pushed, nothing was published: .*the vector of",
        ),
        pytest.param(
            lambda vectors: vectors * 0.99,
            "what Milvus has is not what was pushed, nothing was published: .*the vector of",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_was_written_is_verified(pushing: Any, spoil: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pushing.push()
    spoilt(monkeypatch, spoil)
    with pytest.raises(IndexingError, match=told):
        pushing.push()
    assert (names(pushing), pushing.store().live()) == ([first.collection], first.collection)


@pytest.mark.slow
def test_a_server_that_drops_what_a_collection_says_of_itself_is_refused(
    pushing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = Store.describe
    monkeypatch.setattr(Store, "describe", lambda self, name: replace(describe(self, name), encoder="other"))
    with pytest.raises(VectorStoreError, match="does not keep what a collection holds; nothing was published"):
        pushing.push()
    assert names(pushing) == []


# --- what does not belong together ------------------------------------------------------------------------------


def test_another_encoder_of_the_same_width_is_refused(pushing: Any) -> None:
    """The same number of a version, by another encoder: equal dimensions prove nothing."""
    pushing.push()
    pushing.directory.path.rename(pushing.directory.path.with_name("away"))
    pushing.build(salt="other")
    with pytest.raises(EncoderMismatchError) as raised:
        JobSearch.open(pushing.address)
    fingerprints = [HashEncoder(64, salt).fingerprint[:12] for salt in ("", "other")]
    assert f"made by encoder {fingerprints[0]} and index 't', version 0001, holds {fingerprints[1]}" in str(
        raised.value
    )
    assert f"run `jobsearch index push t --to {pushing.address}`" in str(raised.value)
    pushing.push()  # what it says mends it
    assert answers(JobSearch.open(pushing.address)) == answers(JobSearch.open(pushing.directory.path))


@pytest.mark.slow
def test_other_labels_of_the_same_encoder_are_refused(pushing: Any) -> None:
    pushing.push()
    pushing.directory.path.rename(pushing.directory.path.with_name("away"))
    pushing.build(seed=1)
    with pytest.raises(
        IndexCorruptError, match=r"are not those of index 't', version 0001, here: it was built another"
    ):
        JobSearch.open(pushing.address)


@pytest.mark.slow
def test_a_version_that_is_not_here_is_asked_for(pushing: Any) -> None:
    pushing.push()
    pushing.directory.path.rename(pushing.directory.path.with_name("away"))
    with pytest.raises(IndexNotFoundError, match=r"the rest of it is not in .*versions/0001; copy that folder here"):
        JobSearch.open(pushing.address)


def test_vectors_need_not_be_here(pushing: Any) -> None:
    pushing.push()
    expected = answers(JobSearch.open(pushing.directory.path))
    (file,) = pushing.directory.version_path("0001").glob("vectors.*")
    file.unlink()
    assert answers(JobSearch.open(pushing.address)) == expected
    labels = pushing.directory.version_path("0001") / "labels.safetensors"
    labels.write_bytes(labels.read_bytes()[:-1])
    with pytest.raises(IndexCorruptError, match=r"labels.safetensors has"):  # all else must be whole
        JobSearch.open(pushing.address)


@pytest.mark.slow
def test_rows_that_went_missing_are_told(pushing: Any) -> None:
    found = pushing.push()
    pushing.store().client.delete(found.collection, ids=[5])
    with pytest.raises(VectorStoreError, match=r"has [\d,]+ rows, expected [\d,]+; run `jobsearch index push t"):
        JobSearch.open(pushing.address)


@pytest.mark.slow
def test_an_alias_of_another_index_is_not_taken(pushing: Any) -> None:
    first = pushing.push()
    other = IndexDirectory(pushing.directory.path.with_name("other"))
    build_index(made_up(1, 0, 20, 10), HashEncoder(64), other, options=Options(index_type="flat"))
    pushing.directory = other
    with pytest.raises(VectorStoreError, match="serves index 't', not 'other'; name another with --collection"):
        pushing.push()
    assert names(pushing) == [first.collection]


@pytest.mark.slow
def test_collections_of_others_are_not_opened(pushing: Any) -> None:
    store = pushing.store()
    with pytest.raises(IndexNotFoundError, match=r"has no alias 'jobsearch'; run `jobsearch index push --to milvus://"):
        JobSearch.open(pushing.address)
    client = store.client
    client.create_collection("theirs", dimension=4)
    client.create_alias("theirs", "jobsearch")
    with pytest.raises(IndexNotFoundError, match=r"'theirs' .* was not made by `jobsearch index push`"):
        JobSearch.open(pushing.address)
    with pytest.raises(IndexNotFoundError):
        pushing.push()
    with pytest.raises(VectorStoreError, match=r"'theirs' is a collection of Milvus at .*, expected an alias"):
        JobSearch.open(f"{pushing.address}&collection=theirs")
    pushed = {"format": 99}
    client.create_collection("newer", dimension=4, properties={"jobsearch": json.dumps(pushed)})
    client.alter_alias("newer", "jobsearch")
    with pytest.raises(IndexFormatError, match="has format 99, this release reads 1; push it again"):
        JobSearch.open(pushing.address)


@pytest.mark.slow
def test_a_version_cannot_be_chosen(pushing: Any) -> None:
    pushing.push()
    with pytest.raises(IndexNotFoundError, match="serves one version; `jobsearch index push --rollback --to milvus"):
        JobSearch.open(pushing.address, "0001")


@pytest.mark.slow
def test_types(pushing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IndexingError, match="index type 'pq' is not known for Milvus; expected one of FLAT, HNSW, IVF"):
        pushing.push("pq")
    assert pushing.push("hnsw").pushed.type == "HNSW"
    assert pushing.push().pushed.type == "FLAT"
    monkeypatch.setattr(module, "_FLAT_UP_TO", 10)
    assert pushing.push().pushed.type == "HNSW"


# --- the command line, and what is imported ---------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(root, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_the_commands(pushing: Any) -> None:
    index, address = str(pushing.directory.path), pushing.address
    code, out, _ = run("index", "push", index, "--to", address)
    live = pushing.store().live()
    assert (code, out.count("\n")) == (0, 1)
    assert f"{address}: {live} is live, " in out
    assert "vectors of index 't', version 0001, type FLAT with recall@10 1.0000." in out
    _, remote, _ = run("search", "sales manager", "--index", address, "--json")
    _, local, _ = run("search", "sales manager", "--index", index, "--json")
    assert json.loads(remote) == json.loads(local)
    told = json.loads(run("index", "push", index, "--to", address, "--json")[1])
    assert told.pop("collection") not in ("", live)
    assert told == {
        "address": address,
        "index": "t",
        "version": "0001",
        "labels": len(open_version(pushing.directory).labels),
        "type": "FLAT",
        "recall@10": 1.0,
        "removed": [],
    }
    back = json.loads(run("index", "push", "--rollback", "--to", address, "--json")[1])
    assert back == {"address": address, "collection": live, "index": "t", "version": "0001"}
    assert run("index", "push", index, "--to", address)[0] == 0
    code, out, _ = run("index", "push", "--rollback", "--to", address)
    assert (code, out) == (0, f"{address}: {live} is live, index 't', version 0001.\n")
    assert run("index", "push", index, "--rollback", "--to", address)[0] == 2
    code, out, _ = run("index", "push", index, "--to", address, "--collection", "other")
    assert code == 0
    assert "&collection=other" in out or "?collection=other" in out
    assert "other__0001_" in out


@pytest.mark.slow
def test_milvus_is_imported_only_where_it_is_used(pushing: Any) -> None:
    pushing.push()
    script = textwrap.dedent(
        """
        import sys
        from brute_force import opening_hash_encoders
        from jobsearch import JobSearch
        with opening_hash_encoders():
            JobSearch.open(sys.argv[1]).search("x")
            assert not {"pymilvus", "milvus_lite", "grpc"} & set(sys.modules), "imported for FAISS"
            JobSearch.open(sys.argv[2]).search("x")
            assert {"pymilvus", "milvus_lite"} <= set(sys.modules)
            assert "tensorflow" not in sys.modules
        """
    )
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_all()  # one process at a time
    command = [sys.executable, "-c", script, f"{pushing.directory.path}", pushing.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_watching(pushing: Any) -> None:
    first = pushing.push()
    engine = JobSearch.open(pushing.address)
    second = pushing.push()
    with engine.watch(interval=0.02), contextlib.suppress(TimeoutError):
        until = time.monotonic() + 10
        while engine.opened.vectors.collection == first.collection:  # type: ignore[attr-defined]
            assert time.monotonic() < until
            time.sleep(0.01)
    assert engine.opened.vectors.collection == second.collection  # type: ignore[attr-defined]
    assert asdict(second.pushed)["previous"] == first.collection
