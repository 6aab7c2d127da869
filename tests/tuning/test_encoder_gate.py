"""The gate: better on what was held out, surely, and able still of what it could before; else rejected, or forced."""

from __future__ import annotations

from dataclasses import replace

import pytest
from encoders import HashEncoder
from vacancies import name_pairs

from jobsearch.encoder.protocol import Encoder
from jobsearch.tuning.gate import Gate, decide
from jobsearch.tuning.interpolation import Tried
from jobsearch.tuning.validation import GeneralCheck, held_out_set

# The narrower, the more texts fall together.
POOR, GOOD = HashEncoder(dim=3), HashEncoder(dim=512)
HELD, LOST = Tried(0.5, 0.6, 0.79, True), Tried(1.0, 0.6, 0.7, False)
CHECK = GeneralCheck("sentences", lambda encoder: 0.8, 0.02)


def gate(base: Encoder, tuned: Encoder, chosen: Tried = HELD, force: bool = False) -> Gate:
    return decide(base, tuned, name_pairs(), CHECK, 0.8, chosen, 0, force)


def test_what_is_better_and_able_still_is_accepted() -> None:
    found = gate(POOR, GOOD)
    task = held_out_set(name_pairs(), seed=0, everything=True)
    assert found.verdict == "accepted"
    assert found.mrr_tuned > found.mrr_base
    assert found.difference == pytest.approx(found.mrr_tuned - found.mrr_base)
    assert 0 < found.interval[0] <= found.difference <= found.interval[1]
    assert (found.queries, found.labels) == (len(task.queries), len(task.corpus))
    assert (found.general_check, found.general_base, found.general_tuned, found.tolerance) == (
        "sentences",
        0.8,
        0.79,
        0.02,
    )
    assert found.reason == (
        f"held-out MRR rose from {found.mrr_base:.4f} to {found.mrr_tuned:.4f} and sentences held (0.8000 to 0.7900)."
    )
    assert gate(POOR, GOOD, force=True) == found  # force is no help that it needs


@pytest.mark.parametrize(("base", "tuned"), [(GOOD, POOR), (GOOD, GOOD)], ids=["worse", "equal"])
def test_what_is_not_surely_better_is_rejected(base: Encoder, tuned: Encoder) -> None:
    found = gate(base, tuned)
    assert found.verdict == "rejected"
    assert found.reason.startswith(
        f"held-out MRR went from {found.mrr_base:.4f} to {found.mrr_tuned:.4f}, which is not "
    )
    assert found.reason.endswith(f"difference {found.interval[0]:+.4f} to {found.interval[1]:+.4f}).")


def test_what_forgot_too_much_is_rejected_whatever_it_gained() -> None:
    found = gate(POOR, GOOD, LOST)
    assert found.verdict == "rejected"
    assert found.reason == "sentences went from 0.8000 to 0.7000, more than 0.02 down."
    assert " and sentences went from" in gate(GOOD, POOR, LOST).reason


def test_by_force_it_is_kept_and_the_reason_says_so() -> None:
    found, forced = gate(POOR, GOOD, LOST), gate(POOR, GOOD, LOST, force=True)
    reason = found.reason.removesuffix(".") + "; kept all the same, by --force."
    assert forced == replace(found, verdict="forced", reason=reason)
