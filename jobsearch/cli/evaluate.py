"""`jobsearch evaluate`: figures and pictures for one or two encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobsearch.cli.common import json_option, kind_named, print_json, read_language, show_progress, write_output
from jobsearch.cli.evaluate_confidence import confidence
from jobsearch.cli.groups import HelpfulGroup
from jobsearch.errors import StorageError

if TYPE_CHECKING:
    from jobsearch.encoder.protocol import Encoder
    from jobsearch.encoder.text import Case
    from jobsearch.evaluation.records import Evaluated
    from jobsearch.evaluation.report import Measured
    from jobsearch.evaluation.retrieval import RetrievalSet
    from jobsearch.evaluation.scales import Panel
    from jobsearch.evaluation.similarity import Measure
    from jobsearch.evaluation.sts_files import Split
    from jobsearch.lexical.fusion import Mode
    from jobsearch.taxonomy.model import Kind

Command = TypeVar("Command", bound=Callable[..., Any])
_MOST_ENCODERS = 2
# What the history's table has room for; --json has all figures.
_HEADLINES = {"sts": ("pearson", "spearman"), "retrieval": ("mrr", "recall@5", "recall@10"), "similarity": ("mean",)}


def _one_or_two(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > _MOST_ENCODERS:
        raise click.UsageError(f"--encoder was given {len(names)} times, expected once or twice")
    return names


def encoder_options(command: Command) -> Command:
    """Add `--encoder` (once or twice), `--case` and `--json`."""
    for option in (
        json_option,
        click.option("--case", metavar="CASE", help="keep, lower or lower-caps. Default: the encoder's own."),
        click.option(
            "--encoder",
            "names",
            multiple=True,
            callback=_one_or_two,
            default=("use",),
            show_default=True,
            metavar="NAME|PATH|HANDLE",
            help="`use`, a tuned weight set, a SavedModel folder or a TF-Hub address; give two to compare them.",
        ),
    ):
        command = option(command)
    return command


def _one_kind(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Check a kind that held-out concepts can have."""
    kind = kind_named(value)
    if kind not in ("occupation", "skill"):
        raise click.BadParameter(f"{value!r} is not one of 'occupation', 'skill'.", context, parameter)
    return kind


@click.group(cls=HelpfulGroup)
def evaluate() -> None:
    """Measure encoders, compare two, and follow the figures.

    With two encoders the second is compared with the first on the same queries. All figures are added to a history.

    \b
    Examples:
      jobsearch evaluate sts --encoder use --encoder my-tuned
      jobsearch evaluate history
    """


evaluate.add_command(confidence)


@evaluate.command()
@click.argument("paths", nargs=-1, metavar="[PATH]…")
@click.option(
    "--split",
    "splits",
    multiple=True,
    type=click.Choice(("dev", "test", "train")),
    help="Of the archive. Default: dev.",
)
@click.option("--archive-url", metavar="URL", help="Where to fetch the archive, for a mirror.")
@encoder_options
def sts(
    paths: tuple[str, ...],
    splits: tuple[Split, ...],
    archive_url: str | None,
    names: tuple[str, ...],
    case: Case | None,
    as_json: bool,
) -> None:
    """Measure agreement with people on sentence pairs (STS).

    By Pearson and Spearman, of cosine and of angular similarity. PATH is a CSV file `sentence1,sentence2,score` without
    header, or the STS benchmark's TAB file or archive. Without PATH the benchmark's archive is fetched once and kept.

    \b
    Examples:
      jobsearch evaluate sts --split dev --split test
      jobsearch evaluate sts stsb-de-dev.csv --encoder use --encoder my-tuned --json
    """
    from jobsearch.evaluation.report import records
    from jobsearch.evaluation.sts import evaluate_sts
    from jobsearch.evaluation.sts_files import ARCHIVE_BYTES, ARCHIVE_URL, fetch_sts_archive, read_sts

    with show_progress() as progress:
        files = [Path(path).expanduser() for path in paths]
        if not files:
            url, size = (archive_url, None) if archive_url else (ARCHIVE_URL, ARCHIVE_BYTES)
            files = [fetch_sts_archive(url, size, progress)]
        sets = [read_sts(file, split) for file in files for split in splits or (None,)]
        encoders = _find(names, case)
        results = [[evaluate_sts(encoder, pairs, progress) for encoder in encoders] for pairs in sets]
    _remember(result for group in results for result in group)
    if as_json:
        _print_records([record for group in results for record in records(group)])
        return
    for group in results:
        _print_figures(f"{group[0].set_name}: {group[0].n:,} pairs", group)


