"""Recall against the exact answer, by hand and by brute force, and the setting that a build takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
from brute_force import made_up, unit_vectors
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import IndexingError
from jobsearch.index import reader
from jobsearch.index.build import Options, build_index
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.recall import FETCH, TARGET, Recall, calibrate, probes, recall
from jobsearch.index.types import IndexType, find_type
from jobsearch.index.vectors import RowNumbers, Scores, Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Concept, Source, Taxonomy

IVF = IndexType("x", "IVF16,SQ8,RFlat", "n_probe", (2, 8, 16, 20, 32))


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return Vectors.build(unit_vectors(640, 32), IVF)


@pytest.fixture(scope="module")
def queries() -> Embeddings:
    return unit_vectors(100, 32, seed=1)


def by_brute_force(vectors: Vectors, queries: Embeddings) -> float:
    """Return how many of the 10 nearest are found, as sets of rows: random vectors have no ties."""
    cosines = queries.astype(np.float64) @ vectors.embeddings.astype(np.float64).T
    nearest = np.argsort(-cosines, axis=1)[:, :10]
    _, found = vectors.search(queries, FETCH * 10)
    shares = [len(set(near) & set(own[:10])) / 10 for near, own in zip(nearest.tolist(), found.tolist(), strict=True)]
    return float(np.mean(shares))


# --- the measure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_probe", [1, 2, 8, 16])
def test_recall_is_the_share_of_the_ten_nearest_that_are_found(
    vectors: Vectors, queries: Embeddings, n_probe: int
) -> None:
    searched = vectors.with_settings({"n_probe": n_probe})
    measured = recall(searched, queries)
    assert measured == pytest.approx(by_brute_force(searched, queries), abs=1e-9)
    if n_probe < 16:  # of 16 cells
        assert measured < 0.95


class Finds(Vectors):
    """Vectors of which a search finds the given rows, with their true scores."""

    def __init__(self, embeddings: Embeddings, rows: Sequence[int]) -> None:
        index = faiss.IndexFlatIP(embeddings.shape[1])
        index.add(embeddings)
        super().__init__(index, {})
        self._rows = np.array(rows)

    def search(self, queries: Embeddings, count: int) -> tuple[Scores, RowNumbers]:
        rows = np.tile(self._rows, (len(queries), 1))
        scores = np.einsum("qd,qcd->qc", queries, self.embeddings[rows])
        return np.where(rows >= 0, scores, np.float32(-3.4e38)), rows


def fan(*cosines: float) -> Embeddings:
    """Return vectors with these cosines to the first axis."""
    return np.array([[cosine, np.sqrt(1 - cosine**2)] for cosine in cosines], np.float32)


FIRST_AXIS = np.array([[1, 0]], np.float32)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([0, 1, 2], 1.0),
        ([0, 1, 3], 1.0),  # 3 is as near as 2
        ([0, 1, 4], 2 / 3),
        ([0, 1, -1], 2 / 3),
        ([4, 5, -1], 0.0),
        ([-1, -1, -1], 0.0),
    ],
)
def test_equally_near_ones_are_equally_right_and_missing_ones_are_wrong(rows: list[int], expected: float) -> None:
    embeddings = fan(0.9, 0.8, 0.7, 0.7, 0.6, 0.5)
    assert recall(Finds(embeddings, rows), FIRST_AXIS, k=3) == pytest.approx(expected)


def test_with_fewer_than_ten_labels_all_of_them_are_wanted() -> None:
    embeddings = fan(0.9, 0.8, 0.7)
    assert recall(Finds(embeddings, [0, 1, 2]), FIRST_AXIS) == 1
    assert recall(Finds(embeddings, [0, 1, -1]), FIRST_AXIS) == pytest.approx(2 / 3)


# --- queries to measure with -------------------------------------------------------------------------------------


def test_probes_join_the_first_half_of_a_label_with_the_last_half_of_another() -> None:
    labels = ["a b c d", "e", "f g h", "i j"]
    # Label 0 meets 2 places before it, counted round the end: label 2. Of 3 words the first 2 or the last 2 are half.
    assert probes(labels) == ["a b g h", "e j", "f g c d", "i e"]


@pytest.mark.parametrize("count", [1, 2, 3, 499, 500, 501, 5000])
def test_probes_are_at_most_500_spread_over_all_labels(count: int) -> None:
    labels = [f"first{n} last{n}" for n in range(count)]
    found = probes(labels)
    assert len(found) == len(set(found)) == min(500, count)
    assert found == probes(labels)
    starts = [int(text.split()[0].removeprefix("first")) for text in found]
    assert (starts[0], starts[-1]) == (0, count - 1)
    assert max(np.diff(starts), default=0) <= max(1, count / 499 + 1)
    if count > 1:
        assert not set(found) & set(labels)  # none is a label itself


# --- the setting that a build takes ------------------------------------------------------------------------------


def asked(queries: Embeddings) -> Wrapped:
    return Wrapped(HashEncoder(queries.shape[1]), encode=lambda texts: queries)


def test_the_first_setting_that_reaches_the_target_is_taken(vectors: Vectors, queries: Embeddings) -> None:
    measured = {value: by_brute_force(vectors.with_settings({"n_probe": value}), queries) for value in IVF.ladder}
    first = next(value for value, share in measured.items() if share >= TARGET)
    assert first not in (IVF.ladder[0], IVF.ladder[-1])  # so that neither the first nor the last will do
    chosen = calibrate(vectors, IVF, asked(queries), ["x"])
    assert chosen == Recall(pytest.approx(measured[first]), 100, {"n_probe": first})  # type: ignore[arg-type]


def test_the_slowest_setting_is_taken_where_none_reaches_the_target(vectors: Vectors, queries: Embeddings) -> None:
    kind = replace(IVF, ladder=(1, 2, 4))
    chosen = calibrate(vectors, kind, asked(queries), ["x"])
    assert chosen.settings == {"n_probe": 4}
    assert chosen.value == pytest.approx(by_brute_force(vectors.with_settings({"n_probe": 4}), queries))
    assert chosen.value < TARGET


def test_a_type_without_a_knob_is_measured_all_the_same(vectors: Vectors, queries: Embeddings) -> None:
    assert calibrate(vectors, replace(IVF, knob="", ladder=()), asked(queries), ["x"]) == Recall(
        pytest.approx(by_brute_force(vectors, queries)),  # type: ignore[arg-type]
        100,
        {},
    )


# --- in the manifest ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_type(tmp_path_factory: pytest.TempPathFactory) -> dict[str, IndexVersion]:
    """One index whose versions are of all types, each built and opened again."""
    taxonomy = made_up(occupations=300, skills=30)
    encoder = HashEncoder(dim=32)
    directory = IndexDirectory(tmp_path_factory.mktemp("types") / "t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "open_encoder", lambda path, verify: encoder)
        for name in NAMES:
            build_index(taxonomy, encoder, directory, options=Options(index_type=name))
        return {name: open_version(directory, f"{n:04d}") for n, name in enumerate(NAMES, start=1)}


NAMES = ("flat", "hnsw", "ivf", "pq", "sq8", "IVF16,SQ8,RFlat")


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_has_the_recall_of_what_was_written(by_type: dict[str, IndexVersion], name: str) -> None:
    version = by_type[name]
    labels = list(version.labels.texts)
    assert len(labels) >= 1248  # what `ivf` needs
    kind = find_type(name, len(labels), 32)
    manifest = version.manifest
    assert (manifest.index_type, manifest.factory) == (name, kind.factory)
    assert set(manifest.search) == ({kind.knob} if kind.knob else set())
    queries = version.encoder.encode(probes(labels))
    cosines = queries.astype(np.float64) @ version.vectors.embeddings.astype(np.float64).T
    tenth = np.sort(cosines, axis=1)[:, -10]
    scores, rows = version.vectors.search(queries, 40)
    assert abs(scores - np.take_along_axis(cosines, rows, axis=1)).max() < 1e-6
    found = np.mean(np.take_along_axis(cosines, rows[:, :10], axis=1) >= tenth[:, None] - 1e-6)
    assert manifest.recall == {"recall@10": pytest.approx(found, abs=1e-6), "queries": 500}
    if name == "flat":
        assert manifest.recall["recall@10"] == 1


def test_a_build_of_a_type_that_needs_more_labels_publishes_nothing(
    small_taxonomy: Taxonomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = IndexDirectory(tmp_path / "t")
    with pytest.raises(IndexingError, match="'pq' needs at least 624 labels to train on and there are 13"):
        build_index(small_taxonomy, HashEncoder(), directory, options=Options(index_type="pq"))
    assert not directory.exists
    assert directory.versions() == []


def test_one_label_is_enough_for_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "open_encoder", lambda path, verify: HashEncoder.open(path))
    taxonomy = Taxonomy.of(Source("t", "1", "here"), [Concept("urn:x", "skill", "welding")])
    for name in (None, "hnsw", "sq8"):
        version = build_index(taxonomy, HashEncoder(), IndexDirectory(tmp_path / "t"), options=Options(name))
        assert version.manifest.recall == {"recall@10": 1, "queries": 1}
