"""Ability in the domain: how high an encoder ranks the right concept for a query."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.embedding import embed, embed_distinct
from jobsearch.evaluation.fused import FusedScores
from jobsearch.evaluation.metrics import Floats, Ints, Judged, judge, ndcg_at, recall_at, reciprocal_rank
from jobsearch.evaluation.records import EncoderId, Task, base_record
from jobsearch.evaluation.statistics import Interval, Paired, mean_intervals, paired_means
from jobsearch.hubness import hubness
from jobsearch.index.about import described
from jobsearch.lexical.fusion import Mode
from jobsearch.progress import Progress, silent

MODE_NAMES: Mapping[Mode, str] = {"words": "words", "both": "meaning and words"}
# What else searching counts, where a set tells it.
_BESIDE = ("descriptions", "priors")
RECALL_CUTS = (1, 5, 10)
NDCG_CUT = 10
# The MRR that users see where labels are ranked by themselves: each concept counts once, as among a search's hits.
CONCEPT_MRR = "concept_mrr"
# Scores that are held at once: 32 MB, and up to three times that while they are folded and sorted.
_MOST_SCORES = 8_000_000
# Labels whose descriptions are put into their vectors at once.
_SLICE = 4096

Indices = npt.NDArray[np.int64]
Priors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RetrievalSet:
    """Queries, the labels to rank for them, and which concepts are right.

    Args:
        name: for reports and the history.
        queries: what users typed.
        corpus: all labels.
        relevant: for each query the numbers of the right concepts, at least one, none twice.
        concept_of: number of each label's concept, from 0, never falling, none left out; a concept is ranked by its
            best label. None: every label is ranked by itself, and `relevant` counts labels.
        dropped: what a reader left out, and how often: shown beside the figures.
        sibling_of: number of each label's concept where labels are ranked by themselves all the same; searching by
            words too lets a concept's labels speak for each other. None: nothing is known of that.
        language_of: a number for each label's language, within which searching by both compares labels (`hubness`).
            None: all are in one.
        about: a sentence about each concept, numbered as in `concept_of` or else `sibling_of`, "" where there is none;
            labels' vectors have it in them, as in an index (`index.about`). Empty: nothing is known.
        priors: how likely each concept is to be meant (`taxonomy.prior`), float32, numbered alike; searching by both
            counts it, too. None: all alike.
    """

    name: str
    queries: tuple[str, ...]
    corpus: tuple[str, ...]
    relevant: tuple[Indices, ...]
    concept_of: Indices | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    sibling_of: Indices | None = None
    about: tuple[str, ...] = ()
    priors: Priors | None = None
    language_of: Indices | None = None

    def __post_init__(self) -> None:
        if len(self.queries) < 2:
            raise EvaluationError(f"retrieval set {self.name!r} has {len(self.queries)} queries, expected at least 2")
        if len(self.relevant) != len(self.queries):
            raise ValueError(f"{len(self.queries)} queries, but relevant concepts of {len(self.relevant)}")
        if self.concept_of is not None:
            steps = np.diff(self.concept_of, prepend=0)
            if len(self.concept_of) != len(self.corpus) or not np.isin(steps, (0, 1)).all() or self.concept_of[0] != 0:
                raise ValueError("concept_of must number each label's concept from 0, rising by 0 or 1")
        if self.language_of is not None and len(self.language_of) != len(self.corpus):
            raise ValueError(
                f"languages of {len(self.language_of)} labels, expected one for each of {len(self.corpus)}"
            )
        together = self.sibling_of if self.concept_of is None else self.concept_of
        numbered = 0 if together is None else int(together.max()) + 1
        if len(self.about) not in (0, numbered):
            raise ValueError(f"{len(self.about)} sentences about concepts, expected one for each")
        if self.priors is not None and len(self.priors) != numbered:
            raise ValueError(f"priors of {len(self.priors)} concepts, expected one for each")
        for query, concepts in enumerate(self.relevant):
            if not len(concepts) or concepts.min() < 0 or concepts.max() >= self.concepts:
                raise ValueError(f"query {query} has relevant concepts {concepts}, expected some of {self.concepts}")
            if len(np.unique(concepts)) != len(concepts):
                raise ValueError(f"query {query} has a relevant concept twice: {concepts}")

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.queries)

    def labels_only(self) -> RetrievalSet:
        """Return the set without what it tells of concepts beside labels: by meaning, that measures the encoder."""
        return replace(self, about=(), priors=None)

    @property
    def concepts(self) -> int:
        """Number of concepts (or labels, where each is ranked by itself)."""
        return len(self.corpus) if self.concept_of is None else int(self.concept_of[-1]) + 1


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """An encoder's figures on a retrieval set.

    Args:
        set_name: the set's name.
        encoder: who was measured.
        judged: where the relevant concepts stand for each query.
        labels: labels ranked.
        concepts: concepts ranked.
        dropped: what the set's reader left out.
        by_concept: where labels are ranked by themselves, but their concepts are known: where the relevant concepts
            stand if each stands once, by its best label.
    """

    task: ClassVar[Task] = "retrieval"
    set_name: str
    encoder: EncoderId
    judged: Judged = field(repr=False)
    labels: int
    concepts: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    by_concept: Judged | None = field(default=None, repr=False)

    @property
    def n(self) -> int:
        """Number of queries."""
        return len(self.judged.relevant)

    @property
    def ranks(self) -> Ints:
        """Rank of the first relevant concept for each query, ties against it (the metrics take their mean)."""
        return self.judged.worst_ranks

    @property
    def mrr_range(self) -> tuple[float, float]:
        """MRR with all ties against, and with all ties for the relevant concepts.

        Other programs' figures lie in between, depending on how they order equal scores.
        """
        worst, best = (float((1.0 / ranks).mean()) for ranks in (self.judged.worst_ranks, self.judged.best_ranks))
        return worst, best

    @cached_property
    def per_query(self) -> Mapping[str, Floats]:
        """Each metric's value for each query, (queries,); see `metrics` for the formulas and for ties."""
        recalls = {f"recall@{k}": recall_at(self.judged, k) for k in RECALL_CUTS}
        concepts = {} if self.by_concept is None else {CONCEPT_MRR: reciprocal_rank(self.by_concept)}
        ndcg = {f"ndcg@{NDCG_CUT}": ndcg_at(self.judged, NDCG_CUT)}
        return {"mrr": reciprocal_rank(self.judged), **recalls, **ndcg, **concepts}

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Means over the queries: `mrr`, `recall@1`, `recall@5`, `recall@10`, `ndcg@10`, and maybe `concept_mrr`."""
        return {name: float(values.mean()) for name, values in self.per_query.items()}

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        """95 % intervals of the metrics (takes up to some seconds)."""
        return dict(zip(self.per_query, mean_intervals(np.stack(list(self.per_query.values()))), strict=True))

    def paired(self, base: RetrievalResult) -> Paired:
        """Compare with another encoder's result on the same set, by reciprocal ranks."""
        return paired_means("mrr", base.per_query["mrr"], self.per_query["mrr"])

    def to_dict(self) -> dict[str, Any]:
        """Return the record that `evaluate retrieval --json` prints; an interval is `[low, high]`."""
        return {
            **base_record(self),
            "intervals": {name: [interval.low, interval.high] for name, interval in self.intervals.items()},
            "mrr_range": list(self.mrr_range),
            "labels": self.labels,
            "concepts": self.concepts,
            "dropped": dict(self.dropped),
        }


