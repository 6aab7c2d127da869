"""Hard negatives against brute force, and the margin that keeps true siblings out."""

from __future__ import annotations

import numpy as np
import pytest
from encoders import HashEncoder
from pair_taxonomies import made_up

from jobsearch.taxonomy.model import Concept
from jobsearch.tuning import negatives
from jobsearch.tuning.negatives import HardNegative, mine_hard_negatives
from jobsearch.tuning.related import Relatedness


class Angles:
    """An encoder on a circle: the text is the angle in degrees."""

    name, dim, fingerprint, case = "angles", 2, "", "keep"

    def encode(self, texts: list[str]) -> np.ndarray:
        angles = np.radians([float(text) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def occupation(uri: str, *labels: str) -> Concept:
    return Concept(uri, "occupation", labels[0], labels[1:])


def mined(*concepts: Concept, related: set[frozenset[str]] = frozenset(), **options: object) -> list[HardNegative]:
    def tied(a: str, b: str) -> bool:
        return a == b or frozenset((a, b)) in related

    return list(mine_hard_negatives(concepts, Angles(), tied, **options))  # type: ignore[arg-type]


def found(negatives: list[HardNegative]) -> list[tuple[str, str]]:
    return [(negative.anchor.uri, negative.label) for negative in negatives]


def test_the_nearest_label_below_the_margin() -> None:
    # The anchor's own alternatives are 10 and 30 degrees away: their mean cosine is .9254, times .95 is .8792, which
    # is 28.5 degrees. So the one at 20 degrees is skipped, that at 40 found by the nearest of its labels.
    anchor = occupation("a", "0", "10", "30")
    [negative] = mined(
        anchor, occupation("b", "20"), occupation("c", "90", "40", "41"), occupation("d", "70"), anchors=[0]
    )
    assert (negative.anchor, negative.concept.uri, negative.label) == (anchor, "c", "40")
    assert negative.limit == pytest.approx(0.95 * (np.cos(np.radians(10)) + np.cos(np.radians(30))) / 2, abs=1e-6)
    assert negative.score == pytest.approx(np.cos(np.radians(40)), abs=1e-6)


def test_a_concept_with_one_label_too_near_is_skipped_whole() -> None:
    # At 40 degrees it would do, but at 5 it is a sibling that nobody wrote down.
    assert found(mined(occupation("a", "0", "30"), occupation("b", "40", "5"), occupation("c", "60"), anchors=[0])) == [
        ("a", "60")
    ]


def test_the_margin() -> None:
    concepts = (occupation("a", "0", "30"), occupation("b", "32"), occupation("c", "50"))
    assert found(mined(*concepts, anchors=[0], margin=1)) == [("a", "32")]
    assert found(mined(*concepts, anchors=[0], margin=0.95)) == [("a", "50")]
    assert found(mined(*concepts, anchors=[0], margin=0.5)) == []  # below 64 degrees there is nothing


def test_related_concepts_are_no_negatives() -> None:
    concepts = (occupation("a", "0", "10"), occupation("b", "30"), occupation("c", "60"))
    related = {frozenset("ab")}
    assert found(mined(*concepts, related=related, anchors=[0])) == [("a", "60")]
    assert found(mined(*concepts, related=related | {frozenset("ac")}, anchors=[0])) == []


def test_an_anchor_without_other_names_takes_the_usual_limit() -> None:
    # a's alternative is 30 degrees away, c's 60: the median of .8660 and .5 is .6830, times .95 is .6489 (49.5°).
    concepts = (
        occupation("a", "0", "30"),
        occupation("b", "200"),
        occupation("c", "100", "160"),
        occupation("d", "152"),
    )
    [negative, *_] = mined(*concepts, anchors=[1])
    assert negative.limit == pytest.approx(0.95 * (np.sqrt(0.75) + 0.5) / 2, abs=1e-6)
    # Nobody has another name: the limit is that of the tutorial's grade, 0.95 times 0.7, 48.3 degrees.
    assert found(mined(occupation("a", "0"), occupation("b", "40"), occupation("c", "50"), anchors=[0])) == [
        ("a", "50")
    ]


def test_several_for_an_anchor_the_nearest_first() -> None:
    concepts = (occupation("a", "0", "10"), *(occupation(f"b{n}", str(n)) for n in (80, 30, 60, 40)))
    assert found(mined(*concepts, anchors=[0], per_anchor=3)) == [("a", "30"), ("a", "40"), ("a", "60")]


def test_occupations_and_skills_are_apart_and_languages_are_not() -> None:
    concepts = (
        occupation("a", "0", "10"),
        Concept("s", "skill", "30"),
        Concept("b", "occupation", "50", language="de"),
        Concept("a", "occupation", "31", language="de"),
    )
    assert found(mined(*concepts, anchors=[0])) == [("a", "50")]
    # At 5 degrees its German name is too near, so its English one is none either.
    sibling = (occupation("c", "40"), Concept("c", "occupation", "5", language="de"))
    assert found(mined(*concepts, *sibling, anchors=[0])) == [("a", "50")]
    assert found(mined(*concepts, sibling[0], anchors=[0])) == [("a", "40")]
    assert mined() == []
    assert mined(occupation("a", "0")) == []


def test_against_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negatives, "_SCORES", 1_000)  # batches of a few anchors
    monkeypatch.setattr(negatives, "_BATCH", 7)
    taxonomy, encoder = made_up(), HashEncoder(128)
    related = Relatedness(taxonomy)
    concepts = [concept for concept in taxonomy.concepts if concept.language == "en"]
    vectors = [encoder.encode(concept.labels) for concept in concepts]
    own = [float(np.mean(v[1:] @ v[0])) for v in vectors]
    expected = []
    for a, anchor in enumerate(concepts):
        near = []
        for b, other in enumerate(concepts):
            scores = vectors[b] @ vectors[a][0]
            if anchor.kind == other.kind and scores.max() < 0.9 * own[a] and not related.related(anchor.uri, other.uri):
                near.append((-float(scores.max()), other.uri, other.labels[int(scores.argmax())]))
        expected += [(anchor.uri, label) for _, _, label in sorted(near)[:2]]
    steps: list[tuple[str, int, int]] = []
    mine = list(
        mine_hard_negatives(
            concepts, encoder, related.related, per_anchor=2, margin=0.9, progress=lambda *step: steps.append(step)
        )
    )
    assert found(mine) == sorted(expected, key=lambda pair: [c.uri for c in concepts].index(pair[0]))
    assert len(mine) > 40
    assert {name for name, _, _ in steps} == {"embedding", "hard negatives"}
    assert all(done < total for _, done, total in steps)
