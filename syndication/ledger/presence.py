"""Who is at work, and who holds a seat: rows that run out, so that nobody has to tidy up after a dead process."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from syndication.ledger.db import ledger_now
from syndication.ledger.operations import Chair, Seen

KEPT = timedelta(hours=1)


def name_of_this_process(kind: str) -> str:
    """`kind@host:pid`; kind is web, worker or beat."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"[:120]


def note(session: Session, kind: str) -> None:
    """This process is alive now. Rows of processes not seen for an hour go."""
    now = ledger_now(session)
    session.execute(delete(Seen).where(Seen.at < now - KEPT))
    session.merge(Seen(process=name_of_this_process(kind), kind=kind, at=now))


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
