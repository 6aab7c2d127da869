"""Small indexes, all that can be asked of them, and how answers are compared: for the proofs of this folder."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoders import HashEncoder

from jobsearch.encoder import lean
from jobsearch.engine import JobSearch
from jobsearch.errors import EncoderError
from jobsearch.filters import Filter
from jobsearch.index import reader, vectors
from jobsearch.index.edits import Edit
from jobsearch.index.gate import Gate
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Concept, Group, Relation, Source, Taxonomy

ESCO = "http://data.europa.eu/esco/"
DIM = 128
TYPES = ("flat", "hnsw", "ivf", "pq", "sq8")
WORDS = (
    *("sales", "software", "night", "bread", "train", "steel", "data", "water"),
    *("team", "office", "nurse", "crane", "law", "garden", "school"),
)
ROLES = ("manager", "engineer", "driver", "baker", "clerk", "operator", "assistant", "teacher", "planner", "inspector")
QUERIES = ("sales manager", "night nurse", "Crane operator", "bäcker", "x", "software software engineer", "データ")
# Files that an index has for good, though their names begin with a dot.
LOCKS = {".lock", ".pointer.lock"}
# A company's own title, for a version that is an edit of another one.
EDIT = Edit("add", "urn:proof:own", "chief bread officer")
GATE = Gate((("night nurse", f"{ESCO}occupation/000"), ("steel planner", f"{ESCO}occupation/001")))


class CachedEncoder(HashEncoder):
    """`HashEncoder` that remembers what it computed, also for the processes forked from this one."""

    @staticmethod
    def open(directory: Path) -> CachedEncoder:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        return CachedEncoder(config["dim"], config["salt"])

    def _embed(self, text: str) -> np.ndarray:
        return _embedding(self.dim, self._salt, text)


@functools.cache
def _embedding(dim: int, salt: str, text: str) -> np.ndarray:
    return HashEncoder(dim, salt)._embed(text)


def open_cached_encoder(path: Path, verify: bool) -> CachedEncoder:
    """Stand in for `jobsearch.index.reader.open_encoder`."""
    try:
        return CachedEncoder.open(path)
    except (OSError, ValueError, KeyError) as error:
        raise EncoderError(f"{path} cannot be read ({error}); make it again") from error


@pytest.fixture
def hash_encoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Indexes carry the cheap encoder, and FAISS keeps to one thread: a second one only waits, for so few labels."""
    import faiss

    monkeypatch.setattr(reader, "open_encoder", open_cached_encoder)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture
def one_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real encoder's tokenizer is loaded once a file, for all engines that are opened."""
    monkeypatch.setattr(lean, "Tokenizer", cached_tokenizer)


cached_tokenizer = functools.cache(lean.Tokenizer)


