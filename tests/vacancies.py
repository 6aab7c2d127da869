"""A made-up taxonomy that an encoder can learn on in a few steps: its names bear the marks of vacancies.

Which marks a name bears says nothing of the concept, and USE does not know that. An encoder that has learned to look
past them on some concepts finds others better too, so a handful of steps gives a gain that is no chance.
"""

from __future__ import annotations

import functools
import itertools

from jobsearch.taxonomy.model import Concept, Source, Taxonomy
from jobsearch.taxonomy.split import split_concepts
from jobsearch.tuning.pairs import PairOptions, PairSet, generate_pairs

ESCO = "http://data.europa.eu/esco/"
_TITLES = (
    ("baker", "bread maker"),
    ("butcher", "meat cutter"),
    ("carpenter", "woodworker"),
    ("bricklayer", "mason"),
    ("plumber", "pipe fitter"),
    ("welder", "metal joiner"),
    ("roofer", "roof tiler"),
    ("electrician", "electrical fitter"),
    ("house painter", "decorator"),
    ("glazier", "window fitter"),
    ("nurse", "ward sister"),
    ("midwife", "birth attendant"),
    ("dentist", "dental surgeon"),
    ("pharmacist", "chemist's dispenser"),
    ("optician", "spectacle maker"),
    ("veterinarian", "animal doctor"),
    ("surgeon", "operating doctor"),
    ("physiotherapist", "movement therapist"),
    ("accountant", "bookkeeper"),
    ("lawyer", "attorney"),
    ("judge", "magistrate"),
    ("notary", "deeds clerk"),
    ("auctioneer", "sale room crier"),
    ("estate agent", "house seller"),
    ("librarian", "book lender"),
    ("journalist", "news writer"),
    ("translator", "language mediator"),
    ("photographer", "picture taker"),
    ("actor", "stage player"),
    ("violinist", "fiddler"),
    ("software developer", "programmer"),
    ("data scientist", "statistical modeller"),
    ("network engineer", "router specialist"),
    ("train driver", "locomotive operator"),
    ("pilot", "aircraft captain"),
    ("sailor", "deck hand"),
    ("lorry driver", "truck operator"),
    ("gardener", "plant keeper"),
    ("shepherd", "sheep keeper"),
    ("beekeeper", "apiarist"),
    ("fisherman", "trawler hand"),
    ("forester", "woodland ranger"),
    ("chef", "kitchen head"),
    ("waiter", "table server"),
    ("hairdresser", "hair stylist"),
    ("tailor", "garment maker"),
    ("cobbler", "shoe mender"),
    ("teacher", "school instructor"),
)
_BEFORE = ("urgent night shift", "experienced part time", "now hiring weekend", "temporary summer", "bilingual senior")
_AFTER = (
    "for hotel group in Manchester",
    "at Berlin airport, permanent contract",
    "with own car, immediate start",
    "maternity cover, competitive salary",
    "in public sector, 40 hours",
    "London and south east, apply now",
    "to join our friendly team",
)


@functools.cache
def vacancies() -> Taxonomy:
    """48 occupations in English: a name, another one, and three that are either of these with marks around."""
    concepts = []
    marks = itertools.cycle(itertools.product(_BEFORE, _AFTER))
    for number, names in enumerate(_TITLES):
        marked = []
        for name in (*names, names[0]):
            before, after = next(marks)
            marked.append(f"{before} {name} {after}")
        concepts.append(
            Concept(
                f"{ESCO}occupation/{number:03}",
                "occupation",
                names[0],
                (names[1], *marked),
                description=f"Somebody who works as {names[0]} or {names[1]}.",
            )
        )
    return Taxonomy.of(Source("vacancies", "1", "made up"), concepts)


@functools.cache
def name_pairs(validation: float = 0.4) -> PairSet:
    """Pairs of names of one concept, as the contrastive loss needs them."""
    options = PairOptions(neighbours=0, unrelated=0)
    return generate_pairs(vacancies(), options, split_concepts(vacancies(), validation=validation))


@functools.cache
def graded_pairs() -> PairSet:
    """Pairs of all grades, as the angular loss needs them."""
    return generate_pairs(vacancies(), PairOptions(), split_concepts(vacancies(), validation=0.4))
