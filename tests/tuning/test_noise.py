"""Vacancy-like noise: reproducible, around the label, and off when it is switched off."""

from __future__ import annotations

import random

import pytest

from jobsearch.tuning.noise import _AFTER, _BEFORE, noisy

LABELS = ("nurse", "software developer", "vendeur/vendeuse", "cook (hotel) {chef}", "a , b", "IT")


def drawn(label: str, language: str = "en", marks: float = 1.0, slips: float = 0.0) -> list[str]:
    return [noisy(label, language, random.Random(seed), marks=marks, slips=slips) for seed in range(300)]


def test_equal_states_give_equal_texts() -> None:
    assert drawn("software developer", slips=0.5) == drawn("software developer", slips=0.5)
    assert len(set(drawn("software developer", slips=0.5))) > 200


@pytest.mark.parametrize("label", LABELS)
def test_without_marks_and_slips_nothing_changes(label: str) -> None:
    assert set(drawn(label, marks=0)) == {label}


@pytest.mark.parametrize("language", [*_BEFORE, "xx"])
@pytest.mark.parametrize("label", LABELS)
def test_marks_leave_the_label_as_it_is(label: str, language: str) -> None:
    texts = drawn(label, language)
    assert all(label in text and text != label for text in texts)
    assert not any("{place}" in text or "{number}" in text or " ," in text.replace(label, "X") for text in texts)


def test_marks_stand_before_and_after() -> None:
    texts = drawn("nurse")
    assert all(not text.startswith("nurse") and not text.endswith("nurse") for text in texts)
    half = drawn("nurse", marks=0.5)
    # Two independent marks at chance .5: none, one or both in a quarter, a half, a quarter of 300.
    neither = sum(text == "nurse" for text in half)
    both = sum(not text.startswith("nurse") and not text.endswith("nurse") for text in half)
    assert 45 < neither < 105
    assert 45 < both < 105


@pytest.mark.parametrize("language", sorted(_BEFORE))
def test_marks_are_in_the_language(language: str) -> None:
    before = {text.partition(" LABEL")[0] for text in drawn("LABEL", language)}
    assert before <= set(_BEFORE[language])
    assert len(before) >= 5
    after = {text.partition("LABEL ")[2] for text in drawn("LABEL", language)}
    assert after & set(_AFTER[language])
    if language != "en":
        assert not after & (set(_AFTER["en"]) - set(_AFTER[language]))


def test_an_unknown_language_gets_english_marks() -> None:
    assert drawn("nurse", "xx") == drawn("nurse", "en")


def test_a_slip_drops_doubles_or_swaps_one_letter() -> None:
    label = "software developer"
    slipped = drawn(label, marks=0, slips=1.0)
    letters = sorted(label)
    kinds = {len(text) - len(label) for text in slipped}
    assert kinds == {-1, 0, 1}
    for text in slipped:
        assert text.split()[0][0] + text.split()[1][0] == "sd"  # a word's first letter stays
        if len(text) == len(label):
            assert sorted(text) == letters
            assert sum(a != b for a, b in zip(text, label, strict=True)) in (0, 2)  # 0: two equal letters swapped
        elif len(text) < len(label):
            assert any(label[:i] + label[i + 1 :] == text for i in range(len(label)))
        else:
            assert any(text[:i] + text[i + 1 :] == label for i in range(len(text)))


def test_short_texts_have_no_slips() -> None:
    for label in ("IT", "chef", "C++ / C#", ""):
        assert set(drawn(label, marks=0, slips=1.0)) == {label}
