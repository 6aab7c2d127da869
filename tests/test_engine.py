"""The engine: hits against brute force by value, ties, errors, and versions that come and go."""

from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import (
    ESCO,
    ROLES,
    SOURCE,
    WORDS,
    BruteForce,
    engine_of,
    made_up,
    occupation,
    of_kind,
    opening_hash_encoders,
    skill,
)
from encoders import HashEncoder, Wrapped
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError, IndexingError, IndexNotFoundError, QueryError
from jobsearch.filters import Filter
from jobsearch.hits import KIND_FILTERS, Hit, KindFilter
from jobsearch.index.build import build_index
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.fusion import MODES, Mode
from jobsearch.taxonomy.model import KINDS, Concept, Relation, Taxonomy

# --- against brute force ---------------------------------------------------------------------------------------

QUERIES = ["sales manager", "night nurse", "Crane operator", "bäcker", "x", "software software engineer", "データ"]


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return made_up()


@pytest.fixture(scope="module")
def engine(taxonomy: Taxonomy) -> JobSearch:
    return engine_of(taxonomy, HashEncoder())


@pytest.fixture(scope="module")
def brute_force(taxonomy: Taxonomy) -> BruteForce:
    return BruteForce(taxonomy, HashEncoder())


@pytest.mark.parametrize("kind", KIND_FILTERS)
@pytest.mark.parametrize("k", [1, 2, 7, 40, 90])
def test_hits_are_those_of_brute_force(engine: JobSearch, brute_force: BruteForce, kind: KindFilter, k: int) -> None:
    for query in QUERIES:
        brute_force.check(engine.search(query, k, kind), query, k, kind)


@pytest.mark.parametrize(("kind", "most"), [("occupation", 180), ("skill", 90), ("all", 270)])
def test_k_may_be_the_number_of_concepts(
    engine: JobSearch, brute_force: BruteForce, kind: KindFilter, most: int
) -> None:
    brute_force.check(engine.search("sales manager", most, kind), "sales manager", most, kind)


def test_many_queries_get_the_hits_of_brute_force(engine: JobSearch, brute_force: BruteForce) -> None:
    queries = [f"{word} {role}" for word in WORDS for role in ROLES] * 2
    assert len(queries) == 300  # more than one batch of 256
    found = engine.search_many(queries, 5, "occupation")
    assert len(found) == len(queries)
    for query, hits in zip(queries, found, strict=True):
        brute_force.check(hits, query, 5, "occupation")


@pytest.fixture(scope="module")
def crowd() -> tuple[JobSearch, BruteForce]:
    taxonomy = made_up(crowd=700)
    return engine_of(taxonomy, HashEncoder()), BruteForce(taxonomy, HashEncoder())


@pytest.mark.parametrize("kind", ["occupation", "all"])
@pytest.mark.parametrize("k", [1, 4, 10, 100])
def test_a_concept_with_hundreds_of_labels_crowds_nobody_out(
    crowd: tuple[JobSearch, BruteForce], kind: KindFilter, k: int
) -> None:
    engine, truth = crowd
    # Of the labels that the engine fetches at first, too many are of one concept.
    nearest = np.argsort(truth.labels("sales manager"))[::-1][: max(32, 4 * k)]
    concepts = [truth.rows[row][0].uri for row in nearest]
    assert concepts.count(f"{ESCO}occupation/crowd") > len(concepts) * 0.9
    assert len(set(concepts)) < max(k, 4)
    hits = engine.search("sales manager", k, kind)
    truth.check(hits, "sales manager", k, kind)
    assert hits[0].uri == f"{ESCO}occupation/crowd"


def test_queries_that_need_more_labels_do_not_disturb_the_others(crowd: tuple[JobSearch, BruteForce]) -> None:
    engine, truth = crowd
    queries = ["night nurse", "sales manager", "crane operator", "sales manager 5", "x"]
    for query, hits in zip(queries, engine.search_many(queries, 6), strict=True):
        truth.check(hits, query, 6, "all")


def without_score(hits: Sequence[Hit]) -> list[Hit]:
    """Return hits without what the rounding of a batch decides; what words say it does not."""
    return [replace(hit, score=0.0, cosine=0.0, confidence=None) for hit in hits]


