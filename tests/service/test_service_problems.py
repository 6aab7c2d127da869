"""Requests that are malformed or do not fit, and how they are told: what was seen, what was expected, what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from service_running import JSON, Client, parsed, refusal, talk

POSTS = ["/search", "/search/batch", "/compare", "/embed", "/similar", "/recommend"]


# --- malformed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe{", 400, "malformed_json"),
        (b'{"query": "nurse",}', 400, "malformed_json"),
        (b"[" * 1999, 400, "malformed_json"),
        (b'{"query": "nurse", "k": ' + b"9" * 1900 + b"}", 422, "invalid_request"),
        (b'{"query": "nurse", "k": NaN}', 422, "invalid_request"),
        (b'{"query": "nurse", "k": 1e999}', 422, "invalid_request"),
        (b'{"query": "nurse", "k": "5"}', 422, "invalid_request"),
        (b'{"query": "nurse", "k": true}', 422, "invalid_request"),
        (b'{"query": "nurse", "min_score": NaN}', 422, "invalid_request"),
        (b'{"query": 5}', 422, "invalid_request"),
        (b'{"query": "nurse", "__proto__": {}}', 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
        (b"", 422, "invalid_request"),
    ],
    ids=range(14),
)
def test_malformed_bodies(strict: Client, path: str, body: bytes, status: int, code: str) -> None:
    message = refusal(strict.post(path, data=body, headers=JSON), status, code)
    assert len(message) < 1000
    assert ", expected " in message or "; expected " in message


def test_numbers_of_thousands_of_digits(client: Client) -> None:
    body = b'{"query": "nurse", "k": ' + b"9" * 5000 + b"}"
    refusal(client.post("/search", data=body, headers=JSON), 400, "malformed_json")


def test_many_problems_are_summed_up_and_what_was_sent_is_shortened(client: Client) -> None:
    body = {"query": "nurse", "k": 0, "kind": "long" * 300, "more": 1, "allowed": [1, 2, 3]}
    message = refusal(client.post("/search", json=body), 422, "invalid_request")
    assert message.startswith("k is 0, expected a whole number from 1 to 100; ")
    assert message.endswith("And 3 more: /docs lists all fields")
    kind = refusal(client.post("/search", json={"query": "nurse", "kind": "long" * 300}), 422, "invalid_request")
    assert 10 < kind.count("long") * len("long") < 41
    assert len(kind) < 200


# What was sent, what was seen of it, what was expected (by the limits of `strict`), what to do.
TOLD = [
    ("/search", {}, "query is missing, the body holds nothing", "a text that is not blank, 1 to 50 characters",
     'add it, for example "machine learning engineer"'),
    ("/search", {"k": 1, "kind": "all"}, "query is missing, the body holds k, kind", "a text", "add it"),
    ("/search", {"query": 5}, "query is 5", "a text that is not blank, 1 to 50 characters",
     'send for example "machine learning engineer", see /docs'),
    ("/search", {"query": "x", "k": "5"}, 'k is "5"', "a whole number from 1 to 5", "send for example 3"),
    ("/search", {"query": "x", "k": True}, "k is true", "a whole number from 1 to 5", "send for example 3"),
    ("/search", {"query": "x", "k": -7}, "k is -7", "a whole number from 1 to 5", "send for example 3"),
    ("/search", {"query": "x", "kind": "title"}, 'kind is "title"', "one of occupation, skill, all", "send"),
    ("/search", {"query": "x", "mode": None}, "mode is null", "one of meaning, words, both", "send"),
    ("/search", {"query": "x", "isco": "abc"}, 'isco is "abc"', "a text of 1 to 4 digits", 'send for example "25"'),
    ("/search", {"query": "x", "language": "?"}, 'language is "?"', "a language's code", 'send for example "en"'),
    ("/search", {"query": "x", "min_score": 3}, "min_score is 3", "a number from -1 to 1", "send for example 0.5"),
    ("/search", {"query": "x", "allowed": ["u", 7]}, "allowed.1 is 7", "a text, 1 to 50 characters",
     'send for example "http'),
    ("/search", {"query": "x", "excluded": {"a": 1}}, "excluded is an object with a",
     "a list of any number of entries, each a text", "send for example ["),
    ("/search", {"query": "x", "kk": 5}, "kk is 5 and not known here", "one of query, k, ", "did you mean k?"),
    ("/search", {"query": "x", "zzz": 5}, "zzz is 5 and not known here", "one of query, k, ", "leave it out"),
    ("/search", [1, 2], "the body is a list of 2", 'a JSON object such as {"query"', "/docs lists its fields"),
    ("/search/batch", {"queries": "x"}, 'queries is "x"', "a list of 1 to 3 entries, each a text that is not blank",
     'send for example ["plumber"'),
    ("/search/batch", {"queries": ["x", []]}, "queries.1 is a list of 0", "a text", 'send for example "plumber"'),
    ("/compare", {"query": None}, "query is null", "a text that is not blank", 'send for example "ML engineer"'),
    ("/embed", {"texts": []}, "texts is a list of 0", "a list of 1 to 3 entries", "send for example ["),
    ("/similar", {"uri": 1.5}, "uri is 1.5", "a text, 1 to 50 characters", 'send for example "http'),
    ("/recommend", {"title": 5}, "title is 5", "a text that is not blank", 'send for example "plumber"'),
    ("/recommend", {"skills": [5]}, "skills.0 is 5", "a text that is not blank", 'send for example "Python"'),
    ("/recommend", {"title": "x", "k": 0}, "k is 0", "a whole number from 1 to 5", "send for example 3"),
    ("/recommend", {"title": "x", "skills": ["y"]}, "the body is an object with title, skills",
     'either title or skills: a JSON object such as {"title"', "/docs lists its fields"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "seen", "expected", "advice"), TOLD, ids=range(len(TOLD)))
def test_a_problem_is_told_as_seen_expected_and_what_to_do(
    strict: Client, path: str, body: Any, seen: str, expected: str, advice: str
) -> None:
    message = refusal(strict.post(path, json=body), 422, "invalid_request")
    assert message.startswith(f"{seen}, expected {expected}")
    assert f"; {advice}" in message


def test_problems_of_addresses_bodies_and_headers_are_told_alike(strict: Client) -> None:
    assert refusal(strict.get("/search?k=abc"), 422, "invalid_request").startswith("q is missing, the address holds k")
    assert refusal(strict.get("/search?q=x&k=abc"), 422, "invalid_request") == (
        'k is "abc", expected a whole number from 1 to 5; send for example 3, see /docs'
    )
    assert "did you mean k?" in refusal(strict.get("/search?q=x&kk=5"), 422, "invalid_request")
    message = refusal(strict.post("/search", data=b'{"query": "nurse",}', headers=JSON), 400, "malformed_json")
    assert "at character 19 of 19, near " in message
    assert "nurse" in message
    assert "; mind quotes, commas and brackets" in message
    message = refusal(strict.post("/search", data=b"[" * 1999, headers=JSON), 400, "malformed_json")
    assert 'the body of 1999 bytes, which begins with "[[[' in message
    message = refusal(strict.post("/search", data=b"x", headers={"Content-Type": "text/plain"}), 415, "not_json")
    assert message.startswith('Content-Type is "text/plain", expected application/json; send')
    message = refusal(strict.post("/search", data=b"x" * 2001, headers=JSON), 413, "too_large")
    assert message == "the body has 2001 bytes, expected at most 2000 bytes; send less at once, in several requests"
    for path, allowed in (("/nothing", 404), ("/compare", 405)):
        assert "; /docs" in refusal(strict.get(path), allowed, {404: "not_found", 405: "method_not_allowed"}[allowed])


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\x00", "\t\n\xa0\ufeff"])
def test_a_query_without_anything_to_see_is_refused(client: Client, text: str) -> None:
    assert client.post("/search", json={"query": text}).status_code == 422
    assert client.post("/embed", json={"texts": ["nurse", text]}).status_code == 422
    assert client.get("/search", params={"q": text}).status_code == 422


@pytest.mark.parametrize(
    "text", ["nurse\ud83d", "\ud800", "nu\x00rse", "💉", "\u202enurse", "ﬃ" * 20, "'; DROP TABLE --"]
)
def test_odd_characters_are_text(client: Client, text: str) -> None:
    written = json.dumps({"query": text, "k": 1})  # lone surrogates are escaped, as a browser sends them
    answer = client.post("/search", data=written, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json()["query"] == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\n\r\nnonsense\r\n",
    ],
    ids=range(6),
)
def test_what_is_no_http_is_answered_in_the_one_shape(strict: Client, raw: bytes) -> None:
    status, answer = parsed(talk(strict.url, raw))
    assert 400 <= status < 500
    assert set(answer) == {"error"}
    assert strict.get("/health").status_code == 200


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET /"], ids=["header", "address"])
def test_a_head_without_end_is_cut(strict: Client, begin: bytes) -> None:
    status, _ = parsed(talk(strict.url, begin, *[b"y" * 5000] * 8, pause=0.01))  # 16 KiB are allowed
    assert status == 400


def test_other_methods_and_paths(client: Client) -> None:
    for path, allowed in {"/search": "GET, POST", "/compare": "POST", "/health": "GET", "/openapi.json": "GET"}.items():
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"):
            response = client.request(method, path)
            assert allowed in refusal(response, 405, "method_not_allowed")
            assert response.headers["Allow"] == allowed
    for path in ("/nothing", "/search/", "/redoc", "/../etc/passwd", "/%00", "/page.html"):
        refusal(client.get(path), 404, "not_found")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_only_json_is_taken(client: Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    refusal(client.post("/search", data=b'{"query": "nurse"}', headers=headers), 415, "not_json")
    for known in ("application/json; charset=utf-8", "Application/JSON", "application/problem+json"):
        assert client.post("/search", data=b'{"query": "nurse"}', headers={"Content-Type": known}).status_code == 200
