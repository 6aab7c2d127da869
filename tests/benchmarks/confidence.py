"""The constants of `jobsearch.confidence`, fitted and measured.

    python tests/benchmarks/confidence.py TITLES.csv [--index NAME …] [--sample 3000] [--plot FILE.png]

TITLES has the columns vacancyTitle and conceptUri. Every second title, and every second text of off_topic.csv, fits the
constants of each mode; the others measure those in force, with which the fitted ones are to be compared. Several
indexes are fitted together: one of another encoder (`jobsearch index build --name base --encoder use`) or of the
official bundle shows whether the constants hold for all.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from jobsearch import JobSearch
from jobsearch.confidence import CALIBRATIONS, SHARING, evidence
from jobsearch.evaluation.reliability import Asked, Reliability, measure_reliability, read_asked, read_off_topic
from jobsearch.evaluation.reliability_plot import reliability_plot
from jobsearch.lexical.fusion import MODES, Mode

OFF_TOPIC = Path(__file__).with_name("off_topic.csv")
# What share of all inputs is taken to be off the topic.
PRIOR = 0.1
NOWHERE = -9.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", type=Path)
    parser.add_argument("--index", nargs="+", default=["esco-en"])
    parser.add_argument("--sample", type=int, default=3000)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    engines = [JobSearch.open(name) for name in arguments.index]
    off_topic = read_off_topic(OFF_TOPIC)
    asked = [_sample(read_asked(arguments.titles, engine), arguments.sample) for engine in engines]
    shown: dict[str, Reliability] = {}
    for mode in MODES:
        parts = [_answers(engine, one, off_topic[::2], mode) for engine, one in zip(engines, asked, strict=True)]
        fitted = _fit(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        print(f"{mode}: fitted {', '.join(f'{value:.2f}' for value in fitted)}; in force {CALIBRATIONS[mode]}")
        for engine, one in zip(engines, asked, strict=True):
            test = replace(one, titles=one.titles[1::2], uris=one.uris[1::2])
            measured = measure_reliability(engine, test, off_topic[1::2], mode=mode)
            shown.setdefault(mode, measured)
            print(
                f"  {engine.opened.name}, {engine.opened.encoder.name}: error {measured.error:.3f} of first hits, "
                f"{measured.error_ten:.3f} of ten; no good match: {measured.no_match['titles']:.1%} of titles, "
                f"{measured.no_match['off_topic']:.1%} off the topic; right one among ten: "
                f"{measured.found[True]:.1%} with a good match, {measured.found[False]:.1%} without",
                flush=True,
            )
    if arguments.plot:
        opened = engines[0].opened
        title = f"{asked[0].name}: titles not fitted on, in {opened.name} by {opened.encoder.name}"
        arguments.plot.write_bytes(reliability_plot(shown, title))


def _sample(asked: Asked, size: int) -> Asked:
    chosen = random.Random(0).sample(range(len(asked.titles)), min(size, len(asked.titles)))
    return replace(
        asked, titles=tuple(asked.titles[place] for place in chosen), uris=tuple(asked.uris[place] for place in chosen)
    )


def _answers(
    engine: JobSearch, asked: Asked, off_topic: tuple[str, ...], mode: Mode
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the scores of ten hits of each text, the place of the right one or -1, and each text's weight."""
    titles, uris = asked.titles[::2], [*asked.uris[::2], *[None] * len(off_topic)]
    scores, places = np.full((len(uris), SHARING), NOWHERE), np.full(len(uris), -1)
    for query, hits in enumerate(engine.search_many([*titles, *off_topic], SHARING, "occupation", mode=mode)):
        for place, hit in enumerate(hits):
            scores[query, place] = hit.score
            if hit.uri == uris[query]:
                places[query] = place
        preferred = np.array([hit.label == hit.matched_label for hit in hits], np.bool_)
        scores[query, : len(hits)] = evidence(scores[query, : len(hits)], np.zeros(len(hits), np.uint8), preferred)
    weights = np.repeat([(1 - PRIOR) / len(titles), PRIOR / len(off_topic)], [len(titles), len(off_topic)])
    return scores, places, weights


def _fit(scores: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return offset, slope and sharpness under which what was right is likeliest."""
    found = places >= 0
    best = scores.max(axis=1)

    def unlikelihood(values: np.ndarray) -> float:
        offset, slope, sharpness = values
        relative = np.exp(sharpness * (scores - best[:, None]))
        share = relative[np.arange(len(places)), np.maximum(places, 0)] / relative.sum(axis=1)
        logit = offset + slope * best
        likely = np.where(found, np.log(np.maximum(share, 1e-12)) - np.logaddexp(0, -logit), -np.logaddexp(0, logit))
        return float(-(weights * likely).sum() / weights.sum())

    return np.asarray(minimize(unlikelihood, [-5.0, 8.0, 10.0], method="Nelder-Mead").x)


if __name__ == "__main__":
    main()
