"""The report's page: each part with the right figures, escaped, in one file that anybody can read."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from encoders import HashEncoder
from report_cases import BASE, RECORD, SCRIPT, TUNED, Page, a_record, history, holds, jobs, sentences, subject, titles

import jobsearch.report
from jobsearch.evaluation.history import remember
from jobsearch.evaluation.retrieval import evaluate_retrieval
from jobsearch.evaluation.sts import evaluate_sts
from jobsearch.report.held_out import HeldOut
from jobsearch.report.make import Report, make_report
from jobsearch.report.markup import Html
from jobsearch.report.origins import training
from jobsearch.tuning.recipes import find_recipe

CSS = (Path(jobsearch.report.__file__).parent / "page.css").read_text(encoding="utf-8")
NO_GATE = HeldOut(None, "The pairs are gone.")
SECTIONS = [
    *("verdict", "before-after", "queries", "training", "similarity"),
    *("neighbourhoods", "data", "lineage", "words"),
]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBSEARCH_HOME", str(tmp_path_factory.mktemp("home")))
        for one in (evaluate_sts(BASE, sentences()), evaluate_retrieval(TUNED, titles())):
            remember(one)  # the second is measured anew for the report, so that its older figure is left out
        queries = [SCRIPT]
        return make_report(
            subject(), BASE, TUNED, jobs(), HeldOut(titles()), [], queries, lambda *step: steps.append(step)
        )


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(report.html)


def test_each_part_is_there_and_linked(page: Page) -> None:
    assert [one["id"] for one in page.named("section")] == SECTIONS
    assert [one["href"] for one in page.named("a")] == [f"#{name}" for name in SECTIONS]
    assert page.texts["h1"] == ["mine: what tuning changed"]


def test_the_verdict_is_the_recorded_one(page: Page) -> None:
    assert page.texts["span"][0] == "Accepted"
    rows = page.table("verdict", "What the tuning run measured")
    assert rows[0] == ["figure", "use", "mine", "difference", "its 95 % interval", "p"]
    assert rows[1][0].startswith("held-out MRR: 4,000 names")
    assert rows[1][1:] == ["0.4000", "0.4567", "+0.0567", "+0.0123 to +0.0987", "0.0125"]
    assert rows[2][1:] == ["0.9012", "0.8934", "−0.0078", "not recorded", "not recorded"]


@pytest.mark.parametrize(("verdict", "says"), [("rejected", "Rejected: not in use"), ("forced", "kept by --force")])
def test_other_verdicts_are_told_first(undrawn: Path, verdict: str, says: str) -> None:
    record = a_record()
    record["gate"] |= {"verdict": verdict, "reason": "sentences fell."}
    shown = Page(make_report(subject(record), BASE, TUNED, jobs(), NO_GATE).html)
    assert says in shown.texts["span"][0]
    assert "sentences fell." in "".join(shown.texts["p"])


def test_figures_are_those_of_evaluate(page: Page) -> None:
    before, after = evaluate_retrieval(BASE, titles()), evaluate_retrieval(TUNED, titles())
    paired = after.paired(before)
    head, *rows = page.table("before-after", "49 queries, 49 things to find by 193 labels (left out: 3 × unknown URI)")
    assert head[:4] == ["figure", "use", "mine", "difference"]
    assert [row[0] for row in rows] == ["mrr", "recall@1", "recall@5", "recall@10", "ndcg@10"]
    for row in rows:
        for cell, result in zip(row[1:3], (before, after), strict=True):
            low, high = result.intervals[row[0]].low, result.intervals[row[0]].high
            assert cell == f"{result.metrics[row[0]]:.4f} ({low:.4f} to {high:.4f})"
        change = f"{after.metrics[row[0]] - before.metrics[row[0]]:+.4f}".replace("-", "−")
        assert row[3] == change
    low, high = (f"{end:+.4f}".replace("-", "−") for end in (paired.interval.low, paired.interval.high))
    assert rows[0][4:] == [f"{low} to {high}", f"{paired.p_value:.4f}"]
    assert rows[1][4:] == ["", ""]


def by_hand() -> list[tuple[str, int, int]]:
    """Each query and the right job's rank by base and tuned: the other jobs whose best label is no farther, plus 1."""
    asked = titles()
    found = []
    for encoder in (BASE, TUNED):
        scores = encoder.encode(asked.queries) @ encoder.encode(asked.corpus).T
        best = np.array([scores[:, asked.concept_of == job].max(axis=1) for job in range(asked.concepts)]).T
        found.append((best >= np.diag(best)[:, None]).sum(axis=1).tolist())
    return list(zip(asked.queries, *found, strict=True))


