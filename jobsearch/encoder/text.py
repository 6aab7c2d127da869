"""From text to token ids: case, tokenizer, begin and end marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jobsearch.encoder.architecture import BEGIN_ID, END_ID
from jobsearch.errors import EncoderError

Case = Literal["keep", "lower"]
CASES: tuple[Case, ...] = ("keep", "lower")


def prepare(texts: Sequence[str], case: Case) -> list[str]:
    """Apply the case setting and replace what UTF-8 cannot carry (lone surrogates become "?").

    Raises:
        EncoderError: `texts` is one string, or holds something that is not a string.
    """
    if isinstance(texts, str):
        raise EncoderError("encode takes a list of texts and got one string; write encode([text])")
    prepared = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncoderError(f"text {position} is {type(text).__name__} ({text!r}), expected a string")
        cased = text.lower() if case == "lower" else text
        prepared.append(cased if cased.isascii() else cased.encode("utf-8", "replace").decode("utf-8"))
    return prepared


class Tokenizer:
    """USE's SentencePiece unigram model, read by the `sentencepiece` library (no TensorFlow).

    Args:
        model: content of the `.model` file.
    """

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise EncoderError(f"the tokenizer model cannot be read ({error}); make the weight set again") from error

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, between the begin mark (1) and the end mark (2)."""
        return [[BEGIN_ID, *ids, END_ID] for ids in self._processor.encode(list(texts))]
