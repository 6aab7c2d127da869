"""The gate: what it measures, what it holds back, and how it passes from version to version."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from brute_force import ESCO, SOURCE, BruteForce, made_up, of_kind, skill, version_of
from encoders import HashEncoder

from jobsearch.engine import JobSearch
from jobsearch.errors import IndexingError
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.edits import Edit
from jobsearch.index.gate import Gate, check_gate
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Taxonomy

pytestmark = pytest.mark.usefixtures("hash_encoders")
DIM = 64
WORDS = "abcdefghijklmnopqrst"
# Each query is near the one concept whose letter it repeats, and there are more concepts than the gate looks at.
CONCEPTS = [skill(letter, letter * 6) for letter in WORDS]
QUERIES = [letter * 5 for letter in WORDS]


def uri(letter: str) -> str:
    return f"{ESCO}skill/{letter}"


def taxonomy(without: str = "") -> Taxonomy:
    return Taxonomy.of(SOURCE, [concept for concept in CONCEPTS if concept.uri[-1] not in without])


def gate_of(letters: str, *more: tuple[str, str]) -> Gate:
    return Gate((*((letter * 5, uri(letter)) for letter in letters), *more))


@pytest.fixture
def directory(tmp_path: Path) -> IndexDirectory:
    return IndexDirectory(tmp_path / "t")


def built(directory: IndexDirectory, without: str = "", **options: object) -> dict[str, object] | None:
    """Build a version, and return what its manifest says of the gate."""
    version = build_index(
        taxonomy(without),
        HashEncoder(DIM),
        directory,
        options=Options(**options),  # type: ignore[arg-type]
    )
    return None if version.manifest.gate is None else dict(version.manifest.gate)


# --- what it measures --------------------------------------------------------------------------------------------


def test_found_is_among_the_ten_nearest_concepts_as_brute_force_has_them() -> None:
    taxonomy = made_up()
    encoder = HashEncoder(DIM)
    truth = BruteForce(taxonomy, encoder)
    pairs, expected = [], []
    for query in ("sales manager", "night nurse", "bäcker", "x"):
        best = truth.concepts(query, of_kind("all"))
        ranked = sorted(best, key=lambda uri: -best[uri])
        places = [0, 5, 9, 10, 11, 200]
        assert best[ranked[9]] > best[ranked[10]] + 1e-5  # no tie across the border
        pairs += [(query, ranked[place]) for place in places]
        expected += [place < 10 for place in places]
    pairs.append(("x", "urn:unknown"))
    assert Gate(tuple(pairs)).found(version_of(taxonomy, encoder)) == [*expected, False]


def test_a_version_of_few_concepts_is_asked_for_all_of_them() -> None:
    version = version_of(taxonomy(WORDS[3:]), HashEncoder(DIM))
    assert gate_of("abcd").found(version) == [True, True, True, False]


def test_each_version_is_asked_with_its_own_encoder() -> None:
    """Vectors of one encoder say nothing about queries of another."""
    taxonomy = made_up()
    new, old = version_of(taxonomy, HashEncoder(DIM, "tuned")), version_of(taxonomy, HashEncoder(DIM))
    for version in (new, old):
        truth = BruteForce(taxonomy, version.encoder)
        best = truth.concepts("night nurse", of_kind("all"))
        ranked = sorted(best, key=lambda uri: -best[uri])
        gate = Gate(tuple(("night nurse", uri) for uri in (*ranked[:8], *ranked[20:])))
        assert gate.found(version) == [True] * 8 + [False] * 250
    gate = Gate((("night nurse", made_up().concepts[0].uri),))
    verdict = check_gate(gate, new, old, force=True)
    assert verdict["recall@10"] == float(gate.found(new)[0])
    assert verdict["before"] == float(gate.found(old)[0])


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    gate = Gate((("Bäcker", "urn:a"), ("Bäcker", "urn:b"), ("x", "urn:a")))
    assert Gate.of_version(tmp_path) is None
    gate.write(tmp_path)
    assert Gate.of_version(tmp_path) == gate


# --- what it holds back ------------------------------------------------------------------------------------------


def test_the_first_version_passes_whatever_it_finds(directory: IndexDirectory) -> None:
    gate = gate_of("abc", ("x", "urn:unknown"))
    assert built(directory, gate=gate) == {"queries": 4, "recall@10": 0.75, "before": None, "forced": False}


def test_a_gate_that_knows_nothing_of_the_index_is_refused(directory: IndexDirectory) -> None:
    """It would let everything pass for ever."""
    with pytest.raises(IndexingError, match="cannot judge index 't': it holds none of its concepts, such as 'urn:u'"):
        built(directory, gate=Gate((("x", "urn:u"),)))
    assert directory.versions() == []


def test_a_version_that_finds_less_is_not_published(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of("abc", ("x", "urn:unknown")))
    engine = JobSearch.open(directory.path)
    with pytest.raises(IndexingError) as raised:
        built(directory, without="b")
    # 3 of 4 were found; without concept b there are 2.
    assert str(raised.value) == (
        "the gate holds the new version of index 't' back: recall@10 fell from 0.7500 to 0.5000 over 4 queries, "
        "lost 'bbbbb'; nothing was published; --force publishes it all the same"
    )
    assert (directory.versions(), directory.current()) == (["0001"], "0001")
    assert sorted(path.name for path in (directory.path / "versions").iterdir()) == ["0001"]
    assert engine.reload() is False


def test_at_most_three_lost_queries_are_named(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of(WORDS))
    for without, named in [
        ("abc", "lost 'aaaaa', 'bbbbb', 'ccccc';"),
        ("abcde", "lost 'aaaaa', 'bbbbb', 'ccccc' and 2 more;"),
    ]:
        with pytest.raises(IndexingError) as raised:
            built(directory, without=without)
        assert named in str(raised.value)


def test_force_publishes_and_the_manifest_says_so(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of("abcd"))
    assert built(directory, without="b", force=True) == {
        "queries": 4,
        "recall@10": 0.75,
        "before": 1.0,
        "forced": True,
    }
    assert directory.current() == "0002"
    # What is published is what the next one is measured by; force where there was no need is not recorded as used.
    assert built(directory, without="b", force=True) == {
        "queries": 4,
        "recall@10": 0.75,
        "before": 0.75,
        "forced": False,
    }


def test_a_version_that_finds_as_many_others_passes(directory: IndexDirectory) -> None:
    built(directory, without="b", gate=gate_of("ab"))
    assert built(directory, without="a") == {"queries": 2, "recall@10": 0.5, "before": 0.5, "forced": False}
    assert built(directory) == {"queries": 2, "recall@10": 1.0, "before": 0.5, "forced": False}


def test_edits_pass_the_gate_too(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of("abcd"))
    with pytest.raises(IndexingError, match=r"recall@10 fell from 1\.0000 to 0\.7500 over 4 queries, lost 'ccccc'"):
        edit_index([Edit("remove", uri("c"))], directory)
    assert directory.versions() == ["0001"]
    version = edit_index([Edit("remove", uri("c"))], directory, options=Options(force=True))
    assert version.manifest.gate == {"queries": 4, "recall@10": 0.75, "before": 1.0, "forced": True}
    assert edit_index([Edit("remove", uri("t"))], directory).manifest.gate == {
        "queries": 4,
        "recall@10": 0.75,
        "before": 0.75,
        "forced": False,
    }


# --- from version to version -------------------------------------------------------------------------------------


def test_a_gate_is_kept_until_it_is_replaced_or_dropped(directory: IndexDirectory) -> None:
    def carried() -> Gate | None:
        return Gate.of_version(directory.version_path(directory.current()))

    assert built(directory) is None
    assert built(directory, gate=gate_of("ab")) == {"queries": 2, "recall@10": 1, "before": 1, "forced": False}
    assert carried() == gate_of("ab")
    built(directory)
    assert carried() == gate_of("ab")
    # Another gate replaces it: it is what both versions are asked.
    assert built(directory, without="a", gate=gate_of("bcd")) == {
        "queries": 3,
        "recall@10": 1.0,
        "before": 1.0,
        "forced": False,
    }
    assert carried() == gate_of("bcd")
    assert built(directory, without="abcd", no_gate=True) is None
    assert carried() is None
    assert built(directory, without="abcde") is None
    assert open_version(directory).manifest.files.keys() >= {"vectors.faiss"}
    assert "gate.json" not in open_version(directory).manifest.files


def test_the_gate_is_asked_of_the_version_in_use_after_a_roll_back(directory: IndexDirectory) -> None:
    built(directory, without="a", gate=gate_of("ab"))
    built(directory)  # finds both
    directory.publish("0001")
    assert built(directory, without="b") == {"queries": 2, "recall@10": 0.5, "before": 0.5, "forced": False}


def test_a_broken_version_in_use_is_mended_with_its_gate(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of("ab"))
    (directory.version_path("0001") / "vectors.faiss").unlink()
    assert built(directory, without="a") == {"queries": 2, "recall@10": 0.5, "before": None, "forced": False}
    assert directory.current() == "0002"


def test_a_gate_that_is_broken_itself_is_lost_and_the_log_says_so(
    directory: IndexDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    built(directory, gate=gate_of("ab"))
    (directory.version_path("0001") / "gate.json").write_text("[]")
    with caplog.at_level(logging.WARNING, logger="jobsearch"):
        assert built(directory, without="ab") is None
    assert "edits, gate, titles and type of the version in use cannot be taken over: " in caplog.text


def test_a_damaged_pointer_is_mended(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of("ab"))
    (directory.path / "current").write_text("?")
    assert built(directory, without="ab") is None
    assert directory.current() == "0002"


def test_the_version_before_stands_in_for_a_broken_one(directory: IndexDirectory) -> None:
    built(directory, gate=gate_of("ab"))
    built(directory)
    (directory.version_path("0002") / "vectors.faiss").unlink()
    with pytest.raises(IndexingError, match=r"recall@10 fell from 1\.0000 to 0\.0000"):
        built(directory, without="ab")
    assert directory.current() == "0002"


def test_a_given_gate_has_nothing_to_compare_with_if_the_version_in_use_is_broken(directory: IndexDirectory) -> None:
    built(directory)
    (directory.version_path("0001") / "vectors.faiss").unlink()
    assert built(directory, without="a", gate=gate_of("ab")) == {
        "queries": 2,
        "recall@10": 0.5,
        "before": None,
        "forced": False,
    }


@pytest.mark.parametrize(("gate", "last"), [(None, "checking"), (gate_of("a"), "asking the gate")])
def test_asking_the_gate_is_the_last_step_if_there_is_one(
    directory: IndexDirectory, gate: Gate | None, last: str
) -> None:
    steps: list[str] = []
    build_index(taxonomy(), HashEncoder(DIM), directory, lambda step, *_: steps.append(step), Options(gate=gate))
    assert steps[-1] == last
