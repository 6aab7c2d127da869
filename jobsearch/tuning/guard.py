"""A general-similarity check that needs no download: does the encoder still know everyday sentences?

Where STS benchmark data is at hand, that is used (`evaluation.sts`). Else this stands in: 600 pairs of everyday
sentences put together from slots - who, does what, where - with a grade that follows from the slots: equal slots in
other words count fully, neighbouring ones by half. The score is Pearson's r of cosine and grade, as for STS. How well
its changes follow those of STS is measured in `tests/benchmarks/guard.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jobsearch.encoder.protocol import Encoder

_PAIRS = 600
_SEED = 20
_WEIGHTS = {"who": 0.35, "does": 0.5, "where": 0.15}
# Each inner tuple says one thing in several ways; the things of one row are neighbours.
_SLOTS: dict[str, Sequence[Sequence[Sequence[str]]]] = {
    "who": (
        (("a man", "a guy", "a gentleman"), ("an old man", "an elderly man"), ("a young man", "a male teenager")),
        (("a woman", "a lady"), ("a young woman", "a girl in her twenties"), ("an old woman", "an elderly lady")),
        (("a child", "a kid", "a youngster"), ("a little boy", "a small boy"), ("a baby", "an infant")),
        (("a dog", "a hound"), ("a puppy", "a young dog"), ("a cat", "a kitten")),
        (("a group of people", "several people"), ("a crowd", "a large gathering of people"), ("two men", "two guys")),
        (("the president", "the head of state"), ("the minister", "a member of the government"), ("the mayor",)),
        (("a football team", "a soccer team"), ("the players", "the athletes"), ("a coach", "a trainer")),
        (("a monkey", "a small ape"), ("an elephant",), ("a horse", "a pony")),
    ),
    "does": (
        (
            ("is playing the guitar", "is strumming a guitar", "performs on a guitar"),
            ("is playing the piano", "performs on a piano"),
            ("is singing a song", "is performing a song"),
        ),
        (
            ("is slicing an onion", "is cutting up an onion"),
            ("is peeling potatoes", "is taking the skin off potatoes"),
            ("is baking a cake", "is making a cake in the oven"),
        ),
        (
            ("is running quickly", "is sprinting", "runs very fast"),
            ("is walking slowly", "is strolling along"),
            ("is jumping over a fence", "is leaping over a barrier"),
        ),
        (
            ("is riding a bicycle", "is cycling", "rides a bike"),
            ("is driving a car", "is at the wheel of an automobile"),
            ("is riding a motorcycle", "rides a motorbike"),
        ),
        (
            ("is sleeping", "is taking a nap", "is fast asleep"),
            ("is lying down", "is resting on its side"),
            ("is sitting quietly", "sits still and says nothing"),
        ),
        (
            ("announced a new law", "presented new legislation"),
            ("resigned yesterday", "stepped down yesterday"),
            ("met with reporters", "spoke to the press"),
        ),
        (
            ("won the match", "was victorious in the game"),
            ("lost the final", "was beaten in the final"),
            ("is waiting for the game", "waits for the match to begin"),
        ),
        (
            ("is eating an apple", "eats an apple"),
            ("is drinking water", "takes a sip of water"),
            ("is looking at the food", "stares at something to eat"),
        ),
        (
            ("is reading a book", "reads a novel"),
            ("is writing a letter", "writes a note by hand"),
            ("is drawing a picture", "makes a sketch"),
        ),
    ),
    "where": (
        (("in the park", "in a public garden"), ("in a field", "on a meadow"), ("in the woods", "in the forest")),
        (("on the street", "on a road"), ("in the city", "in town"), ("in front of a building", "outside a building")),
        (("at home", "in the house"), ("in the kitchen", "in a kitchen"), ("on the sofa", "on a couch")),
        (("on a stage", "on the stage"), ("in a stadium", "in an arena"), ("in a hall", "in a large room")),
        (("by the sea", "at the seaside"), ("on the beach", "on the sand"), ("near a lake", "close to a lake")),
    ),
}


@dataclass(frozen=True)
class GuardPairs:
    """Sentence pairs and their grade, 0 (nothing in common) to 1 (the same in other words)."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    grades: tuple[float, ...]


@lru_cache(maxsize=1)
def guard_pairs() -> GuardPairs:
    """Return the pairs; always the same ones, spread over all grades."""
    draw = random.Random(_SEED)
    rows = [_pair(draw) for _ in range(_PAIRS)]
    return GuardPairs(*zip(*rows, strict=True))


def guard_score(encoder: Encoder) -> float:
    """Return Pearson's r between cosine and grade over the pairs, -1 to 1, higher is better."""
    pairs = guard_pairs()
    left, right = encoder.encode(pairs.left), encoder.encode(pairs.right)
    return float(np.corrcoef((left * right).sum(axis=1), pairs.grades)[0, 1])


def _pair(draw: random.Random) -> tuple[str, str, float]:
    left, right, grade = [], [], 0.0
    # Drawn once a pair: how close its two sentences are to be, so that all grades occur.
    closeness = draw.random()
    for slot, rows in _SLOTS.items():
        row = draw.choice(rows)
        things = draw.sample(range(len(row)), 2)
        chosen = draw.random()
        ways = list(row[things[0]])
        if chosen < closeness:
            other, share = ways, 1.0
        elif chosen < (1 + closeness) / 2:
            other, share = list(row[things[1]]), 0.5
        else:
            other, share = list(draw.choice([r for r in rows if r is not row])[0]), 0.0
        left.append(draw.choice(ways))
        right.append(draw.choice(other))
        grade += _WEIGHTS[slot] * share
    return _sentence(left), _sentence(right), round(grade, 3)


def _sentence(parts: Sequence[str]) -> str:
    text = " ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
