"""Training pairs, made from a taxonomy: two texts and how similar an encoder should find them.

The grades are the tutorial's, on the scale of its output 1 − arccos(cos)/π: 1.0 for a label and its concept's own
description, 0.7468 for a label and another name of the concept or of a neighbouring occupation, also across
languages, 0.5 for unrelated ones. What each kind of pair is stands in `pair_kinds`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobsearch.errors import TuningError
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.taxonomy.split import Split, folded
from jobsearch.tuning import pair_kinds
from jobsearch.tuning.pair import Pair, PairSet, Side
from jobsearch.tuning.related import Relatedness

if TYPE_CHECKING:
    from jobsearch.encoder.protocol import Encoder

__all__ = ["Pair", "PairOptions", "PairSet", "generate_pairs"]


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How many pairs of each kind, over both sides together; a taxonomy that has fewer gives fewer.

    Args:
        descriptions: label and own description; None: one for each description and, with several languages, one with
            the label in another.
        names: two labels of one concept in one language; None: each alternative label with the preferred one, and
            with another alternative one.
        translations: two labels of one concept in two languages; None: one for each label.
        neighbours: labels of neighbouring occupations; None: one for all neighbours there are.
        unrelated: None: as many as all pairs above.
        hard: hard negatives, for which `generate_pairs` needs an encoder; 0 for none.
        graded: whether to add pairs of finer grades, from ISCO codes, relations and hierarchies.
        languages: ISO 639-1 codes; empty for all of the taxonomy.
        seed: another seed draws other pairs.
        margin: of hard negatives, see `negatives.mine_hard_negatives`.

    Raises:
        TuningError: a number is out of range.
    """

    descriptions: int | None = None
    names: int | None = None
    translations: int | None = None
    neighbours: int | None = None
    unrelated: int | None = None
    hard: int = 0
    graded: bool = False
    languages: tuple[str, ...] = ()
    seed: int = 0
    margin: float = 0.95

    def __post_init__(self) -> None:
        for name in ("descriptions", "names", "translations", "neighbours", "unrelated", "hard"):
            number = getattr(self, name)
            if number is not None and number < 0:
                raise TuningError(f"{name} is {number}, expected 0 or more")
        if not 0 < self.margin <= 1:
            raise TuningError(f"margin is {self.margin}, expected above 0 and at most 1")


def generate_pairs(
    taxonomy: Taxonomy,
    options: PairOptions,
    split: Split,
    encoder: Encoder | None = None,
    progress: Progress = silent,
) -> PairSet:
    """Make pairs of each kind, on each side of the split from that side's concepts alone.

    The same taxonomy, options, split and (for hard negatives) encoder give the same pairs in the same order.

    Args:
        taxonomy: concepts in one language or several.
        options: what to make.
        split: of this taxonomy's concepts; those it does not name are left out.
        encoder: finds hard negatives.
        progress: called with a kind of pairs, and for hard negatives with what is done of it.

    Raises:
        TuningError: a language is not in the taxonomy, hard negatives are asked for without an encoder, or there is
            nothing to make a pair of.
        ValueError: the split has a concept or a label string on both sides.
    """
    if options.hard and encoder is None:
        raise TuningError(f"{options.hard} hard negatives are asked for without an encoder; name one or ask for 0")
    sides = _sides(taxonomy, options, split)
    progress("relations", 0, 0)
    related = Relatedness(taxonomy)
    collected = {side.name: _Collected() for side in sides}
    texts = pair_kinds.own_descriptions(taxonomy)
    makers: tuple[tuple[str, int | None, pair_kinds.Maker], ...] = (
        ("description", options.descriptions, pair_kinds.descriptions(texts)),
        ("name", options.names, pair_kinds.names),
        ("translation", options.translations, pair_kinds.translations),
        ("neighbour", options.neighbours, pair_kinds.neighbours(related)),
        ("graded", None if options.graded else 0, pair_kinds.graded(related)),
    )
    for source, wanted, make in makers:
        if wanted == 0:
            continue
        progress(source, 0, 0)
        draws = [_draw(options, source, side) for side in sides]
        found = [list(collected[side.name].fresh(make(side, draw))) for side, draw in zip(sides, draws, strict=True)]
        numbers = [len(pairs) for pairs in found]
        if wanted is not None and wanted < sum(numbers):
            numbers = _divided(wanted, numbers)
        for side, pairs, draw, number in zip(sides, found, draws, numbers, strict=True):
            collected[side.name].add(_thinned(pairs, draw, number))
    sizes = [len(side.by_uri) for side in sides]
    if encoder is not None and options.hard:
        for side, number in zip(sides, _divided(options.hard, sizes), strict=True):
            draw = _draw(options, "hard", side)
            hard = pair_kinds.hard(side, draw, number, related, encoder, options.margin, options.graded, progress)
            collected[side.name].add(_thinned(list(collected[side.name].fresh(hard)), draw, number))
    progress("unrelated", 0, 0)
    numbers = [len(collected[side.name].pairs) for side in sides]
    if options.unrelated is not None:
        numbers = _divided(options.unrelated, sizes)
    for side, number in zip(sides, numbers, strict=True):
        draw = _draw(options, "unrelated", side)
        tried = pair_kinds.unrelated(side, draw, number, related, texts, options.graded)
        collected[side.name].add(list(itertools.islice(collected[side.name].fresh(tried), number)))
    training, validation = (tuple(collected[side.name].pairs) for side in sides)
    if not training:
        raise TuningError(
            f"{taxonomy.source.name} gives no pair of the kinds asked for: {len(sides[0].by_uri)} concepts in "
            f"{', '.join(options.languages or taxonomy.languages)} are for training; ask for another kind or language"
        )
    return PairSet(training, validation, options.seed)


