"""Embedding labels, each text at most once: what an earlier version or an interrupted build has is taken from there.

The text and the encoder's fingerprint are the key, so nothing can be taken that another encoder made: equal width
proves nothing.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence

import numpy as np

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.errors import IndexingError
from jobsearch.files import storage_errors
from jobsearch.index.labels import Strings
from jobsearch.index.manifest import Manifest, hash_file
from jobsearch.index.reader import read_rows
from jobsearch.index.versions import IndexDirectory
from jobsearch.progress import Progress

_log = logging.getLogger(__name__)
# Labels embedded between two reports of progress; about half a second of work.
_SLICE = 4096
# Slices after which the work so far is put on the disk: 33 MB, about two seconds of work.
_SLICES_KEPT = 4


def embed_labels(labels: Sequence[str], encoder: Encoder, directory: IndexDirectory, progress: Progress) -> Embeddings:
    """Return one vector a label, equal labels computed once and known ones not at all.

    Args:
        labels: texts.
        encoder: makes the vectors.
        directory: the index whose versions may know some of them; its lock is held.
        progress: told of labels done, of those that have to be computed.

    Returns:
        float32 (len(labels), dim), unit rows.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    # Sorted, so that labels with common words are embedded together, which shares work in the lean runtime.
    distinct = sorted(set(labels))
    position = {label: number for number, label in enumerate(distinct)}
    vectors = np.empty((len(distinct), encoder.dim), np.float32)
    missing = np.ones(len(distinct), np.bool_)
    for texts, known in _known(directory, encoder):
        pairs = [(position[text], row) for row, text in enumerate(texts) if text in position]
        if pairs:
            places, rows = np.array(pairs).T
            vectors[places] = known[rows]
            missing[places] = False
        if not missing.any():
            break
    _embed_missing(distinct, np.flatnonzero(missing), vectors, encoder, _Unfinished(directory, encoder), progress)
    return vectors[[position[label] for label in labels]]


def forget_unfinished(directory: IndexDirectory) -> None:
    """Remove what interrupted builds left of their work; a version has it now."""
    shutil.rmtree(directory.path / "unfinished", ignore_errors=True)


def _embed_missing(
    texts: Sequence[str],
    missing: np.ndarray,
    vectors: Embeddings,
    encoder: Encoder,
    unfinished: _Unfinished,
    progress: Progress,
) -> None:
    progress("embedding labels", 0, len(missing))
    kept = 0
    for number, start in enumerate(range(0, len(missing), _SLICE), start=1):
        part = missing[start : start + _SLICE]
        vectors[part] = encoder.encode([texts[place] for place in part])
        done = start + len(part)
        if number % _SLICES_KEPT == 0 and done < len(missing):
            unfinished.keep([texts[place] for place in missing[kept:done]], vectors[missing[kept:done]])
            kept = done
        progress("embedding labels", done, len(missing))


def _known(directory: IndexDirectory, encoder: Encoder) -> Iterator[tuple[Sequence[str], Embeddings]]:
    """Yield labels and their vectors by this encoder: of the newest version first, then of interrupted builds."""
    for version in reversed(directory.versions()):
        path = directory.version_path(version)
        try:
            manifest = Manifest.read(path, directory.mend)
            if manifest.encoder["fingerprint"] != encoder.fingerprint:
                continue
            manifest.verify_files(path, directory.mend)
            labels, vectors = read_rows(path, manifest, directory.name, directory.mend)
        except IndexingError as error:
            _log.info("version %s of index %r is not reused: %s", version, directory.name, error)
            continue
        yield list(labels.texts), vectors.embeddings
    yield from _Unfinished(directory, encoder).parts()


class _Unfinished:
    """Embeddings of a build under way, in files whose names are the checksum of their content."""

    def __init__(self, directory: IndexDirectory, encoder: Encoder) -> None:
        self._folder = directory.path / "unfinished" / encoder.fingerprint

    def keep(self, texts: Sequence[str], vectors: Embeddings) -> None:
        data, offsets = Strings.pack(texts)
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            aside = self._folder / ".part"
            write_tensors(aside, {"text_data": data, "text_offsets": offsets, "vectors": vectors})
            aside.rename(self._folder / f"{hash_file(aside)}.safetensors")

    def parts(self) -> Iterator[tuple[Sequence[str], Embeddings]]:
        for path in sorted(self._folder.glob("*.safetensors")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                if hash_file(path) == path.stem:
                    tensors = read_tensors(path)
                    yield list(Strings(tensors["text_data"], tensors["text_offsets"])), tensors["vectors"]
