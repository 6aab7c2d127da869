"""Building an index version: embed what is not known, write, check, publish."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

import jobsearch
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.tensorfile import write_tensors
from jobsearch.errors import IndexFormatError, IndexingError, JobSearchError
from jobsearch.files import storage_errors
from jobsearch.hubness import hubness
from jobsearch.index.about import About, LabelsAlone
from jobsearch.index.check import check_version
from jobsearch.index.coded import CodedTitles
from jobsearch.index.edits import Edit, apply_edits, read_edits, unpack_taxonomy, write_edits
from jobsearch.index.embedding import embed_labels, embed_sentences, forget_unfinished
from jobsearch.index.gate import Gate, check_gate
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.manifest import (
    ABOUT,
    EDITS,
    ENCODER,
    GATE,
    LABELS,
    MANIFEST,
    METRIC,
    TITLES,
    VECTORS,
    WORDS,
    Manifest,
    describe_files,
    hash_file,
)
from jobsearch.index.reader import IndexVersion, open_version, open_version_at
from jobsearch.index.recall import AT, calibrate
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.words import Words
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.about import sentences_about
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
        titles: titles that were coded; None, and no version before: none.
        no_titles: drop those of the version before.
    """

    index_type: str | None = None
    gate: Gate | None = None
    no_gate: bool = False
    force: bool = False
    keep_edits: bool = True
    titles: CodedTitles | None = None
    no_titles: bool = False


