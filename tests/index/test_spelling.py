"""Labels by how they are spelled: any case, equal hashes or none, found in one go for many texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsearch.index import spelling
from jobsearch.index.spelling import Spellings
from jobsearch.index.strings import Strings

LABELS = ["Nurse", "cook", "nurse", "Straße", "nurse", "ﬁtter", "İmam"]
TEXTS = st.text(alphabet=st.sampled_from(list("aAbBsSßẞ İıé\u0301")), max_size=4)


def spellings(labels: Sequence[str]) -> Spellings:
    return Spellings(Strings(*Strings.pack(labels)), *Spellings.pack(labels))


def found(labels: Sequence[str], texts: Sequence[str]) -> dict[int, list[int]]:
    return {place: rows.tolist() for place, rows in spellings(labels).find(texts).items()}


def test_labels_are_found_in_any_case() -> None:
    assert found(LABELS, ["NURSE", "baker", "cook", "STRASSE", "fitter", "", "nurse "]) == {
        **{0: [0, 2, 4], 2: [1]},
        **{3: [3], 4: [5]},
    }
    assert found(LABELS, []) == {}


@given(st.lists(TEXTS.filter(bool), min_size=1), st.lists(TEXTS))
def test_as_looking_at_each_label(labels: list[str], texts: list[str]) -> None:
    expected = {
        place: [row for row, label in enumerate(labels) if label.casefold() == text.casefold()]
        for place, text in enumerate(texts)
    }
    assert found(labels, texts) == {place: rows for place, rows in expected.items() if rows}


def test_a_lone_surrogate_is_no_label() -> None:
    assert found(LABELS, ["\ud800"]) == {}


def test_equal_hashes_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(texts: Iterable[str]) -> np.ndarray:
        return np.array([7 for _ in texts], np.uint64)

    monkeypatch.setattr(spelling, "_hashes", alike)
    assert found(LABELS, ["cook", "baker", "nurse"]) == {0: [1], 2: [0, 2, 4]}
