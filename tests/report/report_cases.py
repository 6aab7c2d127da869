"""What a report can be made of in no time: a record, a taxonomy, sets, and encoders that need no weights."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from encoders import HashEncoder
from vacancies import ESCO, vacancies

from jobsearch.encoder.weights import FORMAT_VERSION
from jobsearch.evaluation.retrieval import RetrievalSet
from jobsearch.evaluation.sts import StsSet
from jobsearch.report.lineage import Generation, Subject
from jobsearch.taxonomy.model import Concept, Taxonomy
from jobsearch.tuning.recipes import find_recipe

SCRIPT = "<script>alert('data scientist')</script> & Söhne"
BASE, TUNED = HashEncoder(64), HashEncoder(64, salt="tuned")
BASE.name = "use"


def history(*figures: tuple[int, float, float], best: int) -> list[dict[str, Any]]:
    return [
        {"step": step, "loss": loss, "mrr": mrr, "best": step <= best, **({"training_loss": 2 * loss} if step else {})}
        for step, loss, mrr in figures
    ]


RECORD: dict[str, Any] = {
    "name": "mine",
    "created": "2026-01-02T03:04:05+00:00",
    "base": {"name": "use", "fingerprint": BASE.fingerprint, "case": "lower"},
    "recipe": find_recipe("default").to_dict(),
    "seed": 5,
    "data": {"source": "vacancies", "digest": "cd" * 32, "training": 12345, "validation": 678, "counts": {}},
    "steps": 300,
    "ending": "stopped early",
    "best_step": 200,
    "seconds": 61.7,
    "history": history((0, 0.9, 0.4), (100, 0.5, 0.44), (200, 0.3, 0.47), (300, 0.2, 0.46), best=200),
    "share": 0.7,
    "tried": [
        {"share": 0.7, "mrr": 0.47, "general": 0.89, "holds": True},
        {"share": 1.0, "mrr": 0.52, "general": 0.8, "holds": False},
    ],
    "gate": {
        "verdict": "accepted",
        "reason": "held-out MRR rose from 0.4000 to 0.4567.",
        "mrr_base": 0.4,
        "mrr_tuned": 0.4567,
        "queries": 4000,
        "labels": 99000,
        "difference": 0.0567,
        "interval": [0.0123, 0.0987],
        "p_value": 0.0125,
        "general_check": "sentences",
        "general_base": 0.9012,
        "general_tuned": 0.8934,
        "tolerance": 0.015,
    },
    "made_with": {"jobsearch": "1.0", "numpy": "2.0"},
}


def a_record(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(RECORD) | changes


def subject(record: dict[str, Any] | None = None) -> Subject:
    record = record or a_record()
    chain = (Generation("mine", "ef" * 32, record), Generation("use", BASE.fingerprint, None, "as published"))
    return Subject("mine", Path("models/mine"), "ef" * 32, record, chain)


def keep(models: Path, name: str, day: int = 1, **changes: Any) -> Path:
    """Keep a tuned encoder's record, without weights."""
    record = a_record(name=name, created=f"2026-01-{day:02}T00:00:00+00:00", **changes)
    folder = models / ("rejected" if record["gate"]["verdict"] == "rejected" else "") / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"format_version": FORMAT_VERSION, "fingerprint": "ef" * 32}), encoding="utf-8"
    )
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def jobs() -> Taxonomy:
    """`vacancies` and one whose name is markup."""
    taxonomy = vacancies()
    strange = Concept(f"{ESCO}occupation/strange", "occupation", SCRIPT, ("data <b>scientist</b>",))
    return replace(taxonomy, concepts=(*taxonomy.concepts, strange))


def titles() -> RetrievalSet:
    """The second name of each job, to be found among the first and the marked ones."""
    concepts = jobs().concepts
    corpus = [(label, number) for number, c in enumerate(concepts) for label in (c.preferred_label, *c.labels[2:])]
    return RetrievalSet(
        "titles <i>new</i>",
        tuple(concept.labels[1] for concept in concepts),
        tuple(label for label, _ in corpus),
        tuple(np.array([number]) for number in range(len(concepts))),
        np.array([number for _, number in corpus]),
        dropped={"unknown URI": 3},
    )


def sentences() -> StsSet:
    random = np.random.default_rng(0)
    names = [label for concept in jobs().concepts for label in concept.labels[:2]]
    return StsSet("graded", tuple(names), tuple(reversed(names)), random.uniform(0, 5, len(names)))


def holds(text: str, part: str) -> bool:
    """Tell whether a long text has a part; pytest would compare both letter by letter to explain an `in`."""
    return part in text


class Page(HTMLParser):
    """A page, taken apart; raises where an element is not closed as it was opened.

    Args:
        html: the page.
    """

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._section = ""
        self.sections: dict[str, str] = {}
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), attrs
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = str(dict(attrs)["id"])
            self.sections[self._section] = ""
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, (tag, self.getpos())
        if tag == "table":
            caption = self.texts["caption"][-1].strip()
            self.tables[f"{self._section}: {caption}"] = [[" ".join(c.split()) for c in row] for row in self._rows]
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault("caption" if "caption" in self._open else self._open[-1], []).append(data)
        if self._rows and self._rows[-1] and {"td", "th"} & set(self._open):
            self._rows[-1][-1] += data
        if self._section:
            self.sections[self._section] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def table(self, section: str, beginning: str) -> list[list[str]]:
        """Return the rows of the one table in a section whose caption begins so."""
        found = [rows for key, rows in self.tables.items() if key.startswith(f"{section}: {beginning}")]
        assert len(found) == 1, (beginning, list(self.tables))
        return found[0]
