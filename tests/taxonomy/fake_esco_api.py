"""A local HTTP server that behaves like the ESCO web API, with a small made-up ESCO and faults to switch on.

Behaviour is that of the ESCO section of the project's facts: `offset` counts pages, page sizes are capped, a missing
`selectedVersion` gives old data without saying so, records hold all languages, some records answer a permanent 500
and take their page with them. `esco()` makes the data; the tests know from the same objects what must come out.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = "http://data.europa.eu/esco"
LANGUAGES = ("en", "de", "fr")
VERSIONS = ("v1.1.1", "v1.2.0")


@dataclass
class Thing:
    """One made-up concept or group, in plain form."""

    uri: str
    preferred: dict[str, str]
    alternatives: dict[str, list[str]] = field(default_factory=dict)
    description: dict[str, str] = field(default_factory=dict)
    code: str = ""
    links: dict[str, list[str]] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)  # fields of the record that are to look otherwise


@dataclass
class Esco:
    occupations: list[Thing]
    skills: list[Thing]
    groups: list[Thing]

    def listing(self, name: str) -> list[Thing]:
        return {"occupation": self.occupations, "skill": self.skills, "concept": self.groups}[name]


def concept_uri(kind: str, number: int) -> str:
    return f"{ROOT}/{kind}/{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind} {number}')}"


def group_uri(code: str) -> str:
    return f"{ROOT}/isco/C{code}"


def esco(occupations: int = 60, skills: int = 90) -> Esco:
    """Make data of given sizes: every occupation has labels in three languages, a group, and three skills."""
    groups = [
        Thing(group_uri(code), {language: f"group {code} {language}" for language in LANGUAGES}, code=code)
        for code in ("2", "25", "251", "2511", "2512", "2513")
    ]
    for group in groups:
        if len(group.code) > 1:
            group.links["broaderConcept"] = [group_uri(group.code[:-1])]
    things = []
    for number in range(occupations):
        unit = f"251{number % 3 + 1}"
        things.append(
            Thing(
                concept_uri("occupation", number),
                {language: f"occupation {number} {language}" for language in LANGUAGES},
                {language: [f"job {number} {language}", f"work {number} {language}"] for language in LANGUAGES},
                {"en": f"Occupation {number} does things."},
                f"{unit}.{number}",
                {
                    "broaderIscoGroup": [group_uri(unit)],
                    "hasEssentialSkill": [concept_uri("skill", (number * 7 + k) % skills) for k in range(2)],
                    "hasOptionalSkill": [concept_uri("skill", (number * 7 + 2) % skills)],
                },
            )
        )
    able = [
        Thing(
            concept_uri("skill", number),
            {language: f"skill {number} {language}" for language in LANGUAGES},
            {language: [f"ability {number} {language}"] for language in LANGUAGES},
            {},
            "",
            {
                "hasSkillType": [f"{ROOT}/skill-type/{'knowledge' if number % 4 == 0 else 'skill'}"],
                "hasReuseLevel": [f"{ROOT}/skill-reuse-level/cross-sector"],
            },
        )
        for number in range(skills)
    ]
    return Esco(things, able, groups)


def raw_record(thing: Thing) -> dict[str, Any]:
    """The record as the API gives it."""
    title = thing.preferred.get("en", "")
    kind = thing.uri.removeprefix(ROOT).split("/")[1].capitalize()
    record: dict[str, Any] = {
        "className": kind,
        "uri": thing.uri,
        "title": title,
        "status": "released",
        "preferredLabel": dict(thing.preferred),
        "_links": {
            "self": {"href": f"https://ec.europa.eu/esco/api/resource?uri={thing.uri}", "uri": thing.uri},
            "isInScheme": [{"uri": f"{ROOT}/concept-scheme/member-{kind.lower()}s", "title": "members"}],
            **{
                name: [{"href": f"https://example.org/?uri={uri}", "uri": uri, "title": "…"} for uri in uris]
                for name, uris in thing.links.items()
            },
        },
    }
    if thing.alternatives:  # a field without content is absent
        record["alternativeLabel"] = {language: list(labels) for language, labels in thing.alternatives.items()}
    if thing.description:
        record["description"] = {
            language: {"literal": text, "mimetype": "plain/text"} for language, text in thing.description.items()
        }
    if thing.code:
        record["code"] = thing.code
    return record | thing.changes


@dataclass
class Faults:
    """What goes wrong, and when."""

    cap: int = 100  # largest page
    says_limit: bool = True  # answers tell the page size that was applied
    refuses_large: bool = False  # a page size above the cap is a 400, and not cut to the cap
    next: list[str] = field(default_factory=list)  # for the next requests, one each; "" leaves one alone
    always: str = ""
    broken: set[str] = field(default_factory=set)  # URIs that answer 500 for ever, and so does any page that has them
    broken_until: dict[str, int] = field(default_factory=dict)  # URIs that answer 500 this often
    unnamed: set[str] = field(default_factory=set)  # URIs that /search does not list
    left_out: set[str] = field(default_factory=set)  # URIs that pages of /resource lack without a word
    only_uris: bool = False  # listings name concepts without their records
    heavy_above: int = 10_000  # pages larger than this never come in time
    total: int | None = None
    retry_after: str = "0"
    slow: float = 0.6


@dataclass
class Seen:
    """A request that reached the server."""

    at: float
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    status: int = 0

    @property
    def page(self) -> str:
        """Path, size and number of a listing's page."""
        return f"{self.path} {self.query.get('limit')} {self.query.get('offset')}"


