"""Which case setting? The base encoder with each of them on validation data: see README.md.

    python tests/benchmarks/case.py [--shared ../shared]

- STS benchmark, development halves: Pearson's r of cosines with human scores.
- MELO, English to English and German to German: all elements of the corpus are ranked for each query; mean of
  1 / rank of the first element that is annotated as right.
- JobBERT's vacancy titles, every third of the validation half: an occupation scores with the best of its preferred and
  alternative labels; mean of 1 / rank of the right occupation, and the share of titles with it in the first 5 and 10.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from measuring import Row, add_json_option, write_rows

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.text import CASES
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_melo, read_titles
from jobsearch.evaluation.sts import evaluate_sts
from jobsearch.evaluation.sts_files import read_sts
from jobsearch.taxonomy.bundle import read_bundle

REPOSITORY = Path(__file__).resolve().parents[2]
STS_LANGUAGES = ("en", "de", "fr")
MELO_SETS = ("melo-usa_q_en_c_en", "melo-deu_q_de_c_de")
TITLE_STEP = 3
COLUMNS = ("STS-B en", "de", "fr", "MELO en→en MRR", "de→de", "JobBERT MRR", "R@5", "R@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="default: ../shared")
    add_json_option(parser)
    arguments = parser.parse_args()
    data = arguments.shared / "data"
    missing = [str(data / name) for name in ("stsb", "retrieval", "esco-1.2-en") if not (data / name).is_dir()]
    if missing:
        sys.exit(f"validation data is missing: {', '.join(missing)}; say where it is with --shared")

    pairs = [read_sts(data / "stsb" / f"stsb-{language}-dev.csv") for language in STS_LANGUAGES]
    melo = [read_melo(data / "retrieval" / name) for name in MELO_SETS]
    occupations, _ = read_bundle(data / "esco-1.2-en")
    titles = thinned(
        read_titles(data / "retrieval" / "jobbert-val" / "titles.csv", occupations, alternatives=True)
    ).labels_only()
    weights = packaged_weights("keep")

    rows: list[Row] = []
    print(f"| case | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for case in CASES:
        encoder = LeanEncoder(weights.with_case(case))
        figures = [evaluate_sts(encoder, one).metrics["pearson"] for one in pairs]
        figures += [evaluate_retrieval(encoder, one).metrics["mrr"] for one in melo]
        found = evaluate_retrieval(encoder, titles).metrics
        figures += [found[name] for name in ("mrr", "recall@5", "recall@10")]
        print(f"| {case} | " + " | ".join(f"{figure:.4f}".lstrip("0") for figure in figures) + " |", flush=True)
        rows.append({"case": case, **dict(zip(COLUMNS, map(float, figures), strict=True))})
    write_rows(arguments.json, rows)


def thinned(titles: RetrievalSet) -> RetrievalSet:
    """Every third title, among all occupations."""
    return replace(titles, queries=titles.queries[::TITLE_STEP], relevant=titles.relevant[::TITLE_STEP])


if __name__ == "__main__":
    main()
