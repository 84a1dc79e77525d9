"""Claims on deliveries: a slice is leased by one statement, and folded back with the lease's token.

Guarantees: nothing is claimed twice (`SKIP LOCKED` on PostgreSQL, `BEGIN IMMEDIATE` on SQLite); a fold moves only rows that
still carry its lease; expiry alone frees nothing: what nobody can account for becomes `unknown`, after the grace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, delete, exists, or_, select, text, update
from sqlalchemy.orm import Session

from syndication.ledger.bulk import Change, among, write
from syndication.ledger.db import ledger_now
from syndication.ledger.ladder import wait, whole
from syndication.ledger.mailings import Delivery, Issue, Lease
from syndication.ledger.states import DELIVERY, move

TRANSACTIONAL = "transactional"
WITH_ISSUE = "the issue was cancelled"
_AT_ONCE = 1  # priority: what goes before daily and weekly digests
LAST_ANSWER = "; the last answer: "
LOST = "the reply was lost: the worker ended while this mail was on the wire"
RESEND_AFTER = timedelta(seconds=30)  # times the tries: a lost confirmation is wanted soon
_CLAIMABLE = text("delivery.state IN ('pending', 'deferred')")  # literal: a partial index does not match a parameter
_UNSYNCED = {"synchronize_session": False}


class Claimed(NamedTuple):
    """One leased delivery, as it stood."""

    id: int
    kind: str
    publication_id: int
    issue_id: int | None
    edition_id: int | None
    subscriber_id: int | None
    attempts: int
    created_at: datetime
    slot_at: datetime | None = None  # its turn at a destination that asked for less


class Claim(NamedTuple):
    lease_id: int
    rows: tuple[Claimed, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery: sent | deferred | failed | unknown | pending (not begun) | suppressed | cancelled.

    `due_at` is when a pending one may be claimed again (None: now); a deferred one follows the ladder, or `own_seconds` (see
    `ledger.ladder`). `free`: the try does not count, as long as the delivery is younger than the ladder is long.
    `once_more`: a failed one is deferred, unless its last answer was a refusal for good too. `held_by`: the destination that a
    pending or deferred one waits for, with its turn there, `slot_at`; `due_at` then counts for a deferred one too.
    """

    delivery_id: int
    state: str
    reply: str = ""
    due_at: datetime | None = None
    own_seconds: int | None = None
    free: bool = False
    once_more: bool = False
    held_by: int | None = None
    slot_at: datetime | None = None


def anything_due(session: Session, kinds: Sequence[str], *, at_once: bool = False) -> bool:
    """Whether a claim would find something; takes no lock."""
    return session.execute(_due(session, kinds, at_once).limit(1)).first() is not None


def claim(
    session: Session,
    *,
    host: str,
    journal: str,
    size: int,
    lease_seconds: int,
    kinds: Sequence[str],
    at_once: bool = False,
) -> Claim | None:
    """Leases up to `size` deliveries that are due, transactional first, for the worker that writes `journal` on `host`;
    `at_once`: of what goes before daily and weekly digests only.

    Edition by edition within an issue: each is compiled once, however many there are.
    """
    now = ledger_now(session)
    lease = Lease(host=host, journal=journal, until=now + timedelta(seconds=lease_seconds), size=0, created_at=now)
    session.add(lease)
    session.flush()
    chosen = (
        _due(session, kinds, at_once)
        .order_by(Delivery.priority, Delivery.due_at, Delivery.edition_id, Delivery.id)
        .limit(size)
    )
    picked = chosen.with_for_update(skip_locked=True, of=Delivery).cte("picked")
    rows = session.execute(
        update(Delivery)
        .where(Delivery.id.in_(select(picked.c.id)))
        .values(state="sending", lease_id=lease.id, held_by=None)
        .returning(
            Delivery.id,
            Delivery.kind,
            Delivery.publication_id,
            Delivery.issue_id,
            Delivery.edition_id,
            Delivery.subscriber_id,
            Delivery.attempts,
            Delivery.created_at,
            Delivery.slot_at,
        ),
        execution_options=_UNSYNCED,
    ).all()
    if not rows:
        session.delete(lease)
        return None
    lease.size = len(rows)
    claimed = sorted(
        (Claimed._make(row) for row in rows), key=lambda c: (c.kind != TRANSACTIONAL, c.edition_id or 0, c.id)
    )
    return Claim(lease.id, tuple(claimed))


