"""Searching by meaning and words: against all labels scored one by one, exact labels first, ties, filters, typos."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from brute_force import (
    ESCO,
    ROLES,
    SOURCE,
    BruteForce,
    ByMeaning,
    by_vector,
    engine_of,
    made_up,
    occupation,
    of_kind,
    skill,
)
from encoders import HashEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsearch import hubness
from jobsearch.errors import QueryError
from jobsearch.filters import Filter
from jobsearch.hits import KIND_FILTERS, Hit, KindFilter
from jobsearch.index import fused
from jobsearch.lexical.fusion import HUBNESS, MEAN, PREFERRED, WORDS, Mode
from jobsearch.lexical.words import Words
from jobsearch.taxonomy.model import Concept, Taxonomy

QUERIES = [
    *("sales manager", "night nurse", "Crane operator", "bäcker", "x", "software software engineer", "データ"),
    *(
        "Sales Managers",
        "sofware enginere",
        "waterschool law teacherin",
        "manager",
        "nurses of the night",
        "+++",
        "\ud800",
    ),
]
BOTH: tuple[Mode, ...] = ("both", "words")


class Truth:
    """The rule of searching, over all labels: no candidates, no vectors but the encoder's, one concept at a time."""

    def __init__(self, taxonomy: Taxonomy, encoder: HashEncoder, hubness: Sequence[float] | None = None) -> None:
        self.plain = BruteForce(taxonomy, encoder)
        self.hubness = [0.0] * len(self.plain.rows) if hubness is None else hubness
        self.rows = self.plain.rows
        self.words = Words(Words.build([label for _, label, _ in self.rows]))
        self.of: dict[str, list[int]] = {}
        for row, (concept, _, _) in enumerate(self.rows):
            self.of.setdefault(concept.uri, []).append(row)

    def concepts(
        self, query: str, mode: Mode = "both", keep: Callable[[Concept], bool] = lambda concept: True
    ) -> dict[str, tuple[float, set[str]]]:
        """Return each concept's score and the labels that may speak for it."""
        asked = self.words.singular(query)
        share = {"both": WORDS, "words": 1.0}[mode]
        cosines = self.plain.cosines(asked)
        words = self.words.scores(asked).tolist()
        like = [
            (1 - share) * (cosine - HUBNESS * hub) + share * word
            for cosine, word, hub in zip(cosines, words, self.hubness, strict=True)
        ]
        result = {}
        for uri, rows in self.of.items():
            kept = [row for row in rows if keep(self.rows[row][0])]
            if not kept:
                continue
            exact = {self.rows[row][1] for row in kept if self.rows[row][1].casefold() == query.casefold()}
            if exact:
                result[uri] = (1.0, exact)
                continue
            best = max(like[row] for row in kept)
            speaking = [row for row in kept if like[row] > best - 1e-6]
            speaking.sort(key=lambda row: (not self.rows[row][2], row))
            language = self.rows[speaking[0]][0].language
            same = [row for row in rows if self.rows[row][0].language == language]
            (first,) = (like[row] for row in same if self.rows[row][2])
            mean = sum(like[row] for row in same) / len(same)
            score = (1 - MEAN - PREFERRED) * best + MEAN * mean + PREFERRED * first
            result[uri] = (min(score, 1 - 1e-6), {self.rows[row][1] for row in speaking})
        return result

    def check(
        self,
        hits: Sequence[Hit],
        query: str,
        k: int,
        mode: Mode = "both",
        keep: Callable[[Concept], bool] = lambda concept: True,
    ) -> None:
        """Compare by value: the k best scores, each concept's own, spoken for by a label that may.

        By words alone what has a score of 0 is no hit: it shares nothing with the query.
        """
        true = self.concepts(query, mode, keep)
        best = sorted((score for score, _ in true.values() if score > 0 or mode != "words"), reverse=True)[:k]
        k = len(best) if mode == "words" else k
        assert [hit.rank for hit in hits] == list(range(1, k + 1))
        assert len({hit.uri for hit in hits}) == k
        assert [hit.score for hit in hits] == pytest.approx(best, abs=1e-5)
        cosines, words = self.plain.cosines(self.words.singular(query)), self.words.scores(self.words.singular(query))
        for hit in hits:
            score, labels = true[hit.uri]
            assert hit.score == pytest.approx(score, abs=1e-5)
            assert hit.matched_label in labels
            assert (hit.matched_by == "exact") == (hit.score == 1) == (hit.matched_label.casefold() == query.casefold())
            (row,) = (
                row
                for row in self.of[hit.uri]
                if (self.rows[row][1], self.rows[row][0].language) == (hit.matched_label, hit.language)
            )
            assert keep(self.rows[row][0])
            assert hit.cosine == pytest.approx(cosines[row], abs=1e-5)
            assert hit.words == pytest.approx(min(1.0, float(words[row])), abs=1e-6)


