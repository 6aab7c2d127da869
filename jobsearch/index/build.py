"""Building an index version: embed every label, write, check, publish."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

import jobsearch
from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.tensorfile import write_tensors
from jobsearch.errors import IndexingError
from jobsearch.files import storage_errors
from jobsearch.index.labels import pack_labels
from jobsearch.index.manifest import ENCODER, LABELS, MANIFEST, METRIC, VECTORS, Manifest, describe_files
from jobsearch.index.reader import IndexVersion, open_version, open_version_at
from jobsearch.index.versions import IndexDirectory
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import Taxonomy

FACTORY = "Flat"
# Labels embedded between two reports of progress; about half a second of work.
_SLICE = 4096
_SAMPLE = 64
# float32 rounding differs a little with the batch that a text is in.
_TOLERANCE = 1e-4


def build_index(
    taxonomy: Taxonomy, encoder: Encoder, directory: IndexDirectory, progress: Progress = silent
) -> IndexVersion:
    """Embed a taxonomy's labels, write them as a new version of an index, check it and publish it.

    Until the last moment the old version stays current; on any error, Ctrl-C included, nothing changes.

    Args:
        taxonomy: what to index; one row a label.
        encoder: makes the vectors and is stored beside them.
        directory: the index; made if it is not there.
        progress: told of the steps.

    Returns:
        The published version, open.

    Raises:
        IndexingError: there are no labels, or the written version fails its check.
        StorageError: the disk is full, read-only or not ours.
    """
    labels = [label for _, label, _ in taxonomy.labels()]
    if not labels:
        raise IndexingError(f"taxonomy {taxonomy.source.name!r} has no labels to index; import or download another")
    directory.make_ready()
    vectors = _embed(labels, encoder, progress)
    with directory.new_version() as aside:
        progress("writing", 0, 0)
        _write(aside, taxonomy, encoder, vectors, directory.name)
        progress("checking", 0, 0)
        check_version(open_version_at(aside, directory.name, "new", directory.mend))
    return open_version(directory)


def _embed(labels: Sequence[str], encoder: Encoder, progress: Progress) -> Embeddings:
    """Return one vector a label, equal labels computed once."""
    # Sorted, so that labels with common words are embedded together, which shares work in the lean runtime.
    distinct = sorted(set(labels))
    position = {label: number for number, label in enumerate(distinct)}
    vectors = np.empty((len(distinct), encoder.dim), np.float32)
    progress("embedding labels", 0, len(distinct))
    for start in range(0, len(distinct), _SLICE):
        part = distinct[start : start + _SLICE]
        vectors[start : start + len(part)] = encoder.encode(part)
        progress("embedding labels", start + len(part), len(distinct))
    return vectors[[position[label] for label in labels]]


def _write(aside: Path, taxonomy: Taxonomy, encoder: Encoder, vectors: Embeddings, name: str) -> None:
    import faiss

    index = faiss.index_factory(encoder.dim, FACTORY, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    with storage_errors(aside):
        _write_vectors(index, aside / VECTORS)
        write_tensors(aside / LABELS, pack_labels(taxonomy))
    encoder.save(aside / ENCODER)
    counts = taxonomy.counts()
    manifest = Manifest(
        name=name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        encoder=_describe_encoder(encoder),
        dim=encoder.dim,
        metric=METRIC,
        factory=FACTORY,
        counts={
            "labels": counts["labels"],
            "concepts": len(taxonomy),
            "occupations": counts["occupations"],
            "skills": counts["skills"],
            "relations": len(taxonomy.relations_within),
        },
        taxonomy={
            "name": taxonomy.source.name,
            "version": taxonomy.source.version,
            "fingerprint": taxonomy.fingerprint,
            "languages": list(taxonomy.languages),
        },
        made_with={"jobsearch": jobsearch.__version__, "faiss": importlib.metadata.version("faiss-cpu")},
        files=describe_files(aside),
    )
    with storage_errors(aside):
        (aside / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _describe_encoder(encoder: Encoder) -> Mapping[str, str]:
    return {"name": encoder.name, "fingerprint": encoder.fingerprint, "case": encoder.case}


def _write_vectors(index: Any, path: Path) -> None:
    import faiss

    # Through a Python file, since FAISS turns a full disk into an error that does not say so.
    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def check_version(version: IndexVersion) -> None:
    """Re-encode a sample of a version's labels with its encoder, and compare with its vectors.

    Raises:
        IndexingError: a stored vector differs from the label's embedding, or is not found by it.
    """
    labels = version.labels.texts
    rows = np.unique(np.linspace(0, len(labels) - 1, min(_SAMPLE, len(labels))).astype(int))
    sample = [labels[int(row)] for row in rows]
    queries = version.encoder.encode(sample)
    scores, _ = version.nearest(queries, 1, (0, len(labels)))
    for label, row, query, score in zip(sample, rows, queries, scores[:, 0], strict=True):
        off = float(abs(version.vectors.reconstruct(int(row)) - query).max())
        if off > _TOLERANCE or abs(float(score) - 1) > _TOLERANCE:
            raise IndexingError(
                f"index {version.name!r}, version {version.version}: the vector of label {label!r} is off by {off:.1e} "
                f"and its best score is {float(score):.4f}, expected below {_TOLERANCE:.0e} and 1.0000; build it again"
            )
