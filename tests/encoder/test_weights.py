"""Weight sets: fingerprints, saving and loading, and every way in which a saved one can be damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.text import CASES
from jobsearch.encoder.weights import CONFIG, TOKENIZER, WEIGHTS, WeightSet, load_weights, read_config, table_rows
from jobsearch.errors import EncoderError, StorageError


@pytest.fixture
def copy(saved_base: Path, tmp_path: Path) -> Path:
    """A saved weight set whose files may be replaced or removed; they are links, so not changed in place."""
    directory = tmp_path / "set"
    directory.mkdir()
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        os.link(saved_base / name, directory / name)
    return directory


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def edit_config(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    change(config)
    replace_file(directory / CONFIG, json.dumps(config).encode())


def refusal(directory: Path) -> str:
    with pytest.raises(EncoderError) as caught:
        load_weights(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- fingerprint -------------------------------------------------------------------------------------------------


def test_the_base_fingerprint_is_the_same_everywhere(base_weights: WeightSet) -> None:
    # A literal: it must not change with process, platform or release, or every index built so far is refused.
    assert base_weights.fingerprint == "210a2736fc745d9ef184f45b0006143186a494f4611061a76ade28f526008b46"


def test_the_case_is_part_of_the_fingerprint(base_weights: WeightSet) -> None:
    sets = [base_weights.with_case(case) for case in CASES]
    assert len({weights.fingerprint for weights in sets}) == len(CASES)
    assert len({weights.weights_digest for weights in sets}) == 1
    assert [weights.case for weights in sets] == list(CASES)
    assert base_weights.with_case("keep") is base_weights


def test_the_case_is_applied_when_encoding(base_weights: WeightSet) -> None:
    texts = ["DATA SCIENTIST", "Data Scientist", "data scientist"]
    keep, lower, caps = (LeanEncoder(base_weights.with_case(case)).encode(texts) for case in CASES)
    plain = keep[2]
    assert (keep[:2] @ plain < 0.95).all()
    assert abs(lower - np.stack([plain] * 3)).max() < 1e-6
    assert abs(caps - np.stack([plain, keep[1], plain])).max() < 1e-6


def test_name_and_lineage_are_not_part_of_the_fingerprint(base_weights: WeightSet) -> None:
    renamed = replace(base_weights, name="other", lineage={"steps": 3})
    assert renamed.fingerprint == base_weights.fingerprint


def test_every_weight_is_part_of_the_fingerprint(base_weights: WeightSet) -> None:
    seen = {base_weights.fingerprint}
    for name in (arch.P3, arch.TABLE, arch.TABLE_SCALE, arch.branch_names(3)["b2"]):
        changed = base_weights.tensors[name].copy()
        changed.reshape(-1)[-1] += 1
        seen.add(WeightSet({**base_weights.tensors, name: changed}, base_weights.tokenizer_model, "keep").fingerprint)
    assert len(seen) == 5


def test_the_tokenizer_is_part_of_the_fingerprint(base_weights: WeightSet) -> None:
    other = replace(base_weights, tokenizer_model=base_weights.tokenizer_model + b"\x00")
    assert other.fingerprint != base_weights.fingerprint
    assert other.weights_digest == base_weights.weights_digest


@pytest.mark.slow
def test_the_type_of_a_table_is_part_of_the_fingerprint(base_weights: WeightSet) -> None:
    rows = table_rows(base_weights.tensors, np.arange(arch.VOCABULARY))
    half, single = (
        replace(base_weights, tensors={**base_weights.tensors, arch.TABLE: rows.astype(dtype)})
        for dtype in (np.float16, np.float32)
    )
    assert half.fingerprint != base_weights.fingerprint
    texts = ["registered nurse", "クラーク"]
    expected = LeanEncoder(base_weights).encode(texts)
    assert np.array_equal(LeanEncoder(single).encode(texts), expected)  # the very same numbers, unpacked
    # Half precision rounds the table's values to 11 bits. Measured in these embeddings: 4e-5.
    assert abs(LeanEncoder(half).encode(texts) - expected).max() < 3e-4


# --- save and load -----------------------------------------------------------------------------------------------


def test_round_trip(base_weights: WeightSet, tmp_path: Path) -> None:
    saved = replace(base_weights, case="lower-caps", name="Ärzte", lineage={"base": "use", "alpha": [0.5]})
    saved.save(tmp_path / "deep" / "set")
    loaded = load_weights(tmp_path / "deep" / "set")
    assert loaded.tensors.keys() == saved.tensors.keys()
    for name, tensor in saved.tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert np.array_equal(loaded.tensors[name], tensor)
        assert not loaded.tensors[name].flags.writeable
        assert not loaded.tensors[name].flags.owndata
    assert loaded.tokenizer_model == saved.tokenizer_model
    assert (loaded.case, loaded.name, loaded.lineage) == ("lower-caps", "Ärzte", {"base": "use", "alpha": [0.5]})
    assert (loaded.fingerprint, loaded.weights_digest) == (saved.fingerprint, saved.weights_digest)
    # What the config vouches for is what comes out when it is computed afresh.
    assert replace(loaded).fingerprint == saved.fingerprint


def test_the_files_are_what_the_format_says(saved_base: Path, base_weights: WeightSet) -> None:
    assert sorted(path.name for path in saved_base.iterdir()) == sorted([CONFIG, WEIGHTS, TOKENIZER])
    theirs = load_file(saved_base / WEIGHTS)
    assert all(np.array_equal(theirs[name], tensor) for name, tensor in base_weights.tensors.items())
    config = read_config(saved_base)
    assert (config["dim"], config["architecture"], config["case"]) == (512, "use-multilingual-3", "keep")
    assert config["fingerprint"] == base_weights.fingerprint


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
def test_the_files_may_be_read_by_others(saved_base: Path) -> None:
    # An index carries its weight set; who builds it is seldom who serves it.
    for path in saved_base.iterdir():
        assert path.stat().st_mode & 0o444 == 0o444, path.name


def test_a_place_that_cannot_be_written_is_a_storage_error(base_weights: WeightSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        base_weights.save(tmp_path / "file")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
def test_a_full_disk_is_a_storage_error(base_weights: WeightSet, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(StorageError, match=f"cannot write {tmp_path}: the disk is full; free some space"):
        base_weights.save(tmp_path)


# --- damaged sets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert refusal(copy) == f"the weight set {copy} is incomplete: {name} is missing; make it again"


def test_a_missing_config_is_named(copy: Path) -> None:
    (copy / CONFIG).unlink()
    assert refusal(copy) == f"no encoder in {copy}: config.json is missing; name a weight set, or `use`"


@pytest.mark.parametrize("size", [0, 7, 100, 5000, 1_000_000, -1])
def test_truncated_weights_are_refused(copy: Path, saved_base: Path, size: int) -> None:
    replace_file(copy / WEIGHTS, (saved_base / WEIGHTS).read_bytes()[:size])
    message = refusal(copy)
    assert message.startswith(f"the weight set {copy} cannot be read (")
    assert message.endswith("; make it again")


@pytest.mark.parametrize("place", [8 + 5000, 40_000_000, -1])
def test_a_flipped_bit_in_the_weights_is_refused(copy: Path, saved_base: Path, place: int) -> None:
    content = bytearray((saved_base / WEIGHTS).read_bytes())
    content[place] ^= 1
    replace_file(copy / WEIGHTS, bytes(content))
    assert refusal(copy) == f"the weight set {copy} was altered: it does not match its digests; make it again"


def test_a_flipped_bit_in_the_header_of_the_weights_is_refused(copy: Path, saved_base: Path) -> None:
    content = (saved_base / WEIGHTS).read_bytes()
    start = content.index(b"EncoderDNN/DNN/ResidualHidden_0/dense/kernel")
    changed = content[:start] + b"F" + content[start + 1 :]
    replace_file(copy / WEIGHTS, changed)
    assert refusal(copy) == (
        "the weight set lacks the tensor EncoderDNN/DNN/ResidualHidden_0/dense/kernel; make it again"
    )


def test_a_flipped_bit_in_the_tokenizer_is_refused(copy: Path, saved_base: Path) -> None:
    content = bytearray((saved_base / TOKENIZER).read_bytes())
    content[1000] ^= 1
    replace_file(copy / TOKENIZER, bytes(content))
    assert refusal(copy) == f"the weight set {copy} was altered: it does not match its digests; make it again"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("case", "lower"),
        ("fingerprint", "0" * 64),
        ("weights_sha256", "0" * 64),
        ("tokenizer_sha256", "0" * 64),
        ("weights_sha256", None),
    ],
)
def test_an_altered_config_is_refused(copy: Path, key: str, value: str) -> None:
    edit_config(copy, lambda config: config.update({key: value}))
    assert refusal(copy) == f"the weight set {copy} was altered: it does not match its digests; make it again"
    # The case decides embeddings and costs nothing to check, so it is checked even where the files are trusted.
    if key in ("case", "fingerprint"):
        with pytest.raises(EncoderError, match="was altered"):
            load_weights(copy, verify=False)


@pytest.mark.parametrize("key", ["case", "name", "lineage", "weights_sha256", "tokenizer_sha256", "fingerprint"])
def test_an_incomplete_config_is_refused(copy: Path, key: str) -> None:
    edit_config(copy, lambda config: config.pop(key))
    assert refusal(copy) == f"the weight set {copy} cannot be read ({key!r}); make it again"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"nothing"])
def test_a_config_that_is_no_json_is_refused(copy: Path, content: bytes) -> None:
    replace_file(copy / CONFIG, content)
    message = refusal(copy)
    assert message.startswith(f"{copy / CONFIG} cannot be read (")
    assert message.endswith("; make the weight set again")


@pytest.mark.parametrize(("content", "seen"), [(b"[]", "list"), (b"{}", "None"), (b'{"format_version": 2}', "2")])
def test_another_format_version_is_refused(copy: Path, content: bytes, seen: str) -> None:
    replace_file(copy / CONFIG, content)
    assert refusal(copy) == f"{copy / CONFIG} has format version {seen}, this release reads 1; make it again"


def test_another_architecture_is_refused(copy: Path) -> None:
    edit_config(copy, lambda config: config.update(architecture="bert"))
    assert refusal(copy) == f"{copy} holds a 'bert' encoder, expected 'use-multilingual-3'"


def test_an_unknown_case_is_refused(base_weights: WeightSet) -> None:
    with pytest.raises(EncoderError, match="case is 'upper', expected one of keep, lower, lower-caps"):
        replace(base_weights, case="upper")


def test_without_verifying_the_files_are_not_hashed(copy: Path, saved_base: Path) -> None:
    # The counterpart of the tests above: it is the digests that refuse, and `verify=False` does skip them.
    content = bytearray((saved_base / WEIGHTS).read_bytes())
    content[-1] ^= 1
    replace_file(copy / WEIGHTS, bytes(content))
    assert load_weights(copy, verify=False).name == "use"


KERNEL = "EncoderDNN/DNN/ResidualHidden_2/dense/kernel"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (KERNEL, lambda t: t.T, f"tensor {KERNEL} is float32 (512, 320), expected float32 (320, 512)"),
        (KERNEL, lambda t: t[:-1], f"tensor {KERNEL} is float32 (319, 512), expected float32 (320, 512)"),
        (KERNEL, lambda t: t.astype("f8"), f"tensor {KERNEL} is float64 (320, 512), expected float32 (320, 512)"),
        (KERNEL, lambda t: t.astype("f2"), f"tensor {KERNEL} is float16 (320, 512), expected float32 (320, 512)"),
        (arch.TABLE, lambda t: t[:-17], "the embedding table is (127993, 512), expected (128010, 512)"),
        (arch.TABLE, lambda t: t.view("i1"), "the embedding table is int8, expected uint8, float16 or float32"),
        (arch.TABLE_SCALE, lambda t: t[:-1], "a uint8 embedding table needs Embeddings/scale of shape (17,)"),
        (arch.TABLE_OFFSET, lambda t: t[:, None], "a uint8 embedding table needs Embeddings/offset of shape (17,)"),
        (arch.TABLE_OFFSET, lambda t: None, "a uint8 embedding table needs Embeddings/offset of shape (17,)"),
    ],
)
def test_a_wrong_shape_or_type_is_refused(
    base_weights: WeightSet, name: str, change: Callable[[Any], Any], message: str
) -> None:
    changed = change(base_weights.tensors[name])
    tensors = {key: tensor for key, tensor in base_weights.tensors.items() if key != name}
    with pytest.raises(EncoderError) as caught:
        replace(base_weights, tensors=tensors if changed is None else {**tensors, name: changed})
    assert str(caught.value) == f"{message}; make the weight set again"


@pytest.mark.parametrize("name", [KERNEL, arch.TABLE, arch.branch_names(5)["gamma"]])
def test_a_lacking_tensor_is_named(base_weights: WeightSet, name: str) -> None:
    tensors = {key: tensor for key, tensor in base_weights.tensors.items() if key != name}
    with pytest.raises(EncoderError, match=f"^the weight set lacks the tensor {name}; make it again$"):
        replace(base_weights, tensors=tensors)


def test_a_wrong_shape_in_a_file_is_refused(copy: Path, base_weights: WeightSet) -> None:
    (copy / WEIGHTS).unlink()
    save_file({**base_weights.tensors, KERNEL: np.zeros((4, 4), np.float32)}, copy / WEIGHTS)
    assert refusal(copy) == (
        f"tensor {KERNEL} is float32 (4, 4), expected float32 (320, 512); make the weight set again"
    )


def test_a_folder_where_a_file_should_be_is_refused(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    (copy / WEIGHTS).mkdir()
    assert refusal(copy).startswith(f"the weight set {copy} cannot be read (")
    shutil.rmtree(copy / WEIGHTS)


def test_a_loaded_set_lives_on_when_its_directory_is_removed(copy: Path, lean: LeanEncoder) -> None:
    encoder = LeanEncoder(load_weights(copy))
    shutil.rmtree(copy)
    assert abs(encoder.encode(["registered nurse"]) - lean.encode(["registered nurse"])).max() < 1e-6
