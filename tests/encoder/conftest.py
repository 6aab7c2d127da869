"""Fixtures of the encoder's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.weights import WeightSet

if TYPE_CHECKING:
    from jobsearch.encoder.keras_encoder import KerasEncoder

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def base_weights() -> WeightSet:
    """USE as packaged, case setting "keep"; shared, so never changed."""
    return packaged_weights("keep")


@pytest.fixture(scope="session")
def lean(base_weights: WeightSet) -> LeanEncoder:
    return LeanEncoder(base_weights)


@pytest.fixture(scope="session")
def keras_encoder(base_weights: WeightSet) -> KerasEncoder:
    """The Keras model of `base_weights` (about 6 s); its weights must stay as they are."""
    from jobsearch.encoder.keras_encoder import KerasEncoder

    return KerasEncoder(base_weights)


@pytest.fixture(scope="session")
def saved_base(base_weights: WeightSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Directory that `base_weights` was saved to; read only."""
    directory = tmp_path_factory.mktemp("base") / "use"
    base_weights.save(directory)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def empty_the_folder(tmp_path: Path) -> Iterator[None]:
    """Remove what a test wrote: weight sets are 80 MB each, and pytest keeps the folders of three runs."""
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The reference material beside the repository, which is not part of it."""
    directory = REPOSITORY.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"reference data is not at {directory}")
    return directory
