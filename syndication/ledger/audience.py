"""Tables of people: subscribers, what they follow, their consent, and who must never get mail again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from syndication.ledger.base import Base, BigId


class Subscriber(Base):
    """A person. `handle` is 16 random bytes: the one-click address, valid as long as the record."""

    __tablename__ = "subscriber"
    __table_args__ = (
        UniqueConstraint("publication_id", "address_key"),
        UniqueConstraint("timezone", "id"),  # which zones are in use; and what `subscription.timezone` points at
        {"sqlite_autoincrement": True},  # an erased person's number is never given again
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    address: Mapped[str] = mapped_column(String(320))  # as it is written to
    address_key: Mapped[str] = mapped_column(String(320))  # folded for comparison
    domain: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(35))
    timezone: Mapped[str] = mapped_column(String(64))
    handle: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Subscription(Base):
    """A wish: one series (`series_id`) or all (None) at one cadence. asked → active → ended(reason).

    `cursor` is a number up to which every `mail_seq` is dealt with; it never moves back, and at once it moves only where
    something came. The issue `moved_by` moved it last, from `cursor_was`: what that issue owed is what lay between.
    `shields` is true for an active or ended subscription to a series: that series stays out of the same person's `all` until
    they ask for `all` anew.
    `scope` is 0 for all, else the series id, so that one unique key serves both. `timezone` is the subscriber's, kept
    equal by the foreign key, so that one index finds whom a local hour concerns.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "scope"),
        ForeignKeyConstraint(
            ["timezone", "subscriber_id"],
            ["subscriber.timezone", "subscriber.id"],
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        Index(
            "ix_subscription_due",
            "cadence",
            "timezone",
            "subscriber_id",
            postgresql_where=text("state = 'active'"),
            sqlite_where=text("state = 'active'"),
        ),
        # Whom an entry goes to at once, among many who follow other series.
        Index(
            "ix_subscription_at_once",
            "scope",
            "subscriber_id",
            postgresql_where=text("state = 'active' AND cadence = 'at-once'"),
            sqlite_where=text("state = 'active' AND cadence = 'at-once'"),
        ),
        # Who never confirmed, for the forgetting; partial, so that the others cost it nothing.
        Index(
            "ix_subscription_unconfirmed",
            "asked_at",
            postgresql_where=text("active_at IS NULL"),
            sqlite_where=text("active_at IS NULL"),
        ),
        {"postgresql_with": {"fillfactor": 70}},  # room for a moved cursor beside the row: no index is written
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(BigId)
    timezone: Mapped[str] = mapped_column(String(64))
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"))
    scope: Mapped[int] = mapped_column(BigId)
    cadence: Mapped[str] = mapped_column(String(8))  # at-once | daily | weekly
    state: Mapped[str] = mapped_column(String(8), default="asked")
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    cursor_was: Mapped[int] = mapped_column(BigId, default=0)
    moved_by: Mapped[int | None] = mapped_column(BigId)
    shields: Mapped[bool] = mapped_column(default=False)
    asked_at: Mapped[datetime]
    active_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str] = mapped_column(String(40), default="")


class SeriesStart(Base):
    """An `all` subscription starts this series elsewhere than at its own cursor; used up by the next freeze."""

    __tablename__ = "series_start"

    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscription.id", ondelete="CASCADE"), primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), primary_key=True)
    cursor: Mapped[int] = mapped_column(BigId)


class Consent(Base):
    """Evidence of what somebody asked for, confirmed or ended: when, from where, by which act. Never changed."""

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    act: Mapped[str] = mapped_column(String(20))  # asked | confirmed | declined | changed | ended | imported
    detail: Mapped[dict[str, Any]]
    ip: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]


class Suppression(Base):
    """An address that gets no mail, by keyed hash, so that it outlives the erased record (guarantee 6)."""

    __tablename__ = "suppression"
    __table_args__ = (UniqueConstraint("publication_id", "address_hash"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    address_hash: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(20))  # left | bounced | complained | manual | erased
    reply: Mapped[str] = mapped_column(Text, default="")  # the words that said so, as they came
    at: Mapped[datetime]


class FormerHandle(Base):
    """The hash of an erased person's one-click handle: the link in an old mail still answers 200. Should they come back, the
    link leads to their new record (`subscriber_id`), so that an old mail stops the new ones too."""

    __tablename__ = "former_handle"

    handle_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    address_hash: Mapped[str] = mapped_column(String(64), index=True)  # as `suppression.address_hash`
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscriber.id", ondelete="SET NULL"), index=True)
    at: Mapped[datetime]
