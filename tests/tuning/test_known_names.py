"""Names that a taxonomy knows: titles are looked for among all of its labels."""

from __future__ import annotations

from pathlib import Path

from jobsearch.taxonomy.model import Concept, Source, Taxonomy
from jobsearch.tuning.known_names import among_labels
from jobsearch.tuning.pair import PairSet
from jobsearch.tuning.pairs_file import read_pairs
from jobsearch.tuning.validation import held_out_set

CONCEPTS = (
    Concept("urn:nurse", "occupation", "nurse", ("staff nurse", "carer")),
    Concept("urn:carer", "occupation", "carer", ("home help",)),
    Concept("urn:cook", "occupation", "Cook", ("chef",)),
    Concept("urn:care", "skill", "caring", ()),
)
TAXONOMY = Taxonomy.of(Source("jobs", "1", "made up"), CONCEPTS)


def pairs_of(tmp_path: Path, names: list[str], rows: int = 40) -> PairSet:
    path = tmp_path / "own.csv"
    lines = [f"title {n},{names[n % len(names)]},1" for n in range(rows)]
    path.write_text("\n".join(["base,ref,similarity", *lines, "title 0,cook,0.5"]), encoding="utf-8")
    return read_pairs(path)


def test_names_get_their_concept_and_titles_all_labels_to_be_told_from(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, ["Carer", "cook", "chef", "nurse", "own name"])
    found = among_labels(pairs, TAXONOMY)
    group = {pair.ref: pair.ref_group for pair in found.training}
    assert group == {
        "Carer": "urn:carer",  # preferred by one concept, another name of the nurse
        "cook": "urn:cook",
        "chef": "urn:cook",
        "nurse": "urn:nurse",
        "own name": group["own name"],
    }
    assert not group["own name"].startswith("urn:")
    assert set(found.labels) == {(label, c.uri) for c in CONCEPTS[:3] for label in c.labels}  # no names of skills
    for pair in (*found.training, *found.validation):
        assert (pair.base_group == pair.ref_group) == (pair.similarity == 1.0 or pair.base_group == "urn:cook")
    asked = held_out_set(found, seed=0, everything=True)
    assert {"staff nurse", "home help", "Cook", "chef", "own name"} <= set(asked.corpus)
    title = next(pair for pair in found.validation if pair.ref == "chef")
    relevant = asked.relevant[asked.queries.index(title.base)]
    right = {asked.corpus[row] for row in range(len(asked.corpus)) if asked.concept_of[row] in relevant}
    assert right == {"Cook", "cook", "chef"}


def test_where_most_names_are_unknown_nothing_changes(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, ["nurse", "cook", "own 1", "own 2"])
    assert among_labels(pairs, TAXONOMY) is pairs
    assert among_labels(pairs_of(tmp_path, ["nurse", "cook", "own 1"]), TAXONOMY).labels


def test_what_is_looked_among_is_part_of_what_a_run_is_told_by(tmp_path: Path) -> None:
    pairs = pairs_of(tmp_path, ["nurse", "cook"])
    other = Taxonomy.of(TAXONOMY.source, (*CONCEPTS, Concept("urn:smith", "occupation", "smith")))
    digests = {among_labels(pairs, TAXONOMY).digest, among_labels(pairs, other).digest, pairs.digest}
    assert len(digests) == 3
