"""What the rest of jobsearch needs to know of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.text import Case

Embeddings = npt.NDArray[np.float32]


@runtime_checkable
class Encoder(Protocol):
    """Text to unit vectors, always the same vector for the same text."""

    @property
    def name(self) -> str:
        """Name for people, such as `use`; it does not identify the weights."""

    @property
    def dim(self) -> int:
        """Width of an embedding."""

    @property
    def fingerprint(self) -> str:
        """Hash (hex) over weights, tokenizer and settings: equal fingerprints give equal embeddings."""

    @property
    def case(self) -> Case:
        """What is done to upper and lower case before encoding (see `text.CASES`)."""

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts.

        Args:
            texts: any strings, the empty one included; not one bare string.

        Returns:
            float32 of shape (len(texts), dim), rows of unit length, in the order of `texts`. A row does not
            depend on what else is in the batch, up to float32 rounding (below 1e-6).
        """

    def save(self, directory: Path) -> None:
        """Write what is needed to encode with the same fingerprint elsewhere into an empty or new directory."""