def scores(hits: Sequence[Hit]) -> list[float]:
    return [value for hit in hits for value in (hit.score, hit.cosine, hit.confidence or 0.0)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KIND_FILTERS)
def test_one_by_one_and_together_give_the_same(engine: JobSearch, kind: KindFilter, mode: Mode) -> None:
    queries = [f"{word} {role}" for word in WORDS[:6] for role in ROLES]
    together = engine.search_many(queries, 8, kind, mode=mode)
    for query, hits in zip(queries, together, strict=True):
        alone = engine.search(query, 8, kind, mode=mode)
        assert without_score(alone) == without_score(hits)
        assert scores(alone) == pytest.approx(scores(hits), abs=1e-6)
    assert engine.search_many(queries, 8, kind, mode=mode) == together


# --- ties ------------------------------------------------------------------------------------------------------


def found(engine: JobSearch, query: str, k: int, kind: KindFilter = "all") -> list[tuple[str, str]]:
    return [(hit.uri.removeprefix(ESCO), hit.matched_label) for hit in engine.search(query, k, kind)]


def test_of_equal_labels_the_preferred_one_comes_first_then_the_uri() -> None:
    concepts = [
        occupation("a", "boss", "manager"),
        occupation("b", "head", "manager"),
        occupation("c", "manager"),
        occupation("d", "manager", "director"),
        skill("e", "manager"),
        skill("f", "managing", "manager"),
    ]
    expected = ["occupation/c", "occupation/d", "skill/e", "occupation/a", "occupation/b", "skill/f"]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    assert found(engine, "manager", 6) == [(uri, "manager") for uri in expected]
    assert [uri for uri, _ in found(engine, "manager", 4, "occupation")] == [expected[i] for i in (0, 1, 3, 4)]
    assert [uri for uri, _ in found(engine, "manager", 2, "skill")] == ["skill/e", "skill/f"]
    for k in range(1, 6):
        assert [uri for uri, _ in found(engine, "manager", k)] == expected[:k]


@pytest.mark.parametrize("preferring", [0, 30, 59])
def test_a_tie_longer_than_the_first_fetch_is_not_cut_off(preferring: int) -> None:
    """60 concepts share a label, one of them prefers it; 32 labels are fetched first, and any 32 could be those."""
    concepts = [
        occupation(f"{n:02d}", "manager") if n == preferring else occupation(f"{n:02d}", f"zzz {n}", "manager")
        for n in range(60)
    ]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    expected = [preferring, *(n for n in range(60) if n != preferring)]
    for k in (1, 3, 60):
        assert found(engine, "manager", k) == [(f"occupation/{n:02d}", "manager") for n in expected[:k]]


def by_cosine(cosines: Mapping[str, float]) -> Wrapped:
    """Return an encoder whose cosine with the query "q" is as given (exact in float32)."""

    def encode(texts: Sequence[str]) -> Embeddings:
        first = np.array([1.0 if text == "q" else cosines[text] for text in texts], np.float32)
        second = np.sqrt(1 - first.astype(np.float64) ** 2)
        return np.stack([first, second], axis=1).astype(np.float32)

    return Wrapped(HashEncoder(dim=2), encode=encode)


# float32 has steps of 6e-8 from 0.5 on; on whichever side of a rounding boundary they lie, these two are a tie.
@pytest.mark.parametrize("middle", [0.6000005, 0.6000000, 0.6000002, 0.7500005])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_within_a_concept_a_rounding_error_does_not_beat_the_preferred_label(middle: float, language: str) -> None:
    encoder = by_cosine({"preferred": middle - 3e-8, "other": middle + 6e-8, "far": 0.1})
    concepts = [occupation("a", "preferred", "far"), occupation("b", "far")]
    if language == "en":
        concepts[0] = occupation("a", "preferred", "other")
    else:
        concepts.append(occupation("a", "other", language="fr"))
    engine = engine_of(Taxonomy.of(SOURCE, concepts), encoder)
    assert found(engine, "q", 2) == [("occupation/a", "preferred"), ("occupation/b", "far")]
    # The same the other way round: now the preferred label has the rounding error in its favour.
    encoder = by_cosine({"preferred": middle + 6e-8, "other": middle - 3e-8, "far": 0.1})
    assert found(engine_of(Taxonomy.of(SOURCE, concepts), encoder), "q", 1) == [("occupation/a", "preferred")]


