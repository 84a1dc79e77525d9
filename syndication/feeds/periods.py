"""Digest feeds: one item for each day or week that is over, with what was published in it. Its id says which day it was.

A day ends at midnight where the publication is, a week with the day before its `weekly_on`. An item is there when its time is
over, so that no reader sees it grow; a correction or a withdrawal changes it in place.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import locales
from syndication.content import EntryContent, PublishedNotice
from syndication.feeds.describing import describe
from syndication.feeds.scope import in_scope
from syndication.feeds.view import ItemView, clean, direction, entry_url, summary_of
from syndication.feeds.words import words
from syndication.ledger import notices
from syndication.ledger.content import Entry, Feed, Publication
from syndication.ledger.lookup import content_of

ITEMS = 20
LOOKED_AT = 400  # entries, the newest


def begin_of(moment: datetime, digest: str, zone: ZoneInfo, weekly_on: str) -> date:
    """The day with which the day or week of a moment begins there."""
    day = moment.astimezone(zone).date()
    if digest == "daily":
        return day
    return day - timedelta(days=(day.weekday() - locales.WEEKDAYS.index(weekly_on)) % 7)


def end_of(begin: date, digest: str, zone: ZoneInfo) -> datetime:
    """The instant at which it is over."""
    return datetime.combine(begin + timedelta(days=1 if digest == "daily" else 7), time(), zone)


def items_of(session: Session, publication: Publication, feed: Feed, base_url: str, now: datetime) -> list[ItemView]:
    """The newest first. A time of which everything was withdrawn has none."""
    zone = ZoneInfo(publication.timezone)
    found = session.scalars(
        select(Entry)
        .where(in_scope(feed), Entry.state.in_(("published", "withdrawn")), Entry.published_at.is_not(None))
        .order_by(Entry.published_at.desc(), Entry.id.desc())
        .limit(LOOKED_AT)
    ).unique()
    by_begin: dict[date, list[Entry]] = {}
    for entry in found:
        assert entry.published_at is not None
        by_begin.setdefault(begin_of(entry.published_at, feed.digest, zone, publication.weekly_on), []).append(entry)
    notice = notices.current(session, publication.id, publication.language)
    home = describe(session, publication, feed, base_url).home_url
    items: list[ItemView] = []
    weekly = feed.digest == "weekly"
    for begin, entries in by_begin.items():
        end = end_of(begin, feed.digest, zone)
        shown = [entry for entry in entries if entry.state == "published"]
        if end <= now and shown and len(items) < ITEMS:
            tag = f"tag:{publication.tag_authority},{publication.tag_date}:feed:{feed.minted}:{begin.isoformat()}"
            updated = max(end, *(entry.updated_at or end for entry in entries))
            items.append(
                _item(
                    publication,
                    notice,
                    shown,
                    base_url,
                    tag,
                    f"{home}#{begin.isoformat()}",
                    begin,
                    end,
                    updated,
                    weekly,
                )
            )
    return items


def due_at(session: Session, publication: Publication, feed: Feed, now: datetime) -> datetime | None:
    """When the present day or week is over, if there is something in it."""
    zone = ZoneInfo(publication.timezone)
    begin = begin_of(now, feed.digest, zone, publication.weekly_on)
    newest = session.scalars(
        select(Entry.published_at)
        .where(in_scope(feed), Entry.state == "published")
        .order_by(Entry.published_at.desc())
        .limit(1)
    ).first()
    return end_of(begin, feed.digest, zone) if newest and newest >= datetime.combine(begin, time(), zone) else None


def _item(
    publication: Publication,
    notice: PublishedNotice,
    entries: Sequence[Entry],
    base_url: str,
    tag: str,
    url: str,
    begin: date,
    end: datetime,
    updated: datetime,
    weekly: bool,
) -> ItemView:
    language = publication.language
    contents = [(entry, content_of(entry.revision)) for entry in reversed(entries) if entry.revision is not None]
    said = words(language)
    when = locales.day(begin, language)
    title = clean(f"{publication.name}: {said.week_of.format(date=when) if weekly else when}")
    body = "\n".join(_line(entry, content, base_url, language) for entry, content in contents)
    fragment = clean(f'<div lang="{language}" dir="{direction(language)}">\n{body}\n<hr>{notice.html}</div>')
    return ItemView(
        entry_id=0, id=tag, url=url, title=title, summary=clean("; ".join(content.title for _, content in contents)),
        content_html=fragment, brief_html=fragment, notice_text=notice.text, language=language, published=end, updated=updated,
        authors=(), topics=(), related=(), image_url=None, licence_url=None,
    )  # fmt: skip


def _line(entry: Entry, content: EntryContent, base_url: str, around: str) -> str:
    language = content.language or around
    speaks = f' lang="{language}" dir="{direction(language)}"' if language != around else ""
    url = entry_url(base_url, entry.series.slug, entry.slug, content)
    by = ", ".join(author.name for author in content.authors)
    head = f'<h3><a href="{html.escape(url)}">{html.escape(content.title)}</a></h3>'
    byline = f"<p><em>{html.escape(' · '.join(filter(None, (entry.series.title, by))))}</em></p>"
    return f"<div{speaks}>{head}{byline}<p>{html.escape(summary_of(content))}</p></div>"
