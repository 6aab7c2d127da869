"""Embedding labels, each text at most once: what an earlier version or an interrupted build has is taken from there.

A label, the sentence about its concept and the encoder's fingerprint are the key, so nothing can be taken that another
encoder made: equal width proves nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.errors import IndexingError
from jobsearch.files import storage_errors
from jobsearch.index.about import About
from jobsearch.index.halves import Halves
from jobsearch.index.labels import LabelTable
from jobsearch.index.manifest import FORMAT_VERSION, Manifest, hash_file
from jobsearch.index.reader import read_about, read_rows
from jobsearch.index.row_file import Array, Numbers, RowFile
from jobsearch.index.strings import Strings
from jobsearch.index.vectors import RowVectors, Stored
from jobsearch.index.versions import IndexDirectory
from jobsearch.progress import Progress

_log = logging.getLogger(__name__)
# Labels embedded between two reports of progress; about half a second of work.
_SLICE = 4096
# Slices after which the work so far is put on the disk: 33 MB, about two seconds of work.
_SLICES_KEPT = 4
# Bytes up to which the vectors of a build are held in memory; more are in a file.
_IN_MEMORY = 1 << 30


def embed_labels(
    labels: LabelTable,
    about: About,
    encoder: Encoder,
    directory: IndexDirectory,
    progress: Progress,
    dtype: type[np.float32 | np.float16] = np.float32,
) -> Stored:
    """Return one vector a label, equal ones computed once and known ones not at all.

    Args:
        labels: the label table.
        about: what its concepts are about; a label's vector has that in it (`index.about`).
        encoder: makes the vectors.
        directory: the index whose versions may know some of them; its lock is held.
        progress: told of labels done, of those that have to be computed.
        dtype: what they are kept as.

    Returns:
        (len(labels), dim) of that dtype, unit rows: an array, or a file without a name on the disk of the index where
        that would take more than 1 GiB.

    Raises:
        StorageError: the disk is full, read-only or not ours.
    """
    keys = _keys(labels, about)
    # Sorted, so that labels with common words are embedded together, which shares work in the lean runtime.
    distinct = sorted(set(keys))
    position = {key: number for number, key in enumerate(distinct)}
    place = np.fromiter((position[key] for key in keys), np.int64, len(labels))
    row = np.unique(place, return_index=True)[1]  # the first of each
    missing = np.ones(len(distinct), np.bool_)
    with storage_errors(directory.path):
        vectors = _room((len(labels), encoder.dim), dtype, directory)
        for known_keys, known in _known(directory, encoder):
            if _coarser(known.dtype, dtype):
                continue
            numbers = np.fromiter((position.get(key, -1) for key in known_keys), np.int64, len(known_keys))
            taken = np.flatnonzero(numbers >= 0)
            for start in range(0, len(taken), _SLICE):
                part = taken[start : start + _SLICE]
                vectors[row[numbers[part]]] = known[part]
            missing[numbers[taken]] = False
            if not missing.any():
                break
        _embed_missing(keys, row[missing], vectors, labels, about, encoder, _Unfinished(directory, encoder), progress)
        again = np.flatnonzero(row[place] != np.arange(len(labels)))
        for start in range(0, len(again), _SLICE):
            part = again[start : start + _SLICE]
            vectors[part] = vectors[row[place[part]]]
    return vectors


def _keys(labels: LabelTable, about: About) -> list[str]:
    """Return a key of what each label's vector is made of: the label and, where there is one, a digest of the sentence.

    Labels have no line's end, so no key can be another's.
    """
    import xxhash

    if not len(about):
        return list(labels.texts)
    after = {number: f"\n{xxhash.xxh3_128_hexdigest(text.encode())}" for number, text in about.by_concept.items()}
    concepts = labels.concept_of.tolist()
    return [label + after.get(concept, "") for label, concept in zip(labels.texts, concepts, strict=True)]


def _room(shape: tuple[int, int], dtype: npt.DTypeLike, directory: IndexDirectory) -> Stored:
    """Return an array to be filled, or a file where it would be too large for the memory."""
    if shape[0] * shape[1] * np.dtype(dtype).itemsize <= _IN_MEMORY:
        return np.empty(shape, dtype)
    folder = directory.path / "unfinished"
    folder.mkdir(parents=True, exist_ok=True)
    return RowFile.temporary(folder, shape, dtype)


def _coarser(known: npt.DTypeLike, wanted: npt.DTypeLike) -> bool:
    """Tell whether vectors were rounded to fewer digits than are wanted."""
    return np.finfo(known).bits < np.finfo(wanted).bits


def forget_unfinished(directory: IndexDirectory) -> None:
    """Remove what interrupted builds left of their work; a version has it now."""
    shutil.rmtree(directory.path / "unfinished", ignore_errors=True)


def _embed_missing(
    keys: Sequence[str],
    rows: Numbers,
    vectors: Stored,
    labels: LabelTable,
    about: About,
    encoder: Encoder,
    unfinished: _Unfinished,
    progress: Progress,
) -> None:
    """Embed some rows and put their vectors there; `keys` are those of all rows."""
    progress("embedding labels", 0, len(rows))
    kept = 0
    for number, start in enumerate(range(0, len(rows), _SLICE), start=1):
        done = min(start + _SLICE, len(rows))
        part = rows[start:done]
        alone = encoder.encode([labels.texts[row] for row in part.tolist()])
        vectors[part] = about.describe(alone, labels.concept_of[part])
        if number % _SLICES_KEPT == 0 and done < len(rows):
            unfinished.keep([keys[row] for row in rows[kept:done].tolist()], vectors[rows[kept:done]])
            kept = done
        progress("embedding labels", done, len(rows))


def _known(directory: IndexDirectory, encoder: Encoder) -> Iterator[tuple[Sequence[str], Array | Halves]]:
    """Yield keys and their vectors by this encoder: of the newest version first, then of interrupted builds."""
    for labels, vectors, about in _versions(directory, encoder):
        yield _keys(labels, about), vectors.embeddings
    yield from _Unfinished(directory, encoder).parts()


def embed_sentences(
    sentences: Sequence[str], encoder: Encoder, directory: IndexDirectory, progress: Progress
) -> Embeddings:
    """Return one vector a sentence about a concept (n, dim), as `embed_labels` does it."""
    made: dict[str, Array] = {}
    if sentences:
        wanted, unfinished = set(sentences), _Unfinished(directory, encoder)
        for texts, vectors in _known_sentences(directory, encoder, unfinished):
            made.update((text, vector) for text, vector in zip(texts, vectors, strict=True) if text in wanted)
        missing = sorted(wanted.difference(made), key=lambda text: (len(text), text))
        _embed_sentences(missing, made, encoder, unfinished, progress)
    return np.stack([made[text] for text in sentences]) if sentences else np.empty((0, encoder.dim), np.float32)


def _known_sentences(
    directory: IndexDirectory, encoder: Encoder, unfinished: _Unfinished
) -> Iterator[tuple[Iterable[str], Array]]:
    """Yield texts and their vectors by this encoder: of interrupted builds first, then of the newest version."""
    for texts, vectors in unfinished.parts():
        if not _coarser(vectors.dtype, np.float32):
            yield texts, vectors
    for _, _, about in itertools.islice(_versions(directory, encoder), 1):
        yield about.texts, about.vectors


def _embed_sentences(
    missing: Sequence[str],
    made: dict[str, Array],
    encoder: Encoder,
    unfinished: _Unfinished,
    progress: Progress,
) -> None:
    for start in range(0, len(missing), _SLICE):
        progress("embedding descriptions", start, len(missing))
        part = missing[start : start + _SLICE]
        vectors = encoder.encode(part)
        made.update(zip(part, vectors, strict=True))
        if len(missing) > _SLICE:
            unfinished.keep(part, vectors)
    if missing:
        progress("embedding descriptions", len(missing), len(missing))


def _versions(directory: IndexDirectory, encoder: Encoder) -> Iterator[tuple[LabelTable, RowVectors, About]]:
    """Yield what the whole versions by this encoder hold, the newest first."""
    for version in reversed(directory.versions()):
        path = directory.version_path(version)
        try:
            manifest = Manifest.read(path, directory.mend)
            if manifest.encoder["fingerprint"] != encoder.fingerprint:
                continue
            manifest.verify_files(path, directory.mend)
            labels, vectors = read_rows(path, manifest, directory.name, directory.mend)
            about = read_about(path, labels, manifest.dim, directory.name, directory.mend)
        except IndexingError as error:
            _log.info("version %s of index %r is not reused: %s", version, directory.name, error)
            continue
        yield labels, vectors, about


class _Unfinished:
    """Embeddings of a build under way, in files whose names are the checksum of their content."""

    def __init__(self, directory: IndexDirectory, encoder: Encoder) -> None:
        # Another format may have made other vectors of the same texts.
        self._folder = directory.path / "unfinished" / f"{encoder.fingerprint}-{FORMAT_VERSION}"

    def keep(self, texts: Sequence[str], vectors: Array) -> None:
        data, offsets = Strings.pack(texts)
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            aside = self._folder / ".part"
            write_tensors(aside, {"text_data": data, "text_offsets": offsets, "vectors": vectors})
            aside.rename(self._folder / f"{hash_file(aside)}.safetensors")

    def parts(self) -> Iterator[tuple[Sequence[str], Array]]:
        for path in sorted(self._folder.glob("*.safetensors")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                if hash_file(path) == path.stem:
                    tensors = read_tensors(path)
                    yield list(Strings(tensors["text_data"], tensors["text_offsets"])), tensors["vectors"]
