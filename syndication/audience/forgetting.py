"""Forget who never confirmed: somebody's address was typed into a form, and that is all we may know of them.

Guarantees: nobody who was ever active is touched, and nobody who asked lately; what a letter to them said goes too. Their
deliveries stay as numbers without a name.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, Select, delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from syndication import clock
from syndication.ledger.db import Database
from syndication.ledger.tables import Delivery, Letter, Subscriber, Subscription

AFTER = timedelta(days=30)
_AT_A_TIME = 500


def anything_to_forget(session: Session) -> bool:
    return session.execute(_who().limit(1)).first() is not None


def forget_unconfirmed(db: Database) -> int:
    """Deletes the records of people who asked 30 days ago and never confirmed; how many there were."""
    forgotten = 0
    while True:
        with db.transaction() as session:
            people = session.scalars(_who().limit(_AT_A_TIME)).all()
            mails = select(Delivery.id).where(Delivery.subscriber_id.in_(people))
            session.execute(delete(Letter).where(Letter.delivery_id.in_(mails)))
            # The relay's words often repeat the address.
            gone = update(Delivery).where(Delivery.subscriber_id.in_(people)).values(reply="", subscriber_id=None)
            session.execute(gone, execution_options={"synchronize_session": False})
            session.execute(delete(Subscriber).where(Subscriber.id.in_(people)))
        forgotten += len(people)
        if len(people) < _AT_A_TIME:
            return forgotten


def _who() -> Select[int]:
    """From the few subscriptions that were never active, not from all people."""
    other = aliased(Subscription)
    since = clock.now() - AFTER
    keeps: ColumnElement[bool] = exists().where(
        other.subscriber_id == Subscription.subscriber_id, other.active_at.is_not(None) | (other.asked_at >= since)
    )
    never = (Subscription.active_at.is_(None), Subscription.asked_at < since)
    return select(Subscription.subscriber_id).where(*never, ~keeps).distinct()
