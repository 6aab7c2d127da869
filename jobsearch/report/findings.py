"""The page's parts on what tuning is worth: verdict, figures before and after, queries won and lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jobsearch.evaluation.history import Entry
from jobsearch.report.forest import Difference
from jobsearch.report.markup import Html, Section, items, joined, paragraph, table, tag
from jobsearch.report.measured import Case, Measured, PairCase, RetrievalMeasured, StsMeasured

# What the history's table has room for.
_HEADLINES = {"sts": ("pearson", "spearman"), "retrieval": ("mrr", "recall@5", "recall@10")}
_VERDICTS = {
    "accepted": "Accepted",
    "rejected": "Rejected: not in use",
    "forced": "Rejected by the gate, kept by --force",
}


def verdict_mark(gate: Mapping[str, Any]) -> Html:
    """Return the verdict in a word or two, framed."""
    return tag("span", _VERDICTS.get(gate["verdict"], gate["verdict"]), klass="verdict")


def verdict(gate: Mapping[str, Any], base: str, tuned: str) -> Section:
    """Return what the gate saw and said.

    Args:
        gate: of the record.
        base, tuned: names of the encoders.
    """
    rows = [
        [
            f"held-out MRR: {gate['queries']:,} names that training never saw, ranked among {gate['labels']:,} labels",
            number(gate["mrr_base"]),
            number(gate["mrr_tuned"]),
            signed(gate["difference"]),
            interval(*gate["interval"]),
            number(gate["p_value"]),
        ],
        [
            f"general ability: {gate['general_check']}",
            number(gate["general_base"]),
            number(gate["general_tuned"]),
            signed(gate["general_tuned"] - gate["general_base"]),
            "not recorded",
            "not recorded",
        ],
    ]
    return Section(
        "verdict",
        "The gate’s verdict",
        joined(
            [
                paragraph(
                    "A tuned encoder is put into use only if the interval of the difference in held-out MRR lies above "
                    f"0 and its general ability falls by no more than {gate['tolerance']:g}."
                ),
                table("What the tuning run measured at its end.", _heads(base, tuned), rows),
            ]
        ),
    )


def gate_difference(gate: Mapping[str, Any]) -> Difference:
    """Return the gate's difference, for the picture."""
    low, high = gate["interval"]
    return Difference("held-out concepts (gate)", "MRR", gate["mrr_base"], gate["mrr_tuned"], low, high)


def set_difference(measured: Measured) -> Difference:
    """Return a set's difference, for the picture."""
    paired = measured.paired
    name = {"mrr": "MRR", "pearson": "Pearson"}.get(paired.metric, paired.metric)
    before, after = measured.base.metrics[paired.metric], measured.tuned.metrics[paired.metric]
    return Difference(measured.base.set_name, name, before, after, paired.interval.low, paired.interval.high)


def before_after(
    measured: Sequence[Measured], past: Sequence[Entry], base: str, tuned: str, picture: Html, could: Sequence[Html]
) -> Section:
    """Return the figures on all sets.

    Args:
        measured: what was measured for this report.
        past: what the history has of either encoder.
        base, tuned: names of the encoders.
        picture: of the differences.
        could: which sets could be added.
    """
    parts = [picture]
    for one in measured:
        parts.append(tag("h3", one.base.set_name))
        parts.append(_figures(one, base, tuned))
    if not measured:
        parts.append(paragraph("No set was measured for this report: see the gate’s figures above."))
    if past:
        parts.append(_history(past))
    parts += [tag("h3", "What could be added"), items(could)]
    return Section("before-after", "Before and after", joined(parts))


def _figures(one: Measured, base: str, tuned: str) -> Html:
    if isinstance(one, RetrievalMeasured):
        caption = f"{one.base.n:,} queries, {one.base.concepts:,} things to find by {one.base.labels:,} labels"
        left_out = "; ".join(f"{count:,} × {reason}" for reason, count in one.base.dropped.items())
        caption += f" (left out: {left_out})." if left_out else "."
    else:
        caption = f"{one.base.n:,} sentence pairs."
    rows = []
    for name, value in one.base.metrics.items():
        after = one.tuned.metrics[name]
        tested = name == one.paired.metric
        rows.append(
            [
                name,
                _with_interval(value, one.base.intervals[name].low, one.base.intervals[name].high),
                _with_interval(after, one.tuned.intervals[name].low, one.tuned.intervals[name].high),
                signed(after - value),
                interval(one.paired.interval.low, one.paired.interval.high) if tested else "",
                number(one.paired.p_value) if tested else "",
            ]
        )
    return table(caption, _heads(base, tuned), rows)


