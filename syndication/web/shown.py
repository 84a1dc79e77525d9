"""What the pages show, read from the ledger as plain data: published entries only, in their order, with their neighbours."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from syndication.errors import NotFound
from syndication.feeds import view
from syndication.feeds.body import shown_body
from syndication.feeds.words import words
from syndication.ledger import notices
from syndication.ledger.content import Entry, Publication, Series
from syndication.ledger.lookup import content_of, the_publication

NEWEST = 20
A_PAGE = 50


@dataclass(frozen=True)
class Shown:
    """A template's context; `notice_text` is set where the page shows an entry and must carry the notice once."""

    context: dict[str, Any]
    notice_text: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """The publisher shows this entry itself."""

    url: str


@dataclass(frozen=True)
class Withdrawn:
    heading: str
    text: str


@dataclass(frozen=True)
class Line:
    """An entry in a list."""

    url: str
    title: str
    summary: str
    series: str
    series_url: str
    published: datetime
    authors: str
    language: str
    direction: str
    part: int | None = field(default=None)


def home(session: Session, base_url: str) -> Shown:
    publication = the_publication(session)
    counted = session.execute(
        select(Series, func.count(Entry.id))
        .join(Entry, (Entry.series_id == Series.id) & (Entry.state == "published"), isouter=True)
        .group_by(Series.id)
        .order_by(Series.title)
    )
    newest = session.scalars(
        select(Entry)
        .where(Entry.publication_id == publication.id, Entry.state == "published")
        .order_by(Entry.published_at.desc(), Entry.id.desc())
        .limit(NEWEST)
    )
    return Shown(
        {
            "publication": publication,
            "series": [
                {"title": s.title, "text": s.description, "url": view.series_url(base_url, s.slug), "count": n}
                for s, n in counted
            ],
            "entries": [_line(publication, e, base_url) for e in newest],
            "feed": "all",
            "feed_title": publication.name,
            "metadata": _json({
                "@context": "https://schema.org", "@type": "WebSite", "name": publication.name, "url": f"{base_url}/",
                "publisher": {"@type": "Organization", "name": publication.name, "url": publication.url},
            }),
        }
    )  # fmt: skip


