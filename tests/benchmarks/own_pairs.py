"""What pairs of one's own bring, on top of the encoder that is shipped, or of others.

    python tests/benchmarks/own_pairs.py TITLES.csv [--taxonomy NAME] [--sizes 300 2000 8000] [--bases use-jobs]

TITLES has the columns vacancyTitle and conceptUri; the taxonomy holds the concepts. So many titles are paired with the
preferred label of their concept, as somebody would who has coded that many; `jobsearch tune --pairs` does the rest.
What comes of it is measured on titles that were set aside before, by meaning and words, with all labels. Encoders are
kept in the home folder as `own-BASE-SIZE`, whatever the gate said.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobsearch.encoder.library import find_encoder, models_directory
from jobsearch.evaluation.retrieval import RetrievalResult, RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_titles
from jobsearch.taxonomy.library import find_taxonomy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", type=Path)
    parser.add_argument("--taxonomy")
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 2000, 8000])
    parser.add_argument("--bases", nargs="+", default=["use-jobs"])
    parser.add_argument("--test", type=int, default=3000)
    arguments = parser.parse_args()
    taxonomy = find_taxonomy(arguments.taxonomy)
    every = read_titles(arguments.titles, taxonomy)
    order = random.Random(0).sample(range(len(every.queries)), len(every.queries))
    test, rest = order[: arguments.test], order[arguments.test :]
    measured = {base: measure(every, test, base) for base in arguments.bases}
    print(f"{'base':<9} {'pairs':>6} {'MRR':>7} {'R@10':>7} {'MRR less base':>15}  95 %{'':<16} held-out, gate")
    for base in arguments.bases:
        print(f"{base:<9} {0:>6} {_figures(measured[base])}", flush=True)
        for size in arguments.sizes:
            pairs = [
                (every.queries[place], every.corpus[_preferred(every, int(every.relevant[place][0]))])
                for place in rest[:size]
            ]
            begun = time.monotonic()
            told = tune(f"own-{base}-{size}", base, pairs)
            seconds = time.monotonic() - begun
            tuned = measure(every, test, told["directory"])
            paired, gate = tuned.paired(measured[base]), told["gate"]
            print(
                f"{base:<9} {len(pairs):>6} {_figures(tuned)} {paired.difference:>+15.4f}  "
                f"{paired.interval.low:+.4f} to {paired.interval.high:+.4f}    {gate['mrr_base']:.3f} to "
                f"{gate['mrr_tuned']:.3f}, {'rejected' if gate['verdict'] == 'forced' else gate['verdict']}, "
                f"{told['steps']} steps, share {told['share']:g}, {seconds:.0f} s",
                flush=True,
            )


def _preferred(every: RetrievalSet, concept: int) -> int:
    """Return the row of a concept's preferred label, which comes first."""
    return int((every.concept_of == concept).argmax())


def _figures(found: RetrievalResult) -> str:
    return f"{found.metrics['mrr']:>7.4f} {found.metrics['recall@10']:>7.4f}"


def measure(every: RetrievalSet, places: list[int], encoder: str) -> RetrievalResult:
    """Find the titles at these places by meaning and words."""
    chosen = replace(
        every,
        queries=tuple(every.queries[place] for place in places),
        relevant=tuple(every.relevant[place] for place in places),
    )
    return evaluate_retrieval(find_encoder(encoder), chosen, mode="both")


def tune(name: str, base: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Run `jobsearch tune` on pairs, in a process of its own, and return its record."""
    for folder in (models_directory() / name, models_directory() / "rejected" / name):
        if folder.exists():
            sys.exit(f"{folder} is there from an earlier run; `jobsearch models delete {name}` removes it")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("base", "ref", "similarity"), *((*pair, 1.0) for pair in pairs)])
        command = [sys.executable, "-m", "jobsearch", "tune", "--pairs", str(path), "--base", base]
        done = subprocess.run([*command, "--name", name, "--force", "--json"], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
