"""The partner API at /partners: feeds and changes of a partner's own series, by Bearer, Basic or capability address.

Routes alone: `web.partner_door` says who may pull and puts it on record, `web.partner_answers` makes the answers,
`web.partner_words` describes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import BaseRoute, Mount

from syndication import __version__
from syndication.errors import SyndicationError
from syndication.feeds.formats import FORMATS
from syndication.ledger.tables import Partner
from syndication.partners.pulls import PullLog
from syndication.web import partner_words as words
from syndication.web.pages import page
from syndication.web.partner_answers import BY_TOKEN, SECRET, Answers, refused
from syndication.web.partner_door import Door, recorded
from syndication.wiring import Wiring

Endpoint = Callable[..., Response]


def _by_token(request: Request) -> Partner:
    door: Door = request.app.state.door
    return door.by_token(request)


def _by_capability(request: Request, secret: str) -> Partner:
    door: Door = request.app.state.door
    return door.by_capability(request, secret)


# FastAPI reads annotations by their names in the module.
ByToken = Annotated[Partner, Depends(_by_token)]
ByCapability = Annotated[Partner, Depends(_by_capability)]
Format = Annotated[str, Path(description=words.FORMAT, json_schema_extra={"enum": [*FORMATS]})]
Cursor = Annotated[int, Query(ge=0, le=2**62, description=words.CURSOR)]
PageSize = Annotated[int, Query(ge=1, le=100, description=words.LIMIT)]
Slug = Annotated[str, Query(max_length=200, description=words.SERIES)]
Ref = Annotated[str, Path(description=words.REF)]


def routes(wiring: Wiring) -> list[BaseRoute]:
    return [Mount("/partners", app=create_api(wiring))]


def create_api(wiring: Wiring) -> FastAPI:
    """The API as an app of its own; `state.pulls` is its account, which its lifespan closes."""
    log, answers = PullLog(wiring.db), Answers(wiring)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        log.close()

    api = FastAPI(
        title=words.TITLE, description=words.INTRODUCTION, version=__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False, lifespan=life, servers=[{"url": f"{wiring.base_url}/partners"}],
        root_path_in_servers=False,
    )  # fmt: skip
    api.state.pulls, api.state.door = log, Door(wiring)
    api.router.route_class = recorded(log)
    for kind in (HTTPException, RequestValidationError, SyndicationError, SQLAlchemyError):
        api.add_exception_handler(kind, refused)

    def get(path: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
        """GET, and HEAD beside it, which the description need not repeat."""

        def add(endpoint: Endpoint) -> Endpoint:
            api.add_api_route(path, endpoint, methods=["GET"], **described)
            api.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
            return endpoint

        return add

    @get("/v1/feed.{fmt}", **words.FEED)
    def feed(request: Request, partner: ByToken, fmt: Format) -> Response:
        return answers.feed(request, partner, BY_TOKEN, fmt)

    @get("/v1/entries", **words.CHANGES)
    def entries(
        request: Request, partner: ByToken, cursor: Cursor = 0, limit: PageSize = 50, series: Slug = ""
    ) -> Response:
        return answers.entries(request, partner, BY_TOKEN, cursor, limit, series)

    @get("/v1/entries/{ref}", **words.ENTRY)
    def entry(request: Request, partner: ByToken, ref: Ref) -> Response:
        return answers.entry(request, partner, BY_TOKEN, ref)

    @get("/c/{secret}/feed.{fmt}", include_in_schema=False)
    def capability_feed(request: Request, partner: ByCapability, fmt: Format) -> Response:
        return answers.feed(request, partner, SECRET, fmt)

    @get("/c/{secret}/entries", include_in_schema=False)
    def capability_entries(
        request: Request, partner: ByCapability, cursor: Cursor = 0, limit: PageSize = 50, series: Slug = ""
    ) -> Response:
        return answers.entries(request, partner, SECRET, cursor, limit, series)

    @get("/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        return page(wiring, request, "web/partners/docs.html", language="en", **words.shown(api.openapi()))

    @get("/", include_in_schema=False)
    def front() -> Response:
        return RedirectResponse(f"{wiring.base_url}/partners/docs", 303)

    api.openapi = words.completed(api.openapi)  # type: ignore[method-assign]  # FastAPI's own way of adding to it
    return api
