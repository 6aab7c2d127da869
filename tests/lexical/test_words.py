"""Words: cosines of letters against plain tf-idf in float64, in memory and from a file; and the singular."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from brute_force import made_up
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsearch.encoder.tensorfile import write_tensors
from jobsearch.lexical.features import features, words
from jobsearch.lexical.fusion import concept_score, likeness
from jobsearch.lexical.words import Words

MIXED = [
    *("software developer", "Software Developer", "developer of software", "software  developers"),
    *("Bäcker", "Bäckerin", "backer", "Straßenbauer", "STRASSENBAUER", "café owner", "cafe owner"),
    *("データ サイエンティスト", "инженер", "ΣΊΣΥΦΟΣ", "C++ / C# programmer", "3D modeller", "R"),
    *("+++", "", "—", "…!?"),
    "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 5,
    "nurse nurse nurse",
]
QUERIES = [
    *("software developer", "developer", "softwear devloper", "BACKER", "strassenbauer", "Cafe", "データ", "инженера"),
    *("c", "3d", "nurse", "nurse nurse", "R", "a z", "xyzzy q", "+++", "", "   ", "\ud800", "σίσυφος"),
]


def bag(text: str) -> Counter[str]:
    """Count what a text consists of: written down once more, the slow way."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in folded if not unicodedata.combining(sign))
    found: Counter[str] = Counter()
    for word in re.findall(r"[^\W_]+", plain):
        for start in range(len(word)):
            found[f" {word} "[start : start + 3]] += 1
        found["#" + word[:5]] += 1
    return found


class Plain:
    """Tf-idf cosines in float64, nothing rounded."""

    def __init__(self, labels: Sequence[str]) -> None:
        bags = [bag(label) for label in labels]
        self.count = len(labels)
        self.having = Counter(feature for one in bags for feature in one)
        self.vectors = [self.unit(one) for one in bags]

    def unit(self, one: Counter[str]) -> dict[str, float]:
        known = {feature: times for feature, times in one.items() if feature in self.having}
        idf = {feature: math.log((1 + self.count) / (1 + self.having[feature])) + 1 for feature in known}
        weights = {feature: (1 + math.log(times)) * idf[feature] for feature, times in known.items()}
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        return {feature: weight / length for feature, weight in weights.items()}

    def cosines(self, query: str) -> list[float]:
        own = self.unit(bag(query))
        return [sum(weight * one.get(feature, 0.0) for feature, weight in own.items()) for one in self.vectors]

    def rounding(self, query: str) -> list[float]:
        """Return how far each cosine may be off: half a step of each feature that query and label share."""
        own = self.unit(bag(query))
        step = {feature: max(one.get(feature, 0.0) for one in self.vectors) / 255 for feature in own}
        return [sum(own[feature] * step[feature] / 2 for feature in own if feature in one) for one in self.vectors]


def check(asked: Words, plain: Plain, query: str) -> None:
    scores = asked.scores(query)
    assert scores.dtype == np.float32
    assert scores.shape == (plain.count,)
    for got, true, off in zip(scores.tolist(), plain.cosines(query), plain.rounding(query), strict=True):
        assert abs(got - true) <= off + 1e-5
        assert (got == 0) == (true == 0)


# --- features ----------------------------------------------------------------------------------------------------


