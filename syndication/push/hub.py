"""The hub's acts (W3C WebSub): a request becomes a question to the callback; its answer makes, renews or ends a subscription.

Guarantees: nothing changes before the callback has returned the challenge, so nobody can subscribe or unsubscribe
somebody else's; a subscription that is being renewed stays as it was until then; one open question for each topic and
callback, the newest; one host has only so many open questions and subscriptions. Nothing here commits.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from syndication.errors import BadInput, Conflict, NotFound, TryLater
from syndication.feeds.formats import FORMATS
from syndication.feeds.scope import present_name
from syndication.feeds.view import feed_url
from syndication.ledger.content import Feed
from syndication.ledger.db import Database, ledger_now, ring_after_commit
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.ledger.pushes import SOON
from syndication.push.fanout import deny, target_hash, topic_of
from syndication.push.http import checked_address, host_of

SHORTEST_LEASE = 300  # seconds
LONGEST_SECRET = 199  # bytes: WebSub §5.1, "less than 200 bytes"
KEPT = timedelta(days=14)  # settled pushes; then only the subscription remembers
ENDED_KEPT = timedelta(days=15)  # subscriptions that ended: longer than their pushes
OPEN_QUESTIONS = 200  # to one host: whoever asks cannot have us call somebody without end


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscriber's request as it came: the `hub.*` fields of WebSub §5.1. Other fields are ignored."""

    mode: str
    topic: str
    callback: str
    lease_seconds: str = ""
    secret: str = ""


def ask(session: Session, asked: Asked, base_url: str, *, default_lease: int, longest_lease: int, per_host: int) -> int:
    """Takes a request and owes the question; the push's id. `per_host`: active subscriptions of a callback's host to one
    topic.

    Raises BadInput, NotFound for a topic that is not ours, Conflict or TryLater where a host has or is asked too much.
    """
    if asked.mode not in {"subscribe", "unsubscribe"}:
        raise BadInput(f"hub.mode is {asked.mode!r};", remedy="send subscribe or unsubscribe.")
    callback = checked_address(asked.callback, "hub.callback")
    secret = asked.secret.encode()
    if len(secret) > LONGEST_SECRET:
        raise BadInput(f"hub.secret has {len(secret)} bytes;", remedy=f"send at most {LONGEST_SECRET}.")
    subscribing = asked.mode == "subscribe"
    lease = _lease(asked.lease_seconds, default_lease, longest_lease) if subscribing else 0
    topic = _topic(session, asked.topic, base_url)
    now = ledger_now(session)
    mine, host = target_hash(callback), host_of(callback)
    if subscribing:
        _refuse_the_many(session, topic.id, mine, host, per_host)
    session.execute(
        update(Push)
        .where(Push.kind == "verify", Push.state == "pending", Push.topic_id == topic.id, Push.target_hash == mine)
        .values(state="superseded", done_at=now, answer="asked anew"),
        execution_options={"synchronize_session": False},
    )
    _refuse_the_impatient(session, host)
    intent: dict[str, Any] = {
        "mode": asked.mode, "topic": asked.topic, "lease_seconds": lease, "secret": secret.hex(),
        "challenge": secrets.token_urlsafe(32),
    }  # fmt: skip
    question = Push(
        kind="verify", priority=SOON, topic_id=topic.id, target=callback, target_hash=mine, host=host, intent=intent,
        due_at=now, created_at=now,
    )  # fmt: skip
    session.add(question)
    session.flush()
    ring_after_commit(session, "push.send")
    return question.id


def agreed(session: Session, question: Push, *, slow: bool = False) -> None:
    """The callback returned the challenge: the subscription is made, renewed, or ended. `slow`: it took its time."""
    now = ledger_now(session)
    intent = question.intent
    found = session.scalars(
        select(HubSubscription).where(
            HubSubscription.topic_id == question.topic_id, HubSubscription.callback_hash == question.target_hash
        )
    ).first()
    if intent["mode"] == "unsubscribe":
        if found is not None and found.state == "active":
            end(session, found, "unsubscribed")
        return
    if found is None:
        found = HubSubscription(
            topic_id=question.topic_id, callback=question.target, callback_hash=question.target_hash, host=question.host,
            active_at=now, slow=slow,
        )  # fmt: skip
        session.add(found)
    elif found.state != "active":
        found.active_at, found.ended_at, found.ended_reason = now, None, ""
    found.state = "active"  # its failures stay: a yes is not a document that was taken
    found.secret = bytes.fromhex(intent["secret"]) or None
    found.lease_until = now + timedelta(seconds=intent["lease_seconds"])
    session.flush()


def end(session: Session, subscription: HubSubscription, reason: str) -> None:
    """Ends it at once; what still waits for it is not sent."""
    now = ledger_now(session)
    subscription.state, subscription.ended_reason, subscription.ended_at = "ended", reason, now
    session.execute(
        update(Push)
        .where(Push.subscription_id == subscription.id, Push.state == "pending")
        .values(state="failed", answer=f"the subscription ended: {reason}", done_at=now),
        execution_options={"synchronize_session": False},
    )


