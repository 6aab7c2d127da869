"""The kinds of training pairs, and how the pairs of each are drawn.

| source        | similarity         | base, ref |
|---------------|--------------------|-----------|
| `description` | 1.0                | preferred label, description of the same concept, also in another language |
| `name`        | 0.7468             | two labels of one concept in one language |
| `translation` | 0.7468             | two labels of one concept in two languages |
| `neighbour`   | 0.7468             | preferred labels of two neighbouring occupations, also across languages |
| `graded`      | 0.5319 … 0.6667    | preferred labels of two concepts that stand near each other (`related.GRADES`) |
| `hard`        | 0.5, or its grade  | preferred label, a label of another concept that the encoder finds near |
| `unrelated`   | 0.5                | labels of two concepts that nothing ties together, or label and description |

Hard negatives have the tutorial's 0.5, since for the file's format they are unrelated names; where finer grades are
asked for, they have the grade of their two concepts. Trainers tell them apart by `source`.

Which of two names of one thing is the base is drawn: in training the base gets noise, and any name can be typed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from jobsearch.progress import Progress
from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import Concept, Taxonomy
from jobsearch.tuning.pair import Pair, Side
from jobsearch.tuning.related import LARGEST_FAMILY, OTHER_NAME, SAME_MEANING, UNRELATED, Relatedness

if TYPE_CHECKING:
    from jobsearch.encoder.protocol import Encoder

Maker = Callable[[Side, random.Random], Iterator[Pair]]
Texts = dict[tuple[str, str], str]

# Of unrelated pairs, this share compares a label with a description, if there are any.
_UNRELATED_DESCRIPTIONS = 0.25
_TRIES = 20
_TRIES_OF_PARTNER = 8


def own_descriptions(taxonomy: Taxonomy) -> Texts:
    """Return the descriptions, on one line each, by URI and language.

    One that several concepts share, or that is a label too, tells nothing of one of them and is left out.
    """
    texts = {(c.uri, c.language): clean_label(c.description) for c in taxonomy.concepts if c.description}
    owners = Counter(text for _, text in {(uri, text.casefold()) for (uri, _), text in texts.items()})
    labels = {label.casefold() for _, label, _ in taxonomy.labels()}
    return {
        key: text
        for key, text in texts.items()
        if text and owners[text.casefold()] == 1 and text.casefold() not in labels
    }


def descriptions(texts: Texts) -> Maker:
    """Return what pairs each description with the preferred label, then with that in another language."""

    def make(side: Side, draw: random.Random) -> Iterator[Pair]:
        for concept in side.concepts:
            if text := texts.get((concept.uri, concept.language)):
                yield _pair(concept, concept.preferred_label, concept, text, SAME_MEANING, "description")
                if others := [record for record in side.by_uri[concept.uri] if record is not concept]:
                    other = draw.choice(others)
                    yield _pair(other, other.preferred_label, concept, text, SAME_MEANING, "description")

    return make


def names(side: Side, draw: random.Random) -> Iterator[Pair]:
    """Yield each alternative label with the preferred one, then with another alternative one."""
    for concept in side.concepts:
        for label in concept.alternative_labels:
            yield _either_way(concept, concept.preferred_label, concept, label, "name", draw)
        if len(concept.alternative_labels) > 1:
            for label in concept.alternative_labels:
                other = draw.choice(concept.alternative_labels)
                if other is not label:
                    yield _either_way(concept, other, concept, label, "name", draw)


def translations(side: Side, draw: random.Random) -> Iterator[Pair]:
    """Yield each label with one of the same concept in another language, half of the time the preferred one."""
    for records in side.by_uri.values():
        for concept in records if len(records) > 1 else ():
            others = [record for record in records if record is not concept]
            for label in concept.labels:
                other = draw.choice(others)
                text = other.preferred_label if draw.random() < 0.5 else draw.choice(other.labels)
                yield _pair(concept, label, other, text, OTHER_NAME, "translation")


def neighbours(related: Relatedness) -> Maker:
    """Return what pairs neighbouring occupations (see `Relatedness.neighbours`)."""

    def make(side: Side, draw: random.Random) -> Iterator[Pair]:
        for a, b in related.neighbours:
            if a in side.by_uri and b in side.by_uri:
                ours, theirs = draw.choice(side.by_uri[a]), draw.choice(side.by_uri[b])
                yield _either_way(ours, ours.preferred_label, theirs, theirs.preferred_label, "neighbour", draw)

    return make


def graded(related: Relatedness) -> Maker:
    """Return what pairs concepts of finer grades: for each concept some partner of each sort it has.

    Sorts are: an occupation in the same ISCO unit, minor, sub-major and major group and one with overlapping skills;
    an essential and an optional skill; what is directly above; another one below that, if not many are.
    """

    def make(side: Side, draw: random.Random) -> Iterator[Pair]:
        taken = {frozenset(pair) for pair in related.neighbours}
        sorts = [*_isco_circles(side, related), _families(side, related), _overlapping(side, related)]
        for uri in side.by_uri:
            candidates = [partners for circle in sorts if (partners := circle.get(uri))]
            candidates += related.partners(uri).values()
            candidates.append(related.above(uri))
            for partners in candidates:
                for _ in range(_TRIES_OF_PARTNER):
                    partner = draw.choice(partners) if partners else uri
                    usable = partner in side.by_uri and not related.share_a_label(uri, partner)
                    if usable and frozenset((uri, partner)) not in taken:
                        ours, theirs = draw.choice(side.by_uri[uri]), draw.choice(side.by_uri[partner])
                        grade = related.grade(uri, partner)
                        yield _pair(ours, ours.preferred_label, theirs, theirs.preferred_label, grade, "graded")
                        break

    return make


def hard(
    side: Side,
    draw: random.Random,
    number: int,
    related: Relatedness,
    encoder: Encoder,
    margin: float,
    grade: bool,
    progress: Progress,
) -> Iterator[Pair]:
    """Yield hard negatives, at least `number` of them if there are as many."""
    from jobsearch.tuning.negatives import mine_hard_negatives

    concepts = side.concepts
    if not concepts or not number:
        return
    per_anchor = -(-number // len(concepts))
    # Not every anchor has a negative, so a few more are tried than are needed.
    anchors = draw.sample(range(len(concepts)), min(len(concepts), 2 * number // per_anchor + 8))
    found = mine_hard_negatives(
        concepts,
        encoder,
        related.related,
        anchors=sorted(anchors),
        per_anchor=per_anchor,
        margin=margin,
        progress=progress,
    )
    for negative in found:
        ours, theirs = negative.anchor, negative.concept
        similarity = related.grade(ours.uri, theirs.uri) if grade else UNRELATED
        yield _pair(ours, ours.preferred_label, theirs, negative.label, similarity, "hard")


def unrelated(
    side: Side, draw: random.Random, number: int, related: Relatedness, texts: Texts, grade: bool
) -> Iterator[Pair]:
    """Yield pairs of labels that name unrelated concepts, also across languages, until enough were tried.

    Args:
        side: where both concepts are from.
        draw: source of randomness.
        number: how many will be taken.
        related: tells what is unrelated.
        texts: descriptions to compare some labels with.
        grade: whether finer grades are in use: then only concepts that none of them applies to are unrelated.
    """
    uris = list(side.by_uri)
    for _ in range(_TRIES * number if len(uris) > 1 else 0):
        ours, theirs = (draw.choice(side.by_uri[draw.choice(uris)]) for _ in range(2))
        label, text = draw.choice(ours.labels), draw.choice(theirs.labels)
        described = draw.random() < _UNRELATED_DESCRIPTIONS
        if not related.unrelated(ours.uri, label, theirs.uri, text):
            continue
        if grade and related.grade(ours.uri, theirs.uri) > UNRELATED:
            continue
        ref = texts.get((theirs.uri, theirs.language), text) if described else text
        yield _pair(ours, label, theirs, ref, UNRELATED, "unrelated")


def _isco_circles(side: Side, related: Relatedness) -> Iterator[dict[str, Sequence[str]]]:
    """Yield, for unit, minor, sub-major and major groups, the others in an occupation's group."""
    for digits in (4, 3, 2, 1):
        circle: dict[str, Sequence[str]] = {}
        for members in related.by_isco(digits).values():
            here = [uri for uri in members if uri in side.by_uri]
            if len(here) > 1:
                circle.update(dict.fromkeys(here, here))
        yield circle


