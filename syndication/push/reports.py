"""What the operator sees of the hub: topics with their numbers, subscriptions with their answers. It only reads."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from syndication.errors import BadInput
from syndication.feeds.view import feed_url
from syndication.ledger.content import Feed
from syndication.ledger.machines import HubSubscription, HubTopic, Push


def topics(session: Session, base_url: str) -> list[dict[str, Any]]:
    """One row a topic: its address, active subscriptions, those that failed last time, pushes that wait."""
    active = HubSubscription.state == "active"
    counts = {
        topic: (alive, failing)
        for topic, alive, failing in session.execute(
            select(
                HubSubscription.topic_id,
                func.count(),
                func.sum(case((HubSubscription.failures > 0, 1), else_=0)),
            )
            .where(active)
            .group_by(HubSubscription.topic_id)
        )
    }
    waiting: dict[int, int] = dict(
        session.execute(
            select(Push.topic_id, func.count()).where(Push.state.in_(("pending", "sending"))).group_by(Push.topic_id)
        ).all()
    )
    rows = session.execute(
        select(HubTopic.id, Feed.name, HubTopic.format)
        .join(Feed, Feed.id == HubTopic.feed_id)
        .order_by(Feed.name, HubTopic.format)
    )
    return [
        {
            "topic": feed_url(base_url, name, fmt),
            "subscriptions": counts.get(topic, (0, 0))[0],
            "failing": int(counts.get(topic, (0, 0))[1] or 0),
            "waiting": waiting.get(topic, 0),
        }
        for topic, name, fmt in rows
    ]


def subscriptions(
    session: Session, *, topic: str = "", dead: bool = False, ended: bool = False, limit: int = 100
) -> list[dict[str, Any]]:
    """Subscriptions, the worst first. `topic` is a feed's name with its format, such as `all.atom`."""
    query = (
        select(HubSubscription, Feed.name, HubTopic.format)
        .join(HubTopic, HubTopic.id == HubSubscription.topic_id)
        .join(Feed, Feed.id == HubTopic.feed_id)
        .order_by(HubSubscription.failures.desc(), HubSubscription.id)
        .limit(limit)
    )
    if topic:
        name, dot, fmt = topic.rpartition(".")
        if not dot:
            raise BadInput(f"{topic!r} names no feed and format;", remedy="write it like all.atom.")
        query = query.where(Feed.name == name, HubTopic.format == fmt)
    if dead:
        query = query.where(HubSubscription.failures > 0)
    if not ended:
        query = query.where(HubSubscription.state == "active")
    return [
        {
            "id": row.id,
            "topic": f"{name}.{fmt}",
            "callback": row.callback,
            "state": row.state if row.state == "active" else f"ended: {row.ended_reason}",
            "lease_until": row.lease_until,
            "delivered_at": row.delivered_at,
            "failures": row.failures,
            "last_answer": row.last_answer,
        }
        for row, name, fmt in session.execute(query)
    ]
