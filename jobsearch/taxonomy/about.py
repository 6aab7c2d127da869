"""What a concept is about: the first sentence of its description, which says it in other words than its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import Taxonomy

# A sentence ends before white space, unless an example or an explanation follows, or with a sign of languages that
# write none.
_END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.) |(?<=[。！？])")
# Letters of the longest one that is taken whole; what goes on says nothing new, and takes time.
_LONGEST = 400


def first_sentence(description: str) -> str:
    """Return the first sentence of a text, clean, cut to 400 letters; "" of a text that has none.

    >>> first_sentence("Bakers make bread. They also make pastry.")
    'Bakers make bread.'
    """
    # Cleaned before it is split, so that a sentence is its own first sentence.
    parts = (part for line in description.split("\n") for part in _END.split(clean_label(line)))
    return next((part[:_LONGEST].rstrip() for part in parts if part), "")


def sentences_about(taxonomy: Taxonomy) -> Mapping[str, str]:
    """Return the first sentence about each concept that has a description, by URI, in the order of `by_uri`.

    One a concept, in English where there is one, else in its first language: of candidates that are compared with a
    query, all should speak the same language.
    """
    found: dict[str, str] = {}
    for uri, records in taxonomy.by_uri.items():
        ordered = sorted(records, key=lambda record: record.language != "en")
        told = (first_sentence(record.description or "") for record in ordered)
        sentence = next((one for one in told if one), "")
        if sentence:
            found[uri] = sentence
    return found