@pytest.mark.parametrize("middle", [0.6000005, 0.6000000, 0.6000002, 0.7500005])
def test_between_concepts_a_rounding_error_does_not_beat_the_preferred_label(middle: float) -> None:
    encoder = by_cosine({"preferred": middle - 3e-8, "other": middle + 6e-8, "far": 0.1})
    concepts = [occupation("a", "far", "other"), occupation("b", "preferred")]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), encoder)
    assert found(engine, "q", 2) == [("occupation/b", "preferred"), ("occupation/a", "other")]


def test_a_difference_that_is_no_rounding_error_decides() -> None:
    encoder = by_cosine({"preferred": 0.6, "other": 0.60001, "far": 0.1})
    concepts = [occupation("a", "far", "other"), occupation("b", "preferred"), occupation("c", "preferred", "other")]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), encoder)
    assert found(engine, "q", 3) == [
        ("occupation/a", "other"),
        ("occupation/c", "other"),
        ("occupation/b", "preferred"),
    ]


@st.composite
def tied(draw: st.DrawFn) -> Taxonomy:
    """Draw concepts whose labels are of few letters, so that equal labels and equal scores abound."""
    text = st.text("ab", min_size=1, max_size=2)
    concepts = []
    for kind in KINDS:
        make = occupation if kind == "occupation" else skill
        for name in draw(st.lists(st.sampled_from("uvwxyz"), max_size=4, unique=True)):
            for language in draw(st.lists(st.sampled_from(["de", "en"]), min_size=1, unique=True)):
                labels = draw(st.lists(text, min_size=1, max_size=3, unique=True))
                concepts.append(make(name, *labels, language=language))
    assume(concepts)
    return Taxonomy.of(SOURCE, concepts)


@settings(deadline=None)
@given(tied(), st.text("abc", min_size=1, max_size=3), st.data())
def test_any_order_is_by_score_then_preferred_then_uri(taxonomy: Taxonomy, query: str, data: st.DataObject) -> None:
    encoder = HashEncoder(dim=64)
    truth = BruteForce(taxonomy, encoder)
    # Scores in classes: equal ones are equal up to rounding, others are far apart here.
    scores = np.array(truth.labels(query)).round(9)
    distinct = np.unique(scores)
    assume(len(distinct) == 1 or np.diff(distinct).min() > 1e-5)
    keys: dict[str, tuple[Any, ...]] = {}
    kind: KindFilter = data.draw(st.sampled_from([k for k in KIND_FILTERS if truth.concepts(query, of_kind(k))]))
    for row, ((concept, label, preferred), score) in enumerate(zip(truth.rows, scores, strict=True)):
        if kind in ("all", concept.kind):
            key = (-score, not preferred, row, concept.uri, label, concept.language)
            keys[concept.uri] = min(key, keys.get(concept.uri, key))
    k = data.draw(st.integers(1, len(keys)))
    hits = engine_of(taxonomy, encoder).search(query, k, kind)
    assert [(hit.uri, hit.matched_label, hit.language) for hit in hits] == [
        key[3:] for key in sorted(keys.values())[:k]
    ]


# --- languages -------------------------------------------------------------------------------------------------


def test_the_label_is_in_the_matched_labels_language() -> None:
    concepts = [
        occupation("a", "baker", "bread maker"),
        occupation("a", "Bäcker/in", "Brotmacher", language="de"),
        occupation("b", "cook"),
    ]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), HashEncoder())
    for query, label, language in [
        ("bread maker", "baker", "en"),
        ("Brotmacher", "Bäcker/in", "de"),
        ("cook", "cook", "en"),
    ]:
        hit = engine.search(query, 1)[0]
        assert (hit.matched_label, hit.label, hit.language) == (query, label, language)
    assert len({hit.uri for hit in engine.search("baker", 2)}) == 2  # both languages are one concept


# --- queries that cannot be answered ---------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "   ", "\t\n", "\u00a0", "\u200b", "\u200b\u2060\ufeff \u00ad", "\x00\x1f"])
def test_an_empty_query_is_refused(engine: JobSearch, query: str) -> None:
    with pytest.raises(QueryError, match="query 1 is empty"):
        engine.search(query)
    with pytest.raises(QueryError, match="query 3 is empty"):
        engine.search_many(["cook", "baker", query])


