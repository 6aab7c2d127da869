"""General ability without a download: the guard's sentences, and which check is at hand."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped
from students import native_base

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.protocol import Embeddings
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.sts_files import archive_path
from jobsearch.tuning.general import GUARD_TOLERANCE, STS_TOLERANCE, general_check
from jobsearch.tuning.guard import guard_pairs, guard_score


def test_the_sentences_are_always_the_same() -> None:
    first = guard_pairs()
    guard_pairs.cache_clear()
    assert guard_pairs() == first
    assert len(first.left) == len(first.right) == len(first.grades) == 600


def test_the_sentences_are_sentences() -> None:
    pairs = guard_pairs()
    for sentence in (*pairs.left, *pairs.right):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert 4 <= len(sentence.split()) <= 25
    assert len({*pairs.left, *pairs.right}) > 600
    assert sum(left == right for left, right in zip(pairs.left, pairs.right, strict=True)) < 30


def test_grades_are_spread_over_all_of_0_to_1() -> None:
    grades = np.array(guard_pairs().grades)
    assert (grades.min(), grades.max()) == (0, 1)
    counts, _ = np.histogram(grades, bins=4, range=(0, 1))
    assert counts.min() > 50
    assert len(set(grades.tolist())) > 10


def test_equal_grades_mean_equal_content() -> None:
    # Sentences of equal content share letters more often than those that have nothing in common.
    pairs, encoder = guard_pairs(), HashEncoder(256)
    cosines = (encoder.encode(pairs.left) * encoder.encode(pairs.right)).sum(axis=1)
    grades = np.array(pairs.grades)
    assert cosines[grades == 1].mean() > cosines[grades == 0].mean() + 0.05


def test_use_passes() -> None:
    assert guard_score(LeanEncoder(native_base())) > 0.8


def random_vectors(texts: Sequence[str]) -> Embeddings:
    rows = np.random.default_rng(len(texts)).normal(size=(len(texts), 64))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_an_encoder_that_knows_nothing_scores_nothing() -> None:
    # By chance Pearson's r of 600 pairs has a standard deviation of 1/sqrt(600) = 0.04.
    assert abs(guard_score(Wrapped(HashEncoder(64), encode=random_vectors))) < 0.12


def test_the_score_is_pearsons_r() -> None:
    grades = np.array(guard_pairs().grades)

    def perfect(texts: Sequence[str]) -> Embeddings:
        """Left sides lie on one axis, right sides at the angle whose cosine is the grade: linear, so r is 1."""
        left = list(texts) == list(guard_pairs().left)
        cosine = np.ones(len(texts)) if left else grades
        return np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1).astype(np.float32)

    assert guard_score(Wrapped(HashEncoder(2), encode=perfect)) == pytest.approx(1, abs=1e-6)


# --- which check ---------------------------------------------------------------------------------------------------

STS = "a man sleeps,a guy is asleep,4.5\na dog runs,a dog is running,4.8\na cook cooks,a plane lands,0.2\n"


def write_archive(path: Path) -> None:
    path.parent.mkdir(parents=True)
    rows = [row.split(",") for row in STS.splitlines()]
    text = "".join(f"genre\tfile\t2012\t{n}\t{row[2]}\t{row[0]}\t{row[1]}\n" for n, row in enumerate(rows)).encode()
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("stsbenchmark/sts-dev.csv")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))


def test_the_guard_stands_in_where_there_is_no_benchmark(jobsearch_home: Path) -> None:
    check = general_check()
    assert (check.name, check.score, check.tolerance) == (
        "general-similarity guard (Pearson)",
        guard_score,
        GUARD_TOLERANCE,
    )


def test_a_benchmark_that_was_fetched_is_taken(jobsearch_home: Path) -> None:
    write_archive(archive_path())
    check = general_check()
    assert (check.name, check.tolerance) == ("STS sts-dev (Pearson)", STS_TOLERANCE)
    assert 0.3 < check.score(HashEncoder(256)) <= 1


def test_a_file_that_is_given_comes_first(jobsearch_home: Path, tmp_path: Path) -> None:
    write_archive(archive_path())
    (tmp_path / "mine.csv").write_text(STS, encoding="utf-8")
    check = general_check(tmp_path / "mine.csv")
    assert (check.name, check.tolerance) == ("STS mine (Pearson)", STS_TOLERANCE)
    encoder = HashEncoder(256)
    rows = [row.split(",") for row in STS.splitlines()]
    left, right = (encoder.encode([row[side] for row in rows]) for side in (0, 1))
    expected = np.corrcoef((left * right).sum(axis=1), [float(row[2]) for row in rows])[0, 1]
    assert check.score(encoder) == pytest.approx(expected, abs=1e-6)


def test_a_file_that_is_none_is_told(jobsearch_home: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="does not exist"):
        general_check(tmp_path / "nothing.csv")
