"""Write what the teacher of `use-jobs` was asked about, beside the labels of the taxonomy in use: a text a line.

    pip install find-job-titles
    jobsearch esco import FOLDER
    python data/build_texts.py texts.txt

They are the 74,392 job titles of `find-job-titles`, the sentences of 4 to 22 words from the descriptions of occupations
and skills (so that general ability has something to hold on to), and every tenth label of the built-in skills: with all
of those, skills were most of what was learned, and titles were found less well.
"""

from __future__ import annotations

import argparse
import gzip
import re
from importlib.metadata import files
from pathlib import Path

from jobsearch.taxonomy.library import BUILTIN, active_name, find_taxonomy

EVERY = 10
WORDS = range(4, 23)


def sentences(text: str) -> list[str]:
    """Return the sentences and listed points of a text that have a length to learn from."""
    parts = (part.strip(" -•\t") for part in re.split(r"(?<=[.!?;:])\s+|\n+|\s-\s", text))
    return [part for part in parts if len(part.split()) in WORDS]


def main() -> None:
    """Write the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file to write")
    out: Path = parser.parse_args().out
    (packed,) = (file for file in files("find-job-titles") or () if file.name == "titles_combined.txt.gz")
    titles = gzip.decompress(packed.read_binary()).decode("utf-8").splitlines()
    builtin, used = find_taxonomy(BUILTIN), find_taxonomy(active_name())
    told = [one for concept in (*used.concepts, *builtin.concepts) for one in sentences(concept.description or "")]
    labels = [label for concept in builtin.concepts if concept.kind == "skill" for label in concept.labels]
    texts = list(dict.fromkeys(text.strip() for text in (*titles, *told, *labels[::EVERY]) if text.strip()))
    out.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


if __name__ == "__main__":
    main()