class FakeEscoApi:
    """The server: `base_url` is its address, `seen` all requests, `faults` what to switch on."""

    def __init__(self, data: Esco) -> None:
        self.data = data
        self.faults = Faults()
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes, which would cost 40 ms an answer

            def do_GET(self) -> None:
                api._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/esco/api"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pages(self, path: str = "") -> list[str]:
        """The listing pages that were answered with 200."""
        return [seen.page for seen in self.seen if seen.status == 200 and path in seen.path and "offset" in seen.query]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        path = url.path.removeprefix("/esco/api/")
        seen = Seen(time.monotonic(), path, parse_qs(url.query), dict(handler.headers))
        with self._lock:
            self.seen.append(seen)
            fault = self.faults.next.pop(0) if self.faults.next else self.faults.always
        status, body = self._answer(seen)
        kind = "application/json;charset=UTF-8"
        headers = {}
        if fault == "429":
            status, headers["Retry-After"] = 429, self.faults.retry_after
            body = _error(429, "TooManyRequestsException", "slow down")
        elif fault.isdigit():
            status, body = int(fault), _error(int(fault), "ServerException", "something broke")
        elif fault == "html":
            kind, body = "text/html", b"<html><title>Maintenance</title><body>We are back soon.</body></html>"
        elif fault == "malformed":
            body = body[: len(body) // 2]
        elif fault == "slow":
            time.sleep(self.faults.slow)
        if int(seen.query.get("limit", ["1"])[0]) > self.faults.heavy_above:
            time.sleep(self.faults.slow)
        seen.status = 0 if fault in ("drop", "hang up") else status
        if fault == "hang up":
            handler.close_connection = True
            return
        try:
            handler.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            if fault == "drop":
                body = body[: len(body) // 2]
                handler.close_connection = True
            handler.wfile.write(body)
        except OSError:  # the client gave up
            handler.close_connection = True

    def _answer(self, seen: Seen) -> tuple[int, bytes]:
        query, faults = seen.query, self.faults
        version = query.get("selectedVersion", [""])[0]
        if version and version not in VERSIONS:
            return 404, _error(404, "ConstraintViolationException", f"Invalid ESCO version: {version}")
        data = self.data if version == "v1.2.0" else esco(10, 12)  # an old version, and the default one
        name = query["type"][0] if seen.path == "search" else seen.path.removeprefix("resource/")
        things = data.listing(name)
        if seen.path != "search" and ("uri" in query or "uris" in query):
            return self._by_uri(things, query)
        size, number = int(query["limit"][0]), int(query["offset"][0])
        if size > faults.cap and faults.refuses_large:
            return 400, _error(400, "BadInputException", f"limit must be at most {faults.cap}")
        size = min(size, faults.cap)
        part = things[number * size : (number + 1) * size]
        light = query.get("full") == ["false"]
        if light:
            part = [thing for thing in part if thing.uri not in faults.unnamed]
        elif any(self._is_broken(thing.uri) for thing in part):
            return 500, _error(500, "RuntimeException", "Internal error")
        else:
            part = [thing for thing in part if thing.uri not in faults.left_out]
        total = len(things) if faults.total is None else faults.total
        answer: dict[str, Any] = {"total": total, "offset": number}
        if faults.says_limit:
            answer["limit"] = size
        records = [raw_record(thing) for thing in part]
        if light:
            records = [{key: record[key] for key in ("uri", "title", "className")} for record in records]
        if seen.path == "search":
            return 200, _json(answer | {"_embedded": {"results": records}})
        answer["concepts"] = [{"uri": thing.uri, "href": "https://example.org/"} for thing in part]
        if not faults.only_uris:
            answer["_embedded"] = {record["uri"]: record for record in records}
        return 200, _json(answer)

    def _by_uri(self, things: list[Thing], query: dict[str, list[str]]) -> tuple[int, bytes]:
        known = {thing.uri: thing for thing in things}
        uris = query.get("uri", []) + query.get("uris", [])
        if any(self._is_broken(uri) for uri in uris):
            return 500, _error(500, "RuntimeException", "Internal error")
        if "uri" in query:
            if uris[0] not in known:
                return 404, _error(404, "NotFoundException", "no such concept")
            return 200, _json(raw_record(known[uris[0]]))
        found = {uri: raw_record(known[uri]) for uri in uris if uri in known}
        return 200, _json({"count": len(found), "_embedded": found})

    def _is_broken(self, uri: str) -> bool:
        if self.faults.broken_until.get(uri, 0) > 0:
            self.faults.broken_until[uri] -= 1
            return True
        return uri in self.faults.broken


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _error(status: int, logref: str, message: str) -> bytes:
    return _json({"logref": logref, "status": status, "message": message})


@contextmanager
def serving(data: Esco | None = None) -> Iterator[FakeEscoApi]:
    """Serve `data` while the block runs."""
    api = FakeEscoApi(data or esco())
    api.start()
    try:
        yield api
    finally:
        api.stop()
