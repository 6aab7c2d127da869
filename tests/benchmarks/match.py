"""`jobsearch match` on vacancy-like titles: rows a second from start to end, and memory; beside two ways without it.

    python tests/benchmarks/match.py [--index NAME] [--rows 200000] [--sample 5000] [-k 1] [--kind occupation]

Titles are made from the index's own labels, always the same ones: a seniority before, a place, a working time or a mark
of gender behind, a slip in one of ten; one in five is a title that came before. `jobsearch match` runs as a process
over a CSV of all of them, its start included; the rivals get a sample: `JobSearch.search` title by title in this
process, and the process `jobsearch search -`, which encodes together what it is given but knows no duplicates. CPU
seconds are of all cores: neighbours on the machine disturb them less.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import Ran, Row, add_json_option, run, write_rows

from jobsearch import JobSearch

SEED = 0
DUPLICATES, SLIPS, OCCUPATIONS = 0.2, 0.1, 0.7
RECENT = 50_000
BEFORE = ("", "", "", "Senior ", "Junior ", "Lead ", "Experienced ", "Trainee ", "(Senior) ", "Head of ", "Temporary ")
BEHIND = (
    *("", "", "", " (m/f/d)", " (m/w/d)", " - London", " in Berlin", ", Manchester", " | Paris", " (part-time)"),
    *(" – full time", " – night shift", " - immediate start", " (maternity cover)", " £35k", " / Remote"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--sample", type=int, default=5_000, help="titles for the rivals")
    parser.add_argument("-k", type=int, default=1)
    parser.add_argument("--kind", default="occupation", choices=["occupation", "skill", "all"])
    add_json_option(parser)
    arguments = parser.parse_args()
    engine = JobSearch.open(arguments.index)
    asked = ["-k", str(arguments.k), "--kind", arguments.kind, "--index", arguments.index]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "vacancies.csv", Path(folder) / "coded.csv"
        titles = list(vacancies(engine, arguments.rows))
        with source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "title", "employer"])
            writer.writerows((number, title, f"employer {number % 997}") for number, title in enumerate(titles))
        distinct = len(set(titles))
        print(
            f"{len(titles):,} rows, {distinct:,} distinct titles, {source.stat().st_size / 1e6:.0f} MB; index "
            f"{engine.opened.name}, {len(engine.opened.labels):,} labels; k {arguments.k}, {arguments.kind}"
        )
        print(f"{'':26} {'titles':>9} {'seconds':>8} {'a second':>9} {'a CPU s':>8} {'peak MB':>8}")
        ran = run(["match", str(source), "--out", str(out), *asked])
        rows = [show("match", len(titles), ran), show("match, distinct titles", distinct, ran)]
        sample = titles[: arguments.sample]
        begun, used = time.perf_counter(), time.process_time()
        for title in sample[:1000]:
            engine.search(title, arguments.k, arguments.kind)
        alone = Ran(time.perf_counter() - begun, time.process_time() - used, float("nan"))
        rows.append(show("engine.search, one by one", len(sample[:1000]), alone))
        piped = run(["search", "-", *asked], "".join(f"{title}\n" for title in sample))
        rows.append(show("search -", len(sample), piped))
        print(ran.told.strip().replace(folder, "…"))
    write_rows(arguments.json, rows)


def show(name: str, titles: int, ran: Ran) -> Row:
    rates = titles / ran.seconds, titles / ran.cpu
    print(
        f"{name:26} {titles:9,} {ran.seconds:8.1f} {rates[0]:9,.0f} {rates[1]:8,.0f} {ran.megabytes:8,.0f}", flush=True
    )
    memory = None if math.isnan(ran.megabytes) else ran.megabytes
    return {"way": name, "titles": titles, "per_second": rates[0], "per_cpu_second": rates[1], "megabytes": memory}


def vacancies(engine: JobSearch, rows: int) -> Iterator[str]:
    """Yield titles as vacancies have them."""
    labels, draw = engine.opened.labels, random.Random(SEED)
    first, last = labels.rows("occupation")
    recent: list[str] = []
    for _ in range(rows):
        if recent and draw.random() < DUPLICATES:
            yield draw.choice(recent)
            continue
        row = draw.randrange(first, last) if draw.random() < OCCUPATIONS else draw.randrange(len(labels))
        title = draw.choice(BEFORE) + labels.texts[row] + draw.choice(BEHIND)
        if draw.random() < SLIPS:
            place = draw.randrange(len(title))
            title = title[:place] + draw.choice(["", title[place] * 2]) + title[place + 1 :]
        if len(recent) < RECENT:
            recent.append(title)
        else:
            recent[draw.randrange(RECENT)] = title
        yield title


if __name__ == "__main__":
    main()
