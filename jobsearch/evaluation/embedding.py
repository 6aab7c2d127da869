"""The way of many texts through an encoder: each once, in chunks that report progress, and checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.text import apply_case
from jobsearch.errors import EvaluationError
from jobsearch.progress import Progress, silent

_CHUNK = 4096


def embed_distinct(
    encoder: Encoder, texts: Sequence[str], step: str = "encoding", progress: Progress = silent
) -> tuple[Embeddings, npt.NDArray[np.intp]]:
    """Embed texts, those that are equal after the encoder's case setting once.

    Args:
        encoder: any encoder.
        texts: not empty.
        step: what to call this in progress reports.
        progress: called with (step, distinct texts done, distinct texts).

    Returns:
        The distinct texts' embeddings, and for each of `texts` the row of its embedding.

    Raises:
        EvaluationError: an embedding is not finite, which would make every comparison with it meaningless.
    """
    cased = [apply_case(text, encoder.case) for text in texts]
    distinct = sorted(set(cased))  # sorted: neighbours share tokens, which the lean runtime makes use of
    vectors = np.empty((len(distinct), encoder.dim), np.float32)
    for start in range(0, len(distinct), _CHUNK):
        progress(step, start, len(distinct))
        vectors[start : start + _CHUNK] = encoder.encode(distinct[start : start + _CHUNK])
    progress(step, len(distinct), len(distinct))
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise EvaluationError(
            f"encoder {encoder.name!r} gives NaN or infinity for {int((~finite).sum())} of {len(distinct)} texts, "
            f"the first {distinct[int(np.argmin(finite))]!r}; its weights are broken, tune again at a lower rate"
        )
    row = {text: position for position, text in enumerate(distinct)}
    return vectors, np.array([row[text] for text in cased], np.intp)


def embed(encoder: Encoder, texts: Sequence[str], step: str = "encoding", progress: Progress = silent) -> Embeddings:
    """Embed texts as `embed_distinct` does and return one row a text, in their order."""
    vectors, rows = embed_distinct(encoder, texts, step, progress)
    return vectors[rows]
