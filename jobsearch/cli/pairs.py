"""`jobsearch pairs`: training pairs from the taxonomy, in the tutorial's format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobsearch.cli.common import json_option, languages_option, print_json, show_progress
from jobsearch.cli.pairs_teacher import ask_teacher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobsearch.encoder.protocol import Encoder
    from jobsearch.tuning.pair import Pair, PairSet
    from jobsearch.tuning.pairs import PairOptions

_EXAMPLES = 2
_LONGEST = 56
# Field of `PairOptions` and the source of the pairs that it counts.
_KINDS = {
    "descriptions": "description",
    "names": "name",
    "translations": "translation",
    "neighbours": "neighbour",
    "unrelated": "unrelated",
    "hard": "hard",
}


@click.command()
@click.option("--out", required=True, metavar="FILE", help="File to write: base,ref,similarity.")
@click.option("--descriptions", type=int, metavar="N", help="Label and own description, 1.0. Default: all.")
@click.option("--names", type=int, metavar="N", help="Two names of one concept, 0.7468. Default: all.")
@click.option("--translations", type=int, metavar="N", help="The same across languages. Default: one a name.")
@click.option("--neighbours", type=int, metavar="N", help="Neighbouring occupations, 0.7468. Default: all.")
@click.option("--unrelated", type=int, metavar="N", help="Unrelated names, 0.5. Default: as many as all above.")
@click.option("--hard", type=int, default=0, metavar="N", help="Unrelated, yet near for the encoder. Default: none.")
@click.option("--graded", is_flag=True, help="Add finer grades, 0.5319 to 0.6667: ISCO distance, skills, hierarchy.")
@languages_option
@click.option("--taxonomy", "taxonomy_name", metavar="NAME", help="Taxonomy to use. Default: the one in use.")
@click.option(
    "--encoder",
    "encoder_name",
    default="use",
    show_default=True,
    metavar="NAME|PATH|HANDLE",
    help="Encoder that finds hard negatives (see index build).",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 0.5),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Share of concepts to hold out.",
)
@click.option("--seed", default=0, show_default=True, metavar="N", help="Equal seeds give equal files.")
@click.option("--teacher", metavar="MODEL", help="Instead: what this encoder sees in labels and texts, for tune.")
@click.option("--texts", "texts_paths", multiple=True, metavar="FILE", help="With --teacher: more texts, one a line.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@json_option
def pairs(
    out: str,
    teacher: str | None,
    texts_paths: tuple[str, ...],
    languages: tuple[str, ...],
    taxonomy_name: str | None,
    encoder_name: str,
    validation: float,
    seed: int,
    force: bool,
    as_json: bool,
    **counts: Any,
) -> None:
    """Make training pairs from the taxonomy.

    A pair is two texts and their similarity. Pairs of concepts that are held out go to FILE's name with
    `.validation.csv`; no concept and no text is in both files. Unrelated pairs share no concept, label, ISCO group,
    relation or telling word. `jobsearch tune --pairs FILE` trains on them.

    With --teacher FILE holds no pairs but what a stronger encoder sees: its vectors of all labels and of the texts
    given, and which are near each other. `jobsearch tune --teacher FILE` learns from it.

    \b
    Examples:
      jobsearch pairs --out data/training_data.csv
      jobsearch pairs --out pairs.csv --names 20000 --unrelated 5000 --hard 5000 --seed 7
      jobsearch pairs --teacher st:all-MiniLM-L6-v2 --texts titles.txt --out teacher.safetensors
    """
    from pathlib import Path

    target = Path(out).expanduser()
    if teacher:
        _check_free(force, target)
        ask_teacher(target, teacher, languages, taxonomy_name, texts_paths, as_json)
        return
    if texts_paths:
        raise click.UsageError("--texts needs --teacher")
    from jobsearch.taxonomy.library import active_name, find_taxonomy
    from jobsearch.taxonomy.split import split_concepts
    from jobsearch.tuning.pairs import PairOptions, generate_pairs
    from jobsearch.tuning.pairs_file import validation_path, write_pairs

    _check_free(force, target, *([validation_path(target)] if target.name else []))
    options = PairOptions(languages=languages, seed=seed, **counts)
    name = taxonomy_name or active_name()
    with show_progress() as progress:
        progress("reading labels", 0, 0)
        taxonomy = find_taxonomy(name)
        encoder = _encoder(encoder_name, languages or taxonomy.languages) if options.hard else None
        split = split_concepts(taxonomy, validation=validation, seed=seed)
        made = generate_pairs(taxonomy, options, split, encoder, progress)
        progress("writing", 0, 0)
        path, beside = write_pairs(target, made)
    _warn_of_fewer(options, made, name)
    if as_json:
        print_json(
            {
                "file": str(path),
                "validation_file": str(beside),
                "taxonomy": name,
                "seed": seed,
                "digest": made.digest,
                "counts": made.counts(),
                "examples": {
                    source: [{"base": p.base, "ref": p.ref, "similarity": p.similarity} for p in examples]
                    for source, examples in _examples(made).items()
                },
            }
        )
        return
    _print(made)
    click.echo(f"\n{path}: {len(made.training):,} pairs; {beside}: {len(made.validation):,} held out.")


def _check_free(force: bool, *files: Path) -> None:
    """Raise a TuningError if a file is there, in which somebody may have put pairs of his own."""
    from jobsearch.errors import TuningError
    from jobsearch.files import there_already

    for file in files:
        if file.is_file() and not force:
            raise TuningError(there_already(file))


def _encoder(name: str, languages: Sequence[str]) -> Encoder:
    from jobsearch.encoder.library import find_encoder
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.text import default_case

    return find_encoder(name, default_case(languages) if name == BASE_NAME else None)


def _warn_of_fewer(options: PairOptions, made: PairSet, taxonomy: str) -> None:
    counts = made.counts()
    for field, source in _KINDS.items():
        wanted = getattr(options, field)
        there = sum(side.get(source, 0) for side in counts.values())
        if wanted and there < wanted:
            click.echo(f"Warning: asked for {wanted:,} {field}, {taxonomy} gives {there:,}", err=True)


def _examples(made: PairSet) -> dict[str, list[Pair]]:
    """Return some training pairs of each source: the first, and one from the middle."""
    found: dict[str, list[Pair]] = {}
    for pair in made.training:
        found.setdefault(pair.source, []).append(pair)
    return {source: of[:: max(1, -(-len(of) // _EXAMPLES))][:_EXAMPLES] for source, of in found.items()}


def _print(made: PairSet) -> None:
    from rich.markup import escape

    from jobsearch.cli.render import console, plain_table

    counts = made.counts()
    table = plain_table("Kind", "Training", "Held out")
    for column in (1, 2):
        table.columns[column].justify = "right"
    for source in _examples(made):
        table.add_row(source, *(f"{counts[side].get(source, 0):,}" for side in ("training", "validation")))
    console().print(table)
    click.echo()
    table = plain_table("Kind", "Similarity", "Base", "Ref")
    for source, shown in _examples(made).items():
        for pair in shown:
            table.add_row(source, f"{pair.similarity:.4f}", escape(_short(pair.base)), escape(_short(pair.ref)))
    console().print(table)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"
