"""Digest feeds: one item for each day or week that is over, with what was published in it. Its id says which day it was.

A day ends at midnight where the publication is, a week with the day before its `weekly_on`. An item is there when its time is
over, so that no reader sees it grow; a correction or a withdrawal changes it in place. The archive is cut between two of them.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from syndication import locales
from syndication.content import EntryContent, PublishedNotice
from syndication.feeds.archives import Key, Link, beyond, newest_page
from syndication.feeds.describing import describe
from syndication.feeds.scope import in_scope
from syndication.feeds.showing import feed_view
from syndication.feeds.view import FeedView, ItemView, clean, direction, entry_url, summary_of
from syndication.feeds.words import words
from syndication.ledger import notices
from syndication.ledger.content import Entry, Feed, FeedPage, Publication
from syndication.ledger.lookup import content_of

BRIEF_LINES = 20  # entries of an item that is too long for a feed
_AFTER_ALL = 10**17  # more than any entry's id


def begin_of(moment: datetime, digest: str, zone: ZoneInfo, weekly_on: str) -> date:
    """The day with which the day or week of a moment begins there."""
    day = moment.astimezone(zone).date()
    if digest == "daily":
        return day
    return day - timedelta(days=(day.weekday() - locales.WEEKDAYS.index(weekly_on)) % 7)


def end_of(begin: date, digest: str, zone: ZoneInfo) -> datetime:
    """The instant at which it is over."""
    return datetime.combine(begin + timedelta(days=1 if digest == "daily" else 7), time(), zone)


def bound(begin: date, digest: str, zone: ZoneInfo) -> Key:
    """Where a day or week ends among the keys of entries: after all of its own, before all later ones."""
    return Key(end_of(begin, digest, zone) - timedelta(microseconds=1), _AFTER_ALL + begin.toordinal())


def bounds(session: Session, publication: Publication, feed: Feed) -> list[Key]:
    """Of each that has something in it, the oldest first. Reads dates only."""
    return [
        bound(begin, feed.digest, ZoneInfo(publication.timezone)) for begin in _begins(session, publication, feed, [])
    ]


def tail(session: Session, publication: Publication, feed: Feed, page: FeedPage | None, now: datetime) -> list[date]:
    """The days with which those begin that are over, have something in them and lie beyond a page, the newest first."""
    zone = ZoneInfo(publication.timezone)
    begins = _begins(session, publication, feed, beyond(page))[::-1]
    return [begin for begin in begins if end_of(begin, feed.digest, zone) <= now]


def within(session: Session, publication: Publication, feed: Feed, page: FeedPage) -> list[date]:
    """Those that a page of the archive shows, the newest first."""
    bounds = [Entry.published_at <= page.upto_at, *beyond(newest_page(session, feed, page))]
    return _begins(session, publication, feed, bounds)[::-1]


def _begins(session: Session, publication: Publication, feed: Feed, where: Sequence[ColumnElement[bool]]) -> list[date]:
    zone = ZoneInfo(publication.timezone)
    stamps = _stamps(session, feed, where)
    return sorted({begin_of(at, feed.digest, zone, publication.weekly_on) for at in stamps})


def _stamps(
    session: Session, feed: Feed, where: Sequence[ColumnElement[bool]], limit: int | None = None
) -> list[datetime]:
    query = select(Entry.published_at).where(in_scope(feed), Entry.state == "published", *where)
    query = query.order_by(Entry.published_at.desc(), Entry.id.desc()).limit(limit)
    return [at for at in session.scalars(query) if at is not None]


def digest_view(
    session: Session, publication: Publication, feed: Feed, base_url: str, begins: Sequence[date], older: Link | None
) -> FeedView:
    """A document of the feed that shows these days or weeks, the newest first."""
    found = items_of(session, publication, feed, base_url, begins)
    empty = feed_view(session, publication, feed, base_url, [], [], older)
    return replace(empty, items=tuple(found), updated=max((i.updated for i in found), default=publication.created_at))


def items_of(
    session: Session, publication: Publication, feed: Feed, base_url: str, begins: Sequence[date]
) -> list[ItemView]:
    """One item for each; what was withdrawn of it is gone, and its date says so."""
    if not begins:
        return []
    zone = ZoneInfo(publication.timezone)
    found = session.scalars(
        select(Entry)
        .where(
            in_scope(feed),
            Entry.state.in_(("published", "withdrawn")),
            Entry.published_at >= datetime.combine(min(begins), time(), zone),
            Entry.published_at < end_of(max(begins), feed.digest, zone),
        )
        .order_by(Entry.published_at, Entry.id)
    ).unique()
    by_begin: dict[date, list[Entry]] = {begin: [] for begin in begins}
    for entry in found:
        assert entry.published_at is not None
        by_begin.get(begin_of(entry.published_at, feed.digest, zone, publication.weekly_on), []).append(entry)
    notice = notices.current(session, publication.id, publication.language)
    home = describe(session, publication, feed, base_url).home_url
    return [_item(publication, feed, notice, by_begin[begin], base_url, home, begin) for begin in begins]


def due_at(session: Session, publication: Publication, feed: Feed, now: datetime) -> datetime | None:
    """When the present day or week is over, if there is something in it."""
    zone = ZoneInfo(publication.timezone)
    begin = begin_of(now, feed.digest, zone, publication.weekly_on)
    newest = next(iter(_stamps(session, feed, [], 1)), None)
    return end_of(begin, feed.digest, zone) if newest and newest >= datetime.combine(begin, time(), zone) else None


def _item(
    publication: Publication,
    feed: Feed,
    notice: PublishedNotice,
    entries: Sequence[Entry],
    base_url: str,
    home: str,
    begin: date,
) -> ItemView:
    language = publication.language
    end = end_of(begin, feed.digest, ZoneInfo(publication.timezone))
    contents = [
        (entry, content_of(entry.revision))
        for entry in entries
        if entry.revision is not None and entry.state == "published"
    ]
    said = words(language)
    when = locales.day(begin, language)
    title = clean(f"{publication.name}: {said.week_of.format(date=when) if feed.digest == 'weekly' else when}")
    url = f"{home}#{begin.isoformat()}"
    lines = [_line(entry, content, base_url, language) for entry, content in contents]
    whole = f'<p><a href="{html.escape(url)}">{html.escape(said.whole.format(title=title))}</a></p>'

    def fragment(pieces: Sequence[str]) -> str:
        body = "\n".join(pieces)
        return clean(f'<div lang="{language}" dir="{direction(language)}">\n{body}\n<hr>{notice.html}</div>')

    return ItemView(
        entry_id=0, id=f"tag:{publication.tag_authority},{publication.tag_date}:feed:{feed.minted}:{begin.isoformat()}",
        url=url, title=title, summary=clean("; ".join(content.title for _, content in contents)), content_html=fragment(lines),
        brief_html=fragment([*lines[:BRIEF_LINES], whole]), notice_text=notice.text, language=language, published=end,
        updated=max([end, *(entry.updated_at or end for entry in entries)]), authors=(), topics=(), related=(), image_url=None,
        licence_url=None,
    )  # fmt: skip


def _line(entry: Entry, content: EntryContent, base_url: str, around: str) -> str:
    language = content.language or around
    speaks = f' lang="{language}" dir="{direction(language)}"' if language != around else ""
    url = entry_url(base_url, entry.series.slug, entry.slug, content)
    by = ", ".join(author.name for author in content.authors)
    head = f'<h3><a href="{html.escape(url)}">{html.escape(content.title)}</a></h3>'
    byline = f"<p><em>{html.escape(' · '.join(filter(None, (entry.series.title, by))))}</em></p>"
    return f"<div{speaks}>{head}{byline}<p>{html.escape(summary_of(content))}</p></div>"
