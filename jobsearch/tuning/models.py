"""The tuned encoders at hand: names, records, deletion. No TensorFlow here."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobsearch.encoder.library import model_names, models_directory
from jobsearch.encoder.packaged import BASE_NAME
from jobsearch.encoder.shipped import SHIPPED_NAME
from jobsearch.encoder.weights import CONFIG
from jobsearch.errors import TuningError
from jobsearch.home import builtin_encoder_directory

REJECTED = "rejected"
RECORD, CARD = "record.json", "README.md"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def next_model_name() -> str:
    """Return the first of tuned-1, tuned-2, … that no encoder has, rejected ones included."""
    taken = {*model_names(), *(path.name for path in _rejected())}
    number = 1
    while f"tuned-{number}" in taken:
        number += 1
    return f"tuned-{number}"


def check_model_name(name: str) -> None:
    """Refuse a name that a new encoder cannot have.

    Raises:
        TuningError: it is reserved, taken, or no plain name.
    """
    if name in (BASE_NAME, SHIPPED_NAME, REJECTED):
        raise TuningError(f"{name!r} is reserved; give another name with --name")
    if not _NAME.match(name):
        raise TuningError(f"encoder name {name!r}: expected letters, digits, dots and dashes; give one with --name")
    if name in model_names():
        raise TuningError(f"there is an encoder {name!r}; give another name, or run `jobsearch models delete {name}`")


def list_models() -> list[dict[str, Any]]:
    """Return the records of all tuned encoders: own usable ones, newest first, the shipped one, rejected ones."""
    folders = [*(models_directory() / name for name in model_names()), *_rejected()]
    records = [read_record(folder) for folder in folders if (folder / RECORD).is_file()]
    records.sort(key=lambda record: str(record["created"]), reverse=True)
    records.append(read_record(builtin_encoder_directory()))
    return sorted(records, key=lambda record: record["gate"]["verdict"] == "rejected")


def encoder_folders() -> list[Path]:
    """Return the folders of all encoders in the home folder, whole or not, usable ones first; also untuned ones."""
    found = []
    for folder in (models_directory(), models_directory() / REJECTED):
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        found += [path for path in inside if path.name[0] != "." and _holds_encoder(path)]
    return found


def newest_model() -> str:
    """Return the name of the newest usable tuned encoder; the shipped one where there is no own."""
    usable = [record for record in list_models() if record["gate"]["verdict"] != "rejected"]
    return str(usable[0]["name"])


def newest_own_model() -> str | None:
    """Return the name of the newest usable encoder that was tuned here, or None."""
    name = newest_model()
    return None if name == SHIPPED_NAME else name


def model_directory(name: str) -> Path:
    """Return the folder of a tuned encoder, usable or rejected.

    Raises:
        TuningError: there is none of that name.
    """
    if name == SHIPPED_NAME:
        return builtin_encoder_directory()
    if _NAME.match(name):
        for folder in (models_directory() / name, models_directory() / REJECTED / name):
            if (folder / RECORD).is_file():
                return folder
    known = ", ".join(record["name"] for record in list_models())
    raise TuningError(f"no tuned encoder {name!r}; there are: {known}")


def without_histories(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what was measured during training, which is long."""
    return {key: value for key, value in record.items() if key not in ("history", "teacher_history")}


def read_record(folder: Path) -> dict[str, Any]:
    """Return a tuned encoder's record, its folder's path added as `path`.

    Raises:
        TuningError: the record is missing or damaged.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        missing = [key for key in ("name", "created", "recipe", "data", "gate") if key not in record]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return {**record, "path": str(folder)}
    except (OSError, ValueError, TypeError) as error:
        raise TuningError(f"{folder / RECORD} cannot be read ({error}); remove {folder} or tune again") from error


def _holds_encoder(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG, RECORD))


def _rejected() -> list[Path]:
    """Return the folders of rejected encoders, sorted."""
    folder = models_directory() / REJECTED
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if (path / RECORD).is_file() and path.name[0] != ".")


def delete_model(name: str, rejected: bool | None = None) -> Path:
    """Remove a tuned encoder; indexes that were built with it keep their own copy.

    Args:
        name: its name.
        rejected: whether the rejected one of that name is meant, or the usable one; default: the only one there is.

    Returns:
        The folder that it was in.

    Raises:
        TuningError: there is none of that name, or a usable and a rejected one, or it is the shipped one.
    """
    if name == SHIPPED_NAME:
        raise TuningError(f"{name!r} is part of jobsearch and stays; `jobsearch models list` shows your own")
    folder = model_directory(name)
    other = models_directory() / REJECTED / name
    if folder != other and (other / RECORD).is_file():
        if rejected is None:
            raise TuningError(
                f"there are two encoders {name!r}, a usable and a rejected one; say which with --usable or --rejected"
            )
        folder = other if rejected else folder
    elif rejected is not None and rejected != (folder == other):
        raise TuningError(f"the only encoder {name!r} is {'usable' if rejected else 'rejected'}; nothing was deleted")
    shutil.rmtree(folder)
    return folder
