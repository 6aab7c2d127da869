"""The report's pictures: what is drawn where, and that it can be read."""

from __future__ import annotations

import re
import warnings
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from encoders import HashEncoder
from matplotlib.text import Text
from report_cases import BASE, RECORD, SCRIPT, TUNED, history, jobs

from jobsearch.comparison import Move
from jobsearch.errors import EvaluationError
from jobsearch.evaluation.similarity import similarity_matrix
from jobsearch.report.around import look_around
from jobsearch.report.canvas import Picture, draw
from jobsearch.report.curves import recorded_runs, training_curves
from jobsearch.report.forest import Difference, differences
from jobsearch.report.movement import change_counts, rank_changes, rank_movement
from jobsearch.report.neighbourhood import Neighbours, neighbourhood_map, project
from jobsearch.report.placing import overlaps, place
from jobsearch.report.similarity import similarity_heatmap
from jobsearch.taxonomy.model import Source, Taxonomy


def lines_at(axes: Any, x: float) -> list[str]:
    """Labels of the upright lines at one place."""
    return [line.get_label() for line in axes.lines if list(line.get_xdata()) == [x, x]]


def points(axes: Any) -> list[tuple[str, list[tuple[float, float]]]]:
    return [(line.get_label(), list(zip(*line.get_data(), strict=True))) for line in axes.lines]


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.findobj(Text)]


# --- training --------------------------------------------------------------------------------------------------------


def test_curves_and_the_chosen_checkpoint() -> None:
    picture = curves()
    losses, ranks = picture.figure.axes
    drawn = dict(points(losses))
    assert drawn["held-out pairs"] == [(0, 0.9), (100, 0.5), (200, 0.3), (300, 0.2)]
    assert drawn["training pairs"] == [(100, 1.0), (200, 0.6), (300, 0.4)]
    assert dict(points(ranks))["held-out MRR"] == [(0, 0.4), (100, 0.44), (200, 0.47), (300, 0.46)]
    for axes, value in ((losses, 0.3), (ranks, 0.47)):
        assert lines_at(axes, 200) == ["chosen: step 200, best held-out MRR"]
        rings = [line for line in axes.lines if line.get_fillstyle() == "none"]
        assert [ring.get_xydata().tolist() for ring in rings] == [[[200, value]]]
    assert picture.title in texts(picture)
    assert picture.title == "Training of mine on vacancies"


def test_a_run_that_was_stopped_with_the_teacher_is_drawn_once() -> None:
    figures = history((0, 0.9, 0.4), best=0)
    teacher = {"name": "mini", "recipe": {"monitor": "loss"}}
    (run,) = recorded_runs({"history": figures, "teacher_history": figures, "teacher": teacher, "recipe": {}})
    assert (run.name, run.chosen, run.why) == ("learning from the teacher mini", 0, "lowest held-out loss")


# --- differences and ranks -------------------------------------------------------------------------------------------


def test_differences_are_told_apart_without_colour() -> None:
    found = [
        Difference("a", "MRR", 0.1, 0.3, 0.1, 0.3),
        Difference("b", "MRR", 0.3, 0.1, -0.3, -0.1),
        Difference("c", "Pearson", 0.3, 0.31, -0.1, 0.12),
    ]
    picture = differences(found, "use", "mine")
    assert [one.said for one in found] == ["better", "worse", "no sure difference"]
    axes = picture.figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [one.said for one in found]
    markers = [line for line in axes.lines if line.get_marker() in ("o", "s", "D")]
    assert [(line.get_marker(), round(float(line.get_xdata()[0]), 9)) for line in markers] == [
        ("o", 0.2), ("s", -0.2), ("D", 0.01),
    ]  # fmt: skip
    assert "b, MRR: -0.2000, 95 % interval -0.3000 to -0.1000, worse" in picture.alternative


