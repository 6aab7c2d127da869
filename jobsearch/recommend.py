"""Titles to skills and skills to titles: ESCO's relations where there are some, nearness of labels where not.

A title is matched with the nearest occupations, and what these need is recommended: the mean over them, the nearer
ones counting more. Skills are matched with the nearest skills, themselves first, since what nearly the same skill is
needed for is a hint too; an occupation scores by the best match of each skill asked with, rare skills counting more.
Nearness of the labels themselves comes in by its cosine, as if independent: 1 - (1 - relation)·(1 - share·cosine).
Constants were chosen on held-out relations: `tests/benchmarks/recommend.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import QueryError
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.hits import Recommendation
from jobsearch.searcher import Searcher, clean_query
from jobsearch.taxonomy.model import Kind

# Occupations that a title is matched with, and how fast their weight falls with the cosine.
_OCCUPATIONS = 10
_OCCUPATION_TEMPERATURE = 0.3
# The same for skills.
_SKILLS = 100
_SKILL_TEMPERATURE = 0.4
_OPTIONAL = 0.5
# Added to the rarity, so that a skill that every occupation needs still counts.
_COMMON = 0.1
# What a cosine of 1 counts against a certain relation, for skills and for titles.
_SKILL_SHARE = 0.5
_TITLE_SHARE = 1.0
# Concepts that are near by their labels, considered for each one wanted.
_NEAR = 4

# What is asked for in these words is a URI, no text.
_URI_BEGINNINGS = ("http://", "https://", "urn:")

# Score by concept, and the concepts it came by with their part of it.
_Related = dict[int, dict[int, float]]


def recommend_skills(searcher: Searcher, title: str, k: int, where: Filter) -> list[Recommendation]:
    """Recommend the skills that go with a title (see `JobSearch.recommend_skills`)."""
    searcher.check(k, "skill")
    number, text = _named(
        searcher, title, "occupation", "title is the skill {}, expected an occupation, as text or URI"
    )
    vector = searcher.embed([text])
    related: _Related = defaultdict(dict)
    matches = _matches(searcher, text, vector, "occupation", _OCCUPATIONS, _OCCUPATION_TEMPERATURE)
    if number is not None:
        matches[number] = 1.0
    total = sum(matches.values())
    for occupation, weight in matches.items():
        for skill, strength in _needs(searcher, occupation):
            related[skill][occupation] = strength * weight / total
    return _merge(searcher, vector[0], related, "skill", _SKILL_SHARE, k, where)


def recommend_titles(searcher: Searcher, skills: Sequence[str], k: int, where: Filter) -> list[Recommendation]:
    """Recommend the occupations that go with skills (see `JobSearch.recommend_titles`)."""
    searcher.check(k, "occupation")
    skills = skills if isinstance(skills, Sequence) else list(skills)
    if isinstance(skills, str) or not skills:
        raise QueryError(f"skills is {skills!r}, expected a list of at least one skill, as texts or URIs")
    another = "skills holds the occupation {}, expected skills, as texts or URIs"
    named = [_named(searcher, skill, "skill", another) for skill in skills]
    vectors = searcher.embed([text for _, text in named])
    found = []
    for (number, text), vector in zip(named, vectors, strict=True):
        matches = _matches(searcher, text, vector[None], "skill", _SKILLS, _SKILL_TEMPERATURE)
        found.append(matches if number is None else {**matches, number: 1.0})
    rarities = [_rarity(searcher, matches) for matches in found]
    related: _Related = defaultdict(dict)
    for matches, rarity in zip(found, rarities, strict=True):
        best: dict[int, tuple[float, int]] = {}
        for skill, weight in matches.items():
            for occupation, strength in _needs(searcher, skill):
                best[occupation] = max(best.get(occupation, (0.0, 0)), (weight * strength, skill))
        for occupation, (part, skill) in best.items():
            by = related[occupation]
            by[skill] = by.get(skill, 0.0) + part * rarity / sum(rarities)
    mean = vectors.mean(axis=0)
    return _merge(searcher, mean / np.linalg.norm(mean), related, "occupation", _TITLE_SHARE, k, where)


def _named(searcher: Searcher, asked: Any, kind: Kind, another: str) -> tuple[int | None, str]:
    """Return the concept that a URI names, None for words, and the text to look for.

    Args:
        searcher: the index.
        asked: a text or a URI.
        kind: of what may be named.
        another: what to say of a concept of the other kind, with `{}` for its URI.
    """
    labels = searcher.opened.labels
    if not isinstance(asked, str):  # which embedding refuses
        return None, asked
    number = labels.concept(asked)
    if number is None:
        if asked.startswith(_URI_BEGINNINGS):
            raise QueryError(f"index {searcher.opened.name!r} holds no {kind} {asked!r}; take a URI from a hit")
        return None, asked
    if labels.kind_of(number) != kind:
        raise QueryError(another.format(repr(asked)))
    return number, labels.texts[labels.rows_of(number)[0]]


def _matches(
    searcher: Searcher, text: str, vector: Embeddings, kind: Kind, most: int, temperature: float
) -> dict[int, float]:
    """Return the concepts nearest to a text and its vector (1, dim), each with a weight: 1 for its own, falling."""
    labels = searcher.opened.labels
    most = min(most, labels.concepts(kind))
    if not most:
        return {}
    found = searcher.nearest(vector, most, kind, EVERYTHING, [clean_query(text)])[0]
    return {int(labels.concept_of[row]): math.exp((min(score, 1.0) - 1) / temperature) for score, row in found}


def _rarity(searcher: Searcher, matches: Mapping[int, float]) -> float:
    """Return how telling a skill is, by how many occupations need its best match (inverse document frequency)."""
    labels = searcher.opened.labels
    if not matches:
        return 1.0
    needed = len(labels.related(max(matches, key=lambda number: (matches[number], -number)))[0])
    return math.log((labels.linked_occupations + 1) / (needed + 1)) + _COMMON


def _needs(searcher: Searcher, concept: int) -> Iterable[tuple[int, float]]:
    others, essential = searcher.opened.labels.related(concept)
    return zip(others.tolist(), np.where(essential, 1.0, _OPTIONAL).tolist(), strict=True)


def _merge(
    searcher: Searcher,
    vector: Embeddings,
    related: Mapping[int, Mapping[int, float]],
    kind: Kind,
    share: float,
    k: int,
    where: Filter,
) -> list[Recommendation]:
    """Put relations and nearness together and return the k best concepts of that kind that the filter leaves."""
    labels = searcher.opened.labels
    least, where = where.least, replace(where, min_score=None)  # it is about the score below, not the cosine
    near = searcher.nearest(vector[None], min(_NEAR * k, labels.concepts(kind)), kind, where)[0]
    cosines = {int(labels.concept_of[row]): score for score, row in near}
    near_numbers = frozenset(cosines)
    allowed = searcher.rows(kind, where)
    linked = [number for number in related if allowed.have(np.arange(*labels.rows_of(number))).any()]
    rest = [number for number in linked if number not in cosines]
    cosines.update(zip(rest, searcher.cosines(rest, vector), strict=True))
    scores = {
        number: 1 - (1 - sum(related.get(number, {}).values())) * (1 - share * min(1.0, max(0.0, cosine)))
        for number, cosine in cosines.items()
    }
    kept = [number for number, score in scores.items() if score >= least]
    kept.sort(key=lambda number: (-scores[number], number))
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
