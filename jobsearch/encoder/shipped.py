"""The tuned encoder that comes with the package: what differs from the base, in half precision.

    config.json          name, case, fingerprints of the base and of the result
    delta.safetensors    the dense tensors, float16, under the names of `architecture`; of a tuned embedding table the
                         rows that changed, as how far their codes moved (which packs to a half in a wheel)
    record.json          how it was made and what it is worth, as of any tuned encoder
    README.md            the same for people

Made by `data/build_encoder.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.encoder.weights import CONFIG, WeightSet, table_rows
from jobsearch.errors import EncoderError
from jobsearch.home import builtin_encoder_directory

SHIPPED_NAME = "use-jobs"
# Those it was tuned in, and finds more in than the base does: `tests/benchmarks/languages.py`.
SHIPPED_LANGUAGES = frozenset({"de", "en", "es", "fr", "it", "nl", "pl", "pt"})
DELTA = "delta.safetensors"
# Tensors of a tuned table in it: row numbers, int32 (n,), and how far their codes moved, uint8 (n, 512), modulo 256.
ROWS, MOVES = "Embeddings/rows", "Embeddings/moves"
# Codes to a step of the base's, and codes below its lowest: 33 + 3 · 63 leaves as many above.
_FINER, _BELOW = 3, 33
_BLOCK = 4096
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
        delta = read_tensors(folder / DELTA)
        changed = {name: np.asarray(delta[name], np.float32) for name in arch.dense_shapes()}
        if ROWS in delta:
            changed |= _finer_table(base)
            changed[arch.TABLE][delta[ROWS]] += delta[MOVES]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise EncoderError(f"{folder / DELTA} cannot be read ({error}); {_MEND}") from error
    weights = WeightSet({**base.tensors, **changed}, base.tokenizer_model, base.case, SHIPPED_NAME, config["lineage"])
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
        tuned: weights with the base's tokenizer.
        folder: where to write `config.json` and `delta.safetensors`.
    """
    base = packaged_weights(tuned.case)
    halves = {name: np.asarray(tuned.tensors[name], np.float16) for name in arch.dense_shapes()}
    whole: dict[str, npt.NDArray[Any]] = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    rows: dict[str, npt.NDArray[Any]] = {}
    if not np.array_equal(tuned.tensors[arch.TABLE], base.tensors[arch.TABLE]):
        whole |= _finer_table(base)
        rows = _changed_rows(tuned, whole)
        whole[arch.TABLE][rows[ROWS]] += rows[MOVES]
    packed = WeightSet({**base.tensors, **whole}, base.tokenizer_model, tuned.case, SHIPPED_NAME, tuned.lineage)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / DELTA, {**halves, **rows})
    config = {
        "name": SHIPPED_NAME,
        "case": tuned.case,
        "base": base.fingerprint,
        "fingerprint": packed.fingerprint,
        "lineage": dict(tuned.lineage),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return packed


def _finer_table(base: WeightSet) -> dict[str, npt.NDArray[Any]]:
    """Return the base's table on a finer and wider grid of codes, with its scale and offset.

    The base has 64 steps in eight bits. A third of a step each, and room on both sides, holds tuned rows well and the
    base's own as they are, in the same memory.
    """
    scale, offset = base.tensors[arch.TABLE_SCALE], base.tensors[arch.TABLE_OFFSET]
    finer = scale / np.float32(_FINER)
    return {
        arch.TABLE: base.tensors[arch.TABLE] * np.uint8(_FINER) + np.uint8(_BELOW),
        arch.TABLE_SCALE: finer,
        arch.TABLE_OFFSET: offset - np.float32(_BELOW) * finer,
    }


def _changed_rows(tuned: WeightSet, finer: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return the numbers of the rows that differ by half a step or more anywhere, and how far their codes moved."""
    rows, moves = [], []
    for start in range(0, arch.VOCABULARY, _BLOCK):
        ids = np.arange(start, min(start + _BLOCK, arch.VOCABULARY))
        shard = ids % arch.SHARDS
        steps = table_rows(tuned.tensors, ids) - finer[arch.TABLE_OFFSET][shard, None]
        own = np.clip(np.rint(steps / finer[arch.TABLE_SCALE][shard, None]), 0, 255).astype(np.uint8)
        moved = own - finer[arch.TABLE][ids]
        differ = moved.any(axis=1)
        rows.append(ids[differ].astype(np.int32))
        moves.append(moved[differ])
    return {ROWS: np.concatenate(rows), MOVES: np.concatenate(moves)}
