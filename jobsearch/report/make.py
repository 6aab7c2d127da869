"""Making a report: measure, look around, draw, and lay out the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import jobsearch
from jobsearch.encoder.protocol import Encoder
from jobsearch.evaluation.history import Entry, read_history
from jobsearch.evaluation.report import column_names
from jobsearch.evaluation.retrieval import RetrievalSet
from jobsearch.evaluation.similarity import similarity_matrix
from jobsearch.evaluation.sts import StsSet
from jobsearch.progress import Progress, silent
from jobsearch.report.around import Around, look_around
from jobsearch.report.canvas import Picture, draw
from jobsearch.report.curves import recorded_runs, training_curves
from jobsearch.report.findings import before_after, gate_difference, set_difference, verdict, verdict_mark, won_and_lost
from jobsearch.report.forest import differences
from jobsearch.report.held_out import HeldOut
from jobsearch.report.lineage import Subject
from jobsearch.report.markup import Html, Section, document, image, joined, paragraph, tag, text
from jobsearch.report.measured import Measured, RetrievalMeasured, measure
from jobsearch.report.movement import rank_changes, rank_movement
from jobsearch.report.neighbourhood import neighbourhood_map
from jobsearch.report.origins import data, glossary, lineage, training
from jobsearch.report.similarity import similarity_heatmap
from jobsearch.taxonomy.model import ATTRIBUTION, Taxonomy


@dataclass(frozen=True, eq=False)
class Report:
    """A report that is ready to be written.

    Args:
        html: the page.
        pictures: all that are on it, in order.
        measured: base and tuned on each set.
        around: what lies around the queries.
        letters_missing: whether boxes stand for letters on some picture.
    """

    html: str = field(repr=False)
    pictures: tuple[Picture, ...]
    measured: tuple[Measured, ...]
    around: tuple[Around, ...]
    letters_missing: bool


@dataclass(frozen=True, eq=False)
class _Compared:
    """The encoders' names on the page, and all that was found out about them.

    `gate_counts`: the recorded difference is one more row, of these two encoders and not measured again.
    """

    subject: Subject
    before: str
    after: str
    gate_counts: bool
    measured: tuple[Measured, ...]
    around: tuple[Around, ...]
    heatmap: Picture
    data: str


def make_report(
    subject: Subject,
    base: Encoder,
    tuned: Encoder,
    taxonomy: Taxonomy,
    held_out: HeldOut,
    sets: Sequence[StsSet | RetrievalSet] = (),
    queries: Sequence[str] = (),
    progress: Progress = silent,
) -> Report:
    """Make a tuned encoder's report; nothing is written.

    Args:
        subject: the tuned encoder, with its record.
        base, tuned: what to compare.
        taxonomy: among whose occupations the queries are asked.
        held_out: the gate's queries, to measure both on first, or why there are none.
        sets: what else to measure both on; may be none.
        queries: what to draw neighbourhoods of; may be none.
        progress: told of the steps.

    Raises:
        EvaluationError: an encoder cannot be measured, or the history not be read.
    """
    past = read_history().entries
    compared = _compare(subject, base, tuned, taxonomy, held_out, sets, queries, progress)
    pictures = _pictures(compared)
    drawn: dict[str, Html] = {}
    missing = False
    for number, picture in enumerate(pictures):
        progress("drawing", number, len(pictures))
        svg = draw(picture.figure, "svg")
        missing |= svg.letters_missing
        drawn[picture.name] = image(svg.content, picture.alternative, picture.title, picture.caption)
    progress("drawing", len(pictures), len(pictures))
    measured_now = {one.base.set_name for one in compared.measured}
    older = [
        entry for entry in _newest(past, (base.fingerprint, tuned.fingerprint)) if entry.set_name not in measured_now
    ]
    html = _page(compared, drawn, older, held_out.missing)
    return Report(html, tuple(pictures), compared.measured, compared.around, missing)


def _compare(
    subject: Subject,
    base: Encoder,
    tuned: Encoder,
    taxonomy: Taxonomy,
    held_out: HeldOut,
    sets: Sequence[StsSet | RetrievalSet],
    queries: Sequence[str],
    progress: Progress,
) -> _Compared:
    gate = [held_out.queries] if held_out.queries is not None else []
    measured = tuple(measure(one, base, tuned, progress) for one in [*gate, *sets])
    around = tuple(look_around(base, tuned, taxonomy, queries, progress)) if queries else ()
    matrices = similarity_matrix(base), similarity_matrix(tuned)
    before, after = column_names(matrices)
    if subject.name != before:
        after = subject.name  # as the user calls it
    return _Compared(
        subject,
        before,
        after,
        not gate and base.fingerprint == subject.record["base"]["fingerprint"],
        measured,
        around,
        similarity_heatmap(*matrices, before, after),
        f"the occupations of {taxonomy.source.name}",
    )


def _pictures(compared: _Compared) -> list[Picture]:
    """Return all pictures; their names say where on the page they belong."""
    record, before, after = compared.subject.record, compared.before, compared.after
    found = []
    rows = [set_difference(one) for one in compared.measured]
    if compared.gate_counts:
        rows.insert(0, gate_difference(record["gate"]))
    if rows:
        found.append(differences(rows, before, after))
    for number, one in enumerate(compared.measured):
        if isinstance(one, RetrievalMeasured):
            found.append(rank_changes(one.base.set_name, one.base.ranks, one.tuned.ranks, f"ranks-{number}"))
    runs = recorded_runs(record)
    if runs:
        found.append(training_curves(runs, compared.subject.name, record["data"]["source"]))
    found.append(compared.heatmap)
    for number, near in enumerate(compared.around):
        found.append(neighbourhood_map(near.neighbours, before, after, compared.data, f"map-{number}"))
        found.append(rank_movement(near.query, near.moves, near.k, before, after, compared.data, f"moves-{number}"))
    return found


def _page(compared: _Compared, drawn: dict[str, Html], past: Sequence[Entry], missing: str) -> str:
    subject, before, after = compared.subject, compared.before, compared.after
    measured, record = compared.measured, compared.subject.record

    def those(*beginnings: str) -> Html:
        return joined(html for name, html in drawn.items() if name.startswith(beginnings))

    ranks = [drawn.get(f"ranks-{number}", Html()) for number in range(len(measured))]
    sections = [
        verdict(record["gate"], record["base"]["name"], after),
        before_after(measured, past, before, after, those("differences"), _could_be_added(subject.name)),
        won_and_lost(measured, ranks, before, after, missing),
        training(record, those("training")),
        Section("similarity", "Similarity of titles", those("similarity")),
    ]
    if compared.around:
        sections.append(Section("neighbourhoods", "Neighbourhoods and how hits moved", those("map-", "moves-")))
    sections += [data(record), lineage(subject), glossary()]
    title = f"{subject.name}: what tuning changed"
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return document(title, style, _top(title, compared), sections, _bottom())


def _newest(entries: Sequence[Entry], fingerprints: tuple[str, str]) -> list[Entry]:
    """Return the newest entry of each encoder, task and set that either encoder has, by set, the base's first."""
    newest = {
        (entry.set_name, entry.task, entry.fingerprint): entry
        for entry in entries
        if entry.fingerprint in fingerprints and entry.task != "similarity"
    }
    return [newest[key] for key in sorted(newest, key=lambda key: (key[1], key[0], fingerprints.index(key[2])))]


