"""A large audience in an empty ledger: people and what they follow, written in bulk, and one entry for each series."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from syndication.ledger.db import Database
from syndication.ledger.suppressions import address_hash, pepper
from syndication.ledger.tables import (
    Base,
    Entry,
    Notice,
    Publication,
    Revision,
    Series,
    Subscriber,
    Subscription,
    Suppression,
)

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SERIES = 20
ZONES = [f"Etc/GMT{n:+d}" for n in range(-12, 12)]
SUPPRESSED_EVERY = 200
AT_A_TIME = 20_000
Row = dict[str, object]


def handle_of(number: int) -> bytes:
    """The one-click handle of the nth person."""
    return number.to_bytes(16, "big")


def fill(db: Database, people: int) -> None:
    """Four in five follow one to three series, the others all; each at one cadence, in one of 24 zones."""
    Base.metadata.create_all(db.engine)
    with db.transaction() as session:
        _publication(session)
        key = pepper(session)
        session.add_all(
            Suppression(publication_id=1, address_hash=address_hash(key, _address(number)), reason="bounced", at=START)
            for number in range(SUPPRESSED_EVERY, people + 1, SUPPRESSED_EVERY)
        )
    chance = random.Random(1)
    for first in range(1, people + 1, AT_A_TIME):
        zones = {n: chance.choice(ZONES) for n in range(first, min(first + AT_A_TIME, people + 1))}
        _write(db, Subscriber, [_person(number, zone) for number, zone in zones.items()])
        _write(db, Subscription, [row for number, zone in zones.items() for row in _wishes(chance, number, zone)])
    if not db.is_sqlite:  # not the empty tables: told that they are empty, PostgreSQL would plan for that
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE publication, series, entry, subscriber, subscription, suppression"))


def _publication(session: Session) -> None:
    session.add(
        Publication(
            id=1, slug="p", name="P", url="https://p.example", language="en", timezone="UTC", mail_from="p@p.example",
            tag_authority="p.example", tag_date="2026", seq=SERIES, created_at=START - timedelta(days=30),
        )
    )  # fmt: skip
    session.flush()
    session.add(Notice(publication_id=1, language="en", version=1, template="", text="", html="", created_at=START))
    for n in range(1, SERIES + 1):
        session.add(Series(id=n, publication_id=1, slug=f"s{n}", title=f"S{n}", created_at=START))
        session.flush()
        entry = Entry(
            id=n, publication_id=1, series_id=n, identity=f"{n}", tag_uri=f"tag:{n}", slug=f"e{n}", state="published",
            seq=n, mail_seq=n, published_at=START, created_at=START,
        )  # fmt: skip
        session.add(entry)
        session.flush()
        session.add(Revision(id=n, entry_id=n, number=1, title="T", content={}, source_hash="", created_at=START))
        session.flush()
        entry.revision_id = n


def _address(number: int) -> str:
    return f"{number}@example.org"


def _person(number: int, zone: str) -> Row:
    return {
        "id": number, "publication_id": 1, "address": _address(number), "address_key": _address(number),
        "domain": "example.org", "name": "", "language": "en", "timezone": zone, "handle": handle_of(number),
        "demo": False, "created_at": START,
    }  # fmt: skip


def _wishes(chance: random.Random, number: int, zone: str) -> Iterator[Row]:
    cadence = chance.choice(("at-once", "daily", "weekly"))
    for scope in [0] if chance.random() < 0.2 else chance.sample(range(1, SERIES + 1), chance.randrange(1, 4)):
        yield {
            "subscriber_id": number, "timezone": zone, "series_id": scope or None, "scope": scope, "cadence": cadence,
            "state": "active", "cursor": 0, "cursor_was": 0, "shields": bool(scope), "asked_at": START,
            "active_at": START, "ended_reason": "",
        }  # fmt: skip


def _write(db: Database, table: type[Base], rows: list[Row]) -> None:
    if db.is_sqlite:
        with db.transaction() as session:
            session.execute(insert(table), rows)
        return
    raw = db.engine.raw_connection()
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.__tablename__} ({', '.join(rows[0])}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))
    raw.commit()
    raw.close()
