"""From a feed that changed to pushes that are owed: one for each of its subscribers, in the ledger's own statements.

Guarantees: `pushed_etag` moves in the transaction that makes the pushes, so a version is handed out once, by whichever
worker comes first; what a crash leaves is owed still. A feed that ended or is private now tells its subscribers so, once,
and is sent to nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Select, and_, exists, not_, or_, select, update
from sqlalchemy.orm import Session

from syndication.feeds.formats import FORMATS
from syndication.feeds.view import feed_url
from syndication.ledger.content import Artifact, Feed, Publication
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.ledger.pushes import SOON, owe_document
from syndication.push.http import host_of

AT_A_TIME = 100  # topics


def target_hash(address: str) -> str:
    """How a callback is looked for, 64 hex digits."""
    return hashlib.sha256(address.encode()).hexdigest()


def topic_of(session: Session, feed_id: int, fmt: str) -> HubTopic:
    """The topic, made where nobody has asked for it before. What the feed shows now is not owed to anybody."""
    found = session.scalars(select(HubTopic).where(HubTopic.feed_id == feed_id, HubTopic.format == fmt)).first()
    if found is None:
        shown = session.scalar(select(Artifact.etag).where(Artifact.feed_id == feed_id, Artifact.format == fmt))
        found = HubTopic(feed_id=feed_id, format=fmt, pushed_etag=shown or "", created_at=ledger_now(session))
        session.add(found)
        session.flush()
    return found


def fan_out_owed(db: Database, base_url: str) -> int:
    """Pushes for every topic whose document changed, and pings to other hubs; how many topics. Each its transaction."""
    done = 0
    with db.reading() as session:
        publication = session.scalars(select(Publication).limit(1)).first()
    hubs = tuple(filter(None, publication.hubs.split(","))) if publication else ()
    if hubs:
        _topics_for_everything(db)
    while True:
        with db.reading() as session:
            owed = session.execute(_owed().limit(AT_A_TIME)).all()
        for topic_id, before, etag, over, name, fmt in owed:
            with db.transaction() as session:
                mine = and_(HubTopic.id == topic_id, HubTopic.pushed_etag == before)
                moved = session.execute(
                    update(HubTopic).where(mine).values(pushed_etag=etag).returning(HubTopic.id),
                    execution_options={"synchronize_session": False},
                ).first()
                if over:
                    _deny_all(session, topic_id, feed_url(base_url, name, fmt))
                elif moved is not None:
                    owe_document(session, topic_id, etag)
                    _owe_pings(session, topic_id, feed_url(base_url, name, fmt), hubs, first=not before)
            done += 1
        if len(owed) < AT_A_TIME:
            return done


def anything_owed(session: Session) -> bool:
    """Whether `fan_out_owed` would find something; takes no lock."""
    return session.execute(_owed().limit(1)).first() is not None


def _owed() -> Select[int, str, str, bool, str, str]:
    followed = exists().where(HubSubscription.topic_id == HubTopic.id, HubSubscription.state == "active")
    over = or_(Feed.gone, Feed.private)
    return (
        select(HubTopic.id, HubTopic.pushed_etag, Artifact.etag, over, Feed.name, HubTopic.format)
        .join(Artifact, and_(Artifact.feed_id == HubTopic.feed_id, Artifact.format == HubTopic.format))
        .join(Feed, Feed.id == HubTopic.feed_id)
        .where(or_(and_(Artifact.etag != HubTopic.pushed_etag, not_(over)), and_(over, followed)))
        .order_by(HubTopic.id)
    )


def _topics_for_everything(db: Database) -> None:
    """Somebody else's hub is told of every public feed, so each is a topic. Their present version counts as new."""
    with db.reading() as session:
        known = exists().where(HubTopic.feed_id == Feed.id)
        missing = session.scalars(select(Feed.id).where(Feed.private.is_(False), Feed.gone.is_(False), ~known)).all()
    if missing:
        with db.transaction() as session:
            now = ledger_now(session)
            session.add_all(HubTopic(feed_id=i, format=fmt, created_at=now) for i in missing for fmt in FORMATS)


def _owe_pings(session: Session, topic_id: int, topic_url: str, hubs: Sequence[str], *, first: bool) -> None:
    now = ledger_now(session)
    session.add_all(
        Push(
            kind="ping", priority=SOON, topic_id=topic_id, target=hub, target_hash=target_hash(hub),
            host=host_of(hub), intent={"topic": topic_url}, due_at=now, created_at=now,
        )
        for hub in hubs
        if not first  # a feed nobody's hub knows yet is found by its readers
    )  # fmt: skip


def deny(session: Session, subscription: HubSubscription, topic_url: str, reason: str) -> None:
    """Owes word to its callback that a subscription is no more (WebSub §5.2, hub.mode=denied)."""
    now = ledger_now(session)
    session.add(
        Push(
            kind="denied", priority=SOON, topic_id=subscription.topic_id, target=subscription.callback,
            target_hash=subscription.callback_hash, host=subscription.host,
            intent={"topic": topic_url, "reason": reason}, due_at=now, created_at=now,
        )
    )  # fmt: skip


def _deny_all(session: Session, topic_id: int, topic_url: str) -> None:
    """The feed ended: every subscription ends, and its callback is told."""
    now = ledger_now(session)
    for row in session.scalars(
        select(HubSubscription).where(HubSubscription.topic_id == topic_id, HubSubscription.state == "active")
    ):
        row.state, row.ended_reason, row.ended_at = "ended", "feed ended", now
        deny(session, row, topic_url, "this feed has ended")
    session.execute(
        update(Push)
        .where(Push.topic_id == topic_id, Push.kind == "document", Push.state == "pending")
        .values(state="failed", answer="the feed ended", done_at=now),
        execution_options={"synchronize_session": False},
    )
