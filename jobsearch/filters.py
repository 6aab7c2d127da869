"""What may be found: the filter that a caller gives, and the rows of an index that it leaves."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from jobsearch.errors import QueryError
from jobsearch.index.labels import LabelTable
from jobsearch.index.rows import Rows
from jobsearch.taxonomy.model import Kind

_ROUNDING = 1e-6
_SHORT = re.compile(r"(occupation|skill)/")
_ISCO = re.compile(r"[0-9]{1,4}\Z")


@dataclass(frozen=True)
class Filter:
    """Conditions that each hit fulfils; all that are given must hold.

    >>> Filter(isco="25", excluded={"urn:acme:retired"}).isco
    '25'

    Args:
        isco: ISCO-08 code of one to four digits; leaves the occupations in that group (`"25"`, `"2512"`).
        language: code of a language (`"en"`); leaves its labels.
        allowed: whole URIs; leaves these concepts. Unknown ones are passed over: a caller's list may be newer than an
            index. The short ones of tables are refused, so that no list does nothing.
        excluded: whole URIs; leaves these concepts out.
        min_score: -1 to 1; leaves hits with this `score` or a higher one (by meaning a cosine, or 1).

    Raises:
        QueryError: a value cannot be one.
    """

    isco: str | None = None
    language: str | None = None
    allowed: Collection[str] | None = None
    excluded: Collection[str] = frozenset()
    min_score: float | None = None

    def __post_init__(self) -> None:
        if self.isco is not None and not (isinstance(self.isco, str) and _ISCO.match(self.isco)):
            raise QueryError(f"isco is {self.isco!r}, expected an ISCO-08 code of one to four digits, such as '251'")
        if self.language is not None and not isinstance(self.language, str):
            raise QueryError(f"language is {self.language!r}, expected a code of two letters, such as 'en'")
        if self.min_score is not None and not _is_cosine(self.min_score):
            raise QueryError(f"min_score is {self.min_score!r}, expected a score, a number from -1 to 1")
        # Frozen sets, so that a filter can be hashed and remembered, and no caller can change it later.
        if self.allowed is not None:
            object.__setattr__(self, "allowed", _uris("allowed", self.allowed))
        object.__setattr__(self, "excluded", _uris("excluded", self.excluded))

    @property
    def least(self) -> float:
        """The lowest score that a hit may have; float32 rounding is allowed for, so that an equal label reaches 1."""
        return -math.inf if self.min_score is None else self.min_score - _ROUNDING

    def rows(self, labels: LabelTable, kind: Kind | None) -> Rows:
        """Return the rows of an index that the filter leaves.

        Args:
            labels: the label table of the index.
            kind: only rows of this kind; None: of both.

        Raises:
            QueryError: the index has no such language, or knows no ISCO groups.
        """
        rows = Rows.between(*labels.rows(kind))
        if self.language is not None:
            if self.language not in labels.languages:
                raise QueryError(
                    f"language is {self.language!r}, expected one of this index: {', '.join(labels.languages)}"
                )
            rows = rows.where(labels.in_language(self.language))
        if self.isco is not None:
            if not labels.has_isco:
                raise QueryError(
                    "isco cannot be filtered by: this index knows no ISCO groups; "
                    "build it from the official ESCO bundle (`jobsearch esco import`)"
                )
            rows = rows.where(labels.of_concepts(labels.in_isco(self.isco)))
        if self.allowed is not None:
            rows = rows.where(labels.of_concepts(_mask(labels, self.allowed)))
        if self.excluded:
            rows = rows.where(~labels.of_concepts(_mask(labels, self.excluded)))
        return rows


def _is_cosine(value: object) -> bool:
    return isinstance(value, (int, float, np.floating)) and not isinstance(value, bool) and bool(-1 <= value <= 1)


def _uris(name: str, uris: Collection[str]) -> frozenset[str]:
    if isinstance(uris, (str, bytes)) or not isinstance(uris, Collection):
        raise QueryError(f"{name} is {uris!r:.60}, expected a collection of URIs")
    wrong = [uri for uri in uris if not isinstance(uri, str)]
    if wrong:
        raise QueryError(f"{name} holds {wrong[0]!r:.60}, expected URIs only")
    short = [uri for uri in uris if _SHORT.match(uri)]
    if short:
        raise QueryError(f"{name} holds {short[0]!r:.60}, a short URI, expected whole ones; take them from `Hit.uri`")
    return frozenset(uris)


def _mask(labels: LabelTable, uris: Collection[str]) -> np.ndarray:
    mask = np.zeros(labels.concepts(), np.bool_)
    numbers = [number for number in map(labels.concept, uris) if number is not None]
    mask[numbers] = True
    return mask


EVERYTHING = Filter()


def filter_of(where: object) -> Filter:
    """Return the filter that a caller gave, or the one that leaves everything for None.

    Raises:
        QueryError: it is something else.
    """
    if where is None:
        return EVERYTHING
    if not isinstance(where, Filter):
        raise QueryError(f"where is {where!r:.80}, expected a Filter, such as jobsearch.Filter(isco='25')")
    return where
