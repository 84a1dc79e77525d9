"""Freeze an issue: move the cursors, and write down who gets which entries, in chunks that commit on their own.

Guarantees, for each chunk, in one transaction: cursors, deliveries, editions, `eligible` and `frozen_to`; so the equation
of guarantee 3 holds at every moment and a crash leaves whole chunks. Two freezers of one issue cannot both do a chunk:
each takes the issue's row first by moving `frozen_to` from where it believes it to be. That same row orders the freeze
against a withdrawal (see `digests.repoint`). Memory is bounded by a chunk, whatever the audience.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from syndication import clock
from syndication.digests.concerning import cut_of
from syndication.digests.control import CANCELLED_WITH_ISSUE, issue_named, settle
from syndication.digests.dealing import Memory, Person, deal
from syndication.digests.editions import Pinned, editions_for
from syndication.digests.schedule import AT_ONCE
from syndication.errors import SyndicationError
from syndication.ledger import attempts, carrying, due
from syndication.ledger.bulk import Owner, deliver
from syndication.ledger.db import Database, ledger_now, ring_after_commit
from syndication.ledger.due import Cut
from syndication.ledger.states import ISSUE, move
from syndication.ledger.suppressions import suppressed_among
from syndication.ledger.tables import Issue

log = structlog.get_logger(__name__)

SUPPRESSED: Final = "the address is suppressed"
_RING_EVERY = 20  # chunks
_TRIES = 3  # of a chunk that met a deadlock


def freeze(
    db: Database, issue_id: int, *, chunk: int = 2_500, spread_minutes: int = 0, beginning: bool = False
) -> None:
    """Freezes the issue from where it stands; nothing to do for one that is frozen. `chunk`: subscribers a transaction.
    `spread_minutes`: over which a daily or weekly issue is sent. `beginning`: until the first are owed something; the rest is
    rung for.

    Commits chunk by chunk. Returns early where another freezer is at it. Raises NotFound, and NeedsHuman where the
    publication has no disclaimer.
    """
    with db.transaction() as session:
        issue = issue_named(session, issue_id, lock=True)
        if issue.state == "cut":
            issue.state = move("issue", ISSUE, str(issue_id), issue.state, "freezing")
        if not (issue.state == "freezing" or (issue.state == "cancelled" and issue.frozen_at is None)):
            return
        cut, stands = _cut_of(session, issue, spread_minutes), issue.frozen_to
    with db.reading() as session:
        ends = due.chunk_ends(session, cut, stands, chunk)
    memory = Memory()
    for number, end in enumerate(ends):
        ring = beginning or number % _RING_EVERY == 0
        fresh = _try_chunk(db, issue_id, cut, stands, end, memory, ring=ring)
        if fresh is None:
            return
        stands = end
        if beginning and fresh and end != ends[-1]:
            db.ring("digests.freeze", issue_id)
            return
    _finish(db, issue_id, stands)


def owed(session: Session, *, at_once: bool | None = None) -> list[int]:
    """Issues that are cut or half frozen, without those that failed so often that they wait: all, or only those of mail at
    once that nobody has begun, or only the others."""
    half_cancelled = (Issue.state == "cancelled") & Issue.frozen_at.is_(None)
    query = select(Issue.id).where(or_(Issue.state.in_(("cut", "freezing")), half_cancelled)).order_by(Issue.id)
    if at_once is not None:
        waiting = (Issue.cadence == AT_ONCE) & (Issue.state == "cut")
        query = query.where(waiting if at_once else ~waiting)
    return list(session.scalars(query.where(~attempts.waits(session, "freeze", Issue.id))))


def freeze_counted(
    db: Database, issue_id: int, *, chunk: int = 2_500, spread_minutes: int = 0, beginning: bool = False
) -> None:
    """`freeze`, its tries counted: one that always fails or always kills its worker is tried later and later."""
    work = attempts.named("freeze", issue_id)
    for _ in attempts.in_turn(db, [work]):
        try:
            freeze(db, issue_id, chunk=chunk, spread_minutes=spread_minutes, beginning=beginning)
        except SyndicationError as error:
            log.error("an issue cannot be frozen", issue=issue_id, reason=str(error))
            with db.transaction() as session:
                attempts.failed(session, work, str(error))
            return
        with db.transaction() as session:
            attempts.finished(session, [work])


def _cut_of(session: Session, issue: Issue, spread_minutes: int) -> Cut:
    cut = cut_of(session, issue.publication_id, issue.cadence, issue.slot, issue.zones, issue.upto_seq, issue.id)
    return replace(cut, at=issue.cut_at, spread_minutes=0 if issue.cadence == AT_ONCE else spread_minutes)


def _try_chunk(
    db: Database, issue_id: int, cut: Cut, after: int, until: int, memory: Memory, *, ring: bool
) -> dict[Pinned, int] | None:
    """Do one chunk, again if PostgreSQL chose it as a deadlock's victim (somebody leaves at that instant). The editions it
    made, or None where another freezer has moved on."""
    for attempt in range(1, _TRIES + 1):
        try:
            with db.transaction() as session:
                fresh = _chunk(session, issue_id, cut, after, until, memory, ring=ring)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in {"40P01", "40001"} or attempt == _TRIES:
                raise
            log.info("freeze.again", issue=issue_id, after=after, attempt=attempt)
            continue
        if fresh is not None:
            memory.keep(fresh)
        return fresh
    return None  # not reached: the last attempt returns or raises


def _chunk(
    session: Session, issue_id: int, cut: Cut, after: int, until: int, memory: Memory, *, ring: bool
) -> dict[Pinned, int] | None:
    """One transaction's work. The editions it made, or None where another freezer has moved on."""
    state = _take(session, issue_id, after, until)
    if state is None:
        return None
    dealt = deal(session, issue_id, cut, after, until, memory)
    if not dealt:
        return {}
    now = ledger_now(session)
    fresh = editions_for(session, issue_id, [pinned for pinned in dealt if pinned not in memory.editions], now)
    made = [
        (person, fresh.get(pinned) or memory.editions[pinned]) for pinned, people in dealt.items() for person in people
    ]
    owner = Owner(issue_id, cut.publication_id, 1 if cut.cadence == AT_ONCE else 2)
    _write(session, owner, state, made, cut.at or now, cut.spread_minutes)
    if state == "cancelled" and issue_named(session, issue_id).carry_over:
        carrying.carry(session, issue_id, people=(after, until))
    if ring and state == "freezing":
        ring_after_commit(session, "mail.send_at_once" if cut.cadence == AT_ONCE else "mail.send_due", issue_id)
    return fresh


