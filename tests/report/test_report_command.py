"""`jobsearch report`: what it takes, what it writes, and what it refuses."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoders import HashEncoder
from report_cases import BASE, TUNED, Page, a_record, holds, jobs, keep
from vacancies import vacancies

from jobsearch.cli.app import run
from jobsearch.encoder.library import models_directory
from jobsearch.errors import EncoderError, StorageError, TuningError
from jobsearch.evaluation.retrieval import evaluate_retrieval
from jobsearch.evaluation.retrieval_files import read_titles
from jobsearch.report import files, lineage, make
from jobsearch.report.held_out import held_out_again
from jobsearch.report.lineage import find_subject, open_base
from jobsearch.taxonomy.store import save_taxonomy
from jobsearch.tuning.data import recipe_pairs
from jobsearch.tuning.recipes import find_recipe
from jobsearch.tuning.validation import held_out_set

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(undrawn: Path) -> Path:
    """A home folder with the taxonomy `jobs` in use."""
    save_taxonomy(jobs(), undrawn / "data" / "taxonomies" / "jobs")
    (undrawn / "data" / "taxonomies" / "active").write_text("jobs\n", encoding="utf-8")
    return undrawn


@pytest.fixture
def report(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `jobsearch report` in an empty folder, with encoders that need no weights and without the gate's queries."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    other = HashEncoder(32)
    other.name = "other"
    monkeypatch.setattr(lineage, "open_base", lambda subject, named=None: other if named else BASE)
    monkeypatch.setattr(lineage, "open_subject", lambda subject: TUNED)

    def call(*arguments: str, held_out: bool = False) -> tuple[int, str, str]:
        code = run(("report", *arguments, *(() if held_out else ("--no-held-out",))))
        return code, *capsys.readouterr()

    return call


def here() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def write_titles() -> Path:
    rows = [f'"{c.labels[1]}",{c.uri}' for c in vacancies().concepts]
    Path("asked.csv").write_text("\n".join(["vacancyTitle,conceptUri", *rows]), encoding="utf-8")
    return Path("asked.csv")


# --- which encoder ---------------------------------------------------------------------------------------------------


def test_without_a_name_it_is_the_newest_even_if_rejected(report: Run) -> None:
    keep(models_directory(), "tuned-1", day=1)
    keep(models_directory(), "tuned-3", day=2)
    gate = a_record()["gate"] | {"verdict": "rejected"}
    keep(models_directory(), "tuned-2", day=3, gate=gate)
    assert report() == (0, "", "Wrote tuned-2.report.html: tuned-2, rejected.\n")
    assert here() == ["tuned-2.report.html"]
    assert report("tuned-1", "--out", "sub/mine.html") == (0, "", "Wrote sub/mine.html: tuned-1, accepted.\n")
    assert "tuned-1: what tuning changed" in Page(Path("sub/mine.html").read_text(encoding="utf-8")).texts["h1"]


def test_without_own_ones_it_is_the_shipped_one(jobsearch_home: Path) -> None:
    found = find_subject()
    assert found.name == "use-jobs"
    assert [one.name for one in found.chain] == ["use-jobs", "use"]
    assert open_base(found).fingerprint == found.record["base"]["fingerprint"]


def test_a_chain_is_followed_to_its_end(jobsearch_home: Path) -> None:
    keep(models_directory(), "first")
    keep(models_directory(), "second", base={"name": "first", "fingerprint": "ef" * 32, "case": "lower"})
    keep(models_directory(), "third", base={"name": "second", "fingerprint": "00" * 32, "case": "lower"})
    keep(models_directory(), "fourth", base={"name": "gone", "fingerprint": "00" * 32, "case": "lower"})
    chain = find_subject("second").chain
    assert [(one.name, one.record is None) for one in chain] == [("second", False), ("first", False), ("use", True)]
    assert "Universal Sentence Encoder" in chain[-1].note
    assert "stands for another encoder" in find_subject("third").chain[-1].note
    assert find_subject("fourth").chain[-1].note == "not tuned here, or deleted since"
    with pytest.raises(EncoderError, match=r"'fourth' was tuned from 'gone', which cannot be opened .* by --base"):
        open_base(find_subject("fourth"))
    with pytest.raises(EncoderError, match=r"'first' was tuned from 'use' with fingerprint .* by --base use"):
        open_base(find_subject("first"))


@pytest.mark.parametrize("key", ["tried", "gate.interval", "data.digest"])
def test_a_record_that_lacks_something_is_told(jobsearch_home: Path, key: str) -> None:
    folder = keep(models_directory(), "tuned-1")
    record = a_record()
    *parts, last = key.split(".")
    del (record[parts[0]] if parts else record)[last]
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(TuningError, match=rf"record\.json has no {key}, which a report needs"):
        find_subject("tuned-1")


# --- what it writes --------------------------------------------------------------------------------------------------


def test_json_says_what_was_written_and_measured(report: Run, home: Path) -> None:
    keep(models_directory(), "tuned-1")
    asked = write_titles()
    code, out, err = report("--sets", str(asked), "--queries", "nurse", "--pictures", "pictures", "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    assert found["encoder"] == {"name": "tuned-1", "fingerprint": "ef" * 32}
    assert (found["verdict"], found["report"]) == ("accepted", "tuned-1.report.html")
    names = ["differences", "ranks-0", "training-curves", "similarity", "map-0", "moves-0"]
    assert found["pictures"] == [f"pictures/{name}.{kind}" for name in names for kind in ("svg", "png")]
    assert all(Path(path).stat().st_size for path in [*found["pictures"], found["report"]])
    expected = [evaluate_retrieval(encoder, read_titles(asked, jobs()).labels_only()) for encoder in (BASE, TUNED)]
    (measured,) = found["sets"]
    assert measured["base"] == json.loads(json.dumps(expected[0].to_dict()))
    assert measured["tuned"]["paired"] == json.loads(json.dumps(expected[1].paired(expected[0]).to_dict()))
    assert [one["query"] for one in found["moves"]] == ["nurse"]
    assert found["moves"][0]["moves"][0]["tuned_rank"] == 1
    history = (home / "data" / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["encoder"]["name"] for line in history] == ["use", "hash"]


def test_sets_of_all_kinds(report: Run) -> None:
    keep(models_directory(), "tuned-1")
    write_titles()
    Path("sts.csv").write_text("a man,a guy,4.5\na dog,the dog,5\na cook,a plane,0\n", encoding="utf-8")
    assert report("--sets", "asked.csv", "--sets", "sts.csv")[0] == 0
    page = Page(Path("tuned-1.report.html").read_text(encoding="utf-8"))
    assert [text for text in page.texts["h3"] if "asked" in text or "sts" in text][1::2] == ["sts", "sts"]


def test_another_base_is_named(report: Run) -> None:
    keep(models_directory(), "tuned-1")
    assert report("--base", "other")[0] == 0
    text = Path("tuned-1.report.html").read_text(encoding="utf-8")
    assert holds(text, "Pictures and sets compare other with tuned-1.")


def test_what_is_there_is_not_replaced_unasked(report: Run) -> None:
    keep(models_directory(), "tuned-1")
    Path("tuned-1.report.html").write_text("old", encoding="utf-8")
    assert report() == (
        1,
        "",
        "Error: tuned-1.report.html is there already; name another file with --out, or add --force to replace it\n",
    )
    assert Path("tuned-1.report.html").read_bytes()[:99] == b"old"
    assert report("--force")[0] == 0
    assert Path("tuned-1.report.html").read_text(encoding="utf-8")[:15] == "<!DOCTYPE html>"
    Path("pictures").mkdir()
    Path("pictures/other.txt").touch()
    refused = report("--out", "new.html", "--pictures", "pictures")
    assert refused[0] == 1
    assert refused[2].startswith("Error: pictures holds other files; name an empty or a new folder with --pictures")
    assert not Path("new.html").exists()


@pytest.mark.parametrize("moment", ["drawing", "writing"])
def test_what_is_interrupted_leaves_nothing(report: Run, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    keep(models_directory(), "tuned-1")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if moment == "drawing":
        monkeypatch.setattr(make, "draw", interrupt)
    else:
        monkeypatch.setattr("jobsearch.files.os.fsync", interrupt)  # all bytes are written, aside
    code, out, err = report("--pictures", "pictures")
    assert (code, out) == (130, "")
    assert err == "Interrupted; what was finished before is kept, nothing is half-written.\n"
    assert [path for path in Path().rglob("*") if path.is_file()] == []


def test_what_is_interrupted_leaves_the_old_file(report: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(models_directory(), "tuned-1")
    Path("tuned-1.report.html").write_text("old", encoding="utf-8")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_atomically", interrupt)
    assert report("--force")[0] == 130
    assert here() == ["tuned-1.report.html"]
    assert Path("tuned-1.report.html").read_bytes()[:99] == b"old"


# --- what it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nope",), "no tuned encoder 'nope'; there are: tuned-1, use-jobs"),
        (
            ("asked.csv",),
            "asked.csv is no tuned encoder's name but a path; `jobsearch models list` shows the names; to ",
        ),
        (("--out", "."), ". is a folder; name a file in it with --out"),
        (("--pictures", "asked.csv"), "asked.csv is a file; name a folder with --pictures"),
        (("--queries", " "), "a query is empty; expected a job title"),
        (("--queries", "x") * 11, "11 queries, expected at most 10: each is two pictures"),
        (("--sets", "no.csv"), "no.csv does not exist"),
        (("--taxonomy", "no"), "no taxonomy 'no'; expected one of "),
    ],
)
def test_mistakes_are_told_in_one_line_and_nothing_is_written(
    report: Run, arguments: tuple[str, ...], says: str
) -> None:
    keep(models_directory(), "tuned-1")
    write_titles()
    code, out, err = report(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: {says}")
    assert err.count("\n") == 1
    assert here() == ["asked.csv"]


def test_a_folder_that_is_not_ours_is_told_before_the_work(unprivileged: Any) -> None:
    with tempfile.TemporaryDirectory() as outside:  # tmp_path lies in a folder that only its owner enters
        folder = Path(outside)
        folder.chmod(0o555)
        says = r"no file may be written in .*; name another place with --"
        with unprivileged(), pytest.raises(StorageError, match=f"{says}out"):
            files.check_targets(folder / "x.html", None, False)
        with unprivileged(), pytest.raises(StorageError, match=f"{says}pictures"):
            files.check_targets(Path("/tmp/x.html"), folder, False)
        folder.chmod(0o755)


# --- the gate's queries ----------------------------------------------------------------------------------------------


def tuned_on(source: str, pairs: Any, seed: int = 0, **options: Any) -> dict[str, Any]:
    data = {"source": source, **options, "digest": pairs.digest, "training": 1, "validation": 1, "counts": {}}
    return a_record(data=data, seed=seed, recipe=find_recipe("default", steps=7).to_dict())


def test_the_gates_queries_are_asked_again(report: Run) -> None:
    pairs = recipe_pairs(jobs(), find_recipe("default"), seed=3)
    keep(
        models_directory(),
        "tuned-1",
        **{k: v for k, v in tuned_on("jobs", pairs, 3).items() if k not in ("name", "created")},
    )
    assert report(held_out=True)[0] == 0
    page = Page(Path("tuned-1.report.html").read_text(encoding="utf-8"))
    asked = held_out_set(pairs, seed=3, everything=True)
    before, after = (evaluate_retrieval(encoder, asked) for encoder in (BASE, TUNED))
    assert "held-out concepts of jobs (gate)" in page.texts["h3"]
    again = held_out_again(tuned_on("jobs", pairs, 3)).queries
    assert again is not None
    assert again.queries == asked.queries  # the run's own draw, in its order
    row = page.table("before-after", f"{before.n} queries")[1]
    assert [row[1][:6], row[2][:6]] == [f"{before.metrics['mrr']:.4f}", f"{after.metrics['mrr']:.4f}"]
    assert "gate’s cannot be shown" not in page.sections["queries"]


def test_why_they_are_not_there(home: Path) -> None:
    pairs = recipe_pairs(jobs(), find_recipe("default"), validation=0.3)
    other = held_out_again(tuned_on("jobs", pairs))
    assert other.queries is None
    assert other.missing == (
        "The pairs cannot be made again from jobs: it has changed since, or another version of jobsearch made them."
    )
    gone = held_out_again(tuned_on("gone", pairs))
    assert gone.queries is None
    assert gone.missing.startswith("The pairs cannot be made again from gone: no taxonomy 'gone'; ")
    recipe = held_out_again(tuned_on("jobs", pairs) | {"recipe": {"name": "default", "unheard": 1}})
    assert recipe.queries is None


def test_what_the_pairs_were_made_with_is_in_the_record(home: Path) -> None:
    options = {"validation": 0.3, "languages": ("en",)}
    pairs = recipe_pairs(jobs(), find_recipe("default"), **options)
    found = held_out_again(tuned_on("jobs", pairs, held_out_share=0.3, languages=["en"])).queries
    assert found is not None
    assert found.queries == held_out_set(pairs, seed=0, everything=True).queries
    german = held_out_again(tuned_on("jobs", pairs, held_out_share=0.3, languages=["de"]))
    assert german.queries is None


def test_pairs_of_a_file_are_read_again(home: Path, tmp_path: Path) -> None:
    from jobsearch.tuning.pairs_file import read_pairs

    path = tmp_path / "pairs.csv"
    lines = [f"{c.preferred_label},{c.labels[1]},0.75" for c in vacancies().concepts]
    path.write_text("\n".join(["base,ref,similarity", *lines]), encoding="utf-8")
    found = held_out_again(tuned_on(str(path), read_pairs(path, seed=2), 2, held_out_share=None)).queries
    assert found is not None
    assert set(found.queries) <= {c.preferred_label for c in vacancies().concepts}


@pytest.mark.slow
def test_the_shipped_encoders_figures_come_out_again(
    jobsearch_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = Path(__file__).resolve().parents[3] / "shared" / "data"
    english, others = list(shared.glob("esco-1.2-en/*.csv")), list(shared.glob("esco-occupations-multi/*.csv"))
    if not english or not others:
        pytest.skip("the official tables in eight languages, on which use-jobs was tuned, are not at hand")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for table in (*english, *others):
        (bundle / table.name).symlink_to(table)
    assert run(("esco", "import", str(bundle))) == 0
    capsys.readouterr()
    out = tmp_path / "use-jobs.html"
    assert run(("report", "--out", str(out), "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    gate = find_subject().record["gate"]
    (measured,) = found["sets"]
    assert measured["base"]["n"] == gate["queries"]
    assert measured["base"]["labels"] == gate["labels"]
    assert measured["base"]["metrics"]["mrr"] == pytest.approx(gate["mrr_base"], abs=1e-5)
    # What is shipped was rounded to half precision after the gate.
    assert measured["tuned"]["metrics"]["mrr"] == pytest.approx(gate["mrr_tuned"], abs=1e-3)
    page = Page(out.read_text(encoding="utf-8"))
    assert len(page.named("img")) == 8
    assert len(page.table("queries", "The biggest losses")) == 11
    told = next(str(one["alt"]) for one in page.named("img") if str(one["alt"]).startswith("Training of use-jobs"))
    assert f"chosen is step {find_subject().record['best_step']:,}, " in told
