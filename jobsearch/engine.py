"""The search engine: queries in, hits out, from an index directory alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import QueryError
from jobsearch.index.labels import ConceptEntry
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import KINDS, Kind

KindFilter = Literal["occupation", "skill", "all"]
KIND_FILTERS: tuple[KindFilter, ...] = (*KINDS, "all")
# Scores closer than this are a tie: float32 rounding may order equal labels either way.
_TIE = 1e-6
# Queries searched together: bounds the memory that their scores take.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Hit:
    """One concept found for a query; its best label speaks for it.

    Args:
        rank: 1 for the best.
        score: cosine of query and matched label, -1 to 1, higher is better.
        uri: the concept.
        kind: `"occupation"` or `"skill"`.
        label: the concept's preferred label, in the matched label's language.
        matched_label: the label that was nearest to the query.
        language: language of the matched label.
    """

    rank: int
    score: float
    uri: str
    kind: Kind
    label: str
    matched_label: str
    language: str

    def to_dict(self) -> dict[str, Any]:
        """Return the hit as plain values, ready for JSON."""
        return asdict(self)


class JobSearch:
    """Search over one index; safe to share between threads.

    >>> engine = JobSearch.open("esco-en")                                   # doctest: +SKIP
    >>> engine.search("ML engineer", k=1, kind="occupation")[0].label        # doctest: +SKIP
    'artificial intelligence engineer'
    """

    def __init__(self, directory: IndexDirectory, opened: IndexVersion) -> None:
        self._directory = directory
        self._opened = opened

    @staticmethod
    def open(index: str | Path, version: str | None = None) -> JobSearch:
        """Open an index and check that it is whole (about 0.2 s for 100,000 labels).

        Args:
            index: path of an index directory, or the name of one in the home folder.
            version: number of a version (`"0002"`); default: the current one.

        Raises:
            IndexNotFoundError: there is no such index or version.
            IndexFormatError: it was written by another format version.
            IndexCorruptError: a file is missing, truncated or altered.
            EncoderMismatchError: its encoder is not the one that made the vectors.
        """
        directory = IndexDirectory(index) if isinstance(index, Path) else IndexDirectory.named(index)
        return JobSearch(directory, open_version(directory, version))

    @property
    def opened(self) -> IndexVersion:
        """The version in use: its name, number, manifest and encoder."""
        return self._opened

    def search(self, query: str, k: int = 10, kind: KindFilter = "all") -> list[Hit]:
        """Find the concepts nearest to a query.

        Args:
            query: a job title or skill, in any of USE's 16 languages.
            k: hits wanted, 1 to the number of concepts of that kind.
            kind: `"occupation"`, `"skill"` or `"all"`.

        Returns:
            k hits, best first; equal scores are ordered by preferred label match, then by kind and URI.

        Raises:
            QueryError: the query is empty, or k or kind cannot be.
        """
        return self.search_many([query], k, kind)[0]

    def search_many(self, queries: Sequence[str], k: int = 10, kind: KindFilter = "all") -> list[list[Hit]]:
        """Find the concepts nearest to each query; faster than one by one.

        Args:
            queries: job titles or skills.
            k: hits wanted for each query.
            kind: as in `search`.

        Returns:
            The hits of each query, in the order of `queries`.

        Raises:
            QueryError: a query is empty, or k or kind cannot be.
        """
        opened = self._opened  # one version answers the whole call, whatever is published meanwhile
        wanted = _check_kind(kind)
        _check_k(k, opened, wanted)
        if isinstance(queries, str):
            raise QueryError("search_many takes a list of queries and got one string; use search")
        cleaned = [_clean_query(query, position) for position, query in enumerate(queries)]
        found: list[list[Hit]] = []
        for start in range(0, len(cleaned), _BATCH):
            vectors = opened.encoder.encode(cleaned[start : start + _BATCH])
            found.extend(_nearest_concepts(opened, vectors, k, opened.labels.rows(wanted)))
        return found

    def concept(self, uri: str, language: str | None = None) -> ConceptEntry:
        """Return all that the index knows of a concept: labels, ISCO path, related skills or occupations.

        Args:
            uri: the concept.
            language: preferred language of the labels, where there are several.

        Raises:
            QueryError: the index does not hold it.
        """
        labels = self._opened.labels
        number = labels.concept(uri)
        if number is None:
            raise QueryError(f"index {self._opened.name!r} holds no concept {uri!r}; take a URI from a hit")
        return labels.entry(number, language)

    def reload(self) -> bool:
        """Move to the newest published version; calls under way finish on the one they began with.

        Returns:
            Whether there was another version to move to.

        Raises:
            IndexingError, EncoderError: the newest version cannot be opened; the engine stays on the one it has.
        """
        newest = self._directory.current()
        if newest == self._opened.version:
            return False
        self._opened = open_version(self._directory, newest)
        return True


def _check_kind(kind: str) -> Kind | None:
    for known in KINDS:
        if kind == known:
            return known
    if kind == "all":
        return None
    raise QueryError(f"kind is {kind!r}, expected one of {', '.join(KIND_FILTERS)}")


def _check_k(k: int, opened: IndexVersion, kind: Kind | None) -> None:
    most = opened.labels.concepts(kind)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= most:
        what = f"{kind}s" if kind else "concepts"
        raise QueryError(f"k is {k!r}, expected a whole number from 1 to {most} (the {what} in index {opened.name!r})")


def _clean_query(query: str, position: int) -> str:
    if not isinstance(query, str):
        raise QueryError(f"query {position + 1} is {type(query).__name__}, expected a string")
    cleaned = clean_label(query)
    if not cleaned:
        raise QueryError(f"query {position + 1} is empty ({query!r}); type a job title or a skill")
    return cleaned


def _nearest_concepts(opened: IndexVersion, vectors: Embeddings, k: int, rows: tuple[int, int]) -> list[list[Hit]]:
    """Fold the nearest labels into k concepts for each query, fetching more labels until k are certain."""
    available = rows[1] - rows[0]
    count = min(available, max(32, 4 * k))
    found: list[list[Hit]] = [[] for _ in vectors]
    open_queries = list(range(len(vectors)))
    while open_queries:
        scores, labels = opened.nearest(vectors[open_queries], count, rows)
        short = []
        for query, query_scores, query_rows in zip(open_queries, scores.tolist(), labels.tolist(), strict=True):
            best = _best_rows(opened, query_scores, query_rows)
            # Below the k-th hit there must be a lower score, else a tie may have been cut off.
            if count < available and (len(best) < k or query_scores[-1] > best[k - 1][0] - _TIE):
                short.append(query)
            else:
                found[query] = [_hit(opened, rank, *entry) for rank, entry in enumerate(best[:k], start=1)]
        open_queries, count = short, min(available, 4 * count)
    return found


def _best_rows(opened: IndexVersion, scores: list[float], rows: list[int]) -> list[tuple[float, int]]:
    """Return (score, row) of each concept's best label, best concept first."""
    labels = opened.labels
    best: dict[int, tuple[float, int]] = {}
    top: dict[int, float] = {}
    for score, row in zip(scores, rows, strict=True):
        if row < 0:  # FAISS pads with -1 when a filter leaves fewer rows than were asked for
            break
        concept = int(labels.concept_of[row])
        highest = top.setdefault(concept, score)  # rows come best first
        if concept not in best or (highest - score < _TIE and _order(opened, row) < _order(opened, best[concept][1])):
            best[concept] = (score, row)
    ordered = sorted(best.values(), key=lambda entry: -entry[0])
    return list(itertools.chain.from_iterable(_tie_groups(opened, ordered)))


def _tie_groups(opened: IndexVersion, ordered: list[tuple[float, int]]) -> list[list[tuple[float, int]]]:
    groups: list[list[tuple[float, int]]] = []
    for entry in ordered:
        if groups and groups[-1][0][0] - entry[0] < _TIE:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return [sorted(group, key=lambda entry: _order(opened, entry[1])) for group in groups]


def _order(opened: IndexVersion, row: int) -> tuple[bool, int]:
    """Sort key of equal scores: preferred labels first, then the table's order, which is that of the URIs."""
    return (not opened.labels.is_preferred(row), row)


def _hit(opened: IndexVersion, rank: int, score: float, row: int) -> Hit:
    labels = opened.labels
    concept = int(labels.concept_of[row])
    language = labels.language_of(row)
    return Hit(
        rank=rank,
        score=score,
        uri=labels.uris[concept],
        kind=labels.kind_of(concept),
        label=labels.texts[labels.preferred_row(concept, language)],
        matched_label=labels.texts[row],
        language=language,
    )