def test_wins_and_losses_are_listed_the_biggest_first(page: Page) -> None:
    cases = by_hand()
    gain = {query: before / after for query, before, after in cases}
    wins = sorted((case for case in cases if gain[case[0]] > 1), key=lambda case: -gain[case[0]])
    losses = sorted((case for case in cases if gain[case[0]] < 1), key=lambda case: gain[case[0]])
    assert len(wins) > 1
    assert len(losses) > 1
    for caption, expected in (("The biggest wins", wins), ("The biggest losses", losses)):
        head, *rows = page.table("queries", caption)
        assert head == ["Query", "Right answer", "first by use", "first by mine", "rank by use", "rank by mine"]
        assert [(row[0], int(row[4]), int(row[5])) for row in rows] == expected[:10]
    # The first win, in full: what each encoder finds nearest.
    row = page.table("queries", "The biggest wins")[1]
    asked = titles()
    for cell, encoder in zip(row[2:4], (BASE, TUNED), strict=True):
        assert cell == asked.corpus[int((encoder.encode(asked.corpus) @ encoder.encode([row[0]])[0]).argmax())]
    same = len(cases) - len(wins) - len(losses)
    counts = f"higher for {len(wins)} queries, lower for {len(losses)} and alike for {same}."
    assert f"mine ranks the right answer {counts}" in page.sections["queries"]


def test_pairs_won_and_lost(undrawn: Path) -> None:
    graded = sentences()
    shown = Page(make_report(subject(), BASE, TUNED, jobs(), NO_GATE, [graded]).html)
    result = evaluate_sts(TUNED, graded)
    rows = shown.table("before-after", "98 sentence pairs")
    assert rows[1][0] == "pearson"
    assert rows[1][2].startswith(f"{result.metrics['pearson']:.4f} (")
    # On people's scale by the least-squares line, which numpy fits on its own way.
    away = [
        np.abs(np.polyval(np.polyfit(cosines, graded.scores, 1), cosines) - graded.scores)
        for cosines in (evaluate_sts(BASE, graded).cosines, result.cosines)
    ]
    for caption, gain in (("The biggest wins", away[0] - away[1]), ("The biggest losses", away[1] - away[0])):
        _, *rows = shown.table("queries", caption)
        order = np.argsort(-gain, kind="stable")[:10]
        assert [row[:2] for row in rows] == [[graded.sentences1[i], graded.sentences2[i]] for i in order]
        assert rows[0][2] == f"{graded.scores[order[0]]:.2f}"
    assert "The pairs are gone." in shown.sections["queries"]


def test_the_difference_is_drawn_for_each_set(undrawn: Path, report: Report) -> None:
    told = report.pictures[0].alternative
    paired = evaluate_retrieval(TUNED, titles()).paired(evaluate_retrieval(BASE, titles()))
    assert f"titles <i>new</i>, MRR: {paired.difference:+.4f}" in told
    assert "gate" not in told  # its own queries were measured again
    again = make_report(subject(), BASE, TUNED, jobs(), NO_GATE).pictures[0]
    assert "held-out concepts (gate), MRR: +0.0567, 95 % interval +0.0123 to +0.0987, better" in again.alternative
    other = make_report(subject(), HashEncoder(32), TUNED, jobs(), NO_GATE)
    assert other.pictures[0].name == "training-curves"  # the gate compared with another base, and nothing was measured


def test_older_figures_are_shown_but_for_what_is_measured_now(page: Page) -> None:
    _, *rows = page.table("before-after", "The newest figure of each encoder and set")
    figures = evaluate_sts(BASE, sentences()).metrics
    assert [row[:4] for row in rows] == [
        ["graded", "use", f"pearson {figures['pearson']:.4f}, spearman {figures['spearman']:.4f}", "98"]
    ]


def test_the_chosen_checkpoint_and_share_are_told(page: Page) -> None:
    told = {str(one["alt"]).split(".")[0]: str(one["alt"]) for one in page.named("img")}
    assert told["Training of mine on vacancies"].endswith(
        "learning from pairs: held-out MRR 0.4000 at step 0, 0.4400 at step 100, 0.4700 at step 200, 0.4600 at step "
        "300; chosen is step 200, best held-out MRR."
    )
    head, *shares = page.table("training", "Base and tuned weights are mixed")
    assert head == ["share of tuned weights", "held-out MRR", "sentences", "holds", "kept"]
    assert shares == [["0.7", "0.4700", "0.8900", "yes", "chosen"], ["1", "0.5200", "0.8000", "no", ""]]
    assert ["chosen checkpoint", "step 200"] in page.table("lineage", "How it was made")


def test_how_the_share_of_own_pairs_is_chosen() -> None:
    gate = {"general_check": "sentences"}
    taxonomys = {"gate": gate, "tried": [], "share": 1, "data": {"counts": {"validation": {"name": 9, "file": 1}}}}
    own = taxonomys | {"data": {"counts": {"validation": {"file": 10}}}}
    assert "the one of them with the highest general ability is chosen" in training(taxonomys, Html("")).content
    assert "the largest of them is chosen" in training(own, Html("")).content


def test_data_lineage_and_recipe(page: Page) -> None:
    rows = dict(page.table("data", "What the encoder learned from"))
    assert rows["source"] == "vacancies"
    assert rows["training pairs"] == "12,345"
    assert rows["digest of all pairs"] == "cd" * 32
    _, mine, use = page.table("lineage", "The encoder and what it was tuned from")
    assert mine == [
        "mine", "tuned on vacancies by recipe default, 300 steps, seed 5, accepted", "2026-01-02 03:04", "ef" * 8,
    ]  # fmt: skip
    assert use == ["use", "as published", "", BASE.fingerprint[:16]]
    assert ["batch", "512"] in page.table("lineage", "Every value of the recipe")


def test_a_teacher_has_its_own_curves_and_rows(undrawn: Path) -> None:
    taught = {
        "name": "mini", "fingerprint": "12" * 32, "digest": "34" * 32, "texts": 5000, "weight": 0.5,
        "recipe": find_recipe("taught").to_dict(),
    }  # fmt: skip
    record = a_record(
        teacher=taught, teacher_history=history((0, 0.9, 0.4), (200, 0.5, 0.5), (400, 0.4, 0.3), best=400)
    )
    shown = Page(make_report(subject(record), BASE, TUNED, jobs(), NO_GATE).html)
    told = next(str(one["alt"]) for one in shown.named("img") if str(one["alt"]).startswith("Training"))
    assert "learning from the teacher mini: " in told
    assert "chosen is step 400, the last one. learning from pairs: " in told
    assert dict(shown.table("data", "What"))["teacher"] == "mini, its view of 5,000 texts"
    assert shown.table("lineage", "Every value")[0] == ["value", "default", "taught (from the teacher)"]


def test_labels_that_are_markup_are_text(report: Report, page: Page) -> None:
    assert not page.named("script")
    assert not holds(report.html, SCRIPT)
    assert not holds(report.html, "<script")
    assert holds(report.html, "&lt;script&gt;alert(")
    assert "titles <i>new</i>" in page.texts["h3"]
    assert not page.named("i")


def test_what_html_may_not_hold_is_replaced(undrawn: Path) -> None:
    record = a_record(base=RECORD["base"] | {"name": "a\x00\ud800b"})
    html = make_report(subject(record), BASE, TUNED, jobs(), NO_GATE).html
    assert holds(html, "Tuned from a��b on vacancies")
    assert not re.search("[\x00-\x08\ud800-\udfff]", html)


def pictures_of(page: Page) -> list[bytes]:
    return [base64.b64decode(str(one["src"]).removeprefix("data:image/svg+xml;base64,")) for one in page.named("img")]


def test_nothing_comes_from_elsewhere(report: Report, page: Page) -> None:
    for name, attributes in page.elements:
        assert name not in ("script", "link", "iframe", "object", "embed", "base", "form")
        for key in ("src", "href", "srcset", "action", "data", "poster", "style", "background"):
            assert str(attributes.get(key, "#")).startswith(("#", "data:image/svg+xml;base64,")), (name, key)
        assert not [key for key in attributes if key.startswith("on")]
    assert not re.search(r"url\(|@import", CSS)
    assert holds(report.html, CSS)
    policy = next(one["content"] for one in page.named("meta") if one.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for picture in pictures_of(page):
        drawing = ElementTree.fromstring(picture)
        links = [v for e in drawing.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert links
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
        assert not [e for e in drawing.iter() if e.tag.endswith(("script", "foreignObject"))]


def test_who_does_not_see_the_pictures_is_told(page: Page) -> None:
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("img")) == 6
    assert all(len(str(one["alt"])) > 60 for one in page.named("img"))
    assert all(one.get("scope") in ("col", "row") for one in page.named("th"))
    assert len(page.named("caption")) == len(page.named("table"))
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in page.named("div"))
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(identities)) == len(identities)
    assert "" not in (text.strip() for text in page.texts["th"])


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_letters_stand_out_in_light_and_dark() -> None:
    palettes = [dict(re.findall(r"--(\w+): (#\w{6});", part)) for part in CSS.split("prefers-color-scheme: dark")]
    assert len(palettes) == 2
    for palette in palettes:
        for ink in ("ink", "quiet", "accent"):
            for ground in ("paper", "ground"):
                light, dark = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_progress_is_told(report: Report, steps: list[tuple[str, int, int]]) -> None:
    names = list(dict.fromkeys(name for name, _, _ in steps))
    assert names == [
        "encoding labels", "encoding queries", "ranking", "encoding with base", "encoding with tuned", "drawing",
    ]  # fmt: skip
    assert steps[-1] == ("drawing", 6, 6)
