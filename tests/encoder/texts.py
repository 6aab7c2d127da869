"""Texts that have broken encoders before."""

from __future__ import annotations

NASTY = {
    "empty": "",
    "one character": "a",
    "only spaces": "   ",
    "white space of all kinds": "\t nurse\r\n\u00a0practitioner\u2003 ",
    "emoji": "👩🏽‍💻 job 🚀",
    "right to left": "مهندس برمجيات",
    "right-to-left marks": "\u202bsoftware مهندس\u202c engineer",
    "Chinese": "软件工程师（高级）",
    "Japanese": "株式会社 エンジニア ﾌﾟﾛｸﾞﾗﾏｰ",
    "Korean": "간호사",
    "Thai": "วิศวกรซอฟต์แวร์",
    "NUL": "\x00",
    "NUL at the end": "nurse\x00",
    "NUL within": "nu\x00rse",
    "lone surrogate": "\ud800",
    "lone surrogate within": "data \udfff scientist",
    "combining characters": "infirmie\u0300re e\u0301le\u0300ve",
    "many combining characters": "z" + "\u0301\u0323\u0489" * 40,
    "compatibility characters": "ﬁtter № ½ ①",
    "Turkish capital": "İSTANBUL ŞOFÖRÜ",
    "sharp s": "GROẞHÄNDLER Straße",
    "private use": "\ue000\U0010fffd",
    "no spaces": "x" * 800,
    "the tokenizer's own marks": "<s> ▁nurse </s> <unk>",
    "capitals": "SENIOR JAVA DEVELOPER (m/w/d)",
    "plain": "registered nurse",
}

LONG = " ".join(f"word{number % 37} engineer" for number in range(1000))  # 2,000 words

LABELS = [
    f"{grade} {trade} {suffix}".strip()
    for grade in ("senior", "Junior", "assistant", "")
    for trade in (
        "software developer",
        "nurse",
        "Elektroniker",
        "ingénieur civil",
        "welder and pipe fitter",
        "クラーク",
    )
    for suffix in ("", "(m/f/d)", "in the public sector, part time")
]
