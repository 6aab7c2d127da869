"""The routes that ask the index: search, batch, compare, embed, similar, recommend.

Each takes one pinned engine for the whole request, so that hits, names and versions of an answer belong together
whatever is published meanwhile.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from jobsearch.comparison import compare
from jobsearch.engine import JobSearch
from jobsearch.errors import QueryError
from jobsearch.filters import Filter
from jobsearch.reporting import comparison_record, encoder_record, index_record, search_record
from jobsearch.service import requests as ask
from jobsearch.service import responses as give
from jobsearch.service.context import Context
from jobsearch.service.errors import ServiceError
from jobsearch.service.limits import check_each, check_text, check_texts, hits_wanted
from jobsearch.service.settings import Settings

Documented = dict[int | str, dict[str, Any]]
_UNKNOWN: Documented = {404: {"model": give.ErrorAnswer, "description": "The index holds no such concept."}}
_NOT_HERE: Documented = {
    409: {
        "model": give.ErrorAnswer,
        "description": "This index cannot be filtered so: no such language, or no ISCO groups.",
    }
}
_NO_PAIR: Documented = {
    409: {"model": give.ErrorAnswer, "description": "There is one encoder only, or the other could not be opened."},
    503: {
        "model": give.ErrorAnswer,
        "description": "The two encoders are still being prepared (`comparison_loading`), or as everywhere.",
    },
}


def index_routes(context: Context) -> APIRouter:
    """Return the routes, over the engines of one application."""
    router = APIRouter(tags=["search"])
    settings, state, metrics = context.settings, context.state, context.metrics

    @router.get("/search", response_model=give.SearchAnswer, operation_id="search_by_address", responses=_NOT_HERE)
    async def search_by_address(asked: Annotated[ask.SearchParameters, Query()]) -> Response:
        """Find the concepts nearest to a query; for the browser's address bar and for curl."""
        return await _search(ask.SearchRequest(query=asked.q, **asked.model_dump(exclude={"q"})))

    @router.post("/search", response_model=give.SearchAnswer, operation_id="search", responses=_NOT_HERE)
    async def search(asked: ask.SearchRequest) -> Response:
        """Find the concepts nearest to a query."""
        return await _search(asked)

    async def _search(asked: ask.SearchRequest) -> Response:
        check_text(settings, "query", asked.query)
        engine = state.pinned()
        k, where = hits_wanted(settings, asked.k, engine, asked.kind), _filter(settings, engine, asked)

        def work() -> dict[str, Any]:
            hits = engine.search(asked.query, k, asked.kind, where, asked.mode)
            metrics.texts(1)
            return search_record(engine.opened, asked.query, hits)

        return await context.answer(work, engine)

    @router.post("/search/batch", response_model=give.BatchAnswer, operation_id="search_batch", responses=_NOT_HERE)
    async def search_batch(asked: ask.BatchRequest) -> Response:
        """Find the concepts nearest to each of many queries."""
        check_texts(settings, "queries", asked.queries)
        engine = state.pinned()
        k, where = hits_wanted(settings, asked.k, engine, asked.kind), _filter(settings, engine, asked)

        def work() -> dict[str, Any]:
            found = engine.search_many(asked.queries, k, asked.kind, where, asked.mode)
            metrics.texts(len(asked.queries))
            results = zip(asked.queries, found, strict=True)
            return {"results": [search_record(engine.opened, query, hits) for query, hits in results]}

        return await context.answer(work, engine)

    if settings.compare:

        @router.post("/compare", response_model=give.CompareAnswer, operation_id="compare", responses=_NO_PAIR)
        async def compare_encoders(asked: ask.CompareRequest) -> Response:
            """Ask the base and the tuned encoder the same query, and show how the hits moved."""
            check_text(settings, "query", asked.query)
            base, tuned = (engine.snapshot() for engine in state.pair)
            k = hits_wanted(settings, asked.k, base, asked.kind)

            def work() -> dict[str, Any]:
                (one,) = compare(base, tuned, [asked.query], k, asked.kind)
                metrics.texts(2)
                return comparison_record(base.opened, tuned.opened, one)

            return await context.answer(work, base, tuned)

    @router.post("/embed", response_model=give.EmbedAnswer, operation_id="embed")
    async def embed(asked: ask.EmbedRequest) -> Response:
        """Embed texts with the index's encoder: float32 values, rows of unit length."""
        check_texts(settings, "texts", asked.texts)
        engine = state.pinned()

        def work() -> dict[str, Any]:
            vectors = engine.embed(asked.texts)
            metrics.texts(len(asked.texts))
            return {**_names(engine), "dim": engine.opened.encoder.dim, "embeddings": vectors.tolist()}

        return await context.answer(work, engine)

    @router.post("/similar", response_model=give.SimilarAnswer, operation_id="similar", responses=_UNKNOWN | _NOT_HERE)
    async def similar(asked: ask.SimilarRequest) -> Response:
        """Find the concepts nearest to a concept."""
        check_text(settings, "uri", asked.uri)
        engine = state.pinned()
        where = _filter(settings, engine, asked)

        def work() -> dict[str, Any]:
            own = _kind(engine, asked.uri)
            k = hits_wanted(settings, asked.k, engine, asked.kind or own)
            hits = engine.similar(asked.uri, k, asked.kind, where)
            return {"uri": asked.uri, **_names(engine), "hits": [hit.to_dict() for hit in hits]}

        return await context.answer(work, engine)

    @router.post("/recommend", response_model=give.RecommendAnswer, operation_id="recommend", responses=_NOT_HERE)
    async def recommend(asked: ask.RecommendRequest) -> Response:
        """Recommend skills for a title, or titles for skills (give one of the two)."""
        engine = state.pinned()
        where = _filter(settings, engine, asked)
        title = asked.title if isinstance(asked, ask.SkillsRequest) else None
        skills = asked.skills if isinstance(asked, ask.TitlesRequest) else None
        if title is not None:
            check_text(settings, "title", title)
            k = hits_wanted(settings, asked.k, engine, "skill")
        else:
            check_texts(settings, "skills", skills or [])
            k = hits_wanted(settings, asked.k, engine, "occupation")

        def work() -> dict[str, Any]:
            if title is not None:
                found = engine.recommend_skills(title, k, where)
            else:
                found = engine.recommend_titles(skills or [], k, where)
            metrics.texts(len(skills or [title]))
            told = [one.to_dict() for one in found]
            return {"title": title, "skills": skills, **_names(engine), "recommendations": told}

        return await context.answer(work, engine)

    return router


