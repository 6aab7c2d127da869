"""The service keeps what its OpenAPI document promises, as schemathesis sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from service_running import Client, running

from jobsearch.service import requests, responses
from jobsearch.service.app import create_app
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines


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


def test_examples_of_answers_are_answers(client: Client) -> None:
    for name, schema in client.get("/openapi.json").json()["components"]["schemas"].items():
        model = getattr(responses, name, None) or getattr(requests, name, None)
        for example in schema.get("examples", []):
            model.model_validate(example, strict=True)
