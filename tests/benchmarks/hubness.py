"""How much of a label's hubness to take off (`lexical.fusion.HUBNESS`): MRR by both, at several shares.

    jobsearch esco import FOLDER          # occupations in several languages
    python tests/benchmarks/hubness.py --shared ../shared/data

MELO and every third vacancy title against the official English bundle under --shared, and held-out occupations of the
taxonomy in use in each of its languages. Labels alone too, where there are descriptions and priors.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jobsearch.encoder.library import find_encoder
from jobsearch.encoder.protocol import Embeddings
from jobsearch.evaluation.retrieval import CONCEPT_MRR, RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_melo, read_titles
from jobsearch.evaluation.retrieval_held_out import held_out
from jobsearch.lexical import fusion
from jobsearch.taxonomy.bundle import read_bundle
from jobsearch.taxonomy.library import find_taxonomy
from jobsearch.taxonomy.split import split_concepts

SHARES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4)


class Remembering:
    """An encoder that encodes each text once."""

    def __init__(self, name: str) -> None:
        self._encoder = find_encoder(name)
        self._known: dict[str, Embeddings] = {}
        self.name, self.dim = self._encoder.name, self._encoder.dim
        self.case, self.fingerprint = self._encoder.case, self._encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Return what the encoder makes of them."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def save(self, directory: Path) -> None:
        """Save the encoder."""
        self._encoder.save(directory)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder with retrieval and esco-1.2-en")
    parser.add_argument("--encoder", default="use-jobs")
    arguments = parser.parse_args()
    encoder = Remembering(arguments.encoder)
    print(f"| MRR | {' | '.join(f'{share:g}' for share in SHARES)} |\n|{'---|' * (len(SHARES) + 1)}")
    for name, one in sets(arguments.shared).items():
        found = []
        for share in SHARES:
            fusion.HUBNESS = share
            metrics = evaluate_retrieval(encoder, one, mode="both").metrics
            found.append(f"{metrics['mrr']:.4f}" + (f" ({metrics[CONCEPT_MRR]:.4f})" if CONCEPT_MRR in metrics else ""))
        print(f"| {name} | {' | '.join(found)} |", flush=True)


def sets(shared: Path) -> dict[str, RetrievalSet]:
    """Return the sets by name."""
    official, _ = read_bundle(shared / "esco-1.2-en")
    titles = read_titles(shared / "retrieval" / "jobbert-val" / "titles.csv", official)
    described = {
        "MELO en": read_melo(shared / "retrieval" / "melo-usa_q_en_c_en", official),
        "MELO de": read_melo(shared / "retrieval" / "melo-deu_q_de_c_de", official),
        "titles": replace(titles, queries=titles.queries[::3], relevant=titles.relevant[::3]),
    }
    bare = {f"{name}, labels only": one.labels_only() for name, one in described.items()}
    taxonomy = find_taxonomy()
    split = split_concepts(taxonomy)
    alone = {f"held-out, {one}": held_out(taxonomy, split, language=one, limit=600) for one in taxonomy.languages}
    return {**described, **bare, **alone}


if __name__ == "__main__":
    main()