@pytest.fixture(scope="module")
def engine() -> ByMeaning:
    # Few labels, and still those of each kind and language are told how crowded it is around them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hubness, "LEAST", 20)
        return engine_of(made_up(), HashEncoder())


@pytest.fixture(scope="module")
def truth(engine: ByMeaning) -> Truth:
    crowd = engine.opened.labels.hubness
    assert np.count_nonzero(crowd) == len(crowd)
    return Truth(made_up(), HashEncoder(), crowd.tolist())


# --- against brute force -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KIND_FILTERS)
@pytest.mark.parametrize("k", range(1, 11))
def test_hits_are_those_of_all_labels(engine: ByMeaning, truth: Truth, kind: KindFilter, k: int) -> None:
    for query in QUERIES:
        truth.check(engine.search(query, k, kind, mode="both"), query, k, "both", of_kind(kind))


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(("kind", "most"), [("occupation", 180), ("skill", 90), ("all", 270)])
def test_k_may_be_the_number_of_concepts(
    engine: ByMeaning, truth: Truth, kind: KindFilter, most: int, mode: Mode
) -> None:
    for query in QUERIES:
        truth.check(engine.search(query, most, kind, mode=mode), query, most, mode, of_kind(kind))


@pytest.mark.parametrize("mode", BOTH)
def test_what_concepts_are_about_counts(monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    """Candidates are named by labels; with all of them the rule can be told from its result."""
    monkeypatch.setattr(fused, "_CANDIDATES", 10_000)
    described = made_up(described=True)
    engine, truth = engine_of(described, HashEncoder()), Truth(described, HashEncoder())
    plain = Truth(made_up(), HashEncoder())
    assert len(engine.opened.about) == 216
    for query, k in itertools.product(QUERIES, (1, 10, 270)):
        truth.check(engine.search(query, k, mode=mode), query, k, mode)
        moved = plain.concepts(query, mode) != truth.concepts(query, mode)
        assert moved == (mode == "both")
    for where, keep in FILTERS:
        there = len({concept.uri for concept, _, _ in truth.rows if keep(concept)})
        for query in QUERIES:
            truth.check(engine.search(query, 10, where=where, mode=mode), query, min(10, there), mode, keep)


FILTERS: list[tuple[Filter, Callable[[Concept], bool]]] = [
    (Filter(language="de"), lambda concept: concept.language == "de"),
    (Filter(language="en"), lambda concept: concept.language == "en"),
    (Filter(isco="25"), lambda concept: (concept.isco_group or "").startswith("25")),
    (Filter(isco="2512", language="de"), lambda concept: concept.isco_group == "2512" and concept.language == "de"),
    (
        Filter(allowed=[f"{ESCO}occupation/{n:03d}" for n in range(0, 170, 4)]),
        lambda concept: concept.kind == "occupation" and int(concept.uri[-3:]) % 4 == 0 and int(concept.uri[-3:]) < 170,
    ),
    (
        Filter(excluded=[f"{ESCO}occupation/{n:03d}" for n in range(0, 180, 2)]),
        lambda concept: concept.kind == "skill" or int(concept.uri[-3:]) % 2 == 1,
    ),
]


@pytest.mark.parametrize(("where", "keep"), FILTERS, ids=range(len(FILTERS)))
@pytest.mark.parametrize("mode", BOTH)
def test_filters_leave_the_best_of_what_they_leave(
    engine: ByMeaning, truth: Truth, where: Filter, keep: Callable[[Concept], bool], mode: Mode
) -> None:
    there = len({concept.uri for concept, _, _ in truth.rows if keep(concept)})
    for query, k in itertools.product(QUERIES, (1, 5, 10, 200) if mode == "both" else (200,)):
        truth.check(engine.search(query, k, where=where, mode=mode), query, min(k, there), mode, keep)


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_least_score_is_of_the_score(engine: ByMeaning, place: int, mode: Mode) -> None:
    for query in ("sales manager", "night nurses", "sofware enginere"):
        everything = engine.search(query, 270, mode=mode)
        least = everything[place].score
        expected = [hit for hit in everything if hit.score >= least - 1e-6]
        assert place < len(expected) < 270
        assert engine.search(query, 270, where=Filter(min_score=least), mode=mode) == expected
        best = engine.search(query, 2, where=Filter(min_score=least), mode=mode)
        assert [replace(hit, confidence=None) for hit in best] == [
            replace(hit, confidence=None) for hit in expected[:2]
        ]
    # Below each cosine of what is found, and above the score.
    hit = engine.search("night nurses", 1, mode="both")[0]
    assert hit.score < 0.95
    assert engine.search("night nurses", 1, where=Filter(min_score=0.95), mode="both") == []


def test_nothing_may_be_left(engine: ByMeaning) -> None:
    for mode in BOTH:
        assert engine.search("sales manager", 3, where=Filter(allowed=[]), mode=mode) == []
        assert engine.search("+++", 3, where=Filter(min_score=1), mode=mode) == []


def test_filters_of_kind_and_language_may_leave_no_exact_label() -> None:
    """What was typed is a label in another language: it says nothing, the labels in this one do."""
    concepts = [
        occupation("a", "koch", "speisenmacher", language="de"),
        occupation("a", "cook", "chef"),
        occupation("b", "baker"),
    ]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    hits = engine.search("koch", 2, where=Filter(language="en"), mode="both")
    assert {hit.language for hit in hits} == {"en"}
    assert {hit.matched_by for hit in hits} <= {"both", "meaning"}
    assert max(hit.score for hit in hits) < 0.9
    assert engine.search("koch", 1, mode="both")[0].matched_by == "exact"


# --- what was typed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", BOTH)
def test_a_label_that_was_typed_comes_first_whatever_else_is_like_it(
    engine: ByMeaning, truth: Truth, mode: Mode
) -> None:
    labels = [label for _, label, _ in truth.rows][::17]
    for change in (str, str.upper, str.title):
        queries = [change(label) for label in labels]
        for label, hits in zip(labels, engine.search_many(queries, 3, mode=mode), strict=True):
            assert (hits[0].matched_label, hits[0].score, hits[0].matched_by) == (label, 1.0, "exact")


def test_a_plural_that_is_a_label_comes_first_though_labels_say_the_singular() -> None:
    concepts = [occupation("plural", "cooks"), *(occupation(f"{n}", f"cook {n}", "cook") for n in range(8))]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    assert engine.opened.words.singular("cooks") == "cook"
    for mode in BOTH:
        hits = engine.search("Cooks", 9, mode=mode)
        assert (hits[0].uri, hits[0].score, hits[0].matched_by) == (f"{ESCO}occupation/plural", 1.0, "exact")
        # The singular is as near as can be and still is not what was typed.
        assert {hit.matched_label for hit in hits[1:]} == {"cook"}
        assert all(hit.score < 1 and hit.matched_by != "exact" for hit in hits[1:])


def test_a_plural_that_is_a_label_is_found_among_many() -> None:
    """More singulars than candidates: what was typed is one all the same."""
    concepts = [occupation("plural", "xyz", "cooks"), *(occupation(f"{n:03d}", "cook") for n in range(400))]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    for mode in BOTH:
        assert engine.search("cooks", 1, mode=mode)[0].uri == f"{ESCO}occupation/plural"
        assert engine.search("cook", 1, mode=mode)[0].uri == f"{ESCO}occupation/000"


@pytest.mark.parametrize("label", ["+++", "C++", "c#", "№ 5", "データ", "Straße", "a_b", "…", "人"])
@pytest.mark.parametrize("mode", BOTH)
def test_labels_of_few_or_no_letters_are_what_was_typed(label: str, mode: Mode) -> None:
    concepts = [occupation("a", "baker"), occupation("b", label), occupation("c", f"{label} {label}"), skill("d", "++")]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    hits = engine.search(label, 4, mode=mode)
    assert (hits[0].matched_label, hits[0].matched_by) == (label, "exact")
    assert [hit.matched_by for hit in hits].count("exact") == 1
    assert len(hits) == 4 if mode == "both" else all(hit.score > 0 for hit in hits)


def test_accents_are_no_matter_of_words_but_not_what_was_typed() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("a", "café owner"), occupation("b", "café")]), HashEncoder())
    hit = engine.search("cafe owner", 1, mode="words")[0]
    assert (hit.matched_label, hit.matched_by) == ("café owner", "words")
    assert 0.98 < hit.score < 1
    assert hit.words > 0.98


