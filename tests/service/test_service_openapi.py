"""The service keeps what its OpenAPI document promises, as schemathesis sees it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest
from service_running import Client, running

from jobsearch.service import requests, responses
from jobsearch.service.app import create_app
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines
from jobsearch.service.words import expected


def schemathesis(client: Client, folder: Path, *options: str) -> str:
    """Run all of schemathesis's checks against a service, and return what it tells."""
    # By its command, in a folder of its own: its pytest plugin does not know all releases of pytest.
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{client.url}openapi.json", "--no-color", *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, encoding="utf-8", timeout=120,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, "s3cret"])
def test_all_checks_pass(engines: Engines, tmp_path: Path, token: str | None) -> None:
    options = [] if token is None else ["--header", f"Authorization: Bearer {token}"]
    with running(create_app(engines, Settings(token=token))) as client:
        schemathesis(client, tmp_path, "--max-examples", "40", "--seed", "1", *options)


def test_every_operation_has_examples_and_tells_its_errors(client: Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    operations = {
        (path, method): told for path, methods in document["paths"].items() for method, told in methods.items()
    }
    assert len(operations) == 11
    for (path, _), told in operations.items():
        assert told["description"]
        assert {"500", "503", "504", "413", "422"} <= set(told["responses"])
        for status, response in told["responses"].items():
            content = response["content"].get("application/json")
            if content is None:
                assert (path, status) == ("/metrics", "200")
                continue
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert schemas[name]["examples"], (path, status)
            failed = int(status) >= 400 and (path, status) != ("/health", "503")
            assert (name == "ErrorAnswer") == failed, (path, status)
        if "requestBody" in told:
            schema = told["requestBody"]["content"]["application/json"]["schema"]
            for variant in schema.get("oneOf", [schema]):
                assert schemas[variant["$ref"].rpartition("/")[2]]["examples"], path
        for parameter in told.get("parameters", []):
            assert parameter["schema"].get("examples"), path


BODIES = {
    "/search": "SearchRequest", "/search/batch": "BatchRequest", "/compare": "CompareRequest",
    "/embed": "EmbedRequest", "/similar": "SimilarRequest",
}  # fmt: skip


def test_every_field_of_a_body_has_type_limits_default_example_and_meaning(engines: Engines) -> None:
    settings = Settings(max_batch=7, max_k=8, max_text=90)
    document = create_app(engines, settings).openapi()
    schemas = document["components"]["schemas"]
    for path, name in BODIES.items():
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": f"#/components/schemas/{name}"}
    for name in (*BODIES.values(), "SkillsRequest", "TitlesRequest"):
        model = getattr(requests, name)
        schema = schemas[name]
        assert list(schema["properties"]) == list(model.model_fields)
        assert schema["additionalProperties"] is False
        for field, told in schema["properties"].items():
            assert told["description"], (name, field)
            values = expected(told)
            assert values != "a value", (name, field)
            for example in told["examples"]:  # the model takes what the document shows
                model.model_validate({**schema["examples"][0], field: example}, strict=True)
            default = model.model_fields[field].default
            if field == "k":
                assert told["default"] == 8  # ten, but no more than is allowed
                assert values == "a whole number from 1 to 8"
            elif field in schema["required"] or default is None:
                assert "default" not in told, (name, field)
            else:
                assert told["default"] == default, (name, field)
    assert expected(schemas["BatchRequest"]["properties"]["queries"]) == (
        "a list of 1 to 7 entries, each a text that is not blank, 1 to 90 characters"
    )
    assert expected(schemas["SearchRequest"]["properties"]["min_score"]) == "a number from -1 to 1"
    assert "x-at-most" not in json.dumps(document)
    assert "x-default" not in json.dumps(document)


def test_the_page_for_readers_lists_them_all(engines: Engines) -> None:
    with running(create_app(engines, Settings(max_batch=7, max_k=8, max_text=90))) as client:
        page, document = client.get("/docs").text, client.get("/openapi.json").json()
    parts = dict(re.findall(r"<h2><code>(.+?)</code></h2>(.*?)(?=<h2>|</main>)", page, re.DOTALL))
    for path, name in (*BODIES.items(), ("/recommend", "SkillsRequest"), ("/recommend", "TitlesRequest")):
        for field, told in document["components"]["schemas"][name]["properties"].items():
            row = f"<tr><td><code>{field}</code></td><td>{escape(expected(told))}</td>"
            assert row in parts[f"POST {path}"], (path, field)
    assert "<td>a whole number from 1 to 8</td><td>8</td><td><code>3</code></td>" in parts["POST /search"]
    assert "<td>required</td>" in parts["GET /search"]


def test_a_default_that_is_told_is_what_holds(client: Client) -> None:
    """A body that says all defaults aloud is answered like the one that leaves them out."""
    schema = client.get("/openapi.json").json()["components"]["schemas"]["SearchRequest"]
    defaults = {name: told["default"] for name, told in schema["properties"].items() if "default" in told}
    assert set(defaults) == {"k", "kind", "mode", "excluded"}
    said, left_out = (client.post("/search", json={"query": "nurse", **more}).json() for more in (defaults, {}))
    assert said == left_out


def test_examples_of_answers_are_answers(client: Client) -> None:
    for name, schema in client.get("/openapi.json").json()["components"]["schemas"].items():
        model = getattr(responses, name, None) or getattr(requests, name, None)
        for example in schema.get("examples", []):
            model.model_validate(example, strict=True)
