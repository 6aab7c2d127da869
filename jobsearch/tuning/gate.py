"""The gate: whether a tuned encoder may be used, by names that it never saw and by what it could before."""

from __future__ import annotations

from dataclasses import dataclass

from jobsearch.encoder.protocol import Encoder
from jobsearch.evaluation.retrieval import evaluate_retrieval
from jobsearch.tuning.interpolation import Tried
from jobsearch.tuning.pairs import PairSet
from jobsearch.tuning.validation import GeneralCheck, held_out_set


@dataclass(frozen=True)
class Gate:
    """Whether a tuned encoder may be used, and on what grounds.

    Args:
        verdict: `accepted`, `rejected`, or `forced`: rejected, and kept as usable all the same.
        reason: in a sentence.
        mrr_base, mrr_tuned: on all held-out queries against all labels.
        queries, labels: how many of each.
        difference, interval, p_value: of MRR, tuned less base, paired by query; 95 % bootstrap interval.
        general_check: what general ability was measured by.
        general_base, general_tuned: its scores.
        tolerance: how far that may fall.
    """

    verdict: str
    reason: str
    mrr_base: float
    mrr_tuned: float
    queries: int
    labels: int
    difference: float
    interval: tuple[float, float]
    p_value: float
    general_check: str
    general_base: float
    general_tuned: float
    tolerance: float


def decide(
    base: Encoder,
    tuned: Encoder,
    pairs: PairSet,
    general: GeneralCheck,
    general_base: float,
    chosen: Tried,
    seed: int,
    force: bool,
) -> Gate:
    """Measure both encoders on all held-out queries, and say whether the tuned one may be used.

    It may if its mean reciprocal rank is surely higher than the base's, and general ability holds.

    Args:
        base, tuned: the encoders.
        pairs: what was held out is in them.
        general: check of general ability.
        general_base: the base's score in it.
        chosen: the share of tuned weights that `tuned` has, with its score.
        seed: of the run.
        force: call what is rejected forced.
    """
    task = held_out_set(pairs, seed=seed, everything=True)
    before, after = evaluate_retrieval(base, task), evaluate_retrieval(tuned, task)
    paired = after.paired(before)
    failures = []
    if paired.interval.low <= 0:
        failures.append(
            f"held-out MRR went from {before.metrics['mrr']:.4f} to {after.metrics['mrr']:.4f}, which is not surely a "
            f"rise (95 % interval of the difference {paired.interval.low:+.4f} to {paired.interval.high:+.4f})"
        )
    if not chosen.holds:
        failures.append(
            f"{general.name} went from {general_base:.4f} to {chosen.general:.4f}, more than {general.tolerance:g} down"
        )
    if not failures:
        verdict = "accepted"
        reason = (
            f"held-out MRR rose from {before.metrics['mrr']:.4f} to {after.metrics['mrr']:.4f} and {general.name} held "
            f"({general_base:.4f} to {chosen.general:.4f})."
        )
    else:
        verdict = "forced" if force else "rejected"
        reason = " and ".join(failures) + ("; kept all the same, by --force." if force else ".")
    return Gate(
        verdict=verdict,
        reason=reason,
        mrr_base=float(before.metrics["mrr"]),
        mrr_tuned=float(after.metrics["mrr"]),
        queries=len(task.queries),
        labels=len(task.corpus),
        difference=paired.difference,
        interval=(paired.interval.low, paired.interval.high),
        p_value=paired.p_value,
        general_check=general.name,
        general_base=general_base,
        general_tuned=chosen.general,
        tolerance=general.tolerance,
    )
