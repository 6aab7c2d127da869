"""Finding encoders by name."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import (
    check_encoder,
    find_encoder,
    find_weights,
    model_names,
    models_directory,
    open_encoder,
)
from jobsearch.encoder.weights import WeightSet
from jobsearch.errors import EncoderError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBSEARCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_default_is_the_packaged_use_lower_cased(base_weights: WeightSet) -> None:
    encoder = find_encoder()
    assert isinstance(encoder, LeanEncoder)
    assert (encoder.name, encoder.case) == ("use", "lower")
    assert encoder.fingerprint == base_weights.with_case("lower").fingerprint
    assert find_encoder("use", "keep").fingerprint == base_weights.fingerprint


@pytest.mark.slow
def test_by_name_by_directory_and_by_case(base_weights: WeightSet, home: Path) -> None:
    assert model_names() == []
    assert models_directory() == home / "data" / "models"
    replace(base_weights, name="mine", case="lower-caps").save(models_directory() / "mine")
    (models_directory() / ".half-written").mkdir()
    (models_directory() / ".half-written" / "config.json").write_bytes(b"{}")
    (models_directory() / "notes.txt").write_bytes(b"")
    (models_directory() / "empty").mkdir()
    assert model_names() == ["mine"]
    for source in ("mine", str(models_directory() / "mine")):
        encoder = find_encoder(source)
        assert isinstance(encoder, LeanEncoder)
        assert (encoder.name, encoder.case) == ("mine", "lower-caps")
        assert find_encoder(source, "keep").fingerprint == base_weights.fingerprint
        weights = find_weights(source)
        assert isinstance(weights, WeightSet)
        assert weights.fingerprint == encoder.fingerprint
    with pytest.raises(EncoderError) as caught:
        find_encoder("yours")
    assert (
        str(caught.value)
        == "no encoder 'yours'; expected one of use, use-jobs, mine, a directory, a TF-Hub address, or st:MODEL"
    )


def test_a_folder_with_no_encoder_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError) as caught:
        find_encoder(str(tmp_path))
    assert (
        str(caught.value)
        == f"no encoder {str(tmp_path)!r}; expected one of use, use-jobs, a directory, a TF-Hub address, or st:MODEL"
    )
    with pytest.raises(EncoderError, match=r"config\.json is missing"):
        open_encoder(tmp_path)


def test_open_encoder(saved_base: Path, base_weights: WeightSet, lean: LeanEncoder) -> None:
    for verify in (True, False):
        encoder = open_encoder(saved_base, verify=verify)
        assert isinstance(encoder, LeanEncoder)
        assert encoder.fingerprint == base_weights.fingerprint
        assert abs(encoder.encode(["nurse"]) - lean.encode(["nurse"])).max() < 1e-6


def test_a_saved_encoder_opens_again(lean: LeanEncoder, tmp_path: Path) -> None:
    lean.save(tmp_path / "encoder")
    assert open_encoder(tmp_path / "encoder").fingerprint == lean.fingerprint


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format_version": 1, "architecture": "bert"}))
    for read in (open_encoder, check_encoder):
        with pytest.raises(EncoderError) as caught:
            read(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path} holds a 'bert' encoder; "
            "this release reads use-multilingual-3, savedmodel and sentence-transformers"
        )


def test_an_encoder_is_checked_without_what_opens_it(saved_base: Path, tmp_path: Path) -> None:
    assert check_encoder(saved_base) == "weights whole"
    shutil.copytree(saved_base, tmp_path / "copy", copy_function=os.link)
    for name, says in (("sp.model", "does not match its digests"), ("weights.safetensors", "is missing")):
        content = (tmp_path / "copy" / name).read_bytes()
        (tmp_path / "copy" / name).unlink()
        if name == "sp.model":
            (tmp_path / "copy" / name).write_bytes(content[:-1] + b"x")
        with pytest.raises(EncoderError, match=says):
            check_encoder(tmp_path / "copy")
    (tmp_path / "config.json").write_text(json.dumps({"format_version": 1, "architecture": "sentence-transformers"}))
    assert check_encoder(tmp_path) == "a sentence-transformers model, not opened"
    with pytest.raises(EncoderError, match=r"config\.json is missing"):
        check_encoder(tmp_path / "nowhere")
