"""Labels that hold both grammatical genders, and the single forms that people type.

ESCO writes them in three ways: two whole names ("Effektenhändler/Effektenhändlerin"), two words with a common rest
("vendeur/vendeuse en valeurs mobilières") and a word with an ending ("Frisurengestalter/in", "LehrerIn").

Telling the first two from "audio/video" and "chauffeur/verhuizer" needs no list of endings: two genders of one word
begin alike and differ in a few letters at the end, and other neighbours of a slash do not. So one rule serves every
language; a handful of pairs that do not begin alike ("acteur/actrice", "Kaufmann/Kauffrau") are listed. Only for the
third way the ending has to be known, per language, to give a word that exists.

It was made for names of occupations; "Produkt/Produkte" in the label of a skill would be taken for two genders.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# ESCO's languages in which names of occupations have a gender. In the others (English, Finnish, Swedish, …) a slash
# means "or". The rule was measured in German, Spanish, French, Italian, Dutch, Polish and Portuguese.
_GENDERED = frozenset(
    ("ar", "bg", "cs", "de", "el", "es", "fr", "hr", "it", "lt", "lv", "mt", "nl", "pl", "pt", "ro", "sk", "sl", "uk")
)

# Two genders of a word that do not begin alike, or not long enough: both words end in these and begin the same.
_UNLIKE = (
    ("teur", "trice"),
    ("tore", "trice"),
    ("tor", "triz"),
    ("mann", "frau"),
    ("man", "woman"),
    ("man", "vrouw"),
    ("heer", "vrouw"),
    ("homme", "femme"),
    ("steward", "hostess"),
    ("steward", "hotesse"),
    ("pfleger", "schwester"),
)

# Endings after a mark: (what is written, what the word before it ends in, masculine and feminine instead of that).
_SHORT = {
    "de": (
        ("in", "e", "e", "in"),
        ("in", "", "", "in"),
        ("innen", "en", "en", "innen"),
        ("innen", "e", "e", "innen"),
        ("innen", "", "", "innen"),
        ("r", "e", "er", "e"),
    ),
    "es": (("a", "o", "o", "a"), ("a", "r", "r", "ra"), ("a", "jefe", "jefe", "jefa")),
    "fr": (
        ("e", "", "", "e"),
        ("ne", "n", "n", "nne"),
        ("euse", "eur", "eur", "euse"),
        ("trice", "teur", "teur", "trice"),
        ("rice", "teur", "teur", "trice"),
        ("ère", "er", "er", "ère"),
        ("ière", "ier", "ier", "ière"),
        ("ve", "f", "f", "ve"),
    ),
    "it": (("a", "o", "o", "a"), ("a", "iere", "iere", "iera"), ("trice", "tore", "tore", "trice")),
    "pt": (("a", "o", "o", "a"), ("a", "r", "r", "ra")),
}
# "Arzt/in" stands for "Ärztin" and "Psycholog/in" for "Psychologe": gluing would give words that do not exist.
_NOT_BY_GLUING = ("arzt", "ärzt", "walt", "wält", "koch", "köch", "olog", "agog", "linked")

_MARK = re.compile(r"[/(·•‧*:_.]|[a-zäöüß](?:In|R)")  # most labels have none, and need no closer look
_WORD = re.compile(r"[^\s\-–—,;()\"]+")
_ENDING = re.compile(r"(?P<word>.*\w{3})(?:(?:/-?|[·•‧*:_.])(?P<bare>\w+)|\(-?(?P<bracketed>\w+)\))(?P<after>\W*)")
_CAPITAL = re.compile(r"(?P<word>.*\w{3}(?<=[a-zäöüß]))(?P<bare>In|Innen|R)(?P<after>\W*)")


def split_forms(label: str, language: str) -> tuple[str, ...]:
    """Return the single forms of a label that holds two, and nothing for any other label.

    Args:
        label: a clean name of an occupation.
        language: ISO 639-1 code; languages without gender have no forms.
    """
    if language not in _GENDERED or not _MARK.search(label):
        return ()
    forms = next(_whole_names(label), None) or _word_by_word(label, language)
    return tuple(form for form in dict.fromkeys(forms) if form != label)


def _whole_names(label: str) -> Iterator[tuple[str, str]]:
    """Read a label as two names around one of its slashes."""
    for slash in re.finditer("/", label):
        left, right = label[: slash.start()].strip(), label[slash.end() :].strip()
        # "Import-/Exportmanager": the hyphen stands for the rest of the word, not for a gender.
        if not left.endswith("-") and not right.startswith("-") and (forms := _two_names(left, right)):
            yield forms


def _two_names(left: str, right: str) -> tuple[str, str] | None:
    ours, theirs = list(_WORD.finditer(left)), list(_WORD.finditer(right))
    both = list(zip(ours, theirs, strict=False))
    unequal = [(a[0], b[0]) for a, b in both if _plain(a[0]) != _plain(b[0])]
    if not both or (not unequal and len(ours) != len(theirs)):
        return None
    if all(_two_genders(a, b) for a, b in unequal):
        # One side can stop early: the rest is for both.
        end_left, end_right = both[-1][0].end(), both[-1][1].end()
        if len(ours) < len(theirs):
            return left + right[end_right:], right
        return (left, right + left[end_left:]) if len(ours) > len(theirs) else (left, right)
    # Slips of the pen and other wording in one half are common. The first word still tells, if each half is more.
    return (left, right) if min(len(ours), len(theirs)) > 1 and _two_genders(ours[0][0], theirs[0][0]) else None


def _word_by_word(label: str, language: str) -> tuple[str, ...]:
    """Put all that is written for two genders, word by word, into one form each."""
    pairs = [_of_word(word, language) or (word, word) for word in label.split(" ")]
    forms = tuple(" ".join(words) for words in zip(*pairs, strict=True))
    return forms if label not in forms else ()


def _of_word(word: str, language: str) -> tuple[str, str] | None:
    if found := next(_whole_names(word), None):
        return found
    match = _ENDING.fullmatch(word) or (_CAPITAL.fullmatch(word) if language == "de" else None)
    if match is None:
        return None
    base, ending = match["word"], (match["bare"] or match["bracketed"]).casefold()
    if base.casefold().endswith(_NOT_BY_GLUING):
        return None
    for written, before, masculine, feminine in _SHORT.get(language, ()):
        if ending == written and base.endswith(before):
            stem = base[: len(base) - len(before)]
            return stem + masculine + match["after"], stem + feminine + match["after"]
    return None


def _two_genders(one: str, other: str) -> bool:
    one, other = _plain(one), _plain(other)
    if one == other:
        return False
    common = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    # Up to four letters may differ ("krawiec/krawcowa"), fewer in short words ("moza/mozo").
    if common >= 3 and max(len(one), len(other)) - common <= min(4, common):
        return True
    return any(
        a.endswith(masculine) and b.endswith(feminine) and a[: -len(masculine)] == b[: -len(feminine)]
        for a, b in ((one, other), (other, one))
        for masculine, feminine in _UNLIKE
    )


def _plain(word: str) -> str:
    """Without case and accents, which change with the ending ("sommelier/sommelière", "Arzt/Ärztin")."""
    return "".join(c for c in unicodedata.normalize("NFD", word.casefold()) if not unicodedata.combining(c))
