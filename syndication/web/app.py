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
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syndication.errors import SyndicationError
from syndication.logs import hide_in_access_log
from syndication.rendering import SHIPPED
from syndication.web.failures import failure
from syndication.web.feeds import Feeds, is_feed_path
from syndication.web.pages import SECURITY
from syndication.wiring import Wiring, wiring_of_a_process

NOUNS = (
    "archives",
    "private_feeds",
    "feed_pages",
    "hub",
    "issues",
    "subscriptions",
    "preferences",
    "partners",
    "outbox",
    "workbench",
    "reports",
    "health",
    "media",
    "pages",
)  # each module gives `routes(wiring)`


_SECURITY = [(name.encode(), value.encode()) for name, value in SECURITY.items()]


def create_app(wiring: Wiring) -> ASGIApp:
    feeds = Feeds(wiring)
    static = StaticFiles(directory=SHIPPED / "web" / "static")
    if wiring.settings.templates_dir:
        static.all_directories.insert(0, wiring.settings.templates_dir / "web" / "static")
    routes: list[BaseRoute] = [Mount("/static", static, name="static")]
    for noun in NOUNS:
        routes += import_module(f"syndication.web.{noun}").routes(wiring)

    def failed(request: Request, error: Exception) -> Response:
        return failure(wiring, request, error)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        """Starlette leaves out what is mounted; it begins and ends with us."""
        async with AsyncExitStack() as stack:
            for route in app.routes:
                if isinstance(route, Mount) and isinstance(route.app, Starlette):
                    await stack.enter_async_context(route.app.router.lifespan_context(route.app))
            yield

    handlers = {HTTPException: failed, SyndicationError: failed, Exception: failed}
    rest = Starlette(routes=routes, exception_handlers=handlers, lifespan=life)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http" and "\0" in scope["path"]
        ):  # PostgreSQL cannot even look for it; nothing has this name
            scope = {**scope, "path": scope["path"].replace("\0", "\N{REPLACEMENT CHARACTER}")}
        if scope["type"] == "http" and is_feed_path(scope["path"]):
            await feeds(scope, receive, send)
        else:
            await rest(scope, receive, guarded(send) if scope["type"] == "http" else send)

    return app


def guarded(send: Send) -> Send:
    """Adds the site's security headers where an answer has none of its own."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = {name.lower() for name, _ in message.get("headers", ())}
            message["headers"] = [*message.get("headers", ()), *((n, v) for n, v in _SECURITY if n not in said)]
        await send(message)

    return with_headers


def application() -> ASGIApp:
    """The app as the settings of this process say."""
    hide_in_access_log()
    return create_app(wiring_of_a_process())
