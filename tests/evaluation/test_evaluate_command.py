"""`jobsearch evaluate`: what is printed, written, remembered and refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoders import HashEncoder

from jobsearch.cli.app import run
from jobsearch.encoder import library
from jobsearch.encoder.protocol import Encoder
from jobsearch.errors import EncoderError
from jobsearch.evaluation import retrieval_files
from jobsearch.taxonomy.library import activate, store_taxonomy
from jobsearch.taxonomy.model import Concept, Source, Taxonomy

PAIRS = "a man sings,a man is singing,4.5\na dog runs,the cat sleeps,0.5\ncook,cooks,4.8\nred car,blue sky,1\n"
JOBS = ("cook", "nurse", "clerk", "driver", "plumber", "welder", "farmer", "tailor", "baker", "miner")
KITCHEN = Taxonomy.of(
    Source("trades", "1", "here"),
    [
        record
        for job in JOBS
        for record in (
            Concept(f"urn:{job}", "occupation", job, (f"senior {job}", f"{job} assistant")),
            Concept(f"urn:{job}", "occupation", f"{job}er", (f"ober{job}",), "de"),
        )
    ],
)
STS_METRICS = ("pearson", "spearman", "pearson_angular", "spearman_angular")
INTERVAL = [pytest.approx(0.5, abs=0.5)] * 2


@pytest.fixture(autouse=True)
def asked(jobsearch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Encoders by any name but `absent`; what was asked for comes back."""
    calls: list[tuple[str, str | None]] = []

    def find(name: str = "use", case: str | None = None) -> Encoder:
        calls.append((name, case))
        if name == "absent":
            raise EncoderError("no encoder 'absent'")
        encoder = HashEncoder(64, "" if name == "use" else name)
        encoder.name = name
        return encoder

    monkeypatch.setattr(library, "find_encoder", find)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text(PAIRS)
    rows = "".join(f"{n},{job} wanted,urn:{job}\n" for n, job in enumerate(JOBS))
    (tmp_path / "titles.csv").write_text(f",vacancyTitle,conceptUri\n{rows}99,x,urn:absent\n")
    melo = tmp_path / "melo"
    melo.mkdir()
    (melo / "queries.tsv").write_text("Q1\tcooks\nQ2\tnurses\n")
    (melo / "corpus_elements.tsv").write_text("C1\tcook\nC2\tnurse\nC3\tclerk\n")
    (melo / "annotations.tsv").write_text("Q1\t0\tC1\t1\nQ2\t0\tC2\t1\n")
    store_taxonomy(KITCHEN)
    activate("trades")
    return calls


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(["evaluate", *arguments]) == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    out, _ = evaluate(capsys, *arguments, "--json")
    return json.loads(out)


def encoder_record(name: str) -> dict[str, str]:
    return {"name": name, "fingerprint": HashEncoder(64, "" if name == "use" else name).fingerprint}


# --- JSON ------------------------------------------------------------------------------------------------------


def test_sts_json(capsys: pytest.CaptureFixture[str]) -> None:
    record = as_json(capsys, "sts", "pairs.csv")
    figures = {name: pytest.approx(0, abs=1) for name in STS_METRICS}
    assert record == {
        "task": "sts",
        "set": "pairs",
        "encoder": encoder_record("use"),
        "case": "lower",
        "metrics": figures,
        "n": 4,
        "intervals": {name: [pytest.approx(0, abs=1)] * 2 for name in figures},
    }


