"""Pairs from a taxonomy: what each kind is, that nothing leaks between the sides, and that draws repeat."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from encoders import HashEncoder
from pair_taxonomies import builtin, bundle, made_up, occupation, skill, ties

from jobsearch.errors import TuningError
from jobsearch.taxonomy.labels import clean_label
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.taxonomy.split import Split, split_concepts
from jobsearch.tuning.pair import SOURCES
from jobsearch.tuning.pairs import Pair, PairOptions, PairSet, generate_pairs
from jobsearch.tuning.related import GRADES, Relatedness

OTHER_NAME = 0.74681668889336494  # as in the tutorial's file: 1 - arccos(0.7)/pi
ROOT = Path(__file__).parents[2]


def made(taxonomy: Taxonomy, validation: float = 0.2, **options: object) -> tuple[PairSet, Split]:
    split = split_concepts(taxonomy, validation=validation)
    chosen = PairOptions(**options)  # type: ignore[arg-type]
    return generate_pairs(taxonomy, chosen, split, HashEncoder(64) if chosen.hard else None), split


def everything(pairs: PairSet) -> list[Pair]:
    return [*pairs.training, *pairs.validation]


def of(pairs: PairSet, source: str) -> list[Pair]:
    return [pair for pair in everything(pairs) if pair.source == source]


def folded_texts(pairs: tuple[Pair, ...]) -> set[str]:
    return {text.casefold() for pair in pairs for text in (pair.base, pair.ref)}


def check(pairs: PairSet, split: Split, taxonomy: Taxonomy) -> None:
    """Check what holds for any set of pairs, against the taxonomy itself."""
    for side, uris in ((pairs.training, split.training), (pairs.validation, split.validation)):
        for pair in side:
            assert {pair.base_group, pair.ref_group} <= uris
    assert not folded_texts(pairs.training) & folded_texts(pairs.validation)

    texts: dict[str, set[str]] = {}
    labels: dict[str, set[str]] = {}
    for concept in taxonomy.concepts:
        labels.setdefault(concept.uri, set()).update(concept.labels)
        texts.setdefault(concept.uri, set()).update(concept.labels, [clean_label(concept.description or "")])
    marks = ties(taxonomy)
    seen = set()
    for pair in everything(pairs):
        assert pair.base in labels[pair.base_group]
        assert pair.ref in texts[pair.ref_group]
        key = frozenset((pair.base.casefold(), pair.ref.casefold()))
        assert len(key) == 2, "a text with itself"
        assert key not in seen, "twice"
        seen.add(key)
        same = pair.base_group == pair.ref_group
        assert same == (pair.source in ("description", "name", "translation"))
        if pair.source in ("unrelated", "hard"):
            assert marks[pair.base_group].isdisjoint(marks[pair.ref_group]), pair
        if pair.source == "graded":
            assert pair.similarity in GRADES
        else:
            assert pair.similarity == {"description": 1.0, "unrelated": 0.5, "hard": 0.5}.get(pair.source, OTHER_NAME)


def test_every_kind_of_a_made_up_taxonomy() -> None:
    taxonomy = made_up()
    pairs, split = made(taxonomy, hard=30, graded=False)
    check(pairs, split, taxonomy)
    counts = pairs.counts()
    assert set(counts["training"]) == set(SOURCES) - {"graded"}
    assert sum(map(len, (pairs.training, pairs.validation))) == sum(
        n for side in counts.values() for n in side.values()
    )
    graded, split = made(taxonomy, graded=True)
    check(graded, split, taxonomy)
    assert set(graded.counts()["training"]) == set(SOURCES) - {"hard"}


@pytest.fixture(scope="module")
def builtin_pairs() -> tuple[PairSet, Split]:
    return made(builtin(), validation=0.1, names=20_000, unrelated=20_000, graded=True)


@pytest.mark.slow
def test_the_built_in_data(builtin_pairs: tuple[PairSet, Split]) -> None:
    pairs, split = builtin_pairs
    check(pairs, split, builtin())
    counts = pairs.counts()
    total = {source: counts["training"][source] + counts["validation"][source] for source in counts["training"]}
    assert total["name"] == total["unrelated"] == 20_000
    assert total["neighbour"] > 50  # 73 where both are on one side
    assert "description" not in total
    # Both sides get their share: a tenth, within what 1,628 of 16,512 concepts and their numbers of labels allow.
    assert 0.08 < counts["validation"]["name"] / total["name"] < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("name", ["esco-1.2-en", "esco-occupations-multi"])
def test_an_official_bundle(name: str) -> None:
    taxonomy = bundle(name)
    pairs, split = made(
        taxonomy, validation=0.1, names=5_000, translations=5_000, unrelated=10_000, graded=True, seed=3
    )
    check(pairs, split, taxonomy)
    counts = pairs.counts()["training"]
    if name == "esco-1.2-en":
        assert counts["description"] == len(split.training)  # each concept of 1.2 has one, none of them shared
        assert counts["neighbour"] > 2_000
        assert {pair.similarity for pair in of(pairs, "graded")} == set(GRADES)
    else:
        assert counts["translation"] > 4_500
        assert {pair.language for pair in of(pairs, "translation")} == set(taxonomy.languages)


def test_descriptions() -> None:
    pairs, _ = made(made_up(), names=0, translations=0, neighbours=0, unrelated=0)
    # Each of 30 occupations has two descriptions; each goes with the preferred label of its own and of the other
    # language. Those of one field and role are unlike all others.
    assert len(everything(pairs)) == len(of(pairs, "description")) == 120
    texts = [pair.ref for pair in everything(pairs)]
    assert "People who do query all day as managers. They like it." in texts  # on one line
    assert {pair.base for pair in everything(pairs) if pair.base_group == occupation(0)} == {
        "data manager",
        "Daten-Leiter",
    }
    only, _ = made(made_up(), names=0, neighbours=0, unrelated=0, languages=("de",))
    assert len(everything(only)) == 30
    assert {pair.language for pair in everything(only)} == {"de"}


def test_a_description_that_tells_nothing_is_left_out() -> None:
    taxonomy = made_up()
    same = {occupation(3): "No description.", occupation(6): "no description. ", occupation(9): " bread\nmanager"}
    concepts = [
        replace(c, description=same.get(c.uri, c.description)) if c.language == "en" else c for c in taxonomy.concepts
    ]
    changed = Taxonomy.of(taxonomy.source, concepts)
    pairs, _ = made(changed, names=0, translations=0, neighbours=0)
    texts = {pair.ref.casefold() for pair in everything(pairs)}
    assert "no description." not in texts
    # It is the preferred label of the concept itself, and as a label it does stand in unrelated pairs.
    assert all(pair.similarity != 1 for pair in everything(pairs) if pair.ref.casefold() == "bread manager")
    assert len(of(pairs, "description")) == 120 - 2 * 3


def test_names_pair_each_alternative_label_with_the_preferred_one_and_with_another() -> None:
    pairs, _ = made(made_up(), validation=0, languages=("en",), descriptions=0, neighbours=0, unrelated=0)
    named = {frozenset((pair.base, pair.ref)) for pair in everything(pairs)}
    for concept in made_up().concepts:
        if concept.language == "en":
            for label in concept.alternative_labels:
                assert frozenset((concept.preferred_label, label)) in named
    alternatives = [pair for pair in pairs.training if not {pair.base, pair.ref} & _preferred()]
    assert len(alternatives) > 30
    bases = sum(pair.base in _preferred() for pair in pairs.training)
    assert 0.2 < bases / len(pairs.training) < 0.8  # either can be the anchor


def _preferred() -> set[str]:
    return {concept.preferred_label for concept in made_up().concepts}


def test_translations_join_languages() -> None:
    pairs, _ = made(made_up(), descriptions=0, names=0, neighbours=0, unrelated=0)
    languages = {(concept.uri, label): concept.language for concept in made_up().concepts for label in concept.labels}
    for pair in everything(pairs):
        assert pair.language == languages[pair.base_group, pair.base]
        assert pair.language != languages[pair.ref_group, pair.ref]
    assert {base for _, base in languages} == {text for pair in everything(pairs) for text in (pair.base, pair.ref)}


def test_neighbours_cross_languages() -> None:
    pairs, _ = made(made_up(), descriptions=0, names=0, translations=0, unrelated=0)
    assert {pair.source for pair in everything(pairs)} == {"neighbour"}
    # Neighbours are those of one field: their number differs by a role, of three in a row.
    assert all(int(p.base_group[-3:]) // 3 == int(p.ref_group[-3:]) // 3 for p in everything(pairs))
    assert any(pair.base.isascii() and "-" in pair.ref for pair in everything(pairs))


def test_finer_grades() -> None:
    pairs, _ = made(made_up(), validation=0, descriptions=0, names=0, translations=0, unrelated=0, graded=True)
    related = Relatedness(made_up())
    for pair in of(pairs, "graded"):
        assert pair.similarity == related.grade(pair.base_group, pair.ref_group)
        assert tuple(sorted((pair.base_group, pair.ref_group))) not in related.neighbours
    # Every sort is drawn from: an ISCO minor group, an essential and an optional skill, a small group of skills, and
    # what is directly above.
    there = {frozenset((pair.base_group, pair.ref_group)) for pair in of(pairs, "graded")}
    assert there >= {frozenset((occupation(step), skill(0))) for step in range(3)}
    assert there >= {frozenset((skill(0), skill(3))), frozenset((skill(6), skill(7))), frozenset((skill(0), skill(1)))}
    assert any({uri[:-3] for uri in both} == {occupation(0)[:-3]} for both in there)
    # With finer grades at hand, 0.5 is only for those that none applies to.
    unrelated, _ = made(made_up(), descriptions=0, names=0, translations=0, neighbours=0, graded=True, unrelated=300)
    units = {concept.uri: concept.isco_group or "" for concept in made_up().concepts}
    for pair in of(unrelated, "unrelated"):
        ours, theirs = units[pair.base_group], units[pair.ref_group]
        assert not ours or not theirs or ours[0] != theirs[0]


def test_unrelated_pairs_compare_with_descriptions_too() -> None:
    pairs, _ = made(made_up(), unrelated=400)
    descriptions = {clean_label(concept.description or "") for concept in made_up().concepts} - {""}
    found = of(pairs, "unrelated")
    assert 0.1 < sum(pair.ref in descriptions for pair in found) / len(found) < 0.4
    assert not any(pair.base in descriptions for pair in found)
    assert any(pair.base_group.startswith(skill(0)[:-4]) for pair in found)


@pytest.mark.slow
def test_unrelated_pairs_share_no_telling_word(builtin_pairs: tuple[PairSet, Split]) -> None:
    shared = set()
    for pair in of(builtin_pairs[0], "unrelated"):
        shared |= {w[:5] for w in pair.base.casefold().split()} & {w[:5] for w in pair.ref.casefold().split()}
    # "plumb" stands in few names and "manag" in very many: only the latter may be shared. Each is in some pair.
    assert "manag" in shared
    assert not shared & {"plumb", "softw", "denta", "teach", "nurse", "leath"}


def test_counts_are_kept_and_leave_other_kinds_as_they_are() -> None:
    few, _ = made(made_up(), names=40, translations=10, unrelated=50)
    more, _ = made(made_up(), names=60, translations=10, unrelated=50)
    assert [len(of(few, source)) for source in ("name", "translation", "unrelated")] == [40, 10, 50]
    assert len(of(more, "name")) == 60
    assert of(few, "translation") == of(more, "translation")
    assert of(few, "unrelated") == of(more, "unrelated")
    whole, _ = made(made_up())
    assert len(of(whole, "unrelated")) == len(everything(whole)) // 2  # as many as all others
    beyond, _ = made(made_up(), names=10**6)
    assert of(beyond, "name") == of(whole, "name")


def test_seeds() -> None:
    one, _ = made(made_up(), hard=20, graded=True, seed=1)
    same, _ = made(made_up(), hard=20, graded=True, seed=1)
    other, _ = made(made_up(), hard=20, graded=True, seed=2)
    assert one == same
    assert one.digest == same.digest
    assert one.digest != other.digest
    assert replace(one, training=one.training[1:]).digest != one.digest


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from encoders import HashEncoder
from pair_taxonomies import made_up
from jobsearch.taxonomy.split import split_concepts
from jobsearch.tuning.pairs import PairOptions, generate_pairs
from jobsearch.tuning.pairs_file import read_pairs, write_pairs
out = Path(sys.argv[1])
options = PairOptions(hard=20, graded=True, seed=5)
pairs = generate_pairs(made_up(), options, split_concepts(made_up(), validation=0.2), HashEncoder(64))
for path in write_pairs(out, pairs):
    print(path.read_text(encoding="utf-8"))
print(pairs.digest, read_pairs(out).digest)
out.with_name("pairs.validation.csv").unlink()
print(read_pairs(out).digest)
assert "tensorflow" not in sys.modules
"""


