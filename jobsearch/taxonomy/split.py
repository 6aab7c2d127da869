"""Which concepts are for training and which are held out: split by concept, and by label string.

Some labels belong to several concepts ("osteopath" is one of physiotherapist's). If one of these were trained on and
the other held out, the held-out queries would have been seen. So concepts that share a label string, case folded and
directly or through others, stand on one side together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from jobsearch.taxonomy.model import Taxonomy

# A group of concepts larger than this share of all stays in training, so that one draw cannot upset the split.
_LARGE_GROUP = 0.02


@dataclass(frozen=True)
class Split:
    """URIs of the concepts on each side; no concept and no label string is on both."""

    training: frozenset[str]
    validation: frozenset[str]


def split_concepts(taxonomy: Taxonomy, *, validation: float = 0.1, seed: int = 0) -> Split:
    """Hold out a share of the concepts.

    A concept's side depends on the seed and on its group's URIs alone, so adding concepts moves few others.

    Args:
        taxonomy: the concepts, in one language or several; a concept is on one side in all its languages.
        validation: share to hold out, 0 to 0.5; met on average.
        seed: another seed gives another split.

    Raises:
        ValueError: the share is outside 0 to 0.5.
    """
    if not 0 <= validation <= 0.5:
        raise ValueError(f"validation share is {validation}, expected 0 to 0.5")
    held_out: set[str] = set()
    for group in label_groups(taxonomy):
        small = len(group) <= max(1, _LARGE_GROUP * len(taxonomy))
        if small and _draw(seed, min(group)) < validation:
            held_out.update(group)
    everything = frozenset(taxonomy.by_uri)
    return Split(everything - held_out, frozenset(held_out))


def label_groups(taxonomy: Taxonomy) -> list[list[str]]:
    """Return the URIs of all concepts in groups that share no label string with each other, case folded."""
    parent = {uri: uri for uri in taxonomy.by_uri}

    def root(uri: str) -> str:
        while parent[uri] != uri:
            parent[uri] = parent[parent[uri]]
            uri = parent[uri]
        return uri

    owner: dict[str, str] = {}
    for concept in taxonomy.concepts:
        for text in folded(concept.labels):
            parent[root(concept.uri)] = root(owner.setdefault(text, concept.uri))
    groups: dict[str, list[str]] = {}
    for uri in parent:
        groups.setdefault(root(uri), []).append(uri)
    return sorted(groups.values(), key=min)


def folded(labels: Iterable[str]) -> set[str]:
    """Return label strings as they are compared between concepts: case folded."""
    return {label.casefold() for label in labels}


def _draw(seed: int, text: str) -> float:
    """Return a number in 0 to 1 that depends on seed and text alone."""
    digest = hashlib.sha256(f"{seed}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
