"""Tables of running the service: facts about this ledger, who was seen working, who may beat, what was begun,
how many read us."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from syndication.ledger.base import Base


class Fact(Base):
    """One named fact of this ledger: the pepper of suppression hashes, the running service's address, and the like."""

    __tablename__ = "fact"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Seen(Base):
    """A process was alive at `at`. `kind`: worker | beat. `queues`: what a worker listens to, `,a,b,`."""

    __tablename__ = "seen"

    process: Mapped[str] = mapped_column(String(120), primary_key=True)  # kind@host:pid
    kind: Mapped[str] = mapped_column(String(10))
    queues: Mapped[str] = mapped_column(String(400), default="")
    at: Mapped[datetime] = mapped_column(index=True)


class Chair(Base):
    """A seat one process at a time may hold, such as `beat`; taken over when `until` has passed."""

    __tablename__ = "chair"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime]


class Attempt(Base):
    """A try that was begun and is not finished: under way, failed, or its worker died. `work` is like `publish:12`."""

    __tablename__ = "attempt"

    work: Mapped[str] = mapped_column(String(80), primary_key=True)
    tries: Mapped[int] = mapped_column(index=True)
    begun_at: Mapped[datetime]
    due_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")


class Reader(Base):
    """What an aggregator said last of those who read a feed through it. `their_feed` is its own number of the feed."""

    __tablename__ = "reader"

    feed_id: Mapped[int] = mapped_column(ForeignKey("feed.id"), primary_key=True)
    format: Mapped[str] = mapped_column(String(4), primary_key=True)
    aggregator: Mapped[str] = mapped_column(String(60), primary_key=True)
    their_feed: Mapped[str] = mapped_column(String(40), primary_key=True, default="")
    subscribers: Mapped[int]
    seen_at: Mapped[datetime] = mapped_column(index=True)
