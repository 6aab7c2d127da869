"""The label table against the taxonomy that it was packed from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.strings import Strings
from jobsearch.taxonomy.model import KINDS, Concept, Group, Relation, Source, Taxonomy

ESCO = "http://data.europa.eu/esco/"
SOURCE = Source("t", "1", "here")
# Any text that UTF-8 can carry.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture
def table(small_taxonomy: Taxonomy) -> LabelTable:
    return LabelTable(pack_labels(small_taxonomy))


def number(table: LabelTable, end: str) -> int:
    concept = table.concept(ESCO + end)
    assert concept is not None
    return concept


# --- Strings ---------------------------------------------------------------------------------------------------


@given(st.lists(texts))
def test_strings_come_back(column: list[str]) -> None:
    strings = Strings(*Strings.pack(column))
    assert list(strings) == column
    assert len(strings) == len(column)
    assert [strings[i] for i in range(len(column))] == column


def test_strings_with_empty_ones_and_unicode() -> None:
    column = ["", "Bäcker", "", "面包师", "👩‍🍳", ""]
    data, offsets = Strings.pack(column)
    # UTF-8 widths: ä 2, so Bäcker 7; 3 CJK signs 9; woman 4 + joiner 3 + pan 4 = 11.
    assert offsets.tolist() == [0, 0, 7, 7, 16, 27, 27]
    assert (data.dtype, offsets.dtype) == (np.uint8, np.int64)
    assert list(Strings(data, offsets)) == column


def test_strings_refuse_positions_outside() -> None:
    strings = Strings(*Strings.pack(["a", "b"]))
    for position in (-1, 2):
        with pytest.raises(IndexError):
            strings[position]


# --- rows ------------------------------------------------------------------------------------------------------


def test_rows_are_the_taxonomys_labels_in_order(table: LabelTable, small_taxonomy: Taxonomy) -> None:
    rows = range(len(table))
    seen = [
        (table.uris[int(table.concept_of[r])], table.language_of(r), table.texts[r], table.is_preferred(r))
        for r in rows
    ]
    assert seen == [(c.uri, c.language, label, preferred) for c, label, preferred in small_taxonomy.labels()]
    # Derived by hand from the order kind, URI, language, preferred first.
    assert [text for _, _, text, _ in seen] == [
        *("Bäcker/in", "Bäcker", "baker", "bread maker", "oven hand"),
        *("cook", "chef de partie"),
        *("managing director", "chef"),
        *("Brot backen", "bake bread", "oven hand"),
        *("lead a team",),
    ]


def test_each_kind_is_one_range(table: LabelTable) -> None:
    assert table.rows() == (0, 13)
    assert table.rows("occupation") == (0, 9)
    assert table.rows("skill") == (9, 13)
    assert (table.concepts(), table.concepts("occupation"), table.concepts("skill")) == (5, 3, 2)
    assert [table.kind_of(concept) for concept in range(5)] == ["occupation"] * 3 + ["skill"] * 2


@pytest.mark.parametrize(("kind", "other"), [("occupation", "skill"), ("skill", "occupation")])
def test_a_kind_without_concepts_is_an_empty_range(kind: str, other: str) -> None:
    table = LabelTable(pack_labels(Taxonomy.of(SOURCE, [Concept("u", kind, "x", ("y",))])))  # type: ignore[arg-type]
    start, stop = table.rows(other)  # type: ignore[arg-type]
    assert start == stop
    assert table.rows(kind) == (0, 2)  # type: ignore[arg-type]
    assert table.concepts(other) == 0  # type: ignore[arg-type]


def test_preferred_row_of_each_language(table: LabelTable) -> None:
    baker = number(table, "occupation/a-baker")
    assert table.texts[table.preferred_row(baker, "de")] == "Bäcker/in"
    assert table.texts[table.preferred_row(baker, "en")] == "baker"
    assert table.texts[table.preferred_row(baker, "fr")] == "Bäcker/in"  # none in French: the first one
    assert table.texts[table.preferred_row(number(table, "skill/b-lead"), "de")] == "lead a team"
    assert table.languages == ("de", "en")


def test_concepts_are_found_by_uri(table: LabelTable, small_taxonomy: Taxonomy) -> None:
    assert [table.concept(uri) for uri in small_taxonomy.by_uri] == [0, 1, 2, 3, 4]
    assert table.concept(ESCO + "occupation/z") is None


# --- conditions ------------------------------------------------------------------------------------------------


def test_rows_in_a_language(table: LabelTable) -> None:
    # The two German names of the baker come first, "Brot backen" is the first label of the first skill.
    assert np.flatnonzero(table.in_language("de")).tolist() == [0, 1, 9]
    assert np.array_equal(table.in_language("en"), ~table.in_language("de"))


def test_concepts_in_an_isco_group(table: LabelTable) -> None:
    found = {prefix: np.flatnonzero(table.in_isco(prefix)).tolist() for prefix in ("7", "75", "7512", "5", "8", "512")}
    # Baker 7512, cook 5120; the boss and the skills have none.
    assert found == {"7": [0], "75": [0], "7512": [0], "5": [1], "8": [], "512": [1]}
    assert [table.isco_of(concept) for concept in range(5)] == ["7512", "5120", None, None, None]
    assert table.has_isco
    assert not LabelTable(pack_labels(Taxonomy.of(SOURCE, [Concept("u", "skill", "x")]))).has_isco


def test_a_mask_of_concepts_is_one_of_their_rows(table: LabelTable) -> None:
    rows = table.of_concepts(np.array([False, True, False, False, True]))
    assert [table.texts[row] for row in np.flatnonzero(rows)] == ["cook", "chef de partie", "lead a team"]


def test_related_concepts_either_way(table: LabelTable) -> None:
    related = {concept: [array.tolist() for array in table.related(concept)] for concept in range(5)}
    assert related == {
        0: [[3, 4], [True, False]],  # baker: bake bread essential, lead a team optional
        1: [[], []],
        2: [[4], [True]],
        3: [[0], [True]],
        4: [[0, 2], [False, True]],
    }
    assert table.linked_occupations == 2


# --- entries ---------------------------------------------------------------------------------------------------


def test_entry_of_an_occupation(table: LabelTable) -> None:
    entry = table.entry(number(table, "occupation/a-baker"), "en")
    assert (entry.uri, entry.kind, entry.language) == (ESCO + "occupation/a-baker", "occupation", "en")
    assert entry.labels == ("baker", "bread maker", "oven hand")
    assert entry.isco_group == "7512"
    # 751 has no label: the group of that code is a skill group, which does not count.
    assert entry.isco_path == (
        ("7", "Craft workers"),
        ("75", "Food processing workers"),
        ("751", ""),
        ("7512", "Bakers"),
    )
    assert entry.skills == {"essential": (ESCO + "skill/a-bake",), "optional": (ESCO + "skill/b-lead",)}
    assert entry.occupations == {"essential": (), "optional": ()}


def test_entry_in_another_language_falls_back_to_english_group_labels(table: LabelTable) -> None:
    entry = table.entry(number(table, "occupation/a-baker"), "de")
    assert (entry.language, entry.labels) == ("de", ("Bäcker/in", "Bäcker"))
    assert entry.isco_path[0] == ("7", "Handwerksberufe")
    assert entry.isco_path[1] == ("75", "Food processing workers")
    assert entry.isco_path[3] == ("7512", "Bäcker")


def test_entry_without_a_language_is_in_the_first_one(table: LabelTable) -> None:
    assert table.entry(number(table, "occupation/a-baker")).language == "de"
    assert table.entry(number(table, "occupation/b-cook")).language == "en"
    assert table.entry(number(table, "occupation/b-cook"), "de").language == "en"


def test_entry_of_a_skill_names_its_occupations(table: LabelTable) -> None:
    entry = table.entry(number(table, "skill/b-lead"))
    assert entry.occupations == {
        "essential": (ESCO + "occupation/c-boss",),
        "optional": (ESCO + "occupation/a-baker",),
    }
    assert entry.skills == {"essential": (), "optional": ()}
    assert (entry.isco_group, entry.isco_path) == (None, ())


def test_relations_to_unknown_concepts_are_left_out(table: LabelTable) -> None:
    entry = table.entry(number(table, "occupation/c-boss"))
    assert entry.skills == {"essential": (ESCO + "skill/b-lead",), "optional": ()}


def test_a_code_without_group_labels_keeps_its_path(table: LabelTable) -> None:
    path = table.entry(number(table, "occupation/b-cook")).isco_path
    assert path == (("5", ""), ("51", ""), ("512", ""), ("5120", ""))


# --- round trip ------------------------------------------------------------------------------------------------


def test_a_table_comes_back_from_its_file(small_taxonomy: Taxonomy, tmp_path: Path) -> None:
    save_file(pack_labels(small_taxonomy), tmp_path / "labels.safetensors")
    assert_same(LabelTable.open(tmp_path / "labels.safetensors"), small_taxonomy)


def test_a_taxonomy_without_relations_and_groups_comes_back_from_its_file(tmp_path: Path) -> None:
    taxonomy = Taxonomy.of(SOURCE, [Concept("urn:x", "skill", "x")])
    save_file(pack_labels(taxonomy), tmp_path / "labels.safetensors")
    assert_same(LabelTable.open(tmp_path / "labels.safetensors"), taxonomy)


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    kinds = draw(st.dictionaries(texts, st.sampled_from(KINDS), min_size=1, max_size=6))
    labels = st.lists(texts, min_size=1, max_size=4, unique=True)
    languages = st.lists(st.sampled_from(["de", "en", "fr"]), min_size=1, unique=True)
    concepts = []
    for uri, kind in kinds.items():
        isco = draw(st.sampled_from([None, "1", "251", "2512"])) if kind == "occupation" else None
        for language in draw(languages):
            preferred, *others = draw(labels)
            concepts.append(Concept(uri, kind, preferred, tuple(others), language, isco))
    uris = {kind: [uri for uri in kinds if kinds[uri] == kind] + ["nowhere else"] for kind in KINDS}
    relation = st.builds(
        Relation,
        st.sampled_from(uris["occupation"]),
        st.sampled_from(uris["skill"]),
        st.sampled_from(["essential", "optional"]),
    )
    keys = st.tuples(st.sampled_from(["2", "25", "251", "2512"]), st.sampled_from(["de", "en"]))
    groups = draw(st.dictionaries(keys, texts, max_size=6))
    return Taxonomy.of(
        SOURCE,
        concepts,
        relations=draw(st.lists(relation, max_size=6)),
        groups=[Group(f"{ESCO}isco/C{code}", code, label, language) for (code, language), label in groups.items()],
    )


@given(taxonomies())
def test_any_taxonomy_comes_back(taxonomy: Taxonomy) -> None:
    assert_same(LabelTable(pack_labels(taxonomy)), taxonomy)


def assert_same(table: LabelTable, taxonomy: Taxonomy) -> None:
    assert list(table.texts) == [label for _, label, _ in taxonomy.labels()]
    assert table.languages == taxonomy.languages
    assert table.concepts() == len(taxonomy)
    for kind in KINDS:
        start, stop = table.rows(kind)
        of_kind = [row for row, (concept, _, _) in enumerate(taxonomy.labels()) if concept.kind == kind]
        assert list(range(start, stop)) == of_kind
        assert table.concepts(kind) == sum(records[0].kind == kind for records in taxonomy.by_uri.values())
    groups = {(group.code, group.language): group.label for group in taxonomy.groups if "/isco/" in group.uri}
    for uri, records in taxonomy.by_uri.items():
        concept = table.concept(uri)
        assert concept is not None
        for record in records:
            row = table.preferred_row(concept, record.language)
            assert (table.texts[row], table.is_preferred(row)) == (record.preferred_label, True)
            entry = table.entry(concept, record.language)
            assert (entry.uri, entry.kind, entry.language) == (uri, record.kind, record.language)
            assert entry.labels == record.labels
            assert entry.isco_group == record.isco_group
            codes = [record.isco_group[: n + 1] for n in range(len(record.isco_group))] if record.isco_group else []
            assert entry.isco_path == tuple(
                (code, groups.get((code, record.language)) or groups.get((code, "en"), "")) for code in codes
            )
            for strength, others in entry.skills.items():
                assert set(others) == {
                    r.skill_uri for r in taxonomy.relations_within if (r.occupation_uri, r.strength) == (uri, strength)
                }
            for strength, others in entry.occupations.items():
                assert set(others) == {
                    r.occupation_uri for r in taxonomy.relations_within if (r.skill_uri, r.strength) == (uri, strength)
                }
