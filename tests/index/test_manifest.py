"""The manifest: it tells every alteration of itself and of the files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import xxhash

from jobsearch.errors import IndexCorruptError, IndexFormatError
from jobsearch.index import manifest as module
from jobsearch.index.manifest import FORMAT_VERSION, Manifest, describe_files, hash_file

MEND = "run `jobsearch index build --name t`"
FILES = {"vectors.faiss": b"vectors" * 100, "labels.safetensors": b"labels", "encoder/config.json": b"{}"}


@pytest.fixture
def version(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "manifest.json").write_text(manifest_of(tmp_path).to_json(), encoding="utf-8")
    return tmp_path


def manifest_of(folder: Path) -> Manifest:
    return Manifest(
        name="t",
        created="2026-01-01T00:00:00+00:00",
        encoder={"name": "use", "fingerprint": "ab" * 32, "case": "lower"},
        dim=512,
        metric="inner_product",
        index_type="pq",
        factory="PQ128x4fs,RFlat",
        search={"k_factor": 16},
        recall={"recall@10": 0.997, "queries": 500},
        counts={"labels": 13, "concepts": 5},
        taxonomy={"name": "t", "version": "1.2.0", "fingerprint": "cd" * 32, "languages": ["de", "en"]},
        edits=2,
        gate={"queries": 4, "recall@10": 0.75, "before": None, "forced": False},
        made_with={"jobsearch": "0", "faiss": "1"},
        files=describe_files(folder),
    )


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all plain values in JSON content."""
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for key in range(len(value)) for leaf in leaves(value[key], (*path, key))]
    return [path]


ALL_LEAVES = leaves(
    {
        **dataclasses.asdict(manifest_of(Path("/nonexistent"))),
        "files": {name: {"bytes": 0, "xxh3_128": ""} for name in FILES},
        "checksum": "",
    }
)


# --- the manifest itself ---------------------------------------------------------------------------------------


def test_a_manifest_comes_back(version: Path) -> None:
    assert Manifest.read(version, MEND) == manifest_of(version)


def test_the_file_names_its_format_and_every_field(version: Path) -> None:
    content = json.loads((version / "manifest.json").read_text(encoding="utf-8"))
    assert content["format_version"] == FORMAT_VERSION == 6
    assert set(content) == {field.name for field in dataclasses.fields(Manifest)} | {"checksum"}
    assert sorted(leaves(content)) == sorted(ALL_LEAVES)


