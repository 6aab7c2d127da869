"""The check before publishing: it tells wrong vectors, wrong counts and an index that does not find its labels."""

from __future__ import annotations

from dataclasses import replace

import faiss
import numpy as np
import pytest
from brute_force import manifest_of, numbered, unit_vectors
from encoders import HashEncoder

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.errors import IndexingError
from jobsearch.index.about import About
from jobsearch.index.check import SAMPLE, check_version
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.reader import IndexVersion
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.lexical.words import Words
from jobsearch.taxonomy.model import Concept, Source, Taxonomy

COUNT, DIM = 640, 32


def table_of(labels: list[str]) -> LabelTable:
    concepts = [Concept(f"urn:{n:04d}", "skill", label) for n, label in enumerate(labels)]
    return LabelTable(pack_labels(Taxonomy.of(Source("t", "1", "here"), concepts)))


NUMBERS = table_of([str(n) for n in range(COUNT)])


def version_with(vectors: Vectors, encoder: Encoder, labels: LabelTable = NUMBERS, recall: float = 1.0) -> IndexVersion:
    counts = {"labels": len(labels), "concepts": labels.concepts()}
    manifest = replace(manifest_of(encoder.dim, recall=recall), counts=counts)
    words = Words(Words.build(list(labels.texts)))
    about = About(About.build({}, labels, encoder.encode))
    return IndexVersion("t", "0001", manifest, vectors, labels, encoder, words, about)


@pytest.fixture(scope="module")
def embeddings() -> Embeddings:
    return unit_vectors(COUNT, DIM)


def flat(embeddings: Embeddings) -> Vectors:
    return Vectors.build(embeddings, find_type("flat", *embeddings.shape))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("flat", {}), ("hnsw", {"ef_search": 64}), ("pq", {"k_factor": 8}), ("sq8", {"k_factor": 2})],
)
def test_a_good_version_of_any_type_passes(embeddings: Embeddings, name: str, settings: dict[str, int]) -> None:
    vectors = Vectors.build(embeddings, find_type(name, COUNT, DIM)).with_settings(settings)
    assert check_version(version_with(vectors, numbered(embeddings))) == SAMPLE == 64
    assert check_version(version_with(vectors, numbered(embeddings)), sample=10**6) == COUNT


def test_codes_that_are_coarse_pass_if_labels_are_found_as_searches_find_them() -> None:
    """Asked for one label alone, an index scores only a few candidates exactly; a search asks for 32 at least."""
    labels = [f"{a} {b}" for a in ("senior", "junior", "night", "chief") for b in range(200)]
    encoder = HashEncoder(DIM)
    embeddings = encoder.encode(labels)
    vectors = Vectors.build(embeddings, find_type("pq", len(labels), DIM)).with_settings({"k_factor": 2})
    alone, _ = vectors.search(embeddings, 1)
    assert np.mean(alone[:, 0] < 0.999) > 0.05  # more than what may be missed
    check_version(version_with(vectors, encoder, table_of(labels), recall=0.99))


def test_the_sample_is_spread_from_the_first_label_to_the_last(embeddings: Embeddings) -> None:
    for row in (0, COUNT - 1):
        wrong = embeddings.copy()
        wrong[row] = -wrong[row]
        with pytest.raises(IndexingError, match=f"the vector of label '{row}' is off by"):
            check_version(version_with(flat(wrong), numbered(embeddings)))


@pytest.mark.parametrize("off", [2e-4, 1e-2, np.nan, np.inf])
def test_one_number_that_is_off_is_told(embeddings: Embeddings, off: float) -> None:
    wrong = embeddings.copy()
    wrong[0, 3] += np.float32(off)
    with pytest.raises(IndexingError, match=r"index 't', version 0001: the vector of label '0' .*; build it again"):
        check_version(version_with(flat(wrong), numbered(embeddings)))


def test_rounding_is_not_told(embeddings: Embeddings) -> None:
    nearly = embeddings + np.float32(2e-5)
    check_version(version_with(flat(nearly), numbered(embeddings)))


@pytest.mark.parametrize("what", ["labels", "concepts"])
def test_other_counts_than_the_manifests_are_told(embeddings: Embeddings, what: str) -> None:
    version = version_with(flat(embeddings), numbered(embeddings))
    counts = {**version.manifest.counts, what: COUNT - 1}
    with pytest.raises(IndexingError, match=f"version 0001 holds 640 {what}, its manifest says 639; build it again"):
        check_version(replace(version, manifest=replace(version.manifest, counts=counts)))


def blind(embeddings: Embeddings, rows: list[int]) -> Vectors:
    """Return an index with all the right vectors, whose search cannot find some: its codes have others there."""
    spoiled = embeddings.copy()
    spoiled[rows] = -spoiled[rows]
    codes = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    codes.train(embeddings)
    codes.add(spoiled)
    whole = faiss.IndexFlatIP(DIM)
    whole.add(embeddings)
    return Vectors(faiss.IndexRefine(codes, whole), {"k_factor": 1})


SAMPLED = np.unique(np.linspace(0, COUNT - 1, SAMPLE).astype(int)).tolist()


@pytest.mark.parametrize(("missed", "recall", "passes"), [(3, 0.99, True), (4, 0.99, False), (1, 1.0, False)])
def test_an_approximate_index_may_miss_a_few_labels_and_no_more(
    embeddings: Embeddings, missed: int, recall: float, passes: bool
) -> None:
    """At most 5 % of a sample of 64, that is 3, and none if recall was measured as 1."""
    vectors = blind(embeddings, SAMPLED[:missed])
    version = version_with(vectors, numbered(embeddings), recall=recall)
    if passes:
        check_version(version)
    else:
        with pytest.raises(IndexingError, match=r"the vector of label '0' is off by 0\.0e"):
            check_version(version)
