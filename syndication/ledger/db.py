"""The ledger's connection: one `Database` a process, `transaction()` to write, `reading()` to look.

Guarantees: a write on SQLite begins IMMEDIATE, so two processes never claim the same row (measured: the default loses);
hints asked for with `ring_after_commit` ring after the commit of the outermost transaction and never after a rollback;
an engine never survives a fork (a child process opens its own).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import NeedsHuman

Ring = Callable[..., object]
_SQLITE_WAIT_MS = 30_000


def no_ring(_name: str, *_args: object) -> None:
    """A bell nobody hears; the sweeps find the work."""


class Database:
    """An engine and the bell. `url` is SQLAlchemy's; `ring(name, *ids)` is called after commits."""

    def __init__(self, url: str, *, ring: Ring = no_ring, pool_size: int = 5) -> None:
        self.url = url
        self.ring = ring
        self._pool_size = pool_size
        self._engine: Engine | None = None
        self._pid = 0

    @property
    def is_sqlite(self) -> bool:
        return make_url(self.url).get_backend_name() == "sqlite"

    @property
    def engine(self) -> Engine:
        if self._engine is None or self._pid != os.getpid():
            self._engine = self._open()
            self._pid = os.getpid()
        return self._engine

    def _open(self) -> Engine:
        url = make_url(self.url)
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, connect_args={"timeout": _SQLITE_WAIT_MS / 1000, "check_same_thread": False})
            event.listen(engine, "connect", _sqlite_connect)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        if url.get_backend_name() == "postgresql":
            return create_engine(
                url.set(drivername="postgresql+psycopg"), pool_size=self._pool_size, max_overflow=10, pool_pre_ping=True
            )
        raise NeedsHuman(
            f"the database {url.get_backend_name()} is not supported.",
            where="SYNDICATION_DATABASE_URL",
            remedy="Use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.",
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One writing transaction; commits at the end of the block, rolls back on any error, then rings."""
        with Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"writes": True})
            yield session
            session.commit()
        for name, args in session.info.get("hints", ()):
            self.ring(name, *args)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent look; whatever the block changes is rolled back. What it loaded stays readable, detached. What is
        asked again and again may be kept in `session.info["looked_up"]`, since nothing changes meanwhile."""
        with Session(self.engine, expire_on_commit=False, info={"looked_up": {}}) as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            try:
                yield session
            finally:
                session.expunge_all()  # a rollback would expire what was loaded
                session.rollback()

    def close(self) -> None:
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None


def ring_after_commit(session: Session, name: str, *args: object) -> None:
    """Ask for a hint, once, when this transaction has committed. Lost if the process dies: a sweep finds the work."""
    hints: list[tuple[str, tuple[object, ...]]] = session.info.setdefault("hints", [])
    if (name, args) not in hints:
        hints.append((name, args))


def ledger_now(session: Session) -> datetime:
    """The database's clock, which leases use on many hosts; follows the process clock's shift in tests."""
    if session.get_bind().dialect.name == "sqlite":
        return clock.now()
    stamp: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return stamp.astimezone(UTC) + clock.offset()


def _sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _sqlite_begin
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_SQLITE_WAIT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
