"""From text to token ids: case, tokenizer, begin and end marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from jobsearch.encoder.architecture import BEGIN_ID, END_ID
from jobsearch.errors import EncoderError

Case = Literal["keep", "lower", "lower-caps"]
CASES: tuple[Case, ...] = ("keep", "lower", "lower-caps")


def apply_case(text: str, case: Case) -> str:
    """Lower-case all of `text` (`lower`), only if it is written all in capitals (`lower-caps`), or never (`keep`)."""
    if case == "lower" or (case == "lower-caps" and text.isupper()):
        return text.lower()
    return text


def default_case(languages: Iterable[str]) -> Case:
    """Return the case setting for labels in these languages.

    USE is cased, and vacancy titles are written in all manners. Lower-casing is worth a lot in English; in German,
    where every noun has a capital, it costs, so there only texts all in capitals are lowered. The figures are in
    `tests/benchmarks/README.md`.
    """
    return "lower-caps" if "de" in languages else "lower"


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
        cased = apply_case(text, case)
        prepared.append(cased if cased.isascii() else cased.encode("utf-8", "replace").decode("utf-8"))
    return prepared


# Texts that are tokenized sooner one by one than by threads.
_FEW = 64


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
        encode = self._processor.encode
        # Of a list it starts threads, at each call: for a query that takes a hundred times as long as the work.
        found = map(encode, texts) if len(texts) <= _FEW else encode(list(texts))
        return [[BEGIN_ID, *ids, END_ID] for ids in found]
