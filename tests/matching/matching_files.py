"""A file of titles in each format, read back with what was found; and an engine that needs no weights."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from brute_force import ROLES, WORDS, made_up, version_of
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.index.reader import IndexVersion
from jobsearch.index.versions import IndexDirectory
from jobsearch.matching.matcher import COLUMNS, DECIMALS

FORMATS = ("csv", "jsonl", "parquet")


def titles(count: int) -> list[str]:
    """Return titles of which some come again, some are the same but for white space, and some are empty."""
    made = []
    for number in range(count):
        word, role = WORDS[number * 7 % len(WORDS)], ROLES[number * 3 % len(ROLES)]
        title = f"{word} {role} {number // 3 % 40}"
        if number % 11 == 0:
            title = f" {word}  {role}\t"
        if number % 29 == 5:
            title = " \u200b" if number % 2 else ""
        made.append(title)
    return made


def write_rows(path: Path, texts: Sequence[str | None], column: str = "title") -> Path:
    """Write texts as the file's suffix says, with a number before and a note behind each."""
    rows = [
        {"id": number, column: text, "note": f'n,"{number}"\n' if number % 5 == 0 else "é"}
        for number, text in enumerate(texts)
    ]
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", column, "note"])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=150)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file's rows; of a CSV all values are texts."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Counted:
    """Counts the texts that its encoder is given, which needs no weights."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.encoder = Wrapped(_ENCODER, encode=self._encode)

    def _encode(self, texts: Sequence[str]) -> Embeddings:
        self.texts += texts
        return encode(texts)


_ENCODER = HashEncoder(64)


def encode(texts: Sequence[str]) -> Embeddings:
    return np.stack([_embed(text) for text in texts]) if texts else np.empty((0, 64), np.float32)


@functools.cache
def _embed(text: str) -> Embeddings:
    return _ENCODER.encode([text])[0]


@functools.cache
def _opened() -> IndexVersion:
    return version_of(made_up(), Wrapped(_ENCODER, encode=encode))


def small_engine(counted: Counted | None = None) -> JobSearch:
    """Return an engine over 180 occupations and 90 skills, a third of them in German too."""
    opened = replace(_opened(), encoder=counted.encoder) if counted else replace(_opened())
    return JobSearch(IndexDirectory(Path("/nowhere/t")), opened)


def expected(
    engine: JobSearch, texts: Sequence[str | None], k: int, kind: Any = "occupation", where: Filter = EVERYTHING
) -> list[dict[str, Any]]:
    """Return the lines that each text must have, by the engine's own search by meaning."""
    lines = []
    for number, text in enumerate(texts):
        hits = engine.search(text, k, kind, where, "meaning") if text and text.strip(" \t\u200b") else []
        for hit in hits:
            lines.append(
                {
                    "position": number,
                    "match_rank": hit.rank,
                    "match_uri": hit.uri,
                    "match_label": hit.label,
                    "match_matched_label": hit.matched_label,
                    "match_kind": hit.kind,
                    "match_score": round(hit.score, DECIMALS),
                    "match_isco_group": engine.concept(hit.uri).isco_group,
                    "match_confidence": round(hit.confidence or 0.0, DECIMALS),
                    "match_good_match": hit.good_match,
                }
            )
        if not hits:
            lines.append({"position": number, **dict.fromkeys(COLUMNS)})
    return lines
