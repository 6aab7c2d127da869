"""A TF-Hub handle or SavedModel as encoder: read into the native model where it is USE multilingual, else wrapped.

USE multilingual is told by its variables' names and shapes (`architecture`), so any export of it is read, whatever
its signatures. Anything else that maps strings to one vector each works as it is, slower and with TensorFlow.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.packaged import resource_directory
from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.text import Case, prepare
from jobsearch.encoder.tf import tensorflow
from jobsearch.encoder.weights import WeightSet, write_config
from jobsearch.errors import EncoderError
from jobsearch.files import storage_errors

ARCHITECTURE = "savedmodel"
_FOLDER = "saved_model"
_BATCH = 256
# A variable's name in a SavedModel: maybe a scope, the name proper, maybe a partition, maybe an output number.
_DENSE_NAME = re.compile(r"(?:^|/)(EncoderDNN/.+?)(?:/part_(\d+))?(?::\d+)?$")
_SHARD_NAME = re.compile(r"(?:^|/)Embeddings[^/]*/sharded_(\d+)(?::\d+)?$")


def read_savedmodel(handle: str, case: Case) -> WeightSet | SavedModelEncoder:
    """Load a TF-Hub handle or SavedModel directory.

    Args:
        handle: a directory with `saved_model.pb`, or an address that `tensorflow_hub` resolves.
        case: the case setting of the result.

    Returns:
        A weight set of the native network if the variables are USE multilingual's, else an encoder that wraps it.

    Raises:
        EncoderError: it cannot be found, loaded, or does not map strings to vectors.
    """
    directory = locate(handle)
    loaded = _load(directory)
    tensors = native_tensors(_variables(loaded))
    if tensors is None:
        return SavedModelEncoder(directory, case, name=handle, loaded=loaded)
    # The tokenizer sits inside the graph; USE multilingual has one vocabulary, and it is the packaged one.
    tokenizer_model = (resource_directory() / "sp.model").read_bytes()
    return WeightSet(tensors, tokenizer_model, case, name=handle, lineage={"source": handle})


def locate(handle: str) -> Path:
    """Return the directory of a SavedModel, fetching and caching it if the handle is an address.

    Raises:
        EncoderError: there is no SavedModel there.
    """
    directory = Path(handle)
    if "://" in handle:
        tensorflow()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tensorflow_hub 0.16 imports the deprecated pkg_resources
                import tensorflow_hub
            directory = Path(tensorflow_hub.resolve(handle))
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EncoderError(
                f"{handle} cannot be fetched ({reason}); check the address and the connection, or name a directory"
            ) from error
    if not (directory / "saved_model.pb").is_file():
        raise EncoderError(f"no SavedModel in {directory}: saved_model.pb is missing; name its directory or a handle")
    return directory


def native_tensors(variables: Iterable[tuple[str, Any]]) -> dict[str, npt.NDArray[Any]] | None:
    """Return USE multilingual's tensors from (name, variable) pairs, or None if these are not all there.

    The embedding table stays float32, so that the result equals the SavedModel to rounding.
    """
    parts: dict[str, dict[int, npt.NDArray[Any]]] = {}
    for name, variable in variables:
        shard, dense = _SHARD_NAME.search(name), _DENSE_NAME.search(name)
        if shard:
            parts.setdefault(arch.TABLE, {})[int(shard[1])] = np.asarray(variable, np.float32)
        elif dense:
            parts.setdefault(dense[1], {})[int(dense[2] or 0)] = np.asarray(variable, np.float32)
    shards = parts.pop(arch.TABLE, {})
    shard_shape = (arch.VOCABULARY // arch.SHARDS, arch.TOKEN_WIDTH)
    if sorted(shards) != list(range(arch.SHARDS)) or any(part.shape != shard_shape for part in shards.values()):
        return None
    tensors = {arch.TABLE: np.stack([shards[i] for i in range(arch.SHARDS)], axis=1).reshape(-1, arch.TOKEN_WIDTH)}
    for name, shape in arch.dense_shapes().items():
        if name not in parts:
            return None
        whole = np.concatenate([parts[name][i] for i in sorted(parts[name])], axis=0)
        if whole.size != np.prod(shape):
            return None
        tensors[name] = whole.reshape(shape)
    return tensors


class SavedModelEncoder:
    """Any SavedModel that maps a batch of strings to one vector each; needs TensorFlow.

    Args:
        directory: the SavedModel's directory.
        case: the case setting.
        name: for people.
        loaded: the loaded object, if it was loaded already.
    """

    def __init__(self, directory: Path, case: Case, name: str, loaded: Any = None) -> None:
        self._directory = directory
        self._case: Case = case
        self._name = name
        self._loaded = loaded if loaded is not None else _load(directory)
        self._dim = int(self.embed([""]).shape[1])

    @property
    def name(self) -> str:
        """Handle or directory that it came from."""
        return self._name

    @property
    def dim(self) -> int:
        """Width of an embedding, as the first call showed it."""
        return self._dim

    @property
    def case(self) -> Case:
        """The case setting."""
        return self._case

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over all files of the SavedModel and the case setting."""
        return _digest(self._directory, self._case)

    def with_case(self, case: Case) -> SavedModelEncoder:
        """Return the same model with another case setting, and so another fingerprint."""
        if case == self._case:
            return self
        return SavedModelEncoder(self._directory, case, self._name, loaded=self._loaded)

    @property
    def trainable_variables(self) -> list[Any]:
        """The SavedModel's own variables that a gradient may change."""
        return [variable for _, variable in _variables(self._loaded) if variable.trainable]

    def embed(self, texts: Sequence[str]) -> Any:
        """Return a float32 tensor (len(texts), dim) of unit rows that gradients flow through."""
        batch = tensorflow().constant([text.encode() for text in prepare(texts, self._case)])
        return self.embed_tensor(batch)

    def embed_tensor(self, batch: Any) -> Any:
        """Like `embed`, for a tensor of strings to which the case setting was applied already."""
        return tensorflow().math.l2_normalize(self._forward(batch), axis=-1)

    def snapshot(self, directory: Path, name: str) -> SavedModelEncoder:
        """Write the SavedModel with its present variables into a new directory, and open that."""
        with storage_errors(directory):
            tensorflow().saved_model.save(self._loaded, str(directory), signatures=dict(self._loaded.signatures))
        return SavedModelEncoder(directory, self._case, name)

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts (see `protocol.Encoder.encode`)."""
        if not len(texts):
            return np.empty((0, self._dim), np.float32)
        rows = [self.embed(texts[start : start + _BATCH]).numpy() for start in range(0, len(texts), _BATCH)]
        return np.concatenate(rows)

    def save(self, directory: Path) -> None:
        """Copy the SavedModel and describe it in a config beside it."""
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copytree(self._directory, directory / _FOLDER)
            write_config(
                directory,
                ARCHITECTURE,
                name=self._name,
                dim=self._dim,
                case=self._case,
                fingerprint=self.fingerprint,
                lineage={"source": self._name},
            )

    @staticmethod
    def open(directory: Path, config: dict[str, Any]) -> SavedModelEncoder:
        """Open what `save` wrote.

        Raises:
            EncoderError: it was altered or cannot be loaded.
        """
        encoder = SavedModelEncoder(directory / _FOLDER, config["case"], config["name"])
        if encoder.fingerprint != config["fingerprint"]:
            raise _altered(directory)
        return encoder

    def _forward(self, batch: Any) -> Any:
        tf = tensorflow()
        try:
            if callable(self._loaded):
                out = self._loaded(batch)
            else:
                signature = self._loaded.signatures["serving_default"]
                (argument,) = signature.structured_input_signature[1]
                out = signature(**{argument: batch})
            if isinstance(out, dict):
                out = out["outputs"] if "outputs" in out else next(iter(out.values()))
            if out.dtype != tf.float32 or out.shape.rank != 2 or out.shape[0] not in (None, batch.shape[0]):
                raise TypeError(f"it answers {out.dtype.name} of shape {out.shape}")
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise EncoderError(
                f"{self._name} does not map strings to one float vector each ({reason}); name a text encoder"
            ) from error
        return out


def check_files(directory: Path, config: dict[str, Any]) -> None:
    """Compare what `save` wrote with its digest, without TensorFlow.

    Raises:
        EncoderError: it is missing or was altered.
    """
    try:
        same = _digest(directory / _FOLDER, config["case"]) == config["fingerprint"]
    except (OSError, KeyError) as error:
        raise EncoderError(f"the encoder {directory} cannot be read ({error}); make it again") from error
    if not same:
        raise _altered(directory)


def _altered(directory: Path) -> EncoderError:
    return EncoderError(f"the encoder {directory} was altered: it does not match its digest; make it again")


def _digest(directory: Path, case: str) -> str:
    digest = hashlib.sha256(f"{ARCHITECTURE} {case}\n".encode())
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(directory).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _load(directory: Path) -> Any:
    tf = tensorflow()
    with contextlib.suppress(
        ImportError
    ):  # no build for this platform: graphs without its operations load all the same
        import tensorflow_text  # noqa: F401  (registers the operations that a USE graph holds)
    try:
        return tf.saved_model.load(str(directory))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise EncoderError(f"the SavedModel {directory} cannot be loaded ({reason})") from error


def _variables(loaded: Any) -> list[tuple[str, Any]]:
    listed = getattr(loaded, "variables", None)
    if listed is None:  # what was a plain tf.Module has its variables still, but no list of them
        tf = tensorflow()
        listed = [part for part in tf.train.TrackableView(loaded).descendants() if isinstance(part, tf.Variable)]
    return [(variable.name, variable) for variable in listed]
