"""Letters that neither a page nor a picture may hold."""

from __future__ import annotations

import re

# Control characters, which HTML and SVG forbid, and half letters, which UTF-8 has no bytes for.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """Return a text with a sign in place of each letter that cannot be shown."""
    return _FORBIDDEN.sub("\ufffd", text)