@pytest.mark.parametrize("query", ["+++", "—", "\ud800", "ЖЖЖ", "qqqq", "☃"])
@pytest.mark.parametrize("mode", BOTH)
def test_a_query_without_known_letters_has_all_hits_by_meaning_and_none_by_words(
    engine: ByMeaning, truth: Truth, query: str, mode: Mode
) -> None:
    for k in (1, 10, 270):
        hits = engine.search(query, k, mode=mode)
        truth.check(hits, query, k, mode)
        assert len(hits) == (0 if mode == "words" else k)


def test_by_words_alone_only_what_shares_letters_is_found() -> None:
    names = {"baker": "a", "bakery worker": "b", "nurse": "c", "zoo": "d"}
    engine = engine_of(Taxonomy.of(SOURCE, [occupation(key, name) for name, key in names.items()]), HashEncoder())
    for query in ("bakery", "Bakery", "bakerry"):
        hits = engine.search(query, 4, mode="words")
        assert {hit.label for hit in hits} == {"baker", "bakery worker"}
        assert all(hit.score > 0 for hit in hits)
    assert engine.search("bakery", 4, mode="words", where=Filter(min_score=-1)) == engine.search(
        "bakery", 4, mode="words"
    )
    assert len(engine.search("bakery", 4)) == 4  # meaning speaks for the others, too


