"""A taxonomy on disk: what comes back, what the bytes depend on, and what damage is told."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jobsearch.errors import StorageError, TaxonomyError
from jobsearch.taxonomy.model import Broader, Concept, Group, Relation, SkillRelation, Source, Taxonomy
from jobsearch.taxonomy.store import load_taxonomy, read_about, save_taxonomy

TAXONOMY = Taxonomy.of(
    Source("test", "1.2.0", "made up", created="2026-01-01T00:00:00+00:00", notes=("partial", "two languages")),
    [
        Concept("o/1", "occupation", "cook", ('"chef", so called', "line\u2028end"), "en", "5120", code="5120.1"),
        Concept("o/1", "occupation", "Koch/Köchin", ("Koch", "Köchin"), "de", "5120", code="5120.1"),
        Concept(
            "s/1", "skill", "use knives", (), "en", None, "Use\nthem, well.", None, "skill/competence", "transversal"
        ),
    ],
    relations=[Relation("o/1", "s/1", "essential"), Relation("o/1", "s/2", "optional")],
    skill_relations=[SkillRelation("s/1", "s/2", "optional")],
    groups=[Group("i/C5120", "5120", "Cooks"), Group("i/C5120", "5120", "Köche", "de")],
    broader=[Broader("o/1", "i/C5120")],
)
TABLES = ("concepts", "alternative_labels", "descriptions", "relations", "skill_relations", "groups", "broader")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    save_taxonomy(TAXONOMY, tmp_path / "esco")
    return tmp_path / "esco"


def rewrite(table: Path, old: str, new: str) -> None:
    text = gzip.decompress(table.read_bytes()).decode()
    assert old in text
    table.write_bytes(gzip.compress(text.replace(old, new).encode(), mtime=0))


def test_round_trip(stored: Path) -> None:
    assert load_taxonomy(stored) == TAXONOMY
    about = read_about(stored)
    assert about["counts"] == TAXONOMY.counts()
    assert about["languages"] == TAXONOMY.language_counts()
    assert about["fingerprint"] == TAXONOMY.fingerprint
    assert about["source"]["notes"] == ["partial", "two languages"]


def test_equal_taxonomies_give_equal_bytes(stored: Path, tmp_path: Path) -> None:
    save_taxonomy(replace(TAXONOMY), tmp_path / "again")
    files = {path.name: path.read_bytes() for path in stored.iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert sorted(files) == sorted(["taxonomy.json", *(f"{table}.csv.gz" for table in TABLES)])


def test_an_older_one_is_replaced_as_a_whole(stored: Path) -> None:
    smaller = Taxonomy.of(TAXONOMY.source, [Concept("o/2", "occupation", "baker")])
    save_taxonomy(smaller, stored)
    assert load_taxonomy(stored) == smaller
    assert not (stored / "descriptions.csv.gz").exists()
    assert [path.name for path in stored.parent.iterdir()] == ["esco"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"no taxonomy in .*taxonomy\.json is missing.*esco info"):
        load_taxonomy(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"format_version": 1', "\udcff"])
def test_about_is_damaged(stored: Path, content: str) -> None:
    (stored / "taxonomy.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(TaxonomyError, match=r"taxonomy\.json cannot be read .*import or download it again"):
        load_taxonomy(stored)


@pytest.mark.parametrize(("content", "seen"), [({"format_version": 2}, "2"), ({}, "None"), ([], "list")])
def test_another_format(stored: Path, content: object, seen: str) -> None:
    (stored / "taxonomy.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(TaxonomyError, match=f"has format version {seen}, this release reads 1"):
        read_about(stored)


@pytest.mark.parametrize("table", [table for table in TABLES if table != "descriptions"])
def test_a_table_is_missing(stored: Path, table: str) -> None:
    (stored / f"{table}.csv.gz").unlink()
    with pytest.raises(TaxonomyError, match=rf"is damaged .*{table}\.csv\.gz.*import or download it again"):
        load_taxonomy(stored)


def test_descriptions_are_missing(stored: Path) -> None:
    (stored / "descriptions.csv.gz").unlink()  # a taxonomy without any has no such file, so the fingerprint tells
    with pytest.raises(TaxonomyError, match="was altered: its content does not match its fingerprint"):
        load_taxonomy(stored)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_cut_short(stored: Path, table: str) -> None:
    path = stored / f"{table}.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TaxonomyError, match="is damaged"):
        load_taxonomy(stored)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_other_bytes(stored: Path, table: str) -> None:
    path = stored / f"{table}.csv.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(TaxonomyError, match=r"is damaged|was altered"):
        load_taxonomy(stored)


@pytest.mark.parametrize(
    ("table", "old", "new", "seen"),
    [
        ("concepts", "use knives", "use forks", "was altered"),
        ("concepts", "uri,kind", "uri,sort", r"has the columns \['uri', 'sort'"),
        ("relations", "essential", "vital", "a relation is 'vital'"),
        ("broader", "o/1,i/C5120", "o/1", "line 2 has 1 cells, expected 2"),
        ("alternative_labels", "Köchin", "", "was altered"),
        ("groups", "Cooks", '"Cooks', "is damaged"),
    ],
)
def test_a_table_was_edited(stored: Path, table: str, old: str, new: str, seen: str) -> None:
    rewrite(stored / f"{table}.csv.gz", old, new)
    with pytest.raises(TaxonomyError, match=seen):
        load_taxonomy(stored)


def test_a_file_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*a file stands where a folder is needed"):
        save_taxonomy(TAXONOMY, tmp_path / "file" / "esco")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="JOBSEARCH_HOME"):
        save_taxonomy(TAXONOMY, tmp_path / "esco")


def test_a_failure_leaves_the_old_one(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobsearch.taxonomy.store._write", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_taxonomy(Taxonomy.of(TAXONOMY.source, []), stored)
    assert load_taxonomy(stored) == TAXONOMY
    assert [path.name for path in stored.parent.iterdir()] == ["esco"]
