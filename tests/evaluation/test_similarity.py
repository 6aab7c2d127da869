"""Similarity matrices, their scales, their CSV and their picture."""

from __future__ import annotations

import csv
import io
import struct

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped

from jobsearch.errors import EvaluationError
from jobsearch.evaluation.plots import heatmap
from jobsearch.evaluation.report import column_names
from jobsearch.evaluation.scales import Scale, ink, panels
from jobsearch.evaluation.similarity import DEFAULT_TITLES, panels_csv, similarity_matrix

# a, b, c at 0°, 60° and 180°.
AT = {"a": (1.0, 0.0), "b": (0.5, 0.75**0.5), "c": (-1.0, 0.0)}
PLANE = Wrapped(HashEncoder(dim=2), encode=lambda texts: np.array([AT[text] for text in texts], np.float32))


def test_a_matrix_of_known_angles() -> None:
    cosine = similarity_matrix(PLANE, ["a", "b", "c"], "cosine")
    assert cosine.values == pytest.approx(np.array([[1, 0.5, -1], [0.5, 1, -0.5], [-1, -0.5, 1]]), abs=1e-6)
    angular = similarity_matrix(PLANE, ["a", "b", "c"])
    # 1 - 60/180, 1 - 180/180, 1 - 120/180.
    assert angular.values == pytest.approx(np.array([[1, 2 / 3, 0], [2 / 3, 1, 1 / 3], [0, 1 / 3, 1]]), abs=1e-6)
    assert angular.metrics == {
        "mean": pytest.approx(1 / 3),
        "lowest": pytest.approx(0, abs=1e-6),
        "highest": pytest.approx(2 / 3),
    }
    assert angular.to_dict()["matrix"][0] == pytest.approx([1, 2 / 3, 0], abs=1e-6)
    assert angular.set_name == "3 titles, angular"


def test_rounding_does_not_show() -> None:
    found = similarity_matrix(HashEncoder(), [*DEFAULT_TITLES, DEFAULT_TITLES[0]])
    assert np.array_equal(found.values, found.values.T)
    assert np.array_equal(np.diag(found.values), np.ones(10))
    assert found.values[0, 9] == pytest.approx(1, abs=1e-7)
    assert similarity_matrix(HashEncoder()).set_name == "default titles, angular"


@pytest.mark.parametrize(
    ("titles", "measure", "message"),
    [
        (["cook"], "angular", "a similarity matrix of 1 titles; name at least 2"),
        (["cook", " "], "angular", "title 2 is empty; expected a job title"),
        (["cook", "chef"], "euclid", "measure is 'euclid', expected one of angular, cosine"),
    ],
)
def test_lists_that_cannot_be_compared(titles: list[str], measure: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        similarity_matrix(HashEncoder(), titles, measure)  # type: ignore[arg-type]


# --- scales ----------------------------------------------------------------------------------------------------


def test_two_matrices_share_a_scale_and_their_difference_has_its_own() -> None:
    first, second = np.array([[1.0, 0.52], [0.52, 1.0]]), np.array([[1.0, 0.71], [0.71, 1.0]])
    shown = panels({"base": first, "tuned": second})
    assert [panel.name for panel in shown] == ["base", "tuned", "difference"]
    assert shown[0].scale == shown[1].scale == Scale(0.5, 1.0)
    assert shown[2].values == pytest.approx(np.array([[0, 0.19], [0.19, 0]]))
    assert (shown[2].scale.low, shown[2].scale.high, shown[2].scale.signed) == pytest.approx((-0.19, 0.19, True))
    assert len(panels({"base": first})) == 1
    # A change of no weight must not fill the scale, and equal texts still have one.
    assert panels({"a": first, "b": first})[2].scale.high == 0.05
    assert panels({"a": np.ones((2, 2))})[0].scale == Scale(0.95, 1.0)


def test_colours_and_numbers() -> None:
    scale = Scale(0.5, 1.0)
    assert scale.colour(0.5) == scale.colour(0.1) == (68, 1, 84)  # viridis' dark end, and below it
    assert scale.colour(1.0) == scale.colour(1.2) == (253, 231, 37)
    assert scale.colour(0.75) == (33, 145, 140)
    assert scale.colour(0.6875) == (46, 114, 140)  # halfway between the second and the third step, rounded
    assert [ink(scale.colour(value)) for value in (0.5, 1.0)] == ["white", "black"]
    assert scale.text(0.756) == "0.76"
    signed = Scale(-0.1, 0.1, signed=True)
    assert signed.colour(0) == (247, 247, 247)
    assert [signed.text(value) for value in (0.034, -0.034, 0.004, -0.004)] == ["+0.03", "-0.03", "0", "0"]


# --- CSV and picture -------------------------------------------------------------------------------------------


def test_csv_holds_all_panels() -> None:
    first, second = np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([[1.0, 0.75], [0.75, 1.0]])
    rows = list(csv.reader(io.StringIO(panels_csv(panels({"use": first, "tuned": second}), ["cook, senior", "x"]))))
    assert rows == [
        ["encoder", "title", "cook, senior", "x"],
        ["use", "cook, senior", "1.000000", "0.500000"],
        ["use", "x", "0.500000", "1.000000"],
        ["tuned", "cook, senior", "1.000000", "0.750000"],
        ["tuned", "x", "0.750000", "1.000000"],
        ["difference", "cook, senior", "0.000000", "0.250000"],
        ["difference", "x", "0.250000", "0.000000"],
    ]


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_picture() -> None:
    first, second = (similarity_matrix(HashEncoder(64, salt)) for salt in ("", "x"))
    one = heatmap(panels({"use": first.values}), first.titles, "angular")
    two = heatmap(panels({"use": first.values, "tuned": second.values}), first.titles, "angular")
    assert size(two.png)[0] > 2 * size(one.png)[0]  # three panels
    assert size(two.png)[1] == size(one.png)[1]
    assert not one.letters_missing


def test_picture_of_odd_titles() -> None:
    titles = ["$x_1$ \\alpha", "データ", "a title that goes on and on and on and on and on", "x", "y"]
    found = similarity_matrix(HashEncoder(64), titles)
    assert heatmap(panels({"$": found.values}), titles, "angular").letters_missing


@pytest.mark.slow
def test_picture_of_many_titles_stays_of_a_size_that_can_be_opened() -> None:
    titles = [f"title {number}" for number in range(120)]
    found = similarity_matrix(HashEncoder(64), titles)
    width, height = size(heatmap(panels({"use": found.values}), titles, "cosine").png)
    assert max(width, height) < 4000


def test_column_names_are_all_different() -> None:
    def names(*encoders: HashEncoder) -> list[str]:
        return column_names([similarity_matrix(encoder) for encoder in encoders])

    plain, other = HashEncoder(64), HashEncoder(64, "x")
    assert names(plain) == ["hash"]
    assert names(plain, other) == [f"hash {plain.fingerprint[:8]}", f"hash {other.fingerprint[:8]}"]
    assert names(plain, plain) == [f"hash {plain.fingerprint[:8]}", f"hash {plain.fingerprint[:8]} (2)"]
