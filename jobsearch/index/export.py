"""Vectors for other engines: Parquet, or NPY beside a CSV, with what identifies each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from jobsearch.errors import IndexingError, StorageError
from jobsearch.files import new_directory
from jobsearch.index.manifest import MANIFEST, describe_files
from jobsearch.index.reader import IndexVersion
from jobsearch.progress import Progress, silent

Format = Literal["parquet", "npy"]
# Rows written at once: 17 MB of vectors.
_ROWS = 8192


def export_index(version: IndexVersion, folder: Path, file_format: str, progress: Progress = silent) -> list[Path]:
    """Write all rows of a version: uri, kind, label, preferred, language, isco_group and the vector.

    A vector is that of the label with what its concept is about (`index.about`), as searching has it.

    Args:
        version: an open version.
        folder: made; must not be there yet, so that nothing of the user's is replaced.
        file_format: `"parquet"`: `labels.parquet`, the vector in the column `embedding`; `"npy"`: `vectors.npy`
            (float32, (rows, dim)) and `labels.csv`, rows in the same order. `manifest.json` is beside either.
        progress: told of rows written.

    Returns:
        The files.

    Raises:
        IndexingError: the folder is there, or there is no such format.
        StorageError: the disk is full, read-only or not ours.
    """
    if file_format not in ("parquet", "npy"):
        raise IndexingError(f"export format {file_format!r} is not known; expected parquet or npy")
    if folder.exists():
        raise IndexingError(f"{folder} is there already; name a folder that is not")
    with new_directory(folder) as aside:
        (_write_parquet if cast("Format", file_format) == "parquet" else _write_npy)(version, aside, progress)
        manifest = replace(version.manifest, files=describe_files(aside))
        (aside / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return sorted(folder.iterdir())


def _write_parquet(version: IndexVersion, aside: Path, progress: Progress) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    dim = version.vectors.dim
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("uri", "kind", "label")),
            ("preferred", pa.bool_()),
            *((name, pa.string()) for name in ("language", "isco_group")),
            ("embedding", pa.list_(pa.float32(), dim)),
        ],
        metadata={"encoder": version.encoder.fingerprint, "index": version.name, "version": version.version},
    )
    try:
        with pq.ParquetWriter(aside / "labels.parquet", schema) as writer:
            for start, columns in _parts(version, progress):
                vectors = version.vectors.embeddings[start : start + len(columns["uri"])]
                flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
                columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, dim)
                writer.write_table(pa.table(columns, schema=schema))
    except pa.ArrowException as error:
        raise StorageError(f"cannot write {aside.parent}: {error}") from error


def _write_npy(version: IndexVersion, aside: Path, progress: Progress) -> None:
    import csv

    shape = (len(version.labels), version.vectors.dim)
    vectors = np.lib.format.open_memmap(aside / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
    with (aside / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for start, columns in _parts(version, progress):
            if start == 0:
                writer.writerow(columns)
            rows = slice(start, start + len(columns["uri"]))
            vectors[rows] = version.vectors.embeddings[rows]
            writer.writerows(zip(*columns.values(), strict=True))
    vectors.flush()


def _parts(version: IndexVersion, progress: Progress) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (first row, columns) of runs of rows."""
    labels = version.labels
    for start in range(0, len(labels), _ROWS):
        rows = range(start, min(start + _ROWS, len(labels)))
        concepts = [int(labels.concept_of[row]) for row in rows]
        progress("exporting", start, len(labels))
        yield (
            start,
            {
                "uri": [labels.uris[concept] for concept in concepts],
                "kind": [labels.kind_of(concept) for concept in concepts],
                "label": [labels.texts[row] for row in rows],
                "preferred": [labels.is_preferred(row) for row in rows],
                "language": [labels.language_of(row) for row in rows],
                "isco_group": [labels.isco_of(concept) for concept in concepts],
            },
        )
