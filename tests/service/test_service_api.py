"""What the service answers: the engine's own results, in the shapes that its document names."""

from __future__ import annotations

import json
import re
import threading
from html import unescape
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel
from service_indexes import BAKER, ESCO, OCCUPATIONS, PIPES, SKILLS, WELDER, Gate, held
from service_running import Client, running, wait_until

import jobsearch
from jobsearch.comparison import compare
from jobsearch.engine import JobSearch
from jobsearch.filters import Filter
from jobsearch.index.labels import LabelTable
from jobsearch.index.versions import IndexDirectory
from jobsearch.reporting import comparison_record, search_record
from jobsearch.service import responses
from jobsearch.service.app import create_app
from jobsearch.service.state import Engines


def ask(client: Client, path: str, body: Any, model: type[BaseModel]) -> Any:
    """Ask, check that the answer has exactly the documented shape, and return it."""
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    model.model_validate(answer, strict=True)
    return answer


def close(answer: Any, expected: Any) -> None:
    """Compare answers; scores may differ in the last digits, by how many texts were embedded together."""
    if isinstance(expected, dict):
        assert list(answer) == list(expected)
        for key, value in expected.items():
            close(answer[key], value)
    elif isinstance(expected, list):
        assert len(answer) == len(expected)
        for one, other in zip(answer, expected, strict=True):
            close(one, other)
    else:
        assert answer == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected)


# --- search ------------------------------------------------------------------------------------------------------


def test_search_answers_what_the_command_line_prints(client: Client, engines: Engines) -> None:
    engine = engines.main
    expected = search_record(engine.opened, "bread maker", engine.search("bread maker", 3, "occupation"))
    body = {"query": "bread maker", "k": 3, "kind": "occupation"}
    close(ask(client, "/search", body, responses.SearchAnswer), expected)
    response = client.get("/search", params={"q": "bread maker", "k": 3, "kind": "occupation"})
    close(response.json(), expected)
    assert response.headers["Jobsearch-Index"] == "small/0001"
    assert response.headers["Content-Type"] == "application/json"
    assert list(expected) == ["query", "index", "encoder", "good_match", "hits"]


@pytest.mark.parametrize("mode", ["meaning", "words", "both"])
def test_the_mode_is_the_engines(client: Client, engines: Engines, mode: Any) -> None:
    engine = engines.main
    expected = search_record(engine.opened, "bred makers", engine.search("bred makers", 4, mode=mode))
    body = {"k": 4, "mode": mode}
    close(ask(client, "/search", {"query": "bred makers", **body}, responses.SearchAnswer), expected)
    close(client.get("/search", params={"q": "bred makers", **body}).json(), expected)
    many = ask(client, "/search/batch", {"queries": ["bred makers"], **body}, responses.BatchAnswer)
    close(many["results"], [expected])
    assert all((hit["matched_by"] == mode) or mode == "both" for hit in expected["hits"])
    without = ask(client, "/search", {"query": "bred makers", "k": 4}, responses.SearchAnswer)
    assert (without["hits"][0]["score"] == pytest.approx(expected["hits"][0]["score"])) == (mode == "both")


@pytest.mark.parametrize("mode", ["letters", "", "BOTH", None, 1, ["both"]])
def test_a_mode_that_is_none_is_refused(client: Client, mode: Any) -> None:
    answers = [
        client.post("/search", json={"query": "nurse", "mode": mode}),
        client.post("/search/batch", json={"queries": ["nurse"], "mode": mode}),
    ]
    if isinstance(mode, str):
        answers.append(client.get("/search", params={"q": "nurse", "mode": mode}))
    for response in answers:
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")
        assert response.json()["error"]["message"].startswith("mode is ")
        assert ", expected one of meaning, words, both; " in response.json()["error"]["message"]


def test_without_k_there_are_ten_hits_or_all(client: Client) -> None:
    for kind, count in (("all", 10), ("occupation", 10), ("skill", SKILLS)):
        assert len(ask(client, "/search", {"query": "nurse", "kind": kind}, responses.SearchAnswer)["hits"]) == count
    assert len(client.get("/search", params={"q": "nurse"}).json()["hits"]) == 10