def test_changes_of_rank_are_counted() -> None:
    base, tuned = np.array([1, 5, 2, 300, 3, 1, 12]), np.array([1, 4, 12, 20, 250, 2, 1])
    counts = change_counts(base, tuned)
    assert {name: count for name, count in counts.items() if count} == {
        "fell by over 100": 1, "fell by 2–10": 1, "fell by 1": 1, "stayed": 1, "rose by 1": 1, "rose by 11–100": 1,
        "rose by over 100": 1,
    }  # fmt: skip
    assert list(counts) == [*(n for n in counts if "fell" in n), "stayed", *(n for n in counts if "rose" in n)]
    picture = rank_changes("titles", base, tuned, "ranks-0")
    bars = picture.figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == list(counts.values())
    assert [bool(bar.get_hatch()) for bar in bars] == [True] * 4 + [False] * 5


def test_moves_are_drawn_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [Move("1", "first", 2, 1), Move("2", "second", 1, 2), Move("3", "new", 40, 3), Move("4", "old", 3, 7)]
    picture = rank_movement("query", moves, 3, "use", "mine", "the jobs", "moves-0")
    axes = picture.figure.axes[0]
    ends = [tuple(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 2]
    assert ends == [(2, 1), (1, 2), (4, 3), (3, 4)]  # what is beyond the third stands in the fourth place
    assert [line.get_linestyle() for line in axes.lines if len(line.get_ydata()) == 2] == ["-", "--", ":", ":"]
    for text in ("1  ▲ first", "2  ▼ second", "3  ▲ new   (was 40)", "old   (now 7)  3"):
        assert text in texts(picture)
    assert picture.title == "“query”: how the first 3 among the jobs moved"
    assert picture.alternative.endswith("first: 2 to 1; second: 1 to 2; new: 40 to 3; old: 3 to 7.")


def test_long_names_are_not_cut_off_by_the_edge() -> None:
    name = "international forwarding operations coordinator in construction machinery"
    moves = [Move(str(n), name, n + 1, 1200 + n) for n in range(3)]
    moves += [Move(str(n), name, 1200 + n, n + 1) for n in range(3)]
    picture = rank_movement(name, moves, 3, "use", "mine", "the occupations of esco-en", "moves-0")
    picture.figure.draw_without_rendering()
    edge = picture.figure.bbox
    for text in filter(Text.get_text, picture.figure.findobj(Text)):
        box = text.get_window_extent()
        assert edge.x0 - 1 <= box.x0, text
        assert box.x1 <= edge.x1 + 1, text


# --- similarity ------------------------------------------------------------------------------------------------------


def test_base_tuned_and_difference_side_by_side() -> None:
    base, tuned = similarity_matrix(BASE), similarity_matrix(TUNED)
    picture = similarity_heatmap(base, tuned, "use", "mine")
    first, second, third, *_ = picture.figure.axes
    assert [axes.get_title() for axes in (first, second, third)] == ["use", "mine", "difference"]
    shown = [np.asarray(axes.images[0].get_array()) for axes in (first, second, third)]
    assert np.array_equal(shown[0], base.values)
    assert np.array_equal(shown[1], tuned.values)
    assert np.allclose(shown[2], tuned.values - base.values)
    assert "mine − use" in texts(picture)
    largest = np.unravel_index(np.abs(tuned.values - base.values).argmax(), (9, 9))
    assert all(base.titles[n] in picture.alternative.split("largest changes: ")[1].split(";")[0] for n in largest)


# --- neighbourhood ---------------------------------------------------------------------------------------------------


def test_ranks_around_a_query_are_those_of_a_full_sort() -> None:
    (found,) = look_around(BASE, TUNED, jobs(), ["data scientist"])
    names = [concept.preferred_label for concept in jobs().concepts]
    orders = []
    for encoder in (BASE, TUNED):
        scores = encoder.encode(names) @ encoder.encode(["data scientist"])[0]
        orders.append([names[row] for row in np.argsort(-scores, kind="stable")])
    expected = {name for order in orders for name in order[:10]}
    assert {move.label for move in found.moves} == expected
    for move in found.moves:
        assert [order.index(move.label) + 1 for order in orders] == [move.base_rank, move.tuned_rank]
    near = dict(zip(found.neighbours.names, found.neighbours.near, strict=True))
    assert "data scientist" not in near
    assert {"both", "base", "tuned"} == set(near.values())
    depth = max(orders[0].index(name) for name, side in near.items() if side in ("both", "base"))
    assert all((orders[0].index(name) <= depth) == (side != "tuned") for name, side in near.items())
    assert found.neighbours.base.shape == (1 + len(near), 64)


def test_too_few_occupations_for_a_map() -> None:
    empty = Taxonomy.of(Source("bare", "1", "made up"), jobs().concepts[:2])
    with pytest.raises(EvaluationError, match=r"taxonomy 'bare' has 2 occupations, expected at least 3 .* --taxonomy"):
        look_around(BASE, TUNED, empty, ["nurse"])


def test_a_map_keeps_distances_that_fit_into_a_plane() -> None:
    plane = np.array([[0, 0], [3, 0], [0, 1], [3, 1]], np.float32)
    inside = np.pad(plane, ((0, 0), (2, 3))) + 5
    flat = project(inside, inside @ np.diag([1, 1, 1, 0.5, 1, 1, 1]).astype(np.float32))
    assert flat.together
    assert np.allclose(flat.kept, 1)
    for side, source in ((flat.base, plane), (flat.tuned, plane * [1, 0.5])):
        assert np.allclose(
            np.linalg.norm(side[:, None] - side[None], axis=2),
            np.linalg.norm(source[:, None] - source[None], axis=2),
            atol=1e-6,
        )


def test_names_on_the_map_cover_nothing() -> None:
    (found,) = look_around(BASE, TUNED, jobs(), [SCRIPT])
    picture = neighbourhood_map(found.neighbours, "use", "mine", "the jobs", "map-0")
    assert picture.title in picture.figure.get_suptitle()
    assert "among the jobs (one PCA of both)" in picture.figure.get_suptitle()
    assert [axes.get_title().split(":")[0] for axes in picture.figure.axes] == ["use", "mine"]
    assert len({tuple(axes.get_xlim()) for axes in picture.figure.axes}) == 1  # one scale for both
    for axes in picture.figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert len(boxes) == 1 + len(found.neighbours.names)
        frame = axes.get_window_extent()
        assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
        centres = np.array([((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes])
        assert overlaps(centres, np.array([(box.width, box.height) for box in boxes])) == []
        assert len({collection.get_paths()[0].vertices.shape for collection in axes.collections}) >= 3  # shapes differ


def test_encoders_of_different_widths_have_a_map_each() -> None:
    (found,) = look_around(HashEncoder(32), TUNED, jobs(), ["nurse"])
    picture = neighbourhood_map(found.neighbours, "use", "mine", "the jobs", "map-0")
    assert "(a PCA of each)" in picture.figure.get_suptitle()


def test_names_of_a_crowd_find_places() -> None:
    random = np.random.default_rng(0)
    crowd = 200 + random.normal(size=(15, 2)) * [30, 15]
    sizes = np.tile([110.0, 14.0], (15, 1))
    centres = place(crowd, sizes, (0, 0, 600, 400), 5)
    assert overlaps(centres, sizes) == []
    assert ((centres - sizes / 2 >= 0) & (centres + sizes / 2 <= [600, 400])).all()
    assert overlaps(np.zeros((2, 2)), sizes[:2]) == [(0, 1)]


# --- files -----------------------------------------------------------------------------------------------------------


def test_odd_letters_do_not_break_a_picture() -> None:
    rows = np.eye(3, 4, dtype=np.float32)
    odd = "a\x01b\ud800 $x^2$ -- <b>"
    picture = neighbourhood_map(
        Neighbours(odd, (odd, "漢字"), ("both", "base"), rows, rows), "use", "mine", odd, "map-0"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw(picture.figure, "svg")
    assert drawn.letters_missing
    ElementTree.fromstring(drawn.content)
    assert "a�b� $x^2$ -- <b>" in texts(picture)


def curves() -> Picture:
    return training_curves(recorded_runs(RECORD), "mine", "vacancies")


def test_pictures_are_always_the_same_bytes() -> None:
    first, second = (draw(curves().figure, "svg") for _ in range(2))
    assert first == second
    assert not first.letters_missing
    assert not re.search(rb"<text|font-family", first.content)  # outlines: no font is needed
    assert draw(curves().figure, "png").content.startswith(b"\x89PNG")