def test_sts_json_of_two_encoders(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = as_json(capsys, "sts", "pairs.csv", "--encoder", "use", "--encoder", "mine")
    assert (first["encoder"], second["encoder"]) == (encoder_record("use"), encoder_record("mine"))
    assert "paired" not in first
    assert second["paired"] == {
        "metric": "pearson",
        "difference": pytest.approx(second["metrics"]["pearson"] - first["metrics"]["pearson"]),
        "interval": [pytest.approx(0, abs=2)] * 2,
        "p_value": pytest.approx(0.5, abs=0.5),
        "n": 4,
        "resamples": 2000,
    }


METRICS = {name: pytest.approx(0.5, abs=0.5) for name in ("mrr", "recall@1", "recall@5", "recall@10", "ndcg@10")}
INTERVALS = dict.fromkeys(METRICS, INTERVAL)


def test_melo_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(capsys, "retrieval", "melo") == {
        "task": "retrieval",
        "set": "melo",
        "encoder": encoder_record("use"),
        "case": "lower",
        "metrics": METRICS,
        "n": 2,
        "intervals": INTERVALS,
        "mrr_range": INTERVAL,
        "labels": 3,
        "concepts": 3,
        "dropped": {},
    }


@pytest.mark.parametrize(
    ("mode", "added"), [("meaning", ""), ("words", ", by words"), ("both", ", by meaning and words")]
)
def test_retrieval_by_mode(capsys: pytest.CaptureFixture[str], mode: str, added: str) -> None:
    melo, titles = as_json(capsys, "retrieval", "melo", "titles.csv", "--mode", mode)
    assert (melo["set"], titles["set"]) == (f"melo{added}", f"titles in trades, all labels{added}")
    assert melo["metrics"]["mrr"] == 1  # "cooks" and "nurses" are near by either
    held_out = as_json(capsys, "retrieval", "--held-out", "--mode", mode)
    assert held_out["set"] == f"trades held-out occupations{added}"
    figures, _ = evaluate(capsys, "retrieval", "melo", "--mode", mode)
    assert f"melo{added}" in figures


def test_retrieval_by_labels_alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_files, "log_priors", lambda uris: np.array([float(len(uri)) for uri in uris], "f4"))
    command = ("retrieval", "titles.csv", "--mode", "both")
    names = [as_json(capsys, *command, *flag)["set"] for flag in ((), ("--labels-only",))]
    name = "titles in trades, all labels, by meaning and words"
    assert names == [f"{name}, with priors", name]
    assert as_json(capsys, "retrieval", "titles.csv")["set"] == "titles in trades, all labels"


def test_melo_has_what_the_taxonomy_says_of_its_concepts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(retrieval_files, "log_priors", lambda uris: np.array([float(len(uri)) for uri in uris], "f4"))
    told = [replace(concept, description=f"One who is a {concept.preferred_label}.") for concept in KITCHEN.concepts]
    store_taxonomy(Taxonomy.of(KITCHEN.source, told))
    (tmp_path / "melo" / "concept_mapping.tsv").write_text("C1\turn:cook\nC2\turn:nurse\nC3\turn:clerk\n")
    command = ("retrieval", "melo", "--mode", "both")
    beside = "melo, by meaning and words, with descriptions and priors"
    assert as_json(capsys, *command)["set"] == beside
    assert as_json(capsys, *command, "titles.csv")[0]["set"] == beside
    assert as_json(capsys, *command, "--labels-only")["set"] == "melo, by meaning and words"
    for name, *asked in (("melo", "melo"), ("trades held-out occupations", "--held-out")):
        names = [as_json(capsys, "retrieval", *asked, *flag)["set"] for flag in ((), ("--labels-only",))]
        assert names == [f"{name}, with descriptions", name]


