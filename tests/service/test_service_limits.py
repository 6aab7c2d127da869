"""What the service does not let pass: huge and slow requests, strangers, and more than it can do."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests
from encoders import Wrapped
from service_indexes import Gate, held
from service_running import JSON, Client, logs_put_back, parsed, refusal, running, talk, wait_until

from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.service.app import create_app
from jobsearch.service.logs import JsonLines, write_logs
from jobsearch.service.settings import Settings, token_from
from jobsearch.service.state import Engines

# --- huge ----------------------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large(strict: Client) -> None:
    body = json.dumps({"query": "nurse", "excluded": ["x" * 40] * 60}).encode()
    assert len(body) > 2000
    assert "2000 bytes" in refusal(strict.post("/search", data=body, headers=JSON), 413, "too_large")

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    refusal(strict.post("/search", data=chunks(), headers=JSON), 413, "too_large")  # told no length beforehand
    exact = b'{"query": "nurse"}'.ljust(2000)
    assert strict.post("/search", data=exact, headers=JSON).status_code == 200
    refusal(strict.post("/search", data=exact + b" ", headers=JSON), 413, "too_large")


def test_a_huge_body_is_refused_before_it_is_sent_and_its_sender_hears_of_it(strict: Client) -> None:
    refusal(strict.post("/search", data=b"x" * 5_000_000, headers=JSON), 413, "too_large")
    digits = b"1" + b"0" * 5000
    head = b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n"
    assert parsed(talk(strict.url, head % digits))[0] in (400, 413)
    assert parsed(talk(strict.url, head % b"999999999999"))[0] == 413


def test_an_endless_body_is_cut(strict: Client) -> None:
    head = b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    began = time.monotonic()
    answer = talk(strict.url, head, *[chunk] * 600)  # 39 MB, of which 16 MB are read
    assert time.monotonic() - began < 5
    assert answer == b"" or parsed(answer)[0] == 413
    assert strict.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/search", {"query": "x" * 51}, "query has 51 characters, expected at most 50; shorten it"),
        ("/search", {"query": "x", "k": 6}, "k is 6, expected a whole number from 1 to 5; ask for fewer hits"),
        ("/search", {"query": "x", "allowed": ["x" * 51]}, "allowed.0 has 51 characters"),
        (
            "/search/batch",
            {"queries": ["x"] * 4},
            "queries has 4 entries, expected at most 3; send the others in another request",
        ),
        ("/search/batch", {"queries": ["x", "x" * 51]}, "queries.1 has 51 characters"),
        ("/search/batch", {"queries": []}, "queries is a list of 0, expected a list of 1 to 3 entries"),
        ("/compare", {"query": "x" * 51}, "query has 51 characters"),
        ("/compare", {"query": "x", "k": 6}, "k is 6"),
        ("/embed", {"texts": ["x"] * 4}, "texts has 4 entries"),
        ("/similar", {"uri": "x" * 51}, "uri has 51 characters"),
        ("/recommend", {"title": "x" * 51}, "title has 51 characters"),
        ("/recommend", {"skills": ["x"] * 4}, "skills has 4 entries"),
        ("/recommend", {"title": "x", "k": 6}, "k is 6"),
    ],
    ids=range(13),
)
def test_limits_are_told_with_both_numbers(strict: Client, path: str, body: Any, says: str) -> None:
    assert says in refusal(strict.post(path, json=body), 422, "invalid_request")


def test_limits_hold_for_addresses_too(strict: Client) -> None:
    assert "query has 51" in refusal(strict.get("/search", params={"q": "x" * 51}), 422, "invalid_request")
    assert "k is 6" in refusal(strict.get("/search", params={"q": "x", "k": 6}), 422, "invalid_request")


def test_the_limits_are_in_the_document(strict: Client) -> None:
    schemas = strict.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["SearchRequest"]["properties"]["query"]["maxLength"] == 50
    assert schemas["SearchRequest"]["properties"]["k"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert schemas["BatchRequest"]["properties"]["queries"]["maxItems"] == 3
    assert "x-at-most" not in json.dumps(schemas)


# --- slow ----------------------------------------------------------------------------------------------------------


def test_slow_clients_are_cut_and_others_are_served_meanwhile(strict: Client) -> None:
    post = b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
    get = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    slow = {
        "silent": [b""],
        "half a head": [get],
        "dripping head": [get, *[b"X: y\r\n"] * 12],
        "dripping body": [post, *[b" "] * 12],
        "second head": [get + b"\r\n", get, *[b"X: y\r\n"] * 12],
    }
    began = time.monotonic()
    with ThreadPoolExecutor(25) as pool:
        talks = [
            (name, pool.submit(talk, strict.url, *parts, pause=0.1)) for name, parts in slow.items() for _ in "12345"
        ]
        time.sleep(0.2)
        quick = time.monotonic()
        assert strict.post("/search", json={"query": "nurse"}).status_code == 200
        assert time.monotonic() - quick < 1
        answers = [(name, one.result()) for name, one in talks]
    assert time.monotonic() - began < 6
    for name, answer in answers:
        last = answer.rpartition(b"HTTP/1.1")
        status, error = parsed(last[1] + last[2])
        assert (status, error["error"]["code"]) == (408, "too_slow"), name


def test_a_client_that_takes_no_answer_is_cut(engines: Engines) -> None:
    settings = Settings(patience=0.4, max_batch=1000, max_connections=2)
    body = json.dumps({"texts": [f"nurse {number}" for number in range(1000)]}).encode()  # 11 MB of answer
    head = f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with running(create_app(engines, settings), settings) as client, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = client.url.removeprefix("http://").rstrip("/").split(":")
        connection.connect((host, int(port)))
        connection.sendall(head.encode() + body)
        wait_until(lambda: "jobsearch_texts_total 1000.0" in client.get("/metrics").text, 10)
        time.sleep(0.1)
        refusal(Client(client.url).get("/health"), 503, "overloaded")
        wait_until(lambda: Client(client.url).get("/health").status_code == 200, 3)  # idle ones live for 5


def test_more_connections_than_allowed_are_refused_and_the_others_served(engines: Engines) -> None:
    settings = Settings(max_connections=5)
    with running(create_app(engines, settings), settings) as client:
        assert client.get("/health").status_code == 200  # keeps its connection
        host, port = client.url.removeprefix("http://").rstrip("/").split(":")
        others = [socket.create_connection((host, int(port))) for _ in range(4)]
        status, error = parsed(talk(client.url))
        assert (status, error["error"]["code"]) == (503, "overloaded")
        assert client.get("/health").status_code == 200
        for other in others:
            other.close()
        wait_until(lambda: Client(client.url).get("/health").status_code == 200, 5)


# --- slow and too much work ----------------------------------------------------------------------------------------


def test_work_that_takes_too_long_is_given_up_and_more_than_fits_is_refused(engines: Engines) -> None:
    gate = Gate()
    settings = Settings(timeout=0.6, threads=1, max_waiting=1)
    with running(create_app(held(engines.main, gate), settings), settings) as client, ThreadPoolExecutor(2) as pool:

        def search() -> requests.Response:
            with Client(client.url) as own:
                return own.post("/search", json={"query": "nurse"})

        under_way = pool.submit(search)
        assert gate.entered.acquire(timeout=10)
        waiting = pool.submit(search)
        wait_until(lambda: "jobsearch_work_pending 2.0" in client.get("/metrics").text, 5)
        response = client.post("/search", json={"query": "nurse"})
        refusal(response, 503, "overloaded")
        assert response.headers["Retry-After"] == "1"
        for late in (under_way, waiting):
            assert "0.6 s" in refusal(late.result(), 504, "timeout")
        # The one that waited is gone; the thread of the other is taken until its work ends.
        wait_until(lambda: "jobsearch_work_pending 1.0" in client.get("/metrics").text, 5)
        assert client.get("/health").status_code == 200
        gate.opened.set()
        wait_until(lambda: "jobsearch_work_pending 0.0" in client.get("/metrics").text, 5)
        assert client.post("/search", json={"query": "nurse"}).status_code == 200


def test_what_nobody_foresaw_is_logged_and_not_told(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    def fail(texts: Any) -> Embeddings:
        raise RuntimeError("a secret from within")

    opened = engines.main.opened
    broken = JobSearch(engines.main._place, replace(opened, encoder=Wrapped(opened.encoder, encode=fail)))
    caplog.set_level(logging.INFO, "jobsearch")
    with running(create_app(broken)) as client:
        response = client.post("/search", json={"query": "my private query"}, headers={"X-Request-Id": "abc-1"})
    assert "abc-1" in refusal(response, 500, "internal")
    assert "secret" not in response.text
    (record,) = [one for one in caplog.records if one.getMessage() == "request"]
    line = json.loads(JsonLines().format(record))
    assert (line["level"], line["request_id"], line["status"], line["code"]) == ("error", "abc-1", 500, "internal")
    assert "a secret from within" in line["exception"]
    assert "private" not in json.dumps({**line, "exception": ""})


# --- who may ask -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(engines: Engines) -> Iterator[Client]:
    with running(create_app(engines, Settings(token="s3cret", reload=False, compare=False))) as client:
        yield client


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "s3cret",
        "Bearer",
        "Bearer ",
        "Bearer s3cre",
        "Bearer s3crett",
        "Bearer S3CRET",
        "Basic s3cret",
        "Bearer é",
    ],
)
def test_without_the_token_nothing_is_told(guarded: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("utf-8")}
    for method, path in [("GET", "/search?q=nurse"), ("POST", "/search"), ("GET", "/metrics"), ("GET", "/version"),
                         ("GET", "/nothing"), ("DELETE", "/search")]:  # fmt: skip
        response = guarded.request(method, path, headers=headers)
        message = refusal(response, 401, "unauthorized")
        assert message.startswith("no token was sent" if header is None else "the Authorization that was sent is not")
        assert "s3cre" not in message.lower()
        assert message.endswith("; send the service's token as `Authorization: Bearer TOKEN`")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_with_the_token_all_is_as_without(guarded: Client) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} s3cret"}
        assert guarded.post("/search", json={"query": "nurse"}, headers=headers).status_code == 200
        assert guarded.get("/metrics", headers=headers).status_code == 200
    for path in ("/", "/docs", "/health", "/openapi.json", "/page.css", "/page.js"):
        assert guarded.get(path).status_code == 200


def test_the_document_is_read_without_the_token_and_says_that_one_is_needed(guarded: Client) -> None:
    document = guarded.get("/openapi.json").json()
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert document["paths"]["/search"]["post"]["security"] == [{"token": []}]
    assert "small" not in json.dumps(document)  # the index that is served
    page = guarded.get("/docs").text
    assert "Authorization: Bearer TOKEN" in page
    assert "<td><code>query</code></td><td>a text that is not blank, 1 to 1000 characters</td>" in page


def test_two_tokens_are_none(guarded: Client) -> None:
    raw = (
        b"GET /version HTTP/1.1\r\nHost: x\r\n" + b"Authorization: Bearer s3cret\r\n" * 2 + b"Connection: close\r\n\r\n"
    )
    assert parsed(talk(guarded.url, raw))[0] == 401


def test_what_is_switched_off_is_not_there(guarded: Client) -> None:
    headers = {"Authorization": "Bearer s3cret"}
    refusal(guarded.post("/reload", headers=headers), 404, "not_found")
    refusal(guarded.post("/compare", headers=headers, json={"query": "nurse"}), 404, "not_found")
    paths = guarded.get("/openapi.json", headers=headers).json()["paths"]
    assert {"/reload", "/compare"}.isdisjoint(paths)
    assert guarded.get("/version", headers=headers).json()["compare"] is None


@pytest.mark.parametrize("token", ["", " ", "two words", "naïve", "line\n"])
def test_a_token_that_no_client_can_send_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"JOBSEARCH_TOKEN cannot be used: it (is empty|holds)"):
        token_from({"JOBSEARCH_TOKEN": token})
    with pytest.raises(ValueError, match=r"it (is empty|holds)"):
        Settings(token=token)


def test_the_token_is_not_shown() -> None:
    assert token_from({"JOBSEARCH_TOKEN": "s3cret"}) == "s3cret"
    assert token_from({}) is None
    assert "s3cret" not in repr(Settings(token="s3cret"))


@pytest.mark.parametrize(
    "wrong",
    [{"max_body": 0}, {"max_batch": 0}, {"max_k": -1}, {"max_text": 0}, {"threads": 0}, {"max_connections": 0},
     {"max_waiting": -1}, {"timeout": 0}, {"patience": -1.0}, {"watch": 0.0}, {"timeout": float("nan")}],
)  # fmt: skip
def test_settings_out_of_range_are_refused_with_the_number(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=rf"{name} is {re.escape(str(wrong[name]))}, expected"):
        Settings(**wrong)


# --- logs --------------------------------------------------------------------------------------------------------


def test_each_request_is_logged_with_its_id_and_without_its_query(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobsearch")
    given = client.get("/search?q=private", headers={"X-Request-Id": "abc.DEF-1_2"})
    made = client.post("/search", json={"query": "private", "k": 0}, headers={"X-Request-Id": "no\tid"})
    assert given.headers["X-Request-Id"] == "abc.DEF-1_2"
    assert re.fullmatch("[0-9a-f]{16}", made.headers["X-Request-Id"])
    wait_until(lambda: len([one for one in caplog.records if one.getMessage() == "request"]) == 2)
    lines = [json.loads(JsonLines().format(one)) for one in caplog.records if one.getMessage() == "request"]
    assert [(line["request_id"], line["status"]) for line in lines] == [
        ("abc.DEF-1_2", 200), (made.headers["X-Request-Id"], 422)]  # fmt: skip
    assert lines[0]["path"] == "/search"
    assert lines[0]["client"] == "127.0.0.1"
    assert lines[0]["ms"] > 0
    assert lines[1]["code"] == "invalid_request"
    assert "private" not in json.dumps(lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", lines[0]["time"])


def test_lines_cannot_be_forged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jobsearch")
    client.get("/x%0A%7B%22event%22%3A%22forged%22%7D%1B[2J")
    wait_until(lambda: [one for one in caplog.records if one.getMessage() == "request"])
    (record,) = [one for one in caplog.records if one.getMessage() == "request"]
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["path"].startswith("/x\n{")


def test_logs_of_others_are_lines_of_the_same_kind(tmp_path: Any) -> None:
    with logs_put_back(), (tmp_path / "log").open("w") as stream:
        write_logs("info", stream)
        logging.getLogger("uvicorn.error").warning("a %s", "warning")
        logging.getLogger("uvicorn.error").info("not told")
        logging.getLogger("jobsearch.watching").error("a version")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["level"], line["event"], line["message"]) for line in lines] == [
        ("warning", "message", "a warning"), ("error", "message", "a version")]  # fmt: skip
