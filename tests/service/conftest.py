"""Indexes of a small taxonomy, and a service over them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoders import linked
from service_indexes import WELDER, small_taxonomy
from service_running import Client, running

from jobsearch.encoder.architecture import D0
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.protocol import Encoder
from jobsearch.engine import JobSearch
from jobsearch.index.build import build_index
from jobsearch.index.versions import IndexDirectory
from jobsearch.service.app import create_app
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines


@pytest.fixture(scope="session")
def service_home(tmp_path_factory: pytest.TempPathFactory, use_encoder: Encoder) -> Path:
    """A home folder with the indexes `small` and `small-tuned`; their files are links: change none."""
    home = tmp_path_factory.mktemp("service") / "home"
    build_index(small_taxonomy(), use_encoder, IndexDirectory(home / "indexes" / "small"))
    weights = packaged_weights("lower")
    changed = weights.tensors[D0] * np.random.default_rng(0).uniform(0, 2, weights.tensors[D0].shape).astype(np.float32)
    tuned = linked(
        LeanEncoder(replace(weights, name="tuned-1", tensors={**weights.tensors, D0: changed})),
        tmp_path_factory.mktemp("service-tuned") / "encoder",
    )
    build_index(small_taxonomy(), tuned, IndexDirectory(home / "indexes" / "small-tuned"))
    return home


@pytest.fixture(scope="session")
def two_versions(service_home: Path, use_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that has a version 0002, which knows a welder, and stands at 0001."""
    directory = IndexDirectory(tmp_path_factory.mktemp("versions") / "jobs")
    shutil.copytree(service_home / "indexes" / "small", directory.path, copy_function=os.link)
    build_index(small_taxonomy(WELDER), use_encoder, directory)
    directory.publish("0001")
    return directory.path


@pytest.fixture
def jobs(two_versions: Path, tmp_path: Path) -> IndexDirectory:
    """A copy of it for one test, by links."""
    shutil.copytree(two_versions, tmp_path / "indexes" / "jobs", copy_function=os.link)
    (tmp_path / "indexes" / "jobs" / "current").unlink()
    directory = IndexDirectory(tmp_path / "indexes" / "jobs")
    directory.publish("0001")
    return directory


@pytest.fixture(scope="session")
def engines(service_home: Path) -> Engines:
    base, tuned = (JobSearch.open(service_home / "indexes" / name) for name in ("small", "small-tuned"))
    return Engines(base, base, tuned)


@pytest.fixture(scope="session")
def client(engines: Engines) -> Iterator[Client]:
    """A client of a service with default settings."""
    with running(create_app(engines)) as client:
        yield client


@pytest.fixture(scope="session")
def strict(engines: Engines) -> Iterator[Client]:
    """A client of a service with low limits that waits half a second for a client."""
    settings = Settings(
        max_body=2000, max_batch=3, max_k=5, max_text=50, patience=0.5, timeout=5, max_connections=40, threads=2
    )
    with running(create_app(engines, settings), settings) as client:
        yield client
