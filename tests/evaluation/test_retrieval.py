"""Ranking concepts for queries, on vectors small enough to follow by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import EvaluationError
from jobsearch.evaluation import embedding as embedding_module
from jobsearch.evaluation import retrieval as retrieval_module
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.progress import silent

ENCODER = HashEncoder(dim=128)


def at_angles(degrees: dict[str, float]) -> Wrapped:
    """Return an encoder that puts each text at an angle, so that the nearest is the one at the nearest angle."""

    def encode(texts: object) -> Embeddings:
        radians = np.array([math.radians(degrees[text]) for text in texts])  # type: ignore[attr-defined]
        return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)

    return Wrapped(HashEncoder(dim=2), encode=encode)


def relevant(*concepts: list[int]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(own, np.int64) for own in concepts)


def test_labels_fold_into_concepts_by_their_best() -> None:
    # Concept 0: labels at 0° and 80°; 1: at 30°; 2: at 50° and 55°.
    encoder = at_angles({"a": 0, "b": 80, "c": 30, "d": 50, "e": 55, "q75": 75, "q40": 41, "q0": 1})
    made = RetrievalSet(
        "angles",
        queries=("q75", "q40", "q0"),
        corpus=("a", "b", "c", "d", "e"),
        relevant=relevant([0], [1], [2]),
        concept_of=np.array([0, 0, 1, 2, 2]),
    )
    result = evaluate_retrieval(encoder, made)
    # q75: 0 by label b (5°), 2 (20°), 1 (45°): rank 1. q40: 2 (9°), 1 (11°), 0 (39°): rank 2. q0: 0, 1, 2: rank 3.
    assert result.ranks.tolist() == [1, 2, 3]
    assert result.metrics == {
        "mrr": pytest.approx((1 + 1 / 2 + 1 / 3) / 3),
        "recall@1": pytest.approx(1 / 3),
        "recall@5": pytest.approx(1),
        "recall@10": pytest.approx(1),
        # One relevant concept each: 1 / log2(rank + 1).
        "ndcg@10": pytest.approx((1 + 1 / math.log2(3) + 1 / 2) / 3),
    }
    assert (result.n, result.labels, result.concepts) == (3, 5, 3)
    # Each label by itself: 4 labels are nearer to 1° than e, and 2 (d and e) nearer to 41° than b.
    alone = RetrievalSet("alone", ("q0", "q40"), made.corpus, relevant([4], [1, 0]))
    assert evaluate_retrieval(encoder, alone).ranks.tolist() == [4, 4]


def test_equal_labels_of_several_concepts_tie_exactly() -> None:
    # "osteopath" belongs to both concepts, in two spellings that the encoder's case setting makes one.
    made = RetrievalSet(
        "tie",
        queries=("osteopath", "physiotherapist"),
        corpus=("Osteopath", "osteopath", "physiotherapist"),
        relevant=relevant([0], [1]),
        concept_of=np.array([0, 1, 1]),
    )
    result = evaluate_retrieval(ENCODER, made)
    # Query 1 is at rank 1 or 2 with even chances: (1 + 1/2) / 2; query 2 at rank 1.
    assert result.per_query["mrr"].tolist() == [0.75, 1]
    assert result.per_query["recall@1"].tolist() == [0.5, 1]
    assert result.ranks.tolist() == [2, 1]
    assert result.mrr_range == (0.75, 1.0)


def test_the_order_of_labels_and_concepts_does_not_matter() -> None:
    texts = [f"{job} {place}" for job in ("cook", "nurse", "clerk") for place in ("", "a", "b", "")]
    queries = ("cook b", "clerks", "nurse", "cook a")
    right = [[0], [2], [1], [0]]
    straight = RetrievalSet("s", queries, tuple(texts), relevant(*right), np.repeat([0, 1, 2], 4))
    backward = RetrievalSet(
        "b", queries, tuple(texts[::-1]), relevant(*([2 - c] for [c] in right)), np.repeat([0, 1, 2], 4)
    )
    results = [evaluate_retrieval(ENCODER, made).metrics for made in (straight, backward)]
    assert results[0] == pytest.approx(results[1])


def test_small_batches_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    corpus = tuple(f"label {number}" for number in range(60))
    made = RetrievalSet(
        "many",
        queries=tuple(f"query {number}" for number in range(37)),
        corpus=corpus,
        relevant=tuple(generator.choice(20, generator.integers(1, 4), replace=False) for _ in range(37)),
        concept_of=np.repeat(np.arange(20), 3),
    )
    whole = evaluate_retrieval(ENCODER, made)
    monkeypatch.setattr(retrieval_module, "_MOST_SCORES", 5 * 60)
    monkeypatch.setattr(embedding_module, "_CHUNK", 7)
    steps: list[tuple[str, int, int]] = []
    parts = evaluate_retrieval(ENCODER, made, lambda *step: steps.append(step))
    for name, values in whole.per_query.items():
        assert np.allclose(values, parts.per_query[name]), name
    assert steps[0] == ("encoding labels", 0, 60)
    assert ("encoding queries", 37, 37) in steps
    assert steps[-1] == ("ranking", 37, 37)
    # Against brute force: the cosine of every pair, the best of each concept, and counting.
    labels, queries = ENCODER.encode(corpus), ENCODER.encode(made.queries)
    for query, own in enumerate(made.relevant):
        best = (labels @ queries[query]).reshape(20, 3).max(axis=1)
        right = max(best[concept] for concept in own)
        higher = sum(score > right + 1e-6 for score in best)
        assert higher + 1 == whole.judged.best_ranks[query]


def test_a_collapsed_encoder_gets_no_credit() -> None:
    collapsed = Wrapped(ENCODER, encode=lambda texts: np.full((len(texts), 128), 128**-0.5, np.float32))
    made = RetrievalSet("x", ("q", "r"), tuple(map(str, range(100))), relevant([0], [99]))
    result = evaluate_retrieval(collapsed, made)
    # A rank drawn from 1 … 100: the 100th harmonic number / 100.
    assert result.metrics["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 101)) / 100)
    assert result.metrics["recall@10"] == pytest.approx(0.1)


def test_nan_is_refused() -> None:
    broken = Wrapped(ENCODER, encode=lambda texts: np.full((len(texts), 128), np.nan, np.float32))
    with pytest.raises(EvaluationError, match="gives NaN or infinity"):
        evaluate_retrieval(broken, RetrievalSet("x", ("q", "r"), ("a", "b"), relevant([0], [1])))


def test_records_and_comparison() -> None:
    corpus = ("cook", "chef", "nurse", "carer", "clerk")
    made = RetrievalSet(
        "five", ("cooks", "nurses", "clark"), corpus, relevant([0], [1], [2]), np.array([0, 0, 1, 1, 2]), {"empty": 3}
    )
    first, second = (evaluate_retrieval(HashEncoder(64, salt), made, silent) for salt in ("", "x"))
    record = first.to_dict()
    assert record["task"] == "retrieval"
    assert record["set"] == "five"
    assert record["encoder"] == {"name": "hash", "fingerprint": HashEncoder(64).fingerprint}
    assert set(record["metrics"]) == set(record["intervals"]) == {"mrr", "recall@1", "recall@5", "recall@10", "ndcg@10"}
    assert (record["n"], record["labels"], record["concepts"], record["dropped"]) == (3, 5, 3, {"empty": 3})
    for name, (low, high) in record["intervals"].items():
        assert low <= record["metrics"][name] <= high
    paired = second.paired(first)
    assert (paired.metric, paired.n) == ("mrr", 3)
    assert paired.difference == pytest.approx(second.metrics["mrr"] - first.metrics["mrr"])
    same = first.paired(first)
    assert (same.difference, same.p_value, same.interval.low, same.interval.high) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("own", "concept_of", "message"),
    [
        (relevant([0]), None, "2 queries, but relevant concepts of 1"),
        (relevant([0], []), None, r"query 1 has relevant concepts \[\], expected some of 3"),
        (relevant([0], [3]), None, r"query 1 has relevant concepts \[3\], expected some of 3"),
        (relevant([0], [2]), [0, 0, 1], r"query 1 has relevant concepts \[2\], expected some of 2"),
        (relevant([0, 0], [1]), None, "query 0 has a relevant concept twice"),
        (relevant([0], [1]), [0, 2, 2], "must number each label's concept from 0"),
        (relevant([0], [1]), [1, 1, 2], "must number each label's concept from 0"),
        (relevant([0], [1]), [0, 1, 0], "must number each label's concept from 0"),
        (relevant([0], [1]), [0, 1], "must number each label's concept from 0"),
    ],
)
def test_a_set_checks_itself(own: tuple[np.ndarray, ...], concept_of: list[int] | None, message: str) -> None:
    numbers = None if concept_of is None else np.array(concept_of)
    with pytest.raises(ValueError, match=message):
        RetrievalSet("x", ("q", "r"), ("a", "b", "c"), own, numbers)


def test_one_query_is_no_set() -> None:
    with pytest.raises(EvaluationError, match="retrieval set 'x' has 1 queries, expected at least 2"):
        RetrievalSet("x", ("q",), ("a",), relevant([0]))
