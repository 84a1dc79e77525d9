"""Tables of machines: the topics of the hub, who subscribes to them, and every notification (push).

A hub subscription is a machine's WebSub subscription; a push is one notification to one machine: a document to a
subscriber, the question whether it meant what it asked (verify), word that it is denied, a ping to somebody else's hub.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from syndication.ledger.base import Base, BigId

_OPEN = text("state IN ('pending', 'sending')")
_QUESTION = text("kind = 'verify' AND state IN ('pending', 'sending')")


class HubTopic(Base):
    """One feed in one format that somebody subscribed to. Pushes are owed while `pushed_etag` is not the artifact's."""

    __tablename__ = "hub_topic"
    __table_args__ = (UniqueConstraint("feed_id", "format"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"))
    format: Mapped[str] = mapped_column(String(4))
    pushed_etag: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime]


class HubSubscription(Base):
    """A verified wish: `callback` gets the topic's document at each change until `lease_until`. active → ended(reason).

    `failures` counts pushes since the last that was taken; `delivered_etag` is the version it has; `host` is the callback's;
    `slow`: it took its time over the last one.
    """

    __tablename__ = "hub_subscription"
    __table_args__ = (
        UniqueConstraint("topic_id", "callback_hash"),
        Index("ix_hub_subscription_active", "topic_id", "id", postgresql_where=text("state = 'active'")),
        Index("ix_hub_subscription_lease", "state", "lease_until"),
        Index("ix_hub_subscription_ended", "ended_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    topic_id: Mapped[int] = mapped_column(ForeignKey("hub_topic.id"))
    callback: Mapped[str] = mapped_column(Text)
    callback_hash: Mapped[str] = mapped_column(String(64))  # SHA-256: an address is too long for a unique key
    host: Mapped[str] = mapped_column(String(255), default="")
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(8), default="active")
    lease_until: Mapped[datetime]
    active_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str] = mapped_column(String(40), default="")
    failures: Mapped[int] = mapped_column(default=0)
    slow: Mapped[bool] = mapped_column(default=False)
    delivered_etag: Mapped[str] = mapped_column(String(64), default="")
    delivered_at: Mapped[datetime | None]
    last_answer: Mapped[str] = mapped_column(Text, default="")


class Push(Base):
    """One notification. `kind`: verify | denied | ping | document. The content is the topic's artifact, stored once.

    `intent` of a verify: mode, lease_seconds, secret (hex), challenge; of a denied: reason. `token` is the claim's.
    """

    __tablename__ = "push"
    __table_args__ = (
        Index("ix_push_claim", "priority", "due_at", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_push_subscription", "subscription_id", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_push_asked", "topic_id", "target_hash", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_push_questions", "host", postgresql_where=_QUESTION, sqlite_where=_QUESTION),
        Index("ix_push_done", "done_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    priority: Mapped[int]  # the lane: see `ledger.pushes`
    topic_id: Mapped[int] = mapped_column(ForeignKey("hub_topic.id"))
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("hub_subscription.id"))
    target: Mapped[str] = mapped_column(Text)
    target_hash: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(255), default="")  # of the target
    etag: Mapped[str] = mapped_column(String(64), default="")
    intent: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    until: Mapped[datetime | None]  # of the claim
    token: Mapped[str] = mapped_column(String(32), default="")
    answer: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
