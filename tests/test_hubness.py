"""Hubness: how near a label is to those of other concepts, and that searching takes it off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from brute_force import SOURCE, by_vector, engine_of, made_up, occupation, opening_hash_encoders, unit_vectors
from encoders import HashEncoder, Wrapped

from jobsearch import hubness as module
from jobsearch.encoder.protocol import Embeddings
from jobsearch.hubness import LEAST, NEAREST, hubness
from jobsearch.index.build import build_index
from jobsearch.index.labels import LabelTable
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.fusion import HUBNESS, without_hubness
from jobsearch.taxonomy.model import Taxonomy

CONCEPTS, PER_CONCEPT = 300, 3


def plain(
    embeddings: Embeddings, concept_of: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], among: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Hubness, one label at a time."""
    found = []
    for row in rows:
        others = [one for one in among if concept_of[one] != concept_of[row]]
        cosines = sorted((float(embeddings[row].astype(np.float64) @ embeddings[one]) for one in others), reverse=True)
        found.append(np.mean(cosines[:NEAREST]))
    return np.array(found) - np.mean(found)


@pytest.fixture(scope="module")
def embeddings() -> Embeddings:
    # A few directions that many labels share, so that some are near everything.
    made = unit_vectors(CONCEPTS * PER_CONCEPT, 16) + np.random.default_rng(3).random((CONCEPTS * PER_CONCEPT, 1))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


CONCEPT_OF = np.repeat(np.arange(CONCEPTS), PER_CONCEPT)
IS_FIRST = np.arange(CONCEPTS * PER_CONCEPT) % PER_CONCEPT == 0
ALL = np.arange(CONCEPTS * PER_CONCEPT)


def test_it_is_the_mean_cosine_with_the_nearest_preferred_labels_of_others(embeddings: Embeddings) -> None:
    found = hubness(embeddings, CONCEPT_OF, IS_FIRST)
    assert found.dtype == np.float32
    assert found == pytest.approx(plain(embeddings, CONCEPT_OF, ALL, ALL[IS_FIRST]), abs=1e-5)
    assert found.mean() == pytest.approx(0, abs=1e-6)
    assert found.std() > 0.01


def test_half_precision_is_taken_and_moves_it_little(embeddings: Embeddings) -> None:
    whole = hubness(embeddings, CONCEPT_OF, IS_FIRST)
    assert hubness(embeddings.astype(np.float16), CONCEPT_OF, IS_FIRST) == pytest.approx(whole, abs=1e-3)