@pytest.mark.parametrize("query", [None, 5, b"cook", ["cook"]])
def test_a_query_that_is_no_string_is_refused(engine: JobSearch, query: Any) -> None:
    with pytest.raises(QueryError, match=f"query 1 is {type(query).__name__}, expected a string"):
        engine.search(query)
    with pytest.raises(QueryError, match="query 2 is"):
        engine.search_many(["cook", query])


def test_one_string_is_no_list_of_queries(engine: JobSearch) -> None:
    with pytest.raises(QueryError, match="got one string; use search"):
        engine.search_many("cook")


def test_no_queries_give_no_hits(engine: JobSearch) -> None:
    assert engine.search_many([]) == []


def test_queries_are_cleaned_like_labels(engine: JobSearch) -> None:
    expected = engine.search("night nurse", 5)
    assert engine.search("  night\u00a0\u200b \t nurse\n", 5) == expected
    assert engine.search("ba\u0308cker", 5) == engine.search("b\u00e4cker", 5)


@pytest.mark.parametrize("k", [0, -1, True, False, "5", 1.0, 2.5, None])
def test_k_must_be_a_whole_number_from_one(engine: JobSearch, k: Any) -> None:
    for call in (lambda: engine.search("cook", k), lambda: engine.search_many(["cook"], k)):
        with pytest.raises(QueryError) as raised:
            call()
        assert f"k is {k!r}, expected a whole number from 1 to 270" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "most", "what"), [("occupation", 180, "occupations"), ("skill", 90, "skills"), ("all", 270, "concepts")]
)
def test_k_above_the_number_of_concepts_is_refused_with_that_number(
    engine: JobSearch, kind: KindFilter, most: int, what: str
) -> None:
    with pytest.raises(QueryError, match=f"k is {most + 1}, .* from 1 to {most} .the {what} in index 't'"):
        engine.search("cook", most + 1, kind)


def test_a_kind_that_the_index_does_not_hold_has_no_hits_to_give() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("a", "cook")]), HashEncoder())
    with pytest.raises(QueryError, match="skills"):
        engine.search("cook", 1, "skill")


@pytest.mark.parametrize("kind", ["occupations", "", "ALL", None, 0, ["skill"]])
def test_an_unknown_kind_is_refused_with_the_known_ones(engine: JobSearch, kind: Any) -> None:
    with pytest.raises(QueryError) as raised:
        engine.search("cook", 1, kind)
    assert f"kind is {kind!r}, expected one of occupation, skill, all" in str(raised.value)


# --- concepts --------------------------------------------------------------------------------------------------


def test_a_concept_is_shown_by_uri_and_language() -> None:
    concepts = [occupation("a", "baker"), occupation("a", "Bäcker", language="de"), skill("b", "bake")]
    relation = Relation(concepts[0].uri, concepts[2].uri, "essential")
    engine = engine_of(Taxonomy.of(SOURCE, concepts, relations=[relation]), HashEncoder())
    entry = engine.concept(f"{ESCO}occupation/a", "en")
    assert (entry.labels, entry.kind, entry.skills["essential"]) == (("baker",), "occupation", (f"{ESCO}skill/b",))
    assert engine.concept(f"{ESCO}occupation/a", "de").labels == ("Bäcker",)
    assert engine.concept(engine.search("bake", 1, "skill")[0].uri).labels == ("bake",)


def test_a_filter_is_a_filter(engine: JobSearch) -> None:
    where: Any = {"isco": "25"}
    for ask in (
        lambda: engine.search("nurse", where=where),
        lambda: engine.recommend_skills("nurse", where=where),
        lambda: engine.recommend_titles(["nursing"], where=where),
    ):
        with pytest.raises(QueryError, match=r"where is \{'isco': '25'\}, expected a Filter"):
            ask()


@pytest.mark.parametrize("uri", ["", "baker", f"{ESCO}occupation/none", None])
def test_an_unknown_concept_is_a_query_error(engine: JobSearch, uri: Any) -> None:
    with pytest.raises(QueryError) as raised:
        engine.concept(uri)
    assert f"index 't' holds no concept {uri!r}" in str(raised.value)


