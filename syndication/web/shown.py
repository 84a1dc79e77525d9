"""What the pages show, read from the ledger as plain data: published entries only, in their order, with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from syndication import locales
from syndication.content import Image
from syndication.errors import NotFound
from syndication.feeds import view
from syndication.feeds.body import as_uri
from syndication.feeds.words import words
from syndication.ledger import former, notices
from syndication.ledger.content import Entry, Publication, Series
from syndication.ledger.lookup import content_of, the_publication
from syndication.web import metadata
from syndication.web.article import page_body
from syndication.web.words import words_for

NEWEST = 20
A_PAGE = 50
NO_PART = 1_000_000  # more than any part that a document can have


@dataclass(frozen=True)
class Shown:
    """A template's context; `notice_text` is set where the page shows an entry and must carry the notice once."""

    context: dict[str, Any]
    notice_text: str = ""


@dataclass(frozen=True)
class Moved:
    """The series or the entry has another slug now."""

    url: str


@dataclass(frozen=True)
class Elsewhere:
    """The publisher shows this entry itself."""

    url: str


@dataclass(frozen=True)
class Withdrawn:
    """`heading` is said in the entry's `language`; `series_url` and `series_title` lead on from here."""

    heading: str
    text: str
    language: str
    series_title: str
    series_url: str


@dataclass(frozen=True)
class Line:
    """An entry in a list. `image` is an address or empty."""

    url: str
    title: str
    summary: str
    series: str
    series_url: str
    published: date
    authors: str
    language: str
    image: str = ""
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
            "language": publication.language,
            "series": [
                {"title": s.title, "text": s.description, "url": view.series_url(base_url, s.slug), "count": n}
                for s, n in counted
            ],
            "entries": [line(publication, e, base_url) for e in newest],
            "address": f"{base_url}/",
            "feed": "all",
            "feed_title": publication.name,
            "metadata": metadata.website(publication.name, f"{base_url}/", publication.language, _owner(publication)),
        }
    )


def series(session: Session, base_url: str, slug: str, number: int) -> Shown | Moved:
    publication = the_publication(session)
    row = _series(session, slug)
    if row.slug != slug:
        return Moved(view.series_url(base_url, row.slug) + (f"page/{number}/" if number > 1 else ""))
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
    lines = [
        line(publication, e, base_url, e.part or (None if by_part else position))
        for e, position in zip(found, positions, strict=True)
    ]
    return Shown(
        {
            "publication": publication,
            "language": publication.language,
            "series": row,
            "entries": lines,
            "page_number": number,
            "pages": pages,
            "address": address,
            "feed": row.slug,
            "feed_title": f"{publication.name}: {row.title}",
            "metadata": metadata.series(
                row.title, row.description, address, publication.language, _owner(publication), [e.url for e in lines]
            ),
        }
    )


def entry(session: Session, base_url: str, series_slug: str, slug: str) -> Shown | Moved | Elsewhere | Withdrawn:
    publication = the_publication(session)
    row = _series(session, series_slug)
    found = former.entry_at(session, row.id, slug)
    present = (row.slug, found.slug if found is not None else slug)
    if present != (series_slug, slug):
        return Moved(view.page_url(base_url, *present))
    if found is None or found.revision is None or found.state not in ("published", "withdrawn"):
        raise NotFound("there is no such page", remedy="It may have moved; look through the series.")
    content = content_of(found.revision)
    language = content.language or publication.language
    said, around = words(language), words_for(language)
    if found.state == "withdrawn":
        when = locales.day(_local(publication, found.withdrawn_at), around.language) if found.withdrawn_at else "?"
        heading = around.withdrawn.format(title=content.title, date=when)
        series_address = view.series_url(base_url, row.slug)
        return Withdrawn(heading, found.withdrawn_reason, language, row.title, series_address)
    if not publication.pages and content.canonical_url:
        return Elsewhere(as_uri(content.canonical_url))
    notice = notices.current(session, publication.id, language)
    address = view.entry_url(base_url, row.slug, found.slug, content)
    position, before, after = _place(session, row, found)
    summary = view.summary_of(content)
    images = [_address(base_url, image) for image in content.images]
    return Shown(
        {
            "publication": publication,
            "series": row,
            "series_url": view.series_url(base_url, row.slug),
            "content": content,
            "body": page_body(content.body_html, around.table),
            "summary": summary,
            "image": images[0] if images else "",
            "image_alt": content.images[0].alt if images else "",
            "notice": notice,
            "notes": [*content.notes, *([row.note] if row.note else [])],
            "mark": said.numbered.format(part=position) if position else said.plain,
            "more": said.more,
            "published": _local(publication, found.published_at or found.created_at),
            "updated": _local(publication, found.updated_at)
            if found.updated_at and found.revision.number > 1
            else None,
            "correction": found.revision.summary if found.revision.number > 1 else "",
            "before": line(publication, before, base_url) if before else None,
            "after": line(publication, after, base_url) if after else None,
            "address": address,
            "language": language,
            "feed": row.slug,
            "feed_title": f"{publication.name}: {row.title}",
            "metadata": metadata.article(
                content, address=address, summary=summary, language=language, published=found.published_at,
                updated=found.updated_at, owner=_owner(publication), series_title=row.title,
                series_address=view.series_url(base_url, row.slug), position=position, images=images,
            ),
        },
        notice_text=notice.text,
    )  # fmt: skip


