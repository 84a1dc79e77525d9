"""How an issue is getting on: the numbers behind `digest watch`. Looks and changes nothing; nothing is counted on the side, so
what is shown is what the ledger says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, ColumnElement, func, literal_column, or_, select
from sqlalchemy.orm import Session

from syndication.content import Record
from syndication.digests.control import counts
from syndication.ledger.db import ledger_now
from syndication.ledger.destinations import Destination as Restricted
from syndication.ledger.mailings import Delivery, Issue
from syndication.ledger.states import UNSETTLED
from syndication.ledger.tables import Subscriber
from syndication.mail.meaning import meaning_of

RATE_OVER = timedelta(seconds=30)
SHOWN = 8
TOLD = or_(Delivery.state == "deferred", Delivery.reply != "", Delivery.held_by.is_not(None))  # not merely spread
_OVER = frozenset({"done", "empty", "cancelled"})


class Destination(Record):
    """A mail domain where mail has been told to wait. `waiting` is all that has not gone there yet, `held` what waits for
    `next_at` or later; `reply` is the last that was said of one of these. Where a provider asked for less (see `mail.pacing`):
    its name, slow | stopped | opening | blocked, messages a second, and until when it is left alone."""

    domain: str
    waiting: int
    held: int
    next_at: datetime
    reply: str
    meaning: str
    provider: str = ""
    state: str = ""
    rate_per_s: float = 0.0
    paused_until: datetime | None = None

    @property
    def standing(self) -> str:
        """`google: stopped until 10:41`; empty where no provider asked for less."""
        if not self.state:
            return ""
        until = f" until {self.paused_until:%H:%M}" if self.paused_until else ""
        match self.state:
            case "blocked":
                return f"{self.provider}: blocked, one mail asks{until.replace('until', 'at')}"
            case "stopped":
                return f"{self.provider}: stopped{until}"
        return f"{self.provider}: {self.state}, {self.rate_per_s:g} a second"


class Progress(Record):
    """An issue at one moment. `rate_per_s`: sent in the last half minute. `left_s`: until everything that nobody told to wait
    has gone, of a spread issue its last minute too; None where the rate does not say."""

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
    held = _held(issue.id, now)
    later, last_at = session.execute(
        select(func.count(), func.max(Delivery.due_at).filter(~TOLD)).where(
            Delivery.issue_id == issue.id, Delivery.state == "pending", Delivery.due_at > now
        )
    ).one()
    ready = found["pending"] + found["sending"] - later
    left = ready / rate if ready and rate else None if ready else 0.0
    if left is not None and last_at is not None:
        left = max(left, (last_at - now).total_seconds())
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
        left_s=None if left is None else round(left, 1),
        next_try_at=session.scalar(select(func.min(Delivery.due_at)).where(*held)),
        slowest=_slowest(session, issue.id, now),
    )


def _held(issue_id: int, now: datetime) -> tuple[ColumnElement[bool], ...]:
    # literal: a partial index does not match a parameter
    waits: ColumnElement[bool] = literal_column("delivery.state IN ('pending', 'deferred')", Boolean)
    return Delivery.issue_id == issue_id, waits, TOLD, Delivery.due_at > now


def _slowest(session: Session, issue_id: int, now: datetime) -> tuple[Destination, ...]:
    """The domains where most mail has been told to wait, and what their providers asked for."""
    held = func.count().label("held")
    worst = session.execute(
        select(Subscriber.domain, held, func.min(Delivery.due_at), func.max(Delivery.id), func.max(Delivery.held_by))
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
    asked = {row.id: row for row in session.scalars(select(Restricted).where(Restricted.id.in_([r[4] for r in worst])))}
    return tuple(
        _told(
            asked.get(held_by or 0), said[newest],
            domain=domain, waiting=waiting.get(domain, count), held=count, next_at=next_at,
        )
        for domain, count, next_at, newest, held_by in worst
    )  # fmt: skip


def _told(asked: Restricted | None, said: str, **about: Any) -> Destination:
    """Words of our own mean what they say."""
    reply = asked.reply if asked else said
    found = Destination(reply=reply, meaning=meaning_of(reply).name if reply[:1].isdigit() else "", **about)
    if asked is None:
        return found
    return found.model_copy(
        update={
            "provider": asked.name,
            "state": asked.state,
            "rate_per_s": round(asked.rate, 2) if asked.state in {"slow", "opening"} else 0.0,
            "paused_until": asked.paused_until,
        }
    )
