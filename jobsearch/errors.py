"""Everything that jobsearch raises on purpose.

    JobSearchError
    ├── TaxonomyError        labels cannot be read, imported or stored
    │   └── DownloadError    the ESCO web API does not answer as it should
    ├── EncoderError         a weight set cannot be read or does not fit
    ├── IndexingError        an index cannot be built, read or published
    │   ├── IndexNotFoundError   no index, or no version, of that name
    │   ├── IndexFormatError     written by another format version
    │   ├── IndexCorruptError    a file is missing, truncated or altered
    │   ├── EncoderMismatchError vectors and encoder do not belong together
    │   └── VectorStoreError     the server that holds the vectors is away, slow or refuses
    ├── TuningError          training pairs or a recipe that cannot be used
    ├── QueryError           a query, k or a filter that cannot be answered
    ├── MatchingError        a file of titles that cannot be read, or nowhere to put the answers
    ├── EvaluationError      an evaluation set cannot be read or fetched, or an encoder not be measured on it
    └── StorageError         the disk is full, read-only or not ours

Every message is one line: what was seen, what was expected, what to do next. The command line prints it
and exits with 1; a service can show it as it is.
"""

from __future__ import annotations


class JobSearchError(Exception):
    """Base of all errors that jobsearch raises on purpose."""


class TaxonomyError(JobSearchError):
    """A taxonomy cannot be read, imported or stored."""


class DownloadError(TaxonomyError):
    """The ESCO web API did not give what was asked for."""


class EncoderError(JobSearchError):
    """A weight set is missing, incomplete, altered or of the wrong shape."""


class IndexingError(JobSearchError):
    """An index cannot be built, read or published."""


class IndexNotFoundError(IndexingError):
    """There is no index, or no version of it, of that name."""


class IndexFormatError(IndexingError):
    """The index was written in a format that this release does not read."""


class IndexCorruptError(IndexingError):
    """A file of the index is missing, truncated or altered."""


class EncoderMismatchError(IndexingError):
    """The vectors of the index were made by another encoder."""


class VectorStoreError(IndexingError):
    """The server that holds the vectors is away, slow or refuses."""


class TuningError(JobSearchError):
    """Training pairs or a recipe cannot be used."""


class QueryError(JobSearchError):
    """The query, k or a filter cannot be answered."""


class MatchingError(JobSearchError):
    """A file of titles cannot be read, or its answers cannot go where they should."""


class EvaluationError(JobSearchError):
    """An evaluation set cannot be read or fetched, or an encoder cannot be measured on it."""


class StorageError(JobSearchError):
    """The disk is full, read-only or not ours to write."""
