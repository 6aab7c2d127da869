"""A small made-up ESCO as official CSV files, and copies of a home folder that cost nothing."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

ESCO = "http://data.europa.eu/esco/"
# URI, ISCO group, then labels: preferred first, English and German.
OCCUPATIONS = [
    ("baker", "7512", ["baker", "bread maker", "bakery worker"], ["Bäcker", "Brotbäcker"]),
    ("cook", "5120", ["cook", "kitchen cook", "chef"], ["Koch"]),
    ("nurse", "2221", ["nurse", "registered nurse", "hospital nurse"], ["Krankenpfleger", "Krankenschwester"]),
    ("plumber", "7126", ["plumber", "pipe fitter", "plumbing technician"], ["Installateur"]),
    ("programmer", "2512", ["software developer", "programmer", "coder"], ["Softwareentwickler"]),
    ("engineer", "2512", ["machine learning engineer", "AI engineer [ml]"], ["KI-Ingenieur"]),
    ("driver", "8332", ["truck driver", "lorry driver"], ["Lastwagenfahrer"]),
    ("teacher", "2341", ["primary school teacher", "school teacher"], ["Grundschullehrer"]),
    ("lawyer", "2611", ["lawyer", "attorney"], ["Rechtsanwalt"]),
    ("electrician", "7411", ["electrician", "electrical fitter"], ["Elektriker"]),
    ("accountant", "2411", ["accountant", "bookkeeper"], ["Buchhalter"]),
    ("gardener", "6113", ["gardener", "garden worker"], ["Gärtner"]),
]
SKILLS = [
    ("bread", "bake bread", "Brot backen"),
    ("knives", "use kitchen knives", "Küchenmesser benutzen"),
    ("care", "care for patients", "Patienten pflegen"),
    ("pipes", "repair pipes", "Rohre reparieren"),
    ("python", "Python programming", "Python-Programmierung"),
    ("networks", "train neural networks", "neuronale Netze trainieren"),
    ("trucks", "drive trucks", "Lastwagen fahren"),
    ("children", "teach children", "Kinder unterrichten"),
    ("contracts", "draft contracts", "Verträge aufsetzen"),
    ("trees", "prune trees", "Bäume schneiden"),
]
RELATIONS = [
    ("baker", "bread", "essential"),
    ("baker", "knives", "optional"),
    ("cook", "knives", "essential"),
    ("nurse", "care", "essential"),
    ("plumber", "pipes", "essential"),
    ("programmer", "python", "essential"),
    ("engineer", "python", "optional"),
    ("engineer", "networks", "essential"),
]
GROUPS = [
    ("7", "Craft and related trades workers", "Handwerks- und verwandte Berufe"),
    ("75", "Food processing workers", "Berufe in der Nahrungsmittelverarbeitung"),
    ("751", "Food trades workers", "Nahrungsmittelhandwerker"),
    ("7512", "Bakers and pastry-cooks", "Bäcker und Konditoren"),
]
# Concepts and labels of it, as a reader of the lists above counts them.
CONCEPTS, ENGLISH, GERMAN = 12 + 10, 3 * 5 + 2 * 7 + 10, 2 * 2 + 10 + 10


def write_bundle(folder: Path) -> Path:
    """Write the taxonomy as ESCO's official CSV files, in English and German."""
    folder.mkdir(parents=True)
    for position, language in enumerate(("en", "de")):
        occupations = (
            ["Occupation", f"{ESCO}occupation/{name}", group, labels[position][0], "\n".join(labels[position][1:])]
            for name, group, *labels in OCCUPATIONS
        )
        _table(
            folder / f"occupations_{language}.csv",
            "conceptType conceptUri iscoGroup preferredLabel altLabels",
            occupations,
        )
        skills = (["KnowledgeSkillCompetence", f"{ESCO}skill/{name}", labels[position], ""] for name, *labels in SKILLS)
        _table(folder / f"skills_{language}.csv", "conceptType conceptUri preferredLabel altLabels", skills)
        groups = (["ISCOGroup", f"{ESCO}isco/C{code}", code, labels[position]] for code, *labels in GROUPS)
        _table(folder / f"ISCOGroups_{language}.csv", "conceptType conceptUri code preferredLabel", groups)
    relations = (
        [f"{ESCO}occupation/{occupation}", strength, f"{ESCO}skill/{skill}"]
        for occupation, skill, strength in RELATIONS
    )
    _table(folder / "occupationSkillRelations_en.csv", "occupationUri relationType skillUri", relations)
    return folder


def _table(path: Path, columns: str, rows: Iterable[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns.split(), *rows])


def linked_copy(source: Path, target: Path) -> Path:
    """Copy a folder by linking its files, 80 MB a version: change a file only by replacing it."""
    shutil.copytree(source, target, copy_function=os.link)
    return target


def replace_file(path: Path, content: bytes) -> None:
    """Give a linked file other content and leave what it was linked to as it is."""
    path.unlink()
    path.write_bytes(content)
