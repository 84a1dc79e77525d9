"""Every request of a known partner on record: what carries text before it leaves, the rest a moment later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from syndication import clock
from syndication.ledger.content import Entry
from syndication.ledger.db import Database
from syndication.ledger.tables import Partner, Pull
from syndication.partners import keys
from syndication.partners.pulls import Pulled, PullLog, anything_to_forget, forget_polls
from syndication.publishing import publish, withdraw
from syndication.wiring import Wiring
from tests.partners.partner_world import BASE, add, pulls
from tests.publishing.conftest import NewEntry


def test_when_what_which_revisions_and_how_much(client: TestClient, db: Database, new_entry: NewEntry) -> None:
    entries = [new_entry("one"), new_entry("two")]
    publish(db, BASE, entries)
    auth = add(db, "Gazette", "ferries") | {"Accept-Encoding": "identity"}
    began = clock.now()
    sizes = [len(client.get(f"/partners/v1/{p}", headers=auth).content) for p in ("feed.rss", "entries", "entries/1")]
    found = pulls(db, 3)
    assert [(p.what, p.status, p.bytes) for p in found] == [
        ("rss", 200, sizes[0]), ("entries", 200, sizes[1]), ("entry", 200, sizes[2]),
    ]  # fmt: skip
    with db.reading() as session:
        revisions = [e.revision_id for e in session.scalars(select(Entry).order_by(Entry.seq))]
    assert sorted(found[0].revisions) == sorted(found[1].revisions) == revisions
    assert found[2].revisions == revisions[:1]
    assert [p.texts for p in found] == [2, 2, 1]
    assert all(began <= p.at <= clock.now() for p in found)


def test_unchanged_refused_and_empty_ones_too(
    client: TestClient, db: Database, new_entry: NewEntry, wiring: Wiring
) -> None:
    entry = new_entry("one")
    publish(db, BASE, [entry])
    auth = add(db, "Gazette", "ferries")
    tag = client.get("/partners/v1/feed.atom", headers=auth).headers["etag"]
    client.get("/partners/v1/feed.atom", headers=auth | {"If-None-Match": tag})
    client.head("/partners/v1/feed.atom", headers=auth)
    client.get("/partners/v1/feed.doc", headers=auth)
    client.get("/partners/v1/entries?series=floods", headers=auth)
    client.get("/partners/v1/entries?cursor=9", headers=auth)
    client.get("/partners/v1/entries?cursor=x", headers=auth)
    client.get("/partners/v1/entries?cursor=1", headers=auth)
    client.get("/partners/v1/entries/999", headers=auth)
    withdraw(db, BASE, entry, "wrong")
    client.get(f"/partners/v1/entries/{entry}", headers=auth)
    with db.transaction() as session:
        secret = keys.switch_capability(keys.partner_named(session, "Gazette"), True)
    client.get(f"/partners/c/{secret}/feed.json")
    with db.transaction() as session:
        keys.revoke(keys.partner_named(session, "Gazette"))
    client.get("/partners/v1/entries", headers=auth)
    client.get("/partners/v1/entries", headers={"Authorization": "Bearer unknown"})
    found = pulls(db, 12)
    assert [(p.what, p.status, p.texts) for p in found] == [
        ("atom", 200, 1), ("atom", 304, 0), ("atom", 200, 0), ("feed", 404, 0), ("entries", 404, 0), ("entries", 400, 0),
        ("entries", 422, 0), ("entries", 200, 0), ("entry", 404, 0), ("entry", 410, 0), ("json", 200, 1), ("entries", 401, 0),
    ]  # fmt: skip
    assert [p.bytes > 0 for p in found] == [p.texts > 0 or (p.what, p.status) in (("entry", 410), ("entries", 200))
                                            for p in found]  # fmt: skip


def test_text_is_on_record_before_it_leaves(
    client: TestClient, db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be put on record it does not go out."""
    publish(db, BASE, [new_entry("one")])
    auth = add(db, "Gazette")

    def fails(self: PullLog, pulled: Pulled) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    monkeypatch.setattr(PullLog, "write", fails)
    answer = client.get("/partners/v1/entries", headers=auth)
    assert answer.status_code == 503
    assert "On one" not in answer.text
    assert client.get("/partners/v1/entries?cursor=1", headers=auth).status_code == 200, "a poll carries nothing"


@pytest.fixture
def account(db: Database, client: TestClient) -> tuple[PullLog, Callable[[int], Pulled]]:
    add(db, "Gazette")
    with db.reading() as session:
        partner = session.scalars(select(Partner.id)).one()
    return PullLog(db), lambda status: Pulled(partner, clock.now(), "rss", status)


def test_what_waits_is_written_together_and_kept_while_the_ledger_is_away(
    db: Database, account: tuple[PullLog, Callable[[int], Pulled]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, pulled = account
    for status in (304, 404, 304):
        log.note(pulled(status))
    with monkeypatch.context() as broken:
        broken.setattr(
            "syndication.partners.pulls.insert", lambda _: (_ for _ in ()).throw(OperationalError("", {}, None))
        )  # type: ignore[arg-type]
        log.flush()
        log.note(pulled(401))
    log.close()
    assert [p.status for p in pulls(db, 4)] == [304, 404, 304, 401]


def test_the_end_of_the_process_loses_nothing(client: TestClient, db: Database, wiring: Wiring) -> None:
    from syndication.web.app import create_app

    auth = add(db, "Gazette")
    with TestClient(create_app(wiring), base_url=BASE) as other:
        other.get("/partners/v1/entries/9", headers=auth)
    with db.reading() as session:
        assert session.scalars(select(Pull.status)).all() == [404]


def test_polls_are_forgotten_and_texts_are_not(
    db: Database, account: tuple[PullLog, Callable[[int], Pulled]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, pulled = account
    old = clock.now() - timedelta(days=91)
    carried = pulled(200)
    for each in (pulled(304), carried):
        for at in (old, *([old] if each is not carried else []), clock.now()):
            log.write(Pulled(each.partner_id, at, each.what, each.status, 9, [1] if each is carried else []))

    def owed() -> bool:
        with db.reading() as session:
            return anything_to_forget(session)

    monkeypatch.setattr("syndication.partners.pulls._DELETED_AT_ONCE", 1)
    assert owed()
    assert forget_polls(db, 90) == 2
    assert not owed()
    with clock.shifted(timedelta(days=1)):
        assert owed()
    assert [(p.status, p.at == old) for p in pulls(db, 3)] == [(200, True), (304, False), (200, False)]


def test_what_waits_is_bounded_and_tried_again_by_itself(
    db: Database, account: tuple[PullLog, Callable[[int], Pulled]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syndication.partners.pulls.MOST_WAITING", 3)
    monkeypatch.setattr("syndication.partners.pulls.FLUSH_SECONDS", 0.01)
    log, pulled = account
    store, away, tried = log._store, threading.Event(), threading.Semaphore(0)
    away.set()

    def unless_away(waiting: Sequence[Pulled]) -> None:
        if away.is_set():
            tried.release()
            raise OperationalError("INSERT", {}, Exception("the ledger is away"))
        store(waiting)

    monkeypatch.setattr(log, "_store", unless_away)
    for status in (301, 302, 303, 304, 305):
        log.note(pulled(status))
    assert all(tried.acquire(timeout=10) for _ in range(3))  # the timer is set again though nobody asks meanwhile
    away.clear()
    assert [p.status for p in pulls(db, 3)] == [303, 304, 305]
    log.close()
