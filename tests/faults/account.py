"""The account after a fault: the equation of every issue, and the relay's count against the ledger's."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery, Issue
from syndication.ledger.tables import Subscriber
from tests.faults.fault_relay import FaultRelay


def states(db: Database) -> Counter[str]:
    with db.reading() as session:
        return Counter(dict(session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()))


def settled(db: Database) -> bool:
    return not set(states(db)) & {"pending", "sending", "deferred"}


def check(db: Database, relay: FaultRelay, *, unknown: int, failed: int = 0) -> Counter[str]:
    """Nothing lost, nothing doubled, everything settled; `unknown` and `failed` are the most there may be. The states."""
    assert [copies for copies in relay.seen.accepted.values() if copies > 1] == [], "doubled"
    kept = Counter(relay.seen.recipients.values())
    assert not kept or max(kept.values()) == 1, "doubled under another Message-ID"
    with db.reading() as session:
        _equation(session)
        rows = session.execute(
            select(Subscriber.address, Delivery.state).join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        ).all()
    told = dict(iter(rows))
    assert [a for a, state in told.items() if state == "sent" and not kept[a]] == [], "lost: told as sent"
    assert [a for a in kept if told[a] not in {"sent", "unknown"}] == [], "accepted, and the ledger does not say so"
    found = Counter(told.values())
    assert set(found) <= {"sent", "unknown", "failed"}, "not settled"
    assert found["unknown"] <= unknown, "more unknown than was on the wire"
    assert found["failed"] <= failed
    return found


def _equation(session: Session) -> None:
    for issue in session.scalars(select(Issue)):
        count = session.scalar(select(func.count()).where(Delivery.issue_id == issue.id))
        assert issue.eligible == count, f"the equation of issue {issue.id}"
