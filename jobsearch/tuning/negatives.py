"""Hard negatives: labels that an encoder finds near a concept's name, and that name another concept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import KINDS, Concept

_BATCH = 1024
_SCORES = 20_000_000  # of one batch of anchors with all labels: 80 MB
# Nearest concepts that are looked at for each negative wanted: most of the nearest are related.
_CANDIDATES = 16
_USUAL_SCORE = 0.7  # of another name, where no concept has one: the tutorial's


@dataclass(frozen=True, slots=True)
class HardNegative:
    """A label near a concept's preferred label.

    Args:
        anchor: the concept whose preferred label it is near.
        concept: the other concept.
        label: the one of its labels that is nearest.
        score: cosine between the preferred label and that label.
        limit: what the score is below: `margin` times the score of the anchor's own labels.
    """

    anchor: Concept
    concept: Concept
    label: str
    score: float
    limit: float


def mine_hard_negatives(
    concepts: Sequence[Concept],
    encoder: Encoder,
    related: Callable[[str, str], bool],
    *,
    anchors: Sequence[int] | None = None,
    per_anchor: int = 1,
    margin: float = 0.95,
    progress: Progress = silent,
) -> Iterator[HardNegative]:
    """Yield the nearest labels of other concepts, anchor by anchor, the nearest first.

    What is nearer than `margin` times the mean score of the anchor's own alternative labels is skipped, the whole
    concept with it: so near, it is as a rule a true sibling that nobody wrote down. That is TopK-PercPos of
    NV-Retriever (https://arxiv.org/abs/2407.15831), with the mean of all positives for the one positive there. An
    anchor without alternative labels takes the median of the others' limits. Occupations are searched among
    occupations and skills among skills, since few taxonomies know all skills of an occupation.

    Args:
        concepts: records to search among, in one language or several.
        encoder: embeds all their labels, once.
        related: tells which concepts (by URI) are no negatives of each other, a concept of itself among them.
        anchors: positions of the records to find negatives for; None for all.
        per_anchor: how many to find for each.
        margin: above 0, at most 1; the lower, the fewer false negatives and the easier ones.
        progress: called with ("embedding", labels done, labels) and ("hard negatives", anchors done, anchors).
    """
    wanted = set(range(len(concepts)) if anchors is None else anchors)
    labels = sum(len(concept.labels) for concept in concepts)
    embedded = searched = 0
    for kind in KINDS:
        places = [place for place, concept in enumerate(concepts) if concept.kind == kind]
        chosen = [number for number, place in enumerate(places) if place in wanted]
        if not chosen:
            continue
        corpus = _Corpus([concepts[place] for place in places], encoder.dim)
        for start in range(0, len(corpus.texts), _BATCH):
            progress("embedding", embedded + start, labels)
            corpus.vectors[start : start + _BATCH] = encoder.encode(corpus.texts[start : start + _BATCH])
        embedded += len(corpus.texts)
        limits = corpus.limits(margin)
        size = max(1, _SCORES // len(corpus.texts))
        for start in range(0, len(chosen), size):
            progress("hard negatives", searched + start, len(wanted))
            part = chosen[start : start + size]
            yield from corpus.nearest(part, limits[part], related, per_anchor)
        searched += len(chosen)


class _Corpus:
    """All labels of some records, and their vectors; what is of one concept, in all languages, stands together."""

    def __init__(self, records: Sequence[Concept], dim: int) -> None:
        by_uri: dict[str, list[int]] = {}
        for number, record in enumerate(records):
            by_uri.setdefault(record.uri, []).append(number)
        self.records = records
        self.uris = list(by_uri)
        self.texts: list[str] = []
        self.owners: list[int] = []  # the record that each text is a label of
        self.preferred = np.empty(len(records), np.int64)  # place of each record's preferred label
        self.starts: list[int] = []  # place of each concept's first label
        for numbers in by_uri.values():
            self.starts.append(len(self.texts))
            for number in numbers:
                self.preferred[number] = len(self.texts)
                self.texts += records[number].labels
                self.owners += [number] * len(records[number].labels)
        self.vectors: Embeddings = np.empty((len(self.texts), dim), np.float32)

    def limits(self, margin: float) -> Embeddings:
        """Return the score that negatives of each record must stay below, float32 (len(records),)."""
        own = np.full(len(self.records), np.nan, np.float32)
        for number, record in enumerate(self.records):
            first = self.preferred[number]
            if record.alternative_labels:
                own[number] = np.mean(self.vectors[first + 1 : first + len(record.labels)] @ self.vectors[first])
        known = own[~np.isnan(own)]
        own[np.isnan(own)] = np.median(known) if known.size else _USUAL_SCORE
        return margin * own

    def nearest(
        self, numbers: Sequence[int], limits: Embeddings, related: Callable[[str, str], bool], per_anchor: int
    ) -> Iterator[HardNegative]:
        """Yield up to `per_anchor` negatives for each of the records `numbers`."""
        scores = self.vectors[self.preferred[numbers]] @ self.vectors.T
        best = np.maximum.reduceat(scores, self.starts, axis=1)  # of each concept's labels
        best[best >= limits[:, None]] = -np.inf
        most = min(_CANDIDATES * per_anchor, best.shape[1])
        candidates = np.argpartition(-best, most - 1, axis=1)[:, :most].tolist()
        ends = [*self.starts[1:], len(self.texts)]
        for row, number in enumerate(numbers):
            anchor = self.records[number]
            near = [(-float(best[row, place]), place) for place in candidates[row] if np.isfinite(best[row, place])]
            # The nearest first; of equally near ones the first in the order of the concepts.
            kept = ((-score, place) for score, place in sorted(near) if not related(anchor.uri, self.uris[place]))
            for score, place in itertools.islice(kept, per_anchor):
                text = self.starts[place] + int(np.argmax(scores[row, self.starts[place] : ends[place]]))
                yield HardNegative(anchor, self.records[self.owners[text]], self.texts[text], score, float(limits[row]))
