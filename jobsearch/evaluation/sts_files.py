"""Where STS pairs come from: a CSV file, the benchmark's own TAB files, or its archive, fetched once and kept."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import numpy as np

import jobsearch
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.sts import HIGHEST_SCORE, StsSet
from jobsearch.evaluation.text_files import MOST_BYTES, read_text
from jobsearch.files import write_atomically
from jobsearch.home import data_directory
from jobsearch.progress import Progress, silent
from jobsearch.utf8 import decode

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("dev", "test", "train")
ARCHIVE_URL = "http://ixa2.si.ehu.es/stswiki/images/4/48/Stsbenchmark.tar.gz"
ARCHIVE_BYTES = 409_630
# The benchmark's columns: genre, file, year, id, score, sentence 1, sentence 2, and at times two of sources.
_TAB_COLUMNS, _TAB_SCORE = 7, 4
_CSV_COLUMNS = 3
_TIMEOUT = (10.0, 60.0)


def read_sts(path: Path, split: Split | None = None) -> StsSet:
    """Read sentence pairs; the format is told by the content.

    Args:
        path: a CSV file without header, `sentence1,sentence2,score`; one of the STS benchmark's TAB files (no
            quoting, so a lone quotation mark loses nothing); or the benchmark's archive.
        split: which part of an archive; default: `dev`.

    Raises:
        EvaluationError: the file is missing, a row cannot be used (it is named), or there are fewer than 2 rows.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise EvaluationError(f"{path} {what}; expected a CSV file `sentence1,sentence2,score` or the STS archive")
    if is_archive(path):
        member = f"sts-{split or 'dev'}.csv"
        place = f"{path}: {member}"
        return _parse(f"sts-{split or 'dev'}", place, decode(_member(path, member), place, EvaluationError))
    if split is not None:
        raise EvaluationError(f"{path} is one file, not the STS archive, so it has no {split} part; leave out --split")
    return _parse(path.stem, str(path), read_text(path))


def is_archive(path: Path) -> bool:
    """Tell whether a file is a TAR archive, packed or not."""
    return path.is_file() and tarfile.is_tarfile(path)


def archive_path() -> Path:
    """Return where the fetched archive is kept."""
    return data_directory() / "downloads" / "Stsbenchmark.tar.gz"


def fetch_sts_archive(url: str = ARCHIVE_URL, size: int | None = ARCHIVE_BYTES, progress: Progress = silent) -> Path:
    """Download the STS benchmark, unless that was done before.

    Args:
        url: address of the archive, for a mirror.
        size: its length in bytes, None if unknown.
        progress: called with ("downloading", bytes so far, bytes expected).

    Returns:
        Path of the archive.

    Raises:
        EvaluationError: it cannot be had, or is not what it should be; nothing is kept then.
        StorageError: the disk is full, read-only or not ours.
    """
    path = archive_path()
    if path.is_file():
        return path
    content = _download(url, size, progress)
    if not tarfile.is_tarfile(io.BytesIO(content)):
        raise EvaluationError(f"{url} gave {len(content):,} bytes that are no TAR archive; {_by_hand()}")
    write_atomically(path, content)
    return path


def _download(url: str, size: int | None, progress: Progress) -> bytes:
    import requests
    import urllib3

    if urlsplit(url).scheme not in ("http", "https"):
        raise EvaluationError(f"{url!r} is no web address, expected http://… or https://…")
    # As it is: a server that takes .tar.gz for a packed .tar would have it unpacked on the way.
    headers = {"User-Agent": f"jobsearch/{jobsearch.__version__}", "Accept-Encoding": "identity"}
    content = bytearray()
    try:
        with requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as response:
            if response.status_code != requests.codes.ok:
                raise EvaluationError(f"{url} answers {response.status_code} {response.reason}; {_by_hand()}")
            for part in response.raw.stream(65536, decode_content=False):
                content += part
                progress("downloading", len(content), size or 0)
                if len(content) > MOST_BYTES:
                    break
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EvaluationError(f"cannot fetch {url}: {_reason(error)}; {_by_hand()}") from error
    if len(content) != (size or len(content)) or len(content) > MOST_BYTES:
        expected = f"{size:,}" if size else f"at most {MOST_BYTES:,}"
        raise EvaluationError(f"{url} gave {len(content):,} bytes, expected {expected}; {_by_hand()}")
    return bytes(content)


def _reason(error: Exception) -> str:
    """Say in a few words what the libraries below say in hundreds."""
    import requests
    import urllib3

    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return f"no answer within {_TIMEOUT[1]:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "there is no connection to that server"
    return "the answer broke off"


def _by_hand() -> str:
    return "try later, or get the archive elsewhere and run `jobsearch evaluate sts ARCHIVE --split dev`"


def _member(path: Path, name: str) -> bytes:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.rpartition("/")[2] == name and member.size <= MOST_BYTES:
                    file = archive.extractfile(member)
                    if file is not None:
                        return file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise EvaluationError(f"{path} is damaged ({error}); delete it and run the same command again") from error
    raise EvaluationError(f"{path} holds no {name}, expected the STS benchmark's archive from {ARCHIVE_URL}")


def _parse(name: str, place: str, text: str) -> StsSet:
    sentences1: list[str] = []
    sentences2: list[str] = []
    scores: list[float] = []
    for row, first, second, score in _rows(place, text):
        sentences1.append(first)
        sentences2.append(second)
        scores.append(_score(place, row, score))
    if len(scores) < 2:
        raise EvaluationError(f"{place} has {len(scores)} rows, expected at least 2: sentence1,sentence2,score")
    return StsSet(name, tuple(sentences1), tuple(sentences2), np.array(scores))


def _rows(place: str, text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield (row, sentence 1, sentence 2, score), from CSV or from the benchmark's TAB format."""
    file = io.StringIO(text, newline="")
    # With some tabs too few it is still no CSV: the error should then count columns of the right kind.
    tab = text.partition("\n")[0].count("\t") >= _TAB_SCORE
    if tab:
        # Quotation marks are text here: read as quoting they would swallow the rows between two of them.
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        expected = f"at least {_TAB_COLUMNS}: genre, file, year, id, score, sentence 1, sentence 2"
    else:
        reader = csv.reader(file, strict=True)
        expected = f"{_CSV_COLUMNS}: sentence1,sentence2,score (a sentence with a comma needs quotation marks)"
    row = 0
    try:
        for row, values in enumerate(reader, start=1):
            if not values:
                continue
            if len(values) < _TAB_COLUMNS if tab else len(values) != _CSV_COLUMNS:
                raise EvaluationError(f"{place}, row {row}: {len(values)} columns, expected {expected}")
            if tab:
                yield row, values[_TAB_SCORE + 1], values[_TAB_SCORE + 2], values[_TAB_SCORE]
            else:
                yield row, values[0], values[1], values[2]
    except csv.Error as error:
        raise EvaluationError(f"{place}, row {row + 1}: {error}; expected {expected}") from error


def _score(place: str, row: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        hint = "; the file needs no header" if row == 1 else ""
        raise EvaluationError(f"{place}, row {row}: score {text!r} is not a number{hint}") from None
    if not 0 <= value <= HIGHEST_SCORE:
        raise EvaluationError(f"{place}, row {row}: score is {text}, expected 0 to {HIGHEST_SCORE:g}")
    return value