def _top(title: str, compared: _Compared) -> Html:
    record = compared.subject.record
    made = f"Tuned from {record['base']['name']} on {record['data']['source']}, {str(record['created'])[:10]}."
    summary = joined([verdict_mark(record["gate"]), text(record["gate"]["reason"])])
    names = f"Pictures and sets compare {compared.before} with {compared.after}."
    return joined([tag("h1", title), paragraph(f"{made} {names}"), paragraph(summary, klass="summary")])


def _bottom() -> Html:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return paragraph(
        f"Made by jobsearch {jobsearch.__version__}, {now}. One file, which loads nothing from elsewhere. {ATTRIBUTION}"
    )


def _could_be_added(name: str) -> list[Html]:
    def line(what: str, arguments: str) -> Html:
        return joined([text(f"{what}:"), tag("code", f"jobsearch report {name} --force {arguments}")])

    return [
        line("sentence pairs with grades, to see that general ability holds", "--sets stsb-en-dev.csv"),
        line("a MELO folder: occupations of a national list to be found in ESCO", "--sets melo-usa_q_en_c_en"),
        line("vacancy titles of your own, a CSV with vacancyTitle,conceptUri", "--sets titles.csv"),
        line("what lies around a title of your choice", '--queries "data scientist"'),
    ]
