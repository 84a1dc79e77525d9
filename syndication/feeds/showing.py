"""From the ledger to a feed's view: which entries a document shows, each with its notice, and what the feed says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import __version__
from syndication.content import PublishedNotice
from syndication.feeds import archives
from syndication.feeds.body import as_uri
from syndication.feeds.changes import Facts
from syndication.feeds.describing import address_of, describe
from syndication.feeds.formats import FORMATS
from syndication.feeds.scope import in_scope
from syndication.feeds.view import DeletedView, FeedView, ItemView, clean, hub_url, item_view, teaser
from syndication.ledger import notices
from syndication.ledger.content import Entry, Feed, Publication, Series
from syndication.ledger.lookup import content_of

DELETED = 50  # withdrawn entries that a partner's feed names


def feed_view(
    session: Session,
    publication: Publication,
    feed: Feed,
    base_url: str,
    entries: Sequence[Entry],
    mine: Sequence[Entry],
    older: archives.Link | None,
) -> FeedView:
    """A document of the feed that shows `entries` with their notices. `mine` are those whose dates the feed's own date must
    not be older than; `older` is the page to go on with."""
    stamps = [_last_change(session, feed)]
    found: dict[str, PublishedNotice] = {}  # by language: most entries share one
    older_urls = {fmt: archives.address(base_url, feed, older, fmt) for fmt in FORMATS} if older else {}
    about = describe(session, publication, feed, base_url)
    return FeedView(
        id=f"tag:{publication.tag_authority},{publication.tag_date}:feed:{feed.minted}",
        title=clean(about.title),
        description=clean(about.text),
        language=publication.language,
        home_url=about.home_url,
        self_urls={fmt: address_of(feed, base_url, fmt) for fmt in FORMATS},
        updated=max((s for s in (*stamps, *(e.updated_at for e in mine)) if s), default=publication.created_at),
        publisher=clean(publication.name),
        publisher_url=as_uri(publication.url),
        items=tuple(_shown(feed, item_of(session, publication, entry, base_url, found)) for entry in entries),
        hubs=() if feed.private else hubs_of(publication, base_url),
        older_urls=older_urls,
        complete=_is_complete(session, feed) and not older_urls,
        deleted=_deleted(session, feed) if feed.kind == "scope" else (),
    )


def _is_complete(session: Session, feed: Feed) -> bool:
    """Whether it is the feed of a series that has ended."""
    return feed.kind == "series" and session.get_one(Series, feed.series_ids[0]).ended


def facts_of(session: Session, publication: Publication, entries: Sequence[Entry], view: FeedView) -> Facts:
    """What a document is made of, to say later why it changed."""
    languages = {item.language for item in view.items}
    return Facts(
        entries={str(e.id): [e.revision.number, e.revision.title] for e in entries if e.revision is not None},
        notices={tag: notices.current(session, publication.id, tag).version for tag in sorted(languages)},
        frame={
            "the title": view.title,
            "the description": view.description,
            "the address": view.self_urls["atom"],
            "the list of hubs": ", ".join(view.hubs),
            "the publication's address": view.publisher_url,
            "the program": __version__,
        },
        older=view.older_urls.get("atom", ""),
    )


def _deleted(session: Session, feed: Feed) -> tuple[DeletedView, ...]:
    """What was withdrawn lately, the newest first."""
    gone = session.scalars(
        select(Entry)
        .where(in_scope(feed), Entry.state == "withdrawn")
        .order_by(Entry.withdrawn_at.desc(), Entry.id.desc())
        .limit(DELETED)
    ).unique()
    return tuple(DeletedView(e.tag_uri, moment(e.withdrawn_at), clean(e.withdrawn_reason)) for e in gone)


def _shown(feed: Feed, item: ItemView) -> ItemView:
    return item if feed.full else teaser(item)


def hubs_of(publication: Publication, base_url: str) -> tuple[str, ...]:
    """Every hub that pushes the public feeds: ours first."""
    return (hub_url(base_url), *filter(None, publication.hubs.split(",")))


def _last_change(session: Session, feed: Feed) -> datetime | None:
    """The newest `updated_at` of what the feed is about. From the newest backwards: of a mark that all entries have, their
    whole table would be read for a maximum."""
    newest = select(Entry.updated_at).where(in_scope(feed), Entry.updated_at.is_not(None))
    return session.scalar(newest.order_by(Entry.updated_at.desc()).limit(1))


def item_of(
    session: Session,
    publication: Publication,
    entry: Entry,
    base_url: str,
    found: dict[str, PublishedNotice] | None = None,
) -> ItemView:
    """An entry with its notice, as every format shows it. `found` keeps notices by language, for entries to come."""
    found = {} if found is None else found
    assert entry.revision is not None
    content = content_of(entry.revision)
    language = content.language or publication.language
    if language not in found:
        found[language] = notices.current(session, publication.id, language)
    return item_view(
        content,
        found[language],
        entry_id=entry.id,
        tag_uri=entry.tag_uri,
        base_url=base_url,
        language=language,
        series_slug=entry.series.slug,
        series_title=entry.series.title,
        series_note=entry.series.note,
        slug=entry.slug,
        part=entry.part,
        published=moment(entry.published_at),
        updated=moment(entry.updated_at),
    )


def moment(value: datetime | None) -> datetime:
    assert value is not None, "a published entry has its dates"
    return value
