"""Where retrieval sets come from: MELO folders, lists of titles, and the taxonomy's held-out concepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobsearch.errors import EvaluationError
from jobsearch.evaluation import retrieval_files
from jobsearch.evaluation.retrieval import RetrievalSet
from jobsearch.evaluation.retrieval_files import read_melo, read_titles
from jobsearch.evaluation.retrieval_held_out import held_out, held_out_cross_lingual
from jobsearch.taxonomy.model import Concept, Kind, Source, Taxonomy
from jobsearch.taxonomy.split import Split

MELO = {
    "queries.tsv": 'Q1\tChief "Executives"\nQ2\tNurses\nQ3\tUnknown\n',
    "corpus_elements.tsv": "C1\tchief executive\nC2\tchief executive\nC3\tnurse\n",
    "annotations.tsv": "Q1\t0\tC2\t1\nQ1\t0\tC1\t1\nQ2\t0\tC3\t1\nQ2\t0\tC1\t0\n",
}


@pytest.fixture
def melo(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: str) -> Path:
        folder = tmp_path / "melo-set"
        folder.mkdir()
        for name, content in MELO.items():
            (folder / name).write_text(changes.get(name.partition(".")[0], content), encoding="utf-8")
        return folder

    return write


# --- MELO ------------------------------------------------------------------------------------------------------


def test_melo(melo: Callable[..., Path]) -> None:
    made = read_melo(melo())
    assert made.name == "melo-set"
    assert made.queries == ('Chief "Executives"', "Nurses")
    assert made.corpus == ("chief executive", "chief executive", "nurse")
    assert made.concept_of is None
    assert [own.tolist() for own in made.relevant] == [[0, 1], [2]]  # relevance 0 does not count
    assert made.dropped == {"query without relevant element": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": "Q1\tx\ty\n"}, r"queries\.tsv, row 1: 3 columns, expected 2 between tabs: id, text"),
        ({"corpus_elements": "C1\tx\nC1\ty\n"}, r"corpus_elements\.tsv, row 2: id 'C1' comes twice"),
        ({"annotations": "Q1\t0\tC1\n"}, r"annotations\.tsv, row 1: 3 columns, expected 4 between tabs: query, 0, el"),
        ({"annotations": "\nQ9\t0\tC1\t1\n"}, r"annotations\.tsv, row 2: 'Q9' is not in queries\.tsv"),
        ({"annotations": "Q1\t0\tC9\t1\n"}, r"annotations\.tsv, row 1: 'C9' is not in corpus_elements\.tsv"),
        ({"annotations": "Q1\t0\tC1\tyes\n"}, r"annotations\.tsv, row 1: relevance is 'yes', expected 0 or 1"),
        ({"annotations": "Q1\t0\tC1\t1\n"}, r"retrieval set 'melo-set' has 1 queries, expected at least 2"),
    ],
)
def test_melo_rows_that_cannot_be_used_are_named(
    melo: Callable[..., Path], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_melo(melo(**changes))


def test_melo_files_that_are_missing_or_not_utf8(melo: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"holds no queries\.tsv, corpus_elements\.tsv, annotations\.tsv; expect"):
        read_melo(tmp_path)
    folder = melo()
    (folder / "queries.tsv").write_bytes(b"Q1\tok\nQ2\tK\xf6chin\n")
    with pytest.raises(EvaluationError, match=r"queries\.tsv line 2 is not UTF-8 \(byte 0xf6 at \d+\)"):
        read_melo(folder)
    (folder / "queries.tsv").unlink()
    with pytest.raises(EvaluationError, match=r"holds no queries\.tsv; expected a MELO folder"):
        read_melo(folder)


# --- titles ----------------------------------------------------------------------------------------------------

COOK, NURSE, KNIVES = "http://esco/occupation/cook", "http://esco/occupation/nurse", "http://esco/skill/knives"
KITCHEN = Taxonomy.of(
    Source("kitchen", "1", "here"),
    [
        Concept(COOK, "occupation", "cook", ("chef", "kitchen chef"), "en"),
        Concept(COOK, "occupation", "Koch", ("Köchin",), "de"),
        Concept(NURSE, "occupation", "nurse", (), "en"),
        Concept(KNIVES, "skill", "use knives", ("cut",), "en"),
    ],
)
TITLES = (
    f",vacancyTitle,conceptUri\n0,SENIOR CHEF,{COOK}\n1,Nurse (m/f),{NURSE}\n2,Knife,{KNIVES}\n3,?,x:y\n4, ,{COOK}\n"
)


@pytest.fixture
def titles(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes = TITLES) -> Path:
        path = tmp_path / "titles.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_titles_are_looked_up_among_the_occupations(titles: Callable[..., Path]) -> None:
    made = read_titles(titles(), KITCHEN)
    assert made.name == "titles in kitchen, all labels"
    assert made.queries == ("SENIOR CHEF", "Nurse (m/f)")
    # Both of cook's languages are one concept, and the skill is none.
    assert made.corpus == ("Koch", "Köchin", "cook", "chef", "kitchen chef", "nurse")
    assert made.concept_of is not None
    assert made.concept_of.tolist() == [0, 0, 0, 0, 0, 1]
    assert [own.tolist() for own in made.relevant] == [[0], [1]]
    assert made.dropped == {"title of an unknown occupation": 2, "empty title": 1}


def test_preferred_labels_only(titles: Callable[..., Path]) -> None:
    made = read_titles(titles(), KITCHEN, alternatives=False)
    assert made.name == "titles in kitchen, preferred labels"
    assert made.corpus == ("Koch", "cook", "nurse")


def test_columns_go_by_name(titles: Callable[..., Path]) -> None:
    content = f'\ufeffconceptUri,x,vacancyTitle\r\n {NURSE} ,1,Nurse\r\n{COOK},,"Cook, senior"\r\n'
    made = read_titles(titles(content), KITCHEN)
    assert made.queries == ("Nurse", "Cook, senior")
    assert [own.tolist() for own in made.relevant] == [[1], [0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "title,uri\na,b\n",
            r"has the columns title,uri; expected a CSV file with the columns vacancyTitle,conceptUri",
        ),
        ("", r"has the columns of an empty file; expected a CSV"),
        (f"vacancyTitle,conceptUri\na,{COOK}\nb\n", r"row 3: not 2 columns as in the header"),
        (f"vacancyTitle,conceptUri\na,b,{COOK}\n", r"row 2: not 2 columns as in the header"),
        (f'vacancyTitle,conceptUri\n"a,{COOK}\n', r"row 2: unexpected end of data; expected a CSV file"),
        (b"vacancyTitle,conceptUri\nK\xf6chin,x\n", r"line 2 is not UTF-8 \(byte 0xf6 at 2\)"),
        (
            "vacancyTitle,conceptUri\na,x:1\nb,x:2\n",
            r"0 of 2 titles belong to an occupation of taxonomy 'kitchen', expe",
        ),
        (f"vacancyTitle,conceptUri\na,{COOK}\n", r"1 of 1 titles belong to an occupation of taxonomy 'kitchen'"),
    ],
)
def test_lists_that_cannot_be_used(titles: Callable[..., Path], content: str | bytes, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_titles(titles(content), KITCHEN)


def test_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"absent\.csv does not exist; expected a CSV file .*, or a MELO folder"):
        read_titles(tmp_path / "absent.csv", KITCHEN)


# --- held out --------------------------------------------------------------------------------------------------


def occupation(name: str, *labels: str, language: str = "en", kind: Kind = "occupation") -> Concept:
    return Concept(f"urn:{name}", kind, labels[0], labels[1:], language)


def taxonomy(*concepts: Concept) -> Taxonomy:
    return Taxonomy.of(Source("small", "1", "here"), concepts)


def splitting(made: Taxonomy, *validation: str) -> Split:
    chosen = frozenset(f"urn:{name}" for name in validation)
    return Split(frozenset(made.by_uri) - chosen, chosen)


def by_query(made: RetrievalSet) -> dict[str, list[int]]:
    return {query: own.tolist() for query, own in zip(made.queries, made.relevant, strict=True)}


SMALL = taxonomy(
    occupation("a", "physiotherapist", "osteopath", "physio"),
    occupation("b", "osteopath"),
    occupation("c", "cook", "Chef", "kitchen hand"),
    occupation("d", "galley cook", "chef", "ship's cook", "sea cook"),
    occupation("e", "nurse", "ward nurse"),
    occupation("s", "cut", "slice", "chop", kind="skill"),
)


def test_held_out_labels_are_asked_for_and_not_in_the_corpus() -> None:
    made = held_out(SMALL, splitting(SMALL, "a", "b", "c", "d"), per_concept=9)
    # "osteopath" is b's preferred label, so it is no query; "chef" is both c's and d's, in either spelling; e is
    # for training; the skill is another kind.
    assert by_query(made) == {"physio": [0], "Chef": [2, 3], "kitchen hand": [2], "ship's cook": [3], "sea cook": [3]}
    assert made.corpus == ("physiotherapist", "osteopath", "osteopath", "cook", "galley cook", "nurse", "ward nurse")
    assert made.concept_of is not None
    assert made.concept_of.tolist() == [0, 0, 1, 2, 3, 4, 4]
    assert made.name == "small held-out occupations"


def test_held_out_skills() -> None:
    made = held_out(SMALL, splitting(SMALL, "s"), kind="skill")
    assert by_query(made) == {"slice": [0], "chop": [0]}
    assert made.corpus == ("cut",)


def test_draws_are_bounded_and_repeatable() -> None:
    many = taxonomy(*(occupation(f"{n}", f"job {n}", *(f"name {n} {k}" for k in range(5))) for n in range(40)))
    split = splitting(many, *map(str, range(20)))
    made = held_out(many, split)
    assert len(made) == 40  # two for each of the 20
    assert set(np.bincount(np.concatenate(made.relevant), minlength=40).tolist()) == {0, 2}
    assert made.queries == held_out(many, split).queries
    assert made.queries != held_out(many, split, seed=1).queries
    # A label that is not asked for stays: 40 · 6 labels less 40 queries.
    assert len(made.corpus) == 200
    few = held_out(many, split, limit=10)
    assert len(few) == 10
    assert set(few.queries) < set(made.queries)
    # Concepts draw apart from each other: another taxonomy with some of them asks the same of these.
    part = taxonomy(*(concept for concept in many.concepts if int(concept.uri[4:]) < 10))
    assert set(held_out(part, split).queries) < set(made.queries)


def test_fewer_concepts_to_rank_among() -> None:
    many = taxonomy(*(occupation(f"{n}", f"job {n}", f"name {n}") for n in range(40)))
    split = splitting(many, "3", "5", "7")
    made = held_out(many, split, among=10)
    assert made.concepts == 10
    assert {made.corpus[own[0]] for own in made.relevant} <= set(made.corpus)
    assert sorted(made.queries) == ["name 3", "name 5", "name 7"]
    assert {"job 3", "job 5", "job 7"} <= set(made.corpus)
    assert held_out(many, split, among=1).concepts == 3  # never fewer than are asked for


def test_languages() -> None:
    both = taxonomy(
        occupation("a", "cook", "chef", "cuisinier"),
        occupation("a", "Koch", "Köchin", "chef", language="de"),
        occupation("b", "nurse", "carer"),
        occupation("b", "Pfleger", "Schwester", language="de"),
    )
    split = splitting(both, "a", "b")
    german = held_out(both, split, language="de")
    assert by_query(german) == {"Köchin": [0], "chef": [0], "Schwester": [1]}
    assert german.corpus == ("Koch", "Pfleger")
    assert german.name == "small held-out occupations, de"
    mixed = held_out(both, split, per_concept=9)
    assert set(mixed.queries) == {"chef", "cuisinier", "Köchin", "carer", "Schwester"}
    assert sorted(mixed.corpus) == ["Koch", "Pfleger", "cook", "nurse"]
    assert mixed.concepts == 2


def test_across_languages() -> None:
    both = taxonomy(
        occupation("a", "cook", "chef"),
        occupation("a", "Koch", "Köchin", "Chef", language="de"),
        occupation("b", "nurse"),
        occupation("b", "Pfleger", language="de"),
        occupation("c", "Imker", language="de"),
        occupation("d", "clerk"),
    )
    split = splitting(both, "a", "b", "c")
    made = held_out_cross_lingual(both, split, "de", "en")
    # "Chef" needs no translation; the beekeeper has no English record; the clerk is ranked too.
    assert by_query(made) == {"Koch": [0], "Köchin": [0], "Pfleger": [1]}
    assert made.corpus == ("cook", "chef", "nurse", "clerk")
    assert made.name == "small held-out occupations, de to en"
    assert len(held_out_cross_lingual(both, split, "de", "en", limit=2)) == 2
    for source, target in (("de", "de"), ("fr", "en"), ("de", "fr")):
        with pytest.raises(EvaluationError, match=r"expected two languages of taxonomy 'small', which has de, en"):
            held_out_cross_lingual(both, split, source, target)


def test_held_out_concepts_may_have_what_an_index_has_beside_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_files, "log_priors", lambda uris: np.array([ord(uri[-1]) for uri in uris], "f4"))
    both = taxonomy(
        replace(occupation("a", "cook", "chef"), description="Cooks cook. They taste."),
        occupation("a", "Koch", "Köchin", language="de"),
        occupation("b", "nurse", "carer"),
        occupation("b", "Pfleger", language="de"),
    )
    split = splitting(both, "a", "b")
    sets = {
        beside: (
            held_out(both, split, language="en", beside=beside),
            held_out_cross_lingual(both, split, "de", "en", beside=beside),
            held_out_cross_lingual(both, split, "en", "de", beside=beside),
        )
        for beside in (False, True)
    }
    for bare, told in zip(sets[False], sets[True], strict=True):
        assert (bare.about, bare.priors) == ((), None)
        assert told.priors is not None
        assert (told.about, told.priors.tolist()) == (("Cooks cook.", ""), [ord("a"), ord("b")])
        assert told.queries == bare.queries


def test_nothing_held_out() -> None:
    with pytest.raises(EvaluationError, match=r"set 'small held-out occupations' has 0 queries, expected at least 2: "):
        held_out(SMALL, splitting(SMALL))
    with pytest.raises(EvaluationError, match=r"set 'small held-out occupations, xx' has 0 queries"):
        held_out(SMALL, splitting(SMALL, "a"), language="xx")


# --- what is counted beside labels -------------------------------------------------------------------------------


def test_titles_tell_what_concepts_are_about_and_how_likely_they_are(
    titles: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    english = {one.uri: f"Does {one.preferred_label}. More." for one in KITCHEN.concepts if one.language == "en"}
    records = [replace(one, description=english[one.uri] if one.language == "en" else None) for one in KITCHEN.concepts]
    told = Taxonomy.of(KITCHEN.source, records)
    uris = [concept.uri for concept in told.concepts if concept.kind == "occupation"]
    monkeypatch.setattr(retrieval_files, "log_priors", lambda asked: np.array([uris.index(uri) for uri in asked], "f4"))
    made = read_titles(titles(), told)
    numbers = list(dict.fromkeys(uris))
    assert made.priors is not None
    assert made.priors.tolist() == [uris.index(uri) for uri in numbers]
    by_uri = {one.uri: one.preferred_label for one in told.concepts if one.language == "en"}
    assert made.about == tuple(f"Does {by_uri[uri]}." for uri in numbers)
