"""Base and tuned on evaluation sets: figures with intervals, and the queries or pairs that were won and lost most."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.text import apply_case
from jobsearch.evaluation.retrieval import RetrievalResult, RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import TITLE, URI, read_melo, read_titles
from jobsearch.evaluation.statistics import Paired
from jobsearch.evaluation.sts import StsResult, StsSet, evaluate_sts
from jobsearch.evaluation.sts_files import is_archive, read_sts
from jobsearch.evaluation.text_files import read_text
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import Taxonomy

MOST_CASES = 10
_ROUNDING = 1e-9
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A query whose right answer rose or fell.

    Args:
        query: what was asked.
        right: the right answer's label, the one that the tuned encoder finds nearest.
        base_rank, tuned_rank: where the right answer stands, 1 for the best; equal scores are counted against it.
        base_first, tuned_first: the label that each encoder finds nearest of all.
    """

    query: str
    right: str
    base_rank: int
    tuned_rank: int
    base_first: str
    tuned_first: str


@dataclass(frozen=True, slots=True)
class PairCase:
    """A sentence pair whose similarity came nearer to what people say, or went away from it.

    Args:
        first, second: the sentences.
        people: what people say, 0 to 5.
        base, tuned: the encoders' cosines, put onto people's scale by the straight line that fits best.
    """

    first: str
    second: str
    people: float
    base: float
    tuned: float


