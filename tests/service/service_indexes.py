"""A small taxonomy in two indexes, of two encoders, and engines over it that wait when they are told to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from encoders import Wrapped

from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.index.versions import IndexDirectory
from jobsearch.service.state import Engines, Pair
from jobsearch.taxonomy.model import Concept, Relation, Source, Taxonomy

ESCO = "http://data.europa.eu/esco/"
BAKER, PIPES = f"{ESCO}occupation/baker", f"{ESCO}skill/pipes"
MARKUP = "<img src=x onerror=\"document.title='owned'\"> tester"


def occupation(name: str, isco: str, *labels: str, language: str = "en") -> Concept:
    return Concept(f"{ESCO}occupation/{name}", "occupation", labels[0], labels[1:], language, isco)


def skill(name: str, *labels: str) -> Concept:
    return Concept(f"{ESCO}skill/{name}", "skill", labels[0], labels[1:])


CONCEPTS = [
    occupation("baker", "7512", "baker", "bread maker", "bakery worker"),
    occupation("baker", "7512", "Bäcker", language="de"),
    occupation("cook", "5120", "cook", "chef"),
    occupation("nurse", "2221", "nurse", "registered nurse"),
    occupation("plumber", "7126", "plumber", "pipe fitter"),
    occupation("programmer", "2512", "software developer", "programmer"),
    occupation("engineer", "2512", "machine learning engineer", "AI engineer"),
    occupation("driver", "8332", "truck driver"),
    occupation("teacher", "2341", "primary school teacher"),
    occupation("lawyer", "2611", "lawyer", "attorney"),
    occupation("gardener", "6113", "gardener"),
    occupation("tester", "2519", MARKUP),
    skill("bread", "bake bread"),
    skill("care", "care for patients"),
    skill("pipes", "repair pipes"),
    skill("python", "Python programming"),
    skill("networks", "train neural networks"),
    skill("trees", "prune trees"),
]
RELATIONS = [
    Relation(f"{ESCO}occupation/{title}", f"{ESCO}skill/{needed}", "essential")
    for title, needed in [("baker", "bread"), ("nurse", "care"), ("plumber", "pipes"), ("programmer", "python")]
]
# As a reader of the lists above counts them.
OCCUPATIONS, SKILLS = 11, 6
WELDER = occupation("welder", "7212", "welder", "metal joiner")


def small_taxonomy(*more: Concept) -> Taxonomy:
    return Taxonomy.of(
        Source("small", "1", "tests/service/service_indexes.py"), [*CONCEPTS, *more], relations=RELATIONS
    )


class Gate:
    """Holds up whoever encodes, until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)

    def wait(self) -> None:
        self.entered.release()
        assert self.opened.wait(30)


def held(engine: JobSearch, gate: Gate) -> JobSearch:
    """Return an engine that does the same, but embeds only once the gate is open."""
    opened = engine.opened

    def encode(texts: Sequence[str]) -> Embeddings:
        gate.wait()
        return opened.encoder.encode(texts)

    held_up = replace(opened, encoder=Wrapped(opened.encoder, encode=encode))
    return JobSearch(IndexDirectory(Path("/nowhere") / opened.name), held_up)


def opening_later(engines: Engines, go_on: threading.Event) -> Engines:
    """Engines whose base and tuned are opened as soon as `go_on` is set."""

    def open_pair() -> Pair:
        assert go_on.wait(30)
        assert engines.pair is not None
        return engines.pair

    return Engines(engines.main, open_pair=open_pair)
