"""Recommending skills and titles: measured on relations that were held out.

    python tests/benchmarks/recommend.py [--index NAME]

Titles to skills: a fifth of the occupations with relations is taken out of the index altogether, five times over; each
of their labels is a title that the index has never seen, and the skills ESCO gives the occupation are right.
Skills to titles: half of each occupation's relations are taken out; five skills of that half are asked with, and the
occupation is right. Either way relations alone, vectors alone and both together are compared.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from measuring import Row, add_json_option, write_rows

from jobsearch import JobSearch, recommend
from jobsearch.encoder.protocol import Embeddings
from jobsearch.hits import Recommendation
from jobsearch.index.edits import unpack_taxonomy
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.reader import IndexVersion
from jobsearch.index.types import find_type
from jobsearch.index.vectors import Vectors
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Relation, Source, Taxonomy

FOLDS = 5
K = 10
ASKED = 5
SEED = 0
SWEEP = {
    "_OCCUPATIONS": (5, 20, 40),
    "_OCCUPATION_TEMPERATURE": (0.1, 0.2),
    "_SKILLS": (30, 300),
    "_SKILL_TEMPERATURE": (0.2, 0.3, 0.5),
    "_SKILL_SHARE": (0.25, 0.75, 1.0),
    "_TITLE_SHARE": (0.5, 0.75),
    "_COMMON": (0.02, 1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--sweep", action="store_true", help="also try other values of the constants")
    add_json_option(parser)
    arguments = parser.parse_args()
    opened = JobSearch.open(arguments.index).opened
    taxonomy = unpack_taxonomy(opened.labels, opened.about, Source("t", "1", "benchmark"))
    vector_of = dict(zip(_rows(opened.labels), opened.vectors.embeddings, strict=True))
    linked = sorted({relation.occupation_uri for relation in taxonomy.relations})
    print(f"{len(linked)} occupations with {len(taxonomy.relations)} relations")
    titles = list(_title_cases(taxonomy, opened, vector_of, linked))
    skills = list(_skill_cases(taxonomy, opened, vector_of, linked))
    variants: list[tuple[str, dict[str, float]]] = [
        ("both (shipped)", {}),
        ("relations alone", {"_SKILL_SHARE": 0.0, "_TITLE_SHARE": 0.0}),
        ("vectors alone", {"_OCCUPATIONS": 0, "_SKILLS": 0}),
    ]
    if arguments.sweep:
        for name, values in SWEEP.items():
            variants += [(f"{name} {value}", {name: value}) for value in values]
    print(f"{'':27}  titles→skills P@10  nDCG@10   skills→titles MRR@10  R@10")
    rows: list[Row] = []
    for name, constants in variants:
        shipped = {key: getattr(recommend, key) for key in constants}
        for key, value in constants.items():
            setattr(recommend, key, value)
        found, gains = np.mean([_judge_skills(*case) for case in titles], axis=0)
        ranks, recalled = np.mean([_judge_titles(*case) for case in skills], axis=0)
        print(f"{name:27}  {found:18.4f}  {gains:7.4f}  {ranks:21.4f}  {recalled:.4f}", flush=True)
        metrics = {"precision": found, "ndcg": gains, "mrr": ranks, "recall": recalled}
        rows.append({"variant": name, **{metric: float(value) for metric, value in metrics.items()}})
        for key, value in shipped.items():
            setattr(recommend, key, value)
    write_rows(arguments.json, rows)


def _title_cases(
    taxonomy: Taxonomy, opened: IndexVersion, vector_of: dict[tuple[str, str], Embeddings], linked: Sequence[str]
) -> Iterator[tuple[Callable[[], list[Recommendation]], dict[str, float]]]:
    """Yield (call, gain by skill) for each label of each held-out occupation."""
    order = list(linked)
    random.Random(SEED).shuffle(order)
    for fold in range(FOLDS):
        out = set(order[fold::FOLDS])
        kept = Taxonomy.of(
            taxonomy.source, [c for c in taxonomy.concepts if c.uri not in out], relations=taxonomy.relations
        )
        engine = _engine(kept, opened, vector_of)
        for concept in (c for c in taxonomy.concepts if c.uri in out):
            gains = {
                relation.skill_uri: 1.0 if relation.strength == "essential" else 0.5
                for relation in taxonomy.relations
                if relation.occupation_uri == concept.uri
            }
            for label in concept.labels:
                yield (lambda engine=engine, label=label: engine.recommend_skills(label, K)), gains


def _skill_cases(
    taxonomy: Taxonomy, opened: IndexVersion, vector_of: dict[tuple[str, str], Embeddings], linked: Sequence[str]
) -> Iterator[tuple[Callable[[], list[Recommendation]], str]]:
    """Yield (call, the right occupation) with skills whose relation to it is not in the index."""
    draw = random.Random(SEED)
    kept: list[Relation] = []
    asked: dict[str, list[str]] = {}
    for uri in linked:
        own = [relation for relation in taxonomy.relations if relation.occupation_uri == uri]
        draw.shuffle(own)
        kept += own[: len(own) // 2]
        asked[uri] = [relation.skill_uri for relation in own[len(own) // 2 :]][:ASKED]
    engine = _engine(replace(taxonomy, relations=tuple(kept)), opened, vector_of)
    for uri, skills in asked.items():
        yield (lambda skills=skills: engine.recommend_titles(skills, K)), uri


def _engine(taxonomy: Taxonomy, opened: IndexVersion, vector_of: dict[tuple[str, str], Embeddings]) -> JobSearch:
    labels = LabelTable(pack_labels(taxonomy))
    embeddings = np.stack([vector_of[row] for row in _rows(labels)])
    vectors = Vectors.build(embeddings, find_type("pq", len(embeddings), opened.vectors.dim))
    return JobSearch(IndexDirectory(Path("benchmark")), replace(opened, labels=labels, vectors=vectors))


def _rows(labels: LabelTable) -> Iterator[tuple[str, str]]:
    """Yield the URI and the label of each row: what a concept is about is in its labels' vectors."""
    return ((labels.uris[number], label) for number, label in zip(labels.concept_of, labels.texts, strict=True))


def _judge_skills(call: Callable[[], list[Recommendation]], gains: dict[str, float]) -> tuple[float, float]:
    """Return precision and nDCG at 10; both are 1 at best."""
    got = [gains.get(found.uri, 0.0) for found in call()]
    ideal = sorted(gains.values(), reverse=True)[:K]
    discounts = 1 / np.log2(np.arange(2, K + 2))
    precision = np.count_nonzero(got) / min(K, len(gains))
    return precision, float(got @ discounts[: len(got)] / (ideal @ discounts[: len(ideal)]))


def _judge_titles(call: Callable[[], list[Recommendation]], right: str) -> tuple[float, float]:
    rank = next((found.rank for found in call() if found.uri == right), None)
    return (1 / rank, 1.0) if rank else (0.0, 0.0)


if __name__ == "__main__":
    main()
