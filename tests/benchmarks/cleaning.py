"""Should marks be cut out of vacancy titles before searching?

    python tests/benchmarks/cleaning.py TITLES.csv [--taxonomy NAME] [--encoder use-jobs] [--sample 1000]

TITLES has the columns vacancyTitle and conceptUri. Each way of cutting is measured on those titles alone that it
changes, by meaning and words together, before and after, and the difference with its 95% interval.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jobsearch.encoder.library import find_encoder
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_titles
from jobsearch.taxonomy.library import find_taxonomy

LEVELS = "senior|junior|sr|jr|trainee|graduate|fresh|apprentice|intern|internship"
WAYS: dict[str, Callable[[str], str]] = {
    "what is in brackets": lambda title: re.sub(r"\([^()]*\)|\[[^\[\]]*\]|\([^()]*$", " ", title),
    "reference numbers and tags": lambda title: re.sub(r"#(?=\w*\d)\w+|#[A-Z]{2,}\b|\b\d{3,}\b", " ", title),
    "all words with a digit": lambda title: re.sub(r"\S*\d\S*", " ", title),
    "what follows a dash": lambda title: re.split(r"\s[-–|]\s", title)[0],
    "what follows at or in": lambda title: re.sub(r"\s(?:@|at|in|based in)\s.*$", " ", title),
    "seniority": lambda title: re.sub(rf"\b(?:{LEVELS})\b\.?", " ", title, flags=re.IGNORECASE),
    "urgent, wanted, hiring": lambda title: re.sub(
        r"\b(?:urgent(?:ly)?|required|wanted|hiring|needed|vacanc(?:y|ies))\b[!:]*", " ", title, flags=re.IGNORECASE
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", type=Path)
    parser.add_argument("--taxonomy")
    parser.add_argument("--encoder", default="use-jobs")
    parser.add_argument("--sample", type=int, default=1000)
    arguments = parser.parse_args()
    encoder = find_encoder(arguments.encoder)
    every = read_titles(arguments.titles, find_taxonomy(arguments.taxonomy))
    every = replace(every, queries=tuple(map(_folded, every.queries)))
    print(f"{'cut':<28} {'titles':>6} {'MRR':>7} {'after':>7} {'difference':>11}  95%")
    for name, cut in WAYS.items():
        after = [_folded(cut(title).strip(" -–|,/:*!")) or title for title in every.queries]
        changed = [place for place, title in enumerate(every.queries) if after[place] != title]
        chosen = sorted(random.Random(0).sample(changed, min(arguments.sample, len(changed))))
        first, second = (
            evaluate_retrieval(encoder, _only(every, chosen, texts), mode="both") for texts in (every.queries, after)
        )
        figures = [found.metrics["mrr"] for found in (first, second)]
        paired = second.paired(first)
        print(
            f"{name:<28} {len(chosen):>6} {figures[0]:>7.4f} {figures[1]:>7.4f} {paired.difference:>+11.4f}  "
            f"{paired.interval.low:+.4f} to {paired.interval.high:+.4f}",
            flush=True,
        )


def _folded(title: str) -> str:
    return " ".join(title.split())


def _only(every: RetrievalSet, places: list[int], texts: list[str] | tuple[str, ...]) -> RetrievalSet:
    return replace(
        every,
        queries=tuple(texts[place] for place in places),
        relevant=tuple(every.relevant[place] for place in places),
    )


if __name__ == "__main__":
    main()
