"""Feeds that readers put together: what one client may have made, and what becomes of those that are asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from syndication import clock, composing
from syndication.ledger.content import Feed
from syndication.web import ondemand
from syndication.web.app import create_app
from syndication.wiring import Wiring
from tests.web.web_world import BASE, NewEntry

HOME, OFFICE, OFFICE_TOO = "81.2.69.142", "2a02:6b8::1", "2a02:6b8::2"


def test_one_client_cannot_use_up_what_is_made_for_all(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ondemand, "A_MINUTE", 4)
    monkeypatch.setattr(ondemand, "A_CLIENT", 2)
    new_entry("tides")
    app = create_app(wiring)

    def ask(address: str, *names: str) -> list[int]:
        client = TestClient(app, base_url=BASE, client=(address, 50_000))
        answers = [client.get(f"/feeds/{name}.atom") for name in names]
        assert all(0 < int(a.headers["retry-after"]) <= 60 for a in answers if a.status_code == 503)
        return [answer.status_code for answer in answers]

    assert ask(HOME, "all.daily", "all.daily", "no+such", "all.weekly", "ferries.daily") == [200, 200, 404, 503, 503]
    assert ask(OFFICE, "all.weekly") == [200]
    assert ask(OFFICE_TOO, "ferries.daily", "ferries.weekly") == [200, 503]
    assert ask(HOME, "all.weekly", "ferries.daily") == [200, 200]  # they are there
    assert ask("81.2.69.143", "ferries.weekly") == [503]  # and this is the bound for all


def test_a_name_in_no_format_makes_no_feed(wiring: Wiring, client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    for path in ("/feeds/ferries+floods.xml", "/feeds/ferries+floods", "/feeds/all.daily."):
        assert client.get(path).status_code == 404
    with wiring.db.reading() as session:
        assert session.scalars(select(Feed.name).where(Feed.kind == "composed")).all() == []


def test_one_that_is_read_stays_in_use(
    wiring: Wiring, client: TestClient, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ondemand, "NOTED_EVERY", 0.0)
    new_entry("tides")
    names = {"all.daily", "ferries+floods"}
    for name in names:
        assert client.get(f"/feeds/{name}.atom").status_code == 200
    client.get("/feeds/all.atom")  # they are noted beside a look at the ledger
    with wiring.db.transaction() as session:
        session.execute(update(Feed).where(Feed.kind == "composed").values(asked_at=clock.now() - timedelta(days=59)))
    assert client.get("/feeds/ferries+floods.atom").status_code == 200
    client.get("/feeds/all.atom")
    with clock.shifted(timedelta(days=2)):
        assert composing.forget_unused(wiring.db) == 1
    with wiring.db.reading() as session:
        assert session.scalars(select(Feed.name).where(Feed.kind == "composed")).all() == ["ferries+floods"]


def test_where_all_places_are_taken_it_is_later(
    client: TestClient, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composing, "COMPOSED", 0)
    new_entry("tides")
    answer = client.get("/feeds/all.daily.atom")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3600")
