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

    What is nearer than `margin` times the mean score of the anchor's own alternative labels is skipped: so near, it
    is as a rule a true sibling that nobody wrote down. That is TopK-PercPos of NV-Retriever
    (https://arxiv.org/abs/2407.15831), with the mean of all positives for the one positive there. An anchor without
    alternative labels takes the median of the others' limits. Occupations are searched among occupations and
    skills among skills, since few taxonomies know all skills of an occupation.

    Args:
        concepts: records to search among, in one language or several.
        encoder: embeds all their labels, once.
        related: tells which concepts (by URI) are no negatives of each other.
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
        rows = [row for row, place in enumerate(places) if place in wanted]
        if not rows:
            continue
        corpus = _Corpus([concepts[place] for place in places], encoder.dim)
        for start in range(0, len(corpus.texts), _BATCH):
            progress("embedding", embedded + start, labels)
            corpus.vectors[start : start + _BATCH] = encoder.encode(corpus.texts[start : start + _BATCH])
        embedded += len(corpus.texts)
        limits = corpus.limits(rows, margin)
        size = max(1, _SCORES // len(corpus.texts))
        for start in range(0, len(rows), size):
            progress("hard negatives", searched + start, len(wanted))
            yield from corpus.nearest(rows[start : start + size], limits[start : start + size], related, per_anchor)
        searched += len(rows)


class _Corpus:
    """All labels of some concepts, concept by concept, and their vectors."""

    def __init__(self, concepts: Sequence[Concept], dim: int) -> None:
        self.concepts = concepts
        self.texts = [label for concept in concepts for label in concept.labels]
        self.starts = np.cumsum([0, *(len(concept.labels) for concept in concepts)])
        self.vectors: Embeddings = np.empty((len(self.texts), dim), np.float32)

    def limits(self, rows: Sequence[int], margin: float) -> Embeddings:
        """Return the score that negatives of each concept must stay below, float32 (len(rows),)."""
        own = np.full(len(rows), np.nan, np.float32)
        for place, row in enumerate(rows):
            start, end = self.starts[row], self.starts[row + 1]
            if end - start > 1:
                own[place] = np.mean(self.vectors[start + 1 : end] @ self.vectors[start])
        known = own[~np.isnan(own)]
        own[np.isnan(own)] = np.median(known) if known.size else _USUAL_SCORE
        return margin * own

    def nearest(
        self, rows: Sequence[int], limits: Embeddings, related: Callable[[str, str], bool], per_anchor: int
    ) -> Iterator[HardNegative]:
        """Yield up to `per_anchor` negatives for each of the concepts `rows`."""
        scores = self.vectors[self.starts[rows]] @ self.vectors.T
        best = np.maximum.reduceat(scores, self.starts[:-1], axis=1)  # of each concept's labels
        best[best >= limits[:, None]] = -np.inf
        best[np.arange(len(rows)), rows] = -np.inf
        most = min(_CANDIDATES * per_anchor, best.shape[1])
        candidates = np.argpartition(-best, most - 1, axis=1)[:, :most]
        for place, row in enumerate(rows):
            anchor = self.concepts[row]
            # The nearest first; of equally near ones the first in the order of the concepts.
            ordered = sorted(candidates[place].tolist(), key=lambda other: (-best[place, other], other))
            near = (other for other in ordered if np.isfinite(best[place, other]))
            kept = (other for other in near if not related(anchor.uri, self.concepts[other].uri))
            for other in itertools.islice(kept, per_anchor):
                label = self.starts[other] + int(np.argmax(scores[place, self.starts[other] : self.starts[other + 1]]))
                yield HardNegative(
                    anchor, self.concepts[other], self.texts[label], float(best[place, other]), float(limits[place])
                )
