"""What a stronger encoder, the teacher, makes of labels and titles: its vectors, and each text's nearest among them.

A student that learns to see the same neighbourhoods gains in its field and in general at once, with no pair told. The
file is made once (`jobsearch pairs --teacher`) and holds all that tuning needs: the teacher itself is not needed again.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.encoder.tensorfile import read_tensors, write_tensors
from jobsearch.errors import TuningError
from jobsearch.files import storage_errors
from jobsearch.progress import Progress, silent
from jobsearch.tuning.recipes import Recipe

FORMAT = "jobsearch-teacher-1"
SUFFIX = ".safetensors"
# Nearest texts kept of each text; a step draws from them.
NEIGHBOURS = 16
# Texts embedded between two reports of progress, and kept if the rest is interrupted.
_SLICE = 4096
# Above this many, nearest texts are looked for in the nearest cells alone: for drawing from them that is near enough.
_ALL_COMPARED = 20_000
_CELLS_VISITED = 16


@dataclass(frozen=True)
class Teacher:
    """A teacher's view of texts.

    Args:
        name: name of the teacher.
        fingerprint: of the teacher.
        texts: n texts, all different.
        vectors: float16 (n, dim), unit rows to half precision.
        neighbours: int32 (n, 16): each text's nearest others, nearest first.
    """

    name: str
    fingerprint: str
    texts: tuple[str, ...]
    vectors: npt.NDArray[np.float16]
    neighbours: npt.NDArray[np.int32]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all of it; computed at each call."""
        found = hashlib.sha256(json.dumps([self.name, self.fingerprint, self.texts]).encode())
        for array in (self.vectors, self.neighbours):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def without(self, held_out: Collection[str]) -> Teacher:
        """Return the view of all texts but these, case ignored; a text left without neighbours is only one itself.

        Raises:
            TuningError: no text is left.
        """
        unwanted = {text.casefold() for text in held_out}
        kept = np.array([text.casefold() not in unwanted for text in self.texts], np.bool_)
        if kept.all():
            return self
        if not kept.any():
            raise TuningError("all texts of the teacher are held out; give it more texts")
        number = np.full(len(kept) + 1, -1, np.int32)  # the last: a neighbour that was dropped before
        number[:-1][kept] = np.arange(np.count_nonzero(kept))
        return Teacher(
            self.name,
            self.fingerprint,
            tuple(text for text, keep in zip(self.texts, kept.tolist(), strict=True) if keep),
            self.vectors[kept],
            number[self.neighbours[kept]],
        )

    def write(self, path: Path) -> None:
        """Write the view to a file, all or nothing.

        Raises:
            StorageError: the disk is full, read-only or not ours.
        """
        about = {"format": FORMAT, "name": self.name, "fingerprint": self.fingerprint, "texts": self.texts}
        aside = path.with_name(f".{path.name}.part")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(
                aside,
                {
                    "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
                    "vectors": self.vectors,
                    "neighbours": self.neighbours,
                },
            )
            aside.replace(path)


def read_teacher(path: Path) -> Teacher:
    """Read what `Teacher.write` wrote.

    Raises:
        TuningError: it is missing, damaged, or something else.
    """
    try:
        tensors = read_tensors(path)
        about = json.loads(tensors["about"].tobytes())
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, expected {FORMAT}")
        found = Teacher(
            str(about["name"]),
            str(about["fingerprint"]),
            tuple(about["texts"]),
            tensors["vectors"],
            tensors["neighbours"],
        )
        n = len(found.texts)
        if found.vectors.dtype != np.float16 or found.vectors.ndim != 2 or len(found.vectors) != n:
            raise ValueError(f"vectors are {found.vectors.dtype} {found.vectors.shape}, expected float16 ({n}, dim)")
        near = found.neighbours
        if (
            near.dtype != np.int32
            or near.shape != (n, NEIGHBOURS)
            or (near.size and not -1 <= near.min() <= near.max() < n)
        ):
            raise ValueError(f"neighbours are {near.dtype} {near.shape}, expected int32 ({n}, {NEIGHBOURS}) below {n}")
        return found
    except FileNotFoundError:
        raise TuningError(
            f"no teacher file {path}; make one with `jobsearch pairs --teacher MODEL --out {path}`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TuningError(
            f"{path} is no teacher file ({error}); make one with `jobsearch pairs --teacher MODEL --out FILE{SUFFIX}`"
        ) from error


