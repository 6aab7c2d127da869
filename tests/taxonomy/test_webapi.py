"""The download from the ESCO web API, against a local server that behaves like it."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_esco_api import Esco, FakeEscoApi, Thing, concept_uri, esco, group_uri, serving

from jobsearch import __version__
from jobsearch.errors import DownloadError
from jobsearch.taxonomy.model import Broader, Concept, Group, Relation, SkillRelation, Source, Taxonomy
from jobsearch.taxonomy.webapi import DEFAULT_BASE_URL, LANGUAGES, DownloadReport, download
from jobsearch.taxonomy.webapi_cache import Batch, ListingCache, Summary
from jobsearch.taxonomy.webapi_client import RateLimiter

# 60 occupations, 90 skills and 6 groups in pages of 20.
PAGES = 3 + 5 + 1


@pytest.fixture
def api() -> Iterator[FakeEscoApi]:
    with serving() as running:
        yield running


def use_forms(monkeypatch: pytest.MonkeyPatch, split_forms: Callable[[str, str], tuple[str, ...]]) -> None:
    monkeypatch.setattr("jobsearch.taxonomy.webapi_records.split_forms", split_forms)


@pytest.fixture(autouse=True)
def no_gender_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a gender form is another module's question."""
    use_forms(monkeypatch, lambda label, language: ())


def get(api: FakeEscoApi, cache: Path, *languages: str, **options: Any) -> tuple[Taxonomy, DownloadReport]:
    fast = {"requests_per_second": 1e6, "page_size": 20, "backoff": 0.0, "timeout": (5.0, 5.0)}
    return download(languages or ("en",), cache=cache, base_url=api.base_url, **(fast | options))


def expected(data: Esco, *languages: str) -> Taxonomy:
    """The taxonomy that plain data without quirks must come to, put together from the data and not from records."""
    concepts = [
        Concept(
            thing.uri,
            "occupation",
            thing.preferred[language],
            tuple(thing.alternatives[language]),
            language,
            isco_group=thing.code[:4],
            description=thing.description.get(language),
            code=thing.code,
        )
        for thing in data.occupations
        for language in languages
    ] + [
        Concept(
            thing.uri,
            "skill",
            thing.preferred[language],
            tuple(thing.alternatives[language]),
            language,
            skill_type="knowledge" if number % 4 == 0 else "skill/competence",
            reuse_level="cross-sector",
        )
        for number, thing in enumerate(data.skills)
        for language in languages
    ]
    steps = [(thing.uri, group_uri(thing.code[:4])) for thing in data.occupations]
    steps += [(group_uri(code), group_uri(code[:-1])) for code in ("25", "251", "2511", "2512", "2513")]
    return Taxonomy.of(
        Source("x", "1.2.0", "here"),
        concepts,
        relations=[
            Relation(thing.uri, skill, strength)
            for thing in data.occupations
            for strength, name in (("essential", "hasEssentialSkill"), ("optional", "hasOptionalSkill"))
            for skill in thing.links[name]
        ],
        groups=[Group(g.uri, g.code, g.preferred[language], language) for g in data.groups for language in languages],
        broader=[Broader(*step) for step in steps],
    )


def test_a_download_is_the_truth(api: FakeEscoApi, tmp_path: Path) -> None:
    progress: list[tuple[str, int, int]] = []
    taxonomy, report = get(api, tmp_path, "en", "de", progress=lambda *now: progress.append(now))

    assert taxonomy.fingerprint == expected(api.data, "en", "de").fingerprint
    assert (taxonomy.source.name, taxonomy.source.version) == ("esco-1.2.0-en-de", "1.2.0")
    assert taxonomy.source.origin == api.base_url and taxonomy.source.notes == ()
    assert report.to_dict() == {
        "version": "v1.2.0",
        "languages": ("en", "de"),
        "requests": PAGES,
        "retries": 0,
        "records": {"occupations": 60, "skills": 90, "groups": 6},
        "expected": {"occupations": 60, "skills": 90, "groups": 6},
        "missing": (),
        "skipped": {},
        "from_cache": 0,
    }
    json.dumps(report.to_dict())
    assert progress[:3] == [("occupations", 20, 60), ("occupations", 40, 60), ("occupations", 60, 60)]
    assert progress[-1] == ("groups", 6, 6)


