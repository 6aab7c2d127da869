"""Pack a tuned encoder into `data/encoder`, the one that is shipped as `use-jobs`.

    jobsearch esco import FOLDER
    python data/build_teacher.py MODEL all-MiniLM-L6-v2-esco --steps 600 --batch 1024
    python data/build_texts.py texts.txt
    jobsearch pairs --teacher all-MiniLM-L6-v2-esco --language en --texts texts.txt --out teacher.safetensors
    jobsearch tune --recipe joint --teacher teacher.safetensors --case lower --pair-batch 1024 --steps 1000 \
        --validate-every 250 --interpolation 0.6 --name use-jobs-8 --sts stsb-en-dev.csv
    python data/build_encoder.py use-jobs-8

FOLDER is the official English bundle, v1.2.1: its occupations, and of the skills only those of its five collections,
whose tables alone were at hand; and beside them the occupations' labels in German, Spanish, French, Italian, Dutch,
Polish and Portuguese (`occupations_de.csv` …, without descriptions). MODEL is all-MiniLM-L6-v2, as the package `gt-all-
minilm-l6-v2` carries it. The teacher was tuned on a GPU, in three minutes, by a loop of its own that does what the
second line does, and kept in half precision; all else was done on two cores. A share of 0.6 is the largest that held
general ability above .845 when the recipe was found. What is packed is measured again, since half precision moves the
weights a little.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.library import models_directory
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.shipped import SHIPPED_NAME, pack
from jobsearch.encoder.weights import load_weights
from jobsearch.home import builtin_encoder_directory
from jobsearch.tuning.card import model_card
from jobsearch.tuning.models import CARD, RECORD, read_record


def main() -> None:
    """Pack the encoder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a usable tuned encoder")
    folder = models_directory() / parser.parse_args().name
    tuned = load_weights(folder)
    record = read_record(folder)
    if record["gate"]["verdict"] != "accepted":
        raise SystemExit(f"{folder} was {record['gate']['verdict']}; only what its gate accepted is shipped")
    if packaged_weights(tuned.case).fingerprint != record["base"]["fingerprint"]:
        raise SystemExit(
            f"{folder} was tuned from another base than the packaged weights; only what differs is shipped"
        )
    target = builtin_encoder_directory()
    shutil.rmtree(target, ignore_errors=True)
    packed = pack(tuned, target)
    texts = ["plumber", "machine learning engineer", "staff nurse (night shift)", "Kindergärtnerin"]
    moved = abs(LeanEncoder(packed).encode(texts) - LeanEncoder(tuned).encode(texts)).max()
    sys.stdout.write(f"half precision moves embeddings by {moved:.1e} at most\n")
    record = {**{key: value for key, value in record.items() if key != "path"}, "name": SHIPPED_NAME}
    (target / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (target / CARD).write_text(model_card(record), encoding="utf-8")
    sizes = {path.name: path.stat().st_size for path in sorted(target.iterdir())}
    sys.stdout.write(", ".join(f"{name} {size:,} bytes" for name, size in sizes.items()) + "\n")


if __name__ == "__main__":
    main()
