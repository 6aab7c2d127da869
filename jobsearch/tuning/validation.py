"""What a state of the encoder is measured by: held-out pairs, general ability, and signs of collapse."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.errors import TuningError
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.tuning.batches import BELONGS_TOGETHER, false_negatives
from jobsearch.tuning.losses import angular_loss, contrastive_loss
from jobsearch.tuning.pairs import PairSet
from jobsearch.tuning.recipes import Recipe

# In training a few thousand labels tell checkpoints apart; the gate compares against all of them.
_QUERIES, _DISTRACTORS = 1000, 6000
_GATE_QUERIES = 4000
_LOSS_PAIRS = 2048
_LOSS_BATCH = 256
_SPREAD_TEXTS = 1000
# Mean cosine of unrelated labels: about 0.1 for USE; an encoder that maps everything to one point has 1.
_COLLAPSED_COSINE = 0.7
_COLLAPSED_VARIANCE = 0.2
# Sources of pairs whose sides name one and the same thing, so that one must find the other.
_SAME_THING = ("name", "translation", "file")


@dataclass(frozen=True)
class GeneralCheck:
    """A check that general ability is not forgotten.

    Args:
        name: what is measured, for people.
        score: measures an encoder; higher is better.
        tolerance: how far the score may fall below the base's.
    """

    name: str
    score: Callable[[Encoder], float]
    tolerance: float


def held_out_set(pairs: PairSet, *, seed: int, everything: bool) -> RetrievalSet:
    """Return the task that held-out pairs pose: find the concept of one side among the labels of the others.

    Args:
        pairs: training and held-out pairs.
        seed: of the draw.
        everything: rank against all texts of the pairs and all of their labels, as the gate does; else against a few
            thousand.

    Raises:
        TuningError: no held-out pair names one thing on both sides.
    """
    draw = random.Random(f"{seed} held out")
    asked = [p for p in pairs.validation if p.similarity >= BELONGS_TOGETHER and p.source in _SAME_THING]
    if not asked:
        raise TuningError("there are no held-out pairs that belong together; give more pairs or a larger --validation")
    draw.shuffle(asked)
    queries: dict[str, str] = {}
    for pair in asked:
        if len(queries) < (_GATE_QUERIES if everything else _QUERIES):
            queries.setdefault(pair.base, pair.base_group)
    typed = {query.casefold() for query in queries}  # an encoder that lowers case sees no difference
    own = {p.ref: p.ref_group for p in asked if p.ref.casefold() not in typed}
    training = (p for p in pairs.training if p.source != "description")
    there = (*pairs.labels, *((p.ref, p.ref_group) for p in training))
    others = {text: group for text, group in there if text.casefold() not in typed}
    if not everything and len(others) > _DISTRACTORS:
        others = dict(draw.sample(sorted(others.items()), _DISTRACTORS))
    return _retrieval_set("held-out concepts", queries, {**others, **own})


def translated_sets(pairs: PairSet, seed: int) -> Iterator[RetrievalSet]:
    """Yield the tasks that held-out translations pose: for each language, find the concept of a label in any other.

    Among labels of all languages a query finds its concept by one in its own, which says nothing of translation.
    """
    draw = random.Random(f"{seed} translations")
    every = (*pairs.training, *pairs.validation)
    language = {p.base: p.language for p in every if p.source in _SAME_THING}
    asked = [p for p in pairs.validation if p.source == "translation"]
    draw.shuffle(asked)
    targets = sorted({language[p.ref] for p in asked if p.ref in language})
    for target in targets:
        held_out = [p for p in asked if language.get(p.ref) == target != p.language]
        others = {p.base: p.base_group for p in pairs.training if language.get(p.base) == target}
        own = {p.base: p.base_group for p in pairs.validation if language.get(p.base) == target}
        spelt_alike = {label.casefold() for label in own}
        queries = {p.base: p.base_group for p in held_out if p.base.casefold() not in spelt_alike}
        queries = dict(list(queries.items())[: _QUERIES // len(targets)])
        if len(queries) > 1:
            distractors = draw.sample(sorted(others.items()), min(len(others), _DISTRACTORS // len(targets)))
            yield _retrieval_set(f"held-out concepts in {target}", queries, {**dict(distractors), **own})


def _retrieval_set(name: str, queries: dict[str, str], labels: dict[str, str]) -> RetrievalSet:
    """Return the task to find each query's concept, by its group, among labels of many; what has none is left out."""
    ordered = sorted(labels.items(), key=lambda item: (item[1], item[0]))
    groups = sorted(set(labels.values()))
    number = {group: position for position, group in enumerate(groups)}
    answered = {query: group for query, group in queries.items() if group in number}
    return RetrievalSet(
        name=name,
        queries=tuple(answered),
        corpus=tuple(label for label, _ in ordered),
        concept_of=np.array([number[group] for _, group in ordered], np.int64),
        relevant=tuple(np.array([number[group]], np.int64) for group in answered.values()),
    )


