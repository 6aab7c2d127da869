"""What a recipe is worth: tune, then measure base and tuned on STS, MELO and vacancy titles, and print one table.

    python tests/benchmarks/recipes.py --shared ../shared/data --variant default --variant scale=16,dropout=0
    python tests/benchmarks/recipes.py --shared ../shared/data --ablations [--teacher teacher.safetensors]
    python tests/benchmarks/recipes.py --shared ../shared/data --encoder use --encoder use-jobs

A variant is `default`, `tutorial`, or values of the default recipe to change. Each takes some minutes on two cores.
--ablations leaves one ingredient of the default recipe out after the other; with --teacher (`jobsearch pairs
--teacher`) the recipe with one comes first. --encoder tunes nothing: it measures encoders at hand, by their cosines of
labels, with descriptions, and as searching does. What is tuned is measured by cosines of labels.
Training data: the taxonomy in use (`jobsearch esco use`), or --pairs. Titles are looked up among the official
occupations under --shared, with all their labels. The gate's verdict is printed, and obeyed by nothing here.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from jobsearch.encoder.library import find_encoder, find_weights, open_encoder
from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.text import default_case
from jobsearch.evaluation.retrieval import CONCEPT_MRR, RetrievalSet, evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_melo, read_titles
from jobsearch.evaluation.sts import evaluate_sts
from jobsearch.evaluation.sts_files import read_sts
from jobsearch.lexical.fusion import Mode
from jobsearch.taxonomy.bundle import read_bundle
from jobsearch.taxonomy.library import active_name, find_taxonomy
from jobsearch.tuning.data import recipe_pairs
from jobsearch.tuning.general import general_check
from jobsearch.tuning.pairs_file import read_pairs
from jobsearch.tuning.recipes import RECIPES, Recipe, find_recipe
from jobsearch.tuning.teacher import read_teacher
from jobsearch.tuning.tune import tune

Figures = dict[str, float]
ABLATIONS = (
    "default",
    "marks=0,slips=0",
    "dropout=0",
    "description_repeats=0",
    "interpolation=1",
    "batch=128",
    "loss=angular",
)
TAUGHT = "default, with the teacher"


def recipe_of(variant: str) -> Recipe:
    """Return the recipe that a variant names."""
    if variant in RECIPES:
        return find_recipe(variant)
    values = dict(part.split("=", 1) for part in variant.split(","))
    kinds = {name: type(value) for name, value in find_recipe("default").to_dict().items()}
    return find_recipe("default", **{name: _value(kinds[name], text) for name, text in values.items()})


def _value(kind: type, text: str) -> object:
    if kind is bool:
        return text == "true"
    return float(text) if kind is type(None) else kind(text)


def measures(shared: Path) -> Callable[..., Figures]:
    """Return what measures an encoder on all sets: by a mode, and by labels only or not."""
    sts = {language: read_sts(shared / "stsb" / f"stsb-{language}-dev.csv") for language in ("en", "de", "fr")}
    official, _ = read_bundle(shared / "esco-1.2-en")
    sets = {
        "MELO en": read_melo(shared / "retrieval" / "melo-usa_q_en_c_en", official),
        "MELO de": read_melo(shared / "retrieval" / "melo-deu_q_de_c_de", official),
    }
    titles = read_titles(shared / "retrieval" / "jobbert-val" / "titles.csv", official, alternatives=True)

    def measure(encoder: Encoder, mode: Mode = "meaning", labels_only: bool = True) -> Figures:
        def ranked(one: RetrievalSet) -> Mapping[str, float]:
            asked = one.labels_only() if labels_only else one
            return evaluate_retrieval(encoder, asked, mode=mode, typed_first=not labels_only).metrics

        found = {f"STS {name}": float(evaluate_sts(encoder, pairs).metrics["pearson"]) for name, pairs in sts.items()}
        melo = {name: ranked(one) for name, one in sets.items()}
        found |= {name: one["mrr"] for name, one in melo.items()}
        found |= {f"{name}, concepts": one[CONCEPT_MRR] for name, one in melo.items()}
        metrics = ranked(titles)
        return found | {"titles": metrics["mrr"], "R@5": metrics["recall@5"], "R@10": metrics["recall@10"]}

    return measure


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder with stsb, retrieval and esco-1.2-en")
    parser.add_argument("--variant", action="append", default=[], help="may be given several times")
    parser.add_argument("--encoder", action="append", default=[], help="measure this one; may be given several times")
    parser.add_argument("--ablations", action="store_true", help="the default recipe, and without each ingredient")
    parser.add_argument("--teacher", type=Path, help="what a stronger encoder sees: one more row")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not (arguments.shared / "stsb").is_dir():
        raise SystemExit(f"{arguments.shared} has no folder stsb; name the folder of the evaluation data with --shared")
    measure = measures(arguments.shared)
    if arguments.encoder:
        for number, name in enumerate(arguments.encoder):
            encoder = find_encoder(name)
            print_row((name, measure(encoder), ""), header=not number)
            print_row((f"{name}, by meaning as searching does", measure(encoder, labels_only=False), ""))
            print_row((f"{name}, as searching does", measure(encoder, "both", labels_only=False), ""))
        return
    general = general_check(arguments.shared / "stsb" / "stsb-en-dev.csv")
    case = default_case(find_taxonomy().languages)
    rows = [("base", measure(find_encoder("use", case)), "")]
    print_row(rows[0], header=True)
    variants = [*arguments.variant, *(ABLATIONS if arguments.ablations else ())] or ["default"]
    for variant in [*([TAUGHT] if arguments.teacher else ()), *variants]:
        recipe = recipe_of("default" if variant == TAUGHT else variant)
        began = time.monotonic()
        if arguments.pairs:
            pairs = read_pairs(arguments.pairs, seed=arguments.seed)
        else:
            pairs = recipe_pairs(find_taxonomy(), recipe, seed=arguments.seed)
        with tempfile.TemporaryDirectory() as folder:
            tuned = tune(
                find_weights("use", case),
                pairs,
                recipe,
                name="variant",
                models=Path(folder),
                general=general,
                data_source=str(arguments.pairs or active_name()),
                teacher=read_teacher(arguments.teacher) if variant == TAUGHT else None,
                seed=arguments.seed,
            )
            seconds = time.monotonic() - began
            gate, share = tuned.gate, tuned.record["share"]
            note = f"held-out {gate.mrr_base:.3f} to {gate.mrr_tuned:.3f}, {gate.verdict}, share {share:g}"
            note += f", {seconds:.0f} s"
            print_row((variant, measure(open_encoder(tuned.directory)), note))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def print_row(row: tuple[str, Figures, str], header: bool = False) -> None:
    """Print one row as Markdown, as soon as it is known."""
    name, figures, note = row
    if header:
        print("| recipe | " + " | ".join(figures) + " | |")
        print("|" + "---|" * (len(figures) + 2))
    print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in figures.values()) + f" | {note} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