def won_and_lost(
    measured: Sequence[Measured], pictures: Sequence[Html], base: str, tuned: str, missing: str = ""
) -> Section:
    """Return the queries, or pairs, that changed most.

    Args:
        measured: what was measured for this report.
        pictures: of the change of ranks, one for each of `measured`; may be empty.
        base, tuned: names of the encoders.
        missing: why the gate's own queries are not among them.
    """
    parts: list[Html] = []
    if missing:
        parts.append(paragraph(f"A tuning run keeps no single queries, and the gate’s cannot be shown. {missing}"))
    for one, picture in zip(measured, pictures, strict=True):
        parts.append(tag("h3", one.base.set_name))
        if isinstance(one, RetrievalMeasured):
            parts += [*_counted(one, tuned), picture, *_queries(one, base, tuned)]
        else:
            parts += _sentences(one, base, tuned)
    if not measured:
        parts.append(paragraph("A report with a set (see “What could be added”) lists its wins and losses here."))
    return Section("queries", "Queries won and lost", joined(parts))


def _counted(one: RetrievalMeasured, tuned: str) -> list[Html]:
    counts = f"higher for {one.won:,} queries, lower for {one.lost:,} and alike for {one.same:,}"
    return [paragraph(f"{tuned} ranks the right answer {counts}.")]


def _queries(one: RetrievalMeasured, base: str, tuned: str) -> list[Html]:
    head = ["Query", "Right answer", f"first by {base}", f"first by {tuned}", f"rank by {base}", f"rank by {tuned}"]

    def shown(caption: str, cases: Sequence[Case]) -> Html:
        rows = [[c.query, c.right, c.base_first, c.tuned_first, f"{c.base_rank:,}", f"{c.tuned_rank:,}"] for c in cases]
        return table(caption, head, rows, words=4) if rows else paragraph(f"{caption} None.")

    return [
        shown("The biggest wins, by the factor that the rank changed by.", one.wins),
        shown("The biggest losses, likewise.", one.losses),
    ]


def _sentences(one: StsMeasured, base: str, tuned: str) -> list[Html]:
    head = ["Sentence", "Other sentence", "people", base, tuned]

    def shown(caption: str, cases: Sequence[PairCase]) -> Html:
        rows = [[c.first, c.second, *(f"{v:.2f}" for v in (c.people, c.base, c.tuned))] for c in cases]
        return table(caption, head, rows, words=2) if rows else paragraph(f"{caption} None.")

    scale = "On people’s scale, 0 to 5; cosines are put onto it by a straight line."
    return [
        shown(f"The biggest wins: pairs that came nearest to what people say. {scale}", one.wins),
        shown(f"The biggest losses: pairs that went farthest away from it. {scale}", one.losses),
    ]


def _history(past: Sequence[Entry]) -> Html:
    rows = []
    for entry in past:
        shown = _HEADLINES.get(entry.task, tuple(entry.metrics))
        figures = ", ".join(f"{name} {entry.metrics[name]:.4f}" for name in shown if name in entry.metrics)
        rows.append([entry.set_name, entry.encoder, figures, f"{entry.n:,}", entry.time[:16].replace("T", " ")])
    caption = "The newest figure of each encoder and set, by an evaluation or an earlier report; no intervals are kept."
    head = ["Set", "Encoder", "Figures", "n", "Time (UTC)"]
    return joined([tag("h3", "Measured before"), table(caption, head, rows, words=3)])


def _heads(base: str, tuned: str) -> list[str]:
    return ["figure", base, tuned, "difference", "its 95 % interval", "p"]


def _with_interval(value: float, low: float, high: float) -> Html:
    return Html(f'{number(value)} <span class="quiet">({number(low)} to {number(high)})</span>')


def number(value: float) -> str:
    """Write a figure with four decimals."""
    return f"{value:.4f}" if math.isfinite(value) else "no number"


def signed(value: float) -> str:
    """Write a difference with four decimals and its sign."""
    return f"{value:+.4f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """Write the interval of a difference."""
    return f"{signed(low)} to {signed(high)}"
