"""Answers as plain values: the JSON that the command line prints and that the service sends, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobsearch.comparison import Comparison
    from jobsearch.hits import Hit
    from jobsearch.index.reader import IndexVersion


def index_record(opened: IndexVersion) -> dict[str, Any]:
    """Return which index version answers."""
    return {"name": opened.name, "version": opened.version}


def encoder_record(opened: IndexVersion) -> dict[str, Any]:
    """Return which encoder answers."""
    return {"name": opened.encoder.name, "fingerprint": opened.encoder.fingerprint}


def search_record(opened: IndexVersion, query: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """Return one query's hits and what they come from.

    Args:
        opened: the version that found them.
        query: what was asked.
        hits: what was found.
    """
    from jobsearch.hits import any_good_match  # brings numpy, which --help does not wait for

    return {
        "query": query,
        "index": index_record(opened),
        "encoder": encoder_record(opened),
        "good_match": any_good_match(hits),
        "hits": [hit.to_dict() for hit in hits],
    }


def comparison_record(base: IndexVersion, tuned: IndexVersion, one: Comparison) -> dict[str, Any]:
    """Return one query's hits before and after tuning, and how they moved.

    Args:
        base, tuned: the versions that found them.
        one: what was found.
    """
    return {
        "query": one.query,
        "base": {"encoder": encoder_record(base), "hits": [hit.to_dict() for hit in one.base]},
        "tuned": {"encoder": encoder_record(tuned), "hits": [hit.to_dict() for hit in one.tuned]},
        "moves": [move.to_dict() for move in one.moves],
    }