@pytest.mark.parametrize("mode", MODES)
def test_a_hit_is_plain_data(engine: JobSearch, mode: Mode) -> None:
    hit = engine.search("night nurse", 1, mode=mode)[0]
    again = json.loads(json.dumps(hit.to_dict()))
    assert list(again) == [
        *("rank", "score", "uri", "kind", "label", "matched_label", "language"),
        *("cosine", "words", "matched_by", "confidence", "good_match"),
    ]
    assert Hit(**again) == hit


# --- vectors of texts ------------------------------------------------------------------------------------------


def test_texts_are_embedded_as_queries_are(engine: JobSearch) -> None:
    texts = ["night nurse", "  ba\u0308cker ", "x", "night nurse"]
    vectors = engine.embed(texts)
    assert (vectors.dtype, vectors.shape) == (np.float32, (4, 512))
    # Cleaned first: white space folded, and ä in one sign.
    assert np.array_equal(vectors, HashEncoder().encode(["night nurse", "b\u00e4cker", "x", "night nurse"]))
    assert engine.embed([]).shape == (0, 512)


def test_what_cannot_be_embedded_is_refused(engine: JobSearch) -> None:
    with pytest.raises(QueryError, match="embed takes a list of texts and got one string"):
        engine.embed("cook")
    with pytest.raises(QueryError, match="query 2 is empty"):
        engine.embed(["cook", " "])
    with pytest.raises(QueryError, match="query 1 is NoneType, expected a string"):
        engine.embed([None])  # type: ignore[list-item]


# --- concepts near a concept -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("uri", "own"), [(f"{ESCO}occupation/003", "occupation"), (f"{ESCO}skill/200", "skill")])
@pytest.mark.parametrize("kind", [None, *KIND_FILTERS])
@pytest.mark.parametrize("k", [1, 12, 90])
def test_similar_concepts_are_those_of_brute_force(
    engine: JobSearch, brute_force: BruteForce, uri: str, own: str, kind: KindFilter | None, k: int
) -> None:
    rows = [row for row, (concept, _, _) in enumerate(brute_force.rows) if concept.uri == uri]
    assert len(rows) > 1  # several labels, so that their mean is none of them
    mean = brute_force.vectors[rows].mean(axis=0)
    cosines = brute_force.vectors @ (mean / np.linalg.norm(mean))
    best: dict[str, float] = {}
    for (concept, _, _), cosine in zip(brute_force.rows, cosines.tolist(), strict=True):
        if concept.uri != uri and (kind or own) in ("all", concept.kind):
            best[concept.uri] = max(cosine, best.get(concept.uri, -2.0))
    hits = engine.similar(uri, k, kind)
    # All others of its own kind are one fewer than there are.
    assert len(hits) == min(k, len(best)) == (89 if (k, kind or own, own) == (90, "skill", "skill") else k)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == pytest.approx(sorted(best.values(), reverse=True)[: len(hits)], abs=1e-5)
    for hit in hits:
        assert hit.score == pytest.approx(best[hit.uri], abs=1e-5)


def test_a_concept_is_not_similar_to_itself_even_where_others_are_equal() -> None:
    concepts = [occupation(name, "manager") for name in "abc"]
    engine = engine_of(Taxonomy.of(SOURCE, [*concepts, skill("x", "x")]), HashEncoder())
    for name in "abc":
        similar = [hit.uri.removeprefix(f"{ESCO}occupation/") for hit in engine.similar(f"{ESCO}occupation/{name}", 3)]
        assert similar == sorted({*"abc"} - {name})
    assert engine.similar(f"{ESCO}skill/x", 1) == []  # the only one of its kind
    assert [hit.kind for hit in engine.similar(f"{ESCO}skill/x", 1, "occupation")] == ["occupation"]


