"""Scheduled entries whose time has come: one act for all; one that fails is set aside, tried later and later, and told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import select

from syndication import clock, embargo, publishing
from syndication.feeds.disclaimers import STANDARD, render_notice
from syndication.ledger import attempts
from syndication.ledger.content import Entry
from syndication.ledger.db import Database
from syndication.ledger.operations import Attempt
from tests.publishing.conftest import NewEntry

BASE = "https://news.tideway.example"
QUOTED, _ = render_notice(
    STANDARD["en"], name="Tideway Institute", supporters_url="https://tideway.example/supporters?a=1&b=2"
)
REFUSED = f"<p>They write: {QUOTED} And more.</p>"


def schedule_all(db: Database, ids: Iterable[int]) -> None:
    with db.transaction() as session:
        for id_ in ids:
            publishing.schedule(session, session.get_one(Entry, id_), clock.now() + timedelta(minutes=1))


def published(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Entry.slug).where(Entry.state == "published").order_by(Entry.mail_seq)))


def due(db: Database, minutes: float = 2) -> list[str]:
    with clock.shifted(timedelta(minutes=minutes)):
        return [change.slug for change in embargo.publish_due(db, BASE)]


def test_what_is_due_goes_out_in_one_act_and_in_one_issue(db: Database, new_entry: NewEntry) -> None:
    db.ring = lambda name, *_: rung.append(name)
    rung: list[str] = []
    schedule_all(db, [new_entry(slug) for slug in ("one", "two", "three")])
    assert due(db) == ["one", "two", "three"]
    assert rung.count("digests.cut_due") == 1
    assert due(db) == []


def test_one_that_fails_does_not_hold_up_the_others(db: Database, new_entry: NewEntry) -> None:
    bad = new_entry("bad", body_html=REFUSED)
    schedule_all(db, [new_entry("one"), bad, new_entry("two")])
    rung: list[str] = []
    db.ring = lambda name, *_: rung.append(name)
    assert due(db) == ["one", "two"]
    assert rung.count("digests.cut_due") == 1, "the others are one act still"
    with db.reading() as session:
        (row,) = session.scalars(select(Attempt))
    assert row.work == f"publish:{bad}"
    assert "disclaimer" in row.reason


def test_one_that_always_fails_is_tried_later_and_later_and_again_when_it_is_mended(
    db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = new_entry("bad", body_html=REFUSED)
    schedule_all(db, [bad])
    tries = 0

    def counted(*args: object) -> object:
        nonlocal tries
        tries += 1
        return act(*args)  # type: ignore[arg-type]

    act = embargo.carry_out_sound
    monkeypatch.setattr(embargo, "carry_out_sound", counted)
    for _ in range(10):
        due(db)
    assert tries == attempts.HELD_FROM
    with db.reading() as session, clock.shifted(timedelta(minutes=2)):
        assert not embargo.anything_scheduled(session)
        assert [held.work for held in attempts.held(session)] == [f"publish:{bad}"]
    due(db, minutes=3.1)
    assert tries == attempts.HELD_FROM + 1
    schedule_all(db, [bad])  # a person looked at it: it counts anew
    due(db)
    assert tries == attempts.HELD_FROM + 2


def test_a_crash_with_many_isolates_the_one_that_kills(
    db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for a process that ends in the middle: nothing after it runs."""

    ids = [new_entry(slug) for slug in ("one", "killer", "two", "three")]
    schedule_all(db, ids)
    act = embargo.publish_one

    def poisoned(session, plan, entry, mail):  # type: ignore[no-untyped-def]
        if entry.slug == "killer":
            raise Killed
        act(session, plan, entry, mail)

    monkeypatch.setattr(embargo, "publish_one", poisoned)
    for _ in range(6):
        try:
            due(db)
        except Killed:
            continue
    assert published(db) == ["one", "two", "three"]
    with db.reading() as session:
        (held,) = attempts.held(session)
    assert held.work == f"publish:{ids[1]}"
    assert held.reason == ""
    assert held.tries == attempts.HELD_FROM


def test_more_than_a_batch_of_failures_starves_nobody(
    db: Database, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embargo, "BATCH", 2)
    schedule_all(db, [new_entry(f"bad{n}", body_html=REFUSED) for n in range(3)])
    schedule_all(db, [new_entry("good")])
    assert due(db) == ["good"]


def test_an_entry_published_by_hand_is_forgotten_here(db: Database, new_entry: NewEntry) -> None:
    bad = new_entry("bad", body_html=REFUSED)
    schedule_all(db, [bad])
    due(db)
    with db.transaction() as session:
        publishing.unschedule(session, session.get_one(Entry, bad))
    with db.reading() as session:
        assert session.scalars(select(Attempt)).all() == []