def test_every_request_names_version_language_and_program(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.broken = {concept_uri("occupation", 7)}
    get(api, tmp_path)
    for seen in api.seen:
        assert seen.query["selectedVersion"] == ["v1.2.0"] and seen.query["language"] == ["en"]
        assert seen.headers["User-Agent"].startswith(f"jobsearch/{__version__}")
        assert seen.headers["Accept"] == "application/json"
    assert {seen.path for seen in api.seen} == {"resource/occupation", "resource/skill", "search"}


@pytest.mark.parametrize("page_size", [1, 7, 90, 500])
def test_the_page_size_does_not_matter(api: FakeEscoApi, tmp_path: Path, page_size: int) -> None:
    taxonomy, _ = get(api, tmp_path, page_size=page_size)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint


@pytest.mark.parametrize("says_limit", [True, False])
@pytest.mark.parametrize("cap", [1, 7, 20, 100])
def test_a_page_cap_is_found_and_kept_to(api: FakeEscoApi, tmp_path: Path, cap: int, says_limit: bool) -> None:
    api.faults.cap, api.faults.says_limit = cap, says_limit
    taxonomy, report = get(api, tmp_path, page_size=100)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    # ceil(60 / cap) + ceil(90 / cap) + ceil(6 / cap): the first page of each shows the cap and is not lost
    assert report.requests == sum(-(-count // cap) for count in (60, 90, 6))


def test_a_page_size_that_is_refused_is_made_smaller(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.cap, api.faults.refuses_large = 20, True
    taxonomy, report = get(api, tmp_path, page_size=100)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    assert report.requests == PAGES + 3  # one refusal a listing


def test_a_cap_that_changes_on_the_way_is_followed(api: FakeEscoApi, tmp_path: Path) -> None:
    def lower(stage: str, done: int, total: int) -> None:
        api.faults.cap = 5

    taxonomy, report = get(api, tmp_path, progress=lower)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    # occupations: 1 page of 20, 1 that shows the new cap, 40 / 5; skills: 90 / 5; groups: 2 (5 and 1)
    assert report.requests == (1 + 1 + 8) + 18 + 2


def test_listings_that_only_name_concepts_are_filled_by_uri(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.only_uris = True
    taxonomy, report = get(api, tmp_path)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    assert report.requests == PAGES + 3 + 5  # occupations and skills: 20 records a request


@pytest.mark.parametrize(
    "trouble",
    [
        ["429"],
        ["503"],
        ["500"],
        ["502", "429", "503", "429", "503"],
        ["500", "500"],
        ["drop"],
        ["drop", "hang up", "drop"],
        ["html"],
        ["malformed"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("page", [0, 1, 7])
def test_passing_trouble_passes(api: FakeEscoApi, tmp_path: Path, trouble: list[str], page: int) -> None:
    api.faults.next = [""] * page + trouble
    taxonomy, report = get(api, tmp_path)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    assert (report.requests, report.retries, report.missing) == (PAGES + len(trouble), len(trouble), ())


def test_a_slow_answer_is_asked_for_again(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.next = ["", "slow"]
    taxonomy, report = get(api, tmp_path, timeout=(5.0, 0.4))
    assert len(taxonomy) == 150 and report.retries == 1


@pytest.mark.slow
def test_pages_that_are_too_heavy_are_made_smaller_for_good(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.heavy_above, api.faults.slow = 10, 0.5
    taxonomy, report = get(api, tmp_path, timeout=(5.0, 0.3))
    assert len(taxonomy) == 150 and report.missing == ()
    # a listing: 3 attempts at 20 rows, then pages of 10 to the end: 6, 9 and 1
    assert report.requests == 3 * 3 + 6 + 9 + 1


def test_retry_after_is_honoured(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.next, api.faults.retry_after = ["", "429"], "1"
    get(api, tmp_path)
    assert api.seen[2].at - api.seen[1].at >= 1.0


def test_a_server_that_asks_for_a_long_wait_is_left_alone(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.next, api.faults.retry_after = ["429"], "3600"
    with pytest.raises(
        DownloadError, match=r"answers 429 \(slow down\) and asks to wait 3600 s, expected records; run"
    ):
        get(api, tmp_path)


def test_a_record_that_never_comes_takes_nothing_with_it(api: FakeEscoApi, tmp_path: Path) -> None:
    lost = {concept_uri("occupation", 27), concept_uri("skill", 0), concept_uri("skill", 89)}
    api.faults.broken = lost
    taxonomy, report = get(api, tmp_path)
    assert {thing.uri for thing in api.data.occupations + api.data.skills} - set(taxonomy.by_uri) == lost
    assert {gap.uri for gap in report.missing} == lost
    assert {gap.listing for gap in report.missing} == {"occupations", "skills"}
    assert all(gap.reason.endswith("answers 500 (Internal error)") for gap in report.missing)
    assert report.records["occupations"] == 59 and report.expected["occupations"] == 60
    assert taxonomy.source.notes == (
        "missing, since the web API did not give them: 1 of 60 occupations, 2 of 90 skills",
    )


def test_a_record_that_search_does_not_name_is_reported_by_its_row(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.broken = api.faults.unnamed = {concept_uri("occupation", 27)}
    _, report = get(api, tmp_path)
    assert [(gap.listing, gap.uri, gap.position) for gap in report.missing] == [("occupations", None, 27)]


def test_a_record_that_comes_late_is_not_missing(api: FakeEscoApi, tmp_path: Path) -> None:
    # 3 attempts at the page of 20, then 10, 5 and 1: the last pass gets it
    api.faults.broken_until = {concept_uri("occupation", 27): 6}
    taxonomy, report = get(api, tmp_path)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint and report.missing == ()


def test_a_named_record_that_cannot_be_had_is_missing(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.only_uris = True
    lost = concept_uri("skill", 33)
    api.data.skills[33].changes = {"uri": "urn:another"}  # asked for one, the server gives another
    taxonomy, report = get(api, tmp_path)
    assert lost not in taxonomy.by_uri
    assert [(gap.uri, gap.reason) for gap in report.missing] == [(lost, "the service names it and gives no record")]


@pytest.mark.parametrize("numbers", [{0}, {27}, {5, 19, 20, 59}])
def test_records_that_pages_leave_out_are_had_by_their_uris(
    api: FakeEscoApi, tmp_path: Path, numbers: set[int]
) -> None:
    api.faults.left_out = {concept_uri("occupation", number) for number in numbers}
    taxonomy, report = get(api, tmp_path)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint and report.missing == ()
    # on top: 1 page since the first one was short, up to 4 pages of /search, and 1 by URI for each that had gaps
    assert PAGES < report.requests <= PAGES + 1 + 4 + 4


def test_rows_that_are_counted_and_listed_nowhere_are_missing(api: FakeEscoApi, tmp_path: Path) -> None:
    data = esco(occupations=58)
    api.data.occupations = data.occupations
    api.faults.total = None
    real = FakeEscoApi._answer

    def exaggerate(seen: Any) -> tuple[int, bytes]:
        status, body = real(api, seen)
        return status, body.replace(b'"total": 58', b'"total": 60')

    api._answer = exaggerate  # type: ignore[method-assign]
    _, report = get(api, tmp_path)
    assert report.records["occupations"] == 58 and report.expected["occupations"] == 60
    assert [gap.reason for gap in report.missing] == ["the service counts it and lists it nowhere"] * 2


def test_a_service_that_answers_nothing_but_500_is_given_up_soon(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.next = [""]
    api.faults.always = "500"
    with pytest.raises(DownloadError, match=r"^10 occupations one after another could not be had .*answers 500"):
        get(api, tmp_path)
    assert len(api.seen) < 25
    api.faults.always = ""
    taxonomy, report = get(api, tmp_path)
    assert len(taxonomy) == 150 and report.from_cache == 20


def test_pages_that_repeat_for_ever_end_the_download(api: FakeEscoApi, tmp_path: Path) -> None:
    real = FakeEscoApi._answer

    def first_page(seen: Any) -> tuple[int, bytes]:
        if "offset" in seen.query:
            seen.query["offset"] = ["0"]
        return real(api, seen)

    api._answer = first_page  # type: ignore[method-assign]
    with pytest.raises(
        DownloadError, match=r"^20 distinct occupations came of the 60 that the service counts, expected"
    ):
        get(api, tmp_path)
    assert len(api.seen) < 10


def test_groups_are_not_worth_a_download(api: FakeEscoApi, tmp_path: Path) -> None:
    api.data.groups = []
    taxonomy, report = get(api, tmp_path)
    assert len(taxonomy) == 150 and taxonomy.groups == ()
    assert [gap.listing for gap in report.missing] == ["groups"]
    assert taxonomy.source.notes == ("ISCO groups have no names, since the web API did not list them",)
    assert {c.isco_group for c in taxonomy.concepts if c.kind == "occupation"} == {"2511", "2512", "2513"}


# ---- what a record may look like


def taxonomy_of(
    tmp_path: Path, *things: Thing, languages: tuple[str, ...] = ("en",)
) -> tuple[Taxonomy, DownloadReport]:
    data = esco(occupations=1, skills=3)
    for thing in things:
        (data.occupations if "/occupation/" in thing.uri else data.skills).append(thing)
    with serving(data) as api:
        return get(api, tmp_path, *languages)


URI = concept_uri("occupation", 1000)


def test_labels_are_cleaned_and_counted(tmp_path: Path) -> None:
    labels = ["baker ", "bread\u00a0 baker", "bread baker", " ", "master baker"]
    thing = Thing(URI, {"en": " baker\u200b"}, {"en": labels}, {"en": " Bakes. "})
    taxonomy, report = taxonomy_of(tmp_path, thing)
    assert taxonomy.by_uri[URI] == (
        Concept(URI, "occupation", "baker", ("bread baker", "master baker"), description="Bakes."),
    )
    assert report.skipped == {"empty labels": 1, "repeated labels": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"alternativeLabel": {"en": "bread baker"}},
        {"alternativeLabel": {"en": ["bread baker"], "de": None}},
        {"hiddenLabel": {"en": ["bread baker"]}},
        {"alternativeTerms": {"en": [{"roles": ["neutral"], "label": "bread baker"}]}},
        {"preferredLabel": {"en": "baker", "en-us": "bread baker"}},
        {"preferredLabel": {"en-us": "bread baker", "EN": "baker"}},
        {"description": None, "alternativeLabel": {"en": ["bread baker"]}},
    ],
)
def test_labels_in_all_their_shapes(tmp_path: Path, changes: dict[str, Any]) -> None:
    taxonomy, _ = taxonomy_of(tmp_path, Thing(URI, {"en": "baker"}, changes=changes))
    assert taxonomy.by_uri[URI] == (Concept(URI, "occupation", "baker", ("bread baker",)),)


def test_single_gender_forms_become_alternative_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_forms(monkeypatch, lambda label, language: tuple(label.split("/")) if "/" in label else ())
    thing = Thing(URI, {"de": "Bäcker/Bäckerin"}, {"de": ["Bäcker", "Brotbäcker/Brotbäckerin"]})
    taxonomy, _ = taxonomy_of(tmp_path, thing, languages=("de",))
    assert taxonomy.by_uri[URI][0].labels == (
        "Bäcker/Bäckerin",
        "Bäcker",
        "Brotbäcker/Brotbäckerin",
        "Bäckerin",
        "Brotbäcker",
        "Brotbäckerin",
    )


def test_a_concept_without_preferred_label_is_left_out_of_that_language(tmp_path: Path) -> None:
    thing = Thing(URI, {"en": "baker", "de": " "}, {"de": ["Bäcker"]})
    taxonomy, report = taxonomy_of(tmp_path, thing, languages=("en", "de"))
    assert [concept.language for concept in taxonomy.by_uri[URI]] == ["en"]
    assert report.skipped == {"no preferred label in de": 1}


def test_an_obsolete_concept_is_left_out(tmp_path: Path) -> None:
    taxonomy, report = taxonomy_of(tmp_path, Thing(URI, {"en": "baker"}, changes={"status": "obsolete"}))
    assert URI not in taxonomy.by_uri and report.skipped == {"status obsolete": 1}


@pytest.mark.parametrize(
    "links",
    [
        {"broaderIscoGroup": [{"uri": group_uri("2512"), "title": "x"}]},
        {"broaderIscoGroup": {"uri": group_uri("2512"), "title": "x"}},
        {"broaderIscoGroup": [group_uri("2512")]},
    ],
)
def test_an_isco_group_is_a_list_or_one_object(tmp_path: Path, links: dict[str, Any]) -> None:
    taxonomy, _ = taxonomy_of(tmp_path, Thing(URI, {"en": "baker"}, changes={"_links": links}))
    assert taxonomy.by_uri[URI][0].isco_group == "2512"
    assert Broader(URI, group_uri("2512")) in taxonomy.broader


def test_a_narrower_occupation_has_the_group_of_the_one_above(tmp_path: Path) -> None:
    child, grandchild, lost = (concept_uri("occupation", number) for number in (1001, 1002, 1003))
    taxonomy, _ = taxonomy_of(
        tmp_path,
        Thing(grandchild, {"en": "pretzel baker"}, links={"broaderOccupation": [child]}),
        Thing(child, {"en": "bread baker"}, links={"broaderOccupation": [URI]}),
        Thing(URI, {"en": "baker"}, links={"broaderIscoGroup": [group_uri("2513")]}),
        Thing(lost, {"en": "ouroboros"}, links={"broaderOccupation": [lost]}),
    )
    groups = {uri: taxonomy.by_uri[uri][0].isco_group for uri in (child, grandchild, lost)}
    assert groups == {child: "2513", grandchild: "2513", lost: None}
    assert Broader(grandchild, child) in taxonomy.broader


def test_a_code_tells_the_group_as_well(tmp_path: Path) -> None:
    taxonomy, _ = taxonomy_of(tmp_path, Thing(URI, {"en": "baker"}, code="7512.1.3"))
    assert taxonomy.by_uri[URI][0].isco_group == "7512" and taxonomy.by_uri[URI][0].code == "7512.1.3"


def test_skills_have_types_levels_and_skills_of_their_own(tmp_path: Path) -> None:
    first, second = concept_uri("skill", 1000), concept_uri("skill", 1001)
    taxonomy, _ = taxonomy_of(
        tmp_path,
        Thing(
            first,
            {"en": "bake"},
            links={"hasEssentialSkill": [second], "broaderHierarchyConcept": [f"{ROOT_SKILL}/S6.1"]},
            changes={"skillType": "http://data.europa.eu/esco/skill-type/skill", "hasReuseLevel": ["x/transversal"]},
        ),
        Thing(second, {"en": "flour"}, links={"hasSkillType": ["x/knowledge"], "hasReuseLevel": ["x/unheard-of"]}),
        Thing(f"{ROOT_SKILL}/S6.1", {"en": "baking things"}, code="S6.1"),
    )
    assert taxonomy.by_uri[first] == (
        Concept(first, "skill", "bake", skill_type="skill/competence", reuse_level="transversal"),
    )
    assert taxonomy.by_uri[second] == (Concept(second, "skill", "flour", skill_type="knowledge"),)
    assert taxonomy.skill_relations == (SkillRelation(first, second, "essential"),)
    # a skill group that stands in the listing of skills is a group
    assert Group(f"{ROOT_SKILL}/S6.1", "S6.1", "baking things") in taxonomy.groups


ROOT_SKILL = "http://data.europa.eu/esco/skill"


# ---- the cache


def test_another_language_asks_nothing(api: FakeEscoApi, tmp_path: Path) -> None:
    get(api, tmp_path)
    asked = len(api.seen)
    taxonomy, report = get(api, tmp_path, "fr")
    assert len(api.seen) == asked and report.requests == 0 and report.from_cache == 156
    assert taxonomy.fingerprint == expected(api.data, "fr").fingerprint


def test_what_is_missing_is_still_told_from_the_cache(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.broken = {concept_uri("occupation", 27)}
    _, first = get(api, tmp_path)
    _, second = get(api, tmp_path, "de")
    assert second.requests == 0 and second.missing == first.missing


def test_versions_are_kept_apart(api: FakeEscoApi, tmp_path: Path) -> None:
    get(api, tmp_path)
    taxonomy, report = get(api, tmp_path, version="v1.1.1")
    assert taxonomy.source.name == "esco-1.1.1-en" and report.from_cache == 0
    assert len(taxonomy) == 22
    (tmp_path / "v1.1.1").rename(tmp_path / "old")
    (tmp_path / "v1.2.0").rename(tmp_path / "v1.1.1")  # pages know which version they are of
    taxonomy, report = get(api, tmp_path, version="v1.1.1")
    assert len(taxonomy) == 22 and report.from_cache == 0


@pytest.mark.parametrize("stop_after", range(1, PAGES + 1))
def test_an_interrupted_download_goes_on(api: FakeEscoApi, tmp_path: Path, stop_after: int) -> None:
    pages = itertools.count(1)

    def interrupt(stage: str, done: int, total: int) -> None:
        if next(pages) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(api, tmp_path, progress=interrupt)
    assert len(api.seen) == stop_after
    taxonomy, report = get(api, tmp_path)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    assert len(api.pages()) == len(set(api.pages())) == PAGES
    assert report.requests == PAGES - stop_after


def test_a_download_goes_on_with_another_page_size(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.next = ["", "", *["503"] * 6]
    with pytest.raises(DownloadError, match="answers 503"):
        get(api, tmp_path, page_size=20)  # 40 rows are there
    taxonomy, report = get(api, tmp_path, page_size=15)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint and report.from_cache == 40
    # rows 40 to 45 and 45 to 60 of the occupations, 6 pages of skills, 1 of groups
    assert api.seen[8].query["limit"] == ["5"] and api.seen[8].query["offset"] == ["8"]
    assert report.requests == 2 + 6 + 1


SCRIPT = """
import sys
from pathlib import Path
from jobsearch.taxonomy.webapi import download
download(["en"], cache=Path(sys.argv[1]), base_url=sys.argv[2], page_size=1, requests_per_second=1e6, backoff=0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill without notice")
def test_a_killed_download_goes_on(api: FakeEscoApi, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), api.base_url]) as process:
        deadline = time.monotonic() + 15
        while len(api.seen) < 25 and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    assert len(api.seen) >= 25
    time.sleep(0.05)
    before = len(api.pages())
    taxonomy, report = get(api, tmp_path, page_size=1)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
    assert len(api.pages()) - before == report.requests == 156 - report.from_cache
    assert before - 1 <= report.from_cache <= before  # the page that was on its way may be lost


def test_a_torn_page_is_fetched_again(api: FakeEscoApi, tmp_path: Path) -> None:
    get(api, tmp_path)
    for name in ("occupations", "skills", "groups"):
        (tmp_path / "v1.2.0" / f"{name}.complete.json").unlink()
    pages = tmp_path / "v1.2.0" / "occupations.jsonl.gz"
    whole = pages.read_bytes()
    for cut in (1, 3, len(whole) // 4):
        pages.write_bytes(whole[:-cut])
        taxonomy, report = get(api, tmp_path)
        assert taxonomy.fingerprint == expected(api.data, "en").fingerprint
        assert (report.requests, report.from_cache) == (1, 136)
        assert pages.read_bytes() == whole


def test_a_damaged_complete_cache_is_noticed_and_mended(api: FakeEscoApi, tmp_path: Path) -> None:
    get(api, tmp_path)
    pages = tmp_path / "v1.2.0" / "skills.jsonl.gz"
    content = bytearray(pages.read_bytes())
    content[len(content) // 2] ^= 0xFF
    pages.write_bytes(content)
    with pytest.raises(
        DownloadError, match=r"skills.jsonl.gz holds 40 records, expected 90: it was damaged; run the same"
    ):
        get(api, tmp_path)
    taxonomy, report = get(api, tmp_path)
    assert taxonomy.fingerprint == expected(api.data, "en").fingerprint and report.requests == 3


# Without a time in it: two test processes must collect the same names.
@pytest.mark.parametrize(
    "content", [b"", b"no gzip", gzip.compress(b"[]\n", mtime=0), gzip.compress(b'{"format": 1}\n', mtime=0)]
)
def test_a_foreign_file_in_the_cache_does_no_harm(api: FakeEscoApi, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v1.2.0").mkdir()
    for name in ("occupations.jsonl.gz", "occupations.complete.json"):
        (tmp_path / "v1.2.0" / name).write_bytes(content)
    taxonomy, _ = get(api, tmp_path)
    assert len(taxonomy) == 150


def test_cache_round_trip_in_pieces(tmp_path: Path) -> None:
    batches = [Batch(2, 4, 2, ({"uri": "a", "x": "ä" * 300_000}, {"uri": "b"})), Batch(2, 4, 2, ({"uri": "c"},))]
    cache = ListingCache(tmp_path, "things", "v1")
    assert list(cache.batches()) == [] and cache.finished() is None
    for batch in batches:
        cache.append(batch)
    assert list(ListingCache(tmp_path, "things", "v1").batches()) == batches
    assert list(ListingCache(tmp_path, "things", "v2").batches()) == []
    cache.finish(Summary(4, 3, ()))
    assert ListingCache(tmp_path, "things", "v1").finished() == Summary(4, 3, ())
    assert ListingCache(tmp_path, "things", "v2").finished() is None
    cache.append(batches[0])  # the mark is for what was there
    assert cache.finished() is None


def test_two_downloads_do_not_share_a_cache(api: FakeEscoApi, tmp_path: Path) -> None:
    def second(stage: str, done: int, total: int) -> None:
        with pytest.raises(DownloadError, match="another download is at work"):
            get(api, tmp_path)

    get(api, tmp_path, progress=second)


# ---- politeness


def test_the_rate_limiter_keeps_its_distance() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    limiter = RateLimiter(4.0, clock=lambda: now[0], sleep=sleep)
    limiter.wait()
    limiter.wait()
    now[0] += 0.1
    limiter.wait()
    now[0] += 5.0
    limiter.wait()
    # the first is free, the second waits 1/4 s, the third what is left of it, the fourth comes late enough
    assert slept == pytest.approx([0.25, 0.15])


def test_the_server_is_not_asked_more_often_than_agreed(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.next = ["", "503", "500"]
    get(api, tmp_path, requests_per_second=40)
    gaps = [after.at - before.at for before, after in itertools.pairwise(api.seen)]
    assert len(gaps) == PAGES + 1
    # arrival times jitter by some ms, their sum cannot
    assert sum(gaps) >= 0.9 * len(gaps) / 40 and sorted(gaps)[len(gaps) // 2] >= 0.015


# ---- errors: one line that says what was seen, what was expected, what to do


def failure(api: FakeEscoApi, cache: Path, *languages: str, **options: Any) -> str:
    with pytest.raises(DownloadError) as caught:
        get(api, cache, *languages, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nobody_there(api: FakeEscoApi, tmp_path: Path) -> None:
    api.stop()
    message = failure(api, tmp_path)
    assert message.startswith(f"{api.base_url} cannot be reached (") and "Connection refused" in message
    assert message.endswith(
        "), expected the ESCO web API; check the connection and the proxy and run the same command again later, "
        "what has arrived is kept"
    )


def test_no_address(api: FakeEscoApi, tmp_path: Path) -> None:
    api.base_url = "esco/api"
    assert failure(api, tmp_path).startswith("esco/api/resource/occupation cannot be asked (Invalid URL")


def test_a_maintenance_page(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.always = "html"
    assert failure(api, tmp_path) == (
        f"{api.base_url}/resource/occupation answers with text/html (<html><title>Maintenance</title><body>We are "
        "back soon.</body></html>), expected JSON; the service may be down for maintenance, run the same command "
        "again later, what has arrived is kept"
    )


def test_not_json(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.always = "malformed"
    assert "answers with application/json;charset=UTF-8 (" in failure(api, tmp_path)
    message = failure(api, tmp_path, page_size=1)
    assert message.endswith("), expected JSON; run the same command again later, what has arrived is kept")


def test_not_this_api(api: FakeEscoApi, tmp_path: Path) -> None:
    api._answer = lambda seen: (200, b'{"hello": 1, "world": 2}')  # type: ignore[method-assign]
    assert failure(api, tmp_path) == (
        "resource/occupation answers with hello, world, expected a total and records; check the base URL"
    )
    api._answer = lambda seen: (200, b"[1]")  # type: ignore[method-assign]
    assert "answers with a JSON list, expected an object" in failure(api, tmp_path)


def test_busy(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.always = "503"
    assert failure(api, tmp_path) == (
        f"{api.base_url}/resource/occupation answers 503 (something broke), expected records; run the same command "
        "again later, what has arrived is kept"
    )
    assert len(api.seen) == 6


def test_never_in_time(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.always = "slow"
    message = failure(api, tmp_path, timeout=(5.0, 0.02), page_size=1)
    assert "gave no answer within 0.02 s, expected records" in message


def test_nothing_there(api: FakeEscoApi, tmp_path: Path) -> None:
    api.data.occupations = []
    assert failure(api, tmp_path) == (
        "resource/occupation counts no occupations and lists 0, expected thousands; check the version and the base URL"
    )


def test_an_unknown_version(api: FakeEscoApi, tmp_path: Path) -> None:
    assert failure(api, tmp_path, version="v9.9.9") == (
        f"{api.base_url}/resource/occupation answers 404 (Invalid ESCO version: v9.9.9) for version v9.9.9, expected "
        "records; ask for a published version such as v1.2.0 and check the base URL"
    )
    assert len(api.seen) == 1


def test_not_let_in(api: FakeEscoApi, tmp_path: Path) -> None:
    api.faults.always = "403"
    assert failure(api, tmp_path) == (
        f"{api.base_url}/resource/occupation answers 403 (something broke), expected records; check the base URL, the "
        "proxy and whether the service lets this machine in"
    )


@pytest.mark.parametrize("version", ["", "latest", "1.2.0", "v1", "v1.2.0 ", "v1.2.0/../.."])
def test_a_version_that_is_not_pinned(api: FakeEscoApi, tmp_path: Path, version: str) -> None:
    assert failure(api, tmp_path, version=version) == (
        f"the version is {version!r}, expected one that is pinned like v1.2.0 or v1.2.1"
    )
    assert not api.seen and not list(tmp_path.iterdir())


def test_a_language_without_labels(api: FakeEscoApi, tmp_path: Path) -> None:
    assert failure(api, tmp_path, "en", "is") == (
        "none of the 150 concepts of ESCO v1.2.0 has a preferred label in 'is', expected thousands; ask for another "
        "language or version"
    )


@pytest.mark.parametrize("languages", [("xx",), ("EN",), ("en", "english")])
def test_an_unknown_language(api: FakeEscoApi, tmp_path: Path, languages: tuple[str, ...]) -> None:
    assert f"{languages[-1]!r} is not a language of ESCO, expected one or more of ar, bg, cs" in failure(
        api, tmp_path, *languages
    )
    assert len(LANGUAGES) == 28 and not api.seen


def test_other_arguments(api: FakeEscoApi, tmp_path: Path) -> None:
    assert "expected more than 0" in failure(api, tmp_path, requests_per_second=0)
    assert "expected 1 or more" in failure(api, tmp_path, page_size=0)
    with pytest.raises(DownloadError, match="expected a list of one or more of"):
        download([], cache=tmp_path)
    with pytest.raises(DownloadError, match="expected a list of one or more of"):
        download("en", cache=tmp_path)
    assert DEFAULT_BASE_URL == "https://ec.europa.eu/esco/api"