def test_slices_change_nothing(embeddings: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hubness(embeddings, CONCEPT_OF, IS_FIRST)
    monkeypatch.setattr(module, "_SLICE", 37)
    assert hubness(embeddings, CONCEPT_OF, IS_FIRST) == pytest.approx(whole, abs=1e-6)


def test_groups_are_compared_within_themselves(embeddings: Embeddings) -> None:
    group_of = (CONCEPT_OF >= 250).astype(np.int32)
    found = hubness(embeddings, CONCEPT_OF, IS_FIRST, group_of)
    rows = np.flatnonzero(group_of == 0)
    assert found[rows] == pytest.approx(plain(embeddings, CONCEPT_OF, rows, rows[IS_FIRST[rows]]), abs=1e-5)
    # Fifty concepts tell nothing of how crowded it is.
    assert not found[group_of == 1].any()


@pytest.mark.parametrize(("concepts", "told"), [(LEAST - 1, False), (LEAST, True)])
def test_few_labels_tell_nothing(embeddings: Embeddings, concepts: int, told: bool) -> None:
    rows = concepts * PER_CONCEPT
    assert hubness(embeddings[:rows], CONCEPT_OF[:rows], IS_FIRST[:rows]).any() == told


def test_of_very_many_preferred_labels_some_stand_for_all(
    embeddings: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hubness(embeddings, CONCEPT_OF, IS_FIRST)
    monkeypatch.setattr(module, "_MOST", 200)
    found = hubness(embeddings, CONCEPT_OF, IS_FIRST)
    assert np.corrcoef(found, whole)[0, 1] > 0.9
    assert abs(found - whole).max() > 0.001


def test_one_concept_less_changes_little_where_some_stand_for_all(
    embeddings: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 200)
    before = hubness(embeddings, CONCEPT_OF, IS_FIRST)
    moved = []
    for concept in range(0, CONCEPTS, 30):
        rest = concept != CONCEPT_OF
        after = hubness(embeddings[rest], CONCEPT_OF[rest], IS_FIRST[rest])
        moved.append(abs(after - before[rest]).std())
    # One of two hundred is another one, or none.
    assert max(moved) < 0.1 * before.std()


def test_a_built_index_has_it_by_kind_and_language(tmp_path: Path) -> None:
    taxonomy = made_up(occupations=250, skills=210)
    encoder = HashEncoder(dim=64)
    with opening_hash_encoders():
        labels = build_index(taxonomy, encoder, IndexDirectory(tmp_path / "t")).labels
    vectors = encoder.encode([label for _, label, _ in taxonomy.labels()])
    number = {uri: place for place, uri in enumerate(labels.uris)}
    records = list(taxonomy.labels())
    concept_of = np.array([number[concept.uri] for concept, _, _ in records])
    for kind in ("occupation", "skill"):
        rows = np.array([row for row, (c, _, _) in enumerate(records) if (c.kind, c.language) == (kind, "en")])
        among = np.array([row for row in rows if records[row][2]])
        assert labels.hubness[rows] == pytest.approx(plain(vectors, concept_of, rows, among), abs=1e-5)
    # A third of the concepts is in German too, which are too few.
    assert not labels.hubness[[row for row, (c, _, _) in enumerate(records) if c.language == "de"]].any()


def crowded() -> tuple[Taxonomy, Wrapped]:
    """300 occupations, and two as near to "query": one in a crowd of them and one on its own."""
    vectors = {f"job {number}": [1.0, 0.0, 0.05, 0.001 * number] for number in range(300)}
    vectors |= {"query": [1.0, 1.0, 0.0, 0.0], "hub": [1.0, 0.02, 0.0, 0.0], "own": [0.0, 1.0, 0.0, 0.0]}
    taxonomy = Taxonomy.of(SOURCE, [occupation(name.replace(" ", "-"), name) for name in vectors if name != "query"])
    return taxonomy, by_vector(vectors)


def test_what_is_near_everything_comes_behind_what_is_near_the_query_alone() -> None:
    taxonomy, encoder = crowded()
    engine = engine_of(taxonomy, encoder)
    by_meaning = [hit.label for hit in engine.search("query", 2, mode="meaning")]
    by_both = engine.search("query", 2, mode="both")
    assert by_meaning[0] == "hub"
    assert by_both[0].label == "own"
    # What is shown as the cosine is the cosine.
    assert by_both[0].cosine == pytest.approx(0.5**0.5, abs=1e-6)


def test_a_label_that_was_typed_comes_first_however_crowded_it_is() -> None:
    taxonomy, encoder = crowded()
    hit = engine_of(taxonomy, encoder).search("job 7", 1, mode="both")[0]
    assert (hit.label, hit.score, hit.matched_by) == ("job 7", 1.0, "exact")


def test_a_share_of_it_is_taken_off() -> None:
    assert without_hubness(np.array([0.5, 0.5]), np.array([0.2, -0.2])).tolist() == pytest.approx(
        [0.5 - 0.2 * HUBNESS, 0.5 + 0.2 * HUBNESS]
    )


def test_groups_tell_kinds_and_languages_apart() -> None:
    table: LabelTable = engine_of(made_up(), HashEncoder(dim=8)).opened.labels
    told = {
        (int(group), table.kind_of(int(concept)), table.languages[int(language)])
        for group, concept, language in zip(table.groups, table.concept_of, table.language_numbers, strict=True)
    }
    assert len(told) == len({group for group, _, _ in told}) == 4
