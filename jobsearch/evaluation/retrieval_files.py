"""Retrieval sets that others published: MELO's folders, and lists of vacancy titles with their concepts."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from jobsearch.errors import EvaluationError
from jobsearch.evaluation.retrieval import Indices, Priors, RetrievalSet
from jobsearch.evaluation.text_files import read_text
from jobsearch.taxonomy.about import sentences_about
from jobsearch.taxonomy.model import Concept, Taxonomy
from jobsearch.taxonomy.prior import log_priors

MELO_FILES = QUERIES, ELEMENTS, ANNOTATIONS = ("queries.tsv", "corpus_elements.tsv", "annotations.tsv")
MAPPING = "concept_mapping.tsv"
TITLE, URI = "vacancyTitle", "conceptUri"


def read_melo(folder: Path, taxonomy: Taxonomy | None = None) -> RetrievalSet:
    """Read one of MELO's entity-linking sets.

    Corpus elements (labels, with repeats between concepts) are ranked one by one, as MELO does it; unlike there,
    the ranking is not cut off at 100 (F. Retyk et al., "MELO: An Evaluation Benchmark for Multilingual Entity Linking
    of Occupations", 2024, arXiv:2410.08319).

    Args:
        folder: with `queries.tsv` and `corpus_elements.tsv` (id, text), `annotations.tsv` (query, 0, element,
            relevance) and maybe `concept_mapping.tsv` (element, concept), without headers or quoting.
        taxonomy: its descriptions tell what the concepts are about that the mapping names; without one, priors are left
            out too.

    Raises:
        EvaluationError: a file is missing, a row cannot be used (it is named), or fewer than 2 queries are annotated.
    """
    missing = [name for name in MELO_FILES if not (folder / name).is_file()]
    if missing:
        raise EvaluationError(
            f"{folder} holds no {', '.join(missing)}; expected a MELO folder with {len(MELO_FILES)} files"
        )
    queries, elements = _texts(folder / MELO_FILES[0]), _texts(folder / MELO_FILES[1])
    number = {identifier: position for position, identifier in enumerate(elements)}
    relevant: dict[str, set[int]] = {}
    path = folder / ANNOTATIONS
    for row, (query, _, element, relevance) in _tab_rows(path, ("query", "0", "element", "relevance")):
        for identifier, known, file in ((query, queries, QUERIES), (element, number, ELEMENTS)):
            if identifier not in known:
                raise EvaluationError(f"{path}, row {row}: {identifier!r} is not in {file}")
        if relevance not in ("0", "1"):
            raise EvaluationError(f"{path}, row {row}: relevance is {relevance!r}, expected 0 or 1")
        if relevance == "1":
            relevant.setdefault(query, set()).add(number[element])
    kept = [identifier for identifier in queries if identifier in relevant]
    concepts = _concepts(folder / MAPPING, elements)
    distinct = {concept: position for position, concept in enumerate(dict.fromkeys(concepts or ()))}
    return RetrievalSet(
        name=folder.resolve().name,
        queries=tuple(queries[identifier] for identifier in kept),
        corpus=tuple(elements.values()),
        relevant=tuple(np.array(sorted(relevant[identifier]), np.int64) for identifier in kept),
        dropped=_counts(("query without relevant element", len(queries) - len(kept))),
        sibling_of=None if concepts is None else np.array([distinct[concept] for concept in concepts], np.int64),
        about=() if taxonomy is None else about_concepts(distinct, taxonomy),
        priors=None if taxonomy is None else priors_of(distinct),
    )


def _concepts(path: Path, elements: Iterable[str]) -> list[str] | None:
    """Return the URI of each element's concept, where the folder tells it."""
    if not path.is_file():
        return None
    concepts = dict(values for _, values in _tab_rows(path, ("id", "concept")))
    return [concepts.get(one, one) for one in elements]  # an element that the mapping lacks stands alone


def about_concepts(uris: Iterable[str], taxonomy: Taxonomy) -> tuple[str, ...]:
    """Return a sentence about each concept, as indexes have them; nothing where the taxonomy knows none of them."""
    sentences = sentences_about(taxonomy)
    found = tuple(sentences.get(uri, "") for uri in uris)
    return found if any(found) else ()


def priors_of(uris: Iterable[str]) -> Priors | None:
    """Return how likely each concept is to be meant; None where none of them is known."""
    found = log_priors(uris)
    return found if found.any() else None


def read_titles(path: Path, taxonomy: Taxonomy, alternatives: bool = True) -> RetrievalSet:
    """Read vacancy titles, each with the occupation it belongs to, to be found among a taxonomy's labels.

    Titles whose occupation the taxonomy does not have, and empty ones, are dropped and counted.

    Args:
        path: CSV with the columns `vacancyTitle` and `conceptUri`; others (an index without a name) are passed over.
        taxonomy: its occupations are ranked, by their labels in all its languages.
        alternatives: take alternative labels too, or preferred ones only.

    Raises:
        EvaluationError: the file is missing or no such CSV, or fewer than 2 titles are left.
    """
    occupations = [concept for concept in taxonomy.concepts if concept.kind == "occupation"]
    number, corpus, concept_of, language_of = number_labels(occupations, alternatives)
    titles: list[str] = []
    relevant: list[Indices] = []
    unknown: list[str] = []
    empty = 0
    for title, uri in title_rows(path):
        if not title.strip():
            empty += 1
        elif uri.strip() not in number:
            unknown.append(uri.strip())
        else:
            titles.append(title)
            relevant.append(np.array([number[uri.strip()]]))
    if len(titles) < 2:
        seen = f", the first unknown one is {unknown[0]!r}" if unknown else ""
        step = "name another with --taxonomy" if unknown else "add titles"
        raise EvaluationError(
            f"{path}: {len(titles)} of {len(titles) + len(unknown) + empty} titles belong to an occupation of taxonomy "
            f"{taxonomy.source.name!r}, expected at least 2{seen}; {step}"
        )
    return RetrievalSet(
        name=f"{path.stem} in {taxonomy.source.name}, {'all' if alternatives else 'preferred'} labels",
        queries=tuple(titles),
        corpus=corpus,
        relevant=tuple(relevant),
        concept_of=concept_of,
        language_of=language_of,
        about=about_concepts(number, taxonomy),
        priors=priors_of(number),
        dropped=_counts(("title of an unknown occupation", len(unknown)), ("empty title", empty)),
    )


def number_labels(
    records: Iterable[Concept], alternatives: bool = True
) -> tuple[dict[str, int], tuple[str, ...], Indices, Indices]:
    """Lay out labels for a retrieval set.

    Args:
        records: concepts, in one language or several; those of one URI one after the other, as a taxonomy has them.
        alternatives: take alternative labels too.

    Returns:
        The number of each URI, all labels, and the numbers of each label's concept and language.
    """
    number: dict[str, int] = {}
    corpus: list[str] = []
    concept_of: list[int] = []
    languages: dict[str, int] = {}
    language_of: list[int] = []
    for record in records:
        own = number.setdefault(record.uri, len(number))
        labels = record.labels if alternatives else (record.preferred_label,)
        corpus.extend(labels)
        concept_of.extend([own] * len(labels))
        language_of.extend([languages.setdefault(record.language, len(languages))] * len(labels))
    return number, tuple(corpus), np.array(concept_of, np.int64), np.array(language_of, np.int64)


def title_rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the titles of a CSV file with the URIs of their concepts, as they are written.

    Raises:
        EvaluationError: the file is missing or no CSV with the columns `vacancyTitle` and `conceptUri`.
    """
    expected = f"expected a CSV file with the columns {TITLE},{URI}"
    if not path.is_file():
        raise EvaluationError(f"{path} does not exist; {expected}, or a MELO folder")
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    row = 1
    try:
        columns = reader.fieldnames or []
        if TITLE not in columns or URI not in columns:
            raise EvaluationError(f"{path} has the columns {','.join(columns) or 'of an empty file'}; {expected}")
        for row, values in enumerate(reader, start=2):
            title, uri = values[TITLE], values[URI]
            if title is None or uri is None or None in values:
                raise EvaluationError(f"{path}, row {row}: not {len(columns)} columns as in the header; {expected}")
            yield title, uri
    except csv.Error as error:
        raise EvaluationError(f"{path}, row {row + 1}: {error}; {expected}") from error


def _texts(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for row, (identifier, text) in _tab_rows(path, ("id", "text")):
        if identifier in texts:
            raise EvaluationError(f"{path}, row {row}: id {identifier!r} comes twice")
        texts[identifier] = text
    return texts


def _tab_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    for row, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        values = line.rstrip("\r").split("\t")
        if len(values) != len(columns):
            raise EvaluationError(
                f"{path}, row {row}: {len(values)} columns, expected {len(columns)} between tabs: {', '.join(columns)}"
            )
        yield row, values


def _counts(*pairs: tuple[str, int]) -> Counter[str]:
    return Counter({reason: count for reason, count in pairs if count})