def _place(session: Session, row: Series, found: Entry) -> tuple[int, Entry | None, Entry | None]:
    """(part number or 0, the entry before, the entry after) in the order in which a series is read: by part, those without
    a part last, or by date."""
    by_part = row.order == "part"
    order: list[Any] = [Entry.published_at, Entry.id]
    here: list[Any] = [found.published_at, found.id]
    if by_part:
        order.insert(0, func.coalesce(Entry.part, NO_PART))
        here.insert(0, NO_PART if found.part is None else found.part)
    mine = (Entry.series_id == row.id, Entry.state == "published")
    before, after = _beyond(order, here, earlier=True), _beyond(order, here, earlier=False)
    backwards = [column.desc() for column in order]
    position = found.part or 0
    if not position and not by_part:
        position = 1 + (session.scalar(select(func.count()).select_from(Entry).where(*mine, before)) or 0)
    return (
        position,
        session.scalars(select(Entry).where(*mine, before).order_by(*backwards).limit(1)).first(),
        session.scalars(select(Entry).where(*mine, after).order_by(*order).limit(1)).first(),
    )


def _beyond(order: list[Any], here: list[Any], *, earlier: bool) -> ColumnElement[bool]:
    """What comes before or after `here` in the lexical order of some columns."""
    steps = []
    for i, (column, value) in enumerate(zip(order, here, strict=True)):
        same = [c == v for c, v in zip(order[:i], here[:i], strict=True)]
        steps.append(and_(*same, column < value if earlier else column > value))
    return or_(*steps)


def _series(session: Session, slug: str) -> Series:
    found = former.series_at(session, slug)
    if found is None:
        raise NotFound("there is no such page", remedy="Look through the series on the front page.")
    return found


def line(publication: Publication, found: Entry, base_url: str, part: int | None = None) -> Line:
    content = content_of(found.revision)  # type: ignore[arg-type]  # a published entry has one
    return Line(
        url=view.page_url(base_url, found.series.slug, found.slug)
        if publication.pages or not content.canonical_url
        else as_uri(content.canonical_url),
        title=content.title,
        summary=view.summary_of(content),
        series=found.series.title,
        series_url=view.series_url(base_url, found.series.slug),
        published=_local(publication, found.published_at or found.created_at),
        authors=", ".join(a.name for a in content.authors),
        language=content.language or publication.language,
        image=_address("", content.images[0]) if content.images else "",
        part=part,
    )


def _owner(publication: Publication) -> metadata.Record:
    return metadata.publisher(publication.name, publication.url)


def _address(base_url: str, image: Image) -> str:
    return f"{base_url}/media/{image.name}"


def _local(publication: Publication, moment: datetime) -> datetime:
    """A date as the publication's town writes it: a midnight there is not the day before."""
    return moment.astimezone(ZoneInfo(publication.timezone))
