"""Which check of general ability is at hand: the STS benchmark, or the built-in guard."""

from __future__ import annotations

from pathlib import Path

from jobsearch.encoder.protocol import Encoder
from jobsearch.evaluation.sts import evaluate_sts
from jobsearch.evaluation.sts_files import archive_path, read_sts
from jobsearch.tuning.guard import guard_score
from jobsearch.tuning.validation import GeneralCheck

STS_TOLERANCE = 0.005
# The guard falls faster than STS when an encoder forgets: this much goes with a fall of at most 0.005 in STS, as
# measured by tests/benchmarks/guard.py.
GUARD_TOLERANCE = 0.015


def general_check(sts: Path | None = None) -> GeneralCheck:
    """Return the STS check where data is given or was fetched before, else the built-in guard.

    Args:
        sts: a file with STS pairs (see `evaluation.sts_files.read_sts`).

    Raises:
        EvaluationError: the file cannot be used.
    """
    path = sts or (archive_path() if archive_path().is_file() else None)
    if path is None:
        return GeneralCheck("general-similarity guard (Pearson)", guard_score, GUARD_TOLERANCE)
    pairs = read_sts(path)

    def score(encoder: Encoder) -> float:
        return float(evaluate_sts(encoder, pairs).metrics["pearson"])

    return GeneralCheck(f"STS {pairs.name} (Pearson)", score, STS_TOLERANCE)
