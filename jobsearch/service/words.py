"""Values and fields in words: for readers of /docs, and for whoever sent what does not fit.

What is expected is read from the OpenAPI document, which is made from the models that requests are held to and from
the settings' limits: nothing here knows a limit of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A field's schema may say in words what its pattern says in signs.
EXPECTED = "x-expected"
_LONGEST_VALUE = 40
_MOST_NAMES = 6
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "object": "a JSON object",
}


@dataclass(frozen=True)
class Named:
    """A field that a request may hold.

    Args:
        name: as it is sent.
        schema: of its value.
        required: whether a request must hold it.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool


def short(text: str, most: int = 100) -> str:
    """Return a text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def seen(value: Any) -> str:
    """Return what somebody sent, in a few words: it may be huge, and the one who is told knows it anyway."""
    if isinstance(value, Mapping):
        return f"an object with {names(value)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        cut = json.dumps(value[: 2 * _LONGEST_VALUE], ensure_ascii=False)
        return cut if len(cut) <= _LONGEST_VALUE else f'{cut[: _LONGEST_VALUE - 2]}…"'
    try:
        return short(json.dumps(value), _LONGEST_VALUE)
    except (TypeError, ValueError):  # nothing that JSON holds
        return type(value).__name__


def names(mapping: Mapping[Any, Any]) -> str:
    """Return the names of a mapping's members, shortened."""
    told = [short(str(name), _LONGEST_VALUE) for name in list(mapping)[:_MOST_NAMES]]
    more = len(mapping) - len(told)
    return (", ".join(told) + (f" and {more} more" if more else "")) or "nothing"


def expected(schema: Mapping[str, Any]) -> str:
    """Return what a schema takes, with its limits; null, which is the same as leaving out, is not told of."""
    if "anyOf" in schema:
        return " or ".join(expected(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = schema.get("type")
    if kind == "array":
        span = _span(schema.get("minItems"), schema.get("maxItems"), "any number of")
        return f"a list of {span} entries, each {expected(schema['items'])}"
    told = str(schema.get(EXPECTED) or _TYPES.get(str(kind), "a value"))
    if kind in ("integer", "number") and ("minimum" in schema or "maximum" in schema):
        span = _span(schema.get("minimum"), schema.get("maximum"), "")
        return f"{told} {'from ' if ' to ' in span else 'of '}{span}"
    if kind == "string" and "maxLength" in schema:
        return f"{told}, {_span(schema.get('minLength'), schema['maxLength'], '')} characters"
    return told


def _span(least: float | None, most: float | None, without: str) -> str:
    if least is None and most is None:
        return without
    if most is None:
        return f"at least {_number(least)}"
    return f"at most {_number(most)}" if least is None else f"{_number(least)} to {_number(most)}"


def _number(value: float | None) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def example_of(schema: Mapping[str, Any]) -> str:
    """Return the schema's example as JSON, or nothing where it has none."""
    examples: Sequence[Any] = schema.get("examples", ())
    return json.dumps(examples[0], ensure_ascii=False) if examples else ""


def bodies(document: Mapping[str, Any], operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas of an operation's body: none, one, or several of which one must fit."""
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return [_resolved(document, one) for one in schema.get("oneOf", [schema])]


def fields(schema: Mapping[str, Any]) -> Iterator[Named]:
    """Yield the fields of a body, those that it must hold first."""
    required = schema.get("required", ())
    for name, one in sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in required):
        yield Named(name, one, name in required)


def parameters(operation: Mapping[str, Any]) -> list[Named]:
    """Return the fields of an operation's address."""
    return [Named(one["name"], one["schema"], one["required"]) for one in operation.get("parameters", [])]


def part_of(schema: Mapping[str, Any], way: Sequence[Any]) -> Mapping[str, Any]:
    """Return the schema of a part of a value, or an empty one where none is told of.

    Args:
        schema: of the value.
        way: names of members and numbers of entries, from the outside in.
    """
    for step in way:
        options = schema.get("anyOf", [schema])
        inner = "items" if isinstance(step, int) else "properties"
        schema = next((one[inner] for one in options if inner in one), {})
        if not isinstance(step, int):
            schema = schema.get(step, {})
    return schema


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
