"""Tables of partner sites: who may pull what, and every pull."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from syndication.ledger.base import Base, BigId


class Partner(Base):
    """A site that republishes. Tokens are stored as hashes only; `capability_hash` is None unless switched on. After a
    rotation the token before it may work on until `old_token_until`."""

    __tablename__ = "partner"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    name: Mapped[str] = mapped_column(String(200), unique=True)
    series_ids: Mapped[list[Any]]  # sorted; empty: all series, those to come too
    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"))  # shared by partners of equal scope
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    old_token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    old_token_until: Mapped[datetime | None]
    capability_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    licence: Mapped[str] = mapped_column(Text, default="")
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Pull(Base):
    """One request of a known partner, refused ones too: when, what, which revisions, how much of a body."""

    __tablename__ = "pull"
    __table_args__ = (Index("ix_pull_partner", "partner_id", "at"), Index("ix_pull_at", "at"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id"))
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(40))  # rss | atom | json | entries | entry | feed (no such format)
    status: Mapped[int]
    bytes: Mapped[int]
    texts: Mapped[int]  # how many it carried; 0: a poll that brought nothing new, or a refusal
    revisions: Mapped[list[Any]]  # their ids
