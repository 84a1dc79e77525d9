"""Pages for people: the publication, a series, an entry. Each entry page passes the disclaimer's gate on its final bytes.

Nothing of a draft or a scheduled entry can be told from nothing at all. Pages are kept by path until the publication's number
moves on.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.errors import SyndicationError
from syndication.feeds.disclaimers import require_once
from syndication.feeds.view import direction
from syndication.ledger.lookup import the_publication
from syndication.web import shown
from syndication.web.conditional import names_tag
from syndication.wiring import Wiring

KEPT = 500  # pages
CSP = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'; frame-src 'self'"
)
SECURITY = {
    "content-security-policy": CSP,
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
    "permissions-policy": "interest-cohort=()",
}


def page(wiring: Wiring, request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from a template that extends `web/layout.html`; the layout knows the publication where there is one."""
    return HTMLResponse(render(wiring, template, **context), status, headers=dict(SECURITY))


def render(wiring: Wiring, template: str, **context: Any) -> str:
    context.setdefault("publication", None)
    if context["publication"] is None:
        try:
            with wiring.db.reading() as session:
                context["publication"] = the_publication(session)
        except SyndicationError:
            context["publication"] = None
    owner = context["publication"]
    context.setdefault("language", owner.language if owner else "en")
    context.setdefault("direction", direction(context["language"]))
    context.setdefault("base_url", wiring.base_url)
    context.setdefault("workbench", wiring.settings.shows_workbench)
    return wiring.renderer.render(template, **context)


class Pages:
    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._kept: OrderedDict[str, tuple[int, str, str]] = OrderedDict()  # path → (seq, etag, html)
        self._lock = Lock()

    def home(self, request: Request) -> Response:
        return self._page(request, "web/home.html", lambda session, base: shown.home(session, base))

    def series(self, request: Request) -> Response:
        number = request.query_params.get("page", "1")
        slug = request.path_params["series"]
        return self._page(
            request,
            "web/series.html",
            lambda session, base: shown.series(session, base, slug, int(number) if number.isdigit() else 1),
            key=f"{request.url.path}?{number}",
        )

    def entry(self, request: Request) -> Response:
        series, slug = request.path_params["series"], request.path_params["entry"]
        return self._page(request, "web/entry.html", lambda session, base: shown.entry(session, base, series, slug))

    def _page(self, request: Request, template: str, look: Any, key: str = "") -> Response:
        key = key or request.url.path
        with self._wiring.db.reading() as session:
            seq = the_publication(session).seq
            kept = self._kept.get(key)
            if kept is None or kept[0] != seq:
                found = look(session, self._wiring.base_url)
                if isinstance(found, shown.Elsewhere):
                    return RedirectResponse(found.url, 302, headers={"cache-control": "public, max-age=60"})
                if isinstance(found, shown.Withdrawn):
                    return page(
                        self._wiring, request, "web/message.html", status=410, heading=found.heading, text=found.text
                    )
                html = render(self._wiring, template, **found.context)
                if found.notice_text:
                    require_once(html, found.notice_text, channel="web page", template=template, where=key)
                kept = (seq, hashlib.sha256(html.encode()).hexdigest()[:32], html)
                with self._lock:
                    self._kept[key] = kept
                    while len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
        _, etag, html = kept
        headers = {**SECURITY, "etag": f'"{etag}"', "cache-control": "public, max-age=60"}
        asked = request.headers.get("if-none-match")
        if asked and names_tag(asked, etag):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(html, headers=headers)


def routes(wiring: Wiring) -> list[BaseRoute]:
    pages = Pages(wiring)
    return [
        Route("/", pages.home),
        Route("/series/{series}/", pages.series),
        Route("/series/{series}/{entry}/", pages.entry),
    ]