def ask_teacher(texts: Sequence[str], encoder: Encoder, unfinished: Path, progress: Progress = silent) -> Teacher:
    """Embed texts with a teacher and find each one's nearest.

    Args:
        texts: what to ask about; texts that differ in case alone count as one.
        encoder: the teacher.
        unfinished: folder that keeps what is embedded, so that an interrupted run goes on; removed at the end.
        progress: told of texts done.

    Raises:
        TuningError: there are too few texts.
        StorageError: the disk is full, read-only or not ours.
    """
    # Sorted by length, so that a batch of the teacher's holds little padding.
    distinct = sorted({text.casefold(): text for text in texts}.values(), key=lambda text: (len(text), text))
    if len(distinct) <= NEIGHBOURS:
        raise TuningError(f"{len(distinct)} different texts, expected more than {NEIGHBOURS} to find neighbours among")
    vectors = np.empty((len(distinct), encoder.dim), np.float16)
    for start in range(0, len(distinct), _SLICE):
        progress("asking the teacher", start, len(distinct))
        vectors[start : start + _SLICE] = _embed(distinct[start : start + _SLICE], encoder, unfinished)
    progress("finding neighbours", 0, 0)
    found = Teacher(
        encoder.name, encoder.fingerprint, tuple(distinct), vectors, _neighbours(vectors.astype(np.float32))
    )
    shutil.rmtree(unfinished, ignore_errors=True)
    return found


def _embed(texts: list[str], encoder: Encoder, unfinished: Path) -> npt.NDArray[np.float16]:
    """Embed a slice, or take it from what an interrupted run kept under the same texts and teacher."""
    key = hashlib.sha256(json.dumps([encoder.fingerprint, texts]).encode()).hexdigest()
    path = unfinished / f"{key}{SUFFIX}"
    try:
        return read_tensors(path)["vectors"].copy()
    except (OSError, ValueError, KeyError):
        vectors = encoder.encode(texts).astype(np.float16)
        with storage_errors(unfinished):
            unfinished.mkdir(parents=True, exist_ok=True)
            aside = unfinished / ".part"
            write_tensors(aside, {"vectors": vectors})
            aside.replace(path)
        return vectors


def _neighbours(vectors: Embeddings) -> npt.NDArray[np.int32]:
    import faiss

    n, dim = vectors.shape
    index: Any = faiss.IndexFlatIP(dim)
    parameters = None
    if n > _ALL_COMPARED:
        index = faiss.index_factory(dim, f"IVF{int(4 * n**0.5)},Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        parameters = faiss.SearchParametersIVF(nprobe=_CELLS_VISITED)
    index.add(vectors)
    _, rows = index.search(vectors, NEIGHBOURS + 1, params=parameters)
    # Each text finds itself first, unless another is as near: whichever row is its own goes.
    own = rows == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    nearest: npt.NDArray[np.int32] = rows[~own].reshape(n, NEIGHBOURS).astype(np.int32)
    return nearest


@dataclass(frozen=True)
class Lesson:
    """What a step sees of a teacher.

    Args:
        texts: n texts.
        cosines: float32 (n, n): the teacher's.
    """

    texts: list[str]
    cosines: npt.NDArray[np.float32]

    @property
    def targets(self) -> tuple[npt.NDArray[Any], ...]:
        """The teacher's cosines."""
        return (self.cosines,)


class Lessons:
    """Neighbourhoods of a teacher, drawn by seed and step alone.

    Args:
        teacher: whose view.
        recipe: number of texts in a step, and how many of each neighbourhood.
        seed: equal seeds give equal lessons.

    Raises:
        TuningError: there are too few texts for the recipe.
    """

    def __init__(self, teacher: Teacher, recipe: Recipe, seed: int) -> None:
        self._teacher, self._recipe, self._seed = teacher, recipe, seed
        self._drawn = recipe.batch // recipe.near
        if len(teacher.texts) < recipe.batch:
            raise TuningError(
                f"the teacher saw {len(teacher.texts)} texts, expected at least one batch of {recipe.batch}; "
                "give it more texts, or a smaller --batch"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which about as many texts come as there are."""
        return len(self._teacher.texts) // self._recipe.batch

    @property
    def steps(self) -> int:
        """Steps that the recipe asks for."""
        return self._recipe.steps_of(self.steps_per_epoch)

    def batch(self, step: int) -> Lesson:
        """Return the lesson of a step, counted from 0."""
        draw = random.Random(f"{self._seed} {step} lesson")
        rows: dict[int, None] = {}
        for row in draw.sample(range(len(self._teacher.texts)), self._drawn):
            near = self._teacher.neighbours[row]
            near = near[near >= 0].tolist()
            rows.update(dict.fromkeys([row, *draw.sample(near, min(len(near), self._recipe.near - 1))]))
        vectors = self._teacher.vectors[list(rows)].astype(np.float32)
        return Lesson([self._teacher.texts[row] for row in rows], vectors @ vectors.T)
