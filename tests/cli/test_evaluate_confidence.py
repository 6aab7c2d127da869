"""`jobsearch evaluate confidence`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_home import ESCO
from cli_process import Cli, error_of

ROWS = [("nurse", "nurse"), ("night nurses", "nurse"), ("bread maker", "baker"), ("bakers", "baker")] * 3


@pytest.fixture
def titles(tmp_path: Path) -> Path:
    path = tmp_path / "coded.csv"
    lines = [f"{title},{ESCO}occupation/{name}" for title, name in ROWS]
    path.write_text("\n".join(["vacancyTitle,conceptUri", *lines, f"ghost,{ESCO}occupation/none"]))
    return path


def test_a_table_and_a_picture(session_home: Path, cli: Cli, titles: Path, tmp_path: Path) -> None:
    off, png = tmp_path / "off.csv", tmp_path / "r.png"
    off.write_text("text\nasdf qwer\nblorf the snarg\n")
    found = cli(session_home, "evaluate", "confidence", str(titles), "--off-topic", str(off), "--plot", str(png))
    assert found.code == 0
    assert found.out.startswith("coded: 12 titles, first hits by confidence\n")
    assert found.out.count("–") == 10
    for line in ("Expected calibration error", "of titles\n", "of texts off the topic\n", "with a good match"):
        assert line in found.out
    assert f"Wrote {png}." in found.err
    assert "does not hold, or empty: 1" in found.err
    assert png.read_bytes().startswith(b"\x89PNG")


def test_json_has_the_promised_schema(session_home: Path, cli: Cli, titles: Path) -> None:
    found = json.loads(cli(session_home, "evaluate", "confidence", str(titles), "--mode", "words", "--json").out)
    head = {name: found[name] for name in ("set", "index", "kind", "mode", "titles", "unknown")}
    assert head == {"set": "coded", "index": "small", "kind": "occupation", "mode": "words", "titles": 12, "unknown": 1}
    assert len(found["bins"]) == 10
    assert set(found["bins"][0]) == {"count", "confidence", "right", "interval"}
    assert found["no_good_match"]["off_topic"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.csv"], "none.csv does not exist; expected a CSV file with the columns vacancyTitle,conceptUri"),
        (
            ["{titles}", "--off-topic", "none.csv"],
            "none.csv cannot be read (No such file or directory); check the path",
        ),
        (["{titles}", "--mode", "letters"], "mode is 'letters', expected one of meaning, words, both"),
        (["{titles}", "--kind", "job"], "kind is 'job', expected one of occupation, skill, all"),
    ],
)
def test_bad_input_is_told_in_a_line(
    session_home: Path, cli: Cli, titles: Path, arguments: list[str], says: str
) -> None:
    given = [one.format(titles=titles) for one in arguments]
    assert says in error_of(cli(session_home, "evaluate", "confidence", *given))
