"""Against what Google's model answers and scores (reference data beside the repository)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.text import Case, Tokenizer
from jobsearch.encoder.weights import WeightSet


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Path:
    directory = shared_data / "use"
    if not directory.is_dir():
        pytest.skip(f"reference answers of USE are not at {directory}")
    return directory


def test_token_ids_are_the_published_ones(published: Path, base_weights: WeightSet) -> None:
    texts = json.loads((published / "reference_texts.json").read_text(encoding="utf-8"))
    ids = json.loads((published / "reference_token_ids.json").read_text(encoding="utf-8"))
    assert Tokenizer(base_weights.tokenizer_model)(texts) == ids


def test_embeddings_are_the_published_ones(published: Path, lean: LeanEncoder) -> None:
    # The reference comes from a copy of the graph with 8-bit weights, and our table has 6-bit steps: .9891 measured.
    texts = json.loads((published / "reference_texts.json").read_text(encoding="utf-8"))
    expected = np.load(published / "reference_int8_onnx.npz")["embeddings"]
    cosines = np.sum(lean.encode(texts) * expected, axis=1)
    assert cosines.mean() > 0.988
    assert cosines.min() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("case", ["keep", "lower"])
def test_sts_benchmark(shared_data: Path, base_weights: WeightSet, case: Case) -> None:
    # Google's card says .829 for the development half; measured here: .8343 (keep) and .8349 (lower).
    path = shared_data / "stsb" / "stsb-en-dev.csv"
    if not path.is_file():
        pytest.skip(f"the STS benchmark is not at {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1500
    encoder = LeanEncoder(base_weights.with_case(case))
    cosines = np.sum(encoder.encode([row[0] for row in rows]) * encoder.encode([row[1] for row in rows]), axis=1)
    assert np.corrcoef(cosines, [float(row[2]) for row in rows])[0, 1] >= 0.833