def test_similar_concepts_under_a_filter(engine: JobSearch) -> None:
    uri = f"{ESCO}occupation/003"
    everything = engine.similar(uri, 180)
    codes = {concept.uri: concept.isco_group for concept in made_up().concepts}
    expected = [hit for hit in everything if (codes[hit.uri] or "").startswith("25")]
    assert [hit.uri for hit in engine.similar(uri, 10, where=Filter(isco="25"))] == [hit.uri for hit in expected[:10]]
    best = [hit.uri for hit in everything[:3]]
    assert [hit.uri for hit in engine.similar(uri, 3, where=Filter(excluded=[best[0], uri]))][:2] == best[1:]
    assert engine.similar(uri, 3, where=Filter(allowed=[uri])) == []
    least = everything[4].score
    assert engine.similar(uri, 180, where=Filter(min_score=least)) == everything[:5]


def test_similar_refuses_what_search_refuses(engine: JobSearch) -> None:
    with pytest.raises(QueryError, match="index 't' holds no concept 'baker'"):
        engine.similar("baker")
    with pytest.raises(QueryError, match="k is 181, expected a whole number from 1 to 180"):
        engine.similar(f"{ESCO}occupation/003", 181)
    with pytest.raises(QueryError, match="kind is 'any', expected one of occupation, skill, all"):
        engine.similar(f"{ESCO}occupation/003", 3, "any")  # type: ignore[arg-type]


# --- with the real encoder -------------------------------------------------------------------------------------

JOBS = [
    occupation("baker", "baker", "bread maker"),
    occupation("baker", "Bäcker", language="de"),
    occupation("nurse", "nurse responsible for general care", "hospital nurse"),
    occupation("developer", "software developer", "programmer"),
    skill("bread", "bake bread"),
    skill("python", "Python (computer programming)"),
]
WELDER = occupation("welder", "welder", "metal joiner")
TAILOR = occupation("tailor", "tailor", "dressmaker")


@pytest.fixture(scope="module")
def original(use_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> IndexDirectory:
    directory = IndexDirectory(tmp_path_factory.mktemp("engine") / "jobs")
    build_index(Taxonomy.of(SOURCE, JOBS), use_encoder, directory)
    return directory


def test_meaning_is_found_with_the_real_encoder(original: IndexDirectory, use_encoder: Encoder) -> None:
    engine = JobSearch.open(original.path)
    assert engine.search("coder", 1, "occupation")[0].label == "software developer"
    assert engine.search("Krankenschwester", 1, "occupation")[0].uri == f"{ESCO}occupation/nurse"
    assert engine.search("Bäcker", 1)[0].label == "Bäcker"
    truth = BruteForce(Taxonomy.of(SOURCE, JOBS), use_encoder)
    for kind, most in (("occupation", 3), ("skill", 2), ("all", 5)):
        for query in ("coder", "Krankenschwester", "make bread", "\ud800"):  # a lone surrogate is text as well
            truth.check(engine.search(query, most, kind, mode="meaning"), query, most, kind)  # type: ignore[arg-type]


def test_a_label_itself_has_the_highest_score(original: IndexDirectory) -> None:
    """Rounding makes of many a cosine of 1 a little less or more: 0.99999994 must do where 1 is asked for."""
    engine = JobSearch.open(original.path)
    labels = list(engine.opened.labels.texts)
    raw, _ = engine.opened.vectors.search(engine.embed(labels), 1)
    assert min(raw[:, 0].tolist()) < 1  # else there would be nothing to see here
    for label, hits in zip(labels, engine.search_many(labels, 1, where=Filter(min_score=1)), strict=True):
        assert [hit.matched_label for hit in hits] == [label]
        assert hits[0].score <= 1


@pytest.mark.parametrize("mode", MODES)
def test_threads_share_an_engine(original: IndexDirectory, mode: Mode) -> None:
    engine = JobSearch.open(original.path)
    queries = ["coder", "Krankenschwester", "make bread", "hospital", "snake"] * 8
    expected = engine.search_many(queries, 3, mode=mode)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda query: engine.search(query, 3, mode=mode), queries)
        for hits, alone in zip(expected, answers, strict=True):
            assert without_score(alone) == without_score(hits)
            assert scores(alone) == pytest.approx(scores(hits), abs=1e-5)


