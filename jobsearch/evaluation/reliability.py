"""Whether hits are as often right as they say: confidence against what people decided."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats  # type: ignore[import-untyped]

from jobsearch.engine import JobSearch
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.retrieval_files import title_rows
from jobsearch.evaluation.statistics import Interval
from jobsearch.evaluation.text_files import read_text
from jobsearch.hits import Hit, KindFilter, any_good_match, one_kind
from jobsearch.lexical.fusion import Mode
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.labels import clean_label

Floats = npt.NDArray[np.float64]
LOOKED_AT = 10
BINS = 10
_BATCH = 256
_TEXT = "text"


@dataclass(frozen=True)
class Asked:
    """Titles, each with the concept that people gave it.

    Args:
        name: for reports.
        titles: cleaned.
        uris: of the right concepts, as many.
        unknown: titles left out because the index does not hold their concept.
    """

    name: str
    titles: tuple[str, ...]
    uris: tuple[str, ...]
    unknown: int = 0


@dataclass(frozen=True)
class Bin:
    """Hits of like confidence.

    Args:
        count: how many.
        confidence: their mean.
        right: the share of them that is right, and where it lies with 95% probability (Wilson).
        interval: of `right`.
    """

    count: int
    confidence: float
    right: float
    interval: Interval


@dataclass(frozen=True)
class Reliability:
    """What confidence is worth on a set of titles, and what is said of texts that are none.

    Args:
        titles: how many were asked.
        unknown: how many were left out, since the index does not hold their concept.
        bins: of first hits, by rising confidence, as many hits in each.
        error: expected calibration error of first hits: the mean over bins of how far confidence is from what is right.
        error_ten: the same of the first ten hits of all titles.
        brier: mean squared error of first hits' confidence.
        found: share of titles whose concept is among the first ten hits, by whether there was a good match.
        no_match: share of titles, and of texts off the topic (None without any), that have no good match.
    """

    titles: int
    unknown: int
    bins: tuple[Bin, ...]
    error: float
    error_ten: float
    brier: float
    found: Mapping[bool, float | None]
    no_match: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "titles": self.titles,
            "unknown": self.unknown,
            "expected_calibration_error": self.error,
            "expected_calibration_error@10": self.error_ten,
            "brier": self.brier,
            "recall@10": {"good_match": self.found[True], "no_good_match": self.found[False]},
            "no_good_match": dict(self.no_match),
            "bins": [
                {
                    "count": one.count,
                    "confidence": one.confidence,
                    "right": one.right,
                    "interval": [one.interval.low, one.interval.high],
                }
                for one in self.bins
            ],
        }


def read_asked(path: Path, engine: JobSearch) -> Asked:
    """Read titles with their concepts; those whose concept the index does not hold are left out and counted.

    Args:
        path: CSV with the columns `vacancyTitle` and `conceptUri`.
        engine: over the index to be asked.

    Raises:
        EvaluationError: it cannot be read, or fewer than as many titles are left as there are bins.
    """
    labels = engine.opened.labels
    rows = [(clean_label(title), uri.strip()) for title, uri in title_rows(path)]
    kept = [(title, uri) for title, uri in rows if title and labels.concept(uri) is not None]
    if len(kept) < BINS:
        step = "name another with --index" if len(kept) < len(rows) else "add titles"
        raise EvaluationError(
            f"{path}: {len(kept)} of {len(rows)} titles belong to a concept of index {engine.opened.name!r}, expected "
            f"at least {BINS}; {step}"
        )
    titles, uris = zip(*kept, strict=True)
    return Asked(path.stem, titles, uris, len(rows) - len(kept))


def read_off_topic(path: Path) -> tuple[str, ...]:
    """Read texts that are no titles.

    Args:
        path: CSV with the column `text`; other columns are passed over.

    Raises:
        EvaluationError: it cannot be read, has no such column, or no text.
    """
    expected = f"expected a CSV file with the column {_TEXT}"
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
        if _TEXT not in columns:
            raise EvaluationError(f"{path} has the columns {','.join(columns) or 'of an empty file'}; {expected}")
        texts = tuple(filter(None, (clean_label(row[_TEXT] or "") for row in reader)))
    except csv.Error as error:
        raise EvaluationError(f"{path}, row {reader.line_num + 1}: {error}; {expected}") from error
    if not texts:
        raise EvaluationError(f"{path} holds no text; {expected}, one a row")
    return texts


def measure_reliability(
    engine: JobSearch,
    asked: Asked,
    off_topic: Sequence[str] = (),
    kind: KindFilter = "occupation",
    mode: Mode = "both",
    progress: Progress = silent,
) -> Reliability:
    """Search for all titles and count how often hits of which confidence are right.

    Args:
        engine: what to search.
        asked: titles and their concepts.
        off_topic: texts that are no titles.
        kind: what to find.
        mode: what to find by.
        progress: told how many are done.

    Raises:
        QueryError: the index has nothing of that kind, or there is no such mode.
    """
    k = min(LOOKED_AT, engine.opened.labels.concepts(one_kind(kind)) or 1)
    sure = np.zeros((len(asked.titles), LOOKED_AT))
    right = np.zeros(sure.shape, np.bool_)
    good = np.zeros(len(sure), np.bool_)
    texts = [*asked.titles, *off_topic]
    none_good = 0
    for start in range(0, len(texts), _BATCH):
        progress("searching", start, len(texts))
        batch = texts[start : start + _BATCH]
        for place, hits in enumerate(engine.search_many(batch, k, kind, mode=mode), start):
            if place < len(sure):
                _note(hits, asked.uris[place], sure[place], right[place])
                good[place] = any_good_match(hits)
            else:
                none_good += not any_good_match(hits)
    progress("searching", len(texts), len(texts))
    found = np.asarray(right.any(axis=1))
    return Reliability(
        titles=len(sure),
        unknown=asked.unknown,
        bins=_bins(sure[:, 0], right[:, 0]),
        error=_error(sure[:, 0], right[:, 0]),
        error_ten=_error(sure.ravel(), right.ravel()),
        brier=float(np.mean((sure[:, 0] - right[:, 0]) ** 2)),
        found={True: _share(found[good]), False: _share(found[~good])},
        no_match={"titles": _share(~good), "off_topic": none_good / len(off_topic) if off_topic else None},
    )


def _note(hits: Sequence[Hit], uri: str, sure: Floats, right: npt.NDArray[np.bool_]) -> None:
    for rank, hit in enumerate(hits):
        sure[rank], right[rank] = hit.confidence or 0.0, hit.uri == uri


def _share(of: npt.NDArray[np.bool_]) -> float | None:
    return float(of.mean()) if len(of) else None


def _bins(sure: Floats, right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Cut hits, ordered by confidence, into parts of one size."""
    found = []
    for part in np.array_split(np.argsort(sure, kind="stable"), BINS):
        count, hits = len(part), int(right[part].sum())
        low, high = stats.binomtest(hits, count).proportion_ci(method="wilson")
        found.append(Bin(count, float(sure[part].mean()), hits / count, Interval(float(low), float(high))))
    return tuple(found)


def _error(sure: Floats, right: npt.NDArray[np.bool_]) -> float:
    bins = _bins(sure, right)
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / len(sure)
