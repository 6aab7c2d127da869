"""Pairs in the tutorial's format: a CSV file with the columns `base,ref,similarity`, UTF-8.

Held-out pairs stand beside it, in `<name>.validation.csv`, so that training by other programs never sees them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jobsearch.errors import StorageError, TuningError
from jobsearch.files import storage_errors, write_atomically
from jobsearch.taxonomy.labels import clean_label
from jobsearch.tuning.pair import Pair, PairSet
from jobsearch.tuning.text_groups import group_texts, hold_out
from jobsearch.utf8 import read

COLUMNS = ("base", "ref", "similarity")
_OWN = "file"  # the source of all pairs of a file
FEWEST_ROWS = 20  # two batches of the tutorial's and something to validate on
# Whether an encoder got better shows on a few hundred pairs; a third of a small file is all that training can spare.
_ENOUGH_TO_TELL = 400
_LEAST_SHARE, _MOST_SHARE = 0.1, 1 / 3
_BELONGS_TOGETHER = 0.7  # pairs of at least this similarity link texts; the tutorial's "other name" is 0.7468
_GRADES = "1 for the same meaning, 0.7468 for another name, 0.5 for what is unrelated"


def of_a_file(counts: Mapping[str, Mapping[str, int]]) -> bool:
    """Tell whether held-out pairs are those of a file, by `PairSet.counts` or what a record says of them."""
    return {*counts.get("validation", ())} == {_OWN}


def validation_path(path: Path) -> Path:
    """Return where the held-out pairs of a file stand: `training_data.validation.csv` for `training_data.csv`."""
    return path.with_name(f"{path.stem}.validation.csv")


def write_pairs(path: Path, pairs: PairSet) -> tuple[Path, Path]:
    """Write training pairs to `path` and held-out ones beside it; return both paths.

    The second file is written even without held-out pairs, so that an older one is not taken for theirs. Equal pairs
    give equal bytes.

    Raises:
        StorageError: `path` is a folder, or the disk is full, read-only or not ours.
    """
    path = Path(path)
    with storage_errors(path):
        if path.is_dir():
            raise StorageError(f"cannot write {path}: it is a folder; name a file in it")
    beside = validation_path(path)
    write_atomically(path, _table(pairs.training))
    write_atomically(beside, _table(pairs.validation))
    return path, beside


def held_out_share(rows: int) -> float:
    """Return the share of so many pairs that is held out unless another is asked for: a tenth, of few up to a third."""
    return min(_MOST_SHARE, max(_LEAST_SHARE, _ENOUGH_TO_TELL / rows))


def read_pairs(path: Path, *, validation: float | None = None, seed: int = 0) -> PairSet:
    """Read a file of pairs, and split it unless held-out pairs stand beside it.

    Columns are found by name, others are ignored; white space in texts is folded, as in labels. Held-out pairs are
    those of `validation_path(path)` if that is there, else what `text_groups` holds out. Rows that would ask with what
    training sees are left out and counted. Repeated rows are counted and kept: repeating may be meant as a weight.

    Args:
        path: the file.
        validation: share of rows to hold out, 0 to 0.5; None: as `held_out_share` says.
        seed: another seed holds out other rows.

    Raises:
        TuningError: the file cannot be read; a column is missing, a cell is empty, a similarity is no number from 0
            to 1, a row is of another length than the header, the text is not UTF-8, or there are too few rows.
    """
    if validation is not None and not 0 <= validation <= 0.5:
        raise TuningError(f"validation share is {validation}, expected 0 to 0.5")
    path = Path(path)
    rows = list(_rows(path))
    if len(rows) < FEWEST_ROWS:
        raise TuningError(
            f"{path} holds {len(rows)} pairs, expected at least {FEWEST_ROWS}; add pairs, or make some with "
            f"`jobsearch pairs --out FILE`"
        )
    beside = validation_path(path)
    is_split = beside.exists()
    both = [*rows, *_rows(beside)] if is_split else rows
    keys = [(row.base.casefold(), row.ref.casefold()) for row in both]
    links = (key for key, row in zip(keys, both, strict=True) if row.similarity >= _BELONGS_TOGETHER)
    groups = group_texts((text for key in keys for text in key), links)
    sides: list[bool | None]
    if is_split:
        seen = {text for key in keys[: len(rows)] for text in key}
        sides = [False] * len(rows)
        sides += [None if base in seen else True for base, _ in keys[len(rows) :]]
    else:
        share = held_out_share(len(rows)) if validation is None else validation
        sides = hold_out(keys, groups, share, seed)
    pairs = [
        Pair(row.base, row.ref, row.similarity, groups.of[base], groups.of[ref], source=_OWN)
        for row, (base, ref) in zip(both, keys, strict=True)
    ]
    return PairSet(
        training=tuple(pair for pair, side in zip(pairs, sides, strict=True) if side is False),
        validation=tuple(pair for pair, side in zip(pairs, sides, strict=True) if side is True),
        seed=seed,
        repeated=len(keys) - len({*keys}),
        left_out=sides.count(None),
    )


class _Row(NamedTuple):
    base: str
    ref: str
    similarity: float


def _table(pairs: Iterable[Pair]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((pair.base, pair.ref, repr(pair.similarity)) for pair in pairs)
    return text.getvalue().encode("utf-8", "replace")  # lone surrogates become "?"


def _rows(path: Path) -> Iterator[_Row]:
    reader = csv.reader(
        io.StringIO(read(path, f"give a CSV file with {','.join(COLUMNS)}", TuningError), newline=""), strict=True
    )
    line = 1
    places: list[int] = []
    width = 0
    while True:
        line = reader.line_num + 1  # where the row begins; one with a line break in a cell ends further down
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TuningError(
                f"{path} line {line}: {error}, expected comma-separated cells with quotes in pairs; mend the row"
            ) from None
        if cells is None:
            break
        if not cells:
            continue  # a blank line
        if not places:
            places, width = _places(path, line, cells), len(cells)
        elif len(cells) != width:
            raise TuningError(
                f"{path} line {line}: {len(cells)} cells, expected {width} as in the header; "
                "put texts that hold commas into double quotes"
            )
        else:
            yield _row(path, line, [cells[place] for place in places])
    if not places:
        raise TuningError(f"{path} is empty, expected the columns {','.join(COLUMNS)}; give another file")


def _places(path: Path, line: int, header: Sequence[str]) -> list[int]:
    names = [clean_label(name).casefold() for name in header]
    for wanted in COLUMNS:
        if names.count(wanted) != 1:
            how_often = "no" if wanted not in names else "more than one"
            # As spreadsheet programs write it where a comma stands in numbers.
            other = len(header) == 1 and (";" in header[0] or "\t" in header[0])
            if other:
                step = "separate cells by commas, decimals by points"
            elif wanted == COLUMNS[-1] and how_often == "no":  # whoever has names of one thing has no grades
                step = f"add it: {_GRADES}"
            else:
                step = "name the columns in the first line"
            raise TuningError(
                f"{path} line {line}: {how_often} column {wanted!r} in {','.join(header)[:80]!r}, "
                f"expected {','.join(COLUMNS)}; {step}"
            )
    return [names.index(wanted) for wanted in COLUMNS]


def _row(path: Path, line: int, cells: Sequence[str]) -> _Row:
    base, ref, number = (_clean(cell) for cell in cells)
    for name, text in zip(COLUMNS, (base, ref, number), strict=True):
        if not text:
            raise TuningError(f"{path} line {line}: {name} is empty; fill the cell or take the row out")
    try:
        similarity = float(number)
    except ValueError:
        similarity = float("nan")
    if not 0 <= similarity <= 1:  # NaN is not, either
        raise TuningError(
            f"{path} line {line}: similarity is {number[:40]!r}, expected a number from 0 to 1; mend it: {_GRADES}"
        )
    return _Row(base, ref, similarity)


# The same texts come again and again.
_clean = lru_cache(maxsize=1 << 17)(clean_label)