def test_files_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    places = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "tuning")]
    outputs = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "pairs.csv"), *places],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) > 500


def test_without_a_held_out_share_all_is_for_training() -> None:
    pairs, _ = made(made_up(), validation=0)
    assert pairs.validation == ()
    assert pairs.counts()["validation"] == {}


def test_a_split_with_a_label_on_both_sides_is_refused() -> None:
    uris = set(made_up().by_uri)
    held = frozenset({occupation(0)})  # shares "old hand" with occupation 12
    with pytest.raises(ValueError, match="'old hand' is on both sides"):
        generate_pairs(made_up(), PairOptions(), Split(frozenset(uris - held), held))
    with pytest.raises(ValueError, match="on both sides"):
        generate_pairs(made_up(), PairOptions(), Split(frozenset(uris), frozenset({occupation(1)})))


def test_concepts_that_the_split_does_not_name_are_left_out() -> None:
    split = Split(frozenset({occupation(1), occupation(2)}), frozenset())
    pairs = generate_pairs(made_up(), PairOptions(), split)
    assert {pair.base_group for pair in everything(pairs)} == set(split.training)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"names": -1}, "names is -1, expected 0 or more"),
        ({"hard": -5}, "hard is -5, expected 0 or more"),
        ({"margin": 0.0}, "margin is 0.0, expected above 0"),
        ({"margin": 1.1}, "margin is 1.1, expected above 0"),
        ({"margin": float("nan")}, "margin is nan"),
    ],
)
def test_options_out_of_range(options: dict[str, float], seen: str) -> None:
    with pytest.raises(TuningError, match=seen):
        PairOptions(**options)  # type: ignore[arg-type]


def test_what_cannot_be_made_is_said() -> None:
    split = split_concepts(made_up())
    with pytest.raises(TuningError, match="made-up has no labels in fr, expected some of de, en; `jobsearch esco"):
        generate_pairs(made_up(), PairOptions(languages=("en", "fr")), split)
    with pytest.raises(TuningError, match="5 hard negatives are asked for without an encoder"):
        generate_pairs(made_up(), PairOptions(hard=5), split)
    nothing = PairOptions(descriptions=0, names=0, translations=0, neighbours=0, unrelated=0)
    with pytest.raises(TuningError, match="made-up gives no pair of the kinds asked for"):
        generate_pairs(made_up(), nothing, split)
    with pytest.raises(TuningError, match="gives no pair"):
        generate_pairs(Taxonomy.of(made_up().source, []), PairOptions(), Split(frozenset(), frozenset()))
