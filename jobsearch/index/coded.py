"""Titles that a user has coded: how often each concept was meant, which tells how likely it is to be meant again.

An index carries the counts, not the titles, and hands them on to the versions after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jobsearch.files import storage_errors
from jobsearch.index.manifest import TITLES
from jobsearch.taxonomy.model import KINDS, Kind

# Titles that each concept is taken to have beside those counted, and what the logarithm of the sum is worth, against
# that of the counts that are shipped: `tests/benchmarks/README.md`, "Words and meaning".
_UNSEEN, _WORTH = 0.1, 1.5


@dataclass(frozen=True)
class CodedTitles:
    """How many coded titles mean each concept.

    Args:
        counts: by URI, each above 0.
    """

    counts: Mapping[str, int]

    @staticmethod
    def of(uris: Iterable[str]) -> CodedTitles:
        """Count the concepts of titles, one URI a title."""
        return CodedTitles(dict(sorted(Counter(uris).items())))

    @staticmethod
    def of_version(path: Path) -> CodedTitles | None:
        """Return the counts that a version carries, given its verified folder, or None."""
        if not (path / TITLES).is_file():
            return None
        return CodedTitles(json.loads((path / TITLES).read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Put the counts into a version's folder.

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        with storage_errors(path):
            (path / TITLES).write_text(json.dumps(self.counts, indent=0), encoding="utf-8")

    def within(self, uris: Iterable[str]) -> int:
        """Return how many of the titles mean one of these concepts."""
        return sum(self.counts.get(uri, 0) for uri in uris)

    def summary(self) -> dict[str, int]:
        """Return the number of titles and of the concepts that they mean."""
        return {"titles": sum(self.counts.values()), "concepts": len(self.counts)}

    def priors(self, uris: Iterable[str], kinds: Iterable[Kind]) -> npt.NDArray[np.float32]:
        """Return how likely each concept is to be meant, on the scale of `taxonomy.prior.log_priors`.

        Args:
            uris, kinds: of all concepts of an index.

        Returns:
            float32 (n,), 0 in the mean of each kind, and all over a kind of which there are no titles.
        """
        found = np.array([self.counts.get(uri, 0) for uri in uris], np.float64)
        kind = np.array([KINDS.index(one) for one in kinds])
        result = np.zeros(len(found))
        for number in range(len(KINDS)):
            own = kind == number
            if found[own].any():
                logs = np.log(found[own] + _UNSEEN)
                result[own] = _WORTH * (logs - logs.mean())
        return result.astype(np.float32)
