"""The official CSV bundle: what is read from it, what is left out, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from jobsearch.errors import TaxonomyError
from jobsearch.taxonomy import bundle_files
from jobsearch.taxonomy.bundle import read_bundle
from jobsearch.taxonomy.model import Broader, Concept, Group, Relation, SkillRelation
from jobsearch.taxonomy.report import FileNotUsed, FileRead, Skip
from jobsearch.taxonomy.store import load_taxonomy, save_taxonomy

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ENGLISH, MULTI = SHARED / "esco-1.2-en", SHARED / "esco-occupations-multi"
ESCO = "http://data.europa.eu/esco/"
COOK, BAKER, KNIVES, BREAD = ESCO + "occupation/c", ESCO + "occupation/b", ESCO + "skill/k", ESCO + "skill/r"
ZIP_NAME = "ESCO dataset - v1.2.0 - classification - en - csv.zip"

OCCUPATION_COLUMNS = [
    "conceptType",
    "conceptUri",
    "iscoGroup",
    "preferredLabel",
    "altLabels",
    "hiddenLabels",
    "status",
    "modifiedDate",
    "description",
    "code",
]
SKILL_COLUMNS = [
    "conceptType",
    "conceptUri",
    "skillType",
    "reuseLevel",
    "preferredLabel",
    "altLabels",
    "status",
    "description",
]
COLLECTION_COLUMNS = [
    "conceptType",
    "conceptUri",
    "preferredLabel",
    "status",
    "skillType",
    "altLabels",
    "description",
    "broaderConceptUri",
]
FIVE_COLUMNS = ["conceptType", "conceptUri", "preferredLabel", "altLabels", "status"]

Rows = list[list[str]]


def table(columns: list[str], *rows: list[str], **dialect: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", delimiter=dialect.get("delimiter", ","))
    writer.writerows([columns, *rows])
    return text.getvalue().encode()


def five(uri: str, label: str, alternatives: str = "", status: str = "released") -> list[str]:
    return ["Occupation", uri, label, alternatives, status]


def whole_bundle() -> dict[str, bytes]:
    """All the tables, in English, as of version 1.2.0."""
    return {
        "occupations_en.csv": table(
            OCCUPATION_COLUMNS,
            [
                "Occupation",
                COOK,
                "5120",
                "cook",
                "chef\n cook\n\nline\u00a0cook",
                "kok",
                "released",
                "2024",
                "Cooks cook.",
                "5120.1",
            ],
            ["Occupation", BAKER, "", "baker", "", "", "", "2024", "", ""],
        ),
        "skills_en.csv": table(
            SKILL_COLUMNS,
            [
                "KnowledgeSkillCompetence",
                KNIVES,
                "skill/competence",
                "cross-sector",
                "use knives",
                "cut",
                "released",
                "",
            ],
            ["KnowledgeSkillCompetence", BREAD, "", "", "bread", "", "released", ""],
        ),
        "occupationSkillRelations_en.csv": table(
            ["occupationUri", "relationType", "skillType", "skillUri"],
            [COOK, "essential", "skill/competence", KNIVES],
            [BAKER, "optional", "", BREAD],
        ),
        "skillSkillRelations_en.csv": table(
            ["originalSkillUri", "originalSkillType", "relationType", "relatedSkillType", "relatedSkillUri"],
            [BREAD, "knowledge", "optional", "skill/competence", KNIVES],
        ),
        "ISCOGroups_en.csv": table(
            ["conceptType", "conceptUri", "code", "preferredLabel", "status"],
            ["ISCOGroup", ESCO + "isco/C5120", "5120", "Cooks", "released"],
            ["ISCOGroup", ESCO + "isco/C7512", "7512", "Bakers", "released"],
        ),
        "skillGroups_en.csv": table(
            ["conceptType", "conceptUri", "preferredLabel"], ["SkillGroup", ESCO + "isced-f/0721", "food processing"]
        ),
        "broaderRelationsOccPillar_en.csv": table(
            ["conceptType", "conceptUri", "broaderType", "broaderUri"],
            ["Occupation", COOK, "ISCOGroup", ESCO + "isco/C5120"],
            ["Occupation", BAKER, "ISCOGroup", ESCO + "isco/C7512"],
        ),
        "broaderRelationsSkillPillar_en.csv": table(
            ["conceptType", "conceptUri", "broaderType", "broaderUri"],
            ["KnowledgeSkillCompetence", BREAD, "SkillGroup", ESCO + "isced-f/0721"],
        ),
        "skillsHierarchy_en.csv": b"Level 0 URI,Level 0 preferred term,Level 1 URI,Level 1 preferred term,"
        b"Level 2 URI,Level 2 preferred term,Level 0 code,Level 1 code,Level 2 code\n"
        + f"{ESCO}skill/S,skills\n{ESCO}skill/S,skills,{ESCO}skill/S1,handling,,,S,S1\n".encode(),
        "researchOccupationsCollection_en.csv": table(
            COLLECTION_COLUMNS, ["Occupation", COOK, "cook", "released", "", "", "", BAKER]
        ),
        "dictionary_en.csv": table(["filename", "data header"], ["occupations", "conceptUri"]),
        "conceptSchemes_en.csv": table(["conceptType", "hasTopConcept"], ["ConceptScheme", "x" * 200_000]),
        "greenShareOcc_en.csv": table(["conceptUri", "greenShare"], [COOK, "0.5"]),
        "my-notes.csv": b"anything\nat all\n",
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def pack(archive: Path, files: dict[str, bytes]) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive


def one(*rows: list[str]) -> dict[str, bytes]:
    return {"occupations_en.csv": table(FIVE_COLUMNS, *rows)}


# --- what is read ------------------------------------------------------------------------------------------------


def test_every_table_of_a_whole_bundle(tmp_path: Path) -> None:
    taxonomy, report = read_bundle(write(tmp_path / "ESCO v1.2.0", whole_bundle()))
    assert taxonomy.concepts == (
        Concept(BAKER, "occupation", "baker", (), "en", isco_group="7512"),
        Concept(COOK, "occupation", "cook", ("chef", "line cook", "kok"), "en", "5120", "Cooks cook.", "5120.1"),
        Concept(KNIVES, "skill", "use knives", ("cut",), "en", None, None, None, "skill/competence", "cross-sector"),
        Concept(BREAD, "skill", "bread"),
    )
    assert taxonomy.relations == (Relation(BAKER, BREAD, "optional"), Relation(COOK, KNIVES, "essential"))
    assert taxonomy.skill_relations == (SkillRelation(BREAD, KNIVES, "optional"),)
    assert taxonomy.groups == (
        Group(ESCO + "isced-f/0721", "0721", "food processing"),
        Group(ESCO + "isco/C5120", "5120", "Cooks"),
        Group(ESCO + "isco/C7512", "7512", "Bakers"),
        Group(ESCO + "skill/S", "S", "skills"),
        Group(ESCO + "skill/S1", "S1", "handling"),
    )
    assert taxonomy.broader == (
        Broader(BAKER, ESCO + "isco/C7512"),
        Broader(COOK, ESCO + "isco/C5120"),
        Broader(ESCO + "skill/S1", ESCO + "skill/S"),
        Broader(BREAD, ESCO + "isced-f/0721"),
    )
    assert (taxonomy.source.name, taxonomy.source.version) == ("esco-1.2.0-en", "1.2.0")
    assert taxonomy.source.origin == "ESCO v1.2.0"
    assert taxonomy.source.created.endswith("+00:00")
    assert taxonomy.source.notes == ()

    assert report.not_used == (
        FileNotUsed("conceptSchemes_en.csv", "lists schemes, no concepts"),
        FileNotUsed("dictionary_en.csv", "explains the columns"),
        FileNotUsed("greenShareOcc_en.csv", "green shares are not used"),
        FileNotUsed("my-notes.csv", "no table of ESCO"),
        FileNotUsed("researchOccupationsCollection_en.csv", "its concepts are in occupations_en.csv"),
    )
    assert FileRead("occupations_en.csv", "occupations", "en", rows=2, used=2) in report.files
    assert FileRead("occupationSkillRelations_en.csv", "occupationSkillRelations", None, 2, 2) in report.files
    assert len(report.files) == 9
    assert report.skipped == ()
    assert (report.empty_labels, report.repeated_labels, report.gendered_forms) == (1, 1, 0)
    assert report.counts == taxonomy.counts()
    assert report.language_counts == taxonomy.language_counts()
    assert json.loads(json.dumps(report.to_dict()))["languages"] == ["en"]


@pytest.mark.parametrize("inside", ["", "ESCO dataset/csv/", "csv\\"])
def test_a_zip_file_gives_the_same(tmp_path: Path, inside: str) -> None:
    folder, _ = read_bundle(write(tmp_path / "folder", whole_bundle()))
    packed = pack(tmp_path / ZIP_NAME, {inside + name: content for name, content in whole_bundle().items()})
    before = sorted(tmp_path.rglob("*"))
    archive, report = read_bundle(packed)
    assert archive.fingerprint == folder.fingerprint
    assert (archive.source.name, archive.source.origin) == ("esco-1.2.0-en", ZIP_NAME)
    assert report.files[0].name == inside.replace("\\", "/") + "ISCOGroups_en.csv"
    assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked


def test_several_archives_and_folders_at_once(tmp_path: Path) -> None:
    pack(tmp_path / ZIP_NAME, whole_bundle())
    german = {"occupations_de.csv": table(FIVE_COLUMNS, five(BAKER, "Bäcker/Bäckerin"))}
    links = {"occupationSkillRelations_de.csv": whole_bundle()["occupationSkillRelations_en.csv"]}
    pack(tmp_path / ZIP_NAME.replace("- en -", "- de -"), german | links)
    write(tmp_path / "french", {"occupations_fr.csv": table(FIVE_COLUMNS, five(COOK, "cuisinier/cuisinière"))})
    write(tmp_path / "__MACOSX", {"._occupations_en.csv": b"\x00\x05\x16\x07"})
    write(tmp_path / ".hidden", {"occupations_pl.csv": b"?"})
    taxonomy, report = read_bundle(tmp_path)
    assert taxonomy.languages == ("de", "en", "fr")
    assert taxonomy.source.name == "esco-1.2.0-de-en-fr"
    assert "no skills in de, fr" in taxonomy.source.notes
    assert [(c.language, c.labels, c.isco_group) for c in taxonomy.by_uri[BAKER]] == [
        ("de", ("Bäcker/Bäckerin", "Bäcker", "Bäckerin"), "7512"),  # the group is known from English
        ("en", ("baker",), "7512"),
    ]
    assert report.gendered_forms == 4
    same = f"the same links as in {ZIP_NAME.replace('- en -', '- de -')}/occupationSkillRelations_de.csv"
    assert FileNotUsed(f"{ZIP_NAME}/occupationSkillRelations_en.csv", same) in report.not_used
    assert len(taxonomy.relations) == 2


def test_only_some_languages(tmp_path: Path) -> None:
    german = {
        "occupations_de.csv": table(FIVE_COLUMNS, five(COOK, "Koch/Köchin")),
        "ISCOGroups_de.csv": table(["conceptUri", "preferredLabel"], [ESCO + "isco/C5120", "Köche"]),
    }
    folder = write(tmp_path / "v1.2.0", whole_bundle() | german)
    taxonomy, report = read_bundle(folder, languages=["DE"])
    assert taxonomy.languages == ("de",)
    assert taxonomy.groups == (Group(ESCO + "isco/C5120", "5120", "Köche", "de"),)
    assert len(taxonomy.relations) == 2  # links have no language: the English file serves
    assert FileNotUsed("occupations_en.csv", "language en is not asked for") in report.not_used
    assert taxonomy.source.notes == ("no skills in de",)
    with pytest.raises(TaxonomyError, match=r"has de, en, asked for de, fr; choose among those"):
        read_bundle(folder, languages=["de", "fr"])
    with pytest.raises(TaxonomyError, match="asked for none"):
        read_bundle(folder, languages=[])


def test_five_columns_in_any_order_and_case_with_a_byte_order_mark(tmp_path: Path) -> None:
    content = f"\ufeffSTATUS,altlabels,ConceptURI, PreferredLabel \n,chef,{COOK},cook\n"
    taxonomy, report = read_bundle(write(tmp_path / "mine", {"occupations_EN.CSV": content.encode()}))
    assert taxonomy.concepts == (Concept(COOK, "occupation", "cook", ("chef",)),)
    assert report.version == "unknown"
    assert report.name == "esco-bundle-en"  # esco-en is the built-in one
    assert report.notes == ("no skills in en", "no relations between occupations and skills")


def test_links_without_a_language_as_in_older_versions(tmp_path: Path) -> None:
    files = whole_bundle()
    files["occupationSkillRelations.csv"] = files.pop("occupationSkillRelations_en.csv")
    taxonomy, _ = read_bundle(pack(tmp_path / "ESCO_v1.0.3.zip", files))
    assert len(taxonomy.relations) == 2
    assert taxonomy.source.version == "1.0.3"


def test_language_from_the_name_of_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "ESCO dataset - v1.2.0 - classification - fr - csv.zip"
    taxonomy, _ = read_bundle(pack(archive, {"occupations.csv": table(FIVE_COLUMNS, five(COOK, "cuisinier"))}))
    assert taxonomy.languages == ("fr",)


def test_skills_from_collections_if_there_is_no_table_of_all(tmp_path: Path) -> None:
    files = whole_bundle()
    del files["skills_en.csv"], files["broaderRelationsSkillPillar_en.csv"]
    up = f"{ESCO}isced-f/0721 | {KNIVES}"
    row = ["KnowledgeSkillCompetence", BREAD, "bread", "released", "knowledge", "loaves | bread | rolls", "", up]
    files["greenSkillsCollection_en.csv"] = table(COLLECTION_COLUMNS, row)
    files["digitalSkillsCollection_en.csv"] = table(COLLECTION_COLUMNS, row)
    taxonomy, report = read_bundle(write(tmp_path / "esco", files))
    (bread,) = taxonomy.by_uri[BREAD]
    assert bread == Concept(BREAD, "skill", "bread", ("loaves", "rolls"), skill_type="knowledge")
    assert Broader(BREAD, ESCO + "isced-f/0721") in taxonomy.broader
    assert Broader(BREAD, KNIVES) in taxonomy.broader
    assert [(f.name, f.used) for f in report.files if f.table.endswith("Collection")] == [
        ("digitalSkillsCollection_en.csv", 1),
        ("greenSkillsCollection_en.csv", 0),  # the same skill again, which is no mistake among collections
    ]
    assert report.duplicates == 0
    assert "only the skills of 2 collections, since the table of all of them is missing" in report.notes


@pytest.mark.parametrize(
    ("more", "version", "note"),
    [([], "1.2.0", "column code: 1.2.0 or later"), (["naceCode"], "1.2.1", "column naceCode: 1.2.1 or later")],
)
def test_version_guessed_from_columns(tmp_path: Path, more: list[str], version: str, note: str) -> None:
    columns = ["conceptUri", "preferredLabel", "code", *more]
    files = {"occupations_en.csv": table(columns, [COOK, "cook", "5120.1", *more])}
    taxonomy, report = read_bundle(write(tmp_path / "download 2026.05", files))
    assert (report.version, report.name) == (version, f"esco-{version}-en")
    assert any(note in line and "guessed" in line for line in report.notes)
    assert taxonomy.concepts[0].isco_group == "5120"  # an occupation's code begins with that of its group


def test_isco_group_through_a_broader_occupation(tmp_path: Path) -> None:
    links = table(["conceptUri", "broaderUri"], [COOK, BAKER], [BAKER, COOK], [BAKER, ESCO + "isco/C7512"])
    files = one(five(COOK, "cook"), five(BAKER, "baker")) | {"broaderRelationsOccPillar_en.csv": links}
    taxonomy, _ = read_bundle(write(tmp_path / "esco", files))
    assert {c.isco_group for c in taxonomy.concepts} == {"7512"}


def test_own_name_and_many_languages(tmp_path: Path) -> None:
    files = {
        f"occupations_{code}.csv": table(FIVE_COLUMNS, five(COOK, "cook")) for code in ("cs", "da", "de", "en", "fi")
    }
    folder = write(tmp_path / "v1.1.1", files)
    assert read_bundle(folder)[1].name == "esco-1.1.1-5-languages"
    assert read_bundle(folder, name="mine")[0].source.name == "mine"
    with pytest.raises(TaxonomyError, match="'esco-en' is the built-in taxonomy"):
        read_bundle(folder, name="esco-en")


def test_progress(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    read_bundle(write(tmp_path / "esco", whole_bundle()), progress=lambda *step: seen.append(step))
    assert seen == [("files", done, 9) for done in range(10)]


def test_what_was_read_can_be_stored(tmp_path: Path) -> None:
    taxonomy, _ = read_bundle(write(tmp_path / "esco", whole_bundle()))
    save_taxonomy(taxonomy, tmp_path / "stored")
    assert load_taxonomy(tmp_path / "stored") == taxonomy


# --- what is left out --------------------------------------------------------------------------------------------


def test_a_uri_that_comes_twice_counts_once(tmp_path: Path) -> None:
    columns = ["conceptUri", "preferredLabel", "modifiedDate"]
    new, old, no_date = "2025-11-26T10:02:16.164Z", "2025-07-31T09:38:59.122Z", ""
    rows = [[COOK, "chef", old], [COOK, "cook", new], [COOK, "kok", no_date], [BAKER, "baker", new], [BAKER, "b", old]]
    taxonomy, report = read_bundle(write(tmp_path / "esco", {"occupations_en.csv": table(columns, *rows)}))
    assert [c.preferred_label for c in taxonomy.concepts] == ["baker", "cook"]
    assert (report.duplicates, report.duplicate_uris) == (3, (COOK, BAKER))
    assert (report.files[0].rows, report.files[0].used) == (5, 2)


def test_rows_that_are_skipped_are_counted_with_their_places(tmp_path: Path) -> None:
    files = one(
        five(COOK, "cook"),
        five(BAKER, " \u200b", "baker\nbread maker"),
        five(BAKER, "baker", status="Deprecated"),
        five("", "nobody"),
        ["ISCOGroup", ESCO + "isco/C1", "Managers", "", ""],
        *(five(ESCO + f"occupation/{n}", "old", status="deprecated") for n in range(4)),
    )
    files["occupationSkillRelations_en.csv"] = table(
        ["occupationUri", "relationType", "skillUri"],
        [COOK, "Essential", KNIVES],
        [COOK, "vital", KNIVES],
        [COOK, "essential", " "],
    )
    files["broaderRelationsOccPillar_en.csv"] = table(["conceptUri", "broaderUri"], [COOK, ""])
    files["ISCOGroups_en.csv"] = table(["conceptUri", "preferredLabel"], [ESCO + "isco/C5120", ""])
    taxonomy, report = read_bundle(write(tmp_path / "esco", files))
    assert [c.preferred_label for c in taxonomy.concepts] == ["cook"]
    assert taxonomy.relations == (Relation(COOK, KNIVES, "essential"),)
    assert set(report.skipped) == {
        # Three examples are enough. Line 4 is where the third record begins: the second one has two lines.
        Skip("status 'deprecated', not released", 5, tuple(f"occupations_en.csv line {n}" for n in (5, 8, 9))),
        Skip("no preferred label", 2, ("ISCOGroups_en.csv line 2", "occupations_en.csv line 3")),
        Skip("no conceptUri", 1, ("occupations_en.csv line 6",)),
        Skip("a group among concepts", 1, ("occupations_en.csv line 7",)),
        Skip(
            "a relation that is 'vital', neither essential nor optional",
            1,
            ("occupationSkillRelations_en.csv line 3",),
        ),
        Skip(
            "a link without a URI",
            2,
            ("broaderRelationsOccPillar_en.csv line 2", "occupationSkillRelations_en.csv line 4"),
        ),
    }
    assert report.skipped[0].count == 5
    assert report.files[2].used == 1


def test_both_genders_can_be_searched(tmp_path: Path) -> None:
    label, alternatives = "vendeur/vendeuse de pain", "vendeuse de pain\nboulanger/boulangère"
    files = {
        "occupations_fr.csv": table(FIVE_COLUMNS, five(BAKER, label, alternatives)),
        "skills_fr.csv": table(FIVE_COLUMNS, five(BREAD, "produit/produits")),
    }
    taxonomy, report = read_bundle(write(tmp_path / "esco", files))
    assert taxonomy.concepts[0].labels == (
        "vendeur/vendeuse de pain",
        "vendeuse de pain",
        "boulanger/boulangère",
        "vendeur de pain",
        "boulanger",
        "boulangère",
    )
    assert report.gendered_forms == 3
    assert taxonomy.concepts[1].labels == ("produit/produits",)  # skills are no persons


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            table(FIVE_COLUMNS, five(BAKER, "baker"), five(COOK, "chef de café")).decode().encode("cp1252"),
            r"occupations_en\.csv line 3 is not UTF-8 \(byte 0xE9\), expected UTF-8 .*save it again as UTF-8",
        ),
        (
            table(FIVE_COLUMNS, five(COOK, "cook")).decode().encode("utf-16"),
            r"line 1 is not UTF-8 \(byte 0xFF\)",
        ),
        (
            table(FIVE_COLUMNS, five(COOK, "cook")).decode().encode("utf-16-le"),
            r"line 1 is not UTF-8 \(byte 0x00\)",
        ),
        (
            table(FIVE_COLUMNS, five(COOK, "cook"), delimiter=";"),
            r"separated by semicolons \(conceptType;conceptUri;.*expected commas; .*save it again with commas",
        ),
        (table(FIVE_COLUMNS, five(COOK, "cook"), delimiter="\t"), "separated by tabs"),
        (
            table(["uri", "label"], [COOK, "cook"]),
            r"has uri, label; expected a table occupations with at least conceptUri, preferredLabel; use the file",
        ),
        (b"", "it is empty; expected a table occupations"),
        (b"<html><body>Not found</body></html>\n", "has <html>.*expected a table occupations"),
        (table(FIVE_COLUMNS, ["Occupation", COOK, "cook"]), "line 2 has 3 cells, expected 5 as in the header"),
        (table(FIVE_COLUMNS, [*five(COOK, "cook"), "more"]), "line 2 has 6 cells, expected 5"),
        (table(FIVE_COLUMNS, five(COOK, "cook", "a\nb"))[:-14], r"begins in line 2 has no proper end"),
        (table(FIVE_COLUMNS, five(COOK, "cook")) + b'Occupation,"' + b"x\n" * 70_000, "line 3 has no proper end"),
        (table(FIVE_COLUMNS, ["Occupation", COOK, "x" * 1024**2, "", ""]), "line 2 has over 1 MiB"),
        (table(FIVE_COLUMNS), r"no concept that can be used \(no rows\)"),
        (
            table(FIVE_COLUMNS, five(COOK, "cook", status="deprecated")),
            r"no concept that can be used \(1 rows: status 'deprecated', not released\)",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_tables_that_cannot_be_read(tmp_path: Path, content: bytes, message: str, packed: bool) -> None:
    files = {"occupations_en.csv": content}
    path = pack(tmp_path / "esco.zip", files) if packed else write(tmp_path / "esco", files)
    with pytest.raises(TaxonomyError, match=message):
        read_bundle(path)


def test_empty_cells_beyond_the_header_do_no_harm(tmp_path: Path) -> None:
    content = table(FIVE_COLUMNS, [*five(COOK, "cook"), "", ""]) + b"\r\n,,,,\r\n"
    taxonomy, report = read_bundle(write(tmp_path / "esco", {"occupations_en.csv": content}))
    assert len(taxonomy) == 1
    assert report.files[0].rows == 1


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(
        TaxonomyError, match=r"there is no .*missing, expected ESCO's bundle.*https://esco\.ec\.europa\.eu"
    ):
        read_bundle(tmp_path / "missing")
    with pytest.raises(TaxonomyError, match=r"holds no CSV file; expected ESCO's bundle from https"):
        read_bundle(tmp_path)


def test_nothing_of_use_in_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "esco", {"dictionary_en.csv": b"a\n", "skillGroups_en.csv": b"a\n", "jobs.csv": b"a\n"})
    with pytest.raises(
        TaxonomyError,
        match=r"no occupations and no skills \(3 CSV files: dictionary_en\.csv, jobs\.csv, skillGroups_en\.csv\), "
        r"expected occupations_en\.csv or skills_en\.csv",
    ):
        read_bundle(folder)


def test_one_table_in_place_of_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "esco", one(five(COOK, "cook")))
    with pytest.raises(TaxonomyError, match=r"is one table, expected the folder or ZIP file .*; give .*esco"):
        read_bundle(folder / "occupations_en.csv")


@pytest.mark.parametrize("name", ["occupations", "greenSkillsCollection"])
def test_a_table_without_a_language(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "esco", {f"{name}.csv": table(FIVE_COLUMNS, five(COOK, "cook"))})
    with pytest.raises(TaxonomyError, match=rf"{name}\.csv does not say its language.*rename the file"):
        read_bundle(folder)


def test_two_versions_at_once(tmp_path: Path) -> None:
    pack(tmp_path / "all 1.2" / ZIP_NAME, one(five(COOK, "cook")))
    german = {"occupations_de.csv": table(FIVE_COLUMNS, five(COOK, "Koch"))}
    pack(tmp_path / "all 1.2" / "ESCO dataset - v1.1.1 - classification - de - csv.zip", german)
    with pytest.raises(TaxonomyError, match=r"holds ESCO 1\.1\.1 \(.*\) and 1\.2\.0 \(.*\), expected one version"):
        read_bundle(tmp_path / "all 1.2")
    assert read_bundle(tmp_path / "all 1.2", languages=["en"])[1].version == "1.2.0"


def test_what_is_no_zip_file(tmp_path: Path) -> None:
    page = tmp_path / "esco.zip"
    page.write_bytes(b"<html>The link has expired</html>")
    with pytest.raises(
        TaxonomyError, match=r"esco\.zip is no ZIP file, expected ESCO's bundle .*download the bundle again"
    ):
        read_bundle(page)
    with pytest.raises(TaxonomyError, match="is no ZIP file"):
        read_bundle(tmp_path)  # a broken archive in a folder is told too, not passed over


def test_a_zip_file_that_is_cut_short(tmp_path: Path) -> None:
    archive = pack(tmp_path / "esco.zip", whole_bundle())
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(TaxonomyError, match=r"is cut short or damaged.*download the bundle again"):
        read_bundle(archive)


def test_a_zip_file_with_other_bytes(tmp_path: Path) -> None:
    archive = tmp_path / "esco.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("occupations_en.csv", table(FIVE_COLUMNS, five(COOK, "cook")))
    archive.write_bytes(archive.read_bytes().replace(b",cook,", b",book,"))
    with pytest.raises(
        TaxonomyError, match=r"occupations_en\.csv cannot be unpacked \(Bad CRC-32.*download the bundle"
    ):
        read_bundle(archive)


@pytest.mark.parametrize(
    "name",
    ["../occupations_en.csv", "a/../../b.csv", "/etc/occupations_en.csv", "C:\\x.csv", "\\\\host\\x.csv", "a\\..\\x"],
)
def test_names_that_climb_out(tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path / "esco.zip", one(five(COOK, "cook")) | {name: b""})
    with pytest.raises(TaxonomyError, match=r"is refused: the name .* leads out of the archive"):
        read_bundle(archive)


def test_dots_in_names_are_no_climbing(tmp_path: Path) -> None:
    archive = pack(tmp_path / "esco.zip", {"esco..v1/occupations_en.csv": table(FIVE_COLUMNS, five(COOK, "cook"))})
    assert len(read_bundle(archive)[0]) == 1


def test_a_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "esco.zip", one(five(COOK, "cook")) | {"zeros.bin": bytes(3_000_000)})
    assert archive.stat().st_size < 10_000
    monkeypatch.setattr(bundle_files, "MAX_ARCHIVE_BYTES", 2_000_000)
    with pytest.raises(
        TaxonomyError, match=r"is refused: unpacked it would have 3,000,\d\d\d bytes, expected 2,000,000"
    ):
        read_bundle(archive)


def test_an_encrypted_zip_file(tmp_path: Path) -> None:
    archive = pack(tmp_path / "esco.zip", one(five(COOK, "cook")))
    content = archive.read_bytes()
    entry = content.rindex(b"PK\x01\x02")  # in the directory at the end: signature, two versions, then the flags
    archive.write_bytes(content[: entry + 8] + b"\x01" + content[entry + 9 :])
    with pytest.raises(TaxonomyError, match=r"is encrypted \(occupations_en\.csv\), .*unpack it and import the folder"):
        read_bundle(archive)


def test_an_archive_in_an_archive(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", one(five(COOK, "cook")))
    outer = pack(tmp_path / "outer.zip", {"inner.zip": inner.read_bytes()})
    with pytest.raises(TaxonomyError, match=r"holds no CSV file, but inner\.zip: .*unpack the outer one"):
        read_bundle(outer)
    outer = pack(tmp_path / "outer.zip", {"inner.zip": b"", **one(five(COOK, "cook"))})
    assert read_bundle(outer)[1].not_used == (
        FileNotUsed("inner.zip", "an archive in an archive; unpack the outer one"),
    )


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["occupations_en.csv", "esco.zip"])
def test_no_permission(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "esco", {name: b""})
    (folder / name).chmod(stat.S_IWUSR)
    with pytest.raises(TaxonomyError, match=r"cannot be read .*Permission denied"):
        read_bundle(folder)


# --- the real thing ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ENGLISH.is_dir(), reason=f"ESCO v1.2.1 in English is not at {ENGLISH}")
def test_esco_1_2_1_in_english() -> None:
    taxonomy, report = read_bundle(ENGLISH)
    assert taxonomy.counts() == {
        "occupations": 3039,  # 3,043 rows, 4 of which differ from another one in modifiedDate alone
        "skills": 2340,  # distinct ones in five collections with 2,392 rows; there is no skills_en.csv
        "labels": 47910,
        "essential": 0,  # there is no occupationSkillRelations_en.csv
        "optional": 0,
        "skill_relations": 5818,
        "groups": 619 + 640,  # ISCO groups and skill groups; the hierarchy adds none
    }
    assert (report.name, report.version) == ("esco-1.2.1-en", "1.2.1")  # the folder says 1.2, naceCode the rest
    assert (report.duplicates, report.skipped, report.gendered_forms) == (4, (), 0)
    assert [file.name for file in report.not_used] == [
        "conceptSchemes_en.csv",
        "dictionary_en.csv",
        "greenShareOcc_en.csv",
        "researchOccupationsCollection_en.csv",
    ]
    assert all(c.isco_group and len(c.isco_group) == 4 and c.code for c in taxonomy.concepts if c.kind == "occupation")
    (scientist,) = (c for c in taxonomy.concepts if c.preferred_label == "data scientist")
    assert (scientist.isco_group, "data expert" in scientist.alternative_labels) == ("2511", True)


@pytest.mark.slow
@pytest.mark.skipif(not MULTI.is_dir(), reason=f"ESCO's occupations in seven languages are not at {MULTI}")
def test_seven_languages_at_once() -> None:
    taxonomy, report = read_bundle(MULTI)
    assert taxonomy.languages == ("de", "es", "fr", "it", "nl", "pl", "pt")
    assert len(taxonomy) == 2942
    assert len(taxonomy.concepts) == 7 * 2942
    assert taxonomy.source.name == "esco-bundle-7-languages"
    assert report.gendered_forms == 2443
    assert report.skipped == ()
    (driver,) = (c for c in taxonomy.concepts if c.preferred_label == "conducteur/conductrice de four à coke")
    assert {"conducteur de four à coke", "conductrice de four à coke"} <= set(driver.alternative_labels)
