"""A weight set: the directory that describes an encoder completely.

    config.json          format version, architecture, name, case, digests, lineage
    weights.safetensors  the tensors, under the names of `architecture`
    sp.model             the SentencePiece model

Keras model and lean runtime read the same directory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder import architecture as arch
from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.encoder.text import CASES, Case
from jobsearch.errors import EncoderError
from jobsearch.files import storage_errors

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER = "config.json", "weights.safetensors", "sp.model"
Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class WeightSet:
    """Everything that decides an embedding, in memory or mapped from a directory.

    Args:
        tensors: the embedding table (uint8 with scale and offset, or float16/float32) and the dense float32 tensors,
            under the names of `architecture`.
        tokenizer_model: content of the SentencePiece model file.
        case: what is done to upper and lower case before encoding (see `text.apply_case`).
        name: for people; does not identify the weights.
        lineage: how the weights came to be; free of meaning for encoding.
    """

    tensors: Tensors
    tokenizer_model: bytes
    case: Case
    name: str = arch.NAME
    lineage: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.case not in CASES:
            raise EncoderError(f"case is {self.case!r}, expected one of {', '.join(CASES)}")
        check_tensors(self.tensors)

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 (hex) over names, types, shapes and values of all tensors, whatever the file format."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            tensor = self.tensors[name]
            digest.update(f"{name} {tensor.dtype.str} {tensor.shape}\n".encode())
            digest.update(np.ascontiguousarray(tensor).view(np.uint8).data)
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over weights, tokenizer and settings: equal fingerprints give equal embeddings."""
        return _fingerprint(self.weights_digest, _sha256(self.tokenizer_model), self.case)

    def with_case(self, case: Case) -> WeightSet:
        """Return the same weights with another case setting, and so another fingerprint."""
        return self if case == self.case else replace(self, case=case)

    def save(self, directory: Path) -> None:
        """Write the weight set into `directory`, which the caller publishes (see `files.new_directory`).

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            write_tensors(directory / WEIGHTS, self.tensors)
            (directory / TOKENIZER).write_bytes(self.tokenizer_model)
            write_config(
                directory,
                arch.NAME,
                name=self.name,
                dim=arch.DIM,
                case=self.case,
                weights_sha256=self.weights_digest,
                tokenizer_sha256=_sha256(self.tokenizer_model),
                fingerprint=self.fingerprint,
                lineage=dict(self.lineage),
            )


class WeightSetEncoder:
    """What every encoder of a weight set says of itself.

    Args:
        weights: the weight set.
    """

    def __init__(self, weights: WeightSet) -> None:
        self._weights = weights

    @property
    def name(self) -> str:
        """Name of the weight set."""
        return self._weights.name

    @property
    def dim(self) -> int:
        """512."""
        return arch.DIM

    @property
    def case(self) -> Case:
        """The weight set's case setting."""
        return self._weights.case

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the weight set."""
        return self._weights.fingerprint

    def save(self, directory: Path) -> None:
        """Write the weight set (see `WeightSet.save`)."""
        self._weights.save(directory)


def load_weights(directory: Path, *, verify: bool = True) -> WeightSet:
    """Open a weight set; its tensors are views of the mapped file.

    Args:
        directory: what `WeightSet.save` wrote.
        verify: compare weights and tokenizer with the digests in the config (about 0.1 s). Leave it on unless the
            files were just checked by other means.

    Raises:
        EncoderError: something is missing, altered, of another format version or of the wrong shape.
    """
    config = read_config(directory)
    if config.get("architecture") != arch.NAME:
        raise EncoderError(f"{directory} holds a {config.get('architecture')!r} encoder, expected {arch.NAME!r}")
    try:
        weights = WeightSet(
            tensors=read_tensors(directory / WEIGHTS),
            tokenizer_model=(directory / TOKENIZER).read_bytes(),
            case=config["case"],
            name=config["name"],
            lineage=config["lineage"],
        )
        seen = (weights.weights_digest, _sha256(weights.tokenizer_model)) if verify else None
        expected = (config["weights_sha256"], config["tokenizer_sha256"])
        stated = config["fingerprint"]
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise EncoderError(f"the weight set {directory} is incomplete: {name} is missing; make it again") from None
    except (OSError, ValueError, KeyError) as error:
        raise EncoderError(f"the weight set {directory} cannot be read ({error}); make it again") from error
    if (seen or expected) != expected or stated != _fingerprint(*expected, weights.case):
        raise EncoderError(f"the weight set {directory} was altered: it does not match its digests; make it again")
    # The digests were just checked (or are vouched for by the caller): do not compute them a second time.
    weights.__dict__.update(weights_digest=expected[0], fingerprint=stated)
    return weights


def write_config(directory: Path, architecture: str, **described: Any) -> None:
    """Write `config.json` of any encoder directory.

    Args:
        directory: the encoder's folder.
        architecture: what reads it.
        **described: name, dim, case, fingerprint, lineage, and what else the architecture keeps there.

    Raises:
        OSError: it cannot be written.
    """
    config = {"format_version": FORMAT_VERSION, "architecture": architecture, **described}
    (directory / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_config(directory: Path) -> dict[str, Any]:
    """Read `config.json` of any encoder directory.

    Raises:
        EncoderError: it is missing, not JSON, or of another format version.
    """
    path = directory / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EncoderError(f"no encoder in {directory}: {CONFIG} is missing; name a weight set, or `use`") from None
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} cannot be read ({error}); make the weight set again") from error
    if not isinstance(config, dict) or config.get("format_version") != FORMAT_VERSION:
        seen = config.get("format_version") if isinstance(config, dict) else type(config).__name__
        raise EncoderError(f"{path} has format version {seen}, this release reads {FORMAT_VERSION}; make it again")
    return config


def check_tensors(tensors: Tensors) -> None:
    """Refuse tensors that are not USE multilingual's, saying which and how.

    Raises:
        EncoderError: a tensor is missing or has the wrong shape or type.
    """
    for name, shape in arch.dense_shapes().items():
        tensor = tensors.get(name)
        if tensor is None:
            raise EncoderError(f"the weight set lacks the tensor {name}; make it again")
        if tensor.shape != shape or tensor.dtype != np.float32:
            seen = f"{tensor.dtype} {tensor.shape}"
            raise EncoderError(f"tensor {name} is {seen}, expected float32 {shape}; make the weight set again")
    table = tensors.get(arch.TABLE)
    if table is None:
        raise EncoderError(f"the weight set lacks the tensor {arch.TABLE}; make it again")
    if table.shape != (arch.VOCABULARY, arch.TOKEN_WIDTH):
        expected = (arch.VOCABULARY, arch.TOKEN_WIDTH)
        raise EncoderError(f"the embedding table is {table.shape}, expected {expected}; make the weight set again")
    if table.dtype == np.uint8:
        for name in (arch.TABLE_SCALE, arch.TABLE_OFFSET):
            part = tensors.get(name)
            if part is None or part.shape != (arch.SHARDS,):
                raise EncoderError(
                    f"a uint8 embedding table needs {name} of shape ({arch.SHARDS},); make the weight set again"
                )
    elif table.dtype not in (np.float16, np.float32):
        raise EncoderError(
            f"the embedding table is {table.dtype}, expected uint8, float16 or float32; make the weight set again"
        )


def table_rows(tensors: Tensors, ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
    """Return the embedding table's rows for token ids, as float32 of shape (len(ids), 512)."""
    table = tensors[arch.TABLE]
    if table.dtype != np.uint8:
        return np.asarray(table[ids], np.float32)
    shard = ids % arch.SHARDS
    rows: npt.NDArray[np.float32] = np.multiply(table[ids], tensors[arch.TABLE_SCALE][shard, None], dtype=np.float32)
    rows += tensors[arch.TABLE_OFFSET][shard, None]
    return rows


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fingerprint(weights_digest: str, tokenizer_digest: str, case: str) -> str:
    settings = {
        "architecture": arch.NAME,
        "case": case,
        "weights": weights_digest,
        "tokenizer": tokenizer_digest,
    }
    return _sha256(json.dumps(settings, sort_keys=True).encode())
