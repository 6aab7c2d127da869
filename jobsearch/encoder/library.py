"""Finding an encoder by what a user would call it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.packaged import BASE_NAME, packaged_weights
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.sentence_transformer import ARCHITECTURE as SENTENCE_TRANSFORMERS
from jobsearch.encoder.sentence_transformer import MODULES, PREFIX, SentenceTransformerEncoder
from jobsearch.encoder.shipped import SHIPPED_LANGUAGES, SHIPPED_NAME, shipped_weights
from jobsearch.encoder.text import Case
from jobsearch.encoder.weights import CONFIG, WeightSet, load_weights, read_config
from jobsearch.errors import EncoderError
from jobsearch.home import data_directory

if TYPE_CHECKING:
    from jobsearch.encoder.savedmodel import SavedModelEncoder

DEFAULT_CASE: Case = "lower"


def models_directory() -> Path:
    """Return the folder where weight sets are kept by name."""
    return data_directory() / "models"


def default_encoder(languages: Collection[str]) -> str:
    """Return the name of the encoder that suits labels in these languages: the tuned one if it knows them all."""
    return SHIPPED_NAME if set(languages) <= SHIPPED_LANGUAGES else BASE_NAME


def find_encoder(source: str = BASE_NAME, case: Case | None = None) -> Encoder:
    """Return an encoder ready to encode, without TensorFlow wherever the network is the native one.

    Args:
        source: `use` (the packaged weights), `use-jobs` (the same, tuned for titles in eight languages), the name of
            a tuned weight set, a weight set's directory, a SavedModel's directory, a TF-Hub handle (an address), or a
            sentence-transformers model: its directory, or `st:` and the name that the package knows it by.
        case: overrides the case setting that the source has; for a source without one the default is "lower".

    Raises:
        EncoderError: there is no such encoder, or it cannot be read.
    """
    found = find_weights(source, case)
    return LeanEncoder(found) if isinstance(found, WeightSet) else found


def find_weights(source: str = BASE_NAME, case: Case | None = None) -> WeightSet | Encoder:
    """Like `find_encoder`, but give the weight set itself where the network is the native one (for tuning)."""
    if source == BASE_NAME:
        return packaged_weights(case or DEFAULT_CASE)
    if source == SHIPPED_NAME:
        shipped = shipped_weights()
        return shipped.with_case(case) if case else shipped
    if source.startswith(PREFIX) or (Path(source) / MODULES).is_file():
        return SentenceTransformerEncoder.load(source, case or "keep")
    if "://" in source or (Path(source) / "saved_model.pb").is_file():
        from jobsearch.encoder.savedmodel import read_savedmodel

        return read_savedmodel(source, case or DEFAULT_CASE)
    for directory in (models_directory() / source, Path(source)):
        if (directory / CONFIG).is_file():
            found = _open_weights(directory, verify=True)
            return found.with_case(case) if case else found
    known = ", ".join([BASE_NAME, SHIPPED_NAME, *model_names()])
    raise EncoderError(f"no encoder {source!r}; expected one of {known}, a directory, a TF-Hub address, or st:MODEL")


def open_encoder(directory: Path, *, verify: bool = True) -> Encoder:
    """Open the encoder that an index directory carries.

    Args:
        directory: what an encoder's `save` wrote.
        verify: see `weights.load_weights`.

    Raises:
        EncoderError: it is missing, altered, or needs what is not installed.
    """
    found = _open_weights(directory, verify)
    return LeanEncoder(found) if isinstance(found, WeightSet) else found


def check_encoder(directory: Path) -> str:
    """Compare an encoder's files with its digests, without TensorFlow and what else opening it may need.

    Args:
        directory: what an encoder's `save` wrote.

    Returns:
        What was found, for people. Of a sentence-transformers model only that it is there: its digest is over what is
        loaded.

    Raises:
        EncoderError: something is missing or altered.
    """
    config = read_config(directory)
    if config.get("architecture") == arch.NAME:
        load_weights(directory)
        return "weights whole"
    if config.get("architecture") == SENTENCE_TRANSFORMERS:
        return "a sentence-transformers model, not opened"
    from jobsearch.encoder.savedmodel import ARCHITECTURE, check_files

    if config.get("architecture") != ARCHITECTURE:
        raise _unknown(directory, config)
    check_files(directory, config)
    return "a SavedModel, whole"


def model_names() -> list[str]:
    """Return the names of the weight sets in the models folder, sorted."""
    folder = models_directory()
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / CONFIG).is_file() and path.name[0] != ".")


def _open_weights(directory: Path, verify: bool) -> WeightSet | SavedModelEncoder | SentenceTransformerEncoder:
    config = read_config(directory)
    if config.get("architecture") == arch.NAME:
        return load_weights(directory, verify=verify)
    if config.get("architecture") == SENTENCE_TRANSFORMERS:
        return SentenceTransformerEncoder.open(directory, config)
    from jobsearch.encoder.savedmodel import ARCHITECTURE, SavedModelEncoder

    if config.get("architecture") == ARCHITECTURE:
        return SavedModelEncoder.open(directory, config)
    raise _unknown(directory, config)


def _unknown(directory: Path, config: Mapping[str, Any]) -> EncoderError:
    return EncoderError(
        f"{directory} holds a {config.get('architecture')!r} encoder; this release reads {arch.NAME}, savedmodel and "
        f"{SENTENCE_TRANSFORMERS}"
    )
