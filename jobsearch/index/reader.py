"""One opened version: vectors, labels and encoder that belong together, checked once and then only read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobsearch.encoder.library import open_encoder
from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import EncoderError, EncoderMismatchError, IndexCorruptError, JobSearchError
from jobsearch.index.about import About
from jobsearch.index.labels import LabelTable
from jobsearch.index.manifest import ABOUT, ENCODER, HALVES, LABELS, METRIC, VECTORS, WORDS, Manifest
from jobsearch.index.vectors import RowVectors, Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.lexical.words import Words


@dataclass(frozen=True)
class IndexVersion:
    """A version of an index, open for searching; safe to share between threads.

    Args:
        name: name of the index.
        version: number of the version.
        manifest: its description.
        vectors: the FAISS index, mapped from its file, or vectors that lie elsewhere.
        labels: the label table, one row a vector.
        encoder: the encoder that made the vectors.
        words: the same labels by their letters.
        about: what concepts are about, where they have a description.
    """

    name: str
    version: str
    manifest: Manifest
    vectors: RowVectors
    labels: LabelTable
    encoder: Encoder
    words: Words
    about: About


def open_version(directory: IndexDirectory, version: str | None = None) -> IndexVersion:
    """Open a version of an index and check that all its parts are whole and belong together.

    Args:
        directory: the index.
        version: its number; default: the current one.

    Raises:
        IndexNotFoundError: there is no such index or version.
        IndexFormatError: it was written by another format version.
        IndexCorruptError: a file is missing, truncated or altered.
        EncoderMismatchError: its encoder is not the one that made the vectors.
        EncoderError: its encoder needs what is not installed.
    """
    if version is not None:
        directory.check_known(version)
        return open_version_at(directory.version_path(version), directory.name, version, directory.mend)
    while True:
        version = directory.current()
        try:
            return open_version_at(directory.version_path(version), directory.name, version, directory.mend)
        except JobSearchError:
            # Where a newer one was published meanwhile, this one may have been removed while it was opened.
            if directory.current() == version:
                raise


def open_version_at(
    path: Path, name: str, version: str, mend: str, elsewhere: RowVectors | None = None
) -> IndexVersion:
    """Open a version by its folder (see `open_version`); the builder checks its work with this before publishing.

    With vectors that lie `elsewhere` the files of its own need not be there.
    """
    manifest = Manifest.read(path, mend)
    # Every file is compared with the manifest before it is opened, so the encoder need not check its own digests. Its
    # tokenizer takes a while to load: the other files are verified meanwhile.
    manifest.verify_files(path, mend, f"{ENCODER}/")
    with ThreadPoolExecutor(1, thread_name_prefix="jobsearch-open") as pool:
        opening = pool.submit(open_encoder, path / ENCODER, verify=False)
        without = () if elsewhere is None else (VECTORS, HALVES)
        manifest.verify_files(path, mend, f"{ENCODER}/", others=True, without=without)
        try:
            encoder = opening.result()
        except EncoderError as error:
            raise type(error)(f"the encoder of index {name!r}: {error}") from error
    expected = manifest.encoder["fingerprint"]
    if encoder.fingerprint != expected or encoder.dim != manifest.dim:
        raise EncoderMismatchError(
            f"index {name!r} was built with encoder {expected[:12]} ({manifest.dim} wide) and holds "
            f"{encoder.fingerprint[:12]} ({encoder.dim} wide); {mend}"
        )
    labels, vectors = read_rows(path, manifest, name, mend, elsewhere)
    words, about = _read_words(path, labels, name, mend), read_about(path, labels, manifest.dim, name, mend)
    return IndexVersion(name, version, manifest, vectors, labels, encoder, words, about)


def _read_words(path: Path, labels: LabelTable, name: str, mend: str) -> Words:
    try:
        words = Words.open(path / WORDS)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise IndexCorruptError(f"index {name!r} cannot be read ({error}); {mend}") from error
    if len(words) != len(labels):
        raise IndexCorruptError(f"index {name!r} has words of {len(words)} labels, expected {len(labels)}; {mend}")
    return words


def read_about(path: Path, labels: LabelTable, dim: int, name: str, mend: str) -> About:
    """Open what concepts are about, of a version whose files were verified.

    Raises:
        IndexCorruptError: it cannot be read or does not fit the labels.
    """
    try:
        about = About.open(path / ABOUT)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise IndexCorruptError(f"index {name!r} cannot be read ({error}); {mend}") from error
    last = int(about.concepts[-1]) if len(about) else -1
    if last >= labels.concepts() or about.vectors.shape[1] != dim:
        raise IndexCorruptError(
            f"index {name!r} has sentences of width {about.vectors.shape[1]} about concepts up to {last}, expected "
            f"width {dim} and {labels.concepts()} concepts; {mend}"
        )
    return about


def read_rows(
    path: Path, manifest: Manifest, name: str, mend: str, elsewhere: RowVectors | None = None
) -> tuple[LabelTable, RowVectors]:
    """Open labels and vectors of a version whose files were verified, and check that they belong together.

    Raises:
        IndexCorruptError: they cannot be read or do not fit.
    """
    try:
        labels = LabelTable.open(path / LABELS)
        vectors = Vectors.read(path / VECTORS, manifest.search) if elsewhere is None else elsewhere
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise IndexCorruptError(f"index {name!r} cannot be read ({error}); {mend}") from error
    if (len(vectors), vectors.dim) != (len(labels), manifest.dim) or manifest.metric != METRIC:
        raise IndexCorruptError(
            f"index {name!r} has {len(vectors)} vectors of width {vectors.dim} for {len(labels)} labels and width "
            f"{manifest.dim}; {mend}"
        )
    return labels, vectors