def _take(session: Session, issue_id: int, after: int, until: int) -> str | None:
    """Holds the issue's row until the commit. Its state, or None where it no longer stands at `after`."""
    return session.scalar(
        update(Issue)
        .where(
            Issue.id == issue_id,
            Issue.frozen_to == after,
            Issue.frozen_at.is_(None),
            Issue.state.in_(("freezing", "cancelled")),
        )
        .values(frozen_to=until)
        .returning(Issue.state),
        execution_options={"synchronize_session": False},
    )


def _write(
    session: Session, issue: Owner, state: str, made: list[tuple[Person, int]], due_at: datetime, spread_minutes: int
) -> None:
    """The deliveries of a chunk, and its share of `eligible`. `made`: who gets which edition."""
    if state == "cancelled":
        deliver(
            session, issue, [(id_, edition) for (id_, _), edition in made], "cancelled", CANCELLED_WITH_ISSUE, due_at
        )
    else:
        barred = suppressed_among(session, issue.publication_id, [address_key for (_, address_key), _ in made])
        go = [(id_, edition) for (id_, address_key), edition in made if address_key not in barred]
        stay = [(id_, edition) for (id_, address_key), edition in made if address_key in barred]
        deliver(session, issue, go, "pending", "", due_at, spread_minutes)
        deliver(session, issue, stay, "suppressed", SUPPRESSED, due_at)
    session.execute(
        update(Issue).where(Issue.id == issue.id).values(eligible=Issue.eligible + len(made)),
        execution_options={"synchronize_session": False},
    )


def _finish(db: Database, issue_id: int, stands: int) -> None:
    with db.transaction() as session:
        issue = issue_named(session, issue_id, lock=True)
        if issue.frozen_to != stands or issue.frozen_at is not None:
            return
        issue.frozen_at = clock.now()
        if issue.state == "freezing":
            issue.state = move("issue", ISSUE, str(issue_id), issue.state, "frozen" if issue.eligible else "empty")
            session.flush()
            if issue.state == "frozen" and not settle(session, issue_id):
                ring_after_commit(session, "mail.send_due", issue_id)
        log.info("issue.frozen", issue=issue_id, eligible=issue.eligible, state=issue.state)
