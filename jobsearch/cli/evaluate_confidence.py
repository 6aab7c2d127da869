"""`jobsearch evaluate confidence`: whether hits are as often right as they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from jobsearch.cli.common import json_option, kind_option, print_json, show_progress, write_output
from jobsearch.cli.opening import open_engine

if TYPE_CHECKING:
    from jobsearch.evaluation.reliability import Reliability
    from jobsearch.hits import KindFilter
    from jobsearch.lexical.fusion import Mode


@click.command()
@click.argument("path", metavar="TITLES")
@click.option("--off-topic", "off_topic_path", metavar="CSV", help="Texts that are no titles: a column `text`.")
@click.option("--index", "index_name", metavar="NAME", help="Index to search. Default: that of the taxonomy in use.")
@kind_option("occupation")
@click.option("--mode", default="both", show_default=True, metavar="MODE", help="By meaning, words or both.")
@click.option("--plot", "plot_path", metavar="PNG", help="Draw confidence against what is right.")
@json_option
def confidence(
    path: str,
    off_topic_path: str | None,
    index_name: str | None,
    kind: str,
    mode: str,
    plot_path: str | None,
    as_json: bool,
) -> None:
    """Measure whether confidence is right as often as it says.

    And who is told "no good match". TITLES is a CSV file with the columns vacancyTitle and conceptUri: what was asked,
    and the concept that is right.

    \b
    Examples:
      jobsearch evaluate confidence coded_titles.csv --plot reliability.png
      jobsearch evaluate confidence coded_titles.csv --off-topic nonsense.csv --mode meaning --json
    """
    from jobsearch.evaluation.reliability import measure_reliability, read_asked, read_off_topic

    off_topic = read_off_topic(Path(off_topic_path).expanduser()) if off_topic_path else ()
    engine = open_engine(index_name)
    asked = read_asked(Path(path).expanduser(), engine)
    wanted, by = cast("KindFilter", kind), cast("Mode", mode)
    with show_progress() as progress:
        measured = measure_reliability(engine, asked, off_topic, wanted, by, progress)
    if plot_path is not None:
        from jobsearch.evaluation.reliability_plot import reliability_plot

        opened = engine.opened
        title = f"{asked.name} in {opened.name}, version {opened.version}, by {opened.encoder.name}"
        write_output(plot_path, reliability_plot({mode: measured}, title))
    if as_json:
        print_json({"set": asked.name, "index": engine.opened.name, "kind": kind, "mode": mode, **measured.to_dict()})
        return
    if asked.unknown:
        click.echo(f"Left out: title of a concept that the index does not hold, or empty: {asked.unknown:,}", err=True)
    _print(asked.name, measured)


def _print(name: str, measured: Reliability) -> None:
    from jobsearch.cli.render import console, plain_table

    out = console()
    out.print(f"{name}: {measured.titles:,} titles, first hits by confidence", markup=False)
    table = plain_table("Hits", "Confidence", "Right", "95%")
    for column in table.columns:
        column.justify = "right"
    for one in measured.bins:
        interval = f"{one.interval.low:.3f}–{one.interval.high:.3f}"
        table.add_row(f"{one.count:,}", f"{one.confidence:.3f}", f"{one.right:.3f}", interval)
    out.print(table)
    errors = f"{measured.error:.4f} of first hits, {measured.error_ten:.4f} of the first ten"
    out.print(f"Expected calibration error  {errors}; Brier score {measured.brier:.4f}")
    names = {"titles": "titles", "off_topic": "texts off the topic"}
    for side, share in measured.no_match.items():
        if share is not None:
            out.print(f"No good match               {share:.1%} of {names[side]}")
    for good, share in measured.found.items():
        if share is not None:
            out.print(f"Right one among ten hits    {share:.1%} of titles with{'' if good else 'out'} a good match")
