"""What one test leaves in a ledger on PostgreSQL, the next does not find."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from syndication import clock
from syndication.ledger import schema
from syndication.ledger.content import Publication
from syndication.ledger.db import Database
from tests.postgresql import Ledgers


def found(address: str) -> tuple[bool, list[str], int]:
    """(whether the schema is the present one, what lay there, the id of a publication written now)."""
    db = Database(address)
    with db.transaction() as session:
        slugs = list(session.scalars(select(Publication.slug)))
        publication = Publication(
            slug="tideway", name="Tideway", url="https://tideway.example", language="en", timezone="UTC",
            mail_from="s@tideway.example", tag_authority="tideway.example", tag_date="2026-01-01", created_at=clock.now(),
        )  # fmt: skip
        session.add(publication)
        session.flush()
        number = publication.id
    current = schema.current(db)
    db.close()
    return current, slugs, number


@pytest.mark.parametrize(
    "left",
    [
        "SELECT 1",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = '9999'",
        "ALTER TABLE publication RENAME TO elsewhere",
        "ALTER TABLE publication ADD COLUMN more text",
        "ALTER TABLE publication DROP COLUMN name",
        "CREATE TABLE more (name text)",
        "INSERT INTO fact (name, value) SELECT n::text, repeat('x', 100) FROM generate_series(1, 100000) n",
    ],
)
def test_the_next_test_has_a_ledger_as_good_as_new(postgresql: Ledgers, left: str) -> None:
    before = postgresql.fresh()
    assert found(before) == (True, [], 1)
    still_connected = Database(before)
    with still_connected.transaction() as session:
        session.execute(text(left))
    with still_connected.reading() as session:
        session.execute(text("SELECT 1"))
        assert found(postgresql.fresh()) == (True, [], 1)
        with pytest.raises(DBAPIError):
            session.execute(text("SELECT 1"))
    still_connected.close()
    with pytest.raises(OperationalError, match="does not exist"):
        found(before)
