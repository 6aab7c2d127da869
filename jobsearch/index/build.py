"""Building an index version: embed what is not known, write, check, publish."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jobsearch
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.tensorfile import write_tensors
from jobsearch.errors import IndexingError, JobSearchError
from jobsearch.files import storage_errors
from jobsearch.index.check import check_version
from jobsearch.index.edits import Edit, apply_edits, read_edits, unpack_taxonomy, write_edits
from jobsearch.index.embedding import embed_labels, forget_unfinished
from jobsearch.index.gate import Gate, check_gate
from jobsearch.index.labels import pack_labels
from jobsearch.index.manifest import ENCODER, LABELS, MANIFEST, METRIC, VECTORS, Manifest, describe_files
from jobsearch.index.reader import IndexVersion, open_version, open_version_at
from jobsearch.index.recall import AT, calibrate
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import Source, Taxonomy

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How a version is built; what is None is as in the version before.

    Args:
        index_type: a name or FAISS factory string (`index.types.find_type`); None, and no version before: by size.
        gate: queries that must be found as well as before; None, and no version before: no gate.
        no_gate: drop the gate of the version before.
        force: publish though the gate says no.
        keep_edits: apply the edits of the version before to the new taxonomy too.
    """

    index_type: str | None = None
    gate: Gate | None = None
    no_gate: bool = False
    force: bool = False
    keep_edits: bool = True


def build_index(
    taxonomy: Taxonomy,
    encoder: Encoder,
    directory: IndexDirectory,
    progress: Progress = silent,
    options: Options | None = None,
) -> IndexVersion:
    """Embed a taxonomy's labels, write them as a new version of an index, check it and publish it.

    Labels that a version of this index, or an interrupted build of it, has by the same encoder are not embedded
    again. Until the last moment the old version stays current; on any error, Ctrl-C included, nothing changes.

    Args:
        taxonomy: what to index; one row a label.
        encoder: makes the vectors and is stored beside them.
        directory: the index; made if it is not there.
        progress: told of the steps.
        options: type, gate and edits.

    Returns:
        The published version, open.

    Raises:
        IndexingError: there are no labels, the gate says no, or the written version fails its check.
        StorageError: the disk is full, read-only or not ours.
    """
    if not taxonomy.concepts:
        raise IndexingError(f"taxonomy {taxonomy.source.name!r} has no labels to index; import or download another")
    options = options or Options()
    described = {
        "name": taxonomy.source.name,
        "version": taxonomy.source.version,
        "fingerprint": taxonomy.fingerprint,
        "languages": list(taxonomy.languages),
    }

    def content(current: IndexVersion | None) -> _Content:
        kept = read_edits(directory.version_path(current.version)) if current and options.keep_edits else ()
        edited = apply_edits(taxonomy, kept, strict=False) if kept else taxonomy
        return _Content(edited, described, kept, encoder)

    return _publish(content, directory, progress, options)


def edit_index(
    edits: Sequence[Edit], directory: IndexDirectory, progress: Progress = silent, options: Options | None = None
) -> IndexVersion:
    """Add and remove labels and concepts of an index, as a new version; only new labels are embedded.

    Args:
        edits: what to do, in this order.
        directory: the index.
        progress: told of the steps.
        options: type and gate.

    Raises:
        IndexingError: an edit cannot be done, the gate says no, or the index cannot be opened.
        StorageError: the disk is full, read-only or not ours.
    """
    directory.current()  # there must be one

    def content(current: IndexVersion | None) -> _Content:
        current = current or open_version(directory)  # which says why it cannot be opened
        about = current.manifest.taxonomy
        taxonomy = unpack_taxonomy(current.labels, Source(about["name"], about["version"], directory.name))
        edited = apply_edits(taxonomy, edits, strict=True)
        # With the kind that the concept has now: a newer ESCO may not have the concept to tell it from.
        kinds = {concept.uri: concept.kind for concept in (*taxonomy.concepts, *edited.concepts)}
        made = [replace(edit, kind=kinds.get(edit.uri, edit.kind)) for edit in edits]
        kept = (*read_edits(directory.version_path(current.version)), *made)
        return _Content(edited, about, kept, current.encoder)

    return _publish(content, directory, progress, options or Options())


