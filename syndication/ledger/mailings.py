"""Tables of mail: issues, editions, deliveries and the leases on them. One row a recipient; nothing is ever deleted
because a send failed.

For each issue, at every moment:
`eligible = pending + sending + deferred + sent + suppressed + failed + unknown + cancelled`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from syndication.ledger.base import Base, BigId


class Issue(Base):
    """One cutting of a digest. `slot` names it: the UTC instant of a daily or weekly slot, or `seq:<upto_seq>` at once.

    `zones` are the time zones whose local hour this slot is (empty: all). `frozen_to` is the last subscriber id dealt
    with; `eligible` grows in the same transaction as the deliveries.
    """

    __tablename__ = "issue"
    __table_args__ = (UniqueConstraint("publication_id", "cadence", "slot"), Index("ix_issue_state", "state"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publication.id"))
    cadence: Mapped[str] = mapped_column(String(8))
    slot: Mapped[str] = mapped_column(String(40))
    zones: Mapped[list[Any]]
    upto_seq: Mapped[int] = mapped_column(BigId)
    state: Mapped[str] = mapped_column(String(10), default="cut")
    paused: Mapped[bool] = mapped_column(default=False)
    frozen_to: Mapped[int] = mapped_column(BigId, default=0)
    eligible: Mapped[int] = mapped_column(default=0)
    cut_at: Mapped[datetime]
    frozen_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    bundled_at: Mapped[datetime | None]  # its sent deliveries stand in bundles (see `ledger.past`)
    forgotten_at: Mapped[datetime | None]  # after the retention date `tally` alone is left
    carry_over: Mapped[bool] = mapped_column(
        default=False
    )  # cancelled, and what it did not bring goes with the next (`Carried`)
    noted: Mapped[dict[str, Any] | None]  # before it was bundled: editions, first_sent_at, last_sent_at (ISO 8601)
    tally: Mapped[dict[str, Any] | None]  # state → deliveries that are neither rows nor bundled any more


class Edition(Base):
    """The version of an issue for all who get the same entries, revisions and language. Immutable; `key` says what it
    pins: `<language>:<notice id>:<revision id>,<revision id>…`."""

    __tablename__ = "edition"
    __table_args__ = (
        UniqueConstraint("issue_id", "key_hash"),
        UniqueConstraint("id", "issue_id"),  # what a delivery points at
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))
    language: Mapped[str] = mapped_column(String(35))
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"))
    key_hash: Mapped[str] = mapped_column(String(64))
    revisions: Mapped[list[Any]]  # revision ids in reading order
    created_at: Mapped[datetime]


class EditionEntry(Base):
    """Which entries an edition carries, by row, for `why`, corrections and withdrawals."""

    __tablename__ = "edition_entry"
    __table_args__ = (Index("ix_edition_entry_entry", "entry_id", "edition_id"),)

    edition_id: Mapped[int] = mapped_column(ForeignKey("edition.id"), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))


class Delivery(Base):
    """One mail to one person. kind: digest (issue, edition) | transactional | notice (letter).

    A million are made at a time, so each key and index is one that pays: the edition's key proves the issue too;
    `publication_id` and `subscriber_id` have none (an eighth of a freeze went into looking people up whose subscriptions
    it held already). An erased person's deliveries carry no `subscriber_id`; a number is never given again.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "issue_id"),
        ForeignKeyConstraint(["edition_id", "issue_id"], ["edition.id", "edition.issue_id"]),
        Index("ix_delivery_edition", "edition_id", "subscriber_id"),
        Index("ix_delivery_issue_state", "issue_id", "state"),
        # The claim: transactional first, then by age, then by edition. Partial, so that a million sent rows cost it nothing.
        Index(
            "ix_delivery_claim",
            "priority",
            "due_at",
            "edition_id",
            "id",
            postgresql_where=text("state IN ('pending', 'deferred')"),
            sqlite_where=text("state IN ('pending', 'deferred')"),
        ),
        Index(
            "ix_delivery_lease",
            "lease_id",
            postgresql_where=text("lease_id IS NOT NULL"),
            sqlite_where=text("lease_id IS NOT NULL"),
        ),
        Index(
            "ix_delivery_held",
            "held_by",
            "due_at",
            postgresql_where=text("held_by IS NOT NULL"),
            sqlite_where=text("held_by IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    publication_id: Mapped[int] = mapped_column(BigId)
    issue_id: Mapped[int | None] = mapped_column(BigId)
    edition_id: Mapped[int | None] = mapped_column(BigId)
    subscriber_id: Mapped[int | None] = mapped_column(BigId)
    kind: Mapped[str] = mapped_column(String(13), default="digest")
    priority: Mapped[int] = mapped_column(default=1)  # who goes first: 0 transactional, 1 at once, 2 daily, weekly
    state: Mapped[str] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease_id: Mapped[int | None] = mapped_column(BigId)
    reply: Mapped[str] = mapped_column(Text, default="")  # the relay's last words, or why not
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    held_by: Mapped[int | None] = mapped_column(BigId)  # the destination it waits for, or is under way to
    slot_at: Mapped[datetime | None]  # its turn there


class Carried(Base):
    """An entry that a cancelled issue did not bring to somebody, for their next window (see `ledger.carrying`).

    `taken_by` is the issue that brought it; taken by none: they no longer follow its series.
    """

    __tablename__ = "carried"
    __table_args__ = (
        Index(
            "ix_carried_waiting",
            "subscriber_id",
            postgresql_where=text("taken_at IS NULL"),
            sqlite_where=text("taken_at IS NULL"),
        ),
    )

    delivery_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(BigId)
    series_id: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime]
    taken_by: Mapped[int | None] = mapped_column(BigId)
    taken_at: Mapped[datetime | None]


class Letter(Base):
    """What a transactional delivery says: a template's name and its context. Never a token in clear: those are made
    when the message is rendered, from what is named here."""

    __tablename__ = "letter"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), primary_key=True)
    template: Mapped[str] = mapped_column(String(60))
    address: Mapped[str] = mapped_column(String(320))
    language: Mapped[str] = mapped_column(String(35))
    context: Mapped[dict[str, Any]]


class Lease(Base):
    """A worker's claim on a slice of deliveries. `journal` is the file name that tells what was begun; `host` its host.

    An id never comes again, since journals name leases by it.
    """

    __tablename__ = "lease"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    journal: Mapped[str] = mapped_column(String(255))
    until: Mapped[datetime] = mapped_column(index=True)
    size: Mapped[int]
    created_at: Mapped[datetime]