def _families(side: Side, related: Relatedness) -> dict[str, Sequence[str]]:
    """Return, for each concept, all of the first small family it is in: those directly below one thing."""
    found: dict[str, Sequence[str]] = {}
    for _, members in sorted(related.below.items()):
        here = [uri for uri in members if uri in side.by_uri]
        if len(here) > 1 and len(members) <= LARGEST_FAMILY:
            for uri in here:
                found.setdefault(uri, here)
    return found


def _overlapping(side: Side, related: Relatedness) -> dict[str, Sequence[str]]:
    """Return, for each occupation, those whose skills overlap enough for a grade."""
    found: dict[str, list[str]] = {}
    for a, b, _ in related.overlapping:
        if a in side.by_uri and b in side.by_uri:
            found.setdefault(a, []).append(b)
            found.setdefault(b, []).append(a)
    return dict(found)


def _pair(ours: Concept, base: str, theirs: Concept, ref: str, similarity: float, source: str) -> Pair:
    return Pair(base, ref, similarity, ours.uri, theirs.uri, ours.language, source)


def _either_way(ours: Concept, label: str, theirs: Concept, other: str, source: str, draw: random.Random) -> Pair:
    if draw.random() < 0.5:
        return _pair(ours, label, theirs, other, OTHER_NAME, source)
    return _pair(theirs, other, ours, label, OTHER_NAME, source)
