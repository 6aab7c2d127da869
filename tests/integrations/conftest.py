"""What the tests of integrations share: small indexes, pushed into Milvus Lite."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brute_force import made_up, opening_hash_encoders
from encoders import HashEncoder

from jobsearch.index.build import Options, build_index
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.integrations.milvus_address import Address
from jobsearch.integrations.milvus_push import PushResult, push_version
from jobsearch.integrations.milvus_store import Store
from jobsearch.progress import Progress, silent

DIM = 64


@pytest.fixture(scope="session", autouse=True)
def _hash_encoders() -> Iterator[None]:
    """Versions that carry a hash encoder can be opened."""
    with opening_hash_encoders():
        yield


@pytest.fixture(autouse=True, scope="module")
def _no_servers_left() -> Iterator[None]:
    """Milvus Lite's servers end with the module that started them, and their sockets with them."""
    yield
    if "milvus_lite.server_manager" not in sys.modules:
        return
    from milvus_lite.server_manager import server_manager_instance
    from pymilvus.client.connection_manager import ConnectionManager

    server_manager_instance.release_all()
    ConnectionManager.get_instance().close_all()
    gc.collect()


class Pushing:
    """An index folder and a Milvus Lite file beside it."""

    def __init__(self, folder: Path) -> None:
        self.directory = IndexDirectory(folder / "t")
        self.file = folder / "t.db"
        self.address = f"milvus://{self.file}?index={self.directory.path}"

    def build(self, seed: int = 0, crowd: int = 0, salt: str = "", size: int = 20) -> None:
        """Build a version; another seed is other labels, another salt another encoder."""
        labels = made_up(seed, crowd, size, size // 2)
        build_index(labels, HashEncoder(DIM, salt), self.directory, options=Options(index_type="flat"))

    def store(self) -> Store:
        return Store(Address.parse(self.address), create=True)

    def push(self, index_type: str | None = None, keep: int = 2, progress: Progress = silent) -> PushResult:
        return push_version(open_version(self.directory), self.store(), index_type, keep, progress)


@pytest.fixture
def pushing(tmp_path: Path) -> Pushing:
    """An index of one version; nothing is pushed."""
    found = Pushing(tmp_path)
    found.build()
    return found


@pytest.fixture(scope="module")
def make_pushing(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pushing]:
    return lambda name: Pushing(tmp_path_factory.mktemp(name))
