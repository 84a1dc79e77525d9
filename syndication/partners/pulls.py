"""The account of pulls: when, what, which revisions, how much; refused requests of a known partner too.

Guarantees: a pull that carries entries is in the ledger before its bytes leave (`write`); what carries none (an unchanged
feed, a refusal) waits in memory for at most FLUSH_SECONDS (`note`), so that a poll waits for no writer. A killed process
loses the latter alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from syndication import clock
from syndication.ledger.db import Database
from syndication.ledger.operations import Fact
from syndication.ledger.tables import Pull

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 0.5
MOST_WAITING = 10_000  # more than that while the ledger does not answer: the oldest are let go
FORGET_EVERY = timedelta(days=1)
_FORGOTTEN = "polls of partners were forgotten"
_DELETED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Pulled:
    """`bytes` of the body as it went out; `revisions` are the ids of the texts in it."""

    partner_id: int
    at: datetime
    what: str
    status: int
    bytes: int = 0
    revisions: list[int] = field(default_factory=list)


class PullLog:
    """One a web process. Called from threads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._waiting: list[Pulled] = []
        self._timer: threading.Timer | None = None

    def write(self, pulled: Pulled) -> None:
        self._store([pulled])

    def note(self, pulled: Pulled) -> None:
        with self._lock:
            self._waiting.append(pulled)
            self._set_timer()

    def flush(self) -> None:
        """Writes what waits; where the ledger does not answer, it waits on."""
        with self._lock:
            self._timer = None
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._store(waiting)
        except SQLAlchemyError as error:
            log.warning("pulls cannot be recorded yet", waiting=len(waiting), reason=type(error).__name__)
            with self._lock:
                self._waiting = [*waiting, *self._waiting][-MOST_WAITING:]
                self._set_timer()

    def close(self) -> None:
        """At the end of the process."""
        self.flush()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def _store(self, pulled: Sequence[Pulled]) -> None:
        with self._db.transaction() as session:
            session.execute(insert(Pull), [{**asdict(p), "texts": len(p.revisions)} for p in pulled])


def anything_to_forget(session: Session) -> bool:
    """Whether a day has passed since the last time."""
    fact = session.get(Fact, _FORGOTTEN)
    return fact is None or abs(clock.now() - datetime.fromisoformat(fact.value)) >= FORGET_EVERY


def forget_polls(db: Database, days: int) -> int:
    """Deletes pulls without text that are older than `days`, in chunks; how many. Those with text stay: who has which text
    must have an answer."""
    before = clock.now() - timedelta(days=days)
    old = select(Pull.id).where(Pull.at < before, Pull.texts == 0).order_by(Pull.id).limit(_DELETED_AT_ONCE)
    done, more = 0, True
    while more:
        with db.transaction() as session:
            deleted = session.execute(delete(Pull).where(Pull.id.in_(old))).rowcount  # type: ignore[attr-defined]
            more = deleted == _DELETED_AT_ONCE
            if not more:
                session.merge(Fact(name=_FORGOTTEN, value=clock.now().isoformat()))
        done += deleted
    return done
