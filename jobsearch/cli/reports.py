"""How an import or a download is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from jobsearch.cli.render import console, plain_table, print_pairs

if TYPE_CHECKING:
    from jobsearch.taxonomy.report import ImportReport
    from jobsearch.taxonomy.webapi import DownloadReport

_MOST_MISSING = 5


def print_import(report: ImportReport) -> None:
    """Print what an import read, skipped and why."""
    table = plain_table("File", "Language", "Rows", "Used")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for file in report.files:
        table.add_row(escape(file.name), file.language or "", f"{file.rows:,}", f"{file.used:,}")
    console().print(table)
    click.echo()
    print_pairs(_import_lines(report))


def print_download(report: DownloadReport) -> None:
    """Print what a download took and gave; many missing records are counted, the first few named."""
    print_pairs(_download_lines(report))


def _import_lines(report: ImportReport) -> Iterator[tuple[str, str]]:
    yield "Taxonomy", f"{report.name}, ESCO {report.version}"
    yield from _counts(report.counts)
    for language, counts in report.language_counts.items():
        yield language, ", ".join(f"{number:,} {what}" for what, number in counts.items())
    if report.gendered_forms:
        yield "Added", f"{report.gendered_forms:,} single forms of labels that hold both genders"
    if report.duplicates:
        more = ", …" if report.duplicates > len(report.duplicate_uris) else ""
        yield (
            "Repeated",
            f"{report.duplicates} rows of known concepts, the newest counts: "
            + (", ".join(report.duplicate_uris) + more),
        )
    if report.empty_labels or report.repeated_labels:
        yield "Dropped", f"{report.empty_labels:,} empty and {report.repeated_labels:,} repeated labels"
    for skip in report.skipped:
        yield "Skipped", f"{skip.count:,} rows: {skip.reason} ({', '.join(skip.examples)})"
    for file in report.not_used:
        yield "Not used", f"{file.name}: {file.reason}"
    for note in report.notes:
        yield "Note", note


def _download_lines(report: DownloadReport) -> Iterator[tuple[str, str]]:
    yield "ESCO", f"{report.version}, in {', '.join(report.languages)}"
    for listing, number in report.records.items():
        yield listing.capitalize(), f"{number:,} of {report.expected.get(listing, number):,}"
    yield (
        "Requests",
        f"{report.requests:,}, of which {report.retries:,} again; {report.from_cache:,} records kept before",
    )
    for reason, number in report.skipped.items():
        if number:
            yield "Skipped", f"{number:,}: {reason}"
    for missing in report.missing[:_MOST_MISSING]:
        yield "Missing", f"{missing.uri or f'{missing.listing}, row {missing.position}'}: {missing.reason}"
    if len(report.missing) > _MOST_MISSING:
        yield "Missing", f"and {len(report.missing) - _MOST_MISSING:,} more; --json names them all"


def _counts(counts: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    yield "Concepts", f"{counts['occupations']:,} occupations, {counts['skills']:,} skills, {counts['labels']:,} labels"
    strengths = f"{counts['essential']:,} essential, {counts['optional']:,} optional"
    yield "Relations", f"{strengths}, {counts['skill_relations']:,} between skills"
    yield "Groups", f"{counts['groups']:,}"
