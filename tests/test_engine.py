"""The engine: hits against brute force by value, ties, errors, and versions that come and go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import ESCO, ROLES, SOURCE, WORDS, BruteForce, engine_of, made_up, occupation, of_kind, skill
from encoders import HashEncoder, Wrapped
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError, IndexingError, IndexNotFoundError, QueryError
from jobsearch.hits import KIND_FILTERS, Hit, KindFilter
from jobsearch.index.build import build_index
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import KINDS, Relation, Taxonomy

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
    return [replace(hit, score=0.0) for hit in hits]


@pytest.mark.parametrize("kind", KIND_FILTERS)
def test_one_by_one_and_together_give_the_same(engine: JobSearch, kind: KindFilter) -> None:
    queries = [f"{word} {role}" for word in WORDS[:6] for role in ROLES]
    together = engine.search_many(queries, 8, kind)
    for query, hits in zip(queries, together, strict=True):
        alone = engine.search(query, 8, kind)
        assert without_score(alone) == without_score(hits)
        assert [hit.score for hit in alone] == pytest.approx([hit.score for hit in hits], abs=1e-6)
    assert engine.search_many(queries, 8, kind) == together


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


@pytest.mark.parametrize("uri", ["", "baker", f"{ESCO}occupation/none", None])
def test_an_unknown_concept_is_a_query_error(engine: JobSearch, uri: Any) -> None:
    with pytest.raises(QueryError) as raised:
        engine.concept(uri)
    assert f"index 't' holds no concept {uri!r}" in str(raised.value)


def test_a_hit_is_plain_data(engine: JobSearch) -> None:
    hit = engine.search("night nurse", 1)[0]
    again = json.loads(json.dumps(hit.to_dict()))
    assert list(again) == ["rank", "score", "uri", "kind", "label", "matched_label", "language"]
    assert Hit(**again) == hit


# --- versions, with the real encoder ---------------------------------------------------------------------------

JOBS = [
    occupation("baker", "baker", "bread maker"),
    occupation("baker", "Bäcker", language="de"),
    occupation("nurse", "nurse responsible for general care", "hospital nurse"),
    occupation("developer", "software developer", "programmer"),
    skill("bread", "bake bread"),
    skill("python", "Python (computer programming)"),
]
WELDER = occupation("welder", "welder", "metal joiner")


@pytest.fixture(scope="module")
def original(use_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> IndexDirectory:
    directory = IndexDirectory(tmp_path_factory.mktemp("engine") / "jobs")
    build_index(Taxonomy.of(SOURCE, JOBS), use_encoder, directory)
    return directory


@pytest.fixture
def directory(original: IndexDirectory, tmp_path: Path) -> IndexDirectory:
    """An index of version 0001, to be changed: its files are links, so replace one, never write into it."""
    shutil.copytree(original.path, tmp_path / "home" / "indexes" / "jobs", copy_function=os.link)
    return IndexDirectory(tmp_path / "home" / "indexes" / "jobs")


@pytest.fixture
def second(directory: IndexDirectory, use_encoder: Encoder) -> IndexDirectory:
    """The same index with a version 0002 that knows one occupation more."""
    build_index(Taxonomy.of(SOURCE, [*JOBS, WELDER]), use_encoder, directory)
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


def test_meaning_is_found_with_the_real_encoder(original: IndexDirectory, use_encoder: Encoder) -> None:
    engine = JobSearch.open(original.path)
    assert engine.search("coder", 1, "occupation")[0].label == "software developer"
    assert engine.search("Krankenschwester", 1, "occupation")[0].uri == f"{ESCO}occupation/nurse"
    assert engine.search("Bäcker", 1)[0].label == "Bäcker"
    truth = BruteForce(Taxonomy.of(SOURCE, JOBS), use_encoder)
    for kind, most in (("occupation", 3), ("skill", 2), ("all", 5)):
        for query in ("coder", "Krankenschwester", "make bread", "\ud800"):  # a lone surrogate is text as well
            truth.check(engine.search(query, most, kind), query, most, kind)  # type: ignore[arg-type]


def test_threads_share_an_engine(original: IndexDirectory) -> None:
    engine = JobSearch.open(original.path)
    queries = ["coder", "Krankenschwester", "make bread", "hospital", "snake"] * 8
    expected = engine.search_many(queries, 3)
    with ThreadPoolExecutor(8) as pool:
        for hits, alone in zip(expected, pool.map(lambda query: engine.search(query, 3), queries), strict=True):
            assert without_score(alone) == without_score(hits)
            assert [hit.score for hit in alone] == pytest.approx([hit.score for hit in hits], abs=1e-5)


def test_reload_moves_only_to_another_version(directory: IndexDirectory, use_encoder: Encoder) -> None:
    engine = JobSearch.open(directory.path)
    before = engine.opened
    assert engine.reload() is False
    assert engine.opened is before
    build_index(Taxonomy.of(SOURCE, [*JOBS, WELDER]), use_encoder, directory)
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


def test_an_engine_answers_after_its_version_was_removed(
    original: IndexDirectory, use_encoder: Encoder, tmp_path: Path
) -> None:
    shutil.copytree(original.path, tmp_path / "jobs")  # real copies: the files have no other name
    directory = IndexDirectory(tmp_path / "jobs")
    engine = JobSearch.open(directory.path)
    build_index(Taxonomy.of(SOURCE, [*JOBS, WELDER]), use_encoder, directory)
    shutil.rmtree(directory.version_path("0001"))
    truth = BruteForce(Taxonomy.of(SOURCE, JOBS), use_encoder)
    for query in ("programadora de software", "hospital", "パン屋"):
        truth.check(engine.search(query, 5), query, 5, "all")
    assert engine.concept(f"{ESCO}occupation/baker", "en").labels == ("baker", "bread maker")
    assert engine.reload() is True
    assert engine.search("welder", 1)[0].uri == WELDER.uri


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


def test_searching_needs_no_tensorflow(original: IndexDirectory) -> None:
    code = (
        "import sys; from pathlib import Path; from jobsearch.engine import JobSearch;"
        "print(JobSearch.open(Path(sys.argv[1])).search('programming', 1, 'occupation')[0].label);"
        "print([m for m in ('tensorflow', 'keras', 'pandas', 'scipy') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(original.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["software developer", "[]"], done.stderr
