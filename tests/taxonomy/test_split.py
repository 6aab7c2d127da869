"""The split: no concept and no label string on both sides, in real data too; stable, and near the share asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsearch.taxonomy.bundle import read_bundle
from jobsearch.taxonomy.library import find_taxonomy
from jobsearch.taxonomy.model import Concept, Source, Taxonomy
from jobsearch.taxonomy.split import Split, folded, label_groups, split_concepts

SOURCE = Source("t", "1", "here")
SHARED = Path(__file__).parents[3] / "shared" / "data"


def taxonomy(*concepts: Concept) -> Taxonomy:
    return Taxonomy.of(SOURCE, concepts)


def concept(uri: str, *labels: str, language: str = "en") -> Concept:
    return Concept(uri, "occupation", labels[0], labels[1:], language)


def check(split: Split, of: Taxonomy) -> None:
    """Every concept is on one side, and no label string, case folded, is on both."""
    assert split.training | split.validation == set(of.by_uri)
    assert not split.training & split.validation
    strings: dict[bool, set[str]] = {False: set(), True: set()}
    for record, label, _ in of.labels():
        strings[record.uri in split.validation].add(label.casefold())
    assert not strings[False] & strings[True]


LABELS = st.lists(
    st.sampled_from(["a", "A", "b", "c", "d", "e", "straße", "STRASSE", "f", "g"]), min_size=1, max_size=3
)
CONCEPTS = st.lists(st.tuples(LABELS, st.sampled_from(["en", "de"])), max_size=12)


@settings(max_examples=200)
@given(CONCEPTS, st.floats(0, 0.5), st.integers(0, 50))
def test_nothing_is_on_both_sides(drawn: list[tuple[list[str], str]], share: float, seed: int) -> None:
    # Two records in a row are the same concept in two languages, where the languages differ.
    records = {(f"u{place // 2}", language): labels for place, (labels, language) in enumerate(drawn)}
    of = taxonomy(*(concept(uri, *labels, language=language) for (uri, language), labels in records.items()))
    split = split_concepts(of, validation=share, seed=seed)
    check(split, of)
    assert split == split_concepts(of, validation=share, seed=seed)


def test_nothing_of_the_built_in_data_is_on_both_sides() -> None:
    of = find_taxonomy("esco-en")
    for seed in (0, 1):
        split = split_concepts(of, validation=0.1, seed=seed)
        check(split, of)
        # 16,512 concepts in 16,059 groups, each held out with chance 0.1: the share's standard deviation is 0.0024.
        assert 0.09 < len(split.validation) / len(of) < 0.11


@pytest.mark.slow
@pytest.mark.parametrize("name", ["esco-1.2-en", "esco-occupations-multi"])
def test_nothing_of_an_official_bundle_is_on_both_sides(name: str) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"{SHARED / name} is not there")
    of, _ = read_bundle(SHARED / name)
    split = split_concepts(of, validation=0.2)
    check(split, of)
    assert len(split.validation) > 0.05 * len(of)


def test_groups_are_joined_by_labels_of_any_case_language_and_through_others() -> None:
    of = taxonomy(
        concept("u1", "physiotherapist", "Osteopath"),
        concept("u2", "osteopath", "bone setter"),
        concept("u3", "healer", language="de"),
        concept("u3", "BONE SETTER"),
        concept("u4", "baker"),
    )
    assert label_groups(of) == [["u1", "u2", "u3"], ["u4"]]


def test_labels_are_case_folded() -> None:
    assert folded(["Straße", "STRASSE", "Chef", "chef"]) == {"strasse", "chef"}


def test_a_large_group_stays_in_training() -> None:
    # 30 of 130 concepts are one group, above a fiftieth of all: with a share of one half, it would be held out for
    # one seed in two.
    crowd = [concept(f"c{number:02}", f"title {number}", "helper") for number in range(30)]
    of = taxonomy(*crowd, *(concept(f"s{number:03}", f"single {number}") for number in range(100)))
    for seed in range(20):
        split = split_concepts(of, validation=0.5, seed=seed)
        assert {record.uri for record in crowd} <= split.training
        assert split.validation


def test_a_concept_keeps_its_side_when_others_come() -> None:
    few = [concept(f"u{number:03}", f"title {number}") for number in range(200)]
    more = [concept(f"v{number:03}", f"other {number}") for number in range(200)]
    before = split_concepts(taxonomy(*few), validation=0.3, seed=1)
    after = split_concepts(taxonomy(*few, *more), validation=0.3, seed=1)
    assert before.validation == {uri for uri in after.validation if uri.startswith("u")}


def test_seeds_and_shares() -> None:
    of = taxonomy(*(concept(f"u{number:03}", f"title {number}") for number in range(200)))
    assert split_concepts(of, validation=0).validation == frozenset()
    assert split_concepts(of, seed=0) != split_concepts(of, seed=1)
    # The smaller share is part of the larger one: each concept has one draw for each seed.
    assert split_concepts(of, validation=0.1).validation < split_concepts(of, validation=0.4).validation
    assert split_concepts(taxonomy()) == Split(frozenset(), frozenset())


@pytest.mark.parametrize("share", [-0.1, 0.51, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"expected 0 to 0\.5"):
        split_concepts(taxonomy(concept("u1", "baker")), validation=share)