class Validation:
    """Measures a checkpoint: held-out MRR and loss, and whether the encoder has collapsed.

    Args:
        pairs: training and held-out pairs.
        recipe: its loss is measured.
        seed: of the draw of queries and labels.
    """

    def __init__(self, pairs: PairSet, recipe: Recipe, seed: int) -> None:
        self._sets = (held_out_set(pairs, seed=seed, everything=False), *translated_sets(pairs, seed))
        kept = [p for p in pairs.validation if recipe.loss == "angular" or p.similarity >= BELONGS_TOGETHER]
        random.Random(f"{seed} loss").shuffle(kept)
        self._pairs = kept[:_LOSS_PAIRS]
        self._recipe = recipe
        # Not the pairs' own texts: a file may ask one title many times, which says nothing of the encoder.
        texts = sorted({text for one in self._sets for text in (*one.queries, *one.corpus)})
        self._spread = random.Random(f"{seed} spread").sample(texts, min(_SPREAD_TEXTS, len(texts)))

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """Return `mrr`, `loss`, for the angular loss `mae` and `mape`, `mean_cosine` and `variance`.

        Raises:
            TuningError: the encoder has collapsed.
        """
        spread = check_spread(encoder.encode(self._spread))  # first: what has collapsed cannot be measured
        anchors = encoder.encode([pair.base for pair in self._pairs])
        others = encoder.encode([pair.ref for pair in self._pairs])
        return {"mrr": float(self.reciprocal_ranks(encoder).mean()), **self._loss(anchors, others), **spread}

    def reciprocal_ranks(self, encoder: Encoder) -> npt.NDArray[np.float64]:
        """Return each held-out query's reciprocal rank, (queries,); their mean is the held-out MRR.

        With translations among the pairs these are queries across languages, too.
        """
        return np.concatenate([evaluate_retrieval(encoder, one).per_query["mrr"] for one in self._sets])

    def _loss(self, anchors: Embeddings, others: Embeddings) -> dict[str, float]:
        if self._recipe.loss == "angular":
            similarity = np.array([pair.similarity for pair in self._pairs], np.float32)
            loss, mae, mape = angular_loss(anchors, others, similarity)
            return {"loss": float(loss), "mae": float(mae), "mape": float(mape)}
        losses = [
            float(contrastive_loss(anchors[part], others[part], false_negatives(self._pairs[part]), self._recipe.scale))
            for part in _parts(len(self._pairs))
        ]
        return {"loss": float(np.mean(losses))}


def check_spread(vectors: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return mean pairwise cosine and total variance over dimensions of unit vectors; refuse a collapsed set.

    For unit rows with mean m the total variance is 1 - |m|², and |m|² is the mean cosine of all pairs, each row's
    with itself included.

    Args:
        vectors: (n, dim), unit rows, of texts that are mostly unrelated.

    Raises:
        TuningError: the vectors lie almost in one place, or are no numbers.
    """
    n = len(vectors)
    squared = float(np.square(vectors.mean(axis=0)).sum())
    mean_cosine = (n * squared - 1) / (n - 1) if n > 1 else squared
    variance = 1 - squared
    if not np.isfinite(squared) or mean_cosine > _COLLAPSED_COSINE or variance < _COLLAPSED_VARIANCE:
        raise TuningError(
            f"the encoder has collapsed: the mean cosine of unrelated labels is {mean_cosine:.3f} (expected below "
            f"{_COLLAPSED_COSINE}) and the variance over dimensions {variance:.3f} (expected above "
            f"{_COLLAPSED_VARIANCE}); the old encoder stays in use; try a lower --learning-rate"
        )
    return {"mean_cosine": mean_cosine, "variance": variance}


def _parts(n: int) -> Sequence[slice]:
    return [slice(start, start + _LOSS_BATCH) for start in range(0, n, _LOSS_BATCH)]
