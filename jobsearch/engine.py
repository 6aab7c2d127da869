"""The search engine: queries in, hits out, from an index directory alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import QueryError
from jobsearch.filters import Filter, filter_of
from jobsearch.hits import Hit, KindFilter, Recommendation
from jobsearch.index.labels import ConceptEntry
from jobsearch.index.manifest import Manifest
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.fusion import Mode
from jobsearch.recommend import recommend_skills, recommend_titles
from jobsearch.searcher import Searcher
from jobsearch.watching import Watcher

_log = logging.getLogger(__name__)
# What an address begins with, of vectors that Milvus holds.
MILVUS = "milvus://"


class Place(Protocol):
    """Where versions are published."""

    def newer(self, opened: IndexVersion) -> IndexVersion | None:
        """Open the version that is published now; None where that is the one that is open."""


class JobSearch:
    """Search over one index; safe to share between threads.

    >>> engine = JobSearch.open("esco-en")
    >>> engine.search("plumber", k=1, kind="occupation")[0].label
    'plumber'

    Nothing is printed and no state is global; what happens beside the answers is logged under `jobsearch`.
    """

    def __init__(self, place: IndexDirectory | Place, opened: IndexVersion | Searcher) -> None:
        self._place: Place = _Folder(place) if isinstance(place, IndexDirectory) else place
        # One reference is swapped at a reload; each call takes it once, so one version answers the whole call.
        self._searcher = opened if isinstance(opened, Searcher) else Searcher(opened)
        self._reloading = threading.Lock()  # of two reloads at once the slower could move back to an older version

    @staticmethod
    def open(index: str | Path, version: str | None = None) -> JobSearch:
        """Open an index and check that it is whole (about 0.2 s for 100,000 labels).

        Args:
            index: path of an index directory, or the name of one in the home folder; or `milvus://…`, where vectors
                were pushed to (docs/backend.md).
            version: number of a version (`"0002"`); default: the current one.

        Raises:
            IndexNotFoundError: there is no such index or version.
            IndexFormatError: it was written by another format version.
            IndexCorruptError: a file is missing, truncated or altered.
            EncoderMismatchError: its encoder is not the one that made the vectors.
            VectorStoreError: Milvus does not answer.
        """
        if isinstance(index, str) and index.startswith(MILVUS):
            from jobsearch.integrations.milvus import MilvusPlace

            place = MilvusPlace(index)
            return JobSearch(place, place.open(version))
        directory = IndexDirectory.at(index)
        return JobSearch(directory, open_version(directory, version))

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an engine cannot be sent to another process; open the index there, such as in a pool's initializer"
        )

    @property
    def opened(self) -> IndexVersion:
        """The version in use: its name, number, manifest and encoder."""
        return self._searcher.opened

    def snapshot(self) -> JobSearch:
        """Return an engine that stays on the version in use now, whatever this one moves to; it costs nothing."""
        return JobSearch(self._place, self._searcher)

    def search(
        self, query: str, k: int = 10, kind: KindFilter = "all", where: Filter | None = None, mode: Mode = "both"
    ) -> list[Hit]:
        """Find the concepts nearest to a query.

        >>> hit = JobSearch.open("esco-en").search("bread maker", k=3, kind="occupation")[0]
        >>> hit.rank, hit.kind
        (1, 'occupation')

        Args:
            query: a job title or skill, in any of USE's 16 languages; or a URI, for that concept and what is near it;
                or an ISCO-08 code, for the occupations of that group, the most typical first.
            k: hits wanted, 1 to the number of concepts of that kind.
            kind: `"occupation"`, `"skill"` or `"all"`.
            where: what else each hit must fulfil.
            mode: `"both"`: by meaning and by words together, by how many job titles mean what, and less what is near
                everything, which finds most; `"meaning"`: of labels and descriptions; `"words"`: of labels, by which
                only what shares letters with the query is found.

        Returns:
            k hits, or fewer only where fewer fulfil `where` or, by words alone, share letters with the query; best
            first, a label that is what was typed before all; equal scores are ordered by preferred label match, then
            by kind and URI.

        Raises:
            QueryError: the query is empty, or k, kind or the filter cannot be.
        """
        return self.search_many([query], k, kind, where, mode)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        kind: KindFilter = "all",
        where: Filter | None = None,
        mode: Mode = "both",
    ) -> list[list[Hit]]:
        """Find the concepts nearest to each query; faster than one by one.

        >>> [hits[0].label for hits in JobSearch.open("esco-en").search_many(["plumber", "data scientist"], k=1)]
        ['plumber', 'data scientist']

        Args:
            queries: job titles or skills.
            k: hits wanted for each query.
            kind: as in `search`.
            where: as in `search`.
            mode: as in `search`; by meaning alone a batch is several times as fast.

        Returns:
            The hits of each query, in the order of `queries`.

        Raises:
            QueryError: a query is empty, or k, kind or the filter cannot be.
        """
        if isinstance(queries, str):
            raise QueryError("search_many takes a list of queries and got one string; use search")
        return self._searcher.search(queries, k, kind, filter_of(where), mode)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts with the encoder of the index.

        >>> JobSearch.open("esco-en").embed(["plumber", "nurse"]).shape
        (2, 512)

        Args:
            texts: job titles, skills or other short texts.

        Returns:
            float32 (len(texts), dim), rows of unit length, in the order of `texts`.

        Raises:
            QueryError: a text is empty or no string.
        """
        if isinstance(texts, str):
            raise QueryError("embed takes a list of texts and got one string; put it into a list")
        return self._searcher.embed(texts)

    def similar(self, uri: str, k: int = 10, kind: KindFilter | None = None, where: Filter | None = None) -> list[Hit]:
        """Find the concepts nearest to a concept, by the mean of its labels' vectors.

        >>> engine = JobSearch.open("esco-en")
        >>> plumber = engine.search("plumber", k=1)[0].uri
        >>> plumber in [hit.uri for hit in engine.similar(plumber, k=3)]
        False

        Args:
            uri: the concept; it is not among the hits.
            k: hits wanted, 1 to the number of concepts of that kind.
            kind: as in `search`; default: the concept's own kind.
            where: as in `search`.

        Returns:
            As `search`; fewer than k only where fewer are left.

        Raises:
            QueryError: the index does not hold the concept, or k, kind or the filter cannot be.
        """
        searcher = self._searcher
        labels = searcher.opened.labels
        number = searcher.concept(uri)
        wanted = searcher.check(k, labels.kind_of(number) if kind is None else kind)
        return searcher.hits(searcher.near_concept(number, k, wanted, filter_of(where)))

    def recommend_skills(self, title: str, k: int = 10, where: Filter | None = None) -> list[Recommendation]:
        """Recommend the skills that go with a title.

        >>> [r.kind for r in JobSearch.open("esco-en").recommend_skills("data scientist", k=2)]
        ['skill', 'skill']

        What ESCO says the nearest occupations need comes first; skills near the title by meaning complete it.

        Args:
            title: a job title, or the URI of an occupation.
            k: skills wanted, 1 to the number of skills.
            where: what each skill must fulfil; `min_score` is about the recommendation's score.

        Returns:
            k skills, best first, or fewer where fewer are left by `where`.

        Raises:
            QueryError: the title is empty or the URI of something else, or k or the filter cannot be.
        """
        return recommend_skills(self._searcher, title, k, filter_of(where))

    def recommend_titles(self, skills: Sequence[str], k: int = 10, where: Filter | None = None) -> list[Recommendation]:
        """Recommend the occupations that go with skills.

        >>> [r.kind for r in JobSearch.open("esco-en").recommend_titles(["SQL", "statistics"], k=2)]
        ['occupation', 'occupation']

        Args:
            skills: texts or URIs of skills, at least one.
            k: occupations wanted, 1 to the number of occupations.
            where: what each occupation must fulfil; `min_score` is about the recommendation's score.

        Returns:
            k occupations, best first, or fewer where fewer are left by `where`.

        Raises:
            QueryError: there are no skills, one is empty or an occupation, or k or the filter cannot be.
        """
        return recommend_titles(self._searcher, skills, k, filter_of(where))

    def concept(self, uri: str, language: str | None = None) -> ConceptEntry:
        """Return all that the index knows of a concept: labels, ISCO path, related skills or occupations.

        Args:
            uri: the concept; the short form of a table (`occupation/ed3cf43d`) will do.
            language: preferred language of the labels, where there are several.

        Raises:
            QueryError: the index does not hold it.
        """
        searcher = self._searcher
        return searcher.opened.labels.entry(searcher.concept(uri), language)

    def reload(self) -> bool:
        """Move to the newest published version; calls under way finish on the one they began with.

        Returns:
            Whether there was another version to move to.

        Raises:
            IndexingError, EncoderError: the newest version cannot be opened; the engine stays on the one it has.
        """
        with self._reloading:
            opened = self.opened
            moved = self._place.newer(opened)
            if moved is None:
                return False
            self._searcher = Searcher(moved)
        _log.info("index %r moved from version %s to %s", opened.name, opened.version, moved.version)
        return True

    def watch(self, interval: float = 5.0) -> Watcher:
        """Reload by itself when a new version is published, until the returned watcher is closed.

        >>> with JobSearch.open("esco-en").watch(interval=60):
        ...     pass  # serve

        Args:
            interval: seconds between two looks at the index, above 0.

        Raises:
            ValueError: `interval` is not.
        """
        return Watcher(self.reload, interval)


class _Folder:
    """An index directory as the place of its versions."""

    def __init__(self, directory: IndexDirectory) -> None:
        self._directory = directory

    def newer(self, opened: IndexVersion) -> IndexVersion | None:
        directory, newest = self._directory, self._directory.current()
        # The folder may have been replaced as a whole, by one with a version of the same number.
        same = newest == opened.version
        if same and Manifest.read(directory.version_path(newest), directory.mend) == opened.manifest:
            return None
        return open_version(directory)  # not by its number: it may be pruned by now, for a newer one
