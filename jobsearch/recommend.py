"""Titles to skills and skills to titles: ESCO's relations where there are some, nearness of labels where not.

A title is first matched with occupations, each weighted by how near it is; what these need is recommended, essential
skills with weight 1, optional ones with less. Skills whose labels are near the title itself come in by their cosine.
Both are put together as if independent: 1 - (1 - relation)·(1 - share·cosine). `tests/benchmarks/recommend.py`
measures it on relations held out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import QueryError
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.hits import Recommendation
from jobsearch.searcher import Searcher
from jobsearch.taxonomy.model import Kind

# Concepts that a text is matched with, and how fast their weight falls with the cosine.
_MATCHES = 10
_TEMPERATURE = 0.05
_OPTIONAL = 0.5
# What a cosine of 1 counts against an essential relation of a certain match.
_SHARE = 0.5
# Concepts that are near by their labels, considered for each one wanted.
_NEAR = 4

# Score by concept, and the concepts it came by with their part of it.
_Related = dict[int, dict[int, float]]


def recommend_skills(searcher: Searcher, title: str, k: int, where: Filter) -> list[Recommendation]:
    """Recommend the skills that go with a title (see `JobSearch.recommend_skills`)."""
    searcher.check(k, "skill")
    vector = searcher.embed([title])
    related: _Related = defaultdict(dict)
    for occupation, weight in _matches(searcher, vector, "occupation"):
        for skill, strength in _needs(searcher, occupation):
            related[skill][occupation] = weight * strength
    return _merge(searcher, vector[0], related, "skill", k, where)


def recommend_titles(searcher: Searcher, skills: Sequence[str], k: int, where: Filter) -> list[Recommendation]:
    """Recommend the occupations that go with skills (see `JobSearch.recommend_titles`)."""
    searcher.check(k, "occupation")
    if isinstance(skills, str) or not skills:
        raise QueryError(f"skills is {skills!r}, expected a list of at least one skill, as texts or URIs")
    labels = searcher.opened.labels
    known = [labels.concept(skill) if isinstance(skill, str) else None for skill in skills]
    texts = [
        skill if number is None else labels.texts[labels.rows_of(number)[0]]
        for skill, number in zip(skills, known, strict=True)
    ]
    vectors = searcher.embed(texts)
    related: _Related = defaultdict(dict)
    for number, vector in zip(known, vectors, strict=True):
        matches = _matches(searcher, vector[None], "skill") if number is None else [(number, 1.0)]
        for skill, weight in matches:
            for occupation, strength in _needs(searcher, skill):
                part = weight * strength / len(texts)
                related[occupation][skill] = related[occupation].get(skill, 0.0) + part
    mean = vectors.mean(axis=0)
    return _merge(searcher, mean / np.linalg.norm(mean), related, "occupation", k, where)


def _matches(searcher: Searcher, vector: Embeddings, kind: Kind) -> list[tuple[int, float]]:
    """Return the concepts nearest to a vector (1, dim) that have relations, with weights that sum to 1."""
    if not searcher.opened.labels.concepts(kind) or not _MATCHES:
        return []
    found = searcher.nearest(vector, min(_MATCHES, searcher.opened.labels.concepts(kind)), kind, EVERYTHING)[0]
    cosines = np.array([score for score, _ in found])
    weights = np.exp((cosines - cosines.max(initial=-1)) / _TEMPERATURE)
    concepts = [int(searcher.opened.labels.concept_of[row]) for _, row in found]
    return list(zip(concepts, (weights / weights.sum()).tolist(), strict=True))


def _needs(searcher: Searcher, concept: int) -> Iterable[tuple[int, float]]:
    others, essential = searcher.opened.labels.related(concept)
    return zip(others.tolist(), np.where(essential, 1.0, _OPTIONAL).tolist(), strict=True)


def _merge(
    searcher: Searcher,
    vector: Embeddings,
    related: Mapping[int, Mapping[int, float]],
    kind: Kind,
    k: int,
    where: Filter,
) -> list[Recommendation]:
    """Put relations and nearness together and return the k best concepts of that kind that the filter leaves."""
    labels = searcher.opened.labels
    near = searcher.nearest(vector[None], min(_NEAR * k, labels.concepts(kind)), kind, where)[0]
    cosines = {int(labels.concept_of[row]): score for score, row in near}
    allowed = searcher.rows(kind, where)
    linked = [number for number in related if allowed.have(np.arange(*labels.rows_of(number))).any()]
    rest = [number for number in linked if number not in cosines]
    cosines.update(zip(rest, searcher.cosines(rest, vector), strict=True))
    scores = {
        number: 1 - (1 - sum(related.get(number, {}).values())) * (1 - _SHARE * max(0.0, cosine))
        for number, cosine in cosines.items()
    }
    kept = [number for number, score in scores.items() if score >= where.least]
    kept.sort(key=lambda number: (-scores[number], number))
    near_numbers = {int(labels.concept_of[row]) for _, row in near}
    return [
        _recommendation(searcher, rank, number, scores[number], related.get(number, {}), number in near_numbers, where)
        for rank, number in enumerate(kept[:k], start=1)
    ]


def _recommendation(
    searcher: Searcher,
    rank: int,
    concept: int,
    score: float,
    by: Mapping[int, float],
    near: bool,
    where: Filter,
) -> Recommendation:
    labels = searcher.opened.labels
    language = where.language or "en"
    strongest = sorted(by, key=lambda number: (-by[number], number))
    return Recommendation(
        rank=rank,
        score=score,
        uri=labels.uris[concept],
        kind=labels.kind_of(concept),
        label=labels.texts[labels.preferred_row(concept, language)],
        source=("both" if near else "relation") if by else "vector",
        via=tuple(labels.texts[labels.preferred_row(number, language)] for number in strongest),
    )
