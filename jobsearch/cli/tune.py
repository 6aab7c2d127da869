"""`jobsearch tune`: a better encoder, with proof."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobsearch.cli.building import build, build_options
from jobsearch.cli.common import json_option, languages_option, print_json, say, show_progress

if TYPE_CHECKING:
    from jobsearch.encoder.protocol import Encoder
    from jobsearch.encoder.text import Case
    from jobsearch.encoder.weights import WeightSet
    from jobsearch.tuning.pairs import PairSet
    from jobsearch.tuning.recipes import Recipe
    from jobsearch.tuning.tune import Tuned

Command = TypeVar("Command", bound=Callable[..., Any])
# Values of the recipe that an option each overrides: name, type and help.
_RECIPE_OPTIONS = (
    ("batch", int, "Pairs in a step."),
    ("steps", int, "Steps at most."),
    ("epochs", int, "Passes over the pairs at most, in place of steps."),
    ("learning-rate", float, "Adam's learning rate at its highest."),
    ("scale", float, "What cosines are multiplied with before the softmax."),
    ("taught", float, "With --teacher: how much of the result it teaches, 0 to 1."),
    ("pair-batch", int, "Pairs in a step beside the teacher's texts (joint)."),
    ("pair-weight", float, "Weight of their loss beside the teacher's (joint)."),
    ("level", float, "Mean cosine to hold, 0 to 0.9 (taught, joint); 0: wherever it goes."),
    ("table-rate", float, "Learning rate of the embedding table, times that of all else."),
    ("dropout", float, "Drop-out on token embeddings, 0 to 0.9."),
    ("marks", float, "Chance of vacancy-like marks around an anchor, 0 to 1."),
    ("slips", float, "Chance of a slip of the finger in an anchor, 0 to 1."),
    ("description-repeats", int, "How often each pair with a description comes in an epoch."),
    ("max-tokens", int, "Longer texts are cut in training."),
    ("validate-every", int, "Steps between two validations."),
    ("patience", int, "Validations without a better one before training stops."),
    ("interpolation", float, "Share of tuned weights in the result, 0 to 1; default: chosen on validation."),
)

_RECIPE_FLAGS = (
    ("train-table", "Train the embedding table too."),
    ("turns", "Pairs of the language with the most have every second step to themselves (joint)."),
)


def _recipe_options(command: Command) -> Command:
    for name, kind, text in reversed(_RECIPE_OPTIONS):
        command = click.option(f"--{name}", type=kind, metavar="N", help=text)(command)
    for name, text in reversed(_RECIPE_FLAGS):
        command = click.option(f"--{name}/--no-{name}", default=None, help=text)(command)
    return command


@click.command()
@click.option(
    "--recipe",
    "recipe_name",
    default="default",
    show_default=True,
    metavar="NAME",
    help="default, joint, taught, tutorial",
)
@click.option("--pairs", "pairs_path", metavar="CSV", help="Train on these pairs: base,ref,similarity.")
@click.option("--teacher", "teacher_path", metavar="FILE", help="Learn from a teacher as well: see pairs --teacher.")
@click.option("--name", metavar="NAME", help="Name of the tuned encoder. Default: tuned-1, tuned-2, …")
@click.option(
    "--base",
    metavar="NAME|PATH|HANDLE",
    help="Encoder to begin with (see index build). Default: use; with --pairs, by recipe default, that of the index "
    "in use.",
)
@click.option("--case", metavar="CASE", help="keep, lower or lower-caps. Default: what suits the languages.")
@click.option("--taxonomy", "taxonomy_name", metavar="NAME", help="Taxonomy to train on. Default: the one in use.")
@languages_option
@click.option(
    "--validation",
    type=float,
    metavar="SHARE",
    help="Share of concepts or pairs to hold out. Default: 0.1; of few pairs more, up to a third.",
)
@click.option("--seed", default=0, show_default=True, metavar="N", help="Equal seeds give equal weights.")
@click.option("--sts", "sts_path", metavar="FILE", help="STS pairs to check general ability with.")
@click.option("--force", is_flag=True, help="Keep the result as usable even if the gate rejects it.")
@click.option("--rebuild", is_flag=True, help="Rebuild and publish the index with the tuned encoder.")
@click.option("--gate", metavar="CSV", help="With --rebuild: queries that must be found as well as before: query,uri.")
@click.option(
    "--strategy",
    default="one",
    show_default=True,
    metavar="NAME",
    help="one process, mirrored (all GPUs here), or multi-worker (machines, by TF_CONFIG).",
)
@_recipe_options
@json_option
def tune(
    recipe_name: str,
    pairs_path: str | None,
    teacher_path: str | None,
    name: str | None,
    base: str | None,
    case: Case | None,
    taxonomy_name: str | None,
    languages: tuple[str, ...],
    validation: float | None,
    seed: int,
    sts_path: str | None,
    force: bool,
    rebuild: bool,
    gate: str | None,
    strategy: str,
    as_json: bool,
    **overrides: Any,
) -> int:
    """Fine-tune the encoder on labels; keep it if it is better.

    The labels are the taxonomy's. Concepts that were held out decide: the encoder is kept as usable only if it finds
    them better than before and its general ability holds; else it is kept as rejected, exit code 1, and nothing in use
    changes. A run that was killed goes on where it stopped when started again; Ctrl-C keeps the best so far.

    \b
    Examples:
      jobsearch tune --rebuild
      jobsearch tune --pairs my_pairs.csv --name mine --rebuild
      jobsearch tune --teacher teacher.safetensors --rebuild
    """
    from pathlib import Path

    from jobsearch.encoder.library import find_weights, models_directory
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.text import default_case
    from jobsearch.tuning.data import recipe_pairs
    from jobsearch.tuning.distribution import check_recipe, find_distribution
    from jobsearch.tuning.models import check_model_name, next_model_name
    from jobsearch.tuning.recipes import find_recipe

    for given, other in (("epochs", "steps"), ("steps", "epochs")):
        if overrides[given] is not None and overrides[other] is None:
            overrides[other] = 0  # the recipe's own limit would come before the one asked for
    recipe = find_recipe(recipe_name, **overrides)
    check_recipe(strategy, recipe)
    name = name or next_model_name()
    check_model_name(name)
    if gate and not rebuild:
        raise click.UsageError("--gate needs --rebuild")
    options = build_options(gate=gate)  # read now: a mistake in it must not come after minutes of training
    teacher = None
    if teacher_path:
        from jobsearch.tuning.teacher import read_teacher

        teacher = read_teacher(Path(teacher_path))
    distribution = find_distribution(strategy, tell=say)
    # Only now: these start TensorFlow, and then no cluster can be joined any more.
    from jobsearch.tuning.general import general_check
    from jobsearch.tuning.tune import train_along
    from jobsearch.tuning.tune import tune as run

    general = general_check(Path(sts_path) if sts_path else None)
    with show_progress() as progress:
        progress("reading pairs", 0, 0)
        data_options: dict[str, Any] = {"languages": list(languages)}
        if pairs_path:
            from jobsearch.tuning.pairs_file import read_pairs

            pairs, source = read_pairs(Path(pairs_path), validation=validation, seed=seed), pairs_path
            pairs, among = _among_labels(pairs, taxonomy_name)
            data_options |= among
            spoken: tuple[str, ...] = ("en",)
        else:
            from jobsearch.taxonomy.library import active_name, find_taxonomy

            validation = 0.1 if validation is None else validation
            source = taxonomy_name or active_name()
            taxonomy = find_taxonomy(source)
            spoken = languages or taxonomy.languages
            pairs = recipe_pairs(
                taxonomy, recipe, languages=languages, validation=validation, seed=seed, progress=progress
            )
        recipe = _fitted(recipe, pairs, [name for name, value in overrides.items() if value is not None])
        encoder: WeightSet | Encoder | None = None
        if base is None and pairs_path and recipe.loss == "contrastive":
            encoder = _weights_in_use(taxonomy_name, case)
        if encoder is None:
            base = base or BASE_NAME
            if case is None and (base == BASE_NAME or "://" in base):
                case = default_case(spoken)
            encoder = find_weights(base, case)
        if not distribution.is_chief:
            train_along(
                encoder, pairs, recipe, distribution=distribution, teacher=teacher, seed=seed, progress=progress
            )
            return 0
        _announce(name, recipe, pairs, source)
        if teacher is not None:
            both = "; two students, one after the other" if 0 < recipe.taught < 1 else ""
            say(f"Teacher: {teacher.name}, with {len(teacher.texts):,} texts{both}.")
        tuned = run(
            encoder,
            pairs,
            recipe,
            name=name,
            models=models_directory(),
            general=general,
            data_source=source,
            data_options={**data_options, "held_out_share": validation},
            teacher=teacher,
            seed=seed,
            force=force,
            progress=progress,
            on_validation=_print_validation,
            tell=say,
            distribution=distribution,
        )
    if as_json:
        print_json({**tuned.record, "directory": str(tuned.directory)})
    else:
        _print_result(tuned)
    if not tuned.usable:
        click.echo(f"Error: {name!r} was rejected: {tuned.gate.reason} Nothing in use was changed.", err=True)
        return 1
    if rebuild:
        from jobsearch.taxonomy.library import active_name

        build(taxonomy_name or active_name(), taxonomy_name, name, None, options)
    else:
        _tell_of_what_is_in_use(tuned)
        click.echo(f"`jobsearch index build --encoder {name}` puts it into use.", err=True)
    return 0


def _weights_in_use(taxonomy_name: str | None, case: Case | None) -> WeightSet | None:
    """Return the weights that searches of a taxonomy use, if they can be trained and their case is known.

    Who has pairs of their own wants what is in use to get better; who tunes on a taxonomy makes an encoder of it.
    """
    from jobsearch.cli.building import as_before
    from jobsearch.encoder.library import default_encoder, find_weights
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.weights import WeightSet
    from jobsearch.errors import EncoderError, IndexingError, TaxonomyError
    from jobsearch.taxonomy.library import active_name, find_taxonomy

    with contextlib.suppress(IndexingError, EncoderError, TaxonomyError):
        name = taxonomy_name or active_name()
        _, used, case = as_before(name, None, None, case)
        used = used or default_encoder(find_taxonomy(name).languages)
        if used == BASE_NAME and case is None:
            return None  # what its case is to be depends on the pairs
        found = find_weights(used, case)
        if isinstance(found, WeightSet):  # others cannot be trained, or not as this one
            if used != BASE_NAME:
                say(f"Beginning with {used!r}, which searches use; --base names another.")
            return found
    return None


def _among_labels(pairs: PairSet, taxonomy_name: str | None) -> tuple[PairSet, dict[str, str]]:
    """Return the pairs with the labels of a taxonomy that knows their names, and what the record says of it."""
    from jobsearch.errors import TaxonomyError
    from jobsearch.taxonomy.library import active_name, find_taxonomy
    from jobsearch.tuning.known_names import among_labels

    name = taxonomy_name or active_name()
    try:
        taxonomy = find_taxonomy(name)
    except TaxonomyError:
        if taxonomy_name:
            raise
        return pairs, {}  # pairs need none
    found = among_labels(pairs, taxonomy)
    if not found.labels:
        return pairs, {}
    say(f"Most names in it are labels of {name}: held-out titles are looked for among all of those.")
    return found, {"among": name}


def _fitted(recipe: Recipe, pairs: PairSet, asked: list[str]) -> Recipe:
    """Return the recipe as it suits few pairs; say what that changes."""
    from jobsearch.tuning.batches import fitting

    fitted = fitting(recipe, pairs, asked)
    wanted, there = ((one.pair_batch if recipe.loss == "joint" else one.batch) for one in (recipe, fitted))
    if there != wanted:
        say(f"There are fewer training pairs than a batch of {wanted}: each step takes all {there}.")
    if fitted.steps != recipe.steps:
        say(f"{fitted.epochs} passes over so few pairs are {fitted.steps} steps; --steps asks for more.")
    return fitted


def _announce(name: str, recipe: Recipe, pairs: PairSet, source: str) -> None:
    counts = pairs.counts()
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts["training"].items()))
    say(f"Tuning {name!r} by recipe {recipe.name!r} on {source}: {recipe.summary}.")
    say(f"Pairs: {len(pairs.training):,} ({kinds}); held out: {len(pairs.validation):,}.")


def _print_validation(record: dict[str, Any]) -> None:
    trained = f", training loss {record['training_loss']:.4f}" if "training_loss" in record else " (base)"
    best = "  best so far" if record["best"] and record["step"] else ""
    say(f"step {record['step']:>5}: held-out MRR {record['mrr']:.4f}, loss {record['loss']:.4f}{trained}{best}")


def _print_result(tuned: Tuned) -> None:
    from jobsearch.cli.render import console, plain_table, print_pairs

    gate, record = tuned.gate, tuned.record
    table = plain_table("", "base", "tuned", "")
    table.add_row(
        f"held-out MRR, {gate.queries:,} queries",
        f"{gate.mrr_base:.4f}",
        f"{gate.mrr_tuned:.4f}",
        f"{gate.difference:+.4f} ({gate.interval[0]:+.4f} to {gate.interval[1]:+.4f}), p = {gate.p_value:.3f}",
    )
    table.add_row(
        gate.general_check,
        f"{gate.general_base:.4f}",
        f"{gate.general_tuned:.4f}",
        f"may fall by {gate.tolerance:g}",
    )
    console().print(table)
    click.echo()
    print_pairs(_result_lines(tuned, record))


def _tell_of_what_is_in_use(tuned: Tuned) -> None:
    """Say so where the index in use is by another encoder than the base: the verdict compares with the base alone."""
    from jobsearch.errors import IndexingError
    from jobsearch.index.manifest import Manifest
    from jobsearch.index.versions import IndexDirectory
    from jobsearch.taxonomy.library import active_name

    directory = IndexDirectory.named(active_name())
    with contextlib.suppress(IndexingError):
        encoder = Manifest.read(directory.version_path(directory.current()), directory.mend).encoder
        if encoder["fingerprint"] != tuned.record["base"]["fingerprint"]:
            names = f"--encoder {encoder['name']} --encoder {tuned.record['name']}"
            click.echo(
                f"It was measured against its base, {tuned.record['base']['name']!r}; the index in use is by "
                f"{encoder['name']!r}. Which finds more: `jobsearch evaluate retrieval SET {names}`.",
                err=True,
            )


def _result_lines(tuned: Tuned, record: Any) -> Iterator[tuple[str, str]]:
    yield "Verdict", f"{tuned.gate.verdict}: {tuned.gate.reason}"
    yield (
        "Training",
        (
            f"{record['steps']:,} steps, {record['ending']}, best at step {record['best_step']:,}; "
            f"share of tuned weights {record['share']:g}"
        ),
    )
    yield "Kept in", str(tuned.directory)
    yield "Report", f"`jobsearch report {tuned.record['name']}` tells all of it in one HTML file, with pictures"
