"""Order, repeats, counts and the fingerprint of a taxonomy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobsearch.taxonomy.model import Broader, Concept, Group, Relation, SkillRelation, Source, Taxonomy

SOURCE = Source("test", "1.2.0", "made up")
COOK_EN = Concept("o/1", "occupation", "cook", ("chef",), "en", isco_group="5120")
COOK_DE = Concept("o/1", "occupation", "Koch/Köchin", ("Koch", "Köchin"), "de", isco_group="5120")
KNIFE = Concept("s/1", "skill", "use knives", ("cut", "chop"), "en")
ESSENTIAL, ELSEWHERE = Relation("o/1", "s/1", "essential"), Relation("o/1", "s/9", "optional")


def made(*concepts: Concept) -> Taxonomy:
    return Taxonomy.of(
        SOURCE,
        concepts,
        relations=[ELSEWHERE, ESSENTIAL, ESSENTIAL],
        skill_relations=[SkillRelation("s/1", "s/9", "optional")],
        groups=[Group("i/C5120", "5120", "Cooks"), Group("i/C5120", "5120", "Köche", "de")],
        broader=[Broader("o/1", "i/C5120")],
    )


def test_order_does_not_matter() -> None:
    taxonomy = made(KNIFE, COOK_EN, COOK_DE)
    assert taxonomy.concepts == (COOK_DE, COOK_EN, KNIFE)
    assert taxonomy == made(COOK_DE, COOK_EN, KNIFE)
    assert taxonomy.relations == (ESSENTIAL, ELSEWHERE)


def test_a_concept_comes_once_a_language() -> None:
    with pytest.raises(ValueError, match="o/1 comes twice in language en"):
        made(COOK_EN, replace(COOK_EN, preferred_label="chef"))


def test_counts() -> None:
    taxonomy = made(KNIFE, COOK_EN, COOK_DE)
    assert len(taxonomy) == 2
    assert taxonomy.languages == ("de", "en")
    assert taxonomy.relations_within == (ESSENTIAL,)
    assert taxonomy.counts() == {
        "occupations": 1,
        "skills": 1,
        "labels": 2 + 3 + 3,
        "essential": 1,
        "optional": 1,
        "skill_relations": 1,
        "groups": 1,
    }
    assert taxonomy.language_counts() == {
        "de": {"occupations": 1, "skills": 0, "labels": 3},
        "en": {"occupations": 1, "skills": 1, "labels": 5},
    }
    assert [(label, preferred) for concept, label, preferred in taxonomy.labels() if concept == COOK_EN] == [
        ("cook", True),
        ("chef", False),
    ]


def test_fingerprint_is_of_the_content_alone() -> None:
    taxonomy = made(COOK_EN, KNIFE)
    assert replace(taxonomy, source=replace(SOURCE, name="other", created="2026")).fingerprint == taxonomy.fingerprint
    others = [
        made(COOK_EN),
        made(COOK_EN, replace(KNIFE, alternative_labels=("chop", "cut"))),
        made(COOK_EN, replace(KNIFE, description="sharp")),
        replace(taxonomy, relations=()),
        replace(taxonomy, broader=()),
    ]
    assert len({taxonomy.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)
