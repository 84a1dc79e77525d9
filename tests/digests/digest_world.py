"""A small ledger written row by row: a publication, series, entries, people."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from syndication import clock
from syndication.digests import freezing
from syndication.ledger.db import Database
from syndication.ledger.suppressions import address_hash, pepper
from syndication.ledger.tables import (
    Delivery,
    Edition,
    EditionEntry,
    Entry,
    Issue,
    Notice,
    Publication,
    Revision,
    Series,
    SeriesStart,
    Subscriber,
    Subscription,
    Suppression,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERYTHING = 0


def freeze_owed(db: Database, *, chunk: int = 2_000) -> int:
    """Freezes what is owed, as the workers do when the sweep rings; how many issues."""
    with db.reading() as session:
        owed = freezing.owed(session)
    for issue in owed:
        freezing.freeze_counted(db, issue, chunk=chunk)
    return len(owed)


class World:
    """Writes what publishing and the audience would write, and reads what the digests made of it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        with db.transaction() as session:
            publication = Publication(
                slug="p", name="P", url="https://p.example", language="en", timezone="Europe/Berlin", mail_from="p@p.example",
                tag_authority="p.example", tag_date="2026", created_at=START - timedelta(days=400),
            )  # fmt: skip
            session.add(publication)
            session.flush()
            self.publication = publication.id
            session.add(
                Notice(publication_id=self.publication, language="en", version=1, template="t", text="t", html="<p>t",
                       created_at=START)
            )  # fmt: skip
            self.series = []
            for slug in ("a", "b", "c"):
                series = Series(publication_id=self.publication, slug=slug, title=slug, created_at=START)
                session.add(series)
                session.flush()
                self.series.append(series.id)

    def publish(self, series: int = 0, *, entry: int | None = None, mail: bool = True) -> int:
        """A new entry in the nth series, or `entry` again after a withdrawal. Its id."""
        with self.db.transaction() as session:
            publication = session.get_one(Publication, self.publication)
            publication.seq += 1
            if entry is None:
                new = Entry(
                    publication_id=self.publication, series_id=self.series[series], identity=secrets.token_hex(8),
                    tag_uri=secrets.token_hex(8), slug=secrets.token_hex(8), state="draft", created_at=clock.now(),
                )  # fmt: skip
                session.add(new)
                session.flush()
                revision = Revision(
                    entry_id=new.id, number=1, title=f"Entry {new.id}",
                    content={"title": "t", "body_html": "<p>b</p>"}, source_hash="", created_at=clock.now(),
                )  # fmt: skip
                session.add(revision)
                session.flush()
                new.revision_id = revision.id
            else:
                new = session.get_one(Entry, entry)
                new.mailed_anew = True
            new.state, new.published_at = "published", clock.now()
            new.mail_seq = publication.seq if mail else None
            new.seq = publication.seq
            return new.id

    def join(
        self, scope: int, cadence: str = "daily", *, who: int | None = None, zone: str = "Europe/Berlin",
        cursor: int | None = None, language: str = "en",
    ) -> int:  # fmt: skip
        """A new person (or `who`) follows the series with id `scope`, or everything. The person's id."""
        with self.db.transaction() as session:
            if who is not None:
                zone = session.get_one(Subscriber, who).timezone
            else:
                name = f"{secrets.token_hex(6)}@example.org"
                person = Subscriber(
                    publication_id=self.publication, address=name, address_key=name, domain="example.org", language=language,
                    timezone=zone, handle=secrets.token_bytes(16), created_at=clock.now(),
                )  # fmt: skip
                session.add(person)
                session.flush()
                who = person.id
            seq = session.get_one(Publication, self.publication).seq
            session.add(
                Subscription(
                    subscriber_id=who, timezone=zone, series_id=scope or None, scope=scope, cadence=cadence, state="active",
                    cursor=seq if cursor is None else cursor, shields=bool(scope), asked_at=clock.now(),
                    active_at=clock.now(),
                )
            )  # fmt: skip
            return who

    def start(self, who: int, series_id: int, cursor: int) -> None:
        with self.db.transaction() as session:
            everything = session.scalars(
                select(Subscription).where(Subscription.subscriber_id == who, Subscription.scope == 0)
            ).one()
            session.add(SeriesStart(subscription_id=everything.id, series_id=series_id, cursor=cursor))

    def suppress(self, who: int) -> None:
        with self.db.transaction() as session:
            person = session.get_one(Subscriber, who)
            session.add(
                Suppression(
                    publication_id=self.publication, address_hash=address_hash(pepper(session), person.address_key),
                    reason="bounced", at=clock.now(),
                )
            )  # fmt: skip

    def set_state(self, entry: int, state: str) -> None:
        with self.db.transaction() as session:
            session.get_one(Entry, entry).state = state

    def deliver(self, state: str = "sent", *, issue: int | None = None) -> None:
        """Every pending delivery (of the issue) becomes `state`."""
        with self.db.transaction() as session:
            query = select(Delivery).where(Delivery.state == "pending")
            for delivery in session.scalars(query if issue is None else query.where(Delivery.issue_id == issue)):
                delivery.state = state

    def got(self, who: int, *states: str) -> list[int]:
        """Entry ids of the person's deliveries, in the order they were made; every state, or those named."""
        with self.db.reading() as session:
            query = (
                select(EditionEntry.entry_id)
                .join(Delivery, Delivery.edition_id == EditionEntry.edition_id)
                .where(Delivery.subscriber_id == who)
                .order_by(Delivery.id, EditionEntry.entry_id)
            )
            return list(session.scalars(query.where(Delivery.state.in_(states)) if states else query))

    def cursors(self, who: int) -> dict[int, int]:
        with self.db.reading() as session:
            rows = session.execute(
                select(Subscription.scope, Subscription.cursor).where(Subscription.subscriber_id == who)
            )
            return dict(rows.all())

    def issues(self) -> list[Issue]:
        with self.db.reading() as session:
            return list(session.scalars(select(Issue).order_by(Issue.id)))

    def editions(self, issue: int) -> list[Edition]:
        with self.db.reading() as session:
            return list(session.scalars(select(Edition).where(Edition.issue_id == issue)))

    def equation(self, states: Iterable[str] = ()) -> None:
        """`eligible` is the sum of the states, for every issue."""
        with self.db.reading() as session:
            for issue in session.scalars(select(Issue)):
                found = session.scalars(select(Delivery.state).where(Delivery.issue_id == issue.id)).all()
                assert issue.eligible == len(found), (issue.id, issue.eligible, found)
