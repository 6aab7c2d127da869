"""How likely an occupation is to be meant before anything was typed: many job titles mean some, few mean others.

The counts are shipped (`data/build_title_counts.py`) and know ESCO's occupations alone. What they do not know, such as
skills and occupations of one's own, is taken to be as likely as the mean occupation.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from jobsearch.errors import TaxonomyError
from jobsearch.home import builtin_title_counts

# Titles that each occupation is taken to have beside those counted: of few titles it is chance which they are.
_UNSEEN = 5


@cache
def _log_counts() -> Mapping[str, float]:
    """Return the logarithm of each known occupation's titles, less their mean, by URI."""
    path = builtin_title_counts()
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            counts = {row["uri"]: float(row["titles"]) for row in csv.DictReader(text)}
        if not counts:
            raise ValueError("it is empty")
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise TaxonomyError(f"{path} is no table of title counts ({error}); install jobsearch again") from error
    logs = np.log(np.array(list(counts.values())) + _UNSEEN)
    return dict(zip(counts, (logs - logs.mean()).tolist(), strict=True))


def log_priors(uris: Iterable[str]) -> npt.NDArray[np.float32]:
    """Return how likely each concept is to be meant: the natural logarithm of its prior, less the mean occupation's.

    Returns:
        float32 (n,), about -1 to 2; 0 for concepts that are not known.

    Raises:
        TaxonomyError: the table that is shipped is missing or damaged.
    """
    known = _log_counts()
    return np.array([known.get(uri, 0.0) for uri in uris], np.float32)
