"""Labels are cleaned once, on the way in, so that nothing later has to think about white space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# Characters that are seen in published ESCO files and that no reader can see: zero-width space and joiners'
# relatives, byte-order mark, soft hyphen, word joiner. Zero-width joiner and non-joiner (200C, 200D) are kept:
# they carry meaning in Persian, Indic scripts and emoji.
_INVISIBLE = dict.fromkeys([0x200B, 0x2060, 0xFEFF, 0x00AD, 0x200E, 0x200F], None)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_SPACE = re.compile(r"\s+")


def clean_label(text: str) -> str:
    """Return `text` in Unicode NFC, inner white space folded to single spaces, ends stripped.

    NBSP and other Unicode spaces count as white space; invisible and control characters go. An empty string
    comes back when nothing is left.
    """
    text = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    return _SPACE.sub(" ", _CONTROL.sub(" ", text)).strip()


@dataclass(frozen=True, slots=True)
class CleanedLabels:
    """A concept's labels after cleaning, and what cleaning dropped."""

    preferred: str
    alternatives: tuple[str, ...]
    empty: int
    repeated: int


def clean_labels(preferred: str, alternatives: Iterable[str]) -> CleanedLabels:
    """Clean a concept's labels; drop empty ones and repeats (of each other or of the preferred one), and count both.

    Repeats are told by exact text after cleaning: "C" and "c" are two labels, since case carries meaning in
    some languages and names. Order is kept. An empty preferred label is returned as "" for the caller to judge.
    """
    chosen = clean_label(preferred)
    seen = {chosen} if chosen else set()
    kept: list[str] = []
    empty = repeated = 0
    for raw in alternatives:
        label = clean_label(raw)
        if not label:
            empty += 1
        elif label in seen:
            repeated += 1
        else:
            seen.add(label)
            kept.append(label)
    return CleanedLabels(chosen, tuple(kept), empty, repeated)
