"""What callers may send, each field with its limits and an example; anything else is refused.

Where a limit or a default depends on the settings the schema names it (`x-at-most`, `x-default`); `openapi.describe`
puts the number in its place, and `limits` holds requests to it. What a pattern says is said in words too
(`words.EXPECTED`), for readers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from jobsearch.service.words import EXPECTED

AT_MOST = "x-at-most"
DEFAULT = "x-default"
# What is left of such a text after cleaning is not empty: white space, control and invisible characters are dropped.
_HOLDS_TEXT = "[^\\s\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b\\u200e\\u200f\\u2060\\ufeff]"
_ISCO_DIGITS = 4
_PLUMBER = "http://data.europa.eu/esco/occupation/ed3cf43d-c2c1-4c46-82fc-1375e27e0290"

KindName = Literal["occupation", "skill", "all"]
ModeName = Literal["meaning", "words", "both"]


def _without_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which a text cut in the middle of an emoji may hold, by "?" as the encoder does."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def _whole(value: Any) -> Any:
    """Take 5.0 for 5, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Clean = BeforeValidator(_without_surrogates)
_READABLE: dict[str, Any] = {"pattern": _HOLDS_TEXT, EXPECTED: "a text that is not blank", AT_MOST: "max_text"}
Text = Annotated[str, Field(min_length=1, json_schema_extra=_READABLE), _Clean]
Uri = Annotated[str, Field(min_length=1, json_schema_extra={AT_MOST: "max_text"}), _Clean]
Texts = Annotated[list[Text], Field(min_length=1, json_schema_extra={AT_MOST: "max_batch"})]
Hits = Annotated[int, Field(ge=1, json_schema_extra={AT_MOST: "max_k"}), BeforeValidator(_whole)]

_MODE = "What to find by: meaning, words (letters alone), or both."
_KIND = "What to find: occupations, skills, or both."
_K = "Hits wanted; all where the index holds fewer."
_K_DEFAULT: dict[str, Any] = {DEFAULT: "default_k"}


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Isco = Annotated[
    str,
    Field(
        pattern=f"^[0-9]{{1,{_ISCO_DIGITS}}}$", json_schema_extra={EXPECTED: f"a text of 1 to {_ISCO_DIGITS} digits"}
    ),
]
Language = Annotated[
    str,
    Field(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", json_schema_extra={EXPECTED: "a language's code"}),
]


class _Filtered(_Request):
    k: Hits | None = Field(default=None, description=_K, examples=[3], json_schema_extra=_K_DEFAULT)
    isco: Isco | None = Field(default=None, description="Only occupations below this ISCO-08 group.", examples=["25"])
    language: Language | None = Field(default=None, description="Only labels in this language.", examples=["en"])
    allowed: list[Uri] | None = Field(default=None, description="Only these concepts.", examples=[[_PLUMBER]])
    excluded: list[Uri] = Field(default=[], description="Never these concepts.", examples=[[_PLUMBER]])
    min_score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = Field(
        default=None, description="Only hits with at least this score.", examples=[0.5]
    )


class SearchRequest(_Filtered):
    """One query."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "machine learning engineer", "k": 3, "kind": "occupation"}]}
    )

    query: Text = Field(
        description="A job title or a skill, in any of the encoder's languages.", examples=["machine learning engineer"]
    )
    kind: KindName = Field(default="all", description=_KIND, examples=["occupation"])
    mode: ModeName = Field(default="both", description=_MODE, examples=["both"])


class SearchParameters(BaseModel):
    """One query in an address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Text = Field(description="A job title or a skill.", examples=["machine learning engineer"])
    k: Hits | None = Field(default=None, description=_K, examples=[3], json_schema_extra=_K_DEFAULT)
    kind: KindName = Field(default="all", description=_KIND, examples=["occupation"])
    mode: ModeName = Field(default="both", description=_MODE, examples=["both"])
    isco: Isco | None = Field(default=None, description="Only occupations of this ISCO-08 group.", examples=["25"])
    language: Language | None = Field(default=None, description="Only labels in this language.", examples=["en"])
    min_score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = Field(
        default=None, description="Only hits with at least this score.", examples=[0.5]
    )


class BatchRequest(_Filtered):
    """Many queries, answered together: faster than one by one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"queries": ["plumber", "data scientist"], "k": 2}]})

    queries: Texts = Field(description="Job titles or skills.", examples=[["plumber", "data scientist"]])
    kind: KindName = Field(default="all", description=_KIND, examples=["occupation"])
    mode: ModeName = Field(default="both", description=_MODE, examples=["both"])


class CompareRequest(_Request):
    """One query for the base and the tuned encoder."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "ML engineer", "k": 3}]})

    query: Text = Field(description="A job title or a skill.", examples=["ML engineer"])
    k: Hits | None = Field(
        default=None, description="Hits wanted on either side.", examples=[3], json_schema_extra=_K_DEFAULT
    )
    kind: KindName = Field(default="all", description=_KIND, examples=["occupation"])


class EmbedRequest(_Request):
    """Texts to embed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["plumber", "pipe fitter"]}]})

    texts: Texts = Field(description="What to embed.", examples=[["plumber", "pipe fitter"]])


class SimilarRequest(_Filtered):
    """One concept, whose neighbours are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"uri": _PLUMBER, "k": 3}]})

    uri: Uri = Field(description="URI of the concept, from a hit.", examples=[_PLUMBER])
    kind: KindName | None = Field(
        default=None, description="Kind of the neighbours; the concept's own where none is named.", examples=["all"]
    )


class SkillsRequest(_Filtered):
    """A job title, for which skills are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "plumber", "k": 3}]})

    title: Text = Field(description="A job title, or the URI of an occupation.", examples=["plumber"])


class TitlesRequest(_Filtered):
    """Skills, as texts or URIs, for which job titles are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"skills": ["Python", "machine learning"], "k": 3}]})

    skills: Texts = Field(description="Skills, as texts or URIs.", examples=[["Python", "machine learning"]])


def _which(value: Any) -> str | None:
    if not isinstance(value, dict) or ("title" in value) == ("skills" in value):
        return None
    return "(title)" if "title" in value else "(skills)"


RecommendRequest = Annotated[
    Annotated[SkillsRequest, Tag("(title)")] | Annotated[TitlesRequest, Tag("(skills)")],
    Discriminator(
        _which,
        custom_error_type="title_or_skills",
        custom_error_message="expected an object with either title or skills",
    ),
]
