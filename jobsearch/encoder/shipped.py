"""The tuned encoder that comes with the package: what differs from the base, in half precision.

    config.json          name, case, fingerprints of the base and of the result
    delta.safetensors    the dense tensors, float16, under the names of `architecture`
    record.json          how it was made and what it is worth, as of any tuned encoder
    README.md            the same for people

Made by `data/build_encoder.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.encoder.weights import CONFIG, WeightSet
from jobsearch.errors import EncoderError
from jobsearch.home import builtin_encoder_directory

SHIPPED_NAME = "use-jobs"
DELTA = "delta.safetensors"
_MEND = "install jobsearch again, or name another encoder, such as `use`"


def shipped_weights() -> WeightSet:
    """Put the shipped encoder together (about 0.5 s).

    Raises:
        EncoderError: its files are missing or altered, or the installed base is another one.
    """
    folder = builtin_encoder_directory()
    config = shipped_config()
    base = packaged_weights(config["case"])
    if base.fingerprint != config["base"]:
        raise EncoderError(f"{SHIPPED_NAME} was made from other USE weights than the installed ones; {_MEND}")
    try:
        dense = {name: np.asarray(tensor, np.float32) for name, tensor in read_tensors(folder / DELTA).items()}
    except (OSError, ValueError) as error:
        raise EncoderError(f"{folder / DELTA} cannot be read ({error}); {_MEND}") from error
    weights = WeightSet({**base.tensors, **dense}, base.tokenizer_model, base.case, SHIPPED_NAME, config["lineage"])
    if weights.fingerprint != config["fingerprint"]:
        raise EncoderError(f"{folder / DELTA} was altered: it does not match its digest; {_MEND}")
    return weights


def shipped_config() -> dict[str, Any]:
    """Return what `config.json` says: `name`, `case`, `base`, `fingerprint`, `lineage`.

    Raises:
        EncoderError: it is missing or damaged.
    """
    path = builtin_encoder_directory() / CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"name", "case", "base", "fingerprint", "lineage"} - set(config)
        if missing:
            raise ValueError(f"{min(missing)} is missing")
    except (OSError, ValueError, TypeError) as error:
        raise EncoderError(f"{path} cannot be read ({error}); {_MEND}") from error
    return config


def pack(tuned: WeightSet, folder: Path) -> WeightSet:
    """Write what differs from the base, in half precision, and return what comes back of it.

    Args:
        tuned: weights with the base's table and tokenizer.
        folder: where to write `config.json` and `delta.safetensors`.

    Raises:
        ValueError: the table differs from the base's.
    """
    base = packaged_weights(tuned.case)
    if not np.array_equal(tuned.tensors[arch.TABLE], base.tensors[arch.TABLE]):
        raise ValueError("the embedding table was trained too; only dense tensors are packed")
    halves = {name: np.asarray(tuned.tensors[name], np.float16) for name in arch.dense_shapes()}
    whole = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    packed = WeightSet({**base.tensors, **whole}, base.tokenizer_model, tuned.case, SHIPPED_NAME, tuned.lineage)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / DELTA, halves)
    config = {
        "name": SHIPPED_NAME,
        "case": tuned.case,
        "base": base.fingerprint,
        "fingerprint": packed.fingerprint,
        "lineage": dict(tuned.lineage),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return packed