@evaluate.command()
@click.argument("paths", nargs=-1, metavar="[PATH]…")
@click.option("--held-out", "own", is_flag=True, help="Labels of the taxonomy's held-out concepts, to be found again.")
@click.option("--taxonomy", "taxonomy_name", metavar="NAME", help="Taxonomy. Default: the one in use.")
@click.option(
    "--labels",
    type=click.Choice(("both", "preferred", "all")),
    default="both",
    show_default=True,
    help="Labels to find titles by: preferred ones only, all, or both ways.",
)
@click.option(
    "--kind",
    callback=_one_kind,
    default="occupation",
    show_default=True,
    metavar="KIND",
    help="What --held-out asks for: occupation or skill.",
)
@click.option(
    "--from", "source", callback=read_language, metavar="CODE", help="Language of the --held-out queries, with --to."
)
@click.option(
    "--to", "target", callback=read_language, metavar="CODE", help="Language of the labels to find, with --from."
)
@click.option(
    "--mode",
    type=click.Choice(("meaning", "words", "both")),
    default="meaning",
    show_default=True,
    help="Rank as searching does: by meaning, by words, or by both.",
)
@click.option(
    "--labels-only",
    is_flag=True,
    help="Pass over descriptions and over how many job titles mean each occupation; by meaning: by cosines alone.",
)
@encoder_options
def retrieval(
    paths: tuple[str, ...],
    own: bool,
    taxonomy_name: str | None,
    labels: str,
    kind: Kind,
    source: str | None,
    target: str | None,
    mode: Mode,
    labels_only: bool,
    names: tuple[str, ...],
    case: Case | None,
    as_json: bool,
) -> None:
    """Measure how high the right concept is ranked.

    By MRR, recall@1, 5, 10 and nDCG@10. PATH is a MELO folder, or a CSV file with the columns vacancyTitle,conceptUri,
    whose titles are looked up among the taxonomy's occupations. MELO ranks labels, each by itself; concept_mrr counts
    each concept once, as the hits of a search do. Equal scores count by the mean over their orders. With --json, titles
    are measured with all labels, and with the preferred ones only under `preferred`.

    \b
    Examples:
      jobsearch evaluate retrieval titles.csv --taxonomy esco-1.2.1-en --encoder use --encoder my-tuned
      jobsearch evaluate retrieval --held-out --from de --to en --taxonomy esco-de-en
    """
    if bool(paths) == own:
        raise click.UsageError("name a MELO folder or a CSV file of titles, or give --held-out")
    if (source is None) != (target is None) or (source and not own):
        raise click.UsageError("--from and --to belong together, and to --held-out")
    from jobsearch.evaluation.report import records, records_both_ways
    from jobsearch.evaluation.retrieval import evaluate_retrieval

    with show_progress() as progress:
        sets, languages = _retrieval_sets(
            paths, taxonomy_name, labels, kind, source, target, mode != "words" and not labels_only
        )
        encoders = _find(names, case, languages)
        results = [
            [
                [evaluate_retrieval(encoder, one, progress, mode, not labels_only) for encoder in encoders]
                for one in ways
            ]
            for ways in sets
        ]
    _remember(result for ways in results for group in ways for result in group)
    if as_json:
        both = [records_both_ways(*ways) if len(ways) > 1 else records(ways[0]) for ways in results]
        _print_records([record for group in both for record in group])
        return
    for group in (group for ways in results for group in ways):
        first = group[0]
        _print_figures(f"{first.set_name}: {first.n:,} queries, {first.labels:,} labels", group)
        for reason, count in first.dropped.items():
            click.echo(f"Left out: {reason}: {count:,}", err=True)


