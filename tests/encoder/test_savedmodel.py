"""SavedModels: USE is read into the native network, anything else that maps strings to vectors is wrapped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from savedmodels import DIM, HashModel, ListedModel, UseExport, export_answering, export_signature_only, tf, use_tensors
from texts import LABELS, LONG, NASTY

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import check_encoder, find_encoder, find_weights, open_encoder
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.savedmodel import SavedModelEncoder, locate, native_tensors, read_savedmodel
from jobsearch.encoder.text import prepare
from jobsearch.encoder.weights import WeightSet
from jobsearch.errors import EncoderError

# --- USE itself --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(base_weights: WeightSet) -> dict[str, Any]:
    return use_tensors(base_weights)


@pytest.mark.slow
def test_use_is_read_into_the_native_network(
    parts: dict[str, Any], base_weights: WeightSet, lean: LeanEncoder, tmp_path: Path
) -> None:
    directory = tmp_path / "exported"
    try:
        tf.saved_model.save(UseExport(parts), str(directory))
        weights = find_weights(str(directory), "lower-caps")
    finally:
        shutil.rmtree(directory, ignore_errors=True)  # 275 MB
    assert isinstance(weights, WeightSet)
    assert (weights.case, weights.name, weights.lineage) == ("lower-caps", str(directory), {"source": str(directory)})
    assert weights.tokenizer_model == base_weights.tokenizer_model
    assert weights.tensors[arch.TABLE].dtype == np.float32
    for name in arch.dense_shapes():
        assert np.array_equal(weights.tensors[name], base_weights.tensors[name]), name
    texts = [*LABELS, *NASTY.values(), LONG]
    assert abs(LeanEncoder(weights.with_case("keep")).encode(texts) - lean.encode(texts)).max() < 1e-5


@pytest.mark.parametrize("scope", ["", "model/"])
@pytest.mark.parametrize("suffix", ["", ":0"])
def test_names_are_told_with_scope_and_output_number(parts: dict[str, Any], scope: str, suffix: str) -> None:
    tensors = native_tensors((f"{scope}{name}{suffix}", value) for name, value in parts.items())
    assert tensors is not None
    assert {name: tensor.shape for name, tensor in tensors.items() if name != arch.TABLE} == arch.dense_shapes()
    assert np.array_equal(tensors[arch.TABLE][[0, 17, 34]], parts["Embeddings/sharded_0"][:3])
    assert np.array_equal(tensors[arch.TABLE][[16, 33, -1]], parts["Embeddings/sharded_16"][[0, 1, -1]])


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts.pop("Embeddings/sharded_16"),
        lambda parts: parts.update({"Embeddings/sharded_17": parts["Embeddings/sharded_0"]}),
        lambda parts: parts.pop(arch.P3),
        lambda parts: parts.pop(f"{arch.D1}/part_0"),
        lambda parts: parts.update({arch.P3: np.zeros((320, 500), np.float32)}),
        lambda parts: parts.update({"Embeddings/sharded_3": np.zeros((7529, 512), np.float32)}),
        # USE 4, English: as many shards at times, and of another width.
        lambda parts: parts.update({f"Embeddings/sharded_{i}": np.zeros((11, 320), np.float32) for i in range(17)}),
        lambda parts: parts.clear(),
    ],
)
def test_what_is_not_quite_use_is_not_taken_for_it(parts: dict[str, Any], change: Callable[[Any], Any]) -> None:
    changed = dict(parts)
    change(changed)
    assert native_tensors(changed.items()) is None


# --- any other ---------------------------------------------------------------------------------------------------


def export_callable(directory: Path) -> None:
    tf.saved_model.save(HashModel(), str(directory))


def export_listed(directory: Path) -> None:
    tf.saved_model.save(ListedModel(), str(directory))


def export_signature(directory: Path) -> None:
    export_signature_only(directory)


def export_named_output(directory: Path) -> None:
    export_signature_only(directory, "outputs")


EXPORTS = [export_callable, export_listed, export_signature, export_named_output]


@pytest.fixture(scope="module", params=EXPORTS, ids=[export.__name__ for export in EXPORTS])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("export") / "model"
    request.param(directory)
    return directory


@pytest.fixture(scope="module")
def wrapped(exported: Path) -> SavedModelEncoder:
    encoder = find_encoder(str(exported), "keep")
    assert isinstance(encoder, SavedModelEncoder)
    return encoder


def test_rows_are_the_models_scaled_to_unit_length(wrapped: SavedModelEncoder) -> None:
    assert isinstance(wrapped, Encoder)
    assert (wrapped.dim, wrapped.case) == (DIM, "keep")
    texts = [*NASTY.values(), *LABELS, "nurse", "nurse"]
    rows = wrapped.encode(texts)
    expected = HashModel()(tf.constant([text.encode() for text in prepare(texts, "keep")])).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (rows.dtype, rows.shape) == (np.float32, (len(texts), DIM))
    assert abs(rows - expected).max() < 1e-6
    assert np.array_equal(wrapped.encode(texts), rows)
    assert np.array_equal(rows[-1], rows[-2])


def test_more_texts_than_a_batch_keep_their_order(wrapped: SavedModelEncoder) -> None:
    texts = [f"nurse {number}" for number in range(600)]
    rows = wrapped.encode(texts)
    some = [0, 255, 256, 511, 512, 599]
    assert abs(rows[some] - np.concatenate([wrapped.encode([texts[i]]) for i in some])).max() < 1e-6


def test_the_contract_at_its_edges(wrapped: SavedModelEncoder) -> None:
    assert wrapped.encode([]).shape == (0, DIM)
    assert wrapped.encode([]).dtype == np.float32
    with pytest.raises(EncoderError, match=r"write encode\(\[text\]\)"):
        wrapped.encode("nurse")
    with pytest.raises(EncoderError, match="text 1 is int"):
        wrapped.encode(["nurse", 3])


def test_gradients_reach_the_variables(wrapped: SavedModelEncoder) -> None:
    variables = wrapped.trainable_variables
    assert sorted(variable.shape.as_list() for variable in variables) == [[DIM, DIM], [50, DIM]]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(wrapped.embed(LABELS) * tf.range(DIM, dtype=tf.float32))
    gradients = tape.gradient(loss, variables)
    for gradient in gradients:
        assert np.any(tf.convert_to_tensor(gradient))


def test_embed_gives_unit_rows(wrapped: SavedModelEncoder) -> None:
    assert np.array_equal(wrapped.embed(LABELS).numpy(), wrapped.encode(LABELS))
    assert abs(np.linalg.norm(wrapped.embed(LABELS), axis=1) - 1).max() < 1e-6


def test_save_and_open(wrapped: SavedModelEncoder, exported: Path, tmp_path: Path) -> None:
    wrapped.save(tmp_path / "saved")
    opened = open_encoder(tmp_path / "saved")
    assert isinstance(opened, SavedModelEncoder)
    assert opened.fingerprint == wrapped.fingerprint
    assert (opened.name, opened.dim, opened.case) == (str(exported), DIM, "keep")
    assert np.array_equal(opened.encode(LABELS), wrapped.encode(LABELS))
    # It stands alone, and may be saved again.
    opened.save(tmp_path / "again")
    assert open_encoder(tmp_path / "again").fingerprint == wrapped.fingerprint


# --- settings and damage: one model is enough --------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plain") / "model"
    export_callable(directory)
    return directory


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "model"))


def test_the_case_is_applied_and_part_of_the_fingerprint(plain: Path) -> None:
    keep, lower, caps, default = (find_encoder(str(plain), case) for case in ("keep", "lower", "lower-caps", None))
    assert (keep.case, lower.case, caps.case, default.case) == ("keep", "lower", "lower-caps", "lower")
    assert len({keep.fingerprint, lower.fingerprint, caps.fingerprint}) == 3
    assert default.fingerprint == lower.fingerprint
    assert np.array_equal(lower.encode(["Staff NURSE", "NURSE"]), keep.encode(["staff nurse", "nurse"]))
    assert np.array_equal(caps.encode(["Staff NURSE", "NURSE"]), keep.encode(["Staff NURSE", "nurse"]))
    assert not np.array_equal(keep.encode(["NURSE"]), keep.encode(["nurse"]))


def test_a_case_that_is_asked_for_overrides_the_saved_one(plain: Path, tmp_path: Path) -> None:
    find_encoder(str(plain), "lower").save(tmp_path / "saved")
    assert find_encoder(str(tmp_path / "saved")).case == "lower"
    keep = find_encoder(str(tmp_path / "saved"), "keep")
    assert (keep.case, keep.fingerprint) == ("keep", find_encoder(str(plain), "keep").fingerprint)


def test_the_fingerprint_does_not_depend_on_the_place(plain: Path, copy: Path) -> None:
    assert find_encoder(str(copy)).fingerprint == find_encoder(str(plain)).fingerprint


def test_the_fingerprint_changes_with_any_file(copy: Path, plain: Path) -> None:
    seen = {find_encoder(str(plain)).fingerprint}
    (copy / "assets").mkdir(exist_ok=True)
    (copy / "assets" / "vocabulary.txt").write_bytes(b"nurse")
    seen.add(find_encoder(str(copy)).fingerprint)
    (copy / "assets" / "vocabulary.txt").write_bytes(b"Nurse")
    seen.add(find_encoder(str(copy)).fingerprint)
    (copy / "assets" / "vocabulary.txt").rename(copy / "assets" / "words.txt")
    seen.add(find_encoder(str(copy)).fingerprint)
    (data,) = (copy / "variables").glob("variables.data-*")
    content = bytearray(data.read_bytes())
    content[3] ^= 1
    data.write_bytes(content)
    seen.add(SavedModelEncoder(copy, "lower", "x", loaded=tf.saved_model.load(str(plain))).fingerprint)
    assert len(seen) == 5


def test_an_altered_copy_is_refused(plain: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    find_encoder(str(plain)).save(saved)
    assert check_encoder(saved) == "a SavedModel, whole"
    (saved / "saved_model" / "extra").write_bytes(b"")
    for read in (open_encoder, check_encoder):
        with pytest.raises(EncoderError) as caught:
            read(saved)
        assert str(caught.value) == f"the encoder {saved} was altered: it does not match its digest; make it again"
    (saved / "saved_model" / "extra").unlink()
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "case": "keep"}))
    for read in (open_encoder, check_encoder):
        with pytest.raises(EncoderError, match="was altered"):
            read(saved)
    (saved / "config.json").write_text(json.dumps({"format_version": 1, "architecture": "savedmodel"}))
    with pytest.raises(EncoderError, match="cannot be read"):
        check_encoder(saved)


@pytest.mark.parametrize("content", [b"", b"no protocol buffer", None])
def test_a_damaged_savedmodel_is_refused_in_one_line(copy: Path, content: bytes | None) -> None:
    if content is None:
        shutil.rmtree(copy / "variables")
    else:
        (copy / "saved_model.pb").write_bytes(content)
    with pytest.raises(EncoderError) as caught:
        find_encoder(str(copy))
    message = str(caught.value)
    assert message.startswith(f"the SavedModel {copy} cannot be loaded (")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda texts: tf.strings.length(texts) + 0, "it answers int32 of shape (1,)"),
        (lambda texts: tf.zeros((tf.size(texts),)), "it answers float32 of shape (1,)"),
        (lambda texts: tf.zeros((tf.size(texts), 3, 4)), "it answers float32 of shape (1, 3, 4)"),
        (lambda texts: tf.zeros((tf.size(texts), 3), tf.float64), "it answers float64 of shape (1, 3)"),
        (lambda texts: tf.zeros((7, 3)) + 0.0 * tf.cast(tf.size(texts), tf.float32), "it answers float32 of shape (7"),
        (lambda texts: texts, "it answers string of shape (1,)"),
    ],
)
def test_a_wrong_output_is_refused(tmp_path: Path, answer: Callable[[Any], Any], reason: str) -> None:
    export_answering(tmp_path / "model", answer)
    with pytest.raises(EncoderError) as caught:
        find_encoder(str(tmp_path / "model"))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'model'} does not map strings to one float vector each ({reason}")
    assert message.endswith("; name a text encoder")
    assert "\n" not in message


def test_a_model_that_takes_no_strings_is_refused(tmp_path: Path) -> None:
    model = tf.Module()
    model.__call__ = tf.function(lambda x: x * 2.0, input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    tf.saved_model.save(model, str(tmp_path / "model"))
    with pytest.raises(EncoderError, match="does not map strings to one float vector each"):
        find_encoder(str(tmp_path / "model"))


def test_a_model_without_function_or_signature_is_refused(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "model"))
    with pytest.raises(EncoderError, match="does not map strings to one float vector each"):
        find_encoder(str(tmp_path / "model"))


def test_a_folder_without_a_savedmodel_is_refused(tmp_path: Path) -> None:
    message = f"no SavedModel in {tmp_path}: saved_model.pb is missing; name its directory or a handle"
    for call in (lambda: locate(str(tmp_path)), lambda: read_savedmodel(str(tmp_path), "keep")):
        with pytest.raises(EncoderError) as caught:
            call()
        assert str(caught.value) == message


def test_an_address_that_does_not_answer_is_refused_in_one_line() -> None:
    handle = "https://handle.invalid/x/1"  # RFC 2606: never resolves
    with pytest.raises(EncoderError) as caught:
        find_encoder(handle)
    message = str(caught.value)
    assert message.startswith(f"{handle} cannot be fetched (")
    assert message.endswith("); check the address and the connection, or name a directory")
    assert "\n" not in message


def test_an_address_is_fetched_by_tensorflow_hub(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_hub
    asked = []
    monkeypatch.setattr(tensorflow_hub, "resolve", lambda handle: asked.append(handle) or str(plain))
    handle = "https://tfhub.dev/someone/something/1"
    encoder = find_encoder(handle, "keep")
    assert asked == [handle]
    assert encoder.name == handle
    assert encoder.fingerprint == find_encoder(str(plain), "keep").fingerprint
