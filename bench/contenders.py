"""What else serves a feed in Python: Django's syndication framework, and a view that runs feedgen at each request.

Both hold their entries in memory and ask no database, which favours them. `FEED_ITEMS` names a JSON file of entries.
"""

from __future__ import annotations

import gzip
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

BASE = "https://bench.example"


def _items() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(os.environ["FEED_ITEMS"]).read_text("utf-8"))
    return [{**item, "updated": datetime.fromisoformat(item["updated"])} for item in found]


def fastapi_app() -> Any:
    """FastAPI with gzip, feedgen at each request; for granian's asgi."""
    from fastapi import FastAPI, Response
    from feedgen.feed import FeedGenerator

    items, app = _items(), FastAPI()

    @app.get("/feed.atom")
    def feed() -> Response:
        made = FeedGenerator()
        made.id(f"{BASE}/")
        made.title("Bench")
        made.link(href=f"{BASE}/feed.atom", rel="self")
        made.updated(items[0]["updated"])
        for item in items:
            entry = made.add_entry(order="append")
            entry.id(item["id"])
            entry.title(item["title"])
            entry.link(href=f"{BASE}/{item['id']}")
            entry.updated(item["updated"])
            entry.content(item["html"], type="html")
        body = gzip.compress(made.atom_str(), 6)
        return Response(body, media_type="application/atom+xml", headers={"content-encoding": "gzip"})

    return app


def django_app() -> Any:
    """Django's syndication framework with its gzip and conditional middleware; for granian's wsgi."""
    import django
    from django.conf import settings
    from django.contrib.syndication.views import Feed
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path
    from django.utils.feedgenerator import Atom1Feed

    items = _items()

    class Atom(Atom1Feed):
        def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
            super().add_item_elements(handler, item)
            handler.addQuickElement("content", item["html"], {"type": "html"})

    class Entries(Feed):  # type: ignore[type-arg,misc]  # Django has no types
        feed_type = Atom
        title, link = "Bench", "/"

        def items(self) -> list[dict[str, Any]]:
            return items

        def item_title(self, item: dict[str, Any]) -> str:
            return str(item["title"])

        def item_link(self, item: dict[str, Any]) -> str:
            return f"{BASE}/{item['id']}"

        def item_updateddate(self, item: dict[str, Any]) -> datetime:
            moment: datetime = item["updated"]
            return moment

        def item_extra_kwargs(self, item: dict[str, Any]) -> dict[str, Any]:
            return {"html": item["html"]}

    settings.configure(
        ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, SECRET_KEY="bench",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.sites"], SITE_ID=1,
        MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", "django.middleware.http.ConditionalGetMiddleware"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )  # fmt: skip
    django.setup()
    from django.contrib.sites.models import SITE_CACHE, Site

    SITE_CACHE[1] = Site(id=1, domain="bench.example", name="Bench")  # what it would ask its database once
    globals()["urlpatterns"] = [path("feed.atom", Entries())]
    return WSGIHandler()