@pytest.mark.parametrize("path", ALL_LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_any_altered_value_is_told(version: Path, path: tuple[Any, ...]) -> None:
    content = json.loads((version / "manifest.json").read_text(encoding="utf-8"))
    place = content
    for key in path[:-1]:
        place = place[key]
    value = place[path[-1]]
    if isinstance(value, str):
        place[path[-1]] = value[:-1] + ("y" if value[-1:] == "x" else "x")
    else:
        place[path[-1]] = (value or 0) + 1  # numbers, true and false, null
    (version / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    expected = IndexFormatError if path == ("format_version",) else IndexCorruptError
    with pytest.raises(expected) as raised:
        Manifest.read(version, MEND)
    assert "manifest.json" in str(raised.value)
    assert MEND in str(raised.value)


@pytest.mark.parametrize("change", ["removed", "added"])
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Manifest)])
def test_fields_too_few_or_too_many_are_told(version: Path, field: str, change: str) -> None:
    content = json.loads((version / "manifest.json").read_text(encoding="utf-8"))
    del content["checksum"]
    if change == "removed":
        del content[field]
    else:
        content[f"{field}2"] = content[field]
    # With a checksum that fits, so that nothing but the fields themselves can tell.
    text = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    content["checksum"] = xxhash.xxh3_128_hexdigest(text)
    (version / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    expected = IndexFormatError if (field, change) == ("format_version", "removed") else IndexCorruptError
    with pytest.raises(expected, match=r"manifest\.json"):
        Manifest.read(version, MEND)


@pytest.mark.parametrize(
    "seen", [0, FORMAT_VERSION - 1, FORMAT_VERSION + 1, str(FORMAT_VERSION), None, FORMAT_VERSION + 0.5]
)
def test_another_format_version_is_named(version: Path, seen: object) -> None:
    content = json.loads((version / "manifest.json").read_text(encoding="utf-8"))
    content["format_version"] = seen
    (version / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(
        IndexFormatError, match=f"format version {seen}, this release reads {FORMAT_VERSION}; run `jobsearch"
    ) as raised:
        Manifest.read(version, MEND)
    assert not isinstance(raised.value, IndexCorruptError)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}\n" * 2])
def test_what_is_no_manifest_is_told(version: Path, content: bytes) -> None:
    (version / "manifest.json").write_bytes(content)
    with pytest.raises(IndexCorruptError, match=r"manifest\.json.*run `jobsearch index build"):
        Manifest.read(version, MEND)


@pytest.mark.parametrize("size", [1, 100, -3])
def test_a_manifest_cut_short_is_told(version: Path, size: int) -> None:
    path = version / "manifest.json"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(IndexCorruptError, match=r"manifest\.json"):
        Manifest.read(version, MEND)


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(IndexCorruptError, match=r"manifest\.json is missing; run `jobsearch"):
        Manifest.read(tmp_path, MEND)


# --- the files -------------------------------------------------------------------------------------------------


def test_whole_files_pass(version: Path) -> None:
    Manifest.read(version, MEND).verify_files(version, MEND)


def test_all_files_are_described_but_the_manifest(version: Path) -> None:
    described = describe_files(version)
    assert list(described) == sorted(FILES)
    for name, content in FILES.items():
        assert described[name] == {"bytes": len(content), "xxh3_128": xxhash.xxh3_128_hexdigest(content)}


@pytest.mark.parametrize("damage", ["missing", "truncated", "longer", "empty", "first byte", "last byte", "a folder"])
@pytest.mark.parametrize("name", FILES)
def test_any_damaged_file_is_named_with_the_remedy(version: Path, name: str, damage: str) -> None:
    path, content = version / name, bytearray(FILES[name])
    path.unlink()
    match damage:
        case "truncated":
            path.write_bytes(content[:-1])
        case "longer":
            path.write_bytes(content + b"\0")
        case "empty":
            path.write_bytes(b"")
        case "first byte" | "last byte":
            content[0 if damage == "first byte" else -1] ^= 1  # one bit, same size
            path.write_bytes(content)
        case "a folder":
            path.mkdir()
    with pytest.raises(IndexCorruptError) as raised:
        Manifest.read(version, MEND).verify_files(version, MEND)
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith(MEND)
    if damage in ("truncated", "longer", "empty"):
        assert f"has {path.stat().st_size} bytes, expected {len(content)}" in str(raised.value)


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_folder_and_the_others_are_verified_apart(version: Path, name: str) -> None:
    manifest = Manifest.read(version, MEND)
    (version / name).unlink()
    for others in (False, True):
        if name.startswith("encoder/") is others:
            manifest.verify_files(version, MEND, "encoder/", others)
        else:
            with pytest.raises(IndexCorruptError, match="is missing"):
                manifest.verify_files(version, MEND, "encoder/", others)


# --- checksums -------------------------------------------------------------------------------------------------


def test_hash_of_an_empty_file_is_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert hash_file(tmp_path / "f") == "99aa06d3014798d86001c324468d497f"  # xxHash's own test vector for XXH3-128


@pytest.mark.parametrize("size", [1, 6, 7, 8, 700])
def test_hash_of_a_file_read_in_parts_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7)
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "f").write_bytes(content)
    assert hash_file(tmp_path / "f") == xxhash.xxh3_128_hexdigest(content)
