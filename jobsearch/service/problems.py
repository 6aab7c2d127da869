"""What does not fit in a request, in words: what was seen, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from jobsearch.service.words import Named, bodies, example_of, expected, fields, names, parameters, part_of, seen, short

_MOST_PROBLEMS = 3
_LONGEST_PROBLEM = 280
_AROUND = 12


def problems_told(document: Mapping[str, Any], operation: Mapping[str, Any], problems: Sequence[Any]) -> str:
    """Return the first problems of a request, a sentence each.

    Args:
        document: the OpenAPI document, whose limits are those that were not kept.
        operation: the document's entry for what was asked.
        problems: what pydantic found.
    """
    told = [short(_problem(document, operation, problem), _LONGEST_PROBLEM) for problem in problems[:_MOST_PROBLEMS]]
    more = len(problems) - len(told)
    return ". ".join(told) + (f". And {more} more: /docs lists all fields" if more > 0 else "")


def no_json(document: Mapping[str, Any], operation: Mapping[str, Any], reason: str, body: str, position: int) -> str:
    """Return why a body is no JSON.

    Args:
        document, operation: as in `problems_told`.
        reason: the parser's.
        body: what was sent.
        position: where the parser stopped.
    """
    around = body[max(0, position - _AROUND) : position + _AROUND]
    where = f"at character {position + 1} of {len(body)}" if position < len(body) else "at its end"
    return (
        f"the body is no JSON: {short(reason)} {where}, near {seen(around)}; "
        f"expected {_some_body(document, operation)}; mind quotes, commas and brackets"
    )


def unreadable(document: Mapping[str, Any], operation: Mapping[str, Any], body: bytes) -> str:
    """Return what to say of a body that no parser gets through, though it may be JSON."""
    begin = seen(body[:_AROUND].decode("utf-8", "replace"))
    return (
        f"the body of {len(body)} bytes, which begins with {begin}, cannot be read; "
        f"expected {_some_body(document, operation)}; send it in UTF-8, not nested, and without endless numbers"
    )


def _problem(document: Mapping[str, Any], operation: Mapping[str, Any], problem: Mapping[str, Any]) -> str:
    # The first part says "body" or "query", and a variant's tag stands beside the field's name.
    place, *way = problem["loc"]
    tags = [part for part in way if str(part).startswith("(")]
    way = [part for part in way if part not in tags]
    value = problem["input"]
    if not way:
        what = "is missing" if value is None else f"is {seen(value)}"
        kind = "either title or skills: " if problem["type"] == "title_or_skills" else ""
        return f"the body {what}, expected {kind}{_some_body(document, operation)}; /docs lists its fields"
    there = _there(document, operation, place, tags)
    name = ".".join(short(str(part), 60) for part in way)
    if problem["type"] == "extra_forbidden":
        known = [one.name for one in there]
        like = difflib.get_close_matches(str(way[0]), known, 1)
        advice = f"did you mean {like[0]}?" if like else "leave it out"
        return f"{name} is {seen(value)} and not known here, expected one of {', '.join(known)}; {advice}"
    whole = {"properties": {one.name: one.schema for one in there}}
    schema, example = part_of(whole, way), _example(part_of(whole, way[:1]), way)
    if problem["type"] == "missing":
        holds = names(value) if isinstance(value, Mapping) else "nothing"
        where = "address" if place == "query" else "body"
        return (
            f"{name} is missing, the {where} holds {holds}, expected {expected(schema)}; add it, for example {example}"
        )
    return f"{name} is {seen(value)}, expected {expected(schema)}; send for example {example}, see /docs"


def _example(schema: Mapping[str, Any], way: Sequence[Any]) -> str:
    """Return an example of a field, or of its entries where an entry is meant, as JSON."""
    examples = schema.get("examples", ())
    if len(way) > 1 and examples:
        return example_of({"examples": examples[0]})
    return example_of(schema)


def _there(
    document: Mapping[str, Any], operation: Mapping[str, Any], place: str, tags: Sequence[str]
) -> Sequence[Named]:
    """Return the fields that could have been sent; of several bodies those of the one that a tag names."""
    if place == "query":
        return parameters(operation)
    variants = [list(fields(schema)) for schema in bodies(document, operation)]
    named = {tag.strip("()") for tag in tags}
    return next((one for one in variants if named <= {field.name for field in one}), [])


def _some_body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    examples = [example_of(schema) for schema in bodies(document, operation)]
    return f"a JSON object such as {' or '.join(filter(None, examples))}"
