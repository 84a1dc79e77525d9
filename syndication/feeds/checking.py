"""Ids stay: what was last served against what would be served now, for a change of host, names or settings."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.feeds.artifacts import render
from syndication.ledger.content import Artifact, Feed, Series
from syndication.ledger.lookup import the_publication


@dataclass(frozen=True, slots=True)
class Compared:
    """`reappear`: feed, old id and new id of each item that readers would show as new; `moved_feeds`: old address → new one;
    `moved_items`: how many items have another address and the same id, which readers do not mind."""

    feeds: int
    items: int
    reappear: list[list[str]]
    moved_feeds: dict[str, str]
    moved_items: int


def compare(session: Session, base_url: str, slugs: Mapping[str, str] | None = None) -> Compared:
    """Renders every feed that is not put together on demand as it would be now, with other `slugs` of series (old → new)
    where there are some, and keeps nothing."""
    with session.no_autoflush:
        return _compare(session, base_url, slugs or {})


def _compare(session: Session, base_url: str, slugs: Mapping[str, str]) -> Compared:
    publication = the_publication(session)
    reappear: list[list[str]] = []
    moved: dict[str, str] = {}
    items = moved_items = 0
    feeds = session.scalars(select(Feed).where(Feed.gone.is_(False), Feed.kind != "composed").order_by(Feed.id)).all()
    for series in session.scalars(select(Series).where(Series.slug.in_(slugs))):
        series.slug = slugs[series.slug]
    for feed in feeds:
        if feed.kind == "series":
            feed.name = slugs.get(feed.name, feed.name)
        stored = session.get(Artifact, (feed.id, "json"))
        if stored is None:
            continue
        was = orjson.loads(gzip.decompress(stored.gzip))
        forms = {form.format: form for form in render(session, publication, feed, base_url).forms}
        now = orjson.loads(gzip.decompress(forms["json"].gzip))
        if was["feed_url"] != now["feed_url"]:
            moved[was["feed_url"]] = now["feed_url"]
        known = {one["id"]: one for one in was["items"]}
        same = {_sameness(one): one["id"] for one in was["items"]}
        for one in now["items"]:
            items += 1
            if one["id"] in known:
                moved_items += one["url"] != known[one["id"]]["url"]
            elif _sameness(one) in same:  # it was there, under another id
                reappear.append([feed.name, same[_sameness(one)], one["id"]])
    return Compared(len(feeds), items, reappear, moved, moved_items)


def _sameness(one: dict[str, Any]) -> tuple[str, str]:
    """What an item is known by without its id: no two entries were published in one microsecond."""
    return one["date_published"], one["title"]


def in_words(found: Compared) -> str:
    lines = [f"{len(found.reappear)} items will reappear, of {found.items} in {found.feeds} feeds."]
    lines += [f"  {feed}: {old} becomes {new}" for feed, old, new in found.reappear]
    if found.moved_items:
        lines.append(f"{found.moved_items} items have another address and the same id: readers keep them as they are.")
    if found.moved_feeds:
        lines.append("Feeds move; an old host has to answer 301 (an old slug here does so by itself):")
        lines += [f"  {old} → {new}" for old, new in found.moved_feeds.items()]
    return "\n".join(lines)
