"""Reading safetensors files without copying: arrays are views of the mapped file.

The `safetensors` package writes our files; its own reader copies each tensor, which costs time at start-up and keeps
worker processes from sharing memory. The format is small and fixed: a little-endian u64 header length, a JSON header,
then the raw data (https://huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_MAX_HEADER = 100_000_000


def read_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Map a safetensors file and return its tensors as read-only views of it.

    The file stays mapped as long as one of the views lives, also when its name is removed meanwhile.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not a whole safetensors file.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < 8:
            raise ValueError(f"{path.name} has {size} bytes, too few for a safetensors file")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header_size = int.from_bytes(mapped[:8], "little")
    if header_size > min(size - 8, _MAX_HEADER):
        raise ValueError(f"{path.name} is cut short or not a safetensors file")
    try:
        header = json.loads(mapped[8 : 8 + header_size])
    except RecursionError:
        header = None
    if not isinstance(header, dict):
        raise ValueError(f"{path.name} has no safetensors header")
    header.pop("__metadata__", None)
    start = 8 + header_size
    tensors = {name: _view(mapped, start, size, name, entry) for name, entry in header.items()}
    _check_layout(header, size - start)
    return tensors


def write_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write tensors as a safetensors file.

    Not by the package's `save_file`: that hides the operating system's error in one of its own, makes the file
    private, and replaces whatever stands at `path`, devices and links included.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save

    path.write_bytes(save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}))


def _view(mapped: mmap.mmap, start: int, size: int, name: str, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    try:
        dtype = _DTYPES[entry["dtype"]]
        shape = tuple(int(n) for n in entry["shape"])
        begin, end = (int(n) for n in entry["data_offsets"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"tensor {name} has a header that cannot be read ({error!r})") from error
    count = math.prod(shape)
    if min(shape, default=0) < 0 or begin < 0 or end - begin != count * dtype.itemsize or start + end > size:
        raise ValueError(f"tensor {name} does not fit the file")
    if count == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(mapped, dtype, count, start + begin).reshape(shape)


def _check_layout(header: Mapping[str, Mapping[str, Any]], size: int) -> None:
    """Refuse tensors that overlap or do not fill the data, as the format asks."""
    filled = 0
    for (begin, end), name in sorted((tuple(map(int, entry["data_offsets"])), name) for name, entry in header.items()):
        if begin != filled:
            raise ValueError(f"tensor {name} begins at byte {begin} of the data, expected {filled}")
        filled = end
    if filled != size:
        raise ValueError(f"the tensors fill {filled} bytes of the data, which has {size}")
