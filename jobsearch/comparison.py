"""Before and after tuning: one query's hits side by side, many queries in sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jobsearch.engine import JobSearch
from jobsearch.hits import Hit, KindFilter

Movement = Literal["entered", "dropped", "up", "down", "same"]
MOVEMENTS: tuple[Movement, ...] = ("entered", "dropped", "up", "down", "same")


@dataclass(frozen=True, slots=True)
class Move:
    """A concept's rank before and after.

    Args:
        uri: the concept.
        label: its preferred label.
        base_rank: rank among the base's hits, 1 for the best; None if it is not among them.
        tuned_rank: the same for the tuned encoder.
    """

    uri: str
    label: str
    base_rank: int | None
    tuned_rank: int | None

    @property
    def movement(self) -> Movement:
        """What happened to it."""
        if self.base_rank is None:
            return "entered"
        if self.tuned_rank is None:
            return "dropped"
        if self.tuned_rank == self.base_rank:
            return "same"
        return "up" if self.tuned_rank < self.base_rank else "down"

    def to_dict(self) -> dict[str, Any]:
        """Return the move as plain values."""
        return {
            "uri": self.uri,
            "label": self.label,
            "base_rank": self.base_rank,
            "tuned_rank": self.tuned_rank,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """One query before and after tuning.

    Args:
        query: what was asked.
        base, tuned: the hits on either side.
        moves: every concept on either side: the tuned side's in order, then the dropped ones in the base's order.
    """

    query: str
    base: tuple[Hit, ...]
    tuned: tuple[Hit, ...]
    moves: tuple[Move, ...]

    @property
    def overlap(self) -> float:
        """Share of the base's hits that the tuned encoder has too, 0 to 1."""
        shared = sum(move.base_rank is not None and move.tuned_rank is not None for move in self.moves)
        return shared / max(1, len(self.base))


@dataclass(frozen=True, slots=True)
class Summary:
    """Many queries before and after tuning.

    Args:
        queries: how many.
        k: hits on either side.
        overlap: mean share of the base's hits that stayed, 0 to 1.
        movements: how many concepts entered, dropped, went up, down, stayed.
        changed_first: queries whose best hit is another one now.
        expected: queries of which the right concept was given.
        found_base, found_tuned: of these, how many had it among their k hits.
        won, lost: (query, rank before, rank after) of those whose right concept rose or fell, biggest change first;
            a rank is None where it is not among the k hits.
    """

    queries: int
    k: int
    overlap: float
    movements: Mapping[str, int]
    changed_first: int
    expected: int
    found_base: int
    found_tuned: int
    won: tuple[tuple[str, int | None, int | None], ...]
    lost: tuple[tuple[str, int | None, int | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "queries": self.queries,
            "k": self.k,
            f"overlap@{self.k}": self.overlap,
            "movements": dict(self.movements),
            "changed_first": self.changed_first,
            "expected": self.expected,
            "found_base": self.found_base,
            "found_tuned": self.found_tuned,
            "won": [dict(zip(("query", "base_rank", "tuned_rank"), row, strict=True)) for row in self.won],
            "lost": [dict(zip(("query", "base_rank", "tuned_rank"), row, strict=True)) for row in self.lost],
        }


def compare(
    base: JobSearch, tuned: JobSearch, queries: Sequence[str], k: int = 10, kind: KindFilter = "all"
) -> list[Comparison]:
    """Ask both engines the same queries.

    Args:
        base: engine before tuning.
        tuned: engine after tuning, over the same concepts.
        queries: job titles or skills.
        k: hits on either side.
        kind: as in `JobSearch.search`.

    Raises:
        QueryError: a query is empty, or k or kind cannot be.
    """
    before, after = base.search_many(queries, k, kind), tuned.search_many(queries, k, kind)
    return [compare_hits(query, *hits) for query, hits in zip(queries, zip(before, after, strict=True), strict=True)]


def compare_hits(query: str, base: Sequence[Hit], tuned: Sequence[Hit]) -> Comparison:
    """Put two lists of hits for one query side by side."""
    before = {hit.uri: hit for hit in base}
    after = {hit.uri: hit for hit in tuned}
    moves = [
        Move(hit.uri, hit.label, before[hit.uri].rank if hit.uri in before else None, hit.rank) for hit in tuned
    ] + [Move(hit.uri, hit.label, hit.rank, None) for hit in base if hit.uri not in after]
    return Comparison(query, tuple(base), tuple(tuned), tuple(moves))


def summarise(comparisons: Sequence[Comparison], expected: Mapping[str, str] | None = None) -> Summary:
    """Sum up many comparisons.

    Args:
        comparisons: at least one.
        expected: URI of the right concept, by query, for those queries where it is known.
    """
    expected = expected or {}
    k = max(len(one.base) for one in comparisons)
    movements = Counter(move.movement for one in comparisons for move in one.moves)
    ranks = [(one.query, *_ranks(one, expected[one.query])) for one in comparisons if one.query in expected]
    missing = k + 1
    gain = {row: (row[1] or missing) - (row[2] or missing) for row in ranks}
    return Summary(
        queries=len(comparisons),
        k=k,
        overlap=sum(one.overlap for one in comparisons) / len(comparisons),
        movements={movement: movements[movement] for movement in MOVEMENTS},
        changed_first=sum(_first(one.base) != _first(one.tuned) for one in comparisons),
        expected=len(ranks),
        found_base=sum(row[1] is not None for row in ranks),
        found_tuned=sum(row[2] is not None for row in ranks),
        won=tuple(sorted((row for row in gain if gain[row] > 0), key=lambda row: -gain[row])),
        lost=tuple(sorted((row for row in gain if gain[row] < 0), key=lambda row: gain[row])),
    )


def _first(hits: Sequence[Hit]) -> str | None:
    return hits[0].uri if hits else None


def _ranks(one: Comparison, uri: str) -> tuple[int | None, int | None]:
    for move in one.moves:
        if move.uri == uri:
            return move.base_rank, move.tuned_rank
    return None, None
