"""What concepts are about: taken from descriptions, embedded once, kept with the index and through its edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import ESCO, SOURCE, BruteForce, by_vector, engine_of, made_up, occupation, skill, version_of
from encoders import HashEncoder, Wrapped
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError, IndexingError
from jobsearch.filters import Filter
from jobsearch.index import embedding
from jobsearch.index.about import SENTENCE, About, described, undescribed
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.check import check_version
from jobsearch.index.edits import Edit
from jobsearch.index.manifest import ABOUT, MANIFEST, Manifest, describe_files
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.fusion import Mode
from jobsearch.matching.matcher import Matcher
from jobsearch.searcher import Searcher
from jobsearch.taxonomy.about import first_sentence, sentences_about
from jobsearch.taxonomy.model import Concept, Relation, Taxonomy

BAKER = occupation("baker", "baker", "bread maker", about="Bakers bake bread at night. They rise early.")
NURSE = occupation("nurse", "nurse", "carer")
BAKING = skill("bake", "bake bread", about="Mixing dough and baking it")
JOBS = Taxonomy.of(SOURCE, [BAKER, NURSE, BAKING])
BARE = Taxonomy.of(SOURCE, [replace(concept, description=None) for concept in JOBS.concepts])

pytestmark = pytest.mark.usefixtures("hash_encoders")


def told(version: IndexVersion) -> dict[str, str]:
    return {version.labels.uris[number]: text for number, text in version.about.by_concept.items()}


def counting(encoder: HashEncoder) -> tuple[Wrapped, list[str]]:
    """Return the encoder and a list that its texts are added to."""
    seen: list[str] = []

    def encode(texts: list[str]) -> Embeddings:
        seen.extend(texts)
        return encoder.encode(texts)

    return Wrapped(encoder, encode=encode), seen


# --- the sentence ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("Bakers make bread. They rise early.", "Bakers make bread."),
        ("Bakers make bread", "Bakers make bread"),
        ("\n \n\u200b Bakers\u00a0make\tbread!\nThey", "Bakers make bread!"),
        ("Is 3.5 enough? Yes.", "Is 3.5 enough?"),
        ("パンを作る。朝は早い。", "パンを作る。"),
        ("x" * 500 + ". y", "x" * 400),
        ("", ""),
        (" \u200b\n ", ""),
        ("Bakers make bread, e.g. rolls. They sell it.", "Bakers make bread, e.g. rolls."),
        ("Bakers (i.e. Pastry chefs, too) rise early. They sing.", "Bakers (i.e. Pastry chefs, too) rise early."),
        ("They sell bread, rolls etc. They rise early.", "They sell bread, rolls etc."),
    ],
)
def test_the_first_sentence(description: str, sentence: str) -> None:
    assert first_sentence(description) == sentence
    assert first_sentence(sentence) == sentence


@given(st.text(alphabet=st.sampled_from(list("ab. !?\n\t\u200b\x07\u00a0。é"))))
def test_a_sentence_is_its_own_first_sentence(description: str) -> None:
    """An edit keeps sentences, and makes them of what it kept."""
    once = first_sentence(description)
    assert first_sentence(once) == once
    long = first_sentence("a" * 399 + " " + description)
    assert first_sentence(long) == long


def test_english_speaks_for_a_concept_that_has_a_description_in_several_languages() -> None:
    def concepts(german: str | None, english: str | None) -> Taxonomy:
        records = (("de", "Bäcker", german), ("en", "baker", english), ("fr", "boulanger", "Fait du pain."))
        return Taxonomy.of(SOURCE, [occupation("a", label, language=code, about=text) for code, label, text in records])

    uri = f"{ESCO}occupation/a"
    assert sentences_about(concepts("Backt.", "Bakes.")) == {uri: "Bakes."}
    assert sentences_about(concepts("Backt.", None)) == {uri: "Backt."}
    assert sentences_about(concepts(None, " ")) == {uri: "Fait du pain."}
    assert sentences_about(Taxonomy.of(SOURCE, [NURSE])) == {}


# --- what it does ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["meaning", "both"])
def test_a_description_lifts_its_concept(mode: Mode) -> None:
    """Two labels are as near as each other; one's description is, too, and the other's is about something else."""
    vectors = {
        "query": [1.0, 0, 0, 0],
        "one": [0.6, 0.8, 0, 0],
        "two": [0.6, 0, 0.8, 0],
        "near": [0.9, 0.1, 0, 0],
        "far": [0, 0, 0, 1.0],
        "-": [0, 0, 0, 0],
    }

    def found(one: str | None, two: str | None) -> dict[str, float]:
        concepts = [occupation("1", "one", about=one), occupation("2", "two", about=two)]
        hits = engine_of(Taxonomy.of(SOURCE, concepts), by_vector(vectors)).search("query", 2, mode=mode)
        for hit in hits:
            label, sentence = (
                np.array(vectors[name]) for name in (hit.label, {"one": one, "two": two}[hit.label] or "-")
            )
            together = label + SENTENCE * sentence / max(np.linalg.norm(sentence), 1e-9)
            assert hit.cosine == pytest.approx(together[0] / np.linalg.norm(together), abs=1e-6)
        return {hit.label: hit.score for hit in hits}

    plain = found(None, None)
    assert plain["one"] == plain["two"]
    for own in ("near", None):
        scores = found(own, "far")
        assert list(scores) == ["one", "two"]
        assert scores["two"] < plain["two"]
        assert (scores["one"] > plain["one"]) == (own is not None)
    assert found("far", "near")["two"] > plain["two"]


def test_by_words_alone_descriptions_say_nothing() -> None:
    with_, without = engine_of(JOBS, HashEncoder()), engine_of(BARE, HashEncoder())

    def ranked(engine: JobSearch, query: str, mode: Mode) -> list[tuple[str, float, str]]:
        return [(hit.uri, hit.score, hit.matched_by) for hit in engine.search(query, 3, mode=mode)]

    for query in ("bread at night", "nurse"):
        assert ranked(with_, query, "words") == ranked(without, query, "words")
        for mode in ("meaning", "both"):
            assert ranked(with_, query, mode) != ranked(without, query, mode)


@pytest.mark.parametrize("mode", ["meaning", "both"])
def test_a_label_that_was_typed_comes_first_whatever_its_description_says(mode: Mode) -> None:
    """By its vector the typed label would come last, and a search for one hit would not meet it."""
    vectors = {"one": [1.0, 0, 0], "odd": [0, 1.0, 0], **{f"near {n}": [1.0, 0.001 * n, 0.1] for n in range(200)}}
    concepts = [occupation("z", "two", "one", about="odd"), *(occupation(f"{n:03d}", f"near {n}") for n in range(200))]
    engine = engine_of(Taxonomy.of(SOURCE, concepts), by_vector(vectors | {"two": [0, 1.0, 0], "ONE": [1.0, 0, 0]}))
    for query in ("one", "ONE"):
        for k in (1, 3):
            first, *others = engine.search(query, k, mode=mode)
            assert (first.label, first.matched_label, first.score, first.matched_by) == ("two", "one", 1.0, "exact")
            assert first.cosine == pytest.approx(1 / np.hypot(1, SENTENCE), abs=1e-6)
            assert len(others) == k - 1
            assert all(hit.matched_by != "exact" and hit.score < 1 for hit in others)
    without = engine.search("one", 3, where=Filter(excluded=[concepts[0].uri]), mode=mode)
    assert len(without) == 3
    assert all(hit.matched_by != "exact" for hit in without)


@pytest.mark.parametrize("name", ["flat", "pq", "compact"])
def test_what_was_typed_comes_first_in_any_type_of_index(tmp_path: Path, name: str) -> None:
    taxonomy = made_up(described=True)
    build_index(taxonomy, HashEncoder(), IndexDirectory(tmp_path / "jobs"), options=Options(name))
    engine = JobSearch.open(tmp_path / "jobs")
    truth = BruteForce(taxonomy, HashEncoder())
    labels = [label for _, label, _ in taxonomy.labels()][::29]
    for label, hits in zip(labels, engine.search_many([*labels, "bread"], 3, mode="meaning"), strict=False):
        assert (hits[0].score, hits[0].matched_by, hits[0].matched_label) == (1.0, "exact", label)
        rows = [row for row, (c, text, _) in enumerate(truth.rows) if (c.uri, text) == (hits[0].uri, label)]
        assert any(hits[0].cosine == pytest.approx(truth.cosines(label)[row], abs=1e-3) for row in rows)


def test_vectors_of_what_was_typed_are_read_once_a_batch() -> None:
    """Each reading is a question to the database where the vectors are in one."""
    engine = engine_of(made_up(described=True), HashEncoder())
    inner, reads = engine.opened.vectors, []

    class Embedded:
        def __getitem__(self, rows: Any) -> Embeddings:
            reads.append(rows)
            return inner.embeddings[rows]

    class Noticed:
        embeddings = Embedded()

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def __len__(self) -> int:
            return len(inner)

    typed = list(engine.opened.labels.texts)
    searcher = Searcher(replace(engine.opened, vectors=Noticed()))
    hits = searcher.search([*typed[:40], "bread"], 3, "all", Filter(), "meaning")
    assert sum(one.matched_by == "exact" for own in hits for one in own) >= 40
    assert len(reads) == 1
    searcher.search(["bread", "water"], 3, "all", Filter(), "meaning")
    assert len(reads) == 1


def test_what_is_named_comes_first_in_recommendations() -> None:
    vectors = {"one": [1.0, 0, 0], "odd": [0, 1.0, 0], "near": [1.0, 0, 0.1], "a": [0, 1.0, 1.0], "b": [0, 1.0, -1.0]}
    concepts = [occupation("1", "one", about="odd"), occupation("2", "near"), skill("a", "a"), skill("b", "b")]
    relations = [
        Relation(concepts[0].uri, concepts[2].uri, "essential"),
        Relation(concepts[1].uri, concepts[3].uri, "essential"),
    ]
    engine = engine_of(Taxonomy.of(SOURCE, concepts, relations=relations), by_vector(vectors))
    assert [hit.label for hit in engine.recommend_skills("one", 2)] == ["a", "b"]
    assert [hit.label for hit in engine.recommend_titles(["a"], 1)] == ["one"]


def test_titles_are_matched_with_descriptions_too() -> None:
    engine = engine_of(JOBS, HashEncoder())
    titles = ["bread at night", "Carer", "BREAD MAKER", "night baking", "mixing dough"]
    lines = Matcher(engine, k=3, kind="all").match(titles).lines()
    for place, title in enumerate(titles):
        hits = engine.search(title, 3, mode="meaning")
        rows = slice(3 * place, 3 * place + 3)
        assert lines.columns["match_uri"][rows] == [hit.uri for hit in hits]
        assert lines.columns["match_score"][rows] == pytest.approx([hit.score for hit in hits], abs=1e-4)
        assert lines.columns["match_confidence"][rows] == pytest.approx([hit.confidence for hit in hits], abs=1e-4)
    assert lines.columns["match_score"][6] == 1


# --- kept with the index -----------------------------------------------------------------------------------------


def test_an_index_has_them_and_answers_as_one_in_memory(tmp_path: Path) -> None:
    version = build_index(JOBS, HashEncoder(), IndexDirectory(tmp_path / "jobs"))
    assert told(version) == {BAKER.uri: "Bakers bake bread at night.", BAKING.uri: "Mixing dough and baking it"}
    made = version_of(JOBS, HashEncoder())
    assert np.array_equal(version.about.vectors, made.about.vectors)
    labels = [label for _, label, _ in JOBS.labels()]
    vectors = dict(zip(labels, version.vectors.embeddings, strict=True))
    one, other = HashEncoder().encode(["bread maker", "Bakers bake bread at night."])
    together = one + SENTENCE * other
    assert vectors["bread maker"] == pytest.approx(together / np.linalg.norm(together), abs=1e-6)
    assert vectors["carer"] == pytest.approx(HashEncoder().encode(["carer"])[0], abs=1e-6)


def test_what_was_described_is_had_back() -> None:
    """The sum of two unit vectors has one length at which the rest, without the other, is a unit vector."""
    random = np.random.default_rng(0)
    labels, sentences = (random.standard_normal((2000, 8)).astype(np.float32) for _ in range(2))
    labels[:5], labels[5:9] = sentences[:5], -sentences[5:9]
    labels, sentences = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (labels, sentences))
    vectors = described(labels, sentences)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2000), abs=1e-6)
    assert np.abs(undescribed(vectors, sentences) - labels).max() < 1e-5


def test_a_taxonomy_without_descriptions_has_an_empty_one(tmp_path: Path) -> None:
    encoder, seen = counting(HashEncoder())
    version = build_index(Taxonomy.of(SOURCE, [NURSE]), encoder, IndexDirectory(tmp_path / "jobs"))
    assert len(version.about) == 0
    assert version.about.places(np.array([0], np.int32)).tolist() == [-1]
    assert version.vectors.embeddings == pytest.approx(HashEncoder().encode(["nurse", "carer"]), abs=1e-6)
    assert "Bakers bake bread at night." not in seen


def test_edits_keep_them(tmp_path: Path) -> None:
    directory = IndexDirectory(tmp_path / "jobs")
    before = told(build_index(JOBS, HashEncoder(), directory))
    after = edit_index([Edit("add", BAKER.uri, "pâtissier"), Edit("remove", BAKER.uri, "baker")], directory)
    assert told(after) == before
    assert check_version(after) == 5
    added = edit_index([Edit("add", "urn:x:1", "growth hacker", "occupation")], directory)
    assert told(added) == before
    gone = edit_index([Edit("remove", BAKER.uri)], directory)
    assert told(gone) == {BAKING.uri: before[BAKING.uri]}


def test_a_rebuild_embeds_what_is_new_alone(tmp_path: Path) -> None:
    directory = IndexDirectory(tmp_path / "jobs")
    build_index(JOBS, HashEncoder(), directory)
    encoder, seen = counting(HashEncoder())
    told_anew = replace(BAKING, description="Kneading.")
    version = build_index(Taxonomy.of(SOURCE, [BAKER, NURSE, told_anew]), encoder, directory)
    assert told(version)[BAKING.uri] == "Kneading."
    assert (seen.count("Kneading."), seen.count("Bakers bake bread at night.")) == (1, 0)
    other, seen = counting(HashEncoder(salt="other"))
    version = build_index(JOBS, other, directory)
    assert np.allclose(version.about.vectors[0], other.encode(["Bakers bake bread at night."])[0])


def test_an_interrupted_build_keeps_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_SLICE", 20)
    taxonomy, directory = made_up(described=True), IndexDirectory(tmp_path / "jobs")
    sentences = set(sentences_about(taxonomy).values())
    assert len(sentences) > 40

    def encode(texts: Sequence[str]) -> Embeddings:
        if sentences.isdisjoint(texts):
            raise KeyboardInterrupt  # at the first labels
        return HashEncoder().encode(texts)

    with pytest.raises(KeyboardInterrupt):
        build_index(taxonomy, Wrapped(HashEncoder(), encode=encode), directory)
    encoder, seen = counting(HashEncoder())
    version = build_index(taxonomy, encoder, directory)
    assert sentences.isdisjoint(seen)
    check_version(version)
    assert not (tmp_path / "jobs" / "unfinished").exists()


# --- what must not pass ------------------------------------------------------------------------------------------


def moved(about: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return about | {"vectors": np.roll(about["vectors"], 1, axis=0)}


def test_sentences_that_are_not_embedded_as_they_should_be() -> None:
    version = version_of(JOBS, HashEncoder())
    counts = {"labels": len(version.labels), "concepts": version.labels.concepts()}
    version = replace(version, manifest=replace(version.manifest, counts=counts))
    assert check_version(version) == 5
    built = About.build(sentences_about(JOBS), version.labels, HashEncoder().encode)
    bare = version_of(
        Taxonomy.of(SOURCE, [replace(concept, description=None) for concept in JOBS.concepts]), HashEncoder()
    )
    # Labels without their sentences, and sentences that are not those of their texts.
    with pytest.raises(IndexingError, match="vector of label 'baker' is off by"):
        check_version(replace(version, vectors=bare.vectors))
    about = About(moved(built))
    embeddings = about.describe(bare.vectors.embeddings, version.labels.concept_of)
    vectors = Vectors.build(embeddings, find_type("flat", *embeddings.shape))
    with pytest.raises(IndexingError, match=r"vector of the description 'Bakers bake bread at night\.' is off by"):
        check_version(replace(version, about=about, vectors=vectors))


def unknown_concept(about: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return about | {"concept": about["concept"] + np.int32(2)}


def narrower(about: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return about | {"vectors": np.ascontiguousarray(about["vectors"][:, :-1])}


def disordered(about: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return about | {"concept": about["concept"][::-1].copy()}


def too_few(about: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return about | {"vectors": about["vectors"][:1].copy()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unknown_concept, "width 64 about concepts up to 4, expected width 64 and 3 concepts"),
        (narrower, "sentences of width 63 about"),
        (disordered, "cannot be read .*order"),
        (too_few, "cannot be read .*fit together"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whatever_its_checksum(
    tmp_path: Path, change: Callable[..., dict[str, np.ndarray]], message: str
) -> None:
    directory = IndexDirectory(tmp_path / "jobs")
    version = build_index(JOBS, HashEncoder(64), directory)
    built = About.build(sentences_about(JOBS), version.labels, HashEncoder(64).encode)
    path = directory.version_path("0001")
    (path / ABOUT).unlink()
    save_file(change(built), path / ABOUT)
    manifest = replace(Manifest.read(path, ""), files=describe_files(path))
    (path / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    with pytest.raises(IndexCorruptError, match=message):
        open_version(directory)


def test_concepts_of_several_languages_have_one(tmp_path: Path) -> None:
    german = Concept(BAKER.uri, "occupation", "Bäcker", (), "de", None, "Bäcker backen.")
    version = build_index(Taxonomy.of(SOURCE, [BAKER, german]), HashEncoder(), IndexDirectory(tmp_path / "jobs"))
    assert told(version) == {BAKER.uri: "Bakers bake bread at night."}
    encoder = HashEncoder()
    labels, sentence = encoder.encode(["baker", "bread maker", "Bäcker"]), encoder.encode([told(version)[BAKER.uri]])
    by_label = dict(zip(version.labels.texts, version.vectors.embeddings, strict=True))
    found = np.stack([by_label[label] for label in ("baker", "bread maker", "Bäcker")])
    assert found == pytest.approx(described(labels, np.repeat(sentence, 3, axis=0)), abs=1e-6)
