"""Our reader of safetensors files against the format's own, and against files that lie."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save_file

from jobsearch.encoder.tensorfile import read_tensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
no_fixture_check = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def file_of(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def test_equals_safetensors_own_reader_for_all_types(path: Path) -> None:
    random = np.random.default_rng(1)
    tensors: dict[str, np.ndarray] = {}
    for dtype in DTYPES:
        for shape in ((), (0,), (3,), (2, 0, 3), (1,), (5, 7), (2, 3, 4)):
            values = random.integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
            if dtype == "?":
                values &= 1
            tensors[f"{dtype} {shape}"] = values.view(dtype)[..., 0]
    save_file({name: tensor.copy() for name, tensor in tensors.items()}, path, {"made": "by a test"})
    theirs, ours = load_file(path), read_tensors(path)
    assert ours.keys() == theirs.keys() == tensors.keys()
    for name, expected in theirs.items():
        assert ours[name].dtype == expected.dtype
        assert ours[name].shape == expected.shape == tensors[name].shape
        assert ours[name].tobytes() == expected.tobytes() == tensors[name].tobytes()


def test_tensors_are_read_only_views_that_outlive_the_file_name(path: Path) -> None:
    save_file({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, path)
    tensor = read_tensors(path)["a"]
    assert not tensor.flags.writeable
    assert not tensor.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        tensor[0, 0] = 1
    path.unlink()
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_no_tensors(path: Path) -> None:
    path.write_bytes(file_of({"__metadata__": {"a": "b"}}))
    assert read_tensors(path) == {}


def test_a_missing_file_is_the_operating_systems_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, too few"),
        (b"1234567", "has 7 bytes, too few"),
        (struct.pack("<Q", 100) + b"{}", "cut short"),
        (struct.pack("<Q", 2**64 - 1) + b"{}", "cut short"),
        (file_of([1]), "no safetensors header"),
        (file_of(b"[" * 100_000), "no safetensors header"),
        (file_of(b'{"a"'), "Expecting"),
        (file_of(b"\xff\xfe\xff"), "decode"),
        (file_of({"a": 1}), "header that cannot be read"),
        (file_of({"a": {"dtype": "F32", "shape": [1]}}, b"1234"), "header that cannot be read"),
        (file_of({"a": entry("BF16", [1], 0, 2)}, b"12"), "header that cannot be read"),
        (file_of({"a": entry("F32", [1], 0, 4) | {"data_offsets": [0]}}, b"1234"), "header that cannot be read"),
        (file_of(b'{"a": {"dtype": "U8", "shape": [Infinity], "data_offsets": [0, 1]}}', b"1"), "cannot be read"),
        (file_of({"a": entry("F32", [1], 0, 8)}, b"12345678"), "does not fit"),  # 8 bytes for one float32
        (file_of({"a": entry("F32", [2], 0, 8)}, b"1234"), "does not fit"),  # past the end
        (file_of({"a": entry("U8", [4], -4, 0)}, b"1234"), "does not fit"),
        (file_of({"a": entry("U8", [-2, -2], 0, 4)}, b"1234"), "does not fit"),
        (file_of({"a": entry("U8", [2**40, 2**24], 0, 0)}), "does not fit"),  # 2^64 bytes, which is 0 in 64 bits
        (file_of({"a": entry("U8", [2**64], 0, 4)}, b"1234"), "does not fit"),
        (file_of({"a": entry("U8", [4], 0, 4), "b": entry("U8", [2], 2, 4)}, b"1234"), "tensor b begins at byte 2"),
        (file_of({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 0, 4)}, b"1234"), "begins at byte 0"),
        (file_of({"a": entry("U8", [2], 0, 2), "b": entry("U8", [1], 3, 4)}, b"1234"), "tensor b begins at byte 3"),
        (file_of({"a": entry("U8", [2], 0, 2)}, b"1234"), "fill 2 bytes of the data, which has 4"),
    ],
)
def test_a_file_that_lies_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_tensors(path)


@no_fixture_check
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError):
        read_tensors(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["F32", "U8"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
_SMALL = st.integers(-2, 10) | st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, 2**70])
_ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F64", "F32", "F16", "I8", "U8", "BOOL", "C64"]) | _JSON,
        "shape": st.lists(_SMALL, max_size=4) | _JSON,
        "data_offsets": st.lists(_SMALL, min_size=2, max_size=2) | _JSON,
    }
)


@no_fixture_check
@given(st.dictionaries(st.text(max_size=3), _ENTRY | _JSON, max_size=3), st.binary(max_size=20))
def test_random_headers_are_refused_or_read_within_the_file(path: Path, header: dict[str, Any], data: bytes) -> None:
    path.write_bytes(file_of(header, data))
    try:
        tensors = read_tensors(path)
    except ValueError:
        return
    assert sum(tensor.nbytes for tensor in tensors.values()) == len(data)


@no_fixture_check
@given(st.data())
def test_altered_files_are_read_as_safetensors_does_or_refused(path: Path, data: st.DataObject) -> None:
    save_file({"a": np.arange(6, dtype=np.float32), "b": np.arange(4, dtype=np.uint8)}, path, {"k": "v"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.just(len(content)) | st.integers(0, len(content))) :]
    path.write_bytes(content)
    try:
        ours = read_tensors(path)
    except ValueError:
        return
    try:
        theirs = load(bytes(content))
    except (SafetensorError, ValueError, KeyError):
        return  # they are stricter about what they do not need
    assert {name: t.tobytes() for name, t in ours.items()} == {name: t.tobytes() for name, t in theirs.items()}
