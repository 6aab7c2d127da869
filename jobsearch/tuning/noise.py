"""Vacancy-like noise for anchors: what recruiters write around a job title, and slips of the finger.

Labels in a taxonomy are bare names; what people search with is not. Adding such marks to anchors in training, never
to the labels they should find, teaches the encoder that they mean nothing for the match.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_BEFORE = {
    "en": (
        *("senior", "junior", "lead", "principal", "trainee", "graduate", "experienced", "sr.", "jr.", "mid-level"),
        *("part time", "full-time", "freelance", "temporary", "urgent:", "assistant", "associate", "qualified"),
        *("interim", "apprentice", "bilingual", "head", "chief", "deputy", "weekend", "now hiring:", "night shift"),
    ),
    "de": ("senior", "junior", "erfahrener", "stellv.", "leitender", "auszubildender", "teilzeit", "vollzeit", "azubi"),
    "fr": ("assistant", "alternance", "stage", "cdi", "cdd", "urgent :", "apprenti", "chef", "senior", "junior"),
    "es": ("senior", "junior", "urgente:", "ayudante", "se busca", "prácticas", "jefe"),
    "it": ("senior", "junior", "urgente:", "stage", "cercasi", "apprendista", "aiuto"),
    "nl": ("senior", "junior", "ervaren", "gezocht:", "leerling", "parttime", "fulltime"),
    "pl": ("starszy", "młodszy", "pilne:", "praktykant", "główny"),
    "pt": ("sénior", "júnior", "urgente:", "estagiário", "procura-se"),
}
_AFTER = {
    "en": (
        *(
            "- full time",
            "- part time",
            "(remote)",
            "- permanent",
            "(contract)",
            "- immediate start",
            "- days",
            "- nights",
        ),
        *(
            "(maternity cover)",
            "| hybrid",
            "- 12 month ftc",
            "x2",
            "ii",
            "iii",
            "- level 3",
            "(entry level)",
            "- up to 35k",
        ),
        *("- 40 hours", "- band 5", "needed", "required", "- join our team", "- competitive salary", "with experience"),
    ),
    "de": ("(m/w/d)", "(w/m/d)", "in vollzeit", "in teilzeit", "ab sofort", "- unbefristet", "gesucht", "(80-100%)"),
    "fr": ("(h/f)", "h/f", "- cdi", "- cdd", "en alternance", "- temps plein", "- temps partiel", "(f/h)"),
    "es": ("(m/h)", "- jornada completa", "- media jornada", "con experiencia", "- incorporación inmediata"),
    "it": ("(m/f)", "- full time", "- part time", "con esperienza", "- tempo indeterminato"),
    "nl": ("(m/v)", "m/v/x", "- fulltime", "- 32 uur", "met ervaring", "gezocht"),
    "pl": ("(k/m)", "- pełny etat", "z doświadczeniem", "- od zaraz"),
    "pt": ("(m/f)", "- tempo inteiro", "- part-time", "com experiência", "- entrada imediata"),
}
_ANYWHERE = ("(m/f/d)", "(f/m/x)", "- {place}", "in {place}", "({place})", ", {place}", "#{number}", "- ref. {number}")
_PLACES = (
    *("london", "berlin", "new york", "paris", "manchester", "dublin", "vienna", "amsterdam", "madrid", "chicago"),
    *("hamburg", "lyon", "milan", "lisbon", "warsaw", "brussels", "leeds", "texas", "munich", "zurich", "glasgow"),
)


def noisy(label: str, language: str, draw: random.Random, *, marks: float, slips: float) -> str:
    """Return a label as a vacancy might have it.

    Args:
        label: a bare title or skill.
        language: its language; others than the known ones get English marks.
        draw: source of randomness; the same state gives the same text.
        marks: chance of each of two marks, before and after the label; 0 to 1.
        slips: chance of a slip of the finger; 0 to 1.
    """
    text = label
    if draw.random() < marks:
        text = f"{draw.choice(_BEFORE.get(language, _BEFORE['en']))} {text}"
    if draw.random() < marks:
        after = draw.choice((*_AFTER.get(language, _AFTER["en"]), *_ANYWHERE))
        after = after.format(place=draw.choice(_PLACES), number=draw.randint(100, 99999))
        text = f"{text}{after}" if after.startswith(",") else f"{text} {after}"
    if draw.random() < slips:
        text = _slip(text, draw)
    return text


def _slip(text: str, draw: random.Random) -> str:
    """Drop or double a letter inside a word, or swap it with the next; a text with few such letters stays as it is."""
    places = [i for i in range(1, len(text) - 2) if text[i - 1 : i + 2].isalpha()]
    if len(places) < 3:
        return text
    at = draw.choice(places)
    return draw.choice(_SLIPS)(text, at)


_SLIPS: Sequence[Callable[[str, int], str]] = (
    lambda text, at: text[:at] + text[at + 1 :],
    lambda text, at: text[: at + 1] + text[at:],
    lambda text, at: text[:at] + text[at + 1] + text[at] + text[at + 2 :],
)