def test_more_hits_than_there_are_concepts_are_all_of_them(client: Client) -> None:
    for kind, count in (("all", OCCUPATIONS + SKILLS), ("occupation", OCCUPATIONS), ("skill", SKILLS)):
        body = {"query": "nurse", "kind": kind, "k": 100}
        assert len(ask(client, "/search", body, responses.SearchAnswer)["hits"]) == count


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ({"isco": "25"}, Filter(isco="25")),
        ({"language": "de"}, Filter(language="de")),
        ({"allowed": [BAKER, PIPES, "urn:nothing"]}, Filter(allowed=[BAKER, PIPES])),
        ({"allowed": []}, Filter(allowed=[])),
        ({"excluded": [BAKER]}, Filter(excluded=[BAKER])),
        ({"min_score": 0.5}, Filter(min_score=0.5)),
        ({"min_score": 1, "excluded": []}, Filter(min_score=1)),
        ({"isco": None, "language": None, "allowed": None, "min_score": None}, None),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_filters_are_the_engines(
    client: Client, engines: Engines, filters: dict[str, Any], where: Filter | None
) -> None:
    answer = ask(client, "/search", {"query": "baker", "k": 5, **filters}, responses.SearchAnswer)
    close(answer["hits"], [hit.to_dict() for hit in engines.main.search("baker", 5, "all", where)])
    many = ask(client, "/search/batch", {"queries": ["baker"], "k": 5, **filters}, responses.BatchAnswer)
    close(many["results"], [answer])


@pytest.mark.parametrize("filters", [{"language": "fr"}, {"language": "xx-Latn"}])
def test_a_language_that_the_index_lacks_is_a_conflict(client: Client, filters: dict[str, str]) -> None:
    response = client.post("/search", json={"query": "baker", **filters})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "not_in_index")
    assert "this index has de, en" in response.json()["error"]["message"]


def test_an_index_without_isco_groups_cannot_be_filtered_by_them(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LabelTable, "has_isco", False)
    for path, body in (
        ("/search", {"query": "baker"}),
        ("/recommend", {"title": "baker"}),
        ("/similar", {"uri": BAKER}),
    ):
        response = client.post(path, json={**body, "isco": "25"})
        assert (response.status_code, response.json()["error"]["code"]) == (409, "not_in_index")
        assert client.post(path, json=body).status_code == 200


def test_a_batch_answers_each_query_in_order(client: Client, engines: Engines) -> None:
    queries = ["nurse", "coder", "nurse", "Brot backen"]
    answer = ask(client, "/search/batch", {"queries": queries, "k": 2, "kind": "all"}, responses.BatchAnswer)
    opened = engines.main.opened
    found = engines.main.search_many(queries, 2)
    expected = [search_record(opened, query, hits) for query, hits in zip(queries, found, strict=True)]
    close(answer, {"results": expected})


# --- compare, embed, similar, recommend --------------------------------------------------------------------------


def test_compare_answers_what_the_command_line_prints(client: Client, engines: Engines) -> None:
    base, tuned = engines.base, engines.tuned
    assert base is not None
    assert tuned is not None
    (one,) = compare(base, tuned, ["bread"], 4, "all")
    answer = ask(client, "/compare", {"query": "bread", "k": 4}, responses.CompareAnswer)
    close(answer, comparison_record(base.opened, tuned.opened, one))
    assert {"base", "tuned", "moves"} < set(answer)
    assert client.post("/compare", json={"query": "x"}).headers["Jobsearch-Index"] == "small/0001, small-tuned/0001"


def test_one_encoder_has_nothing_to_compare_with(engines: Engines) -> None:
    with running(create_app(engines.main)) as client:
        response = client.post("/compare", json={"query": "bread"})
        assert (response.status_code, response.json()["error"]["code"]) == (409, "nothing_to_compare")
        assert client.get("/version").json()["compare"] is None
        assert client.get("/health").json()["comparison"] == "none"