@dataclass(frozen=True)
class _Content:
    """What a version is to hold: the taxonomy with its edits, what the manifest says of it, the edits, the encoder."""

    taxonomy: Taxonomy
    described: Mapping[str, Any]
    edits: Sequence[Edit]
    encoder: Encoder


def _publish(
    content_after: Callable[[IndexVersion | None], _Content],
    directory: IndexDirectory,
    progress: Progress,
    options: Options,
) -> IndexVersion:
    """Build and publish what `content_after` makes of the version in use, with the lock held."""
    directory.make_ready()
    progress("waiting for other builders", 0, 0)
    with directory.new_version() as aside:
        current = _open_current(directory)
        content = content_after(current)
        if not content.taxonomy.concepts:
            raise IndexingError(f"nothing would be left in index {directory.name!r}; keep at least one concept")
        gate = options.gate
        if gate is None and current is not None and not options.no_gate:
            gate = Gate.of_version(directory.version_path(current.version))
        write_edits(aside, content.edits)
        if gate is not None:
            gate.write(aside)
        manifest = _write(aside, content, directory, progress, options.index_type or _chosen_before(current))
        progress("checking", 0, 0)
        new = open_version_at(aside, directory.name, "new", directory.mend)
        check_version(new)
        if gate is not None:
            progress("asking the gate", 0, 0)
            verdict = check_gate(gate, new, current, options.force)
            with storage_errors(aside):
                (aside / MANIFEST).write_text(replace(manifest, gate=verdict).to_json(), encoding="utf-8")
        forget_unfinished(directory)
    return open_version(directory)


def _open_current(directory: IndexDirectory) -> IndexVersion | None:
    """Return the version in use or, where that is broken, which a build is there to mend, the newest that is whole.

    Edits, gate and type are taken over from it, and the gate compares with it.
    """
    if not directory.exists:
        return None
    with contextlib.suppress(JobSearchError):
        return open_version(directory)
    for version in reversed(directory.versions()):
        try:
            opened = open_version(directory, version)
        except JobSearchError as error:
            _log.warning("broken, nothing is taken over from it: %s", error)
            continue
        _log.warning("version %s of index %r stands in for the broken one in use", version, directory.name)
        return opened
    return None


def _chosen_before(current: IndexVersion | None) -> str | None:
    """Return the index type that someone chose for the version in use; None if it is the default for its size."""
    if current is None:
        return None
    chosen = current.manifest.index_type
    return None if chosen == find_type(None, len(current.labels), current.manifest.dim).name else chosen


def _write(
    aside: Path, content: _Content, directory: IndexDirectory, progress: Progress, index_type: str | None
) -> Manifest:
    """Write labels, vectors, encoder and manifest, and return the manifest."""
    taxonomy, encoder = content.taxonomy, content.encoder
    labels = [label for _, label, _ in taxonomy.labels()]
    kind = find_type(index_type, len(labels), encoder.dim)
    embeddings = embed_labels(labels, encoder, directory, progress)
    progress("building index", 0, 0)
    vectors = Vectors.build(embeddings, kind)
    measured = calibrate(vectors, kind, encoder, labels)
    progress("writing", 0, 0)
    with storage_errors(aside):
        vectors.write(aside / VECTORS)
        write_tensors(aside / LABELS, pack_labels(taxonomy))
    encoder.save(aside / ENCODER)
    counts = taxonomy.counts()
    manifest = Manifest(
        name=directory.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        encoder={"name": encoder.name, "fingerprint": encoder.fingerprint, "case": encoder.case},
        dim=encoder.dim,
        metric=METRIC,
        index_type=kind.name,
        factory=kind.factory,
        search=measured.settings,
        recall={f"recall@{AT}": measured.value, "queries": measured.queries},
        counts={
            "labels": counts["labels"],
            "concepts": len(taxonomy),
            "occupations": counts["occupations"],
            "skills": counts["skills"],
            "relations": len(taxonomy.relations_within),
        },
        taxonomy={**content.described, "languages": list(taxonomy.languages)},
        edits=len(content.edits),
        gate=None,
        made_with={"jobsearch": jobsearch.__version__, "faiss": importlib.metadata.version("faiss-cpu")},
        files=describe_files(aside),
    )
    with storage_errors(aside):
        (aside / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest
