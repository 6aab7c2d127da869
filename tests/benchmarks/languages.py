"""How well an encoder finds across languages: held-out occupations, a title in one language, all labels in another.

    jobsearch esco import FOLDER          # occupations in several languages
    jobsearch tune --steps 400 --train-table --table-rate 8 --validate-every 100
    python tests/benchmarks/languages.py --encoder use --encoder tuned-1

Prints the MRR by meaning of each pair of languages with English, both ways, and of each language alone: by labels only,
which measures the encoder, and with descriptions, as searching does. No concept asked for was trained on by `jobsearch
tune` with its own share of held-out concepts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from jobsearch.encoder.library import find_encoder
from jobsearch.encoder.packaged import BASE_NAME
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.text import default_case
from jobsearch.evaluation.retrieval import RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_held_out import held_out, held_out_cross_lingual
from jobsearch.taxonomy.library import find_taxonomy
from jobsearch.taxonomy.split import split_concepts

# Queries of a direction; more cost time and say little more.
LIMIT = 600


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", action="append", required=True, help="may be given several times")
    parser.add_argument("--taxonomy", help="default: the one in use")
    arguments = parser.parse_args()
    taxonomy = find_taxonomy(arguments.taxonomy)
    split = split_concepts(taxonomy)
    others = sorted(set(taxonomy.languages) - {"en"})
    suited = default_case(taxonomy.languages)
    encoders: list[Encoder] = [find_encoder(name, suited if name == BASE_NAME else None) for name in arguments.encoder]
    columns = [f"{name}{beside}" for beside in ("", ", described") for name in arguments.encoder]
    print(f"| from, to | queries | {' | '.join(columns)} |")
    print("|" + "---|" * (2 + len(columns)))

    def row(name: str, queries: int, found: Sequence[float]) -> None:
        print(f"| {name} | {queries:,} | {' | '.join(f'{value:.4f}' for value in found)} |", flush=True)

    def rows(sets: dict[str, RetrievalSet]) -> None:
        figures = []
        for name, asked in sets.items():
            labels = [evaluate_retrieval(encoder, asked.labels_only()) for encoder in encoders]
            described = [evaluate_retrieval(encoder, asked, typed_first=True) for encoder in encoders]
            figures.append([found.metrics["mrr"] for found in (*labels, *described)])
            row(name, len(asked), figures[-1])
        row(f"mean of {len(sets)}", sum(map(len, sets.values())), np.mean(figures, axis=0).tolist())

    pairs = [pair for other in others for pair in ((other, "en"), ("en", other))]
    across = {f"{a} to {b}": held_out_cross_lingual(taxonomy, split, a, b, limit=LIMIT, beside=True) for a, b in pairs}
    rows(across)
    alone = ("en", *others)
    rows({f"{one} alone": held_out(taxonomy, split, language=one, limit=LIMIT, beside=True) for one in alone})


if __name__ == "__main__":
    main()
