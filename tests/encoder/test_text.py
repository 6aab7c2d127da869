"""Case settings, preparation and the tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import NASTY

from jobsearch.encoder.text import CASES, Case, Tokenizer, apply_case, default_case, prepare
from jobsearch.encoder.weights import WeightSet
from jobsearch.errors import EncoderError


@pytest.mark.parametrize(
    ("text", "lower", "lower_caps"),
    [
        ("SENIOR JAVA DEVELOPER", "senior java developer", "senior java developer"),
        ("Marketing Executive", "marketing executive", "Marketing Executive"),
        ("HGV driver", "hgv driver", "HGV driver"),
        ("nurse", "nurse", "nurse"),
        ("BÜROKAUFMANN (M/W/D) 2024", "bürokaufmann (m/w/d) 2024", "bürokaufmann (m/w/d) 2024"),
        ("ВРАЧ", "врач", "врач"),
        ("護士 123", "護士 123", "護士 123"),  # without case
        ("", "", ""),
    ],
)
def test_apply_case(text: str, lower: str, lower_caps: str) -> None:
    assert apply_case(text, "keep") == text
    assert apply_case(text, "lower") == lower
    assert apply_case(text, "lower-caps") == lower_caps


@given(st.text())
def test_lower_caps_is_lower_or_keep(text: str) -> None:
    assert apply_case(text, "lower-caps") in (text, text.lower())


def test_default_case() -> None:
    assert default_case(["en"]) == "lower"
    assert default_case(["en", "fr", "es"]) == "lower"
    assert default_case(["de"]) == "lower-caps"
    assert default_case(("en", "de")) == "lower-caps"
    assert default_case(language for language in ("fr", "de")) == "lower-caps"
    assert default_case([]) == "lower"


def test_prepare_applies_the_case_and_replaces_lone_surrogates() -> None:
    texts = ["NURSE", "Data \ud800 Scientist", "Krankenschwester"]
    assert prepare(texts, "keep") == ["NURSE", "Data ? Scientist", "Krankenschwester"]
    assert prepare(texts, "lower") == ["nurse", "data ? scientist", "krankenschwester"]
    assert prepare(texts, "lower-caps") == ["nurse", "Data ? Scientist", "Krankenschwester"]
    assert prepare([], "lower") == []


@pytest.mark.parametrize("case", CASES)
def test_prepared_text_is_utf8(case: Case) -> None:
    texts = list(NASTY.values())
    for text, prepared in zip(texts, prepare(texts, case), strict=True):
        assert prepared.encode().decode() == prepared
        if case == "keep" and "\ud800" <= max(text, default="") <= "\udfff":
            assert "?" in prepared


def test_a_tokenizer_that_is_none_is_refused() -> None:
    for model in (b"not a model", b"\x00" * 100):
        with pytest.raises(
            EncoderError, match=r"^the tokenizer model cannot be read \(.*\); make the weight set again$"
        ):
            Tokenizer(model)


def test_token_ids(base_weights: WeightSet) -> None:
    tokenize = Tokenizer(base_weights.tokenizer_model)
    empty, spaces, nurse, twice = tokenize(["", "  ", "nurse", "nurse nurse"])
    assert empty == spaces == [1, 2]
    assert (nurse[0], nurse[-1]) == (1, 2)
    assert twice == [1, *nurse[1:-1] * 2, 2]
    assert tokenize([]) == []
    # Marks that are written in a text are text: nobody gets an end mark in by typing one.
    (marks,) = tokenize(["<s></s>"])
    assert 1 not in marks[1:-1]
    assert 2 not in marks[1:-1]
