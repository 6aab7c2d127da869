"""Searching one opened version: what the engine does between two reloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from jobsearch.confidence import CALIBRATIONS, confidences, evidence, looked_at
from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import QueryError
from jobsearch.filters import Filter
from jobsearch.hits import KIND_FILTERS, Hit, one_kind
from jobsearch.index.concepts import Exact, Found, nearest_concepts
from jobsearch.index.fused import Fused, fused_concepts
from jobsearch.index.labels import LabelTable
from jobsearch.index.reader import IndexVersion
from jobsearch.index.rows import Rows
from jobsearch.lexical.fusion import MODES, Mode
from jobsearch.named import Named, find_named
from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import Kind

# Queries searched together: bounds the memory that their scores take.
_BATCH = 256
# Filters whose rows are remembered; a large set of URIs takes milliseconds to turn into rows.
_FILTERS = 64
# Score by words alone of a concept that shares letters with the query; float32 rounding keeps those of others at 0.
_SHARES_LETTERS = 1e-6


class Searcher:
    """One version of an index, asked; safe to share between threads.

    Args:
        opened: the version.
    """

    def __init__(self, opened: IndexVersion) -> None:
        self.opened = opened
        # Over the labels, not over `self`: a circle would keep a version that was left until Python looks for circles.
        self.rows = lru_cache(_FILTERS)(partial(_find_rows, opened.labels))

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Clean and embed texts.

        Raises:
            QueryError: one is empty or no string.
        """
        return self.opened.encoder.encode([clean_query(text, position) for position, text in enumerate(texts)])

    def search(self, texts: Sequence[str], k: int, kind: str, where: Filter, mode: str = "both") -> list[list[Hit]]:
        """Find the concepts nearest to each text (see `JobSearch.search_many`)."""
        wanted, mode = self.check(k, kind), check_mode(mode)
        cleaned = [clean_query(text, position) for position, text in enumerate(texts)]
        self.rows(wanted, where)  # a filter that cannot be is told without a query, too
        named = [find_named(self.opened.labels, text) for text in cleaned]
        in_words = [text for text, names in zip(cleaned, named, strict=True) if names is None]
        described = self._described(in_words, k, wanted, where, mode)
        found = (next(described) if one is None else self._named(one, k, wanted, where) for one in named)
        return [self._hits(one, CALIBRATIONS[mode].good_score) for one in found]

    def _described(
        self, texts: Sequence[str], k: int, kind: Kind | None, where: Filter, mode: Mode
    ) -> Iterator[list[Fused]]:
        """Find what is described in words."""
        for start in range(0, len(texts), _BATCH):
            typed = texts[start : start + _BATCH]
            find = self._by_meaning if mode == "meaning" else partial(self._fused, mode=mode)
            yield from find(typed, k, kind, where)

    def _by_meaning(self, typed: Sequence[str], k: int, kind: Kind | None, where: Filter) -> Iterator[list[Fused]]:
        """Find by meaning alone."""
        opened, labels = self.opened, self.opened.labels
        wide = looked_at(k, kind, labels.concepts(kind))
        vectors, exact = opened.encoder.encode(typed), labels.spelled.find(typed)
        every = nearest_concepts(opened.vectors, labels, vectors, wide, self.rows(kind, where), exact=exact)
        cosines = self._cosines_of(exact, every, vectors)
        for query, found in enumerate(every):
            rows = [row for _, row in found]
            kinds = labels.kinds(labels.concept_of[rows])
            counted = evidence(np.array([score for score, _ in found]), kinds, labels.preferred[rows])
            # Those not seen are no nearer than the last one.
            unseen = found[-1][0] if len(found) == wide < labels.concepts(kind) else None
            sure = confidences(counted, kinds, "meaning", unseen).tolist()
            near = [(score, row, own) for (score, row), own in zip(found, sure, strict=True) if score >= where.least]
            yield [
                Fused(score, row, cosines[query, row], 0.0, "exact", own)
                if (query, row) in cosines
                else Fused(score, row, score, 0.0, "meaning", own)
                for score, row, own in near[:k]
            ]

    def _cosines_of(
        self, exact: Exact, found: Sequence[Sequence[Found]], vectors: Embeddings
    ) -> dict[tuple[int, int], float]:
        """Return the cosine of each query with what was found as what was typed, by query and row: read all at once."""
        pairs = [(query, row) for query, rows in exact.items() for _, row in found[query] if row in rows]
        if not pairs:
            return {}
        rows, place = np.unique([row for _, row in pairs], return_inverse=True)
        own = self.opened.vectors.embeddings[rows][place]
        cosines = np.einsum("ij,ij->i", own, vectors[[query for query, _ in pairs]])
        return dict(zip(pairs, cosines.tolist(), strict=True))

    def _fused(
        self, typed: Sequence[str], k: int, kind: Kind | None, where: Filter, mode: Mode
    ) -> Iterator[list[Fused]]:
        """Find by words and, unless by words alone, by meaning."""
        opened, rows = self.opened, self.rows(kind, where)
        # By words alone nothing speaks for what shares none: it would be the table's first concepts, not the nearest.
        least = max(where.least, _SHARES_LETTERS) if mode == "words" else where.least
        queries = [opened.words.singular(text) for text in typed]
        vectors = opened.encoder.encode(queries)
        for place, (text, query) in enumerate(zip(typed, queries, strict=True)):
            vector = vectors[place : place + 1]
            yield fused_concepts(opened, text, query, vector, k, rows, least, mode)

    def _named(self, named: Named, k: int, kind: Kind | None, where: Filter) -> list[Fused]:
        """Find what a query names: a concept and what is near it, or the occupations of an ISCO group."""
        labels, rows = self.opened.labels, self.rows(kind, where)
        if named.isco is not None:
            group = rows.where(labels.of_concepts(labels.in_isco(named.isco)))
            near = self._near_mean(group.numbers(), k, group, where.least) if len(group) else []
            return [Fused(score, row, score, 0.0, "isco") for score, row in near]
        if named.concept is None:
            return []
        own = labels.preferred_row(named.concept, where.language or "")
        first = [Fused(1.0, own, 1.0, 0.0, "uri", 1.0)] if rows.have(np.array([own])).all() else []
        near = self.near_concept(named.concept, k, kind, where)
        return [*first, *(Fused(score, row, score, 0.0, "meaning") for score, row in near)][:k]

    def near_concept(self, concept: int, k: int, kind: Kind | None, where: Filter) -> list[Found]:
        """Find the k concepts nearest to one, by the mean of its labels' vectors; never itself."""
        labels = self.opened.labels
        # One more than wanted: the concept itself is likely among them.
        most = min(k + 1, labels.concepts(kind))
        found = self._near_mean(slice(*labels.rows_of(concept)), most, self.rows(kind, where), where.least)
        return [entry for entry in found if labels.concept_of[entry[1]] != concept][:k]

    def _near_mean(self, among: slice | npt.NDArray[np.int64], k: int, rows: Rows, least: float) -> list[Found]:
        """Find the k concepts nearest to the mean vector of some rows."""
        vectors = self.opened.vectors
        mean = vectors.embeddings[among].mean(axis=0, keepdims=True)
        return nearest_concepts(vectors, self.opened.labels, mean / np.linalg.norm(mean), k, rows, least)[0]

    def nearest(
        self, vectors: Embeddings, k: int, kind: Kind | None, where: Filter, typed: Sequence[str] = ()
    ) -> list[list[Found]]:
        """Find the k concepts nearest to each vector, as (score, row of the label); labels that are `typed` first."""
        labels, rows = self.opened.labels, self.rows(kind, where)
        exact = labels.spelled.find(typed)
        return nearest_concepts(self.opened.vectors, labels, vectors, k, rows, where.least, exact)

    def hits(self, entries: Iterable[Found]) -> list[Hit]:
        """Turn (cosine, row), found for no query, into hits, ranked in the order given."""
        return self._hits((Fused(score, row, score, 0.0, "meaning") for score, row in entries), 1.0)

    def concept(self, uri: str) -> int:
        """Return the number of the concept with this URI, whole or as `occupation/ed3cf43d`.

        Raises:
            QueryError: the index does not hold it.
        """
        labels = self.opened.labels
        number = labels.concept(labels.full_uri(uri)) if isinstance(uri, str) else None
        if number is None:
            raise QueryError(f"index {self.opened.name!r} holds no concept {uri!r}; take one from `uri` of a hit")
        return number

    def check(self, k: int, kind: str) -> Kind | None:
        """Check k and kind, and return the kind, None for both.

        Raises:
            QueryError: k or kind cannot be.
        """
        if kind not in KIND_FILTERS:
            raise QueryError(f"kind is {kind!r}, expected one of {', '.join(KIND_FILTERS)}")
        wanted = one_kind(kind)
        most = self.opened.labels.concepts(wanted)
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= most:
            what = f"{wanted}s" if wanted else "concepts"
            if not most:
                raise QueryError(f"index {self.opened.name!r} holds no {what}, there is nothing to find")
            raise QueryError(
                f"k is {k!r}, expected a whole number from 1 to {most} (the {what} in index {self.opened.name!r})"
            )
        return wanted

    def cosines(self, concepts: Sequence[int], vector: Embeddings) -> list[float]:
        """Return the best cosine of each concept's labels with one vector of shape (dim,)."""
        labels, embeddings = self.opened.labels, self.opened.vectors.embeddings
        return [float(np.max(embeddings[slice(*labels.rows_of(number))] @ vector)) for number in concepts]

    def _hits(self, found: Iterable[Fused], good_score: float) -> list[Hit]:
        return [self._hit(rank, one, good_score) for rank, one in enumerate(found, start=1)]

    def _hit(self, rank: int, found: Fused, good_score: float) -> Hit:
        labels = self.opened.labels
        concept = int(labels.concept_of[found.row])
        language = labels.language_of(found.row)
        near = found.score if found.plain is None else found.plain
        return Hit(
            rank=rank,
            score=_cosine(found.score),
            uri=labels.uris[concept],
            kind=labels.kind_of(concept),
            label=labels.texts[labels.preferred_row(concept, language)],
            matched_label=labels.texts[found.row],
            language=language,
            cosine=_cosine(found.cosine),
            words=min(found.words, 1.0),
            matched_by=found.matched_by,
            confidence=found.confidence,
            good_match=None if found.confidence is None else near >= good_score,
        )


def _cosine(score: float) -> float:
    """Float32 rounding leads a little out of what a cosine can be."""
    return max(-1.0, min(score, 1.0))


def check_mode(mode: str) -> Mode:
    """Return the mode by its name.

    Raises:
        QueryError: there is no such mode.
    """
    found = next((known for known in MODES if known == mode), None)
    if found is None:
        raise QueryError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    return found


def _find_rows(labels: LabelTable, kind: Kind | None, where: Filter) -> Rows:
    return where.rows(labels, kind)


def clean_query(query: str, position: int = 0) -> str:
    """Clean a query as labels are cleaned.

    Args:
        query: what was typed.
        position: its place among those given, from 0, for the error.

    Raises:
        QueryError: it is empty or no string.
    """
    if not isinstance(query, str):
        raise QueryError(f"query {position + 1} is {type(query).__name__}, expected a string")
    cleaned = clean_label(query)
    if not cleaned:
        raise QueryError(f"query {position + 1} is empty ({query!r}); type a job title or a skill")
    return cleaned
