"""Subscribers of our feeds by aggregator, as they said last: bounded for each feed, forgotten when nothing more is said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication.ledger.content import Feed
from syndication.ledger.db import ledger_now
from syndication.ledger.operations import Reader

AT_MOST = 100  # aggregators of one feed in one format
FORGOTTEN_AFTER = timedelta(days=14)


class Said(NamedTuple):
    feed_id: int
    format: str
    aggregator: str
    their_feed: str
    subscribers: int


def keep(session: Session, said: Sequence[Said]) -> None:
    """The newest word of each aggregator. Where a feed has too many of them, those that were seen first go."""
    now = ledger_now(session)
    known = set(session.scalars(select(Feed.id).where(Feed.id.in_({one.feed_id for one in said}))))
    rows = sorted(one for one in said if one.feed_id in known)
    if not rows:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    for number in range(0, len(rows), 500):
        statement = dialect.insert(Reader).values(
            [{**one._asdict(), "seen_at": now} for one in rows[number : number + 500]]
        )
        key = [Reader.feed_id, Reader.format, Reader.aggregator, Reader.their_feed]
        fresh = {"subscribers": statement.excluded.subscribers, "seen_at": statement.excluded.seen_at}
        session.execute(
            statement.on_conflict_do_update(index_elements=key, set_=fresh),
            execution_options={"synchronize_session": False},
        )
    session.execute(delete(Reader).where(Reader.seen_at < now - FORGOTTEN_AFTER))
    for (feed_id, fmt), _ in groupby(rows, lambda one: (one.feed_id, one.format)):
        mine = (Reader.feed_id == feed_id, Reader.format == fmt)
        if (session.scalar(select(func.count()).select_from(Reader).where(*mine)) or 0) > AT_MOST:
            newest = select(Reader.seen_at).where(*mine).order_by(Reader.seen_at.desc()).offset(AT_MOST - 1).limit(1)
            session.execute(delete(Reader).where(*mine, Reader.seen_at < newest.scalar_subquery()))


def by_feed(session: Session) -> list[dict[str, Any]]:
    """feed → subscribers that aggregators speak of, and how many aggregators."""
    found = session.execute(
        select(
            Feed.name,
            func.sum(Reader.subscribers),
            func.count(func.distinct(Reader.aggregator)),
            func.max(Reader.seen_at),
        )
        .join(Reader)
        .where(Feed.private.is_(False), Reader.seen_at >= ledger_now(session) - FORGOTTEN_AFTER)
        .group_by(Feed.name)
        .order_by(func.sum(Reader.subscribers).desc(), Feed.name)
    )
    return [{"feed": name, "subscribers": int(n), "aggregators": many, "seen_at": at} for name, n, many, at in found]


def by_aggregator(session: Session, name: str) -> list[dict[str, Any]]:
    """Of one feed: format and aggregator → what it said."""
    found = session.execute(
        select(Reader.aggregator, Reader.format, Reader.their_feed, Reader.subscribers, Reader.seen_at)
        .join(Feed)
        .where(Feed.name == name, Feed.private.is_(False), Reader.seen_at >= ledger_now(session) - FORGOTTEN_AFTER)
        .order_by(Reader.subscribers.desc(), Reader.aggregator, Reader.format, Reader.their_feed)
    )
    return [dict(row._mapping) for row in found]