def series(session: Session, base_url: str, slug: str, number: int) -> Shown:
    publication = the_publication(session)
    row = _series(session, slug)
    mine = (Entry.series_id == row.id, Entry.state == "published")
    total = session.scalar(select(func.count()).select_from(Entry).where(*mine)) or 0
    pages = max(1, -(-total // A_PAGE))
    if not 1 <= number <= pages:
        raise NotFound("there is no such page", remedy=f"The series has {pages} of them.")
    by_part = row.order == "part"
    order = (
        (Entry.part.is_(None), Entry.part, Entry.published_at, Entry.id)
        if by_part
        else (Entry.published_at.desc(), Entry.id.desc())
    )
    found = session.scalars(
        select(Entry).where(*mine).order_by(*order).limit(A_PAGE).offset((number - 1) * A_PAGE)
    ).all()
    first = (number - 1) * A_PAGE
    positions = [first + i + 1 if by_part else total - first - i for i in range(len(found))]
    address = view.series_url(base_url, row.slug)
    return Shown(
        {
            "publication": publication,
            "series": row,
            "entries": [
                _line(publication, e, base_url, e.part or (None if by_part else position))
                for e, position in zip(found, positions, strict=True)
            ],
            "page_number": number,
            "pages": pages,
            "address": address,
            "feed": row.slug,
            "feed_title": f"{publication.name}: {row.title}",
            "metadata": _json({
                "@context": "https://schema.org", "@type": "CreativeWorkSeries", "@id": address, "name": row.title,
                "description": row.description, "url": address, "inLanguage": publication.language,
                "publisher": {"@type": "Organization", "name": publication.name, "url": publication.url},
            }),
        }
    )  # fmt: skip


def entry(session: Session, base_url: str, series_slug: str, slug: str) -> Shown | Elsewhere | Withdrawn:
    publication = the_publication(session)
    row = _series(session, series_slug)
    found = session.scalars(select(Entry).where(Entry.series_id == row.id, Entry.slug == slug)).first()
    if found is None or found.revision is None or found.state not in ("published", "withdrawn"):
        raise NotFound("there is no such page", remedy="It may have moved; look through the series.")
    content = content_of(found.revision)
    if found.state == "withdrawn":
        when = found.withdrawn_at.strftime("%Y-%m-%d") if found.withdrawn_at else ""
        return Withdrawn(f"“{content.title}” was withdrawn on {when}", found.withdrawn_reason)
    if not publication.pages and content.canonical_url:
        return Elsewhere(content.canonical_url)
    language = content.language or publication.language
    notice = notices.current(session, publication.id, language)
    address = view.entry_url(base_url, row.slug, found.slug, content)
    said = words(language)
    position, before, after = _place(session, row, found)
    return Shown(
        {
            "publication": publication,
            "series": row,
            "series_url": view.series_url(base_url, row.slug),
            "content": content,
            "body": view.clean(shown_body(content.body_html, base_url)),
            "summary": view.summary_of(content),
            "notice": notice,
            "notes": [*content.notes, *([row.note] if row.note else [])],
            "mark": said.numbered.format(part=position) if position else said.plain,
            "more": said.more,
            "published": _local(publication, found.published_at),
            "updated": _local(publication, found.updated_at) if found.revision.number > 1 else None,
            "before": _line(publication, before, base_url) if before else None,
            "after": _line(publication, after, base_url) if after else None,
            "address": address,
            "language": language,
            "direction": view.direction(language),
            "feed": row.slug,
            "feed_title": f"{publication.name}: {row.title}",
            "metadata": _article(publication, row, found, base_url, address, language, position),
        },
        notice_text=notice.text,
    )


def _article(
    publication: Publication, row: Series, found: Entry, base_url: str, address: str, language: str, position: int
) -> str:
    content = content_of(found.revision)  # type: ignore[arg-type]  # a published entry has one
    record: dict[str, Any] = {
        "@context": "https://schema.org", "@type": "NewsArticle", "@id": address, "headline": content.title[:110],
        "description": view.summary_of(content), "inLanguage": language, "url": address,
        "datePublished": found.published_at.isoformat() if found.published_at else None,
        "dateModified": found.updated_at.isoformat() if found.updated_at else None,
        "author": [{"@type": "Person", "name": a.name, **({"url": a.url} if a.url else {})} for a in content.authors]
        or [{"@type": "Organization", "name": publication.name}],
        "publisher": {"@type": "Organization", "name": publication.name, "url": publication.url},
        "isPartOf": {"@type": "CreativeWorkSeries", "@id": view.series_url(base_url, row.slug), "name": row.title},
        "position": position or None,
    }  # fmt: skip
    if content.images:
        record["image"] = [f"{base_url}/media/{image.name}" for image in content.images]
    if content.licence_url:
        record["license"] = content.licence_url
    return _json(record)


def _place(session: Session, row: Series, found: Entry) -> tuple[int, Entry | None, Entry | None]:
    """(part number, the entry before, the entry after) in the order in which a series is read."""
    mine = (Entry.series_id == row.id, Entry.state == "published")
    if row.order == "part" and found.part is not None:
        at = (Entry.part, Entry.id)
        values = (found.part, found.id)
    else:
        at = (Entry.published_at, Entry.id)  # type: ignore[assignment]  # a date here, a number above
        values = (found.published_at, found.id)  # type: ignore[assignment]

    def beside(earlier: bool) -> Entry | None:
        first, second = at
        condition: ColumnElement[bool] = (
            or_(first < values[0], (first == values[0]) & (second < values[1]))
            if earlier
            else or_(first > values[0], (first == values[0]) & (second > values[1]))
        )
        order = (first.desc(), second.desc()) if earlier else (first, second)
        return session.scalars(select(Entry).where(*mine, condition).order_by(*order).limit(1)).first()

    earlier = or_(at[0] < values[0], (at[0] == values[0]) & (at[1] <= values[1]))
    count = session.scalar(select(func.count()).select_from(Entry).where(*mine, earlier)) or 0
    return found.part or (0 if row.order == "part" else count), beside(earlier=True), beside(earlier=False)


def _series(session: Session, slug: str) -> Series:
    found = session.scalars(select(Series).where(Series.slug == slug)).first()
    if found is None:
        raise NotFound("there is no such page", remedy="Look through the series on the front page.")
    return found


def _line(publication: Publication, found: Entry, base_url: str, part: int | None = None) -> Line:
    content = content_of(found.revision)  # type: ignore[arg-type]  # a published entry has one
    language = content.language or publication.language
    return Line(
        url=view.page_url(base_url, found.series.slug, found.slug)
        if publication.pages or not content.canonical_url
        else content.canonical_url,
        title=content.title,
        summary=view.summary_of(content),
        series=found.series.title,
        series_url=view.series_url(base_url, found.series.slug),
        published=_local(publication, found.published_at),  # type: ignore[arg-type]
        authors=", ".join(a.name for a in content.authors),
        language=language,
        direction=view.direction(language),
        part=part,
    )


def _local(publication: Publication, moment: datetime | None) -> datetime | None:
    """A date as the publication's town writes it: a midnight there is not the day before."""
    return moment.astimezone(ZoneInfo(publication.timezone)) if moment else None


def _json(record: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return (
        json.dumps(record, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    )