def evaluate_retrieval(
    encoder: Encoder,
    retrieval: RetrievalSet,
    progress: Progress = silent,
    mode: Mode = "meaning",
    typed_first: bool = False,
) -> RetrievalResult:
    """Rank all concepts for each query and see where the right ones stand.

    Exact, without an index. Memory stays below the labels' embeddings (2 kB each at 512 dimensions; by both, and where
    there are descriptions, twice that) and about 150 MB.

    Args:
        encoder: any encoder.
        retrieval: queries, labels and what is right.
        progress: called with ("encoding labels" | "encoding queries" | "ranking", done, in all).
        mode: `meaning`: by cosine, which measures the encoder where the set tells nothing about concepts; `both` or
            `words`: by the rule that searching uses.
        typed_first: by meaning, too, a label that is what was typed comes first, as in searching.

    Raises:
        EvaluationError: an embedding is not finite.
    """
    labels, rows = embed_distinct(encoder, retrieval.corpus, "encoding labels", progress)
    fused = crowd = None
    concept_of = retrieval.sibling_of if retrieval.concept_of is None else retrieval.concept_of
    # Of labels that stand alone nobody knows which of those near them mean something else.
    if mode == "both" and concept_of is not None:
        crowd = _hubness(labels, rows, concept_of, retrieval.language_of)
    told = mode != "words" and concept_of is not None and any(retrieval.about)
    if told and concept_of is not None:
        labels, rows = labels[rows], np.arange(len(rows))
        _describe(encoder, retrieval.about, labels, concept_of, progress)
    if mode != "meaning":
        by_concept = retrieval.concept_of is not None
        fused = FusedScores(retrieval.corpus, concept_of, by_concept, mode, retrieval.priors, crowd)
    asked = retrieval.queries if fused is None else fused.prepare(retrieval.queries)
    queries = embed(encoder, asked, "encoding queries", progress)
    at_once = max(1, _MOST_SCORES // len(retrieval.corpus))
    siblings = _Siblings.of(retrieval)
    spelled = _spelled(retrieval) if typed_first else {}
    parts, of_concepts = [], []
    for start in range(0, len(retrieval), at_once):
        progress("ranking", start, len(retrieval))
        stop = start + at_once
        scores: npt.NDArray[Any]
        if fused is None:
            scores = _concept_scores(queries[start:stop], labels, rows, retrieval.concept_of)
            for row, query in enumerate(retrieval.queries[start:stop]):
                scores[row, spelled.get(query.casefold(), [])] = 1
        else:
            cosines = (queries[start:stop] @ labels.T)[:, rows]
            scores = fused.score(retrieval.queries[start:stop], cosines)
        parts.append(judge(scores, retrieval.relevant[start:stop], depth=NDCG_CUT))
        if siblings is not None:
            of_concepts.append(siblings.judge(scores, retrieval.relevant[start:stop]))
    progress("ranking", len(retrieval), len(retrieval))
    return RetrievalResult(
        set_name=f"{retrieval.name}{_how(mode, told, retrieval.priors is not None)}",
        encoder=EncoderId.of(encoder),
        judged=Judged.together(parts),
        labels=len(retrieval.corpus),
        concepts=retrieval.concepts,
        dropped=retrieval.dropped,
        by_concept=Judged.together(of_concepts) if of_concepts else None,
    )


class _Siblings:
    """Labels that are ranked by themselves, put together by their concepts."""

    def __init__(self, sibling_of: Indices) -> None:
        self._place_of = np.unique(sibling_of, return_inverse=True)[1]
        self._order = np.argsort(self._place_of, kind="stable")
        self._starts = np.flatnonzero(np.diff(self._place_of[self._order], prepend=-1))

    @staticmethod
    def of(retrieval: RetrievalSet) -> _Siblings | None:
        """Return them, if the set ranks labels by themselves and knows their concepts."""
        if retrieval.concept_of is not None or retrieval.sibling_of is None:
            return None
        return _Siblings(retrieval.sibling_of)

    def judge(self, scores: npt.NDArray[Any], relevant: Sequence[Indices]) -> Judged:
        """Judge each concept by its best label, given labels' scores and which of them are right."""
        best = np.maximum.reduceat(scores[:, self._order], self._starts, axis=1)
        return judge(best, [np.unique(self._place_of[labels]) for labels in relevant], depth=NDCG_CUT)


def _how(mode: Mode, described: bool, priors: bool) -> str:
    """Return what a set's name says of how it was ranked."""
    beside = [what for what, known in zip(_BESIDE, (described, priors and mode == "both"), strict=True) if known]
    by = "" if mode == "meaning" else f", by {MODE_NAMES[mode]}"
    return f"{by}{', with ' if beside else ''}{' and '.join(beside)}"


def _describe(
    encoder: Encoder, about: Sequence[str], labels: Embeddings, concept_of: Indices, progress: Progress
) -> None:
    """Make the vectors of labels what an index has: with what their concepts are about in them."""
    told = np.array([number for number, text in enumerate(about) if text], np.int64)
    sentences = embed(encoder, [about[number] for number in told], "encoding descriptions", progress)
    place = np.full(len(about), -1, np.int64)
    place[told] = np.arange(len(told))
    rows = np.flatnonzero(place[concept_of] >= 0)
    for start in range(0, len(rows), _SLICE):
        part = rows[start : start + _SLICE]
        labels[part] = described(labels[part], sentences[place[concept_of[part]]])


def _spelled(retrieval: RetrievalSet) -> dict[str, list[int]]:
    """Return the numbers of what is ranked, labels or concepts, by a label, case folded."""
    numbers = range(len(retrieval.corpus)) if retrieval.concept_of is None else retrieval.concept_of.tolist()
    found: dict[str, list[int]] = {}
    for label, number in zip(retrieval.corpus, numbers, strict=True):
        found.setdefault(label.casefold(), []).append(number)
    return found


def _hubness(
    labels: Embeddings, rows: npt.NDArray[np.intp], concept_of: Indices, language_of: Indices | None
) -> npt.NDArray[np.float32]:
    """Return each label's hubness; the first one of each concept in each language is its preferred one."""
    language_of = np.zeros_like(concept_of) if language_of is None else language_of
    first = np.zeros(len(rows), np.bool_)
    first[np.unique(np.stack([concept_of, language_of]), axis=1, return_index=True)[1]] = True
    return hubness(labels[rows], concept_of, first, language_of)


def _concept_scores(
    queries: Embeddings, labels: Embeddings, rows: npt.NDArray[np.intp], concept_of: Indices | None
) -> npt.NDArray[np.float32]:
    """Return the score of each concept's best label, (queries, concepts).

    Args:
        queries: (queries, dim).
        labels: the distinct labels' embeddings.
        rows: row of each label's embedding.
        concept_of: concept of each label, or None.
    """
    scores = labels @ queries.T
    if concept_of is None:
        return np.ascontiguousarray(scores[rows].T)
    # Row by row, with the queries along it, this is ten times faster than `np.maximum.reduceat`.
    starts = np.flatnonzero(np.diff(concept_of, prepend=-1, append=concept_of[-1] + 1))
    best = np.empty((len(starts) - 1, len(queries)), np.float32)
    for concept, (start, stop) in enumerate(itertools.pairwise(starts)):
        scores[rows[start:stop]].max(axis=0, out=best[concept])
    return np.ascontiguousarray(best.T)
