"""What cleaning does to a label, and to the labels of a concept."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsearch.taxonomy.labels import CleanedLabels, clean_label, clean_labels


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  data\t scientist \n", "data scientist"),
        ("data\u00a0scientist", "data scientist"),  # NBSP, as in ESCO 1.2.0
        ("data\u200b scientist\u200b", "data scientist"),  # zero-width space, as in ESCO 1.2.1
        ("\ufeffcook", "cook"),
        ("ba\u00adker", "baker"),  # soft hyphen
        ("a\x00b", "a b"),
        ("cafe\u0301", "café"),  # NFC
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # zero-width non-joiner has a meaning in Persian
        ("C++/C# developer", "C++/C# developer"),
        (" \u200b\u00a0 ", ""),
        ("", ""),
    ],
)
def test_clean_label(raw: str, clean: str) -> None:
    assert clean_label(raw) == clean


@given(st.text())
def test_a_clean_label_stays_as_it_is(text: str) -> None:
    label = clean_label(text)
    assert clean_label(label) == label
    assert unicodedata.is_normalized("NFC", label)
    assert label == " ".join(label.split())


def test_clean_labels_counts_what_it_drops() -> None:
    labels = clean_labels(" cook ", ["chef", "cook", "\u200b", "chef ", "Chef", ""])
    assert labels == CleanedLabels(preferred="cook", alternatives=("chef", "Chef"), empty=2, repeated=2)


def test_an_empty_preferred_label_is_no_repeat() -> None:
    assert clean_labels(" ", ["", "cook"]) == CleanedLabels("", ("cook",), empty=1, repeated=0)
