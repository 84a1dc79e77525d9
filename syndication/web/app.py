"""The web process: feeds go to a plain ASGI callable, everything else to Starlette's routes, one module a noun.

`create_app(wiring)` is what tests and `syndicate up` use; `application` is the factory for a server on its own
(`granian --interface asgi --factory syndication.web.app:application`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from syndication.errors import BadInput, NotFound, SyndicationError
from syndication.rendering import SHIPPED
from syndication.web.feeds import Feeds, is_feed_path
from syndication.web.pages import page
from syndication.web.partner_door import hide_capabilities
from syndication.wiring import Wiring, wiring_of_a_process

NOUNS = (
    "hub",
    "issues",
    "subscriptions",
    "preferences",
    "partners",
    "outbox",
    "workbench",
    "health",
    "media",
    "pages",
)  # each module gives `routes(wiring)`


def create_app(wiring: Wiring) -> ASGIApp:
    feeds = Feeds(wiring)
    routes: list[BaseRoute] = [Mount("/static", StaticFiles(directory=SHIPPED / "web" / "static"), name="static")]
    for noun in NOUNS:
        routes += import_module(f"syndication.web.{noun}").routes(wiring)

    def failed(request: Request, error: Exception) -> Response:
        return _failed(wiring, request, error)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        """Starlette leaves out what is mounted; it begins and ends with us."""
        async with AsyncExitStack() as stack:
            for route in app.routes:
                if isinstance(route, Mount) and isinstance(route.app, Starlette):
                    await stack.enter_async_context(route.app.router.lifespan_context(route.app))
            yield

    rest = Starlette(routes=routes, exception_handlers={HTTPException: failed, SyndicationError: failed}, lifespan=life)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_feed_path(scope["path"]):
            await feeds(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


def application() -> ASGIApp:
    """The app as the settings of this process say."""
    hide_capabilities()
    return create_app(wiring_of_a_process())


def _failed(wiring: Wiring, request: Request, error: Exception) -> Response:
    """An error as a page: what is wrong and what to do, never a trace."""
    status, what, remedy = 500, "This cannot be shown.", ""
    if isinstance(error, HTTPException):
        status = error.status_code
        what = "There is no such page." if status == 404 else error.detail
    elif isinstance(error, NotFound | BadInput):
        status = 404 if isinstance(error, NotFound) else 400
        what, remedy = error.what.rstrip(";"), error.remedy
    answer = page(wiring, request, "web/message.html", status=status, heading=what, text=remedy)
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer
