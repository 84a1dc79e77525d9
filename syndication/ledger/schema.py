"""The schema's version: bring a ledger up to date, and say how it stands. Alembic's migrations lie in `migrations/`.

Guarantees: an upgrade is one transaction on both databases, all or nothing; two processes that upgrade at once do it one
after the other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from syndication.errors import NeedsHuman
from syndication.ledger.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x53594E44  # one number for every process that upgrades a ledger

Standing = Literal["empty", "behind", "current", "ahead"]


def config() -> Config:
    """Alembic's configuration, without a file: it works the same from a checkout and from a wheel."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    return made


def standing(db: Database) -> Standing:
    """empty: no table at all; behind: an upgrade is due; current; ahead: written by a newer version of this program."""
    head, known = _revisions()
    with db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found is None:
            return "behind" if inspect(connection).get_table_names() else "empty"
    if found == head:
        return "current"
    return "behind" if found in known else "ahead"


@cache
def _revisions() -> tuple[str | None, frozenset[str]]:
    """The newest revision that this program has, and all of them."""
    scripts = ScriptDirectory.from_config(config())
    return scripts.get_current_head(), frozenset(script.revision for script in scripts.walk_revisions())


def current(db: Database) -> bool:
    """Whether the schema is the one that this version of the program needs."""
    return standing(db) == "current"


def upgrade(db: Database) -> None:
    """Brings the schema to this version's, from wherever it stands. Raises NeedsHuman for one that is ahead."""
    if standing(db) == "ahead":
        raise NeedsHuman(
            "the ledger was written by a newer version of this program;",
            where="SYNDICATION_DATABASE_URL",
            remedy="install that version, or name another database.",
        )
    with db.engine.connect().execution_options(writes=True) as connection, connection.begin():
        if not db.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "head")
