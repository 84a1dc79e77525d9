"""Work that was begun and not finished, counted: what always kills its worker, or always fails, waits longer and longer.

Guarantees: a try is counted before the work begins, so that a crash counts too; the first two are free, since workers are
also killed for no fault of their work; what is finished is forgotten; under a lease, one process at a time has a piece of work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, String, cast, delete, exists, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from syndication.ledger.bulk import among
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.operations import Attempt

FREE = 2  # tries that follow one another at once
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))  # after the third try, the fourth, …
HELD_FROM = FREE + 1  # tries from which people are told of it


class Held(NamedTuple):
    """Work that waits because it failed again and again. `reason` is empty where its worker died without a word."""

    work: str
    tries: int
    due_at: datetime
    reason: str


def named(kind: str, id_: int) -> str:
    """What the work on one row is called, like `publish:12`."""
    return f"{kind}:{id_}"


def begin(session: Session, works: Sequence[str], lease: timedelta = timedelta(0)) -> dict[str, int]:
    """Of `works` those that may be tried now → which try it is. Counted when this commits; until the lease is over, or the try
    has failed, nobody else may try them. Of two that begin the same under a lease one gets it."""
    if not works:
        return {}
    now = ledger_now(session)
    rows = {row.work: row for row in session.scalars(select(Attempt).where(among(session, Attempt.work, works)))}
    ready = {work: rows[work].tries + 1 if work in rows else 1 for work in works}
    ready = {work: tries for work, tries in ready.items() if work not in rows or rows[work].due_at <= now}
    begun: set[str] = set()
    if ready:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        statement = dialect.insert(Attempt).values(
            [
                {"work": work, "tries": tries, "begun_at": now, "due_at": now + max(lease, _pause(tries)), "reason": ""}
                for work, tries in sorted(ready.items())  # in one order, so that two who begin the same wait in turn
            ]
        )
        fresh = statement.excluded
        taken = statement.on_conflict_do_update(
            index_elements=[Attempt.work],
            set_={"tries": Attempt.tries + 1, "begun_at": fresh.begun_at, "due_at": fresh.due_at, "reason": ""},
            where=Attempt.due_at <= now,
        ).returning(Attempt.work)
        begun.update(session.execute(taken, execution_options={"synchronize_session": False}).scalars())
    return {work: tries for work, tries in ready.items() if work in begun}


def in_turn(db: Database, works: Sequence[str]) -> Iterator[list[str]]:
    """`works` as they may be tried now: all that never failed together, then each other one alone, the least tried first.

    So work that kills its worker is found out by being alone with it, and holds up nothing but itself.
    """
    with db.reading() as session:
        before = unfinished(session, works)
    fresh = [work for work in works if work not in before]
    if fresh:
        with db.transaction() as session:
            ready = begin(session, fresh)
        if ready:
            yield list(ready)
    for work in sorted(before, key=lambda work: before[work].tries):
        with db.transaction() as session:
            ready = begin(session, [work])
        if ready:
            yield [work]


def take(session: Session, works: Sequence[str], lease: timedelta) -> list[str]:
    """As `in_turn`, its first turn alone, in this transaction: what is the caller's to do until the lease is over."""
    before = unfinished(session, works)
    if fresh := list(begin(session, [work for work in works if work not in before], lease)):
        return fresh
    for work in sorted(before, key=lambda work: before[work].tries):
        if begin(session, [work], lease):
            return [work]
    return []


def failed(session: Session, work: str, reason: str) -> None:
    """Why this try came to nothing; it waits as long as its number of tries says, and its lease is over."""
    row = session.get(Attempt, work)
    if row is not None:
        row.reason, row.due_at = reason[:1_000], row.begun_at + _pause(row.tries)
        session.flush()


def finished(session: Session, works: Iterable[str]) -> None:
    """Done, or no longer wanted: forgotten."""
    session.execute(
        delete(Attempt).where(among(session, Attempt.work, list(works))),
        execution_options={"synchronize_session": False},
    )


def unfinished(session: Session, works: Sequence[str]) -> dict[str, Held]:
    """Of `works` those that were begun and not finished: under way just now, failed, or their worker died."""
    query = select(Attempt).where(among(session, Attempt.work, works))
    return {row.work: Held(row.work, row.tries, row.due_at, row.reason) for row in session.scalars(query)}


def waits(
    session: Session, kind: str, id_column: ColumnElement[int] | InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """An expression: the work `named(kind, id)` failed so often that it is not to be tried yet."""
    mine = literal(f"{kind}:").concat(cast(id_column, String))
    return exists().where(Attempt.work == mine, Attempt.due_at > ledger_now(session))


def refused(
    session: Session, kind: str, id_column: ColumnElement[int] | InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """An expression: the work `named(kind, id)` was tried and came to nothing. `doctor` tells why, once it is held."""
    mine = literal(f"{kind}:").concat(cast(id_column, String))
    return exists().where(Attempt.work == mine, or_(Attempt.reason != "", Attempt.tries > 1))


def held(session: Session, limit: int = 20) -> list[Held]:
    """What waits because it failed at least three times, the worst first."""
    query = select(Attempt).where(Attempt.tries >= HELD_FROM).order_by(Attempt.tries.desc(), Attempt.work).limit(limit)
    return [Held(row.work, row.tries, row.due_at, row.reason) for row in session.scalars(query)]


def _pause(tries: int) -> timedelta:
    return PAUSES[min(tries - HELD_FROM, len(PAUSES) - 1)] if tries >= HELD_FROM else timedelta(0)
