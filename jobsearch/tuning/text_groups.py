"""Which texts of a pairs file belong together, and which of them are held out.

As a rule a file's bases are what people type, each with the name it was given. Then bases are held out: what training
never saw must find names of which it saw others, as new titles will have to. Where each text is base and ref in turn,
as names of one thing are, whole groups are held out instead.

A file names no concepts, so its links, pairs that belong together, must tell: what they connect is one group, whose
texts are no negatives of each other. Two things would make that one group of everything:

- a generic text with very many partners ("manager"). It links nothing, is a group of its own and stays in training.
- chains through neighbouring occupations. A component of very many texts is cut into stars: the text with the most
  partners takes those that are still free, then the next one does. The centre of a star is as a rule a preferred
  label, so stars come near to concepts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_MOST_PARTNERS = 100
_MOST_TEXTS = 200


@dataclass(frozen=True)
class TextGroups:
    """Groups of texts, which are case folded here.

    Args:
        of: group of each text, named by a text of it; a text without links is its own group.
        generic: texts with too many partners to tell anything.
    """

    of: dict[str, str]
    generic: frozenset[str]


def group_texts(texts: Iterable[str], links: Iterable[tuple[str, str]]) -> TextGroups:
    """Group texts by links.

    Args:
        texts: all texts, case folded.
        links: pairs of them that belong together.
    """
    partners: dict[str, set[str]] = {text: set() for text in texts}
    for one, other in links:
        if one != other:
            partners[one].add(other)
            partners[other].add(one)
    generic = frozenset(text for text, others in partners.items() if len(others) > _MOST_PARTNERS)
    for text in generic:
        for other in partners[text]:
            partners[other].discard(text)
        partners[text] = set()
    groups = {}
    for component in _components(partners):
        for star in _stars(component, partners) if len(component) > _MOST_TEXTS else (component,):
            groups.update(dict.fromkeys(star, min(star)))
    return TextGroups(groups, generic)


def hold_out(rows: Sequence[tuple[str, str]], groups: TextGroups, share: float, seed: int) -> list[bool | None]:
    """Decide for each row whether it is held out; None where training would see what it asks with.

    Args:
        rows: base and ref of each pair, case folded.
        groups: of these texts.
        share: of the rows to hold out.
        seed: another seed holds out others.
    """
    bases = hold_out_bases(rows, share, seed)
    return [*bases] if sum(bases) >= share * len(rows) / 2 else hold_out_groups(rows, groups, share, seed)


def hold_out_bases(rows: Sequence[tuple[str, str]], share: float, seed: int) -> list[bool]:
    """Decide for each row whether it is held out, by its base: those that are no ref, in an order that is drawn.

    A base has all of its rows on one side; one with more than there is room for stays in training.

    Args:
        rows: base and ref of each pair, case folded.
        share: of the rows to hold out.
        seed: another seed holds out others.
    """
    refs = {ref for _, ref in rows}
    held_out = _drawn(Counter(base for base, _ in rows if base not in refs), share * len(rows), seed)
    return [base in held_out for base, _ in rows]


def hold_out_groups(rows: Sequence[tuple[str, str]], groups: TextGroups, share: float, seed: int) -> list[bool | None]:
    """Decide for each row whether it is held out; None where its texts would stand on both sides.

    Whole groups are held out, in an order that is drawn, while they fit into the share: so a group that is too large
    for it stays in training, and what is held out may be less than asked for. A text that no link groups goes with
    the text that it is first compared with.

    Args:
        rows: the two texts of each pair, case folded.
        groups: of these texts.
        share: of the rows to hold out.
        seed: another seed holds out other groups.
    """
    linked = set(groups.generic)
    members: dict[str, int] = {}
    for group in groups.of.values():
        members[group] = members.get(group, 0) + 1
    linked.update(text for text, group in groups.of.items() if members[group] > 1)
    unit = {text: groups.of[text] for text in linked}
    for one, other in rows:
        if one not in unit:
            unit[one] = unit.get(other, one)
        unit.setdefault(other, unit[one])
    sizes: dict[str, int] = {}
    for one, other in rows:
        if unit[one] == unit[other]:
            sizes[unit[one]] = sizes.get(unit[one], 0) + 1
    kept = {groups.of[text] for text in groups.generic}
    drawn = {name: size for name, size in sizes.items() if name not in kept}
    held_out = _drawn(drawn, share * len(rows), seed)
    sides = [(unit[one] in held_out, unit[other] in held_out) for one, other in rows]
    return [one if one == other else None for one, other in sides]


def _drawn(sizes: Mapping[str, int], room: float, seed: int) -> set[str]:
    """Draw names while their sizes fit into the room."""
    drawn = set()
    for name in sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).digest()):
        if sizes[name] <= room:
            drawn.add(name)
            room -= sizes[name]
    return drawn


def _components(partners: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield the texts that are connected, directly or through others."""
    visited: set[str] = set()
    for text in partners:
        if text in visited:
            continue
        visited.add(text)
        component = [text]
        for found in component:  # grows while it is read
            fresh = partners[found] - visited
            visited |= fresh
            component.extend(fresh)
        yield component


def _stars(component: Sequence[str], partners: dict[str, set[str]]) -> Iterator[list[str]]:
    free = set(component)
    for centre in sorted(component, key=lambda text: (-len(partners[text]), text)):
        if centre in free:
            star = [centre, *(partners[centre] & (free - {centre}))]
            free.difference_update(star)
            yield star