@evaluate.command()
@click.argument("titles", nargs=-1, metavar="[TITLE]…")
@click.option("--file", "list_path", metavar="PATH", help="Titles, one a line.")
@click.option("--measure", type=click.Choice(("angular", "cosine")), default="angular", show_default=True)
@click.option("--csv", "csv_path", metavar="OUT", help="Write the numbers as CSV.")
@click.option("--png", "png_path", metavar="OUT", help="Write a heatmap; two encoders share one scale.")
@encoder_options
def similarity(
    titles: tuple[str, ...],
    list_path: str | None,
    measure: Measure,
    csv_path: str | None,
    png_path: str | None,
    names: tuple[str, ...],
    case: Case | None,
    as_json: bool,
) -> None:
    """Show how similar titles are to each other.

    With two encoders it shows what changed. Without TITLE nine titles of different trades are taken. Angular similarity
    is 0.5 for unrelated titles.

    \b
    Examples:
      jobsearch evaluate similarity
      jobsearch evaluate similarity --encoder use --encoder my-tuned --png before-after.png --csv before-after.csv
    """
    from jobsearch.evaluation.report import column_names, similarity_records
    from jobsearch.evaluation.scales import panels
    from jobsearch.evaluation.similarity import DEFAULT_TITLES, panels_csv, similarity_matrix
    from jobsearch.evaluation.text_files import read_text

    if list_path is not None:
        titles += tuple(filter(None, map(str.strip, read_text(Path(list_path).expanduser()).splitlines())))
    elif not titles:
        titles = DEFAULT_TITLES
    encoders = _find(names, case)
    matrices = [similarity_matrix(encoder, titles, measure) for encoder in encoders]
    shown = panels(dict(zip(column_names(matrices), (matrix.values for matrix in matrices), strict=True)))
    _remember(matrices)
    if csv_path is not None:
        write_output(csv_path, panels_csv(shown, titles).encode())
    if png_path is not None:
        from jobsearch.evaluation.plots import heatmap

        picture = heatmap(shown, titles, measure)
        write_output(png_path, picture.png)
        if picture.letters_missing:
            click.echo("Warning: the picture's font lacks letters of some titles; boxes stand for them", err=True)
    if as_json:
        _print_records(similarity_records(matrices))
    else:
        _print_matrices(shown, titles)


@evaluate.command()
@click.option("--task", type=click.Choice(("sts", "retrieval", "similarity")), help="Only this task.")
@click.option("--set", "set_name", metavar="TEXT", help="Only sets with TEXT in their name.")
@json_option
def history(task: str | None, set_name: str | None, as_json: bool) -> None:
    """Show the figures of all evaluations so far, the oldest first.

    \b
    Examples:
      jobsearch evaluate history --task retrieval
      jobsearch evaluate history --set titles --json
    """
    from jobsearch.evaluation.history import history_path, read_history

    found = read_history(task, set_name)
    if found.unreadable:
        click.echo(f"Warning: {found.unreadable} broken lines in {history_path()} were passed over", err=True)
    if as_json:
        print_json([entry.to_dict() for entry in found.entries])
        return
    if not found.entries:
        click.echo("Nothing measured yet; run for example `jobsearch evaluate similarity`.", err=True)
        return
    from rich.markup import escape

    from jobsearch.cli.render import console, plain_table

    table = plain_table("Time (UTC)", "Task", "Set", "n", "Encoder", "Figures")
    table.columns[0].no_wrap = True
    for entry in found.entries:
        shown = _HEADLINES.get(entry.task, entry.metrics)
        figures = "  ".join(f"{name} {entry.metrics[name]:.4f}" for name in shown if name in entry.metrics)
        encoder = f"{entry.encoder} {entry.fingerprint[:8]}"
        time = entry.time[:16].replace("T", " ")
        table.add_row(time, entry.task, escape(entry.set_name), f"{entry.n:,}", escape(encoder), figures)
    console().print(table)


