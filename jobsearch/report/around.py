"""What lies around a query among a taxonomy's occupations, for the base and for the tuned encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from jobsearch.comparison import Move
from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.text import apply_case
from jobsearch.errors import EvaluationError, QueryError
from jobsearch.evaluation.embedding import embed
from jobsearch.progress import Progress, silent
from jobsearch.report.neighbourhood import Neighbours
from jobsearch.taxonomy.model import Taxonomy

DEFAULT_QUERIES = ("data scientist", "care assistant")
MOST_QUERIES = 10
FIRST = 10
_LEAST_OCCUPATIONS = 3
_ON_MAP = 15


@dataclass(frozen=True, eq=False)
class Around:
    """A query's surroundings.

    Args:
        query: what was asked.
        k: how many nearest are looked at.
        moves: concepts that are among the k nearest on either side, with their ranks among all, the tuned side's order.
        neighbours: the same for the map; the query's own label is left out.
    """

    query: str
    k: int
    moves: tuple[Move, ...]
    neighbours: Neighbours = field(repr=False)


def check_queries(queries: Sequence[str]) -> None:
    """Refuse queries that cannot be asked.

    Raises:
        QueryError: one is empty, or there are too many for one report.
    """
    if len(queries) > MOST_QUERIES:
        raise QueryError(f"{len(queries)} queries, expected at most {MOST_QUERIES}: each is two pictures")
    if not all(query.strip() for query in queries):
        raise QueryError("a query is empty; expected a job title")


def look_around(
    base: Encoder, tuned: Encoder, taxonomy: Taxonomy, queries: Sequence[str], progress: Progress = silent
) -> list[Around]:
    """Rank the occupations, by their preferred labels, for each query and both encoders.

    Args:
        base, tuned: before and after.
        taxonomy: whose occupations, in the first language that each is known in.
        queries: what to ask.
        progress: told of the labels that are encoded.

    Raises:
        EvaluationError: the taxonomy has hardly any occupations, or an embedding is not finite.
    """
    labels: dict[str, str] = {}
    for concept in taxonomy.concepts:
        if concept.kind == "occupation":
            labels.setdefault(concept.uri, concept.preferred_label)
    if len(labels) < _LEAST_OCCUPATIONS:
        raise EvaluationError(
            f"taxonomy {taxonomy.source.name!r} has {len(labels)} occupations, expected at least {_LEAST_OCCUPATIONS} "
            "to draw a neighbourhood; name another with --taxonomy"
        )
    uris, names = list(labels), list(labels.values())
    texts = [*names, *queries]
    vectors = [
        embed(encoder, texts, f"encoding with {side}", progress) for encoder, side in ((base, "base"), (tuned, "tuned"))
    ]
    return [
        _around(
            query,
            uris,
            names,
            [side[: len(names)] for side in vectors],
            [side[len(names) + n] for side in vectors],
            base,
        )
        for n, query in enumerate(queries)
    ]


def _around(
    query: str,
    uris: Sequence[str],
    names: Sequence[str],
    corpus: Sequence[Embeddings],
    asked: Sequence[npt.NDArray[np.float32]],
    base: Encoder,
) -> Around:
    orders = [np.argsort(-(labels @ vector), kind="stable") for labels, vector in zip(corpus, asked, strict=True)]
    ranks = [np.empty(len(names), np.int64) for _ in orders]
    for rank, order in zip(ranks, orders, strict=True):
        rank[order] = np.arange(1, len(names) + 1)
    k = min(FIRST, len(names))
    listed = [row for row in orders[1] if min(rank[row] for rank in ranks) <= k]
    moves = tuple(Move(uris[row], names[row], int(ranks[0][row]), int(ranks[1][row])) for row in listed)
    itself = apply_case(query.strip(), base.case)
    others = [[int(row) for row in order if apply_case(names[row], base.case) != itself] for order in orders]
    near = _most_near(others)
    rows = [row for row in others[1] if row in near]
    return Around(
        query,
        k,
        moves,
        Neighbours(
            query,
            tuple(names[row] for row in rows),
            tuple(near[row] for row in rows),
            *(np.concatenate([vector[None], labels[rows]]) for labels, vector in zip(corpus, asked, strict=True)),
        ),
    )


def _most_near(orders: Sequence[Sequence[int]]) -> dict[int, str]:
    """Return on whose side each is near: as many of the nearest of both sides as a map has room for."""
    for depth in range(_ON_MAP, 0, -1):
        base, tuned = (set(order[:depth]) for order in orders)
        if len(base | tuned) <= _ON_MAP:
            break
    return {row: "both" if row in base & tuned else "base" if row in base else "tuned" for row in base | tuned}
