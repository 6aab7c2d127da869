"""What a text consists of, for comparing letters: trigrams of each word, each word's beginning, and the words."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_BEGINNING = 5


def normal(text: str) -> str:
    """Return the text case-folded and without accents."""
    text = text.casefold()
    if text.isascii():
        return text
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return plain.casefold()  # once more: what signs are made of may have capitals


def words(text: str) -> list[str]:
    """Return the words of a text, normal, in their order."""
    return _WORD.findall(normal(text))


def features(word: str) -> list[str]:
    """Return a normal word's trigrams, its edges as blanks, and "#" with its first five letters.

    Trigrams survive slips, endings and compounds; beginnings keep whole words ahead. No stemmer, so no language.
    """
    edged = f" {word} "
    return [edged[start : start + 3] for start in range(len(edged) - 2)] + [f"#{word[:_BEGINNING]}"]
