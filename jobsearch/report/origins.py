"""The page's parts on where an encoder comes from: data, lineage, recipe, and the words that the page uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobsearch.report.lineage import Subject
from jobsearch.report.markup import Html, Section, joined, pairs, paragraph, table, tag
from jobsearch.tuning.pairs_file import of_a_file

_WORDS = (
    ("encoder", "a network that turns a text into a list of numbers, its embedding; texts alike lie close together"),
    ("base, tuned", "the encoder before and after training on the labels"),
    ("held-out concept", "a job or skill none of whose names the training saw"),
    ("MRR", "mean reciprocal rank: 1 if the right answer always comes first, 0.5 if always second; higher is better"),
    ("concept_mrr", "the same where labels are ranked, each concept counting once, as among the hits of a search"),
    ("recall@k", "share of queries whose right answer is among the first k"),
    ("nDCG@10", "how well the first ten are ordered, 0 to 1"),
    ("STS", "sentence pairs that people graded; Pearson and Spearman say how well the encoder agrees with them"),
    ("95 % interval", "where the figure would lie in 95 of 100 cases if the queries were drawn anew"),
    ("p", "how often chance alone would give a difference this large"),
    ("fingerprint", "a hash over weights, tokenizer and settings: equal fingerprints give equal embeddings"),
)


def data(record: Mapping[str, Any]) -> Section:
    """Return what the encoder was trained on."""
    of = record["data"]
    rows = [
        ("source", of["source"]),
        ("training pairs", _counted(of["training"], of.get("counts", {}).get("training"))),
        ("held-out pairs", _counted(of["validation"], of.get("counts", {}).get("validation"))),
        ("digest of all pairs", tag("code", of["digest"])),
    ]
    teacher = record.get("teacher")
    if teacher:
        rows += [
            ("teacher", f"{teacher['name']}, its view of {teacher['texts']:,} texts"),
            ("teacher’s fingerprint", tag("code", teacher["fingerprint"])),
            ("digest of its view", tag("code", teacher["digest"])),
            ("weight of what it taught", f"{teacher['weight']:.0%} of the tuned weights"),
        ]
    return Section("data", "Data", pairs("What the encoder learned from.", rows))


def training(record: Mapping[str, Any], curves: Html) -> Section:
    """Return how training went, and how much of it was kept.

    Args:
        record: of the run.
        curves: the picture; empty if the record holds none.
    """
    gate = record["gate"]
    rows = [
        [
            f"{one['share']:g}",
            f"{one['mrr']:.4f}",
            f"{one['general']:.4f}",
            "yes" if one["holds"] else "no",
            "chosen" if one["share"] == record["share"] else "",
        ]
        for one in record["tried"]
    ]
    own = of_a_file(record["data"].get("counts", {}))
    chosen = "largest of them" if own else "one of them with the highest general ability"
    caption = (
        "Base and tuned weights are mixed. Of the shares whose general ability holds, those are candidates whose "
        f"held-out MRR is not surely below the best; the {chosen} is chosen."
    )
    shares = table(caption, ["share of tuned weights", "held-out MRR", gate["general_check"], "holds", "kept"], rows)
    return Section("training", "Training", joined([curves or paragraph("The record holds no curves."), shares]))


def lineage(subject: Subject) -> Section:
    """Return the encoder's ancestors, itself first, and how it was made."""
    rows = []
    for one in subject.chain:
        made = one.note
        if one.record is not None:
            made = (
                f"tuned on {one.record['data']['source']} by recipe {one.record['recipe']['name']}, "
                f"{one.record['steps']:,} steps, seed {one.record['seed']}, {one.record['gate']['verdict']}"
            )
        created = str(one.record["created"])[:16].replace("T", " ") if one.record is not None else ""
        rows.append([one.name, made, created, tag("code", one.fingerprint[:16])])
    caption = "The encoder and what it was tuned from, down to weights that were not tuned here."
    return Section(
        "lineage",
        "Lineage",
        joined(
            [
                table(caption, ["Encoder", "Made", "When (UTC)", "Fingerprint"], rows, words=4),
                pairs("How it was made.", _made(subject)),
                _recipes(subject.record),
            ]
        ),
    )


def glossary() -> Section:
    """Return what the page's words mean."""
    return Section("words", "Words", pairs("What the words on this page mean.", _WORDS))


def _made(subject: Subject) -> Iterable[tuple[str, str | Html]]:
    record = subject.record
    yield "name in its record", str(record["name"])
    yield "folder", tag("code", str(subject.folder))
    yield "fingerprint", tag("code", subject.fingerprint)
    yield "base", f"{record['base']['name']}, case setting {record['base']['case']}"
    yield "training", f"{record['steps']:,} steps, {record['ending']}, {record['seconds']:.0f} s; seed {record['seed']}"
    yield "chosen checkpoint", f"step {record['best_step']:,}"
    yield "share of tuned weights", f"{record['share']:g}"
    yield "made with", ", ".join(f"{name} {version}" for name, version in record["made_with"].items())


def _recipes(record: Mapping[str, Any]) -> Html:
    recipe = record["recipe"]
    taught = (record.get("teacher") or {}).get("recipe")
    names = [name for name in recipe if name not in ("name", "summary")]
    head = ["value", recipe["name"], *([f"{taught['name']} (from the teacher)"] if taught else [])]
    rows = [[name, str(recipe[name]), *([str(taught.get(name, ""))] if taught else [])] for name in names]
    said = [paragraph(f"Recipe {recipe['name']}: {recipe['summary']}.")]
    said += [paragraph(f"Recipe {taught['name']}: {taught['summary']}.")] if taught else []
    return joined([*said, table("Every value of the recipe.", head, rows)])


def _counted(number: int, kinds: Mapping[str, int] | None) -> str:
    parts = ", ".join(f"{count:,} {kind}" for kind, count in sorted((kinds or {}).items()))
    return f"{number:,}" + (f" ({parts})" if parts else "")
