"""`jobsearch esco`: import, download, use, info."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_home import ENGLISH, GERMAN
from cli_process import Cli, error_of, shape
from fake_esco_api import FakeEscoApi, serving

from jobsearch.taxonomy.webapi import download

COUNTS = {
    "occupations": int,
    "skills": int,
    "labels": int,
    "essential": int,
    "optional": int,
    "skill_relations": int,
    "groups": int,
}
BY_LANGUAGE = {"occupations": int, "skills": int, "labels": int}


def names(cli: Cli, home: Path) -> tuple[str, list[str]]:
    """The taxonomy in use, and all that are known."""
    about = json.loads(cli(home, "esco", "info", "esco-en", "--json").out)
    return about["active"], about["known"]


def imported(cli: Cli, home: Path, *arguments: str) -> dict[str, Any]:
    done = cli(home, "esco", "import", *arguments, "--json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


# --- import ----------------------------------------------------------------------------------------------------


def test_an_import_reports_what_it_read(bundle: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli(tmp_path, "esco", "import", str(bundle), "--name", "mine")
    assert done.code == 0
    assert done.err == "Taxonomy 'mine' is in use; the next search builds its index.\n"
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if ".csv" in line}
    assert rows["occupations_en.csv"] == ["en", "12", "12"]
    assert rows["skills_de.csv"] == ["de", "10", "10"]
    assert rows["occupationSkillRelations_en.csv"] == ["8", "8"]
    for part in (
        "mine, ESCO 1.2.1",
        "12 occupations, 10 skills",
        "6 essential, 2 optional",
        f"{ENGLISH + GERMAN} labels",
    ):
        assert part in done.out
    assert names(cli, tmp_path) == ("mine", ["esco-en", "mine"])


def test_an_import_as_json(bundle: Path, cli: Cli, tmp_path: Path) -> None:
    report = imported(cli, tmp_path, str(bundle), "--language", "en")
    file = {"name": str, "table": str, "rows": int, "used": int}
    skeleton = shape(report) | {"files": [], "not_used": []}
    assert skeleton == {
        "name": str,
        "version": str,
        "languages": [str],
        "files": [],
        "not_used": [],
        "skipped": [],
        "duplicates": int,
        "duplicate_uris": [],
        "gendered_forms": int,
        "empty_labels": int,
        "repeated_labels": int,
        "notes": [],
        "counts": COUNTS,
        "language_counts": {"en": BY_LANGUAGE},
    }
    assert shape([read for read in report["files"] if read["language"]]) == [{**file, "language": str}]
    assert shape([read for read in report["files"] if not read["language"]]) == [{**file, "language": type(None)}]
    assert (report["name"], report["version"], report["languages"]) == ("esco-1.2.1-en", "1.2.1", ["en"])
    assert report["counts"] == {
        "occupations": 12,
        "skills": 10,
        "labels": ENGLISH,
        "essential": 6,
        "optional": 2,
        "skill_relations": 0,
        "groups": 4,
    }
    assert report["language_counts"] == {"en": {"occupations": 12, "skills": 10, "labels": ENGLISH}}
    assert names(cli, tmp_path) == ("esco-1.2.1-en", ["esco-en", "esco-1.2.1-en"])


def test_a_zip_file_gives_what_the_folder_gives(bundle: Path, cli: Cli, tmp_path: Path) -> None:
    archive = tmp_path / "ESCO dataset - v1.2.1 - classification - csv.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in bundle.iterdir():
            packed.write(file, f"inner/{file.name}")
    zipped, folder = imported(cli, tmp_path, str(archive)), imported(cli, tmp_path, str(bundle), "--name", "folder")
    assert zipped["name"] == "esco-1.2.1-de-en"
    assert zipped["counts"] == folder["counts"]
    about = [json.loads(cli(tmp_path, "esco", "info", name, "--json").out) for name in (zipped["name"], "folder")]
    assert about[0]["fingerprint"] == about[1]["fingerprint"]


def test_an_import_may_leave_the_taxonomy_in_use(home: Path, bundle: Path, cli: Cli) -> None:
    done = cli(home, "esco", "import", str(bundle), "--language", "de", "--name", "german", "--no-use")
    assert done.code == 0
    assert done.err == "Taxonomy 'german' is kept; `jobsearch esco use german` puts it into use.\n"
    assert names(cli, home) == ("small", ["esco-en", "both", "german", "small"])


def test_an_import_that_fails_leaves_everything_as_it_was(home: Path, bundle: Path, cli: Cli, tmp_path: Path) -> None:
    before = cli(home, "esco", "info", "--json")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "occupations_en.csv").write_text("conceptUri,preferredLabel\nhttp://x,a,too many\n")
    line = error_of(cli(home, "esco", "import", str(tmp_path / "bad"), "--name", "small"))
    assert "occupations_en.csv line 2 has 3 cells, expected 2" in line
    assert cli(home, "esco", "info", "--json") == before


# --- use and info ----------------------------------------------------------------------------------------------


def test_use_changes_the_taxonomy_in_use(home: Path, cli: Cli) -> None:
    assert names(cli, home)[0] == "small"
    used = cli(home, "esco", "use", "both")
    assert (used.code, used.out) == (0, "")
    assert used.err == "Taxonomy 'both' is in use; the next search builds its index if there is none.\n"
    assert names(cli, home)[0] == "both"
    line = error_of(cli(home, "esco", "use", "nope"))
    assert "no taxonomy 'nope'; expected one of esco-en, both, small" in line
    assert names(cli, home)[0] == "both"
    assert cli(home, "esco", "use", "esco-en").code == 0
    assert names(cli, home)[0] == "esco-en"


def test_info_as_json(session_home: Path, cli: Cli) -> None:
    found = cli(session_home, "esco", "info", "--json")
    assert (found.code, found.err) == (0, "")
    about = json.loads(found.out)
    assert shape(about) == {
        "name": str,
        "active": str,
        "known": [str],
        "path": str,
        "format_version": int,
        "source": {
            "name": str,
            "version": str,
            "origin": str,
            "attribution": str,
            "created": str,
            "notes": [],
        },
        "languages": {"en": BY_LANGUAGE},
        "counts": COUNTS,
        "fingerprint": str,
    }
    assert (about["name"], about["active"], about["known"]) == ("small", "small", ["esco-en", "both", "small"])
    assert about["path"] == str(session_home / "data" / "taxonomies" / "small")
    other = json.loads(cli(session_home, "esco", "info", "both", "--json").out)
    assert (other["name"], other["active"]) == ("both", "small")
    assert other["languages"]["de"] == {"occupations": 12, "skills": 10, "labels": GERMAN}


def test_info_as_tables(session_home: Path, cli: Cli) -> None:
    shown = cli(session_home, "esco", "info").out
    for part in (
        "small (in use)",
        "1.2.1",
        "12 occupations, 10 skills",
        "6 essential, 2 optional",
        "esco-en, both, small",
    ):
        assert part in shown
    assert "European Commission" in shown  # the licence asks for it
    assert shown.splitlines()[-1].split() == ["en", "12", "10", str(ENGLISH)]
    assert "(in use)" not in cli(session_home, "esco", "info", "both").out


def test_the_built_in_taxonomy(cli: Cli, tmp_path: Path) -> None:
    shown = cli(tmp_path / "nothing", "esco", "info")
    assert (shown.code, shown.err) == (0, "")
    assert "esco-en (in use)" in shown.out
    assert "3,039 occupations" in shown.out
    assert not (tmp_path / "nothing").exists()
    assert "no taxonomy 'x'; expected one of esco-en;" in error_of(cli(tmp_path / "nothing", "esco", "info", "x"))


# --- download --------------------------------------------------------------------------------------------------


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEscoApi]:
    monkeypatch.setitem(download.__kwdefaults__, "backoff", 0.0)  # what fails is asked for again without waiting
    with serving() as running:
        yield running


def downloading(api: FakeEscoApi, *options: str) -> tuple[str, ...]:
    return ("esco", "download", "--base-url", api.base_url, "--rate", "1000", *options)


def test_a_download_is_imported_and_reported(api: FakeEscoApi, cli: Cli, tmp_path: Path) -> None:
    done = cli(tmp_path, *downloading(api))
    assert done.code == 0
    assert done.err == "Taxonomy 'esco-1.2.0-en' is in use; the next search builds its index.\n"
    fields = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in done.out.splitlines())
    assert fields["ESCO"] == "v1.2.0, in en"
    assert fields["Occupations"] == "60 of 60"
    assert fields["Skills"] == "90 of 90"
    assert fields["Groups"] == "6 of 6"
    assert names(cli, tmp_path) == ("esco-1.2.0-en", ["esco-en", "esco-1.2.0-en"])
    about = json.loads(cli(tmp_path, "esco", "info", "--json").out)
    assert about["counts"]["occupations"] == 60
    assert about["source"]["origin"] == api.base_url


def test_a_download_as_json_and_another_language_from_what_was_kept(api: FakeEscoApi, cli: Cli, tmp_path: Path) -> None:
    api.faults.broken.add(api.data.skills[3].uri)
    first = cli(tmp_path, *downloading(api, "--json", "--no-use", "--name", "mine"))
    assert (first.code, first.err) == (0, "")
    report = json.loads(first.out)
    per_listing = {"occupations": int, "skills": int, "groups": int}
    assert shape(report) == {
        "name": str,
        "version": str,
        "languages": [str],
        "requests": int,
        "retries": int,
        "records": per_listing,
        "expected": per_listing,
        "missing": [{"listing": str, "reason": str, "uri": str, "position": type(None)}],
        "skipped": {},
        "from_cache": int,
    }
    assert report["name"] == "mine"
    assert report["records"]["skills"] == 89
    assert report["expected"] == {"occupations": 60, "skills": 90, "groups": 6}
    assert [missing["uri"] for missing in report["missing"]] == [api.data.skills[3].uri]
    assert names(cli, tmp_path)[0] == "esco-en"
    asked = len(api.seen)
    second = json.loads(cli(tmp_path, *downloading(api, "--json", "--language", "de", "--language", "fr")).out)
    assert len(api.seen) == asked
    assert (second["requests"], second["from_cache"]) == (0, 60 + 89 + 6)
    assert (second["name"], second["languages"]) == ("esco-1.2.0-de-fr", ["de", "fr"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--version", "v9.9.9"), "v9.9.9"),
        (("--version", "latest"), "the version is 'latest', expected one that is pinned like v1.2.0"),
        (("--language", "xx"), "'xx' is not a language of ESCO"),
        (("--rate", "0"), "0.0 requests a second were asked for, expected more than 0"),
        (("--name", "esco-en"), "'esco-en' is the built-in taxonomy"),
    ],
)
def test_what_cannot_be_downloaded(
    api: FakeEscoApi, cli: Cli, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    assert says in error_of(cli(tmp_path, *downloading(api, *options)))
    assert names(cli, tmp_path) == ("esco-en", ["esco-en"])


def test_a_service_that_does_not_answer_in_json(api: FakeEscoApi, cli: Cli, tmp_path: Path) -> None:
    api.faults.always = "404"
    assert "404" in error_of(cli(tmp_path, *downloading(api)))