# --- slips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("locksmtih", "locksmith"),
        ("lock smith", "locksmith"),
        ("goldsmiht", "goldsmith"),
        ("lumber jacks", "lumberjack"),
    ],
)
@pytest.mark.parametrize("mode", BOTH)
def test_slips_are_forgiven(query: str, label: str, mode: Mode) -> None:
    names = ("locksmith", "goldsmith", "lumberjack", "lock keeper", "gold trader", "jack of all trades")
    concepts = [*made_up().concepts, *(occupation(f"slip-{name}", "other name", name) for name in names)]
    hit = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder()).search(query, 1, mode=mode)[0]
    assert (hit.matched_label, hit.matched_by) == (label, "words" if mode == "words" else "both")
    assert 0.3 < hit.score < 0.99


# --- what brought it up ------------------------------------------------------------------------------------------


def test_each_side_is_told() -> None:
    """Vectors that have nothing to do with letters: some labels are near by one, one by the other, one by both."""
    vectors = {"nurse": [1, 0, 0], "nurse of few": [-0.05, 1, 0], "nurse of many": [0.999, 0.04, 0]}
    vectors |= {f"carer {n:03d}": [0.9, 0.1, n / 1000] for n in range(150)}
    vectors |= {f"zz {n:03d}": [n / 3000, 0, 1] for n in range(300)}
    concepts = [occupation(f"{n:03d}", label) for n, label in enumerate(vectors) if label != "nurse"]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), by_vector(vectors))
    # 100 labels are named by meaning, none of which is "nurse of few" or a "zz".
    by = {hit.matched_label: hit.matched_by for hit in engine.search("nurse", 25, mode="both")}
    assert next(iter(by)) == "nurse of many"
    assert by.pop("nurse of many") == "both"
    assert {label[:5] for label in by} == {"carer"}
    assert set(by.values()) == {"meaning"}
    where = Filter(excluded=[concepts[1].uri, *(concept.uri for concept in concepts[30:152])])
    by = {hit.matched_label: hit.matched_by for hit in engine.search("nurse", 40, where=where, mode="both")}
    assert by["nurse of few"] == "words"
    assert "nurse of many" not in by
    assert {hit.matched_by for hit in engine.search("nurse", 452, mode="words")} == {"words"}
    assert {hit.matched_by for hit in engine.search("nurse", 3, mode="meaning")} == {"meaning"}


