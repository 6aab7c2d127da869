"""Fixtures of the evaluation's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from encoders import HashEncoder

from jobsearch.encoder.library import find_encoder
from jobsearch.encoder.protocol import Encoder

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The reference material beside the repository, which is not part of it."""
    if not SHARED.is_dir():
        pytest.skip(f"reference data is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def keep_encoder() -> Encoder:
    """USE as packaged, texts as typed."""
    return find_encoder("use", "keep")


@pytest.fixture(scope="session")
def lower_encoder() -> Encoder:
    """USE as packaged, texts lower-cased."""
    return find_encoder("use", "lower")


@pytest.fixture
def hash_encoder() -> HashEncoder:
    return HashEncoder(dim=64)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local servers are reached directly, whatever proxy the machine has."""
    monkeypatch.setenv("NO_PROXY", ",".join(filter(None, ["127.0.0.1", os.environ.get("NO_PROXY")])))
