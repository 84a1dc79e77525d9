"""`/feeds/<name>/archive/…`: pages of a feed's archive (RFC 5005), rendered when asked for, cached for ever by who asked.

Guarantees: what is served is what the ledger says at this moment (a page that changed has another address, and its old one
leads there); bytes pass the gate; nothing is written. Pages of a private feed are at `/feeds/key/<key>/<name>/archive/…`, by a
key that only its own documents tell, and a wrong one is told from no feed by nothing.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict
from threading import Lock

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndication import clock
from syndication.feeds import archives
from syndication.feeds.artifacts import Rendered, render_page
from syndication.feeds.formats import FORMATS
from syndication.feeds.scope import present_name
from syndication.feeds.view import feed_url
from syndication.ledger.content import Feed, FeedPage, Publication
from syndication.web.conditional import SUFFIX, chosen_encoding, judged, said
from syndication.wiring import Wiring

FOR_EVER = "public, max-age=31536000, immutable"
_NO_STORE = {"cache-control": "no-store"}
_NOSNIFF = {"x-content-type-options": "nosniff"}
_FOR_ALL = {"cache-control": FOR_EVER, "access-control-allow-origin": "*", **_NOSNIFF}
_FOR_ONE = {"cache-control": "private, no-store", "referrer-policy": "no-referrer", **_NOSNIFF}  # a private feed's


def routes(wiring: Wiring) -> list[BaseRoute]:
    archive = Archive(wiring)
    places = ("/feeds/{name}/archive/{page}", "/feeds/key/{key}/{name}/archive/{page}")
    return [Route(place, archive.page, methods=["GET"]) for place in places]


class Archive:
    """One a process; keeps what it rendered, least recently asked for out first, in `settings.feed_cache_bytes`."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._lock = Lock()
        self._kept: OrderedDict[str, Rendered] = OrderedDict()
        self._size = 0

    def page(self, request: Request) -> Response:
        path = request.url.path
        wanted = archives.wanted(path)
        base_url = self._wiring.base_url
        with self._wiring.db.reading() as session:
            feed = page = None
            if wanted is not None:
                feed = session.scalars(select(Feed).where(Feed.name == wanted.feed)).first()
                feed = feed if feed is not None and archives.opens(feed, wanted.key) else None
            if feed is not None and wanted is not None:
                mine = select(FeedPage).where(FeedPage.feed_id == feed.id, FeedPage.upto_id == wanted.upto_id)
                page = session.scalars(mine).first()
            if feed is None and wanted is not None and not wanted.key and (now := present_name(session, wanted.feed)):
                return RedirectResponse(f"{base_url}/feeds/{now}/archive/{path.rpartition('/')[2]}", 301, _NO_STORE)
            if feed is None or page is None or wanted is None:
                return PlainTextResponse("There is no such page of an archive.\n", 404, _NO_STORE)
            if feed.gone:
                return PlainTextResponse("This feed has ended.\n", 410, {"cache-control": "public, max-age=3600"})
            if (wanted.epoch, wanted.generation) != (feed.epoch, page.generation):
                link = archives.Link(page.upto_id, page.generation)
                return RedirectResponse(archives.address(base_url, feed, link, wanted.format), 301, _NO_STORE)
            form = self._keep(path)
            if form is None:
                publication = session.get_one(Publication, feed.publication_id)
                form = self._keep(path, render_page(session, publication, feed, page, base_url, wanted.format))
        assert form is not None
        if wanted.key:
            return _answer(request, form, _FOR_ONE)
        links = f'<{base_url}{path}>; rel="self", <{feed_url(base_url, wanted.feed, wanted.format)}>; rel="current"'
        return _answer(request, form, _FOR_ALL | {"link": links})

    def _keep(self, path: str, form: Rendered | None = None) -> Rendered | None:
        """What is kept for the path; with `form`, keeps it."""
        with self._lock:
            if form is not None:
                before = self._kept.pop(path, None)
                self._size += _size(form) - (_size(before) if before else 0)
                self._kept[path] = form
                while self._size > self._wiring.settings.feed_cache_bytes and len(self._kept) > 1:
                    self._size -= _size(self._kept.popitem(last=False)[1])
            elif path in self._kept:
                self._kept.move_to_end(path)
            return self._kept.get(path)


def _size(form: Rendered) -> int:
    return len(form.gzip) + len(form.brotli)


def _answer(request: Request, form: Rendered, way: dict[str, str]) -> Response:
    encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
    etag = form.etag + SUFFIX[encoding]
    headers = {"etag": f'"{etag}"', "cache-control": way["cache-control"], "vary": "accept-encoding"}
    status = judged(etag, None, said(request.headers.raw), clock.now())
    if status:
        return Response(status_code=status, headers=headers if status == 304 else _NO_STORE)
    headers |= way
    if encoding:
        headers["content-encoding"] = encoding
    body = {"br": form.brotli, "gzip": form.gzip}.get(encoding) or gzip.decompress(form.gzip)
    media_type = f"{FORMATS[form.format].media_type}; charset=utf-8"
    return Response(body, headers=headers, media_type=media_type)
