"""A publication with three series, and the acts of a person in one line each."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect, select
from starlette.testclient import TestClient

from syndication import clock
from syndication.audience import leaving, subscribing
from syndication.audience.handles import handle_token
from syndication.audience.wishes import Evidence, Form
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger.content import Publication, Series
from syndication.ledger.db import Database
from syndication.ledger.tables import Letter, Subscriber
from syndication.publishing import add_notice
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring


class Town:
    """Acts on the audience, each one transaction. Series ids: ferries 1, floods 2, fog 3."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def ask(self, email: str = "anna@example.org", *series: str, cadence: str = "daily", **more: str) -> None:
        with self.db.transaction() as session:
            form = Form(email=email, series=series or ("all",), cadence=cadence, **more)
            subscribing.ask(session, session.get_one(Publication, 1), form, Evidence(ip="192.0.2.1"))

    def letter(self) -> int:
        return self.rows(Letter)[-1].delivery_id

    def confirm(self, letter_id: int | None = None) -> bool:
        with self.db.transaction() as session:
            return not subscribing.confirm(session, letter_id or self.letter(), Evidence(ip="192.0.2.2")).done

    def decline(self, letter_id: int | None = None) -> None:
        with self.db.transaction() as session:
            subscribing.decline(session, letter_id or self.letter(), Evidence())

    def handle(self, email: str = "anna@example.org") -> str:
        return handle_token(self.person(email).handle)

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
            return list(session.scalars(select(model).order_by(*inspect(model).primary_key)))


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
        for language in ("en", "de"):
            add_notice(session, publication, language, STANDARD[language])
    return Town(db)


@pytest.fixture
def wiring(town: Town, tmp_path: Path) -> Wiring:
    settings = Settings(
        data_dir=tmp_path, database_url=town.db.url, secret_keys="k" * 32, trusted_proxies="127.0.0.0/8"
    )
    return Wiring(settings=settings, base_url="http://testserver", broker_url="")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the answer that hides how much work there was."""
    monkeypatch.setattr("syndication.web.subscriptions.ANSWER_AFTER_SECONDS", 0.0)


@pytest.fixture
def browser(wiring: Wiring) -> TestClient:
    return TestClient(
        create_app(wiring), client=("127.0.0.1", 50_000), follow_redirects=False, headers={"accept-language": "en"}
    )


@pytest.fixture
def scanner(wiring: Wiring) -> TestClient:
    """Another machine: no cookie of the subscribing browser."""
    return TestClient(create_app(wiring), client=("127.0.0.1", 50_000), follow_redirects=False)