def _names(engine: JobSearch) -> dict[str, Any]:
    return {"index": index_record(engine.opened), "encoder": encoder_record(engine.opened)}


def _filter(settings: Settings, engine: JobSearch, asked: Any) -> Filter | None:
    """Return the filter of a request, or None where it asks for none.

    Raises:
        ServiceError: a URI is too long (422), or the index has nothing of what the filter is about (409).
    """
    check_each(settings, "allowed", asked.allowed or [])
    check_each(settings, "excluded", asked.excluded)
    labels = engine.opened.labels
    if asked.language is not None and asked.language not in labels.languages:
        there = ", ".join(labels.languages)
        message = f"language is {asked.language!r}, this index has {there}; name one of these, or leave it out"
        raise ServiceError(409, "not_in_index", message)
    if asked.isco is not None and not labels.has_isco:
        message = f"isco is {asked.isco!r}, this index knows no ISCO groups; leave it out, or serve an index that is "
        raise ServiceError(409, "not_in_index", message + "built from the official bundle (`jobsearch esco import`)")
    where = Filter(asked.isco, asked.language, asked.allowed, asked.excluded, asked.min_score)
    return None if where == Filter() else where


def _kind(engine: JobSearch, uri: str) -> str:
    """Return the kind of a concept.

    Raises:
        ServiceError: the index does not hold it (404).
    """
    try:
        return engine.concept(uri).kind
    except QueryError as error:
        raise ServiceError(404, "unknown_concept", str(error)) from None