@contextmanager
def every_search_by_faiss() -> Iterator[None]:
    """Small indexes are scored row by row, whatever their type; here their own structure finds the candidates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "EXACT_UP_TO", 0)
        patch.setattr(vectors, "_MOST_FETCHED", 1.0)
        yield


@functools.cache
def made_up(seed: int, count: int) -> Taxonomy:
    """Return that many concepts, a third of them skills, with 1 to 6 labels and some in German too.

    Another seed gives the same URIs other labels, so that an answer put together of two would be a wrong one.
    """
    random = np.random.default_rng(seed)

    def labels(ending: str = "") -> tuple[str, ...]:
        parts = [(*random.choice(WORDS, 2), random.choice(ROLES)) for _ in range(random.integers(1, 7))]
        return tuple(dict.fromkeys(f"{first} {second} {role}{ending}" for first, second, role in parts))

    records, relations = [], []
    occupations = [f"{ESCO}occupation/{number:03d}" for number in range(count * 2 // 3)]
    skills = [f"{ESCO}skill/{number:03d}" for number in range(count - len(occupations))]
    for uri in occupations + skills:
        kind = "occupation" if uri in occupations else "skill"
        isco = f"75{random.integers(10, 13)}" if kind == "occupation" else None
        first, *others = labels()
        records.append(Concept(uri, kind, first, tuple(others), isco_group=isco))
        if random.random() < 0.3:
            first, *others = labels("in")
            records.append(Concept(uri, kind, first, tuple(others), "de", isco))
    for uri in occupations:
        for skill in random.choice(skills, 3, replace=False):
            relations.append(Relation(uri, str(skill), "essential" if random.random() < 0.5 else "optional"))
    groups = [Group(f"{ESCO}isco/C75{number}", f"75{number}", f"group {number}") for number in range(10, 13)]
    return Taxonomy.of(Source(f"t{seed}", "1.2.0", "here"), records, relations=relations, groups=groups)


def content(name: str) -> tuple[Taxonomy, CachedEncoder]:
    """Return taxonomy and encoder by name: `a`, `b`, or `a-large`, `b-large` with labels enough for every type."""
    letter, _, size = name.partition("-")
    seed = "ab".index(letter) + 1
    return made_up(seed, 300 if size else 40 + seed), CachedEncoder(DIM, letter)


def questions() -> dict[str, Any]:
    """Return what the proofs ask an engine, by name: every public way of asking, with filters and without."""
    some = Filter(isco="7510", min_score=-0.5)
    return {
        **{f"search {query}": functools.partial(_search, query) for query in QUERIES},
        "most": lambda engine: engine.search("team", k=40),
        "many": lambda engine: engine.search_many(QUERIES, k=5, kind="occupation"),
        "language": lambda engine: engine.search("night nurse", k=4, where=Filter(language="de")),
        "isco": lambda engine: engine.search("steel planner", k=4, where=some),
        "similar": lambda engine: engine.similar(f"{ESCO}occupation/003", k=5),
        "skills": lambda engine: engine.recommend_skills("bread baker", k=5),
        "titles": lambda engine: engine.recommend_titles(["law office", f"{ESCO}skill/005"], k=5),
    }


def _search(query: str, engine: JobSearch) -> Any:
    return engine.search(query, k=7)


def plain(answer: Any) -> str:
    """Return hits, lists of hits or entries as one string, with all digits of their scores."""
    return json.dumps(answer, default=asdict, ensure_ascii=False, sort_keys=True)


def alike(found: str, known: str) -> bool:
    """Tell whether answers are the same; the real encoder's scores differ in the last bits with what it saw before."""
    if found == known:
        return True
    scores = [np.array(_SCORE.findall(text), np.float64) for text in (found, known)]
    return _SCORE.sub("", found) == _SCORE.sub("", known) and bool(np.abs(scores[0] - scores[1]).max() < 2e-6)


_SCORE = re.compile(r'"(?:score|cosine|words|confidence)": ([-+.0-9e]+)')


def answers(engine: JobSearch) -> str:
    """Return all that an engine says to `questions`, and all that it knows of each of its concepts."""
    found = {name: ask(engine) for name, ask in questions().items()}
    found["everything"] = engine.search("school", k=engine.opened.labels.concepts())
    found["concepts"] = [engine.concept(uri) for uri in engine.opened.labels.uris]
    return plain(found)


def leftovers(directory: IndexDirectory) -> list[str]:
    """Return what only a builder under way may have in an index's folder."""
    inside = {path.relative_to(directory.path).as_posix() for path in directory.path.rglob("*")} - LOCKS
    return sorted(path for path in inside if "/." in f"/{path}" or path.startswith("unfinished"))


def named(index: IndexDirectory, message: str) -> bool:
    """Tell whether an error is one line that names the index, its folder or a file in it."""
    return "\n" not in message and (str(index.path) in message or repr(index.name) in message)


def choose(random: np.random.Generator, options: Sequence[Any]) -> Any:
    """Return one of the options themselves, where NumPy would return a copy of its own type."""
    return options[int(random.integers(len(options)))]