@dataclass(frozen=True, eq=False)
class RetrievalMeasured:
    """Base and tuned on a retrieval set.

    Args:
        base, tuned: the results.
        paired: their comparison, by MRR.
        won, lost, same: for how many queries the right answer rose, fell and stayed, equal scores counted against it.
        wins, losses: those whose rank changed by the largest factor, biggest first.
    """

    base: RetrievalResult
    tuned: RetrievalResult
    paired: Paired
    won: int
    lost: int
    same: int
    wins: tuple[Case, ...] = field(repr=False)
    losses: tuple[Case, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class StsMeasured:
    """Base and tuned on an STS set; see `RetrievalMeasured`."""

    base: StsResult
    tuned: StsResult
    paired: Paired
    wins: tuple[PairCase, ...] = field(repr=False)
    losses: tuple[PairCase, ...] = field(repr=False)


Measured = RetrievalMeasured | StsMeasured


def read_sets(paths: Iterable[Path], taxonomy: Callable[[], Taxonomy]) -> list[StsSet | RetrievalSet]:
    """Read evaluation sets; the kind is told by the content.

    Args:
        paths: MELO folders, CSV files of titles (`vacancyTitle,conceptUri`, by all labels), STS files or the archive.
        taxonomy: gives the one to find titles in; called only if there are titles.

    Raises:
        EvaluationError: one cannot be read.
    """
    found: list[StsSet | RetrievalSet] = []
    for path in paths:
        if path.is_dir():
            found.append(read_melo(path))
        elif not is_archive(path) and path.is_file() and _of_titles(path):
            found.append(read_titles(path, taxonomy()).labels_only())
        else:
            found.append(read_sts(path))
    return found


def measure(one: StsSet | RetrievalSet, base: Encoder, tuned: Encoder, progress: Progress = silent) -> Measured:
    """Measure both encoders on a set.

    Args:
        one: the set.
        base, tuned: before and after.
        progress: told of the texts that are encoded.

    Raises:
        EvaluationError: an embedding is not finite.
    """
    if isinstance(one, StsSet):
        return _sts(one, base, tuned, progress)
    return _retrieval(one, _Keeping(base), _Keeping(tuned), progress)


def _of_titles(path: Path) -> bool:
    head = next(csv.reader(read_text(path).splitlines()[:1]), [])
    return bool({TITLE, URI} & set(head))


def _sts(pairs: StsSet, base: Encoder, tuned: Encoder, progress: Progress) -> StsMeasured:
    before, after = (evaluate_sts(encoder, pairs, progress) for encoder in (base, tuned))
    on_scale = [_fitted(result.cosines, pairs.scores) for result in (before, after)]
    gain = np.abs(on_scale[0] - pairs.scores) - np.abs(on_scale[1] - pairs.scores)

    def cases(rows: Sequence[int]) -> tuple[PairCase, ...]:
        return tuple(
            PairCase(
                pairs.sentences1[row],
                pairs.sentences2[row],
                float(pairs.scores[row]),
                float(on_scale[0][row]),
                float(on_scale[1][row]),
            )
            for row in rows
        )

    return StsMeasured(before, after, after.paired(before), cases(_most(gain)), cases(_most(-gain)))


def _fitted(cosines: Floats, scores: Floats) -> Floats:
    """Put cosines onto the scores' scale by least squares."""
    spread = cosines - cosines.mean()
    square = float((spread**2).sum())
    slope = float((spread * scores).sum()) / square if square > 0 else 0.0
    fitted: Floats = scores.mean() + slope * spread
    return fitted


def _retrieval(one: RetrievalSet, base: _Keeping, tuned: _Keeping, progress: Progress) -> RetrievalMeasured:
    before, after = (evaluate_retrieval(encoder, one, progress) for encoder in (base, tuned))
    # By factors: reciprocal ranks would call 1 to 2 worse than 2 to 300, plain ranks 800 to 900 worse than 1 to 90.
    gain = np.log(before.ranks / after.ranks)
    wins, losses = _most(gain), _most(-gain)
    firsts = [_firsts(encoder, one, [*wins, *losses]) for encoder in (base, tuned)]

    def cases(rows: Sequence[int]) -> tuple[Case, ...]:
        return tuple(
            Case(
                one.queries[row],
                firsts[1][row][1],
                int(before.ranks[row]),
                int(after.ranks[row]),
                firsts[0][row][0],
                firsts[1][row][0],
            )
            for row in rows
        )

    return RetrievalMeasured(
        before,
        after,
        after.paired(before),
        won=int((gain > 0).sum()),
        lost=int((gain < 0).sum()),
        same=int((gain == 0).sum()),
        wins=cases(wins),
        losses=cases(losses),
    )


def _most(gain: Floats) -> list[int]:
    """Return where the largest gains are, biggest first; what gains nothing is left out."""
    order = np.argsort(-gain, kind="stable")[:MOST_CASES]
    return [int(row) for row in order if gain[row] > _ROUNDING]


def _firsts(encoder: _Keeping, one: RetrievalSet, rows: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return the nearest label of all, and the nearest right one, for some queries."""
    if not rows:
        return {}
    labels = encoder.kept(one.corpus)
    owner = np.arange(len(one.corpus)) if one.concept_of is None else one.concept_of
    found = {}
    for row in dict.fromkeys(rows):
        scores = labels @ encoder.kept([one.queries[row]])[0]
        right = np.flatnonzero(np.isin(owner, one.relevant[row]))
        found[row] = (one.corpus[int(scores.argmax())], one.corpus[int(right[scores[right].argmax()])])
    return found


class _Keeping:
    """An encoder that keeps what it has encoded, so that a set's labels are encoded once for figures and examples.

    Args:
        inner: the encoder.
    """

    def __init__(self, inner: Encoder) -> None:
        self.name, self.dim, self.fingerprint, self.case = inner.name, inner.dim, inner.fingerprint, inner.case
        self._inner = inner
        self._rows: dict[str, npt.NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> Embeddings:
        vectors = self._inner.encode(texts)
        self._rows.update(zip(texts, vectors, strict=True))
        return vectors

    def save(self, directory: Path) -> None:
        self._inner.save(directory)

    def kept(self, texts: Sequence[str]) -> Embeddings:
        """Return the embeddings of texts that were encoded before."""
        return np.stack([self._rows[apply_case(text, self.case)] for text in texts])