def end_by_hand(session: Session, subscription_id: int, base_url: str) -> HubSubscription:
    """The operator's end to one; its callback is told (WebSub §5.2). Raises NotFound, or Conflict where it has ended."""
    found = session.get(HubSubscription, subscription_id)
    if found is None:
        raise NotFound(f"there is no hub subscription {subscription_id};", remedy="see `syndicate hub list`.")
    if found.state != "active":
        raise Conflict(f"hub subscription {subscription_id} has ended already: {found.ended_reason}.")
    topic = session.get_one(HubTopic, found.topic_id)
    address = feed_url(base_url, session.get_one(Feed, topic.feed_id).name, topic.format)
    end(session, found, "ended by hand")
    deny(session, found, address, "ended by the publisher")
    ring_after_commit(session, "push.send")
    return found


def anything_over(session: Session) -> bool:
    """Whether a lease ran out, or something settled is old enough to be forgotten; takes no lock."""
    return any(session.execute(query.limit(1)).first() for query in _over(ledger_now(session)))


def expire_leases(db: Database) -> int:
    """Ends the subscriptions whose lease ran out, and forgets pushes settled two weeks ago; how many ended."""
    with db.reading() as session:  # mostly there is nothing, and no lock is taken
        if not anything_over(session):
            return 0
    with db.transaction() as session:
        leases, settled, ended = _over(ledger_now(session))
        over = session.scalars(leases.with_for_update().limit(1_000)).all()
        for subscription in over:
            end(session, subscription, "lease ended")
        old = settled.with_only_columns(Push.id).limit(10_000)
        session.execute(delete(Push).where(Push.id.in_(old)), execution_options={"synchronize_session": False})
        gone = [row.id for row in session.scalars(ended.limit(1_000))]
        named = (
            set(session.scalars(select(Push.subscription_id).where(Push.subscription_id.in_(gone)))) if gone else set()
        )
        forgotten = delete(HubSubscription).where(HubSubscription.id.in_(set(gone) - named))
        session.execute(forgotten, execution_options={"synchronize_session": False})
    return len(over)


def _over(now: datetime) -> tuple[Select[HubSubscription], Select[Push], Select[HubSubscription]]:
    """Leases that ran out; settled pushes and ended subscriptions that may be forgotten."""
    leases = select(HubSubscription).where(HubSubscription.state == "active", HubSubscription.lease_until <= now)
    return (
        leases,
        select(Push).where(Push.done_at < now - KEPT),
        select(HubSubscription).where(HubSubscription.state == "ended", HubSubscription.ended_at < now - ENDED_KEPT),
    )


def _refuse_the_many(session: Session, topic_id: int, callback_hash: str, host: str, most: int) -> None:
    active = (HubSubscription.topic_id == topic_id, HubSubscription.state == "active")
    if session.scalar(select(HubSubscription.id).where(*active, HubSubscription.callback_hash == callback_hash)):
        return  # a renewal
    if (session.scalar(select(func.count()).where(*active, HubSubscription.host == host)) or 0) >= most:
        raise Conflict(
            f"the host of hub.callback has {most} subscriptions to this feed;", remedy="unsubscribe with one of them."
        )


def _refuse_the_impatient(session: Session, host: str) -> None:
    open_ = (Push.kind == "verify", Push.state.in_(("pending", "sending")), Push.host == host)
    if (session.scalar(select(func.count()).where(*open_)) or 0) >= OPEN_QUESTIONS:
        raise TryLater(
            "the host of hub.callback has not answered what it was asked already;", remedy="ask again in a minute."
        )


def _lease(wanted: str, default: int, longest: int) -> int:
    """The hub decides (WebSub §5.1): what was asked for, within our bounds."""
    if not wanted:
        return default
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 12):
        raise BadInput(
            f"hub.lease_seconds is {wanted[:40]!r};", remedy="send a whole number of seconds, or leave it out."
        )
    return min(max(int(wanted), SHORTEST_LEASE), longest)


def _topic(session: Session, address: str, base_url: str) -> HubTopic:
    """The topic of one of our public feeds by its `rel=self` address, to the letter, also one that it had before."""
    path = address.removeprefix(f"{base_url}/feeds/")
    name, _, fmt = path.rpartition(".")
    names = (name, present_name(session, name)) if name.isprintable() else ()  # PostgreSQL knows no NUL
    feed = session.scalars(
        select(Feed).where(Feed.name.in_(names), Feed.private.is_(False), Feed.gone.is_(False))
    ).first()
    if feed is None or fmt not in FORMATS or address != feed_url(base_url, name, fmt):
        raise NotFound(
            "hub.topic is not a feed of this publication;", remedy="send the address that the feed gives as rel=self."
        )
    return topic_of(session, feed.id, fmt)