def test_a_word_is_its_trigrams_and_its_beginning() -> None:
    assert features("nurse") == [" nu", "nur", "urs", "rse", "se ", "#nurse"]
    assert features("engineer")[-1] == "#engin"
    assert features("r") == [" r ", "#r"]
    assert features("it") == [" it", "it ", "#it"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C++ / C#-programmer_2", ["c", "c", "programmer", "2"]),
        ("Bäcker/in (m/w)", ["backer", "in", "m", "w"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ﬁnance №5", ["finance", "no5"]),
        ("データ・人", ["テータ", "人"]),
        ("+ — … \ud800 _", []),
        ("", []),
    ],
)
def test_words_are_without_case_accents_and_signs(text: str, expected: list[str]) -> None:
    assert words(text) == expected


# --- cosines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", QUERIES)
def test_scores_are_those_of_plain_tf_idf(query: str) -> None:
    check(Words(Words.build(MIXED)), Plain(MIXED), query)


def test_scores_over_many_labels_are_those_of_plain_tf_idf() -> None:
    labels = [label for _, label, _ in made_up().labels()]
    asked, plain = Words(Words.build(labels)), Plain(labels)
    assert len(asked) == len(labels) > 1000
    for query in ("sales manager", "night nurse", "Crane operator", "gardener", "x", "software software engineer"):
        check(asked, plain, query)
        # Half a step each adds up only where all are off the same way.
        assert np.abs(asked.scores(query) - plain.cosines(query)).max() < 3e-3


@settings(deadline=None)
@given(st.lists(st.text("aäb ß-", max_size=8), max_size=6), st.text("aäbc ß-", max_size=8))
def test_scores_of_any_labels_are_those_of_plain_tf_idf(labels: list[str], query: str) -> None:
    check(Words(Words.build(labels)), Plain(labels), query)


def test_a_label_has_all_words_of_itself_whatever_its_case_and_accents() -> None:
    asked = Words(Words.build(MIXED))
    for row, label in enumerate(MIXED):
        for query in (label, label.upper(), label.casefold()):
            assert asked.scores(query)[row] == pytest.approx(1 if words(label) else 0, abs=0.01)
    assert asked.scores("CAFÉ OWNER")[MIXED.index("cafe owner")] > 0.99


def test_equal_labels_have_equal_scores() -> None:
    labels = [*("night nurse" for _ in range(40)), *(f"nurse {number}" for number in range(40)), "Night  Nurse!"]
    scores = Words(Words.build(labels)).scores("nurse at nite")
    assert len({*scores[:40].tolist(), float(scores[-1])}) == 1


def test_what_no_label_has_does_not_count() -> None:
    asked = Words(Words.build(["nurse", "baker"]))
    assert asked.scores("qqq").tolist() == [0, 0]
    assert asked.scores("nurse qqq").tolist() == asked.scores("nurse").tolist() == pytest.approx([1, 0], abs=0.01)


def test_rare_words_count_more_than_common_ones() -> None:
    asked = Words(Words.build([*(f"manager {letter}" for letter in "abcdefgh"), "welder z"]))
    scores = asked.scores("manager welder")
    assert scores[-1] > scores[:-1].max()


@pytest.mark.parametrize("labels", [[], [""], ["+++", "—"]])
def test_there_may_be_no_labels_and_no_letters(labels: list[str], tmp_path: Path) -> None:
    write_tensors(tmp_path / "words", Words.build(labels))
    for asked in (Words(Words.build(labels)), Words.open(tmp_path / "words")):
        assert len(asked) == len(labels)
        for query in ("nurse", "+++", ""):
            assert asked.scores(query).tolist() == [0.0] * len(labels)
        assert asked.singular("nurses") == "nurse"


# --- files -------------------------------------------------------------------------------------------------------


def test_a_file_answers_as_the_arrays_do_also_when_it_was_removed(tmp_path: Path) -> None:
    arrays = Words.build(MIXED)
    write_tensors(tmp_path / "words", arrays)
    asked, mapped = Words(arrays), Words.open(tmp_path / "words")
    (tmp_path / "words").unlink()
    for query in QUERIES:
        assert mapped.scores(query).tolist() == asked.scores(query).tolist()
        assert mapped.singular(query) == asked.singular(query)


def test_the_same_labels_make_the_same_file() -> None:
    again = Words.build(MIXED)
    for name, array in Words.build(MIXED).items():
        assert array.dtype == again[name].dtype
        assert array.tobytes() == again[name].tobytes()


def test_threads_share_them() -> None:
    asked = Words(Words.build(MIXED))
    expected = [asked.scores(query).tolist() for query in QUERIES]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert [scores.tolist() for scores in pool.map(asked.scores, QUERIES)] == expected


@pytest.mark.parametrize("name", ["feature", "idf", "step", "start", "row", "weight", "word", "count"])
@pytest.mark.parametrize("change", ["cut", "longer"])
def test_arrays_that_do_not_fit_are_refused(name: str, change: str) -> None:
    arrays = Words.build(MIXED)
    arrays[name] = arrays[name][:-1] if change == "cut" else np.concatenate([arrays[name], arrays[name][-1:]])
    with pytest.raises(ValueError, match="do not fit together"):
        Words(arrays)


@pytest.mark.parametrize("place", [0, 5, -1])
def test_ranges_that_cannot_be_are_refused(place: int) -> None:
    arrays = Words.build(MIXED)
    arrays["start"][place] += 10**6
    with pytest.raises(ValueError, match="do not fit together"):
        Words(arrays)


def test_rows_and_weights_of_another_index_are_refused() -> None:
    arrays, others = Words.build(MIXED), Words.build(MIXED[:5])
    with pytest.raises(ValueError, match="do not fit together"):
        Words({**arrays, "row": others["row"], "weight": others["weight"]})


@pytest.mark.parametrize("name", list(Words.build([])))
def test_an_array_that_is_missing_is_told(name: str) -> None:
    arrays = Words.build(MIXED)
    del arrays[name]
    with pytest.raises(KeyError, match=name):
        Words(arrays)


# --- the singular ------------------------------------------------------------------------------------------------

LABELS = [
    *(f"cook {number}" for number in range(4)),
    "cooks of the house",
    *(f"sales person {number}" for number in range(3)),
    *(f"point of sale {number}" for number in range(3)),
    *("fireman", "policewoman", "chief of staff", "thief", "midwife", "secretary", "waitress", "witness", "address"),
    *("bus driver", "cashier", "Bäcker"),
]


@pytest.mark.parametrize(
    ("query", "singular"),
    [
        ("bakers", "baker"),  # unknown in any form
        ("cashiers", "cashier"),
        ("cooks", "cook"),  # 4 to 1
        ("Cooks, (cashiers)!", "Cook, (cashier)!"),
        ("sales", "sales"),  # 3 to 3: it says what it means
        ("firemen", "fireman"),
        ("policewomen", "policewoman"),
        ("thieves", "thief"),
        ("midwives", "midwife"),
        ("secretaries", "secretary"),
        ("waitresses", "waitress"),
        ("addresses", "address"),
        ("Witnesses", "Witness"),
        ("buses", "bus"),
        ("bus", "bus"),
        ("Bäckers", "Bäcker"),
        ("batteries", "battery"),  # unknown in any form
        ("business analysis", "business analysis"),
        ("campus", "campus"),
        ("nurs", "nurs"),  # too short to be sure
        ("cooks cooks and cooks", "cook cook and cook"),
        ("cooks/waiters", "cooks/waiters"),
        ("3ds", "3ds"),
        ("", ""),
        ("+++", "+++"),
        ("\ud800s", "\ud800s"),
    ],
)
def test_the_singular_is_what_labels_have(query: str, singular: str) -> None:
    assert Words(Words.build(LABELS)).singular(query) == singular


@pytest.mark.parametrize(
    ("singulars", "plurals", "changes"), [(3, 1, False), (4, 1, True), (1, 0, True), (6, 2, False)]
)
def test_counts_decide(singulars: int, plurals: int, changes: bool) -> None:
    labels = [*(f"sale {n}" for n in range(singulars)), *(f"sales {n}" for n in range(plurals)), "sale sale sale sale"]
    # A label counts once, however often it has the word.
    asked = Words(Words.build(labels[:-1] if singulars > 1 else labels[-1:]))
    assert asked.singular("sales") == ("sale" if changes else "sales")


def test_a_word_too_long_to_be_counted_stays() -> None:
    long = "donaudampfschifffahrtsgesellschafts"
    assert Words(Words.build([long])).singular(long) == long


# --- how both are put together -----------------------------------------------------------------------------------


def test_likeness_and_score_are_weighted_means() -> None:
    one = np.array([0.5, -1.0, 1.0])
    assert likeness(one, np.array([0.1, 0.0, 1.0])).tolist() == pytest.approx([0.4, -0.75, 1.0])
    assert likeness(one, np.array([0.1, 0.0, 1.0]), 1.0).tolist() == [0.1, 0.0, 1.0]
    assert concept_score(one, one, one).tolist() == pytest.approx(one.tolist())
    parts = (np.array([1.0]), np.array([0.5]), np.array([0.0]))
    assert concept_score(*parts).tolist() == pytest.approx([0.85])
    assert concept_score(*parts, np.array([-1.5])).tolist() == pytest.approx([0.82])