def test_embed(client: Client, engines: Engines) -> None:
    texts = ["nurse", "Bäcker", "nurse"]
    answer = ask(client, "/embed", {"texts": texts}, responses.EmbedAnswer)
    vectors = np.array(answer["embeddings"], np.float32)
    assert vectors.shape == (3, 512) == (3, answer["dim"])
    np.testing.assert_allclose(vectors, engines.main.embed(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", [None, "occupation", "skill", "all"])
def test_similar(client: Client, engines: Engines, kind: Any) -> None:
    answer = ask(client, "/similar", {"uri": PIPES, "k": 3, "kind": kind}, responses.SimilarAnswer)
    close(answer["hits"], [hit.to_dict() for hit in engines.main.similar(PIPES, 3, kind)])
    assert answer["uri"] == PIPES
    assert len(answer["hits"]) == 3


def test_an_unknown_concept_is_not_found(client: Client) -> None:
    response = client.post("/similar", json={"uri": f"{ESCO}occupation/nobody"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_concept")
    assert f"{ESCO}occupation/nobody" in response.json()["error"]["message"]


def test_recommend_skills_for_a_title(client: Client, engines: Engines) -> None:
    answer = ask(client, "/recommend", {"title": "baker", "k": 3}, responses.RecommendAnswer)
    close(answer["recommendations"], [one.to_dict() for one in engines.main.recommend_skills("baker", 3)])
    assert (answer["title"], answer["skills"]) == ("baker", None)
    assert answer["recommendations"][0]["label"] == "bake bread"


def test_recommend_titles_for_skills(client: Client, engines: Engines) -> None:
    skills = [PIPES, "neural networks"]
    answer = ask(client, "/recommend", {"skills": skills, "min_score": 0.1}, responses.RecommendAnswer)
    expected = engines.main.recommend_titles(skills, 10, Filter(min_score=0.1))
    close(answer["recommendations"], [one.to_dict() for one in expected])
    assert (answer["title"], answer["skills"]) == (None, skills)


@pytest.mark.parametrize("body", [{}, {"title": "baker", "skills": ["bread"]}, [], None, "baker", {"k": 1}])
def test_recommend_takes_either_a_title_or_skills(client: Client, body: Any) -> None:
    response = client.post("/recommend", data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert "either title or skills" in response.json()["error"]["message"] or body is None


# --- health, version, reload, metrics ------------------------------------------------------------------------------


def test_health_and_version(client: Client) -> None:
    health = client.get("/health")
    assert health.status_code == 200
    assert health.json() == {"status": "ready", "index": {"name": "small", "version": "0001"}, "comparison": "ready"}
    version = client.get("/version").json()
    responses.VersionAnswer.model_validate(version, strict=True)
    assert version["jobsearch"] == jobsearch.__version__
    assert version["counts"]["occupations"] == OCCUPATIONS
    assert version["compare"]["tuned"]["name"] == "tuned-1"
    assert version["taxonomy"]["name"] == "small"


def test_health_tells_loading_ready_and_failed(engines: Engines) -> None:
    go_on = threading.Event()

    def open_them() -> Engines:
        assert go_on.wait(30)
        return engines

    with running(create_app(open_them)) as client:
        health = client.get("/health")
        assert (health.status_code, health.json()) == (
            503,
            {"status": "loading", "index": None, "comparison": "loading"},
        )
        response = client.get("/search", params={"q": "nurse"})
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.json()["error"]["code"] == "loading"
        assert client.get("/metrics").status_code == 200
        go_on.set()
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get("/search", params={"q": "nurse"}).status_code == 200


def test_engines_that_cannot_be_opened_are_told(engines: Engines) -> None:
    told: list[BaseException] = []
    error = jobsearch.IndexingError("no index 'x'")

    def fail() -> Engines:
        raise error

    with running(create_app(fail, on_failure=told.append)) as client:
        wait_until(lambda: client.get("/health").json()["status"] != "loading")
        assert client.get("/health").json() == {"status": "failed", "index": None, "comparison": "none"}
        response = client.post("/search", json={"query": "nurse"})
        assert (response.status_code, response.json()["error"]["code"]) == (503, "failed")
    assert told == [error]


def test_reload_moves_to_the_newest_version(jobs: IndexDirectory) -> None:
    with running(create_app(JobSearch.open(jobs.path))) as client:
        assert client.post("/reload").json() == {"reloaded": False, "index": {"name": "jobs", "version": "0001"}}
        jobs.publish("0002")
        query = {"q": "welder", "k": "1"}
        assert client.get("/search", params=query).json()["index"]["version"] == "0001"
        assert client.post("/reload").json() == {"reloaded": True, "index": {"name": "jobs", "version": "0002"}}
        answer = client.get("/search", params=query)
        assert (answer.json()["index"]["version"], answer.headers["Jobsearch-Index"]) == ("0002", "jobs/0002")
        assert answer.json()["hits"][0]["uri"] == WELDER.uri
        (jobs.path / "current").write_text("?")  # as a damaged disk might leave it
        response = client.post("/reload")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
        assert client.get("/search", params=query).json()["index"]["version"] == "0002"
        figures = client.get("/metrics").text
        for result in ("moved", "same", "failed"):
            assert f'jobsearch_reloads_total{{result="{result}"}} 1.0' in figures
        assert 'jobsearch_index_info{index="jobs",version="0002"} 1.0' in figures


def test_an_answer_belongs_to_one_version_even_while_another_is_published(jobs: IndexDirectory) -> None:
    gate = Gate()
    engine = JobSearch(jobs, held(JobSearch.open(jobs.path), gate).opened)
    with running(create_app(engine)) as client:
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/search", json={"query": "welder"})))
        asking.start()
        assert gate.entered.acquire(timeout=30)
        jobs.publish("0002")
        with Client(client.url) as other:
            assert other.post("/reload").json()["index"]["version"] == "0002"
        gate.opened.set()
        asking.join(30)
    (answer,) = answers
    assert answer.headers["Jobsearch-Index"] == "jobs/0001"
    assert answer.json()["index"] == {"name": "jobs", "version": "0001"}
    assert WELDER.uri not in [hit["uri"] for hit in answer.json()["hits"]]


def test_metrics_count_this_application_only(engines: Engines) -> None:
    with running(create_app(engines)) as client:
        for _ in range(3):
            client.post("/search", json={"query": "nurse"})
        client.post("/search/batch", json={"queries": ["a", "b"]})
        for number in range(5):
            client.get(f"/made/up/{number}")
        client.request("BREW", "/search")
        figures = client.get("/metrics")
    assert figures.headers["Content-Type"].startswith("text/plain")
    lines = figures.text.splitlines()
    assert 'jobsearch_requests_total{method="POST",path="/search",status="200"} 3.0' in lines
    assert 'jobsearch_requests_total{method="GET",path="other",status="404"} 5.0' in lines
    assert 'jobsearch_requests_total{method="other",path="/search",status="405"} 1.0' in lines
    assert 'jobsearch_request_seconds_count{path="/search"} 4.0' in lines
    assert "jobsearch_texts_total 5.0" in lines
    assert "jobsearch_requests_in_flight 1.0" in lines  # the one that asks
    assert "jobsearch_work_pending 0.0" in lines


# --- the page's files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "kind"), [("/", "html"), ("/page.css", "css"), ("/page.js", "javascript")])
def test_the_page_needs_nothing_from_elsewhere(client: Client, path: str, kind: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == f"text/{kind}; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert "<script>" not in response.text
    assert "innerHTML" not in response.text


# --- what there is, for readers --------------------------------------------------------------------------------------


def test_a_page_describes_all_operations(client: Client) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    document = client.get("/openapi.json").json()
    headings = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    assert re.findall(r"<h2><code>(.+?)</code></h2>", response.text) == headings
    assert "<script" not in response.text
    assert "`" not in response.text
    for place in re.findall(r'href="([^:"]+)"', response.text):
        assert client.get(f"/{place.removeprefix('./')}").status_code == 200, place
    for path, body in re.findall(r"<code>POST (.+?)</code></h2>\s*<p>.*?</p>\s*<pre>(.+?)</pre>", response.text):
        answer = client.post(path, json=json.loads(unescape(body)))
        assert answer.status_code == (404 if path == "/similar" else 200), path  # its plumber is not in this index
    assert "/docs and /openapi.json tell what there is" in client.get("/doc").json()["error"]["message"]
