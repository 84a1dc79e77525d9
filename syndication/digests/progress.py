"""How an issue is getting on: the numbers behind `digest watch`. Looks and changes nothing; nothing is counted on the side, so
what is shown is what the ledger says."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Boolean, ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from syndication.content import Record
from syndication.digests.control import counts
from syndication.ledger.db import ledger_now
from syndication.ledger.mailings import Delivery, Issue
from syndication.ledger.states import UNSETTLED
from syndication.ledger.tables import Subscriber
from syndication.mail.meaning import meaning_of

RATE_OVER = timedelta(seconds=30)
SHOWN = 8
_OVER = frozenset({"done", "empty", "cancelled"})


class Destination(Record):
    """A mail domain where mail has been told to wait. `waiting` is all that has not gone there yet, `held` what waits for
    `next_at` or later; `reply` is the last that was said of one of these."""

    domain: str
    waiting: int
    held: int
    next_at: datetime
    reply: str
    meaning: str


class Progress(Record):
    """An issue at one moment. `rate_per_s`: sent in the last half minute. `left_s`: until everything that need not wait has
    gone; None where the rate does not say."""

    at: datetime
    issue: int
    cadence: str
    slot: str
    state: str
    paused: bool
    eligible: int
    counts: dict[str, int]
    rate_per_s: float
    left_s: float | None
    next_try_at: datetime | None
    slowest: tuple[Destination, ...]

    @property
    def waiting(self) -> int:
        return sum(self.counts[state] for state in UNSETTLED)

    @property
    def over(self) -> bool:
        """Nothing of it will change by itself."""
        return self.state in _OVER and not self.waiting


def progress(session: Session, issue: Issue) -> Progress:
    """`session` is a reading one, so that all numbers are of one moment."""
    now = ledger_now(session)
    found = counts(session, issue.id)
    recent = session.scalar(
        select(func.count()).where(
            Delivery.issue_id == issue.id, Delivery.state == "sent", Delivery.sent_at > now - RATE_OVER
        )
    )
    began = max(now - RATE_OVER, issue.cut_at)
    rate = (recent or 0) / max(1.0, (now - began).total_seconds())
    ready = found["pending"] + found["sending"]
    held = _held(issue.id, now)
    ready -= session.scalar(select(func.count()).where(*held, Delivery.state == "pending")) or 0
    return Progress(
        at=now,
        issue=issue.id,
        cadence=issue.cadence,
        slot=issue.slot,
        state=issue.state,
        paused=issue.paused,
        eligible=issue.eligible,
        counts=found,
        rate_per_s=round(rate, 1),
        left_s=0.0 if not ready else round(ready / rate, 1) if rate else None,
        next_try_at=session.scalar(select(func.min(Delivery.due_at)).where(*held)),
        slowest=_slowest(session, issue.id, now),
    )


def _held(issue_id: int, now: datetime) -> tuple[ColumnElement[bool], ...]:
    # literal: a partial index does not match a parameter
    told: ColumnElement[bool] = literal_column("delivery.state IN ('pending', 'deferred')", Boolean)
    return Delivery.issue_id == issue_id, told, Delivery.due_at > now


def _slowest(session: Session, issue_id: int, now: datetime) -> tuple[Destination, ...]:
    """The domains where most mail has been told to wait."""
    held = func.count().label("held")
    worst = session.execute(
        select(Subscriber.domain, held, func.min(Delivery.due_at), func.max(Delivery.id))
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(*_held(issue_id, now))
        .group_by(Subscriber.domain)
        .order_by(held.desc(), Subscriber.domain)
        .limit(SHOWN)
    ).all()
    if not worst:
        return ()
    said = dict(
        session.execute(select(Delivery.id, Delivery.reply).where(Delivery.id.in_([row[3] for row in worst]))).all()
    )
    waiting = dict(
        session.execute(
            select(Subscriber.domain, func.count())
            .join(Delivery, Delivery.subscriber_id == Subscriber.id)
            .where(
                Delivery.issue_id == issue_id,
                Delivery.state.in_(UNSETTLED),
                Subscriber.domain.in_([row[0] for row in worst]),
            )
            .group_by(Subscriber.domain)
        ).all()
    )
    return tuple(
        Destination(
            domain=domain,
            waiting=waiting.get(domain, count),
            held=count,
            next_at=next_at,
            reply=said[newest],
            meaning=meaning_of(said[newest]).name,
        )
        for domain, count, next_at, newest in worst
    )