def test_by_words_alone_words_bring_up_all_also_in_a_small_index() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("a", "baker"), occupation("b", "nurse")]), HashEncoder())
    assert [(hit.label, hit.matched_by) for hit in engine.search("bakery", 2, mode="words")] == [("baker", "words")]


def test_by_meaning_alone_scores_are_cosines(engine: ByMeaning) -> None:
    for hit in engine.search("sales manager", 5, mode="meaning"):
        assert hit.cosine == hit.score
        assert (hit.words, hit.matched_by) == (0.0, "meaning")


# --- ties --------------------------------------------------------------------------------------------------------


def found(engine: ByMeaning, query: str, k: int, mode: Mode) -> list[str]:
    return [hit.uri.rpartition("/")[2] for hit in engine.search(query, k, mode=mode)]


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("query", ["manager", "managre", "+"])
def test_equal_concepts_come_preferred_first_then_in_order(query: str, mode: Mode) -> None:
    """So many that no candidates hold them all."""
    label = "+" if query == "+" else "manager"
    preferring = {7, 150, 299, 391}
    concepts = [
        occupation(f"{n:03d}", label, "zzzz") if n in preferring else occupation(f"{n:03d}", "zzzz", label)
        for n in range(400)
    ]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    expected = [f"{n:03d}" for n in (*sorted(preferring), *(n for n in range(400) if n not in preferring))]
    for k in (1, 4, 10, 60, 400):
        assert found(engine, query, k, mode) == expected[:k]


@pytest.mark.parametrize("mode", BOTH)
def test_equal_labels_of_one_concept_speak_preferred_first(mode: Mode) -> None:
    concepts = [
        occupation("a", "chef de cuisine", "manager", language="de"),
        occupation("a", "manager", "boss"),
        occupation("b", "baker", "manager"),
    ]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    for query in ("manager", "managre"):
        hits = engine.search(query, 2, mode=mode)
        assert [(hit.uri[-1], hit.language, hit.label) for hit in hits] == [
            ("a", "en", "manager"),
            ("b", "en", "baker"),
        ]


