"""Engines over versions in memory, and what they must agree with: cosines of all labels, folded into concepts."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.library import open_encoder
from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.engine import JobSearch
from jobsearch.filters import Filter
from jobsearch.hits import Hit, KindFilter
from jobsearch.hubness import hubness
from jobsearch.index import reader
from jobsearch.index.about import SENTENCE, About
from jobsearch.index.coded import CodedTitles
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.manifest import Manifest
from jobsearch.index.reader import IndexVersion
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.fusion import Mode
from jobsearch.lexical.words import Words
from jobsearch.taxonomy.about import sentences_about
from jobsearch.taxonomy.model import Concept, Source, Taxonomy

ESCO = "http://data.europa.eu/esco/"
SOURCE = Source("t", "1", "here")

WORDS = [
    *("sales", "software", "night", "bread", "train", "steel", "data", "water"),
    *("team", "office", "nurse", "crane", "law", "garden", "school"),
]
ROLES = ["manager", "engineer", "driver", "baker", "clerk", "operator", "assistant", "teacher", "planner", "inspector"]
ISCO = [None, "2511", "2512", "2521", "1120", "7512"]


def occupation(
    name: str, *labels: str, language: str = "en", isco: str | None = None, about: str | None = None
) -> Concept:
    return Concept(f"{ESCO}occupation/{name}", "occupation", labels[0], labels[1:], language, isco, about)


def skill(name: str, *labels: str, language: str = "en", about: str | None = None) -> Concept:
    return Concept(f"{ESCO}skill/{name}", "skill", labels[0], labels[1:], language, description=about)


def made_up(
    seed: int = 0, crowd: int = 0, occupations: int = 180, skills: int = 90, described: bool = False
) -> Taxonomy:
    """Return occupations and skills with 1 to 6 labels, a third of them in German too; occupations in ISCO groups.

    With `described`, four in five have a description, some of those that are in German too only there. With
    `crowd`, one more occupation has that many labels, all near "sales manager".
    """
    random = np.random.default_rng(seed)

    def labels() -> tuple[str, ...]:
        picked = [
            f"{WORDS[random.integers(len(WORDS))]} {WORDS[random.integers(len(WORDS))]} {ROLES[random.integers(10)]}"
            for _ in range(random.integers(1, 7))
        ]
        return tuple(dict.fromkeys(picked))

    concepts = []
    for number in range(occupations + skills):
        name = f"{number:03d}"
        for language in ("en", "de") if number % 3 == 0 else ("en",):
            own = labels() if language == "en" else tuple(f"{label}in" for label in labels())
            tell = described and number % 5 and (language == "de" or number % 6)
            about = f"{WORDS[number * 7 % 15]} {ROLES[number * 3 % 10]}s of kind {number}. And more." if tell else None
            if number < occupations:
                concepts.append(occupation(name, *own, language=language, isco=ISCO[number % len(ISCO)], about=about))
            else:
                concepts.append(skill(name, *own, language=language, about=about))
    if crowd:
        concepts.append(occupation("crowd", *(f"sales manager {number}" for number in range(crowd))))
    return Taxonomy.of(SOURCE, concepts)


def manifest_of(dim: int, search: Mapping[str, int] | None = None, recall: float = 1.0) -> Manifest:
    """Return a manifest for a version in memory; what such a version does not have is left empty."""
    return Manifest(
        name="t",
        created="",
        encoder={},
        dim=dim,
        metric="inner_product",
        index_type="",
        factory="",
        search=search or {},
        recall={"recall@10": recall, "queries": 1},
        counts={},
        taxonomy={},
        edits=0,
        gate=None,
        made_with={},
        files={},
    )


def version_of(
    taxonomy: Taxonomy,
    encoder: Encoder,
    index_type: str = "flat",
    search: Mapping[str, int] | None = None,
    coded: CodedTitles | None = None,
) -> IndexVersion:
    """Return a version that is in memory only."""
    alone = encoder.encode([label for _, label, _ in taxonomy.labels()])
    words = Words(Words.build([label for _, label, _ in taxonomy.labels()]))
    columns = pack_labels(taxonomy, coded)
    table = LabelTable(columns)
    columns["label_hubness"] = hubness(alone, table.concept_of, table.preferred, table.groups)
    labels = LabelTable(columns)
    about = About(About.build(sentences_about(taxonomy), labels, encoder.encode))
    embeddings = about.describe(alone, labels.concept_of)
    vectors = Vectors.build(embeddings, find_type(index_type, *embeddings.shape)).with_settings(search or {})
    return IndexVersion("t", "0001", manifest_of(encoder.dim, search), vectors, labels, encoder, words, about)


def table_of(labels: Sequence[str], encoder: Encoder) -> tuple[LabelTable, About]:
    """Return a table of concepts of one label each, in this order, and that nothing is said about them."""
    table = LabelTable(pack_labels(Taxonomy.of(SOURCE, [skill(f"{n:05d}", label) for n, label in enumerate(labels)])))
    return table, About(About.build({}, table, encoder.encode))


class ByMeaning(JobSearch):
    """An engine that finds by meaning unless told otherwise: its scores are cosines."""

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        kind: KindFilter = "all",
        where: Filter | None = None,
        mode: Mode = "meaning",
    ) -> list[list[Hit]]:
        return super().search_many(queries, k, kind, where, mode)

    def search(
        self, query: str, k: int = 10, kind: KindFilter = "all", where: Filter | None = None, mode: Mode = "meaning"
    ) -> list[Hit]:
        return super().search(query, k, kind, where, mode)


def engine_of(
    taxonomy: Taxonomy,
    encoder: Encoder,
    index_type: str = "flat",
    search: Mapping[str, int] | None = None,
    coded: CodedTitles | None = None,
) -> ByMeaning:
    """Return an engine, by meaning, over a version that is in memory only."""
    return ByMeaning(IndexDirectory(Path("/nowhere/t")), version_of(taxonomy, encoder, index_type, search, coded))


def by_vector(vectors: Mapping[str, Sequence[float]]) -> Wrapped:
    """Return an encoder that knows these texts, with these vectors, which it makes unit ones."""

    dim = len(next(iter(vectors.values())))

    def encode(texts: Sequence[str]) -> Embeddings:
        found = np.array([vectors[text] for text in texts], np.float64).reshape(len(texts), dim)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    return Wrapped(HashEncoder(dim=dim), encode=encode)


@contextlib.contextmanager
def opening_hash_encoders() -> Iterator[None]:
    """Let versions be opened that carry a hash encoder; others are opened as ever."""

    def open_any(path: Path, *, verify: bool) -> Encoder:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        if config["architecture"] == HashEncoder.name:
            return HashEncoder.open(path)
        return open_encoder(path, verify=verify)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "open_encoder", open_any)
        yield


def of_kind(kind: str) -> Callable[[Concept], bool]:
    return lambda concept: kind in ("all", concept.kind)


class BruteForce:
    """Cosines of all labels in float64, folded into concepts: what the engine must agree with.

    A label's vector is that of the label and, where its concept has a description, of its first sentence with it, in
    English if it is said in English. A label that was typed has 1.
    """

    def __init__(self, taxonomy: Taxonomy, encoder: Encoder) -> None:
        self.rows = list(taxonomy.labels())
        self.encoder = encoder
        vectors = encoder.encode([label for _, label, _ in self.rows]).astype(np.float64)
        told: dict[str, str] = {}
        for concept in sorted(taxonomy.concepts, key=lambda concept: concept.language != "en"):
            if concept.description:
                told.setdefault(concept.uri, concept.description.split(". ")[0] + ".")
        rows = [row for row, (concept, _, _) in enumerate(self.rows) if concept.uri in told]
        if rows:
            vectors[rows] += SENTENCE * encoder.encode([told[self.rows[row][0].uri] for row in rows])
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self._scores: dict[str, list[float]] = {}

    def cosines(self, query: str) -> list[float]:
        """Return the cosine of each row's vector with the query."""
        return (self.vectors @ self.encoder.encode([query])[0].astype(np.float64)).tolist()

    def labels(self, query: str) -> list[float]:
        """Return the score of each row's label: its cosine, or 1."""
        if query not in self._scores:
            self._scores[query] = [
                1.0 if label.casefold() == query.casefold() else cosine
                for (_, label, _), cosine in zip(self.rows, self.cosines(query), strict=True)
            ]
        return self._scores[query]

    def concepts(self, query: str, keep: Callable[[Concept], bool]) -> dict[str, float]:
        """Return the best cosine of each concept, over those of its records that are kept."""
        best: dict[str, float] = {}
        for (concept, _, _), score in zip(self.rows, self.labels(query), strict=True):
            if keep(concept):
                best[concept.uri] = max(score, best.get(concept.uri, -2.0))
        return best

    def check(
        self, hits: Sequence[Hit], query: str, k: int, kind: str, keep: Callable[[Concept], bool] | None = None
    ) -> None:
        """Compare hits by value: exactly the k best scores, each concept's own, each label's own."""
        keep = keep or of_kind(kind)
        best = self.concepts(query, keep)
        scores = [hit.score for hit in hits]
        assert len(hits) == k
        assert scores == pytest.approx(sorted(best.values(), reverse=True)[:k], abs=1e-5)
        for hit in hits:
            assert hit.score == pytest.approx(best[hit.uri], abs=1e-5)
        self.check_each(hits, query, keep)

    def check_each(self, hits: Sequence[Hit], query: str, keep: Callable[[Concept], bool]) -> None:
        """Check all but that these are the best: ranks, order, and that each score is the true one of its label."""
        best = self.concepts(query, keep)
        scores = [hit.score for hit in hits]
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert len({hit.uri for hit in hits}) == len(hits)
        assert all(after <= before + 1e-5 for before, after in itertools.pairwise(scores))
        of_label = {
            (c.uri, c.language, label): score
            for (c, label, _), score in zip(self.rows, self.labels(query), strict=True)
        }
        records = {(c.uri, c.language): c for c, _, _ in self.rows}
        for hit in hits:
            record = records[hit.uri, hit.language]
            assert keep(record)
            assert hit.score <= best[hit.uri] + 1e-5
            assert hit.score == pytest.approx(of_label[hit.uri, hit.language, hit.matched_label], abs=1e-5)
            assert (hit.label, hit.kind) == (record.preferred_label, record.kind)


def unit_vectors(count: int, dim: int, seed: int = 0) -> Embeddings:
    """Return random unit vectors; near ones are far apart, so an approximate index has a hard time."""
    vectors = np.random.default_rng(seed).standard_normal((count, dim), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def numbered(vectors: Embeddings) -> Wrapped:
    """Return an encoder of numbers: the text "17" has the vector of row 17."""
    encoder = HashEncoder(vectors.shape[1])
    return Wrapped(encoder, encode=lambda texts: vectors[[int(text) for text in texts]])
