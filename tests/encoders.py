"""Encoders for tests: a small one that needs no weights, and the real one with a cheap `save`."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.text import Case


class HashEncoder:
    """Counts hashed character n-grams: texts that share letters are near each other, and nothing is learned.

    Args:
        dim: width of an embedding.
        salt: another salt is another encoder of the same width.
    """

    name = "hash"
    case: Case = "lower"

    def __init__(self, dim: int = 512, salt: str = "") -> None:
        self.dim = dim
        self._salt = salt

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"hash {self.dim} {self._salt}".encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> Embeddings:
        return np.array([self._embed(text) for text in texts], np.float32).reshape(len(texts), self.dim)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        config = {"architecture": self.name, "dim": self.dim, "salt": self._salt}
        (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")

    @staticmethod
    def open(directory: Path) -> HashEncoder:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        return HashEncoder(config["dim"], config["salt"])

    def _embed(self, text: str) -> np.ndarray:
        vector = np.zeros(self.dim)
        vector[0] = 0.1  # so that no text is all zeros
        padded = f" {text.lower()} "
        for length in (1, 2, 3):
            for start in range(len(padded) - length + 1):
                code = zlib.crc32(f"{self._salt}{padded[start : start + length]}".encode("utf-8", "replace"))
                vector[code % self.dim] += length
        return vector / np.linalg.norm(vector)


class Wrapped:
    """An encoder that behaves like `inner` but for what is given.

    Args:
        inner: the encoder to stand in for.
        encode: instead of the inner one's.
        save: instead of the inner one's.
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        encode: Callable[[Sequence[str]], Embeddings] | None = None,
        save: Callable[[Path], None] | None = None,
    ) -> None:
        self.name = inner.name
        self.dim = inner.dim
        self.fingerprint = inner.fingerprint
        self.case = inner.case
        self._encode = encode or inner.encode
        self._save = save or inner.save

    def encode(self, texts: Sequence[str]) -> Embeddings:
        return self._encode(texts)

    def save(self, directory: Path) -> None:
        self._save(directory)


def linked(encoder: Encoder, folder: Path) -> Wrapped:
    """Return `encoder` with a `save` that links the files of one real save, so that 80 MB are written only once."""
    encoder.save(folder)

    def save(directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            os.link(path, directory / path.name)

    return Wrapped(encoder, save=save)
