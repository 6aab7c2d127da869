"""What `--json` says of an index: the same fields whether it was listed, shown, built or edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobsearch.index.manifest import Manifest
    from jobsearch.index.versions import IndexDirectory


def summary_of(directory: IndexDirectory) -> dict[str, Any]:
    """Return the record of an index's current version.

    Raises:
        IndexingError: there is none, or its manifest cannot be read.
    """
    from jobsearch.index.manifest import Manifest

    version = directory.current()
    return record_of(directory, version, Manifest.read(directory.version_path(version), directory.mend))


def record_of(directory: IndexDirectory, version: str, manifest: Manifest) -> dict[str, Any]:
    """Return the record of a version of an index."""
    return {
        "name": directory.name,
        "path": str(directory.path),
        "version": version,
        "versions": directory.versions(),
        "created": manifest.created,
        "counts": manifest.counts,
        "encoder": manifest.encoder,
        "dim": manifest.dim,
        "index_type": manifest.index_type,
        "factory": manifest.factory,
        "search": manifest.search,
        "recall": manifest.recall,
        "edits": manifest.edits,
        "gate": manifest.gate,
        "titles": manifest.titles,
        "taxonomy": manifest.taxonomy,
        "made_with": manifest.made_with,
    }
