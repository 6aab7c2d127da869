"""The page at "/docs": what the service can be asked, made from its OpenAPI document and in need of no script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>jobsearch over HTTP</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="page.css">
  </head>
  <body>
    <main>
      <h1>jobsearch over HTTP</h1>
      <p>{about}</p>
      <p>Below a POST stands an example of its body, sent as <code>Content-Type: application/json</code>.{token}</p>
      <p>All fields, limits, answers and errors, for programs: <a href="openapi.json">openapi.json</a>.
         To search by hand: <a href="./">the page</a>.</p>
      {operations}
    </main>
  </body>
</html>
"""
_TOKEN = " Each request brings the service's token, as <code>Authorization: Bearer TOKEN</code>."


def reference(document: Mapping[str, Any]) -> str:
    """Return the page, in HTML.

    Args:
        document: what `/openapi.json` holds.
    """
    operations = (
        part
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        for part in _operation(document["components"]["schemas"], path, method.upper(), told)
    )
    return _PAGE.format(
        about=_text(document["info"]["description"]),
        token=_TOKEN if "securitySchemes" in document["components"] else "",
        operations="\n      ".join(operations),
    )


def _operation(schemas: Mapping[str, Any], path: str, method: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    yield f"<p>{_text(told['description'])}</p>"
    if method == "GET":
        wanted = {one["name"]: one["schema"]["examples"][0] for one in told.get("parameters", []) if one["required"]}
        place = escape(path.lstrip("/") + (f"?{urlencode(wanted)}" if wanted else ""))
        yield f'<p><a href="{place}">{place}</a></p>'
    elif "requestBody" in told:
        schema = told["requestBody"]["content"]["application/json"]["schema"]
        for variant in schema.get("oneOf", [schema]):
            example = schemas[variant["$ref"].rpartition("/")[2]]["examples"][0]
            yield f"<pre>{escape(json.dumps(example, ensure_ascii=False))}</pre>"


def _text(description: str) -> str:
    """Return a description's text, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(" ".join(description.split())))