def test_retrieval_puts_what_was_typed_first_as_searching_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what its description is about, a label is farther from itself than another spelling is."""
    told = [replace(concept, description="Quite another thing, zzz.") for concept in KITCHEN.concepts]
    store_taxonomy(Taxonomy.of(KITCHEN.source, told))
    melo = tmp_path / "melo"
    (melo / "queries.tsv").write_text("Q1\tcook the potatoes\nQ2\tnurse the patients\n")
    (melo / "corpus_elements.tsv").write_text(
        "C1\tcook the potatoes\nC2\tnurse the patients\nC3\tcook the potatoes x\nC4\tnurse the patients x\n"
    )
    (melo / "concept_mapping.tsv").write_text("C1\turn:cook\nC2\turn:nurse\n")
    assert as_json(capsys, "retrieval", "melo")["metrics"]["mrr"] == 1
    monkeypatch.setattr("jobsearch.evaluation.retrieval._spelled", lambda retrieval: {})
    assert as_json(capsys, "retrieval", "melo")["metrics"]["mrr"] == 0.5
    assert as_json(capsys, "retrieval", "melo", "--labels-only")["metrics"]["mrr"] == 1


def test_retrieval_by_no_known_mode(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = evaluate(capsys, "retrieval", "melo", "--mode", "letters", code=2)
    assert out == ""
    assert "'letters' is not one of 'meaning', 'words', 'both'" in err


def test_titles_json(capsys: pytest.CaptureFixture[str]) -> None:
    record = as_json(capsys, "retrieval", "titles.csv")
    assert (record["set"], record["labels"]) == ("titles in trades, all labels", 50)
    assert (record["n"], record["concepts"], record["dropped"]) == (10, 10, {"title of an unknown occupation": 1})
    assert record["preferred"] == {
        "set": "titles in trades, preferred labels",
        "metrics": METRICS,
        "intervals": INTERVALS,
        "mrr_range": INTERVAL,
        "labels": 20,
    }
    first, second = as_json(capsys, "retrieval", "titles.csv", "--encoder", "use", "--encoder", "mine")
    assert "paired" not in first["preferred"]
    assert second["paired"]["n"] == second["preferred"]["paired"]["n"] == 10
    only = as_json(capsys, "retrieval", "titles.csv", "--labels", "preferred")
    assert (only["labels"], "preferred" in only) == (20, False)


def test_held_out_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from jobsearch.taxonomy import split

    chosen = frozenset({"urn:cook", "urn:nurse"})
    monkeypatch.setattr(split, "split_concepts", lambda taxonomy: split.Split(frozenset(), chosen))
    record = as_json(capsys, "retrieval", "--held-out")
    assert (record["set"], record["n"], record["concepts"]) == ("trades held-out occupations", 4, 10)
    record = as_json(capsys, "retrieval", "--held-out", "--from", "de", "--to", "en")
    assert (record["set"], record["n"], record["labels"]) == ("trades held-out occupations, de to en", 4, 30)


def test_several_sets_are_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    records = as_json(capsys, "retrieval", "melo", "titles.csv", "--labels", "all")
    assert [record["set"] for record in records] == ["melo", "titles in trades, all labels"]


def test_similarity_json(capsys: pytest.CaptureFixture[str]) -> None:
    record = as_json(capsys, "similarity", "cook", "chef")
    share = record["metrics"]["mean"]
    assert record == {
        "task": "similarity",
        "set": "2 titles, angular",
        "encoder": encoder_record("use"),
        "case": "lower",
        "metrics": {"mean": share, "lowest": share, "highest": share},
        "n": 2,
        "measure": "angular",
        "titles": ["cook", "chef"],
        "matrix": [[1, share], [share, 1]],
    }
    first, second = as_json(capsys, "similarity", "--encoder", "use", "--encoder", "mine", "--measure", "cosine")
    assert len(first["titles"]) == 9
    assert second["difference"][0][1] == pytest.approx(second["matrix"][0][1] - first["matrix"][0][1])


# --- tables ----------------------------------------------------------------------------------------------------


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = evaluate(capsys, "sts", "pairs.csv")
    assert "pairs: 4 pairs\n" in out
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["use", *STS_METRICS]
    out, err = evaluate(capsys, "retrieval", "titles.csv", "--encoder", "use", "--encoder", "mine")
    assert "titles in trades, preferred labels: 10 queries, 20 labels\n" in out
    assert "titles in trades, all labels: 10 queries, 50 labels\n" in out
    head = out.splitlines()[1]
    assert head.split() == ["use", "mine", "Difference", "95", "%", "interval", "p"]
    assert err.count("Left out: title of an unknown occupation: 1\n") == 2


def test_similarity_table_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("cook\n\n  [bold]chef \nnurse\n", encoding="utf-8")
    two = ("--encoder", "use", "--encoder", "mine")
    out, err = evaluate(capsys, "similarity", "--file", "list.txt", "--csv", "out/m.csv", "--png", "m.png", *two)
    assert [line for line in out.splitlines() if line in ("use", "mine", "difference")] == ["use", "mine", "difference"]
    assert " 2 [bold]chef " in out
    assert "Wrote out/m.csv.\nWrote m.png.\n" in err
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / "out" / "m.csv").read_text().splitlines()
    assert lines[0] == "encoder,title,cook,[bold]chef,nurse"
    assert len(lines) == 1 + 3 * 3


def test_history(capsys: pytest.CaptureFixture[str], jobsearch_home: Path) -> None:
    out, err = evaluate(capsys, "history")
    assert (out, err) == ("", "Nothing measured yet; run for example `jobsearch evaluate similarity`.\n")
    evaluate(capsys, "sts", "pairs.csv", "--encoder", "use", "--encoder", "mine")
    evaluate(capsys, "retrieval", "titles.csv")
    evaluate(capsys, "similarity")
    with (jobsearch_home / "data" / "evaluations.jsonl").open("a") as file:
        file.write('{"time": "20')
    out, err = evaluate(capsys, "history")
    assert len(out.splitlines()) == 1 + 2 + 2 + 1
    assert "titles in trades, preferred labels" in out
    assert err.startswith("Warning: 1 broken lines in ")
    entries = as_json(capsys, "history", "--task", "sts")
    assert [entry["encoder"] for entry in entries] == [encoder_record("use"), encoder_record("mine")]
    assert list(entries[0]) == ["time", "task", "set", "encoder", "case", "metrics", "n", "jobsearch"]
    assert len(as_json(capsys, "history", "--set", "preferred")) == 1


def test_figures_are_printed_even_if_they_cannot_be_remembered(
    capsys: pytest.CaptureFixture[str], jobsearch_home: Path
) -> None:
    (jobsearch_home / "data" / "evaluations.jsonl").symlink_to("/dev/full")
    out, err = evaluate(capsys, "sts", "pairs.csv")
    assert "pearson" in out
    assert err.startswith("Warning: these figures are not in the history: cannot write ")
    assert "the disk is full" in err


# --- encoders and what is refused ------------------------------------------------------------------------------


def test_the_case_setting_suits_the_taxonomys_languages(
    capsys: pytest.CaptureFixture[str], asked: list[tuple[str, str | None]]
) -> None:
    evaluate(capsys, "retrieval", "titles.csv", "--encoder", "use", "--encoder", "mine")  # the taxonomy has German
    evaluate(capsys, "retrieval", "melo")
    evaluate(capsys, "sts", "pairs.csv", "--case", "keep", "--encoder", "use", "--encoder", "mine")
    assert asked == [("use", "lower-caps"), ("mine", None), ("use", None), ("use", "keep"), ("mine", "keep")]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sts", "absent.csv"], 1, "absent.csv does not exist; expected a CSV file"),
        (["sts", "pairs.csv", "--encoder", "absent"], 1, "no encoder 'absent'"),
        (["sts", "pairs.csv", "--split", "dev"], 1, "so it has no dev part; leave out --split"),
        (["sts", "--archive-url", "http://127.0.0.1:9/x"], 1, "there is no connection to that server; try later"),
        (["sts", "--encoder", "a", "--encoder", "b", "--encoder", "c"], 2, "--encoder was given 3 times"),
        (["retrieval"], 2, "name a MELO folder or a CSV file of titles, or give --held-out"),
        (["retrieval", "melo", "--held-out"], 2, "name a MELO folder or a CSV file of titles, or give --held-out"),
        (["retrieval", "melo", "--from", "de", "--to", "en"], 2, "--from and --to belong together, and to --held-out"),
        (["retrieval", "--held-out", "--from", "de"], 2, "--from and --to belong together"),
        (["retrieval", "--held-out", "--from", "de", "--to", "fr"], 1, "expected two languages of taxonomy 'trades'"),
        (["retrieval", "titles.csv", "--taxonomy", "absent"], 1, "no taxonomy 'absent'"),
        (["retrieval", "absent"], 1, "absent does not exist; expected a CSV file"),
        (["similarity", "cook"], 1, "a similarity matrix of 1 titles; name at least 2"),
        (["similarity", "--file", "absent.txt"], 1, "absent.txt cannot be read (No such file or directory)"),
        (["similarity", "--measure", "euclid"], 2, "'euclid' is not one of 'angular', 'cosine'"),
    ],
)
def test_refusals_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    out, err = evaluate(capsys, *arguments, code=code)
    assert out == ""
    assert err.startswith("Error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["sts"], ["retrieval"], ["similarity"], ["history"]])
def test_help_has_two_examples(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    out, _ = evaluate(capsys, *command, "-h")
    examples = out.partition("Examples:\n")[2].splitlines()[:2]
    assert all(line.strip().startswith("jobsearch evaluate ") for line in examples)


@pytest.mark.slow
def test_nothing_of_this_loads_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys; from jobsearch.cli.app import run; "
        "assert run(['evaluate', '-h']) == 0; "
        "heavy = {'numpy', 'scipy', 'matplotlib', 'tensorflow', 'jobsearch.evaluation'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "assert run(['evaluate', 'similarity', 'cook', 'chef', '--png', 'm.png']) == 0; "
        "assert run(['evaluate', 'sts', 'pairs.csv']) == 0; "
        "assert run(['evaluate', 'retrieval', 'melo']) == 0; "
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules; "
        "assert 'tensorflow' not in sys.modules"
    )
    environment = {**os.environ, "JOBSEARCH_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
