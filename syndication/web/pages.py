"""Pages for people: the publication, a series, an entry. Each entry page passes the disclaimer's gate on its final bytes.

Nothing of a draft or a scheduled entry can be told from nothing at all. Pages are kept by path until the publication's number
moves on.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndication import locales
from syndication.errors import SyndicationError
from syndication.feeds.disclaimers import require_once
from syndication.feeds.view import direction, page_url, series_url
from syndication.ledger.lookup import the_publication
from syndication.web import shown
from syndication.web.conditional import names_tag
from syndication.web.words import words_for
from syndication.wiring import Wiring

KEPT_CHARACTERS = 20_000_000  # of pages, in one web process
CSP = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'; frame-src 'self'"
)
SECURITY = {
    "content-security-policy": CSP,
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
ROBOTS = """User-agent: *
Disallow: /confirm/
Disallow: /preferences/
Disallow: /unsubscribe/
Disallow: /issues/
Disallow: /partners/
"""
Look = Callable[[Session, str], shown.Shown | shown.Moved | shown.Elsewhere | shown.Withdrawn]


def page(wiring: Wiring, request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from a template that extends `web/layout.html`; the layout knows the publication where there is one."""
    return HTMLResponse(render(wiring, template, **context), status)


def render(wiring: Wiring, template: str, **context: Any) -> str:
    """`language` is that of the text a page shows; around it stand `said` (words), `day` (a date) in that language, or in
    English where we don't speak it: `page_language` is the one of the frame."""
    context.setdefault("publication", None)
    if context["publication"] is None:
        try:
            with wiring.db.reading() as session:
                context["publication"] = the_publication(session)
        except SyndicationError:
            context["publication"] = None
    owner = context["publication"]
    context.setdefault("language", owner.language if owner else "en")
    said = words_for(context["language"])
    known = context["language"].split("-")[0].lower() == said.language
    context.setdefault("page_language", context["language"] if known else said.language)
    context.setdefault("direction", direction(context["page_language"]))
    context.setdefault("base_url", wiring.base_url)
    context.setdefault("workbench", wiring.settings.shows_workbench)
    context.setdefault("said", said)
    context.setdefault("day", lambda moment: locales.day(moment, said.language))
    context.setdefault("direction_of", direction)
    return wiring.renderer.render(template, **context)


class Pages:
    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._kept: OrderedDict[str, tuple[int, str, str]] = OrderedDict()  # path → (seq, etag, html)
        self._size = 0
        self._lock = Lock()

    def home(self, request: Request) -> Response:
        return self._page(request, "/", "web/home.html", shown.home)

    def series(self, request: Request) -> Response:
        """A series, or with a number one of its further pages: in the path, so that files can stand for all of them."""
        slug = request.path_params["series"]
        number = _page_number(request.path_params.get("number", "1"))
        if number == 1 and "number" in request.path_params:
            return RedirectResponse(series_url(self._wiring.base_url, slug), 301)
        key = request.url.path
        return self._page(request, key, "web/series.html", lambda s, base: shown.series(s, base, slug, number))

    def entry(self, request: Request) -> Response:
        series, slug = request.path_params["series"], request.path_params["entry"]
        key = request.url.path
        return self._page(request, key, "web/entry.html", lambda s, base: shown.entry(s, base, series, slug))

    def moved(self, request: Request) -> Response:
        """Addresses without their last slash, for good."""
        names = list(request.path_params.values())
        address = page_url if len(names) == 2 else series_url
        return RedirectResponse(address(self._wiring.base_url, *names), 301)

    def _page(self, request: Request, key: str, template: str, look: Look) -> Response:
        with self._wiring.db.reading() as session:
            seq = the_publication(session).seq
            kept = self._kept.get(key)
            if kept is None or kept[0] != seq:
                found = look(session, self._wiring.base_url)
                if isinstance(found, shown.Moved):
                    return RedirectResponse(found.url, 301, headers={"cache-control": "public, max-age=3600"})
                if isinstance(found, shown.Elsewhere):
                    return RedirectResponse(found.url, 302, headers={"cache-control": "public, max-age=60"})
                if isinstance(found, shown.Withdrawn):
                    return self._withdrawn(request, found)
                html = render(self._wiring, template, **found.context)
                if found.notice_text:
                    require_once(html, found.notice_text, channel="web page", template=template, where=key)
                kept = (seq, hashlib.sha256(html.encode()).hexdigest()[:32], html)
                self._keep(key, kept)
        _, etag, html = kept
        headers = {"etag": f'"{etag}"', "cache-control": "public, max-age=60"}
        asked = request.headers.get("if-none-match")
        if asked and names_tag(asked, etag):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(html, headers=headers)

    def _withdrawn(self, request: Request, found: shown.Withdrawn) -> Response:
        return page(
            self._wiring,
            request,
            "web/message.html",
            410,
            heading=found.heading,
            text=found.text,
            language=found.language,
            series_title=found.series_title,
            series_url=found.series_url,
        )

    def _keep(self, key: str, made: tuple[int, str, str]) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = made
            self._size += len(made[2]) - (len(before[2]) if before else 0)
            while self._size > KEPT_CHARACTERS:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped[2])


def _page_number(text: str) -> int:
    """0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def routes(wiring: Wiring) -> list[BaseRoute]:
    pages = Pages(wiring)
    return [
        Route("/", pages.home),
        Route("/series/{series}/", pages.series),
        Route("/series/{series}/page/{number}/", pages.series),
        Route("/series/{series}/{entry}/", pages.entry),
        Route("/series/{series}", pages.moved),
        Route("/series/{series}/{entry}", pages.moved),
        Route("/robots.txt", lambda request: PlainTextResponse(ROBOTS)),
    ]
