"""`/feeds/` and `/feeds/<name>/`: for people, which feeds there are, what one shows, and how to put one's own together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.errors import NotFound
from syndication.feeds.describing import describe
from syndication.feeds.formats import FORMATS
from syndication.feeds.naming import DIGESTS, MOST_PARTS, PREFIX, parsed
from syndication.feeds.scope import in_scope, present_name
from syndication.feeds.view import feed_page_url, feed_url
from syndication.ledger.content import Entry, Feed, Publication
from syndication.ledger.lookup import the_publication
from syndication.web.pages import page
from syndication.web.shown import NEWEST, line
from syndication.wiring import Wiring

OFFERED = 500  # feeds on one page
_FRESH = {"cache-control": "public, max-age=60"}


def routes(wiring: Wiring) -> list[BaseRoute]:
    def overview(request: Request) -> Response:
        parts = request.query_params.getlist("part")[:MOST_PARTS]
        every = request.query_params.get("every", "")
        with wiring.db.reading() as session:
            publication = the_publication(session)
            groups = _groups(session, publication, wiring.base_url)
            known = {name for group in groups.values() for name, _ in group}
        chosen = "+".join(part for part in parts if part in known)
        name = parsed(f"{chosen}.{every}" if every in DIGESTS else chosen) if chosen else None
        answer = page(
            wiring, request, "web/feeds.html", publication=publication, groups=groups, chosen=set(parts), every=every,
            addresses=_addresses(wiring.base_url, str(name)) if name else {}, address=f"{wiring.base_url}/feeds/",
        )  # fmt: skip
        answer.headers.update(_FRESH)
        return answer

    def one(request: Request) -> Response:
        name = request.path_params["name"]
        with wiring.db.reading() as session:
            publication = the_publication(session)
            feed = session.scalars(select(Feed).where(Feed.name == name, Feed.private.is_(False))).first()
            if feed is None and (now := present_name(session, name)):
                return RedirectResponse(
                    feed_page_url(wiring.base_url, now), 301, {"cache-control": "public, max-age=3600"}
                )
            if feed is None or feed.gone:
                raise NotFound("there is no such feed", remedy="All of them stand at /feeds/.")
            about = describe(session, publication, feed, wiring.base_url)
            newest = session.scalars(
                select(Entry)
                .where(in_scope(feed), Entry.state == "published")
                .order_by(Entry.published_at.desc(), Entry.id.desc())
                .limit(feed.newest or NEWEST)
            ).unique()
            shown: dict[str, Any] = {
                "publication": publication,
                "about": about,
                "feed": feed.name,
                "entries": [line(publication, entry, wiring.base_url) for entry in newest],
            }
        answer = page(
            wiring, request, "web/feed.html", addresses=_addresses(wiring.base_url, name),
            address=feed_page_url(wiring.base_url, name), **shown,
        )  # fmt: skip
        answer.headers.update(_FRESH)
        return answer

    def moved(request: Request) -> Response:
        return RedirectResponse(f"{wiring.base_url}/feeds/", 301)

    return [Route("/feeds", moved), Route("/feeds/", overview), Route("/feeds/{name}/", one)]


def _addresses(base_url: str, name: str) -> dict[str, str]:
    return {fmt: feed_url(base_url, name, fmt) for fmt in FORMATS}


def _groups(session: Session, publication: Publication, base_url: str) -> dict[str, Sequence[tuple[str, str]]]:
    """Kind → (name, title) of each public feed, what single readers put together left out."""
    found = session.scalars(
        select(Feed)
        .where(Feed.private.is_(False), Feed.gone.is_(False), Feed.kind.in_(("series", "mark", "named")))
        .order_by(Feed.name)
        .limit(OFFERED)
    )
    kinds = {prefix: kind for kind, prefix in PREFIX.items()}
    groups: dict[str, list[Any]] = {"series": [], "named": [], "author": [], "topic": [], "language": []}
    for feed in found:
        kind = kinds[feed.name.partition(".")[0]] if feed.kind == "mark" else feed.kind
        groups[kind].append((feed.name, describe(session, publication, feed, base_url).short))
    return {kind: sorted(group, key=lambda pair: pair[1].casefold()) for kind, group in groups.items()}
