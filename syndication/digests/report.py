"""How an issue stands: the equation of guarantee 3 in numbers, and what wants a person's eye. Looks and changes nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.orm import Session

from syndication.content import Record
from syndication.digests.control import counts
from syndication.ledger.mailings import Delivery, Edition, Issue
from syndication.ledger.tables import Subscriber
from syndication.mail.transport import SHARED_OUT

_WORST = 5
_WANTS_AN_EYE = ("failed", "unknown", "deferred")
HELD = and_(Delivery.state == "pending", Delivery.reply != "")  # and the words say by what
_IN_TURN = or_(Delivery.held_by.is_not(None), Delivery.reply == SHARED_OUT)
TO_MEND = and_(HELD, not_(_IN_TURN))  # a template, a key, the relay


class Trouble(Record):
    """Deliveries of one state to one domain that have not got through, with the newest of the relay's words."""

    domain: str
    state: str
    count: int
    reply: str


class Report(Record):
    """One issue at one moment. `counts` has every state; `holds`: they add up to `eligible`."""

    issue: int
    cadence: str
    slot: str
    state: str
    eligible: int
    counts: dict[str, int]
    holds: bool
    editions: int
    cut_at: datetime
    done_at: datetime | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    next_try_at: datetime | None
    held: int
    in_turn: int
    troubles: tuple[Trouble, ...]

    @property
    def equation(self) -> str:
        """`3 = 2 sent + 1 unknown`; states that nobody is in are left out."""
        parts = [f"{count:,} {state}" for state, count in self.counts.items() if count]
        return f"{self.eligible:,} eligible {'=' if self.holds else '≠'} {' + '.join(parts) or 'nobody'}"

    @property
    def advice(self) -> list[str]:
        """Sentences on what a person may do, the most pressing first."""
        found = []
        if not self.holds:
            found.append("This does not add up; please report it, with the ledger.")
        if count := self.counts["unknown"]:
            found.append(
                f"{count:,} unknown: on the wire when the answer was lost, so they may have arrived. `syndicate deliveries "
                f"resolve --issue {self.issue} --as sent` takes them as sent, `--as again` sends them with the same Message-ID."
            )
        if self.held:
            found.append(f"{self.held:,} held back; they go when what the words name is mended, within minutes.")
        if self.in_turn:
            found.append(
                f"{self.in_turn:,} wait for a turn at a provider or a relay that takes so many and no more; nothing to do: "
                f"`syndicate digest watch {self.issue}` shows them."
            )
        if count := self.counts["failed"]:
            found.append(f"{count:,} failed: `syndicate deliveries list --issue {self.issue} --state failed` says why.")
        if count := self.counts["deferred"]:
            at = f", the next at {self.next_try_at:%Y-%m-%d %H:%M} UTC" if self.next_try_at else ""
            found.append(f"{count:,} deferred: each is tried again by itself{at}.")
        return found


def report(session: Session, issue: Issue) -> Report:
    """`session` is a reading one, so that all numbers are of one moment."""
    found = counts(session, issue.id)
    editions, first, last = _what_was(session, issue)
    held = in_turn = 0
    if found["pending"] and issue.state != "cancelled":
        mine = select(func.count()).where(Delivery.issue_id == issue.id)
        held = session.scalar(mine.where(TO_MEND)) or 0
        in_turn = session.scalar(mine.where(HELD, _IN_TURN)) or 0
    deferred = (Delivery.issue_id == issue.id, Delivery.state == "deferred")
    return Report(
        issue=issue.id,
        cadence=issue.cadence,
        slot=issue.slot,
        state=f"{issue.state}, paused" if issue.paused else issue.state,
        eligible=issue.eligible,
        counts=found,
        holds=issue.eligible == sum(found.values()),
        editions=editions,
        cut_at=issue.cut_at,
        done_at=issue.done_at,
        first_sent_at=first,
        last_sent_at=last,
        next_try_at=session.scalar(select(func.min(Delivery.due_at)).where(*deferred)),
        held=held,
        in_turn=in_turn,
        troubles=_troubles(session, issue.id)
        if held or in_turn or any(found[state] for state in _WANTS_AN_EYE)
        else (),
    )


def _what_was(session: Session, issue: Issue) -> tuple[int, datetime | None, datetime | None]:
    """Editions, and when its first and its last mail was sent: by the rows, and by what was noted when they were bundled."""
    editions = session.scalar(select(func.count()).where(Edition.issue_id == issue.id)) or 0
    row = session.execute(
        select(func.min(Delivery.sent_at), func.max(Delivery.sent_at)).where(Delivery.issue_id == issue.id)
    ).one()
    noted = issue.noted or {}
    before = [datetime.fromisoformat(noted[name]) for name in ("first_sent_at", "last_sent_at") if noted.get(name)]
    times = [at for at in row if at is not None] + before
    return max(editions, noted.get("editions", 0)), min(times, default=None), max(times, default=None)


def _troubles(session: Session, issue_id: int) -> tuple[Trouble, ...]:
    count = func.count().label("count")
    rows = session.execute(
        select(Subscriber.domain, Delivery.state, count, func.max(Delivery.id))
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, or_(Delivery.state.in_(_WANTS_AN_EYE), HELD))
        .group_by(Subscriber.domain, Delivery.state)
        .order_by(count.desc(), Subscriber.domain)
        .limit(_WORST)
    ).all()
    words = dict(
        session.execute(
            select(Delivery.id, Delivery.reply).where(Delivery.id.in_([newest for *_, newest in rows]))
        ).all()
    )
    return tuple(Trouble(domain=d, state=s, count=n, reply=words[newest]) for d, s, n, newest in rows)