def fold(session: Session, lease_id: int, outcomes: Iterable[Outcome], ladder: Sequence[int]) -> set[int]:
    """Writes what became of deliveries that still carry this lease; the ids of the issues concerned. Others are left alone.

    `ladder`: seconds before try 2, 3, …; a deferred delivery beyond it failed. An unknown transactional one is due again.
    One statement writes them all; only what was not sent is read before, for its next step depends on how it stands.
    """
    by_id = {outcome.delivery_id: outcome for outcome in outcomes}
    now = ledger_now(session)
    other = [o.delivery_id for o in by_id.values() if o.state != "sent"]
    cancelled = _cancelled_among(session, [id_ for id_ in other if by_id[id_].state in {"pending", "deferred"}])
    mine = Delivery.lease_id == lease_id, Delivery.state.in_(("sending", "unknown"))
    concerned = session.scalars(select(Delivery.issue_id).where(*mine).distinct())
    issues = {issue_id for issue_id in concerned if issue_id is not None}
    changes = [Change(o.delivery_id, "sent", 1, o.reply, None, now) for o in by_id.values() if o.state == "sent"]
    if other:
        query = select(
            Delivery.id, Delivery.kind, Delivery.issue_id, Delivery.attempts, Delivery.state, Delivery.created_at,
            Delivery.reply,
        )  # fmt: skip
        rows = session.execute(query.where(*mine, among(session, Delivery.id, other)).with_for_update()).all()
        for id_, kind, issue_id, attempts, state, created_at, said in rows:
            before = attempts - (state == "unknown")
            outcome = by_id[id_]
            if outcome.once_more and outcome.state == "failed" and not (before and said.startswith("5")):
                outcome = replace(outcome, state="deferred")
            change = _after(outcome, kind, before, ladder, now, now - created_at)
            if change.state == state:
                continue
            move("delivery", DELIVERY, str(id_), state, change.state)
            if issue_id in cancelled and change.state in {"pending", "deferred"}:
                change = change._replace(state="cancelled", reply=WITH_ISSUE)
            changes.append(change)
    write(session, lease_id, changes)
    retire(session, lease_id)
    return issues


def _cancelled_among(session: Session, delivery_ids: Sequence[int]) -> set[int]:
    """Issues of these deliveries that were cancelled while a worker had them: what comes back is cancelled too.

    Holds the issues' rows, as a cancellation does, so that one of the two sees the other.
    """
    if not delivery_ids:
        return set()
    mine = select(Delivery.issue_id).where(among(session, Delivery.id, delivery_ids)).distinct()
    rows = session.execute(
        select(Issue.id, Issue.state).where(Issue.id.in_(mine)).order_by(Issue.id).with_for_update(key_share=True)
    )
    return {id_ for id_, state in rows if state == "cancelled"}


def retire(session: Session, lease_id: int) -> None:
    """Forgets a lease that no delivery carries any more; one with unknown deliveries stays, a journal may turn up."""
    session.execute(
        delete(Lease).where(Lease.id == lease_id, ~exists().where(Delivery.lease_id == lease_id)),
        execution_options=_UNSYNCED,
    )


def under_lease(session: Session, lease_id: int) -> list[int]:
    """Deliveries that carry the lease and are not settled."""
    query = select(Delivery.id).where(Delivery.lease_id == lease_id, Delivery.state.in_(("sending", "unknown")))
    return list(session.scalars(query.order_by(Delivery.id)))


def leases_of(session: Session, host: str, journal: str) -> list[int]:
    return list(session.scalars(select(Lease.id).where(Lease.host == host, Lease.journal == journal)))


def anything_expired(session: Session, grace_seconds: int) -> bool:
    """Whether `expire` would find something; takes no lock."""
    return session.execute(_expired(session, grace_seconds).limit(1)).first() is not None


def expire(session: Session, grace_seconds: int, ladder: Sequence[int]) -> set[int]:
    """Leases whose journal did not turn up within the grace: their deliveries are unknown. The issues concerned."""
    issues: set[int] = set()
    for lease_id in session.scalars(_expired(session, grace_seconds)).all():
        lost = [Outcome(id_, "unknown", LOST) for id_ in under_lease(session, lease_id)]
        issues |= fold(session, lease_id, lost, ladder)
    return issues


def _after(outcome: Outcome, kind: str, attempts: int, ladder: Sequence[int], now: datetime, age: timedelta) -> Change:
    state, reply, due_at = outcome.state, outcome.reply, None
    free = outcome.free and state == "deferred" and age < whole(ladder)
    tried = int(state in {"deferred", "failed", "unknown"} and not free)
    tries = attempts + tried
    if state == "unknown" and kind == TRANSACTIONAL:
        state, due_at = "pending" if tries <= len(ladder) else "failed", now + tries * RESEND_AFTER
    elif state == "deferred" and tries > len(ladder):
        state, reply = "failed", f"given up after {tries} tries{LAST_ANSWER}{reply}"
    elif state == "deferred":
        pause = wait(ladder, max(1, tries), outcome.delivery_id, outcome.own_seconds)
        due_at = outcome.due_at or now + (max(pause, age / 2) if free else pause)  # free tries get rarer by age
    elif state == "pending":
        due_at = outcome.due_at
    return Change(outcome.delivery_id, state, tried, reply, due_at, None)


def _due(session: Session, kinds: Sequence[str], at_once: bool) -> Select[int]:
    held = select(Issue.id).where(or_(Issue.paused, Issue.state == "cancelled"))
    found = select(Delivery.id).where(
        _CLAIMABLE,
        Delivery.due_at <= ledger_now(session),
        Delivery.kind.in_(kinds),
        or_(Delivery.issue_id.is_(None), Delivery.issue_id.not_in(held)),
    )
    return found.where(Delivery.priority <= _AT_ONCE) if at_once else found


def _expired(session: Session, grace_seconds: int) -> Select[int]:
    line = ledger_now(session) - timedelta(seconds=grace_seconds)
    held = exists().where(Delivery.lease_id == Lease.id, Delivery.state == "sending")
    return select(Lease.id).where(Lease.until < line, held)
