"""The web process: feeds go to a plain ASGI callable, everything else to Starlette's routes, one module a noun.

`create_app(wiring)` is what tests and `syndicate up` use; `application` is the factory for a server on its own
(`granian --interface asgi --factory syndication.web.app:application`).
"""

from __future__ import annotations

from importlib import import_module

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from syndication.rendering import SHIPPED
from syndication.web.feeds import Feeds, is_feed_path
from syndication.wiring import Wiring, open_wiring

NOUNS = ("subscriptions", "partners", "outbox", "workbench")  # each module gives `routes(wiring)`


def create_app(wiring: Wiring) -> ASGIApp:
    feeds = Feeds(wiring)
    routes: list[BaseRoute] = [Mount("/static", StaticFiles(directory=SHIPPED / "web" / "static"), name="static")]
    for noun in NOUNS:
        routes += import_module(f"syndication.web.{noun}").routes(wiring)
    rest = Starlette(routes=routes)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_feed_path(scope["path"]):
            await feeds(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


def application() -> ASGIApp:
    """The app as the settings of this process say."""
    return create_app(open_wiring())
