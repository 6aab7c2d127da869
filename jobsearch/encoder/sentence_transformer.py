"""A sentence-transformers model as encoder: a rival to measure against, or a teacher to learn from.

It needs the package, and PyTorch with it, which come with the extra `teach`; nothing else of jobsearch does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jobsearch.encoder.protocol import Embeddings
from jobsearch.encoder.text import Case, prepare
from jobsearch.encoder.weights import write_config
from jobsearch.errors import EncoderError
from jobsearch.files import storage_errors

ARCHITECTURE = "sentence-transformers"
# What a model is named by that is no directory, and the file that tells a directory of one.
PREFIX, MODULES = "st:", "modules.json"
_FOLDER = "model"
_BATCH = 64
_INSTALL = "run `pip install 'jobsearch[teach]'`"


class SentenceTransformerEncoder:
    """A sentence-transformers model.

    Args:
        model: a loaded `SentenceTransformer`.
        directory: its files, or None where the package keeps them.
        case: the case setting.
        name: for people.
    """

    def __init__(self, model: Any, directory: Path | None, case: Case, name: str) -> None:
        self._model = model
        self._directory = directory
        self._case: Case = case
        self._name = name

    @staticmethod
    def load(source: str, case: Case) -> SentenceTransformerEncoder:
        """Load a model.

        Args:
            source: its directory, or `st:` and a name that the package resolves.
            case: the case setting.

        Raises:
            EncoderError: the package is not installed, or the model cannot be found or loaded.
        """
        name = source.removeprefix(PREFIX)
        directory = Path(name) if Path(name).is_dir() else None
        # Records keep the name: where on this machine a directory lies is nobody's business, and soon not true.
        shown = source if directory is None else "/".join(directory.resolve().parts[-2:])
        return SentenceTransformerEncoder(_load(name), directory, case, shown)

    @staticmethod
    def open(directory: Path, config: dict[str, Any]) -> SentenceTransformerEncoder:
        """Open what `save` wrote.

        Raises:
            EncoderError: it was altered, or cannot be loaded.
        """
        folder = directory / _FOLDER
        encoder = SentenceTransformerEncoder(_load(str(folder)), folder, config["case"], config["name"])
        if encoder.fingerprint != config["fingerprint"]:
            raise EncoderError(f"the encoder {directory} was altered: it does not match its digest; make it again")
        return encoder

    @property
    def name(self) -> str:
        """What it was named by."""
        return self._name

    @cached_property
    def dim(self) -> int:
        """Width of an embedding, as a first text shows it: the method that tells it has had two names."""
        return int(self.encode([""]).shape[1])

    @property
    def case(self) -> Case:
        """The case setting."""
        return self._case

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the model's tensors, its tokenizer's vocabulary and the case setting."""
        digest = hashlib.sha256(f"{ARCHITECTURE} {self._case} {self._model.max_seq_length}\n".encode())
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).data)
        vocabulary = sorted(self._model.tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))
        digest.update(json.dumps(vocabulary).encode())
        return digest.hexdigest()

    def with_case(self, case: Case) -> SentenceTransformerEncoder:
        """Return the same model with another case setting, and so another fingerprint."""
        return SentenceTransformerEncoder(self._model, self._directory, case, self._name)

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts (see `protocol.Encoder.encode`)."""
        if not len(texts):
            return np.empty((0, self.dim), np.float32)
        rows = self._model.encode(
            prepare(texts, self._case),
            batch_size=_BATCH,
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(rows, np.float32)

    def save(self, directory: Path) -> None:
        """Write the model's files, and a config beside them."""
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            if self._directory is None:
                self._model.save(str(directory / _FOLDER))
            else:
                shutil.copytree(self._directory, directory / _FOLDER)
            write_config(
                directory,
                ARCHITECTURE,
                name=self._name,
                dim=self.dim,
                case=self._case,
                fingerprint=self.fingerprint,
                lineage={"source": self._name},
            )


def _load(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as bars
    except ImportError as error:
        raise EncoderError(f"{name} is a sentence-transformers model and the package is missing; {_INSTALL}") from error
    for logger in ("sentence_transformers", "transformers"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    bars.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    try:
        return SentenceTransformer(name, device="cpu")
    except Exception as error:  # whatever it may be: no connection, no such model, damaged files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"the sentence-transformers model {name} cannot be loaded ({reason}); name a directory that holds one, "
            "or check the name and the connection"
        ) from error
