"""What a feed is called, what it says of itself, and where it is: for the documents and for people's pages."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import locales
from syndication.feeds.naming import parsed
from syndication.feeds.view import feed_page_url, feed_url, series_url
from syndication.feeds.words import words
from syndication.ledger.content import Feed, Publication, Series


class About(NamedTuple):
    """`short` is the title without the publication's name; `home_url` the page about the same."""

    title: str
    short: str
    text: str
    home_url: str


def describe(session: Session, publication: Publication, feed: Feed, base_url: str) -> About:
    said = words(publication.language)
    everything = said.every_entry.format(publication=publication.name)
    home = f"{base_url}/" if feed.private or feed.kind == "all" else feed_page_url(base_url, feed.name)
    text = feed.description
    if feed.kind == "series":
        series = session.get_one(Series, feed.series_ids[0])
        short, text, home = series.title, series.description, series_url(base_url, series.slug)
    elif feed.kind in ("mark", "named"):
        short = _called(feed)
    elif feed.kind == "composed":
        short = _composed(session, publication, feed)
    else:
        short = publication.name
    of_all = short == publication.name
    title = short if of_all or feed.kind == "named" else f"{publication.name}: {short}"
    if feed.digest:
        title += f" · {said.daily if feed.digest == 'daily' else said.weekly}"
    return About(title, short, text or everything, home)


def address_of(feed: Feed, base_url: str, fmt: str) -> str:
    """Where a feed is fetched: a partner's at one address for all, known by their token; a private one's by its own."""
    if feed.kind == "scope":
        return f"{base_url}/partners/v1/feed.{fmt}"
    return f"{base_url}/feeds/private/{feed.name}.{fmt}" if feed.private else feed_url(base_url, feed.name, fmt)


def _called(feed: Feed) -> str:
    return locales.own_name(feed.title) if feed.name.startswith("in.") else feed.title


def _composed(session: Session, publication: Publication, feed: Feed) -> str:
    name = parsed(feed.name)
    parts = name.parts if name else ()
    found = session.execute(select(Series.slug, Series.title).where(Series.slug.in_(parts)))
    titles = {row.slug: row.title for row in found}
    for part in session.scalars(select(Feed).where(Feed.name.in_(parts), Feed.kind.in_(("mark", "named")))):
        titles[part.name] = _called(part)
    return ", ".join(publication.name if part == "all" else titles.get(part, part) for part in parts)
