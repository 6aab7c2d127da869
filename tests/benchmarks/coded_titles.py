"""What titles coded by hand bring, without any training: `jobsearch index build --titles`.

    jobsearch esco import FOLDER
    python tests/benchmarks/coded_titles.py TITLES.csv [--taxonomy NAME] [--sizes 100 300 2000 8000] [--test 3000]

TITLES has the columns vacancyTitle and conceptUri; the taxonomy holds the concepts. So many titles are counted, and
others, set aside before, are searched for by meaning and words with the encoder that is shipped. MRR counts the first
ten. "Good match" is what hits say of the titles and of `off_topic.csv`. The index is in a folder that is removed.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np

from jobsearch import JobSearch
from jobsearch.encoder.library import default_encoder, find_encoder
from jobsearch.evaluation.reliability import read_off_topic
from jobsearch.evaluation.retrieval_files import title_rows
from jobsearch.index.build import Options, build_index
from jobsearch.index.coded import CodedTitles
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.library import find_taxonomy

OFF_TOPIC = Path(__file__).with_name("off_topic.csv")
K = 10


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", type=Path)
    parser.add_argument("--taxonomy")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 2000, 8000])
    parser.add_argument("--test", type=int, default=3000)
    arguments = parser.parse_args()
    taxonomy = find_taxonomy(arguments.taxonomy)
    rows = [(title, uri) for title, uri in title_rows(arguments.titles) if uri in taxonomy.by_uri]
    random.Random(0).shuffle(rows)
    test, rest = rows[: arguments.test], rows[arguments.test :]
    encoder, off_topic = find_encoder(default_encoder(taxonomy.languages)), read_off_topic(OFF_TOPIC)
    print("| titles | of concepts | MRR | R@1 | R@10 | good match: titles | off the topic |\n|" + "---|" * 7)
    with tempfile.TemporaryDirectory() as folder:
        directory = IndexDirectory(Path(folder) / "coded")
        for size in (0, *arguments.sizes):
            coded = CodedTitles.of(uri for _, uri in rest[:size])
            build_index(taxonomy, encoder, directory, options=Options(titles=coded if size else None))
            engine = JobSearch.open(directory.path)
            found = engine.search_many([title for title, _ in test], K, "occupation")
            ranks = np.array(
                [
                    next((hit.rank for hit in hits if hit.uri == uri), np.inf)
                    for hits, (_, uri) in zip(found, test, strict=True)
                ]
            )
            good = np.mean([hits[0].good_match for hits in found])
            off = np.mean([hits[0].good_match for hits in engine.search_many(off_topic, 1, "occupation")])
            figures = f"{(1 / ranks).mean():.4f} | {(ranks == 1).mean():.4f} | {(ranks <= K).mean():.4f}"
            print(f"| {size:,} | {len(coded.counts):,} | {figures} | {good:.1%} | {off:.1%} |", flush=True)


if __name__ == "__main__":
    main()
