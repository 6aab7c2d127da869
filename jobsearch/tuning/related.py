"""How near two concepts stand in the taxonomy: what must not count as unrelated, and what is nearly the same.

Everything here reads the taxonomy alone, never an encoder: ISCO codes, the hierarchy, relations, and label strings.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from functools import cached_property, lru_cache

from jobsearch.taxonomy.model import Kind, Strength, Taxonomy
from jobsearch.taxonomy.split import label_groups


def angular_similarity(cosine: float) -> float:
    """Return 1 − arccos(cosine)/π, the scale of pairs: 1 for the same direction, 0.5 for orthogonal vectors.

    The Universal Sentence Encoder is compared this way (https://arxiv.org/abs/1803.11175, equation 1).
    """
    return 1 - math.acos(cosine) / math.pi


SAME_MEANING = 1.0
OTHER_NAME = angular_similarity(0.7)  # 0.7468, the tutorial's grade
UNRELATED = 0.5

# The finer grades between the tutorial's, highest first.
CLOSE = angular_similarity(0.5)  # 0.6667: one ISCO unit group, one concept directly above the other, many shared skills
NEAR = angular_similarity(0.35)  # 0.6138: one ISCO minor group, an essential skill
SAME_FIELD = angular_similarity(0.2)  # 0.5641: one ISCO sub-major group, an optional skill, one small group of skills
FAR = angular_similarity(0.1)  # 0.5319: one ISCO major group
GRADES = (CLOSE, NEAR, SAME_FIELD, FAR)
_ISCO_GRADES = {4: CLOSE, 3: NEAR, 2: SAME_FIELD, 1: FAR}
_STRENGTH_GRADES: dict[Strength, float] = {"essential": NEAR, "optional": SAME_FIELD}
_OVERLAP_GRADES = ((0.15, CLOSE), (0.05, SAME_FIELD))

# Shares of two concepts' relations (Jaccard) from which on they are neighbours, and from which on they are related.
_OVERLAP_OF_NEIGHBOURS = 0.3
_OVERLAP_OF_RELATED = 0.1
LARGEST_FAMILY = 20  # concepts directly below one thing; those of larger families have little in common
_FEWEST_SKILLS = 5  # below, an overlap says little

# A word that stands in the names of more than this share of concepts ("manager", "operator") tells nothing.
_TELLING_OF_NEIGHBOURS = 0.01
_TELLING_OF_UNRELATED = 0.03
_FEW_NAMES = 3  # a word of so few always does, however small the taxonomy
_WORD = re.compile(r"\w{4,}")
_STEM = 5


class Relatedness:
    """Answers about pairs of concepts, named by URI.

    Args:
        taxonomy: where they stand; what it does not know (many occupations of the built-in one have neither ISCO
            group nor skills) cannot be told.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._label_group = {uri: number for number, uris in enumerate(label_groups(taxonomy)) for uri in uris}
        self._unit: dict[str, str] = {
            concept.uri: concept.isco_group
            for concept in taxonomy.concepts
            if concept.isco_group and re.fullmatch(r"\d{4}", concept.isco_group)
        }
        above: dict[str, set[str]] = {}
        for step in taxonomy.broader:
            above.setdefault(step.uri, set()).add(step.broader_uri)
        self._above = {uri: frozenset(above.get(uri, ())) for uri in taxonomy.by_uri}
        self._partners = _partners(taxonomy)
        self._words = _Words(taxonomy)

    def share_a_label(self, a: str, b: str) -> bool:
        """Tell whether two concepts share a label string, case folded, directly or through others."""
        return self._label_group[a] == self._label_group[b]

    def related(self, a: str, b: str) -> bool:
        """Tell whether the taxonomy ties two concepts together, so that neither is a negative for the other.

        That is: one concept, a shared label string, ISCO unit group, relation, one directly above the other or both
        directly below a third, or a tenth of their relations in common.
        """
        return (
            self.share_a_label(a, b)
            or self._isco_steps(a, b) == 4
            or b in self._partners[a]
            or a in self._above[b]
            or b in self._above[a]
            or not self._above[a].isdisjoint(self._above[b])
            or self.overlap(a, b) >= _OVERLAP_OF_RELATED
        )

    def unrelated(self, a: str, text_a: str, b: str, text_b: str) -> bool:
        """Tell whether two texts name unrelated concepts, as far as anything is known of them.

        Stricter than the opposite of `related`: they are in different ISCO minor groups too, and neither the texts
        nor the preferred labels share a word that tells something. That catches what a taxonomy without ISCO groups
        or relations cannot say ("plumber", "repair plumbing systems").
        """
        if self._isco_steps(a, b) >= 3 or self.related(a, b):
            return False
        return not self._words.shared(a, text_a, b, text_b)

    def overlap(self, a: str, b: str) -> float:
        """Return the Jaccard index of two concepts' relations: of the skills of two occupations, for example."""
        ours, theirs = self._partners[a].keys(), self._partners[b].keys()
        if not ours or not theirs:
            return 0.0
        shared = len(ours & theirs)
        return shared / (len(ours) + len(theirs) - shared)

    def grade(self, a: str, b: str) -> float:
        """Return the angular similarity of two concepts of different names: one of `GRADES`, or `UNRELATED`."""
        grades = [UNRELATED, _ISCO_GRADES.get(self._isco_steps(a, b), UNRELATED)]
        if strength := self._partners[a].get(b):
            grades.append(_STRENGTH_GRADES[strength])
        if a in self._above[b] or b in self._above[a]:
            grades.append(CLOSE)
        elif any(len(self.below[up]) <= LARGEST_FAMILY for up in self._above[a] & self._above[b]):
            grades.append(SAME_FIELD)
        overlap = self.overlap(a, b)
        grades.extend(grade for least, grade in _OVERLAP_GRADES if overlap >= least)
        return max(grades)

    @cached_property
    def neighbours(self) -> list[tuple[str, str]]:
        """All pairs of neighbouring occupations, each once, sorted.

        Neighbours are in one ISCO unit group, where one is directly above the other or their preferred labels share a
        word that tells something ("data scientist", "data analyst"); the unit group alone is too wide ("vermouth
        manufacturer", "meat cutter"). Or they have at least 0.3 of their skills in common.
        """
        found = set()
        for uris in self.by_isco(4).values():
            words = {uri: self._words.of_concept(uri) for uri in uris}
            for a, b in itertools.combinations(uris, 2):
                if a in self._above[b] or b in self._above[a] or not words[a].isdisjoint(words[b]):
                    found.add((a, b))
        for a, b, overlap in self.overlapping:
            if (
                overlap >= _OVERLAP_OF_NEIGHBOURS
                and min(len(self._partners[a]), len(self._partners[b])) >= _FEWEST_SKILLS
            ):
                found.add((a, b))
        return sorted(found)

    def by_isco(self, digits: int) -> dict[str, list[str]]:
        """Return the occupations by the first digits of their ISCO code, both sorted."""
        found: dict[str, list[str]] = {}
        for uri in sorted(self._unit):
            found.setdefault(self._unit[uri][:digits], []).append(uri)
        return dict(sorted(found.items()))

    @cached_property
    def overlapping(self) -> list[tuple[str, str, float]]:
        """The pairs of occupations whose skills overlap enough for a grade, with the overlap, sorted."""
        import numpy as np

        occupations = [
            uri
            for uri, records in sorted(self._taxonomy.by_uri.items())
            if records[0].kind == "occupation" and self._partners[uri]
        ]
        holders: dict[str, list[int]] = {}
        for place, uri in enumerate(occupations):
            for skill in self._partners[uri]:
                holders.setdefault(skill, []).append(place)
        sizes = np.array([len(self._partners[uri]) for uri in occupations])
        found = []
        for place, uri in enumerate(occupations):
            others = np.concatenate([holders[skill] for skill in self._partners[uri]])
            shared = np.bincount(others[others > place], minlength=len(occupations))
            overlaps = shared / (sizes + sizes[place] - shared)
            near = np.flatnonzero(overlaps >= _OVERLAP_GRADES[-1][0]).tolist()
            found += [(uri, occupations[other], float(overlaps[other])) for other in near]
        return found

    def partners(self, uri: str) -> dict[str, list[str]]:
        """Return the concepts that a relation ties to one, by strength, sorted; those of this taxonomy only."""
        found: dict[str, list[str]] = {}
        for partner, strength in sorted(self._partners[uri].items()):
            if partner in self._taxonomy.by_uri:
                found.setdefault(strength, []).append(partner)
        return found

    @cached_property
    def below(self) -> dict[str, list[str]]:
        """The concepts directly below each group and concept, sorted."""
        found: dict[str, list[str]] = {}
        for uri, above in sorted(self._above.items()):
            for up in above:
                found.setdefault(up, []).append(uri)
        return found

    def above(self, uri: str) -> list[str]:
        """Return what stands directly above a concept: groups and concepts, sorted."""
        return sorted(self._above[uri])

    def _isco_steps(self, a: str, b: str) -> int:
        """Return how many leading digits two occupations' ISCO codes share; 0 if one is not known."""
        ours, theirs = self._unit.get(a, ""), self._unit.get(b, "")
        return next((digits for digits in (4, 3, 2, 1) if ours and ours[:digits] == theirs[:digits]), 0)


class _Words:
    """Words that tell something of a name: the first letters of each longer word, unless many names have it."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._names: dict[str, frozenset[str]] = {}
        self._kind: dict[str, Kind] = {}
        self._count: dict[Kind, Counter[str]] = {"occupation": Counter(), "skill": Counter()}
        self._size: Counter[Kind] = Counter()
        for uri, records in taxonomy.by_uri.items():
            kind = records[0].kind
            self._kind[uri] = kind
            self._names[uri] = frozenset().union(*(_stems(record.preferred_label) for record in records))
            self._count[kind].update(self._names[uri])
            self._size[kind] += 1

    def of_concept(self, uri: str) -> set[str]:
        """Return the words that tell something of an occupation's preferred labels, in all languages."""
        return {stem for stem in self._names[uri] if self._tells(stem, uri, _TELLING_OF_NEIGHBOURS)}

    def shared(self, a: str, text_a: str, b: str, text_b: str) -> bool:
        """Tell whether two labels, each with its concept's preferred ones, share a word that tells something."""
        common = (_stems(text_a) | self._names[a]) & (_stems(text_b) | self._names[b])
        return any(
            self._tells(stem, a, _TELLING_OF_UNRELATED) and self._tells(stem, b, _TELLING_OF_UNRELATED)
            for stem in common
        )

    def _tells(self, stem: str, uri: str, share: float) -> bool:
        kind = self._kind[uri]
        return self._count[kind][stem] <= max(_FEW_NAMES, share * self._size[kind])


@lru_cache(maxsize=1 << 18)
def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in _WORD.findall(text.casefold()))


def _partners(taxonomy: Taxonomy) -> dict[str, dict[str, Strength]]:
    """Return, for each concept, the others that a relation ties to it; essential where it is said both ways."""
    found: dict[str, dict[str, Strength]] = {uri: {} for uri in taxonomy.by_uri}
    ties = [(r.occupation_uri, r.skill_uri, r.strength) for r in taxonomy.relations]
    ties += [(r.skill_uri, r.related_uri, r.strength) for r in taxonomy.skill_relations]
    for one, other, strength in ties:
        for a, b in ((one, other), (other, one)):
            if a in found and (strength == "essential" or b not in found[a]):
                found[a][b] = strength
    return found
