"""Retrieval sets from the taxonomy itself: labels of concepts that training never saw, to be found again.

A held-out concept's alternative label is the query, and its other labels are in the corpus: the question is whether
the encoder knows that two names mean one job. Draws depend on seed, concept and label alone, so the same taxonomy
and split give the same set, and a grown taxonomy nearly the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from jobsearch.errors import EvaluationError
from jobsearch.evaluation.retrieval import Indices, RetrievalSet
from jobsearch.evaluation.retrieval_files import about_concepts, number_labels, priors_of
from jobsearch.taxonomy.model import Concept, Kind, Taxonomy
from jobsearch.taxonomy.split import Split, folded


def held_out(
    taxonomy: Taxonomy,
    split: Split,
    *,
    kind: Kind = "occupation",
    language: str | None = None,
    per_concept: int = 2,
    limit: int | None = None,
    among: int | None = None,
    seed: int = 0,
    beside: bool = False,
) -> RetrievalSet:
    """Make a set of held-out concepts: their alternative labels as queries, all other labels as corpus.

    Query strings are taken out of the corpus, whichever concept has them, case folded. A label that is some concept's
    preferred one is no query, so every concept can still be found. A label of several concepts is right with each.

    Args:
        taxonomy: concepts and labels.
        split: which concepts are held out (`split_concepts`).
        kind: of the concepts to ask for and to rank.
        language: of queries and labels; default: all languages, mixed.
        per_concept: queries of one concept at most.
        limit: queries in all at most, drawn; default: all.
        among: rank this many concepts, the ones asked for and others, drawn; faster, easier, and so only comparable
            with the same number; default: all.
        seed: another seed draws other labels.
        beside: tell what an index has beside labels: what concepts are about, and how likely they are to be meant.

    Raises:
        EvaluationError: fewer than 2 held-out concepts have alternative labels.
    """
    records = [c for c in taxonomy.concepts if c.kind == kind and language in (None, c.language)]
    preferred = folded(record.preferred_label for record in records)
    asked = _first(_draw_queries(records, split, preferred, per_concept, seed), limit, seed)
    if among is not None:
        records = _draw_concepts(records, asked, among, seed)
    number, corpus, concept_of, language_of = number_labels(records)
    kept = np.array([label.casefold() not in asked for label in corpus], bool)
    made = _make(
        f"{taxonomy.source.name} held-out {kind}s{f', {language}' if language else ''}",
        asked,
        _owners(records, number),
        tuple(label for label, keep in zip(corpus, kept, strict=True) if keep),
        concept_of[kept],
        language_of[kept],
    )
    return _with_beside(made, number, taxonomy) if beside else made


def held_out_cross_lingual(
    taxonomy: Taxonomy,
    split: Split,
    source: str,
    target: str,
    *,
    kind: Kind = "occupation",
    per_concept: int = 2,
    limit: int | None = None,
    seed: int = 0,
    beside: bool = False,
) -> RetrievalSet:
    """Make a set of held-out concepts across languages: queries in one, all labels in another.

    Labels that are spelled alike in both languages need no translation and are no queries.

    Args:
        taxonomy: with both languages.
        split: which concepts are held out.
        source: language of the queries, preferred labels included.
        target: language of the corpus; only concepts that have it are asked for.
        kind: as in `held_out`.
        per_concept: as in `held_out`.
        limit: as in `held_out`.
        seed: as in `held_out`.
        beside: as in `held_out`.

    Raises:
        EvaluationError: the languages are one or not both there, or fewer than 2 queries are left.
    """
    if source == target or source not in taxonomy.languages or target not in taxonomy.languages:
        raise EvaluationError(
            f"cross-lingual evaluation from {source!r} to {target!r}: expected two languages of taxonomy "
            f"{taxonomy.source.name!r}, which has {', '.join(taxonomy.languages)}"
        )
    targets = [c for c in taxonomy.concepts if c.kind == kind and c.language == target]
    number, corpus, concept_of, language_of = number_labels(targets)
    sources = [c for c in taxonomy.concepts if c.kind == kind and c.language == source and c.uri in number]
    asked = _first(_draw_queries(sources, split, folded(corpus), per_concept, seed), limit, seed)
    name = f"{taxonomy.source.name} held-out {kind}s, {source} to {target}"
    made = _make(name, asked, _owners(sources, number), corpus, concept_of, language_of)
    return _with_beside(made, number, taxonomy) if beside else made


def _draw_queries(
    records: Iterable[Concept], split: Split, excluded: set[str], per_concept: int, seed: int
) -> dict[str, str]:
    """Return the queries, as written, by their case-folded string."""
    candidates: dict[str, dict[str, str]] = {}
    for record in records:
        if record.uri in split.validation:
            own = candidates.setdefault(record.uri, {})
            for label in record.labels:
                if label.casefold() not in excluded:
                    own.setdefault(label.casefold(), label)
    asked: dict[str, str] = {}
    for uri, labels in candidates.items():
        for text in sorted(labels, key=lambda text: _order(seed, f"{uri}\n{text}"))[:per_concept]:
            asked.setdefault(text, labels[text])
    return asked


def _first(asked: dict[str, str], limit: int | None, seed: int) -> dict[str, str]:
    if limit is None or len(asked) <= limit:
        return asked
    chosen = set(sorted(asked, key=lambda text: _order(seed, text))[:limit])
    return {text: label for text, label in asked.items() if text in chosen}


def _draw_concepts(records: list[Concept], asked: Mapping[str, str], count: int, seed: int) -> list[Concept]:
    """Return the records of the concepts that are asked for, and of others up to `count` concepts in all."""
    needed = {record.uri for record in records if not asked.keys().isdisjoint(folded(record.labels))}
    others = sorted({record.uri for record in records} - needed, key=lambda uri: _order(seed, uri))
    chosen = needed.union(others[: max(0, count - len(needed))])
    return [record for record in records if record.uri in chosen]


def _owners(records: Iterable[Concept], number: Mapping[str, int]) -> dict[str, set[int]]:
    owners: dict[str, set[int]] = {}
    for record in records:
        for text in folded(record.labels):
            owners.setdefault(text, set()).add(number[record.uri])
    return owners


def _make(
    name: str,
    asked: Mapping[str, str],
    owners: Mapping[str, set[int]],
    corpus: tuple[str, ...],
    concept_of: Indices,
    language_of: Indices,
) -> RetrievalSet:
    if len(asked) < 2:
        raise EvaluationError(
            f"set {name!r} has {len(asked)} queries, expected at least 2: too few held-out concepts have another label"
        )
    return RetrievalSet(
        name=name,
        queries=tuple(asked.values()),
        corpus=corpus,
        relevant=tuple(np.array(sorted(owners[text]), np.int64) for text in asked),
        concept_of=concept_of,
        language_of=language_of,
    )


def _with_beside(made: RetrievalSet, uris: Iterable[str], taxonomy: Taxonomy) -> RetrievalSet:
    return replace(made, about=about_concepts(uris, taxonomy), priors=priors_of(uris))


def _order(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()
