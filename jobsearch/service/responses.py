"""What the service answers, as its OpenAPI document tells it; `jobsearch.reporting` makes the values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

KindName = Literal["occupation", "skill"]

_PLUMBER = {
    "uri": "http://data.europa.eu/esco/occupation/ed3cf43d-c2c1-4c46-82fc-1375e27e0290",
    "kind": "occupation",
    "label": "plumber",
}
_INDEX = {"name": "esco-en", "version": "0001"}
_ENCODER = {"name": "use", "fingerprint": "6c1f0ce8f2a14d7e"}
_TUNED = {"name": "tuned-1", "fingerprint": "b25d30c9a01e6a44"}
_HIT = {
    **{"rank": 1, "score": 0.93, **_PLUMBER, "matched_label": "plumber", "language": "en"},
    **{"cosine": 0.96, "words": 0.85, "matched_by": "both", "confidence": 0.74, "good_match": True},
}
_SEARCH = {"query": "plumbr", "index": _INDEX, "encoder": _ENCODER, "good_match": True, "hits": [_HIT]}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(value: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class IndexName(_Answer):
    """The index version that answered."""

    name: str
    version: str


class EncoderName(_Answer):
    """The encoder that answered."""

    name: str
    fingerprint: str


class Hit(_Answer):
    """One concept; the label that is nearest to the query speaks for it."""

    rank: int = Field(ge=1)
    score: float = Field(
        description="-1 to 1, higher is better; 1 for what was typed, by meaning alone otherwise the cosine."
    )
    uri: str
    kind: KindName
    label: str = Field(description="The concept's preferred label.")
    matched_label: str = Field(description="The label that was nearest.")
    language: str
    cosine: float = Field(description="Of query and matched label, with its description, by meaning, -1 to 1.")
    words: float = Field(description="How alike the two are by letters, 0 to 1; 0 where only meaning was asked.")
    matched_by: Literal["exact", "meaning", "words", "both", "uri", "isco"] = Field(
        description="What brought the concept up; a URI or an ISCO code is what was typed."
    )
    confidence: float | None = Field(
        description="Probability that this is the concept meant, of its kind, 0 to 1; null where no text was asked for."
    )
    good_match: bool | None = Field(description="Whether the score is that of a good match; null as before.")


class SearchAnswer(_Answer):
    """The hits of one query, best first; the same object as `jobsearch search --json` prints."""

    model_config = _example(_SEARCH)

    query: str
    index: IndexName
    encoder: EncoderName
    good_match: bool = Field(description="Whether any hit is a good match; else they are just the nearest there are.")
    hits: list[Hit]


class BatchAnswer(_Answer):
    """One search answer for each query, in their order."""

    model_config = _example({"results": [_SEARCH]})

    results: list[SearchAnswer]


class Side(_Answer):
    """One side of a comparison."""

    encoder: EncoderName
    hits: list[Hit]


class Move(_Answer):
    """A concept's rank before and after; null where it is not among the hits."""

    uri: str
    label: str
    base_rank: int | None
    tuned_rank: int | None


class CompareAnswer(_Answer):
    """Base and tuned side by side; the same object as `jobsearch compare --json` prints."""

    model_config = _example(
        {
            "query": "plumbr",
            "base": {"encoder": _ENCODER, "hits": [{**_HIT, "rank": 3}]},
            "tuned": {"encoder": _TUNED, "hits": [_HIT]},
            "moves": [{"uri": _PLUMBER["uri"], "label": "plumber", "base_rank": 3, "tuned_rank": 1}],
        }
    )

    query: str
    base: Side
    tuned: Side
    moves: list[Move]


class EmbedAnswer(_Answer):
    """One row of unit length for each text, in their order."""

    model_config = _example({"index": _INDEX, "encoder": _ENCODER, "dim": 3, "embeddings": [[0.6, 0.0, -0.8]]})

    index: IndexName
    encoder: EncoderName
    dim: int = Field(ge=1)
    embeddings: list[list[float]]


class SimilarAnswer(_Answer):
    """The concept's neighbours, best first; never the concept itself."""

    model_config = _example({"uri": _PLUMBER["uri"], "index": _INDEX, "encoder": _ENCODER, "hits": [_HIT]})

    uri: str
    index: IndexName
    encoder: EncoderName
    hits: list[Hit]


class Recommendation(_Answer):
    """One concept, and how it was come by."""

    rank: int = Field(ge=1)
    score: float = Field(description="0 to 1, higher is better.")
    uri: str
    kind: KindName
    label: str
    source: Literal["relation", "vector", "both"] = Field(description="Whether ESCO says so, the encoder, or both.")
    via: list[str] = Field(description="Labels of the titles or skills that led to it.")


class RecommendAnswer(_Answer):
    """Skills for a title, or titles for skills; of what was asked the other is null."""

    model_config = _example(
        {
            "title": None,
            "skills": ["repair pipes"],
            "index": _INDEX,
            "encoder": _ENCODER,
            "recommendations": [{"rank": 1, "score": 0.8, **_PLUMBER, "source": "relation", "via": ["repair pipes"]}],
        }
    )

    title: str | None
    skills: list[str] | None
    index: IndexName
    encoder: EncoderName
    recommendations: list[Recommendation]


class HealthAnswer(_Answer):
    """Whether an index is loaded; 200 only when `status` is "ready"."""

    model_config = _example({"status": "ready", "index": _INDEX, "comparison": "loading"})

    status: Literal["loading", "ready", "failed"]
    index: IndexName | None
    comparison: Literal["loading", "ready", "failed", "none", "off"] = Field(
        description="Whether /compare answers; none: there is one encoder only, off: the service was started without."
    )


class VersionAnswer(_Answer):
    """What runs here, and over what."""

    model_config = _example(
        {
            "jobsearch": "0.1.0",
            "index": _INDEX,
            "encoder": _ENCODER,
            "compare": {"base": _ENCODER, "tuned": _TUNED},
            "taxonomy": {"name": "esco-en", "version": "1.2.0", "languages": ["en"]},
            "counts": {"labels": 100483, "concepts": 16960, "occupations": 3039, "skills": 13921, "relations": 0},
            "dim": 512,
            "created": "2025-01-01T00:00:00+00:00",
            "limits": {"max_body": 1048576, "max_batch": 256, "max_k": 100, "max_text": 1000},
        }
    )

    jobsearch: str
    index: IndexName
    encoder: EncoderName
    compare: dict[Literal["base", "tuned"], EncoderName] | None = Field(
        description="Null where /compare cannot answer, or not yet: /health tells which."
    )
    taxonomy: dict[str, Any]
    counts: dict[str, int]
    dim: int
    created: str
    limits: dict[str, int]


class ReloadAnswer(_Answer):
    """Whether there was another version to move to, and the one in use now."""

    model_config = _example({"reloaded": True, "index": {"name": "esco-en", "version": "0002"}})

    reloaded: bool
    index: IndexName


class ErrorDetail(_Answer):
    """What went wrong."""

    code: str = Field(description="A word for programs.")
    message: str = Field(description="One line for people.")


class ErrorAnswer(_Answer):
    """The one shape of all errors."""

    model_config = _example(
        {"error": {"code": "invalid_request", "message": "k is 0, expected a whole number from 1 to 100; …"}}
    )

    error: ErrorDetail