class _Collected:
    """The pairs of one side, none of them twice, whichever way round."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self._seen: set[tuple[str, str]] = set()

    def fresh(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield those that are not there yet, each once, and none of a text with itself."""
        seen = set()
        for pair in pairs:
            key = _key(pair)
            if key[0] != key[1] and key not in self._seen and key not in seen:
                seen.add(key)
                yield pair

    def add(self, pairs: Sequence[Pair]) -> None:
        """Add pairs that are fresh."""
        self.pairs.extend(pairs)
        self._seen.update(map(_key, pairs))


def _key(pair: Pair) -> tuple[str, str]:
    base, ref = pair.base.casefold(), pair.ref.casefold()
    return (base, ref) if base < ref else (ref, base)


def _draw(options: PairOptions, source: str, side: Side) -> random.Random:
    """Return a source of randomness of each kind's own, so that more of one kind leaves the others as they are."""
    return random.Random(f"{options.seed} {source} {side.name}")


def _divided(number: int, weights: Sequence[int]) -> list[int]:
    """Divide a number between training and validation in proportion to weights."""
    held_out = round(number * weights[1] / sum(weights)) if sum(weights) else 0
    return [number - held_out, held_out]


def _thinned(pairs: list[Pair], draw: random.Random, number: int) -> list[Pair]:
    if number >= len(pairs):
        return pairs
    return [pairs[place] for place in sorted(draw.sample(range(len(pairs)), number))]


def _sides(taxonomy: Taxonomy, options: PairOptions, split: Split) -> tuple[Side, Side]:
    unknown = sorted(set(options.languages) - set(taxonomy.languages))
    if unknown:
        raise TuningError(
            f"{taxonomy.source.name} has no labels in {', '.join(unknown)}, expected some of "
            f"{', '.join(taxonomy.languages)}; `jobsearch esco import` reads a bundle in other languages"
        )
    languages = options.languages or taxonomy.languages
    sides = []
    texts: list[set[str]] = []
    for name, uris in (("training", split.training), ("validation", split.validation)):
        on_side = [(uri, records) for uri, records in sorted(taxonomy.by_uri.items()) if uri in uris]
        texts.append(set().union(*(folded(record.labels) for _, records in on_side for record in records)))
        spoken = {uri: tuple(record for record in records if record.language in languages) for uri, records in on_side}
        sides.append(Side(name, {uri: records for uri, records in spoken.items() if records}))
    both = sorted(texts[0] & texts[1]) or sorted(split.training & split.validation)
    if both:
        raise ValueError(f"{both[0]!r} is on both sides of the split; `split_concepts` makes one without")
    return sides[0], sides[1]