def test_searching_needs_no_tensorflow(original: IndexDirectory) -> None:
    code = (
        "import sys; from pathlib import Path; from jobsearch.engine import JobSearch;"
        "print(JobSearch.open(Path(sys.argv[1])).search('programming', 1, 'occupation')[0].label);"
        "print([m for m in ('tensorflow', 'keras', 'pandas', 'scipy') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(original.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["software developer", "[]"], done.stderr


# --- versions that come and go -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hash_encoders() -> Iterator[None]:
    with opening_hash_encoders():
        yield


def publish(directory: IndexDirectory, *more: Concept) -> None:
    """Build a version, of an encoder that costs nothing: titles are found by their letters."""
    build_index(Taxonomy.of(SOURCE, [*JOBS, *more]), HashEncoder(), directory)


@pytest.fixture
def directory(hash_encoders: None, tmp_path: Path) -> IndexDirectory:
    """An index of version 0001."""
    directory = IndexDirectory(tmp_path / "home" / "indexes" / "jobs")
    publish(directory)
    return directory


@pytest.fixture
def second(directory: IndexDirectory) -> IndexDirectory:
    """The same index with a version 0002 that knows one occupation more."""
    publish(directory, WELDER)
    return directory


def test_an_index_opens_by_name_and_by_path(
    directory: IndexDirectory, jobsearch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert directory.path == jobsearch_home / "indexes" / "jobs"
    monkeypatch.chdir(directory.path.parent)
    for index in ("jobs", "./jobs", str(directory.path), directory.path, Path("jobs")):
        engine = JobSearch.open(index)
        assert (engine.opened.name, engine.opened.version) == ("jobs", "0001")
    with pytest.raises(IndexNotFoundError):
        JobSearch.open("nobody")
    with pytest.raises(IndexNotFoundError):
        JobSearch.open("two words")


def test_reload_moves_only_to_another_version(directory: IndexDirectory) -> None:
    engine = JobSearch.open(directory.path)
    before = engine.opened
    assert engine.reload() is False
    assert engine.opened is before
    publish(directory, WELDER)
    assert engine.opened.version == "0001"
    assert engine.search("welder", 1)[0].uri != WELDER.uri  # not before it is asked to
    assert engine.reload() is True
    assert engine.opened.version == "0002"
    assert engine.search("welder", 1)[0].uri == WELDER.uri
    assert engine.reload() is False


def test_reload_follows_a_roll_back(second: IndexDirectory) -> None:
    engine = JobSearch.open(second.path)
    second.publish("0001")
    assert engine.reload() is True
    assert engine.opened.version == "0001"
    assert JobSearch.open(second.path, "0002").opened.version == "0002"


def test_reload_moves_on_when_the_version_it_saw_is_pruned_meanwhile(
    second: IndexDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = JobSearch.open(second.path, "0001")
    current = IndexDirectory.current

    def current_then_published_over(directory: IndexDirectory) -> str:
        seen = current(directory)
        if not (directory.path / "versions" / "0003").exists():
            shutil.copytree(directory.version_path("0002"), directory.version_path("0003"), copy_function=os.link)
            directory.publish("0003")
            monkeypatch.undo()
            directory.prune(1)
        return seen

    monkeypatch.setattr(IndexDirectory, "current", current_then_published_over)
    assert engine.reload()
    assert (engine.opened.version, second.versions()) == ("0003", ["0003"])


def test_a_version_that_is_not_there_is_not_found(directory: IndexDirectory) -> None:
    with pytest.raises(IndexNotFoundError, match="no version '0002'; it has: 0001"):
        JobSearch.open(directory.path, "0002")


@pytest.mark.parametrize("damage", ["changed", "file missing", "folder missing", "pointer damaged", "pointer missing"])
def test_a_broken_newest_version_leaves_the_engine_on_its_own(directory: IndexDirectory, damage: str) -> None:
    engine = JobSearch.open(directory.path)
    expected = engine.search("bread", 3)
    newest = directory.version_path("0002")
    shutil.copytree(directory.version_path("0001"), newest, copy_function=os.link)
    labels, content = newest / "labels.safetensors", (newest / "labels.safetensors").read_bytes()
    directory.publish("0002")
    match damage:
        case "changed":
            labels.unlink()
            labels.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "file missing":
            labels.unlink()
        case "folder missing":
            shutil.rmtree(newest)
        case "pointer damaged":
            (directory.path / "current").write_text("?")
        case "pointer missing":
            (directory.path / "current").unlink()
    with pytest.raises(IndexCorruptError if damage in ("changed", "file missing") else IndexingError):
        engine.reload()
    assert engine.opened.version == "0001"
    assert engine.search("bread", 3) == expected


def test_an_engine_answers_after_its_version_was_removed(directory: IndexDirectory) -> None:
    engine = JobSearch.open(directory.path)
    publish(directory, WELDER)
    assert directory.prune(1) == ["0001"]
    truth = BruteForce(Taxonomy.of(SOURCE, JOBS), HashEncoder())
    for query in ("programadora de software", "hospital", "パン屋"):
        truth.check(engine.search(query, 5, mode="meaning"), query, 5, "all")
        assert len({hit.uri for hit in engine.search(query, 5)}) == 5  # by words too, from a file that is gone
    assert engine.concept(f"{ESCO}occupation/baker", "en").labels == ("baker", "bread maker")
    assert engine.reload() is True
    assert engine.search("welder", 1)[0].uri == WELDER.uri


def test_a_number_that_comes_again_is_another_version(directory: IndexDirectory) -> None:
    """Rolled back, pruned and built anew, 0002 is not the 0002 that the engine has."""
    publish(directory, WELDER)
    engine = JobSearch.open(directory.path)
    directory.publish("0001")
    assert directory.prune(1, newer=True) == ["0002"]
    (directory.path / ".last").unlink()  # which keeps numbers from coming again, but a full disk has no room for it
    publish(directory, TAILOR)
    assert directory.current() == "0002"
    # What was removed answers as long as it is open.
    assert engine.opened.version == "0002"
    assert engine.search("welder", 1)[0].uri == WELDER.uri
    assert engine.reload() is True
    assert engine.opened.version == "0002"
    assert engine.search("tailor", 1)[0].uri == TAILOR.uri
    assert engine.search("welder", 1)[0].uri != WELDER.uri
    assert engine.reload() is False


def test_a_snapshot_stays_where_it_is(second: IndexDirectory) -> None:
    engine = JobSearch.open(second.path, "0001")
    before = engine.snapshot()
    assert before.opened is engine.opened  # nothing is opened twice
    assert engine.reload() is True
    assert (engine.opened.version, before.opened.version) == ("0002", "0001")
    assert engine.search("welder", 1)[0].uri == WELDER.uri
    assert before.search("welder", 1)[0].uri != WELDER.uri
    # It is an engine of its own, which can move too.
    after = engine.snapshot()
    second.publish("0001")
    assert engine.reload() is True
    assert (engine.opened.version, after.opened.version) == ("0001", "0002")
    assert after.reload() is True
    assert after.opened.version == "0001"


@pytest.mark.usefixtures("hash_encoders")
def test_an_engine_lets_go_of_a_version_that_it_left(original: IndexDirectory, tmp_path: Path) -> None:
    """Else a service that reloads every night would keep every encoder and every index that it ever had."""
    shutil.copytree(original.path, tmp_path / "jobs", copy_function=os.link)
    engine = JobSearch.open(tmp_path / "jobs")
    publish(IndexDirectory(tmp_path / "jobs"), WELDER)
    engine.search("welder", 1)
    left = weakref.ref(engine.opened)
    gc.disable()  # at once, not whenever Python looks for circles
    try:
        assert engine.reload() is True
        assert left() is None
    finally:
        gc.enable()


def test_a_call_under_way_stays_on_the_version_that_it_began_with(second: IndexDirectory) -> None:
    old = JobSearch.open(second.path, "0001").opened

    def encode(texts: Sequence[str]) -> Embeddings:
        engine.reload()  # as another thread might, at the worst moment
        return old.encoder.encode(texts)

    engine = JobSearch(second, replace(old, encoder=Wrapped(old.encoder, encode=encode)))
    queries = ["welder"] * 300  # two batches
    assert WELDER.uri not in {hits[0].uri for hits in engine.search_many(queries, 1)}
    assert engine.opened.version == "0002"
    assert {hits[0].uri for hits in engine.search_many(queries, 1)} == {WELDER.uri}


def test_an_engine_says_that_it_stays_where_it_is() -> None:
    engine = engine_of(Taxonomy.of(SOURCE, [occupation("a", "plumber")]), HashEncoder())
    with pytest.raises(TypeError, match=r"an engine cannot be sent to another process; open the index there"):
        pickle.dumps(engine)