@st.composite
def tied(draw: st.DrawFn) -> Taxonomy:
    """Draw concepts whose labels are of few letters, so that equal labels and equal scores abound."""
    text = st.text("ab+", min_size=1, max_size=3)
    concepts = []
    for name in draw(st.lists(st.sampled_from("uvwxyz"), min_size=1, max_size=5, unique=True)):
        for language in draw(st.lists(st.sampled_from(["de", "en"]), min_size=1, unique=True)):
            labels = draw(st.lists(text, min_size=1, max_size=3, unique=True))
            concepts.append(occupation(name, *labels, language=language))
    return Taxonomy.of(SOURCE, concepts)


@settings(deadline=None)
@given(tied(), st.text("abc+", min_size=1, max_size=3), st.sampled_from(BOTH), st.data())
def test_hits_of_any_labels_are_those_of_all_labels(
    taxonomy: Taxonomy, query: str, mode: Mode, data: st.DataObject
) -> None:
    encoder = HashEncoder(dim=64)
    truth = Truth(taxonomy, encoder)
    k = data.draw(st.integers(1, len(truth.of)))
    hits = engine_of(taxonomy, encoder).search(query, k, mode=mode)
    truth.check(hits, query, k, mode)
    # In order where scores are equal: preferred ones first, then rows.
    numbers = {(c.uri, c.language, label): (not preferred, row) for row, (c, label, preferred) in enumerate(truth.rows)}
    for one, next_one in itertools.pairwise(hits):
        if abs(one.score - next_one.score) < 1e-9:
            places = [numbers[hit.uri, hit.language, hit.matched_label] for hit in (one, next_one)]
            assert places == sorted(places)


# --- many labels, few labels, many threads -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", BOTH)
def test_a_concept_with_hundreds_of_labels_crowds_nobody_out(mode: Mode) -> None:
    engine = engine_of(made_up(crowd=700), HashEncoder())
    every = engine.opened.words.scores("sales manager")
    sharing = len(set(engine.opened.labels.concept_of[every > 0].tolist()))  # by words alone there are no others
    assert 10 < sharing < 271
    for k in (1, 4, 10, 100, 271):
        hits = engine.search("sales manager", k, mode=mode)
        assert len({hit.uri for hit in hits}) == (k if mode == "both" else min(k, sharing))
    hits = engine.search("sales manager 12", 5, mode=mode)
    assert (hits[0].uri, hits[0].matched_by) == (f"{ESCO}occupation/crowd", "exact")


def test_labels_read_in_blocks_score_the_same(engine: ByMeaning, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = engine.search("night nurse", 270, mode="both")
    monkeypatch.setattr(fused, "_BLOCK", 7)
    hits = engine.search("night nurse", 270, mode="both")
    assert [hit.uri for hit in hits] == [hit.uri for hit in expected]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], abs=1e-6)


@pytest.mark.parametrize("index_type", ["hnsw", "sq8", "pq"])
def test_any_index_type_scores_as_brute_force_does(
    index_type: str, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubness, "LEAST", 20)
    engine = engine_of(made_up(), HashEncoder(), index_type, {"hnsw": {"ef_search": 64}}.get(index_type))
    for query in QUERIES:
        true = truth.concepts(query)
        hits = engine.search(query, 10, mode="both")
        assert len({hit.uri for hit in hits}) == 10
        for hit in hits:
            assert hit.score == pytest.approx(true[hit.uri][0], abs=1e-5)


@pytest.mark.parametrize("mode", BOTH)
def test_threads_share_an_engine(engine: ByMeaning, mode: Mode) -> None:
    queries = [f"{word} {role}" for word in ("sales", "nigth", "crane", "+++") for role in ROLES]
    expected = [engine.search(query, 5, mode=mode) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(lambda query: engine.search(query, 5, mode=mode), queries)) == expected


def test_a_mode_that_is_none_is_refused(engine: ByMeaning) -> None:
    for mode in ("letters", "", "BOTH", None):
        with pytest.raises(QueryError, match=r"mode is .*, expected one of meaning, words, both"):
            engine.search("cook", 1, mode=mode)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="mode is 'x'"):
        engine.search_many([], 1, mode="x")  # type: ignore[arg-type]
