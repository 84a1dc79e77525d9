"""Claims on pushes: leased by one statement, finished with the claim's token; a lease that ran out is owed again.

Guarantees: nothing is claimed twice while its lease lasts; two documents are never under way to one subscriber, so the
newest arrives last; a document that is owed anew replaces the one that still waits.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, exists, insert, literal, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from syndication.ledger.db import ledger_now
from syndication.ledger.machines import HubSubscription, Push
from syndication.ledger.states import PUSH, move

# Lanes: a question, a denial, a ping · a document · what failed or was slow last time · a document for who took none yet
SOON, DOCUMENT, SUSPECT, NEW = 0, 1, 2, 3
_OPEN = text("push.state IN ('pending', 'sending')")  # literal: a partial index does not match a parameter
_UNSYNCED = {"synchronize_session": False}


class Claimed(NamedTuple):
    """One leased push. `secret` and `lease_until` are the subscription's; None where there is none."""

    id: int
    kind: str
    priority: int
    topic_id: int
    subscription_id: int | None
    target: str
    intent: dict[str, Any]
    attempts: int
    secret: bytes | None
    lease_until: datetime | None


class Claim(NamedTuple):
    token: str
    rows: tuple[Claimed, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a push: done | gone | failed | pending (again at `due_at`). `etag`: the version that was taken; `slow`: it
    took long."""

    push_id: int
    state: str
    answer: str
    etag: str = ""
    due_at: datetime | None = None
    slow: bool = False


def anything_due(session: Session) -> bool:
    """Whether a claim would find something; takes no lock."""
    return session.execute(_due(session, (SOON, DOCUMENT, SUSPECT, NEW)).limit(1)).first() is not None


def claim(
    session: Session, *, priorities: Sequence[int], size: int, lease_seconds: int, beside: Collection[str] = ()
) -> Claim | None:
    """Leases up to `size` pushes that are due, the most urgent first; none to the hosts `beside`."""
    now = ledger_now(session)
    token = secrets.token_hex(16)
    chosen = (
        _due(session, priorities)
        .where(Push.host.not_in(beside))
        .order_by(Push.priority, Push.due_at, Push.id)
        .limit(size)
    )
    picked = chosen.with_for_update(skip_locked=True, of=Push).cte("picked")
    taken = session.scalars(
        update(Push)
        .where(Push.id.in_(select(picked.c.id)))
        .values(state="sending", token=token, until=now + timedelta(seconds=lease_seconds))
        .returning(Push.id),
        execution_options=_UNSYNCED,
    ).all()
    if not taken:
        return None
    rows = session.execute(
        select(
            Push.id, Push.kind, Push.priority, Push.topic_id, Push.subscription_id, Push.target, Push.intent, Push.attempts,
            HubSubscription.secret, HubSubscription.lease_until,
        )
        .outerjoin(HubSubscription, HubSubscription.id == Push.subscription_id)
        .where(Push.id.in_(taken))
        .order_by(Push.priority, Push.id)
    )  # fmt: skip
    return Claim(token, tuple(Claimed._make(row) for row in rows))


def finish(session: Session, token: str, results: Sequence[Result]) -> None:
    """Writes what became of pushes that still carry this claim, and what it says of their subscriptions."""
    now = ledger_now(session)
    by_id = {result.push_id: result for result in results}
    rows = session.execute(
        select(Push.id, Push.subscription_id, Push.attempts, Push.state)
        .where(Push.id.in_(by_id), Push.token == token, Push.state == "sending")
        .order_by(Push.id)
        .with_for_update()
    ).all()
    pushes, taken, refused = [], [], []
    for id_, subscription_id, attempts, state in rows:
        result = by_id[id_]
        settled = move("push", PUSH, str(id_), state, result.state) != "pending"
        pushes.append(
            {
                "id": id_,
                "state": result.state,
                "attempts": attempts + 1,
                "answer": result.answer,
                "etag": result.etag,
                "due_at": result.due_at or now,
                "priority": SUSPECT if result.state == "pending" else SOON,
                "token": "",
                "until": None,
                "done_at": now if settled else None,
            }
        )
        if subscription_id is None:
            continue
        said: dict[str, Any] = {"id": subscription_id, "last_answer": result.answer}
        if result.state == "done":
            taken.append(
                said | {"failures": 0, "slow": result.slow, "delivered_etag": result.etag, "delivered_at": now}
            )
        else:
            refused.append((said, result.state))
    if pushes:
        session.execute(update(Push), pushes)
    if taken:
        session.execute(update(HubSubscription), taken)
    for said, state in refused:
        values: dict[str, Any] = {"last_answer": said["last_answer"], "failures": HubSubscription.failures + 1}
        if state == "gone":
            values |= {"state": "ended", "ended_reason": "gone", "ended_at": now}
        session.execute(
            update(HubSubscription).where(HubSubscription.id == said["id"]).values(**values),
            execution_options=_UNSYNCED,
        )


def give_back(session: Session, token: str, push_ids: Sequence[int]) -> None:
    """Claimed and not begun: due as before."""
    session.execute(
        update(Push)
        .where(Push.id.in_(push_ids), Push.token == token, Push.state == "sending")
        .values(state="pending", token="", until=None),
        execution_options=_UNSYNCED,
    )


def owe_document(session: Session, topic_id: int, etag: str) -> int:
    """A push of the topic's document for each active subscription that has not this version; older waiting ones go.

    How many. The statements are bounded by the topic's subscriptions; nobody is read into memory.
    """
    now = ledger_now(session)
    session.execute(
        update(Push)
        .where(_OPEN, Push.topic_id == topic_id, Push.kind == "document", Push.state == "pending")
        .values(state="superseded", done_at=now, answer="a newer document is owed instead"),
        execution_options=_UNSYNCED,
    )
    wanted = select(
        literal("document"),
        text(
            f"CASE WHEN hub_subscription.failures > 0 OR hub_subscription.slow THEN {SUSPECT}"
            f" WHEN hub_subscription.delivered_at IS NULL THEN {NEW} ELSE {DOCUMENT} END"
        ),
        HubSubscription.topic_id,
        HubSubscription.id,
        HubSubscription.callback,
        HubSubscription.callback_hash,
        HubSubscription.host,
        literal(etag),
        text("'{}'"),
        literal("pending"),
        literal(0),
        literal(now, Push.due_at.type),
        literal(""),
        literal(""),
        literal(now, Push.created_at.type),
    ).where(
        HubSubscription.topic_id == topic_id,
        HubSubscription.state == "active",
        HubSubscription.lease_until > now,
        HubSubscription.delivered_etag != etag,
    )
    columns = [
        "kind", "priority", "topic_id", "subscription_id", "target", "target_hash", "host", "etag", "intent",
        "state", "attempts", "due_at", "token", "answer", "created_at",
    ]  # fmt: skip
    made = session.execute(insert(Push).from_select(columns, wanted, include_defaults=False))
    return made.rowcount  # type: ignore[attr-defined, no-any-return]  # a DML result has it


def _due(session: Session, priorities: Sequence[int]) -> Select[int]:
    """Pending ones whose time has come and claims that ran out, unless the subscriber is being written to already."""
    now = ledger_now(session)
    other = aliased(Push)
    busy = exists().where(
        other.subscription_id == Push.subscription_id, other.state == "sending", other.until > now, other.id != Push.id
    )
    return select(Push.id).where(
        _OPEN,
        Push.priority.in_(priorities),
        or_(and_(Push.state == "pending", Push.due_at <= now), and_(Push.state == "sending", Push.until <= now)),
        or_(Push.subscription_id.is_(None), ~busy),
    )