def _find(names: Sequence[str], case: Case | None, languages: Sequence[str] = ()) -> list[Encoder]:
    """Load one or two encoders; `use` gets the case setting that an index in these languages would have."""
    from jobsearch.encoder.library import find_encoder
    from jobsearch.encoder.packaged import BASE_NAME
    from jobsearch.encoder.text import default_case

    suited = default_case(languages) if languages else None
    return [find_encoder(name, case or (suited if name == BASE_NAME else None)) for name in names]


def _retrieval_sets(
    paths: Sequence[str],
    taxonomy_name: str | None,
    labels: str,
    kind: Kind,
    source: str | None,
    target: str | None,
    beside: bool,
) -> tuple[list[list[RetrievalSet]], tuple[str, ...]]:
    """Return the sets, those of one list of titles together, and the taxonomy's languages if it was needed."""
    from jobsearch.evaluation.retrieval_files import read_melo, read_titles
    from jobsearch.evaluation.retrieval_held_out import held_out, held_out_cross_lingual
    from jobsearch.taxonomy.library import find_taxonomy
    from jobsearch.taxonomy.split import split_concepts

    places = [Path(path).expanduser() for path in paths]
    if places and all(place.is_dir() for place in places):
        known = find_taxonomy(taxonomy_name) if beside else None
        return [[read_melo(place, known)] for place in places], ()
    taxonomy = find_taxonomy(taxonomy_name)
    if not places:
        split = split_concepts(taxonomy)
        if source is None or target is None:
            one = held_out(taxonomy, split, kind=kind, beside=beside)
        else:
            one = held_out_cross_lingual(taxonomy, split, source, target, kind=kind, beside=beside)
        return [[one]], taxonomy.languages
    ways = {"both": (False, True), "preferred": (False,), "all": (True,)}[labels]
    sets = [
        [read_melo(place, taxonomy)] if place.is_dir() else [read_titles(place, taxonomy, way) for way in ways]
        for place in places
    ]
    if not beside:
        sets = [[one.labels_only() for one in own] for own in sets]
    return sets, taxonomy.languages


def _remember(results: Iterable[Evaluated]) -> None:
    from jobsearch.evaluation.history import remember

    try:
        for result in results:
            remember(result)
    except StorageError as error:
        click.echo(f"Warning: these figures are not in the history: {error}", err=True)


def _print_records(found: list[dict[str, Any]]) -> None:
    print_json(found[0] if len(found) == 1 else found)


def _print_figures(heading: str, group: Sequence[Measured]) -> None:
    from rich.markup import escape

    from jobsearch.cli.render import console, plain_table
    from jobsearch.evaluation.report import figure_rows

    head, *rows = figure_rows(group)
    table = plain_table(*map(escape, head))
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    for row in rows:
        table.add_row(*row)
    console().print(f"[bold]{escape(heading)}[/bold]", table, sep="\n")


def _print_matrices(shown: Sequence[Panel], titles: Sequence[str]) -> None:
    """Print tables of numbers on coloured ground; titles are named in the rows and numbered in both."""
    from rich.markup import escape
    from rich.table import Table

    from jobsearch.cli.render import console
    from jobsearch.evaluation.scales import ink

    for panel in shown:
        table = Table(box=None, pad_edge=False, padding=0, header_style="dim")
        table.add_column("", no_wrap=True, max_width=40)
        for number in range(1, len(titles) + 1):
            table.add_column(f"{number} ", justify="right", no_wrap=True)
        for number, (title, row) in enumerate(zip(titles, panel.values.tolist(), strict=True), start=1):
            cells = []
            for value in row:
                red, green, blue = ground = panel.scale.colour(value)
                cells.append(f"[{ink(ground)} on rgb({red},{green},{blue})]{panel.scale.text(value):>5} [/]")
            table.add_row(f"{number:>2} {escape(title)} ", *cells)
        console().print(f"[bold]{escape(panel.name)}[/bold]", table, sep="\n")
