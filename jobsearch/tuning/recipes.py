"""Recipes: every value that decides how an encoder is tuned, under a name, each of them to be overridden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from jobsearch.errors import TuningError

Loss = Literal["contrastive", "angular", "teacher", "joint"]
Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True)
class Recipe:
    """How to tune.

    Args:
        name: name of the recipe.
        summary: what it is, in a line.
        loss: `contrastive`: each anchor must find its positive among all positives of the batch, and the other way
            round, false negatives masked (needs pairs that belong together). `angular`: mean squared error between
            the angular similarity 1 - arccos(cosine)/pi and the pair's similarity (needs graded pairs). `teacher`:
            texts keep the neighbourhoods that a stronger encoder sees (needs `teacher.Teacher`, and no pairs). `joint`:
            the last and the first in every step (needs both).
        batch: pairs in a step; the more, the more negatives each anchor meets. For a teacher: texts at most.
        pair_batch: pairs in a step beside the teacher's texts (joint).
        pair_weight: of the pairs' loss beside the teacher's (joint).
        steps: steps at most; 0: as `epochs` says.
        epochs: passes over the training pairs at most; 0: as `steps` says.
        learning_rate: Adam's, at its highest.
        beta_1: Adam's decay of the gradient's running mean.
        beta_2: Adam's decay of its running square.
        clip: `global` scales all gradients together to norm `clip_norm`, `each` every tensor on its own.
        clip_norm: that norm.
        warm_up: share of the steps over which the learning rate rises from zero.
        schedule: what it does then: falls to zero along a `cosine`, or stays `constant`.
        scale: what cosines are multiplied with before the softmax (contrastive).
        temperature: what cosines are divided by before the softmax (teacher).
        near: texts of a neighbourhood in a step: one drawn from all, the others from its nearest (teacher).
        turns: where pairs are of several languages, every second step has those of one language alone, the one with the
            most pairs (joint).
        level: mean cosine that a step's texts are held at; 0: wherever it goes, which a softmax does not see (teacher,
            joint).
        dropout: share of the token embeddings' numbers that is zeroed in training.
        marks: chance of each of two vacancy-like marks around an anchor (see `noise`).
        slips: chance of a slip of the finger in an anchor.
        description_repeats: how often each pair of a label and a description comes in an epoch.
        train_table: whether the embedding table (65 of 69 million weights) is trained too.
        table_rate: the table's learning rate, as a multiple of that of all else: a row is only seen now and then.
        max_tokens: longer texts are cut in training, never later.
        validate_every: steps between two validations; 0: once an epoch.
        patience: validations without a better one before training stops.
        monitor: what is better: higher held-out `mrr`, lower `loss` on held-out pairs, or a later `step`.
        taught: with a teacher, how much of the tuned weights are those taught by it, 0 to 1; the rest learned from
            pairs.
        interpolation: share of tuned weights in the result, 0 to 1; None: chosen on validation.
    """

    name: str
    summary: str
    loss: Loss
    batch: int
    steps: int
    epochs: int
    learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    clip: Literal["global", "each"] = "global"
    clip_norm: float = 1.0
    warm_up: float = 0.1
    schedule: Schedule = "cosine"
    scale: float = 20.0
    temperature: float = 0.05
    near: int = 8
    pair_batch: int = 384
    pair_weight: float = 0.3
    turns: bool = False
    level: float = 0.0
    dropout: float = 0.0
    marks: float = 0.0
    slips: float = 0.0
    description_repeats: int = 1
    train_table: bool = False
    table_rate: float = 1.0
    max_tokens: int = 32
    validate_every: int = 0
    patience: int = 5
    monitor: Literal["mrr", "loss", "step"] = "mrr"
    taught: float = 0.5
    interpolation: float | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def needs_teacher(self) -> bool:
        """Whether it cannot do without a teacher."""
        return self.loss in ("teacher", "joint")

    def steps_of(self, steps_per_epoch: int) -> int:
        """Return the steps asked for, where a pass over the data takes so many: whichever limit comes first."""
        return min(limit for limit in (self.steps, self.epochs * steps_per_epoch) if limit)

    def to_dict(self) -> dict[str, Any]:
        """Return every value, for records."""
        return asdict(self)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "loss": ("contrastive", "angular", "teacher", "joint"),
    "clip": ("global", "each"),
    "schedule": ("cosine", "constant"),
    "monitor": ("mrr", "loss", "step"),
}


def _check(recipe: Recipe) -> None:
    shares = {"warm_up": 1, "dropout": 0.9, "marks": 1, "slips": 1, "taught": 1}
    for name, most in shares.items():
        _expect(name, getattr(recipe, name), 0, most)
    if recipe.interpolation is not None:
        _expect("interpolation", recipe.interpolation, 0, 1)
    _expect("learning_rate", recipe.learning_rate, 1e-8, 1)
    _expect("scale", recipe.scale, 1, 200)
    _expect("temperature", recipe.temperature, 0.005, 1)
    _expect("batch", recipe.batch, 2, 16_384)
    _expect("near", recipe.near, 2, min(17, recipe.batch) if recipe.needs_teacher else 17)
    _expect("pair_batch", recipe.pair_batch, 2, 16_384)
    _expect("pair_weight", recipe.pair_weight, 0.001, 100)
    _expect("level", recipe.level, 0, 0.9)
    _expect("table_rate", recipe.table_rate, 0.001, 1000)
    _expect("description_repeats", recipe.description_repeats, 0, 100)
    _expect("patience", recipe.patience, 1, 10_000)
    _expect("max_tokens", recipe.max_tokens, 3, 4096)
    _expect("clip_norm", recipe.clip_norm, 1e-6, 1e6)
    for name in ("beta_1", "beta_2"):
        _expect(name, getattr(recipe, name), 0, 0.999999)
    for name in ("steps", "epochs", "validate_every"):
        _expect(name, getattr(recipe, name), 0, 10_000_000)
    if not recipe.steps and not recipe.epochs:
        raise TuningError("steps is 0 and epochs is 0, expected one of them above 0")
    for name, choices in _CHOICES.items():
        if getattr(recipe, name) not in choices:
            raise TuningError(f"{name} is {getattr(recipe, name)!r}, expected {_or(choices)}")


def _or(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _expect(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise TuningError(f"{name} is {value}, expected {least} to {most}")


# Values found by a search on validation data. `tests/benchmarks/recipes.py` measures any variant of them.
DEFAULT = Recipe(
    name="default",
    summary="in-batch contrastive on names of one concept, vacancy-like noise, interpolated with the base",
    loss="contrastive",
    batch=512,
    steps=200,
    # A taxonomy is never passed ten times in 200 steps; few pairs of one's own are, and more only learns them by heart.
    epochs=10,
    learning_rate=4e-4,
    scale=24.0,
    dropout=0.1,
    marks=0.2,
    slips=0.05,
    description_repeats=2,
    max_tokens=24,
    validate_every=50,
)
# The set-up of the tutorial that this project grew from, with two differences: training stops on validation, where
# the tutorial watched the training loss, and the best checkpoint is kept.
TUTORIAL = Recipe(
    name="tutorial",
    summary="mean squared error on angular similarity, batch 8, Adam 1e-5: the tutorial's set-up",
    loss="angular",
    batch=8,
    steps=0,
    epochs=20,
    learning_rate=1e-5,
    beta_2=0.9999,
    clip="each",
    warm_up=0.0,
    schedule="constant",
    train_table=True,
    max_tokens=256,
    monitor="loss",
    interpolation=1.0,
)
# What a stronger encoder sees, without pairs; the first stage wherever a teacher is given.
TAUGHT = Recipe(
    name="taught",
    summary="the neighbourhoods that a stronger encoder, the teacher, sees among labels and titles",
    loss="teacher",
    batch=768,
    steps=800,
    epochs=0,
    learning_rate=3e-4,
    dropout=0.1,
    max_tokens=26,
    validate_every=200,
    monitor="step",
    taught=1.0,
)
# Both at once, and the table with them: what finds most. It embeds four and a half times as many texts as `taught`, and
# takes twice the memory.
JOINT = Recipe(
    name="joint",
    summary="a teacher's neighbourhoods and names of one concept in every step, the embedding table trained too",
    loss="joint",
    batch=768,
    steps=1200,
    epochs=0,
    learning_rate=4e-4,
    scale=24.0,
    pair_batch=768,
    pair_weight=0.7,
    turns=True,
    level=0.3,
    dropout=0.1,
    marks=0.2,
    slips=0.05,
    description_repeats=2,
    train_table=True,
    table_rate=15.0,
    max_tokens=26,
    validate_every=200,
    monitor="step",
    taught=1.0,
)
RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (DEFAULT, JOINT, TAUGHT, TUTORIAL)}


def find_recipe(name: str, **overrides: Any) -> Recipe:
    """Return a recipe, with single values replaced.

    Args:
        name: one of `RECIPES`.
        **overrides: values by field name; None leaves the recipe's own.

    Raises:
        TuningError: there is no such recipe, or a value is out of range.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise TuningError(f"no recipe {name!r}; expected one of {', '.join(RECIPES)}")
    known = {field.name for field in fields(Recipe)}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise TuningError(f"recipe value {unknown[0]!r} is unknown; expected one of {', '.join(sorted(known))}")
    return replace(recipe, **{key: value for key, value in overrides.items() if value is not None})
