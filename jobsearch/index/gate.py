"""The gate on publishing: a reference set of queries that a new version must find as well as the one in use."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobsearch.errors import IndexingError
from jobsearch.files import storage_errors
from jobsearch.index.concepts import nearest_concepts
from jobsearch.index.manifest import GATE
from jobsearch.index.reader import IndexVersion
from jobsearch.index.rows import Rows

_log = logging.getLogger(__name__)
AT = 10
_NAMED = 3


@dataclass(frozen=True)
class Gate:
    """Queries, each with a concept that should be found.

    Args:
        expected: (query, URI) pairs; a query with several right concepts comes several times.
    """

    expected: tuple[tuple[str, str], ...]

    @staticmethod
    def of_version(path: Path) -> Gate | None:
        """Return the gate that a version carries, given its verified folder, or None."""
        if not (path / GATE).is_file():
            return None
        return Gate(tuple((query, uri) for query, uri in json.loads((path / GATE).read_text(encoding="utf-8"))))

    def write(self, path: Path) -> None:
        """Put the gate into a version's folder.

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        with storage_errors(path):
            (path / GATE).write_text(json.dumps(self.expected, ensure_ascii=False, indent=0), encoding="utf-8")

    def found(self, version: IndexVersion) -> list[bool]:
        """Tell of each pair whether the concept is among the 10 nearest of the query."""
        queries = list(dict.fromkeys(query for query, _ in self.expected))
        labels = version.labels
        k = min(AT, labels.concepts())
        vectors = version.encoder.encode(queries)
        every, exact = Rows.between(0, len(labels)), labels.spelled.find(queries)
        hits = nearest_concepts(version.vectors, labels, vectors, k, every, exact=exact)
        uris = {
            query: {labels.uris[int(labels.concept_of[row])] for _, row in entries}
            for query, entries in zip(queries, hits, strict=True)
        }
        return [uri in uris[query] for query, uri in self.expected]


def check_gate(gate: Gate, new: IndexVersion, current: IndexVersion | None, force: bool) -> dict[str, Any]:
    """Compare a new version with the one in use.

    Args:
        gate: the queries.
        new: the version to be published.
        current: the version in use; None: there is none, and the first one passes.
        force: let it pass though it is worse.

    Returns:
        What the manifest keeps: `queries`, `recall@10`, `before` and `forced` (whether it would not have passed).

    Raises:
        IndexingError: recall fell and `force` is False, or none of the concepts is in either version.
    """
    versions = [version for version in (new, current) if version is not None]
    unknown = [uri for _, uri in gate.expected if all(version.labels.concept(uri) is None for version in versions)]
    if len(unknown) == len(gate.expected):
        raise IndexingError(
            f"the gate cannot judge index {new.name!r}: it holds none of its concepts, such as {unknown[0]!r}; "
            "give the URIs that hits show, or drop it with --no-gate"
        )
    if unknown:
        _log.warning(
            "%d of the gate's %d concepts are in no version, such as %s", len(unknown), len(gate.expected), unknown[0]
        )
    after = gate.found(new)
    before = gate.found(current) if current is not None else None
    worse = before is not None and sum(after) < sum(before)
    if worse and not force:
        raise IndexingError(
            f"the gate holds the new version of index {new.name!r} back: recall@{AT} fell from {_share(before)} to "
            f"{_share(after)} over {len(after)} queries, lost {_lost(gate, before, after)}; nothing was published; "
            "--force publishes it all the same"
        )
    return {
        "queries": len(after),
        f"recall@{AT}": sum(after) / len(after),
        "before": None if before is None else sum(before) / len(before),
        "forced": worse,
    }


def _share(found: Sequence[bool] | None) -> str:
    return f"{sum(found) / len(found):.4f}" if found else "nothing"


def _lost(gate: Gate, before: Sequence[bool] | None, after: Sequence[bool]) -> str:
    pairs = zip(gate.expected, before or (), after, strict=True)
    lost = [query for (query, _), was, now in pairs if was and not now]
    named = ", ".join(repr(query) for query in lost[:_NAMED])
    return f"{named} and {len(lost) - _NAMED} more" if len(lost) > _NAMED else named
