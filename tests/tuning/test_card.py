"""The model card: a record, told to people."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jobsearch.tuning.card import model_card
from jobsearch.tuning.recipes import find_recipe

RECORD: dict[str, Any] = {
    "name": "mine",
    "created": "2026-01-02T03:04:05+00:00",
    "base": {"name": "use", "fingerprint": "ab" * 32, "case": "lower"},
    "recipe": find_recipe("tutorial", epochs=2).to_dict(),
    "seed": 5,
    "data": {"source": "pairs.csv", "digest": "cd" * 32, "training": 12345, "validation": 678, "counts": {}},
    "steps": 1500,
    "ending": "stopped early",
    "best_step": 1200,
    "seconds": 61.7,
    "history": [],
    "share": 0.7,
    "tried": [
        {"share": 0.5, "mrr": 0.41, "general": 0.89, "holds": True},
        {"share": 1.0, "mrr": 0.52, "general": 0.8, "holds": False},
    ],
    "gate": {
        "verdict": "rejected",
        "reason": "sentences fell.",
        "mrr_base": 0.4,
        "mrr_tuned": 0.45,
        "queries": 4000,
        "labels": 99000,
        "difference": 0.05,
        "interval": [-0.01, 0.11],
        "p_value": 0.1234,
        "general_check": "sentences",
        "general_base": 0.9,
        "general_tuned": 0.8,
        "tolerance": 0.015,
    },
    "made_with": {"jobsearch": "1.0", "numpy": "2.0"},
}


def test_the_card() -> None:
    card = model_card(RECORD)
    lines = card.splitlines()
    assert lines[0] == "# mine"
    for line in (
        "**Rejected**: sentences fell.",
        "| held-out MRR (4,000 queries, 99,000 labels) | 0.4000 | 0.4500 |",
        "| sentences | 0.9000 | 0.8000 |",
        f"- Base: use, fingerprint `{'ab' * 32}`, case lower.",
        f"- Data: 12,345 training and 678 validation pairs, digest `{'cd' * 8}`.",
        "- Steps: 1,500, stopped early; best checkpoint at step 1,200; seed 5; 62 s.",
        "- Share of tuned weights: 0.7.",
        "- Made with: jobsearch 1.0, numpy 2.0.",
        "| share | held-out MRR | sentences | holds |",
        "| 0.5 | 0.4100 | 0.8900 | yes |",
        "| 1 | 0.5200 | 0.8000 | no |",
    ):
        assert line in lines, line
    assert "is +0.0500, 95 % interval -0.0100 to +0.1100, p = 0.1234 (paired by query)" in card
    assert "may fall by 0.015 at most" in card
    assert "tuned on pairs.csv by the recipe `tutorial`" in card
    assert card.endswith("|\n")


def test_every_value_of_the_recipe_is_on_it() -> None:
    card = model_card(RECORD)
    for name, value in RECORD["recipe"].items():
        if name not in ("name", "summary"):
            assert f"| {name} | {value} |\n" in card


@pytest.mark.parametrize(("verdict", "shown"), [("accepted", "**Accepted**: "), ("forced", "**Forced**: ")])
def test_the_verdict_is_on_it(verdict: str, shown: str) -> None:
    record = copy.deepcopy(RECORD)
    record["gate"]["verdict"] = verdict
    assert shown in model_card(record)


def test_where_titles_of_known_names_were_looked_for_is_on_it() -> None:
    record = copy.deepcopy(RECORD)
    record["data"]["among"] = "esco-1.2.1-en"
    digest = f"digest `{'cd' * 8}`"
    where = "held-out titles were looked for among all labels of taxonomy esco-1.2.1-en"
    assert f"{digest}; {where}.\n" in model_card(record)
    assert f"{digest}.\n" in model_card(RECORD)
