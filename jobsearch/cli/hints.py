"""What is said of a query that names something which the index does not have."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsearch.index.labels import LabelTable
    from jobsearch.index.reader import IndexVersion

# What the reason ends in where the index knows no ISCO groups; another index that has them is nearer at hand.
_IMPORT = "; `jobsearch esco import`"


def name_hint(opened: IndexVersion, query: str) -> str:
    """Return why an ISCO code or a URI finds nothing by name, and which other index has it; "" for all else.

    Args:
        opened: the version that is searched.
        query: what was typed.
    """
    from jobsearch.named import unknown_name
    from jobsearch.taxonomy.labels import clean_label

    asked = clean_label(query)
    reason = unknown_name(opened.labels, asked)
    if reason is None:
        return ""
    text = f"{reason[0].upper()}{reason[1:]}"
    other = _index_with(opened.name, asked)
    return f"{text.partition(_IMPORT)[0]}; index {other!r} does (use --index {other})." if other else f"{text}."


def _index_with(without: str, query: str) -> str | None:
    """Return the name of an index that has what a query names, other than the one `without` it."""
    from jobsearch.index.versions import index_names
    from jobsearch.named import find_named

    # An index that only one encoder is compared by (`name@encoder`) holds what the plain one does.
    for name in sorted(index_names(), key=lambda name: ("@" in name, name)):
        if name == without:
            continue
        labels = _labels(name)
        named = labels and find_named(labels, query)
        if named and (named.isco is not None or named.concept is not None):
            return name
    return None


def _labels(name: str) -> LabelTable | None:
    """Return the labels of an index's version in use, None where they cannot be read."""
    from jobsearch.errors import JobSearchError
    from jobsearch.index.versions import IndexDirectory

    with contextlib.suppress(JobSearchError):
        directory = IndexDirectory.named(name)
        return _labels_at(str(directory.path), directory.current())
    return None


@lru_cache(4)
def _labels_at(path: str, version: str) -> LabelTable | None:
    """Read a version's labels; remembered, for the live search asks anew with each letter typed."""
    from jobsearch.index.labels import LabelTable
    from jobsearch.index.manifest import LABELS
    from jobsearch.index.versions import IndexDirectory

    # Not checked against their digests as an index that is opened: a damaged one is just not recommended.
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError, TypeError):
        return LabelTable.open(IndexDirectory.at(path).version_path(version) / LABELS)
    return None
