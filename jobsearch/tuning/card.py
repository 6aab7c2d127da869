"""The model card: a tuned encoder's record, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_card(record: Mapping[str, Any]) -> str:
    """Return the card as Markdown.

    Args:
        record: what `tune.tune` recorded.
    """
    gate, data, base = record["gate"], record["data"], record["base"]
    lines = [
        f"# {record['name']}",
        "",
        f"A Universal Sentence Encoder, multilingual, tuned on {data['source']} by the recipe "
        f"`{record['recipe']['name']}`: {record['recipe']['summary']}.",
        "",
        f"**{gate['verdict'].capitalize()}**: {gate['reason']}",
        "",
        "| | base | tuned |",
        "|---|---|---|",
        f"| held-out MRR ({gate['queries']:,} queries, {gate['labels']:,} labels) | {gate['mrr_base']:.4f} "
        f"| {gate['mrr_tuned']:.4f} |",
        f"| {gate['general_check']} | {gate['general_base']:.4f} | {gate['general_tuned']:.4f} |",
        "",
        f"The difference in MRR is {gate['difference']:+.4f}, 95 % interval {gate['interval'][0]:+.4f} to "
        f"{gate['interval'][1]:+.4f}, p = {gate['p_value']:.4f} (paired by query). The general ability may fall by "
        f"{gate['tolerance']:g} at most.",
        "",
        "## How it was made",
        "",
        f"- Base: {base['name']}, fingerprint `{base['fingerprint']}`, case {base['case']}.",
        f"- Data: {data['training']:,} training and {data['validation']:,} validation pairs, digest "
        f"`{data['digest'][:16]}`{_where_looked(data)}.",
        f"- Steps: {record['steps']:,}, {record['ending']}; best checkpoint at step {record['best_step']:,}; seed "
        f"{record['seed']}; {record['seconds']:.0f} s.",
        *_teacher_lines(record.get("teacher")),
        f"- Share of tuned weights: {record['share']:g}.",
        f"- Made with: {', '.join(f'{name} {version}' for name, version in record['made_with'].items())}.",
        "",
        "Shares of tuned weights that were tried:",
        "",
        f"| share | held-out MRR | {gate['general_check']} | holds |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {tried['share']:g} | {tried['mrr']:.4f} | {tried['general']:.4f} | {'yes' if tried['holds'] else 'no'} |"
        for tried in record["tried"]
    ]
    lines += ["", "Recipe:", "", "| value | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in record["recipe"].items() if name not in ("name", "summary")]
    return "\n".join(lines) + "\n"


def _where_looked(data: Mapping[str, Any]) -> str:
    """Return among what held-out titles of one's own pairs were looked for, where that is not the pairs themselves."""
    return f"; held-out titles were looked for among all labels of taxonomy {data['among']}" if "among" in data else ""


def _teacher_lines(teacher: Mapping[str, Any] | None) -> list[str]:
    if teacher is None:
        return []
    line = (
        f"- Teacher: {teacher['name']}, fingerprint `{teacher['fingerprint']}`, its view of {teacher['texts']:,} texts "
        f"(digest `{teacher['digest'][:16]}`), {teacher['steps']:,} steps in {teacher['seconds']:.0f} s"
    )
    if teacher["weight"] < 1:
        line += f"; {teacher['weight']:.0%} of the tuned weights are those of the student that learned from it"
    return [f"{line}."]
