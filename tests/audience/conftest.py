"""A publication with three series, and the acts of a person in one line each."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from syndication import clock
from syndication.audience import leaving, subscribing
from syndication.audience.wishes import Evidence, Form
from syndication.ledger.content import Publication, Series
from syndication.ledger.db import Database
from syndication.ledger.tables import Letter, Subscriber


class Town:
    """Acts on the audience, each one transaction. Series ids: ferries 1, floods 2, fog 3."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def ask(self, email: str = "anna@example.org", *series: str, cadence: str = "daily", **more: str) -> None:
        with self.db.transaction() as session:
            form = Form(email=email, series=series or ("all",), cadence=cadence, **more)
            subscribing.ask(session, session.get_one(Publication, 1), form, Evidence(ip="192.0.2.1"))

    def payload(self) -> dict[str, object]:
        context = self.rows(Letter)[-1].context
        return {"s": context["confirm"], "w": context["wishes"]}

    def confirm(self, payload: dict[str, object] | None = None) -> bool:
        with self.db.transaction() as session:
            return not subscribing.confirm(session, payload or self.payload(), Evidence(ip="192.0.2.2")).done

    def join(self, email: str = "anna@example.org", *series: str, cadence: str = "daily") -> None:
        self.ask(email, *series, cadence=cadence)
        self.confirm()

    def leave(self, email: str = "anna@example.org", series_id: int | None = None, reason: str = "left") -> bool:
        with self.db.transaction() as session:
            return leaving.leave(session, self.person(email), Evidence(), series_id=series_id, reason=reason)

    def erase(self, email: str = "anna@example.org") -> None:
        with self.db.transaction() as session:
            leaving.erase(session, session.get_one(Subscriber, self.person(email).id))

    def change(self, **changes: object) -> bool:
        with self.db.transaction() as session:
            return subscribing.change(session, session.get_one(Subscriber, self.person().id), Evidence(), **changes)

    def person(self, email: str = "anna@example.org") -> Subscriber:
        with self.db.reading() as session:
            return session.scalars(select(Subscriber).where(Subscriber.address == email)).one()

    def published(self, seq: int) -> None:
        with self.db.transaction() as session:
            session.get_one(Publication, 1).seq = seq

    def rows(self, model: type) -> list:
        with self.db.reading() as session:
            return list(session.scalars(select(model)))


@pytest.fixture
def town(db: Database) -> Town:
    with db.transaction() as session:
        publication = Publication(
            slug="tideway", name="Tideway Institute", url="https://tideway.example", language="en",
            timezone="Europe/Lisbon", mail_from="series@tideway.example", tag_authority="tideway.example",
            tag_date="2026-01-01", created_at=clock.now(), seq=10,
        )  # fmt: skip
        session.add(publication)
        session.flush()
        for slug in ("ferries", "floods", "fog"):
            session.add(Series(publication_id=publication.id, slug=slug, title=slug.title(), created_at=clock.now()))
            session.flush()
    return Town(db)