def build_index(
    taxonomy: Taxonomy,
    encoder: Encoder,
    directory: IndexDirectory,
    progress: Progress = silent,
    options: Options | None = None,
) -> IndexVersion:
    """Embed a taxonomy's labels, write them as a new version of an index, check it and publish it.

    Labels that a version of this index, or an interrupted build of it, has by the same encoder and with the same
    description are not embedded again. Until the last moment the old version stays current; on any error, Ctrl-C
    included, nothing changes.

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

    def content(before: _Before) -> _Content:
        kept = before.edits if options.keep_edits else ()
        edited = apply_edits(taxonomy, kept, strict=False) if kept else taxonomy
        return _Content(edited, described, kept, encoder)

    return _publish(content, directory, progress, options)


def edit_index(
    edits: Sequence[Edit], directory: IndexDirectory, progress: Progress = silent, options: Options | None = None
) -> IndexVersion:
    """Add and remove labels and concepts of an index, as a new version; only new labels are embedded.

    Labels that are there already are not added again; where that leaves nothing to do there is no new version.

    Args:
        edits: what to do, in this order; a URI may be short (`LabelTable.full_uri`).
        directory: the index.
        progress: told of the steps.
        options: type and gate.

    Raises:
        IndexingError: an edit cannot be done, the gate says no, or the index cannot be opened.
        StorageError: the disk is full, read-only or not ours.
    """
    directory.current()  # there must be one

    def content(before: _Before) -> _Content:
        current = open_version(directory)  # the very version in use: no other will do
        about = current.manifest.taxonomy
        taxonomy = unpack_taxonomy(
            current.labels, current.about, Source(about["name"], about["version"], directory.name)
        )
        wanted = [replace(edit, uri=current.labels.full_uri(edit.uri)) for edit in edits]
        edited = apply_edits(taxonomy, wanted, strict=True)
        if edited.concepts == taxonomy.concepts:
            raise _NothingToDo
        # With the kind that the concept has now: a newer ESCO may not have the concept to tell it from.
        kinds = {concept.uri: concept.kind for concept in (*taxonomy.concepts, *edited.concepts)}
        made = [replace(edit, kind=kinds.get(edit.uri, edit.kind)) for edit in wanted]
        return _Content(edited, about, (*before.edits, *made), current.encoder)

    try:
        return _publish(content, directory, progress, options or Options())
    except _NothingToDo:
        return open_version(directory)


class _NothingToDo(Exception):  # noqa: N818  (it is no error)
    """All edits are in the version in use already."""


@dataclass(frozen=True)
class _Content:
    """What a version is to hold: the taxonomy with its edits, what the manifest says of it, the edits, the encoder."""

    taxonomy: Taxonomy
    described: Mapping[str, Any]
    edits: Sequence[Edit]
    encoder: Encoder


@dataclass(frozen=True)
class _Before:
    """What the version in use hands on: its edits, gate, type and coded titles. Empty where there is none."""

    edits: tuple[Edit, ...] = ()
    gate: Gate | None = None
    index_type: str | None = None
    titles: CodedTitles | None = None


def _publish(
    content_after: Callable[[_Before], _Content],
    directory: IndexDirectory,
    progress: Progress,
    options: Options,
) -> IndexVersion:
    """Build and publish what `content_after` makes of the version in use, with the lock held."""
    directory.make_ready()
    progress("waiting for other builders", 0, 0)
    with directory.new_version() as aside:
        before = _before(directory)
        content = content_after(before)
        if not content.taxonomy.concepts:
            raise IndexingError(f"nothing would be left in index {directory.name!r}; keep at least one concept")
        gate = options.gate or (None if options.no_gate else before.gate)
        write_edits(aside, content.edits)
        if gate is not None:
            gate.write(aside)
        titles = options.titles or (None if options.no_titles else before.titles)
        if titles is not None:
            _check_titles(titles, content.taxonomy, directory.name)
            titles.write(aside)
        manifest = _write(aside, content, titles, directory, progress, options.index_type or before.index_type)
        progress("checking", 0, 0)
        new = open_version_at(aside, directory.name, "new", directory.mend)
        check_version(new)
        if gate is not None:
            progress("asking the gate", 0, 0)
            manifest = replace(manifest, gate=check_gate(gate, new, _whole_version(directory), options.force))
            with storage_errors(aside):
                (aside / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        forget_unfinished(directory)
    return _open_published(directory, manifest)


def _check_titles(titles: CodedTitles, taxonomy: Taxonomy, name: str) -> None:
    """Refuse coded titles that mean no concept of the index, and tell of those that do not."""
    counted, held = sum(titles.counts.values()), titles.within(taxonomy.by_uri)
    if not held:
        raise IndexingError(
            f"none of the {counted:,} coded titles means a concept of index {name!r}, such as "
            f"{next(iter(titles.counts))!r}; give the URIs that hits show, or drop them with "
            "`jobsearch index build --no-titles`"
        )
    if held < counted:
        _log.warning("%d of %d coded titles mean concepts that index %r does not hold", counted - held, counted, name)


def _before(directory: IndexDirectory) -> _Before:
    """Return what the version in use hands on, also where other files of it are broken, which a build mends."""
    if not directory.exists:
        return _Before()
    try:
        path = directory.version_path(directory.current())
        manifest = Manifest.read(path, directory.mend)
        for name in (EDITS, GATE, TITLES):
            manifest.verify_files(path, directory.mend, name)
        edits, gate, titles = read_edits(path), Gate.of_version(path), CodedTitles.of_version(path)
    except IndexFormatError:
        return _of_another_format(directory.version_path(directory.current()))
    except IndexingError as error:
        _log.warning("edits, gate, titles and type of the version in use cannot be taken over: %s", error)
        return _Before()
    # A type that is the default for its size was not chosen; the default may change with the size.
    default = find_type(None, manifest.counts["labels"], manifest.dim).name
    return _Before(edits, gate, None if manifest.index_type == default else manifest.index_type, titles)


def _of_another_format(path: Path) -> _Before:
    """Return what a version of another format hands on: edits and gate, whose files were the same in all formats."""
    try:
        files = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name in (EDITS, GATE, TITLES):
            if name in files and hash_file(path / name) != files[name]["xxh3_128"]:
                raise ValueError(f"{name} was altered")
        return _Before(read_edits(path), Gate.of_version(path), titles=CodedTitles.of_version(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("edits, gate and titles of the version in use, of another format, cannot be taken over: %s", error)
        return _Before()


def _whole_version(directory: IndexDirectory) -> IndexVersion | None:
    """Return the version in use or, where that is broken, the newest that is whole, for the gate to compare with."""
    if not directory.exists:
        return None
    with contextlib.suppress(JobSearchError):
        return open_version(directory)
    for version in reversed(directory.versions()):
        with contextlib.suppress(JobSearchError):
            opened = open_version(directory, version)
            _log.warning("the gate compares with version %s, since the one in use is broken", version)
            return opened
    return None


def _open_published(directory: IndexDirectory, manifest: Manifest) -> IndexVersion:
    """Open the version with this manifest, whatever another builder may have published since."""
    for version in reversed(directory.versions()):
        with contextlib.suppress(IndexingError):
            if Manifest.read(directory.version_path(version), directory.mend) == manifest:
                return open_version(directory, version)
    return open_version(directory)


def _write(
    aside: Path,
    content: _Content,
    titles: CodedTitles | None,
    directory: IndexDirectory,
    progress: Progress,
    index_type: str | None,
) -> Manifest:
    """Write labels, vectors, encoder and manifest, and return the manifest."""
    taxonomy, encoder = content.taxonomy, content.encoder
    labels = [label for _, label, _ in taxonomy.labels()]
    kind = find_type(index_type, len(labels), encoder.dim)
    columns, sentences = pack_labels(taxonomy, titles), sentences_about(taxonomy)
    table = LabelTable(columns)
    told = About.build(sentences, table, lambda texts: embed_sentences(texts, encoder, directory, progress))
    about = About(told)
    embeddings = embed_labels(table, about, encoder, directory, progress, np.float16 if kind.half else np.float32)
    progress("building index", 0, 0)
    # Side by side: FAISS works outside Python, and the words are made in Python.
    with ThreadPoolExecutor(1, thread_name_prefix="jobsearch-words") as pool:
        by_words = pool.submit(Words.build, labels)
        # Of labels alone: with their descriptions it tells nothing on validation data.
        alone = LabelsAlone(embeddings, about, table.concept_of)
        columns["label_hubness"] = hubness(alone, table.concept_of, table.preferred, table.groups)
        vectors = Vectors.build(embeddings, kind)
        measured = calibrate(vectors, kind, encoder, labels)
        words = by_words.result()
    progress("writing", 0, 0)
    with storage_errors(aside):
        write_tensors(aside / WORDS, words)
        vectors.write(aside / VECTORS)
        write_tensors(aside / LABELS, columns)
        write_tensors(aside / ABOUT, told)
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
        previous=directory.current_or_none(),
        titles=None if titles is None else titles.summary(),
        made_with={"jobsearch": jobsearch.__version__, "faiss": importlib.metadata.version("faiss-cpu")},
        files=describe_files(aside),
    )
    with storage_errors(aside):
        (aside / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest
