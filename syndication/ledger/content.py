"""Tables of what is published: publication, notices, series, entries, revisions, media, feeds and their artifacts.

`publication.seq` numbers every visible change of a publication. It is taken by `UPDATE … seq = seq + 1 RETURNING` inside
the publishing transaction, so numbers commit in order: a reader that has seen everything up to N has missed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from syndication.ledger.base import Base, BigId


def _as(column: str) -> Callable[[Any], str]:
    """A default: what the row has in another column."""
    return lambda context: str(context.get_current_parameters()[column])


class Publication(Base):
    """The publisher's imprint. A ledger serves one; `id` is carried everywhere so that it need not stay so."""

    __tablename__ = "publication"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(300))
    also_known_as: Mapped[list[Any]] = mapped_column(default=list)  # names a notice in a document may have for it
    url: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(35))
    timezone: Mapped[str] = mapped_column(String(64))
    supporters_url: Mapped[str] = mapped_column(Text, default="")
    postal_address: Mapped[str] = mapped_column(Text, default="")
    default_series: Mapped[str | None] = mapped_column(String(100))
    pages: Mapped[bool] = mapped_column(default=True)
    mail_from: Mapped[str] = mapped_column(Text)
    reply_to: Mapped[str] = mapped_column(Text, default="")
    daily_at: Mapped[str] = mapped_column(String(5), default="07:00")  # local wall time HH:MM
    weekly_on: Mapped[str] = mapped_column(String(9), default="monday")
    unknown: Mapped[str] = mapped_column(String(5), default="ask")  # what becomes of unknown mail: ask | sent | again
    tag_authority: Mapped[str] = mapped_column(String(255))  # RFC 4151, fixed at the first import
    tag_date: Mapped[str] = mapped_column(String(10))
    base_url: Mapped[str] = mapped_column(Text, default="")  # the address the artifacts were last rendered for
    hubs: Mapped[str] = mapped_column(Text, default="")  # comma list of others' hubs the artifacts name beside ours
    seq: Mapped[int] = mapped_column(BigId, default=0)
    last_updated: Mapped[datetime | None]  # newest `entry.updated_at`; each further one lies at least 1 µs later
    created_at: Mapped[datetime]


class Notice(Base):
    """One version of the disclaimer in one language: the template's source and what it printed."""

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("publication_id", "language", "version"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    language: Mapped[str] = mapped_column(String(35))
    version: Mapped[int]
    template: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)  # plain, white-space normalised: what the gate counts
    html: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Series(Base):
    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("publication_id", "slug"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    slug: Mapped[str] = mapped_column(String(100))
    minted: Mapped[str] = mapped_column(String(100), default=_as("slug"))  # its first slug: what ids are made of
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, default="")
    order: Mapped[str] = mapped_column("sort_order", String(10), default="newest")  # newest | part
    ended: Mapped[bool] = mapped_column(default=False)  # nothing will be added
    note: Mapped[str] = mapped_column(Text, default="")  # beside the standard notice of each entry
    created_at: Mapped[datetime]


class Entry(Base):
    """One entry, for ever. `tag_uri` is minted once; `mail_seq` places it in subscribers' windows (None: never mailed)."""

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("publication_id", "identity"),
        UniqueConstraint("series_id", "slug"),
        UniqueConstraint("publication_id", "updated_at"),
        Index("ix_entry_feed", "publication_id", "state", "published_at"),
        Index("ix_entry_series_feed", "series_id", "state", "published_at"),
        Index("ix_entry_series_updated", "series_id", "updated_at"),
        Index("ix_entry_changes", "publication_id", "seq"),
        Index("ix_entry_mail", "publication_id", "mail_seq"),
        Index("ix_entry_series_mail", "series_id", "mail_seq"),
        Index("ix_entry_scheduled", "scheduled_at", postgresql_where=text("state = 'scheduled'")),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    identity: Mapped[str] = mapped_column(Text)
    tag_uri: Mapped[str] = mapped_column(Text, unique=True)
    slug: Mapped[str] = mapped_column(String(200))
    part: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(12), default="draft")
    seq: Mapped[int] = mapped_column(BigId, default=0)  # number of its last visible change, its own; 0: never visible
    mail_seq: Mapped[int | None] = mapped_column(BigId)
    mailed_anew: Mapped[bool] = mapped_column(default=False)  # published again: skip who has it already
    scheduled_at: Mapped[datetime | None]
    mail_wanted: Mapped[bool] = mapped_column(default=True)  # a scheduled backfill is mailed to nobody
    published_at: Mapped[datetime | None]  # first publication, or the date a backfill carries; never moves
    updated_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str] = mapped_column(Text, default="")
    revision_id: Mapped[int | None] = mapped_column(ForeignKey("revision.id", use_alter=True))
    created_at: Mapped[datetime]

    series: Mapped[Series] = relationship(lazy="joined", innerjoin=True)
    revision: Mapped[Revision | None] = relationship(foreign_keys=[revision_id], lazy="joined")


class Draft(Base):
    """What import read and nobody published yet: at most one for each entry. `content` is an `EntryContent`."""

    __tablename__ = "draft"
    __table_args__ = (Index("ix_draft_source_hash", "source_hash"),)

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    content: Mapped[dict[str, Any]]
    published_at: Mapped[datetime | None]  # the date the document gives itself
    source: Mapped[str] = mapped_column(Text)
    source_hash: Mapped[str] = mapped_column(String(64))
    imported_at: Mapped[datetime]


class Revision(Base):
    """A published state of an entry; never changes. `content` is an `EntryContent`."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("entry_id", "number"),
        Index("ix_revision_source_hash", "source_hash"),
        Index("ix_revision_title", "title"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(Text)
    content: Mapped[dict[str, Any]]
    source_hash: Mapped[str] = mapped_column(String(64))
    summary: Mapped[str] = mapped_column(Text, default="")  # what a correction corrected
    created_at: Mapped[datetime]


class Media(Base):
    """An image or an attachment (0 wide and high) by the hash of its bytes, in the ledger so that every host has it."""

    __tablename__ = "media"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    ext: Mapped[str] = mapped_column(String(5))
    width: Mapped[int]
    height: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime]


class MediaUse(Base):
    """A revision shows a file. Served only while a published entry's current revision uses it (guarantee 8)."""

    __tablename__ = "media_use"

    sha256: Mapped[str] = mapped_column(ForeignKey("media.sha256"), primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)


class Mark(Base):
    """By what an entry as it is published is found: `series:…`, `author:…`, `topic:…`, `language:…` (see `feeds.naming`)."""

    __tablename__ = "mark"
    __table_args__ = (Index("ix_mark_key", "key", "entry_id"),)

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(120), primary_key=True)


class Feed(Base):
    """A feed's definition. Owed when an artifact's `seq` is less than `wanted_seq`.

    `kind`: all | series | scope (a partner's) | mark (an author's, a topic's, a language's) | named (the publisher's own) |
    composed (made when somebody asked for it). The scope is `series_ids` (sorted; empty: all) and `wants`: groups of marks, an
    entry has one of each. `private` feeds are not served at /feeds/<name>.
    """

    __tablename__ = "feed"
    __table_args__ = (
        UniqueConstraint("publication_id", "name"),
        {
            "sqlite_autoincrement": True
        },  # the number of a forgotten feed is never given again: web processes look at sums
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    name: Mapped[str] = mapped_column(String(320))
    minted: Mapped[str] = mapped_column(String(320), default=_as("name"))  # what its ids are made of; stays
    kind: Mapped[str] = mapped_column(String(10))
    series_ids: Mapped[list[Any]]
    wants: Mapped[list[Any]] = mapped_column(default=list)
    title: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(Text, default="")
    full: Mapped[bool] = mapped_column(default=True)  # else each entry by its standfirst
    newest: Mapped[int | None]  # shows so many and has no archive
    order: Mapped[str] = mapped_column("sort_order", String(10), default="date")  # date | part
    digest: Mapped[str] = mapped_column(String(6), default="")  # daily | weekly: one item for each
    private: Mapped[bool] = mapped_column(default=False)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)  # of a private named feed
    gone: Mapped[bool] = mapped_column(default=False)
    moved_to: Mapped[str] = mapped_column(String(320), default="")  # of one that is gone: the feed to follow instead
    asked_at: Mapped[datetime | None]  # of a composed feed: about when somebody last asked for it
    due_at: Mapped[datetime | None]  # of a digest: when a day or a week with something in it is over
    wanted_seq: Mapped[int] = mapped_column(BigId, default=0)
    rendered_seq: Mapped[int] = mapped_column(BigId, default=-1)  # least `artifact.seq` of its formats
    epoch: Mapped[int] = mapped_column(
        default=0
    )  # counts what changes every page of its archive: notice, names, settings
    uneven: Mapped[bool] = mapped_column(
        default=False
    )  # pages are owed: its tail or one of its pages has grown too long
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON, deferred=True)  # what it was made of: `feeds.changes`
    history: Mapped[list[Any]] = mapped_column(JSON, default=list, deferred=True)  # why it changed, the newest first

    @property
    def archived(self) -> bool:
        """Whether what it does not show lies in pages behind it (RFC 5005); of a partner's it is had from the API."""
        return not (self.newest or self.kind == "scope")


class FeedMark(Base):
    """The marks under which a feed is found when an entry changes; `*` for those about everything."""

    __tablename__ = "feed_mark"
    __table_args__ = (Index("ix_feed_mark_key", "key", "feed_id"),)

    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(120), primary_key=True)


class FeedPage(Base):
    """One document of a feed's archive (RFC 5005): the published entries beyond the page below it, up to its own bound.

    Entries are ordered by (published_at, id). A bound never moves; `generation` counts changes at the page or below it,
    since each page names the address of the one below.
    """

    __tablename__ = "feed_page"
    __table_args__ = (UniqueConstraint("feed_id", "upto_at", "upto_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"))
    upto_at: Mapped[datetime]
    upto_id: Mapped[int] = mapped_column(BigId)
    generation: Mapped[int] = mapped_column(default=0)


class Artifact(Base):
    """The bytes of one feed in one format, compressed once. Strong ETags are hashes of the bytes sent."""

    __tablename__ = "artifact"

    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"), primary_key=True)
    format: Mapped[str] = mapped_column(String(4), primary_key=True)  # rss | atom | json
    seq: Mapped[int] = mapped_column(BigId)
    gzip: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    brotli: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    size: Mapped[int]  # of the identity form, bytes
    etag: Mapped[str] = mapped_column(String(64))  # of the identity form; "-gz" and "-br" are appended for the others
    last_modified: Mapped[datetime]  # whole seconds, at least one later each time the bytes change
    entry_revisions: Mapped[list[Any]]  # revision ids it shows, in order
