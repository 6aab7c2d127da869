"""Count how many job titles mean each occupation, for `data/title_counts.csv.gz`.

    pip install find-job-titles
    jobsearch search plumber                # builds the index of the built-in data, if it is not there
    python data/build_title_counts.py

Each of the 74,392 job titles of `find-job-titles` (0.7.0, MIT licence; American ones, most of them) counts as much as
its ten nearest occupations are sure, by meaning alone: what makes scores of the counts must not be in them. Nobody has
said what these titles mean, so the counts are an estimate. They are figures; no titles are kept.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from importlib.metadata import files

from jobsearch import JobSearch
from jobsearch.home import builtin_title_counts
from jobsearch.taxonomy.library import BUILTIN, find_taxonomy

TOGETHER = 2_000


def main() -> None:
    """Write the table."""
    (packed,) = (file for file in files("find-job-titles") or () if file.name == "titles_combined.txt.gz")
    lines = gzip.decompress(packed.read_binary()).decode("utf-8").splitlines()
    titles = [line for line in lines if line.strip()]
    engine = JobSearch.open(BUILTIN)
    # All of them: what no title was near to is meant by few, and what is not in the table counts as the mean one.
    counts = Counter({concept.uri: 0.0 for concept in find_taxonomy(BUILTIN).concepts if concept.kind == "occupation"})
    for start in range(0, len(titles), TOGETHER):
        for hits in engine.search_many(titles[start : start + TOGETHER], 10, "occupation", mode="meaning"):
            counts.update({hit.uri: hit.confidence or 0.0 for hit in hits})
    with (
        builtin_title_counts().open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as packed_again,
        io.TextIOWrapper(packed_again, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("uri", "titles"))
        writer.writerows((uri, f"{count:.1f}") for uri, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
