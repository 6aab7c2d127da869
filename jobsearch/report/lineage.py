"""What an encoder is made of: its record, its base's record, and so on down to weights that nobody tuned here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.shipped import SHIPPED_NAME, shipped_config
from jobsearch.encoder.weights import read_config
from jobsearch.errors import EncoderError, TuningError
from jobsearch.tuning.models import RECORD, list_models, model_directory, read_record

# What a report reads of a record, beyond what `read_record` checks.
_NEEDED = {
    "base": ("name", "fingerprint", "case"),
    "recipe": ("name", "summary"),
    "data": ("source", "digest", "training", "validation"),
    "gate": (
        *("verdict", "reason", "mrr_base", "mrr_tuned", "queries", "labels", "difference", "interval", "p_value"),
        *("general_check", "general_base", "general_tuned", "tolerance"),
    ),
}
_NEEDED_AT_TOP = ("name", "created", "seed", "steps", "ending", "best_step", "seconds", "share", "tried", "made_with")
# A chain of bases longer than this is a circle.
_MOST_GENERATIONS = 20


@dataclass(frozen=True)
class Generation:
    """An encoder of the chain.

    Args:
        name: its name.
        fingerprint: its fingerprint.
        record: how it was tuned; None for one that was not, or of which nothing is known here.
        note: what else is to be said of it.
    """

    name: str
    fingerprint: str
    record: Mapping[str, Any] | None
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """The encoder that a report is about.

    Args:
        name: its name.
        folder: where it lies.
        fingerprint: its fingerprint.
        record: how it was made.
        chain: itself, its base, the base's base, …
    """

    name: str
    folder: Path
    fingerprint: str
    record: Mapping[str, Any] = field(repr=False)
    chain: tuple[Generation, ...] = field(repr=False)


def find_subject(name: str | None = None) -> Subject:
    """Find a tuned encoder, usable or rejected, with all that is known of how it was made.

    Args:
        name: default: the newest that was tuned here, so that a rejected run is explained too, or else the shipped one.

    Raises:
        TuningError: there is none of that name, or its record is damaged.
        EncoderError: its configuration is damaged.
    """
    own = [record for record in list_models() if record["name"] != SHIPPED_NAME] if name is None else []
    if own:
        newest = max(own, key=lambda record: str(record["created"]))
        name, folder = str(newest["name"]), Path(newest["path"])
    else:
        name = name or SHIPPED_NAME
        folder = model_directory(name)
    record = _whole(read_record(folder), folder)
    fingerprint = _fingerprint(name, folder)
    return Subject(name, folder, fingerprint, record, tuple(_chain(name, fingerprint, record)))


def open_subject(subject: Subject) -> Encoder:
    """Open the encoder itself.

    Raises:
        EncoderError: it cannot be read.
    """
    from jobsearch.encoder.library import find_encoder

    return find_encoder(subject.name if subject.name == SHIPPED_NAME else str(subject.folder))


def open_base(subject: Subject, named: str | None = None) -> Encoder:
    """Open what an encoder is to be compared with.

    Args:
        subject: the tuned encoder.
        named: default: what it was tuned from, with the case setting that it had then.

    Raises:
        EncoderError: it cannot be found, or is another one by now.
    """
    from jobsearch.encoder.library import find_encoder

    if named is not None:
        return find_encoder(named)
    base = subject.record["base"]
    try:
        found = find_encoder(base["name"], base["case"])
    except EncoderError as error:
        raise EncoderError(
            f"{subject.name!r} was tuned from {base['name']!r}, which cannot be opened ({error}); name the encoder to "
            "compare with by --base"
        ) from error
    if found.fingerprint != base["fingerprint"]:
        raise EncoderError(
            f"{subject.name!r} was tuned from {base['name']!r} with fingerprint {base['fingerprint'][:12]}, which now "
            f"has {found.fingerprint[:12]}; compare with it all the same by --base {base['name']}, or name another"
        )
    return found


def _chain(name: str, fingerprint: str, record: Mapping[str, Any]) -> list[Generation]:
    found = [Generation(name, fingerprint, record)]
    while record is not None and len(found) < _MOST_GENERATIONS:
        base = record["base"]
        older, note = _older(base["name"], base["fingerprint"])
        found.append(Generation(base["name"], base["fingerprint"], older, note))
        if older is None:
            break
        record = older
    return found


def _older(name: str, fingerprint: str) -> tuple[Mapping[str, Any] | None, str]:
    """Return a base's record if it was tuned and is still what it was, and what is to be said of it if not."""
    from jobsearch.encoder.packaged import BASE_NAME

    if name == BASE_NAME:
        return None, "Universal Sentence Encoder, multilingual, version 3 (Google), as published"
    try:
        folder = model_directory(name)
        record = _whole(read_record(folder), folder)
        now = _fingerprint(name, folder)
    except (TuningError, EncoderError):
        return None, "not tuned here, or deleted since"
    if now != fingerprint:
        return None, f"that name now stands for another encoder or case setting (fingerprint {now[:12]})"
    return record, ""


def _fingerprint(name: str, folder: Path) -> str:
    config = shipped_config() if name == SHIPPED_NAME else read_config(folder)
    try:
        return str(config["fingerprint"])
    except KeyError as error:
        raise EncoderError(f"{folder} has a configuration without fingerprint; tune again") from error


def _whole(record: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    missing = [key for key in _NEEDED_AT_TOP if key not in record]
    missing += [
        f"{part}.{key}" for part, keys in _NEEDED.items() for key in keys if key not in (record.get(part) or ())
    ]
    if missing:
        raise TuningError(
            f"{folder / RECORD} has no {missing[0]}, which a report needs; it was written by another release or "
            "altered, tune again"
        )
    return record
