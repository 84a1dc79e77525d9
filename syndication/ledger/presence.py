"""Who is at work, and who holds a seat: rows that run out, so that nobody has to tidy up after a dead process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from syndication.ledger.db import ledger_now
from syndication.ledger.operations import Chair, Seen

KEPT = timedelta(hours=1)
SEEN_WITHIN = timedelta(minutes=1)  # a process that was not seen for so long does not work


def name_of_this_process(kind: str) -> str:
    """`kind@host:pid`; kind is worker or beat."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"[:120]


def note(session: Session, kind: str, queues: Iterable[str] = ()) -> None:
    """This process is alive now, and listens to `queues`. Rows of processes not seen for an hour go."""
    now = ledger_now(session)
    session.execute(delete(Seen).where(Seen.at < now - KEPT))
    listed = "".join(f",{queue}" for queue in sorted(queues))
    session.merge(Seen(process=name_of_this_process(kind), kind=kind, queues=f"{listed},", at=now))


def last_seen(session: Session, kind: str, queue: str = "") -> datetime | None:
    """When a process of this kind (that listens to `queue`) was alive last; None within the last hour never."""
    query = select(func.max(Seen.at)).where(Seen.kind == kind)
    return session.scalar(query.where(Seen.queues.contains(f",{queue},")) if queue else query)


def at_work(session: Session, queue: str) -> bool:
    """Whether a worker that listens to the queue was alive within the last minute."""
    last = last_seen(session, "worker", queue)
    return last is not None and last > ledger_now(session) - SEEN_WITHIN


def alive_here(session: Session, kind: str) -> bool:
    """Whether a process of this kind was alive on this host within the last minute."""
    here = Seen.process.startswith(f"{kind}@{socket.gethostname()}:", autoescape=True)
    last = session.scalar(select(func.max(Seen.at)).where(here))
    return last is not None and last > ledger_now(session) - SEEN_WITHIN


def leave(session: Session, kind: str) -> None:
    """This process ends as it should."""
    session.execute(delete(Seen).where(Seen.process == name_of_this_process(kind)))


def take_chair(session: Session, name: str, holder: str, seconds: float) -> bool:
    """Whether `holder` sits in the seat for the next `seconds`: it sat there already, or the seat was free."""
    now = ledger_now(session)
    taken = session.execute(
        update(Chair)
        .where(Chair.name == name, or_(Chair.holder == holder, Chair.until < now))
        .values(holder=holder, until=now + timedelta(seconds=seconds))
        .returning(Chair.name)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if taken is not None:
        return True
    if session.scalars(select(Chair.name).where(Chair.name == name)).first() is not None:
        return False
    session.add(Chair(name=name, holder=holder, until=now + timedelta(seconds=seconds)))
    session.flush()  # two who come first at once: the unique key lets one in, the other's transaction fails and tries again
    return True
