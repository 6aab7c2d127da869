"""Batches of titles to their best concepts: the plain function that files, streams and Spark are matched by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from jobsearch.confidence import looked_at
from jobsearch.cores import usable_cores
from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.errors import QueryError
from jobsearch.filters import Filter, filter_of
from jobsearch.hits import KindFilter
from jobsearch.index.concepts import nearest_rows
from jobsearch.index.labels import LabelTable
from jobsearch.index.reader import IndexVersion
from jobsearch.matching.memory import Answers, Memory, Places
from jobsearch.matching.sure import CALIBRATION, Flags, sure_of
from jobsearch.searcher import Searcher
from jobsearch.taxonomy.labels import clean_label

# Titles remembered, about 60 MB; fewer where each has many hits, so that the answers stay below 64 MB.
REMEMBERED = 200_000
_MOST_HITS = 5_000_000
# Titles encoded in one call, and vectors that one thread searches for at once. Both are fixed: what is computed
# together must not depend on the machine, or float32 rounding would show where a run was interrupted.
_ENCODED = 2048
_SEARCHED = 512
# Rows answered and kept together, and the most lines that they may become.
BATCH = 8192
_MOST_LINES = 65_536
# Labels whose columns are kept as they were made.
_DESCRIBED = 16_384
# A cosine or a confidence beyond these is float32 noise, and may differ where a title is encoded together with others.
DECIMALS = 4
COLUMNS = (
    "match_rank",
    "match_uri",
    "match_label",
    "match_matched_label",
    "match_kind",
    "match_score",
    "match_isco_group",
    "match_confidence",
    "match_good_match",
)
# Columns that hold no texts.
TYPES: dict[str, type] = {"match_rank": int, "match_score": float, "match_confidence": float, "match_good_match": bool}


@dataclass(frozen=True)
class Plan:
    """What is to be asked for a batch of titles.

    Args:
        places: of each title in the memory, -1 for an empty one.
        misses: cleaned titles that are not remembered, each once.
        new: their places.
    """

    places: Places
    misses: list[str]
    new: Places


@dataclass(frozen=True)
class Lines:
    """Hits as the lines of a table.

    Args:
        positions: of each line its title's position in the batch, ascending; every title has a line.
        columns: values by column name, None where there is no hit.
    """

    positions: list[int]
    columns: dict[str, list[Any]]


@dataclass(frozen=True)
class Matches:
    """Answers for a batch of titles.

    Args:
        answers: of each title.
        asked: of the titles alone that were asked, in the order of the plan.
        empty: how many of the titles were empty.
        describe: turns a row into URI, label, matched label, kind and ISCO group.
        columns: names of the columns of `lines`.
    """

    answers: Answers
    asked: Answers
    empty: int
    describe: Callable[[int], tuple[Any, ...]]
    columns: tuple[str, ...]

    @property
    def without_hit(self) -> int:
        """How many of the titles that are not empty have no hit."""
        return int(np.count_nonzero(self.answers.rows[:, 0] < 0)) - self.empty

    @property
    def without_good_match(self) -> int:
        """How many of the titles that are not empty have no hit that is a good match."""
        return int(np.count_nonzero(~self._good.any(axis=1))) - self.empty

    @property
    def _good(self) -> Flags:
        """Which hits are good matches, as `JobSearch.search` by meaning tells them."""
        # In double precision, since float32 would round the bound.
        return (self.answers.rows >= 0) & (self.answers.scores.astype(np.float64) >= CALIBRATION.good_score)

    def lines(self) -> Lines:
        """Return a line for each hit, and one for each title without any."""
        everywhere, count = self.answers.rows, len(self.answers.rows)
        positions = np.repeat(np.arange(count), np.maximum(np.count_nonzero(everywhere >= 0, axis=1), 1))
        first = np.searchsorted(positions, np.arange(count))
        ranks = np.arange(len(positions)) - first[positions]
        rows = everywhere[positions, ranks].tolist()
        # In double precision, so that what is printed has so many decimals.
        cosines, sure = (
            np.clip(part[positions, ranks].astype(np.float64), -1, 1).round(DECIMALS).tolist()
            for part in (self.answers.scores, self.answers.sure)
        )
        good = self._good[positions, ranks].tolist()
        described = [self.describe(row) if row >= 0 else (None,) * 5 for row in rows]
        uris, labels, matched, kinds, isco = zip(*described, strict=True) if described else ((),) * 5
        found = [row >= 0 for row in rows]

        def where_found(values: Sequence[Any]) -> list[Any]:
            return [value if hit else None for value, hit in zip(values, found, strict=True)]

        columns: dict[str, Sequence[Any]] = {
            "match_rank": where_found((ranks + 1).tolist()),
            "match_uri": uris,
            "match_label": labels,
            "match_matched_label": matched,
            "match_kind": kinds,
            "match_score": where_found(cosines),
            "match_isco_group": isco,
            "match_confidence": where_found(sure),
            "match_good_match": where_found(good),
        }
        return Lines(positions.tolist(), {name: list(columns[name]) for name in self.columns})


class Matcher:
    """Finds the best concepts of many titles; equal titles are encoded once, as long as they are remembered.

    >>> matcher = Matcher(JobSearch.open("esco-en"), k=1, kind="occupation")
    >>> lines = matcher.match(["plumber", "data scientist"]).lines()
    >>> lines.columns["match_label"]
    ['plumber', 'data scientist']

    The hits are those of `JobSearch.search_many` by meaning, but what is a URI or an ISCO code is a title like others;
    one version of the index gives them all, whatever the engine moves to. Batches are matched in turn: to match in
    several threads give each its own matcher.

    Args:
        engine: what to search.
        k: hits for each title.
        kind: `"occupation"`, `"skill"` or `"all"`.
        where: what else each hit must fulfil.
        remembered: distinct titles whose answers are kept, 300 bytes each and 12 more for each hit.

    Raises:
        QueryError: k, kind or the filter cannot be.
    """

    def __init__(
        self,
        engine: JobSearch,
        k: int = 1,
        kind: KindFilter = "occupation",
        where: Filter | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        searcher = Searcher(engine.opened)
        wanted = searcher.check(k, kind)
        self._k = k
        self._where = filter_of(where)
        self._rows = searcher.rows(wanted, self._where)
        self._concepts = searcher.opened.labels.concepts(wanted)
        self._wide = looked_at(k, wanted, self._concepts)
        self.opened: IndexVersion = searcher.opened
        self.remembered = max(1, min(remembered, _MOST_HITS // k))
        self.memory = Memory(self.remembered, k)
        left_out = {"match_rank": k == 1, "match_isco_group": not self.opened.labels.has_isco}
        self.columns = tuple(name for name in COLUMNS if not left_out.get(name))
        # Over the labels, not over `self`: a circle would keep a version until Python looks for circles.
        self._describe = lru_cache(_DESCRIBED)(partial(_columns_of, self.opened.labels))
        self._pool: ThreadPoolExecutor | None = None

    @property
    def batch_size(self) -> int:
        """How many titles are best matched at once."""
        return max(1, min(BATCH, _MOST_LINES // self._k, self.remembered))

    def match(self, titles: Sequence[str | None]) -> Matches:
        """Find the hits of a batch of titles.

        Args:
            titles: as they are written; None and blank ones get no hits. Batches of thousands are fastest; no more
                than the matcher remembers.

        Returns:
            The answers, in the order of `titles`.

        Raises:
            QueryError: a title is no string, or there are too many.
        """
        plan = self.plan(titles)
        return self.answer(plan, self.join(self.encode(plan.misses)))

    def plan(self, titles: Sequence[str | None]) -> Plan:
        """Find out which titles have to be asked; plans are to be answered in the order in which they were made."""
        if len(titles) > self.remembered:
            raise QueryError(f"{len(titles):,} titles at once; give at most {self.remembered:,}, in several batches")
        return Plan(*self.memory.plan([_clean(title, position) for position, title in enumerate(titles)]))

    def encode(self, titles: Sequence[str]) -> Iterator[Embeddings]:
        """Yield the vectors of cleaned titles, some at a time."""
        for start in range(0, len(titles), _ENCODED):
            yield self.opened.encoder.encode(titles[start : start + _ENCODED])

    def join(self, parts: Iterable[Embeddings]) -> Embeddings:
        """Lay parts of a plan's vectors end to end."""
        return np.concatenate([np.empty((0, self.opened.vectors.dim), np.float32), *parts])

    def answer(self, plan: Plan, vectors: Embeddings) -> Matches:
        """Search with the vectors of a plan's misses, and put all of its answers together."""
        asked = self._search(plan.misses, vectors)
        self.memory.put(plan.new, asked)
        empty = int(np.count_nonzero(plan.places < 0))
        return Matches(self.memory.take(plan.places), asked, empty, self._describe, self.columns)

    def _search(self, titles: Sequence[str], vectors: Embeddings) -> Answers:
        """Find the nearest concepts, on one thread a core: FAISS's own threads wait for each other on busy cores."""
        import faiss

        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                usable_cores(), "jobsearch-match", initializer=faiss.omp_set_num_threads, initargs=(1,)
            )
        starts = range(0, len(vectors), _SEARCHED)
        parts = ([values[start : start + _SEARCHED] for start in starts] for values in (titles, vectors))
        found = list(self._pool.map(self._nearest, *parts))
        return Answers(*map(np.concatenate, zip(Answers.none(0, self._k), *found, strict=True)))

    def _nearest(self, titles: Sequence[str], vectors: Embeddings) -> Answers:
        """Find the hits of some vectors among the concepts that share the probability, however high hits must score."""
        labels = self.opened.labels
        exact = labels.spelled.find(titles)
        scores, rows = nearest_rows(self.opened.vectors, labels, vectors, self._wide, self._rows, exact=exact)
        found = rows >= 0
        kinds, preferred = labels.kinds(labels.concept_of[rows]), labels.preferred[rows]
        sure = sure_of(scores, kinds, preferred, found, self._wide < self._concepts)
        # Of a tie the first may score too low and the second not.
        order = np.argsort(~found | (scores < self._where.least), axis=1, kind="stable")[:, : self._k]
        rows[scores < self._where.least] = -1
        return Answers(
            np.take_along_axis(rows, order, axis=1).astype(np.int32),
            *(np.take_along_axis(part, order, axis=1).astype(np.float32) for part in (scores, sure)),
        )


def _columns_of(labels: LabelTable, row: int) -> tuple[str, str, str, str, str | None]:
    concept = int(labels.concept_of[row])
    preferred = labels.preferred_row(concept, labels.language_of(row))
    kind, isco = labels.kind_of(concept), labels.isco_of(concept)
    return labels.uris[concept], labels.texts[preferred], labels.texts[row], kind, isco


def _clean(title: object, position: int) -> str:
    if isinstance(title, str):
        return clean_label(title)
    if title is None or title != title:  # pandas has NaN for what is not there
        return ""
    raise QueryError(f"title {position + 1} is {type(title).__name__} ({title!r:.40}), expected a string or None")
