"""The page at "/docs": what the service can be asked, made from its OpenAPI document and in need of no script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from jobsearch.service.words import Named, bodies, example_of, expected, fields, parameters

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
      <p>Below a POST stands an example of its body, sent as <code>Content-Type: application/json</code>, and what
         that may hold, with the limits that are in force here; anything else is refused.{token}</p>
      <p>The same with all answers and errors, for programs: <a href="openapi.json">openapi.json</a>.
         To search by hand: <a href="./">the page</a>.</p>
      {operations}
    </main>
  </body>
</html>
"""
_TOKEN = (
    " Each request brings the service's token, as <code>Authorization: Bearer TOKEN</code>; this page, "
    "<code>/openapi.json</code> and <code>/health</code>, which hold nothing of the index, are read without."
)


def reference(document: Mapping[str, Any]) -> str:
    """Return the page, in HTML.

    Args:
        document: what `/openapi.json` holds.
    """
    operations = (
        part
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        for part in _operation(document, path, method.upper(), told)
    )
    return _PAGE.format(
        about=_text(document["info"]["description"]),
        token=_TOKEN if "securitySchemes" in document["components"] else "",
        operations="\n      ".join(operations),
    )


def _operation(document: Mapping[str, Any], path: str, method: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    yield f"<p>{_text(told['description'])}</p>"
    if method == "GET":
        wanted = {one["name"]: one["schema"]["examples"][0] for one in told.get("parameters", []) if one["required"]}
        place = escape(path.lstrip("/") + (f"?{urlencode(wanted)}" if wanted else ""))
        yield f'<p><a href="{place}">{place}</a></p>'
        if there := parameters(told):
            yield _table(there)
    for schema in bodies(document, told):
        yield f"<pre>{escape(example_of(schema))}</pre>"
        yield _table(fields(schema))


def _table(there: Iterable[Named]) -> str:
    """Return the fields of a request as a table: what each takes, within which limits, and what it is without."""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Field", "Value", "Default", "Example", "Meaning"))
    rows = []
    for one in there:
        default = json.dumps(one.schema["default"]) if "default" in one.schema else "none"
        cells = (
            f"<code>{escape(one.name)}</code>",
            escape(expected(one.schema)),
            "required" if one.required else escape(default),
            f"<code>{escape(example_of(one.schema))}</code>",
            _text(one.schema.get("description", "")),
        )
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table class="fields"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _text(description: str) -> str:
    """Return a description's text, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(" ".join(description.split())))
