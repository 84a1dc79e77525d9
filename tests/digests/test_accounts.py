"""How an issue is getting on, and how it went: every number from the ledger, the same after it was bundled."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import timedelta

import pytest
from digest_world import START, World, freeze_owed
from sqlalchemy import select, update

from syndication import clock
from syndication.audience.leaving import erase
from syndication.digests import bundling, issues
from syndication.digests.account import COLUMNS, account, everybody
from syndication.digests.progress import progress
from syndication.digests.report import report
from syndication.errors import Conflict
from syndication.ledger import destinations
from syndication.ledger.claims import LAST_ANSWER
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.tables import Delivery, Issue, Subscriber
from syndication.mail.pacing import Pace
from syndication.mail.transport import SHARED_OUT

SLOW = "421 4.7.28 our system has detected an unusual rate of mail"
NOBODY = "550 5.1.1 no such user"


def going(world: World, people: int = 12) -> int:
    """A frozen daily issue for so many at three domains; their deliveries' ids are 1…"""
    with clock.frozen(START):
        world.publish(0)
        for _ in range(people):
            world.join(0, cursor=0)
    with clock.frozen(START + timedelta(days=1)):
        (issue,) = issues.cut(world.db, "daily", now=True)
        freeze_owed(world.db)
    with world.db.transaction() as session:
        for person in session.scalars(select(Subscriber)):
            person.domain = f"d{person.id % 3}.example"
    return issue


def put(db: Database, ids: list[int], **values: object) -> None:
    with db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**values))


def test_progress_counts_paces_and_names_the_slowest(world: World) -> None:
    issue = going(world)
    with world.db.reading() as session:
        begun = progress(session, session.get_one(Issue, issue))
    assert (begun.waiting, begun.rate_per_s, begun.left_s, begun.over) == (12, 0.0, None, False)
    assert begun.slowest == ()
    with world.db.reading() as session:
        now = ledger_now(session)
    put(world.db, [1, 4, 7], state="deferred", reply=SLOW, due_at=now + timedelta(minutes=20), attempts=1)
    put(world.db, [2], state="deferred", reply="451 4.7.1 greylisted", due_at=now + timedelta(minutes=5), attempts=1)
    put(world.db, [3, 6], state="sent", sent_at=now - timedelta(seconds=3))
    put(world.db, [9], state="sent", sent_at=now - timedelta(hours=3))
    put(world.db, [12], state="unknown")
    with world.db.reading() as session:
        seen = progress(session, session.get_one(Issue, issue))
    assert seen.counts | {} == {**dict.fromkeys(seen.counts, 0), "pending": 4, "deferred": 4, "sent": 3, "unknown": 1}
    assert seen.rate_per_s == round(2 / 30, 1)
    assert seen.left_s is not None
    assert 40 < seen.left_s < 80, "four that need not wait, at two in half a minute"
    first, second = seen.slowest
    assert (first.domain, first.held, first.waiting, first.reply, first.meaning) == (
        "d1.example", 3, 4, SLOW, "rate limited",
    )  # fmt: skip
    assert (second.domain, second.held, second.meaning) == ("d2.example", 1, "greylisted")
    assert seen.next_try_at == second.next_at < first.next_at


def test_an_issue_is_over_when_nothing_of_it_waits(world: World) -> None:
    issue = going(world, 2)
    with world.db.transaction() as session:
        issues.cancel(session, issue)
    put(world.db, [1], state="sending")
    with world.db.reading() as session:
        assert not progress(session, session.get_one(Issue, issue)).over
    put(world.db, [1], state="sent", sent_at=START)
    with world.db.reading() as session:
        assert progress(session, session.get_one(Issue, issue)).over


def finished(world: World) -> int:
    issue = going(world)
    at = START + timedelta(days=1, minutes=5)
    put(world.db, list(range(1, 10)), state="sent", sent_at=at, attempts=1, reply="250 2.0.0 kept as 1")
    put(world.db, [9], reply="kept in the outbox as 9.delivery")
    put(world.db, [10], state="sent", sent_at=at + timedelta(hours=5), attempts=2, reply="=1+1")
    put(world.db, [11], state="failed", reply=NOBODY, attempts=1)
    put(world.db, [12], state="unknown", reply="the reply was lost", attempts=1)
    with clock.frozen(START + timedelta(days=2)), world.db.transaction() as session:
        issues.settle(session, issue)
    return issue


def rows(world: World, issue: int, *states: str) -> list[dict[str, str]]:
    with world.db.reading() as session:
        return sorted(everybody(session, issue, states), key=lambda row: int(row["delivery"]))


def test_the_account_is_the_same_after_bundling_but_for_the_relays_words(world: World) -> None:
    issue = finished(world)
    with world.db.reading() as session:
        before = account(session, session.get_one(Issue, issue))
    before_rows = rows(world, issue)
    assert [row["delivery"] for row in before_rows] == [str(n) for n in range(1, 13)]
    assert set(before_rows[0]) == set(COLUMNS)
    assert Counter(row["state"] for row in before_rows) == {"sent": 10, "failed": 1, "unknown": 1}
    assert [row["meaning"] for row in before_rows[8:]] == ["accepted", "accepted", "no such user", "no answer"]
    assert before_rows[9]["reply"] == "'=1+1", "nothing that a spreadsheet would work out"
    assert [row["delivery"] for row in rows(world, issue, "unknown")] == ["12"]
    assert sum(count for _, count in before.minutes) == 10
    assert len(before.minutes) <= 120
    assert [r.reply for r in before.reasons] == [NOBODY, "the reply was lost"]
    assert before.report.editions == 1
    assert before.report.first_sent_at is not None

    with clock.frozen(START + timedelta(days=40)):
        assert bundling.look_through(
            world.db, bundle_after=timedelta(days=30), keep_for=timedelta(days=400), seconds=60
        )
    with world.db.reading() as session:
        after = account(session, session.get_one(Issue, issue))
    assert after == before
    without = {"reply": ""}
    assert [row | without for row in rows(world, issue)] == [row | without for row in before_rows]

    with world.db.transaction() as session:
        erase(session, session.get_one(Subscriber, 1))
    assert rows(world, issue)[0]["address"] == "(erased)"

    with clock.frozen(START + timedelta(days=800)):
        bundling.look_through(world.db, bundle_after=timedelta(days=30), keep_for=timedelta(days=400), seconds=60)
    with world.db.reading() as session:
        forgotten = report(session, session.get_one(Issue, issue))
    assert rows(world, issue) == []
    assert forgotten.counts == before.report.counts
    assert forgotten.equation == before.report.equation
    assert (forgotten.editions, forgotten.first_sent_at, forgotten.last_sent_at) == (
        before.report.editions, before.report.first_sent_at, before.report.last_sent_at,
    )  # fmt: skip


def test_progress_names_what_a_provider_asked_for(world: World) -> None:
    issue = going(world)
    with world.db.transaction() as session:
        now = ledger_now(session)
        until = now + timedelta(minutes=9)
        pace = Pace("stopped", 1.0, 40.0, now, now, now, now, most=1, paused_until=until, reply=SLOW)
        stopped = destinations.named(session, "big", fresh=asdict(pace))
        assert stopped is not None
    words = f"waits for big (stopped): {SLOW}"
    put(world.db, [1, 4], reply=words, due_at=until, held_by=stopped.id)
    put(world.db, [2], reply="the template breaks", due_at=until)
    put(world.db, [3], reply=SHARED_OUT, due_at=until)
    with world.db.reading() as session:
        seen = progress(session, session.get_one(Issue, issue))
        told = report(session, session.get_one(Issue, issue))
    first, second, third = seen.slowest
    assert (first.provider, first.state, first.paused_until, first.meaning) == ("big", "stopped", until, "rate limited")
    assert first.standing == f"big: stopped until {until:%H:%M}"
    assert (second.standing, second.meaning, second.reply) == ("", "", SHARED_OUT)
    assert (third.standing, third.meaning, third.reply) == ("", "", "the template breaks")
    assert (told.held, told.in_turn) == (1, 3)
    assert any("1 held back" in sentence for sentence in told.advice)
    assert any("3 wait for a turn" in sentence for sentence in told.advice)


def test_mail_that_is_spread_was_not_told_to_wait(world: World) -> None:
    issue = going(world)
    with world.db.reading() as session:
        now = ledger_now(session)
    put(world.db, [1], state="sent", sent_at=now)
    put(world.db, list(range(2, 13)), due_at=now + timedelta(minutes=30))
    with world.db.reading() as session:
        seen = progress(session, session.get_one(Issue, issue))
    assert (seen.slowest, seen.next_try_at) == ((), None)
    assert seen.left_s is not None
    assert 1_700 < seen.left_s <= 1_800


def test_reasons_are_counted_by_what_they_mean(world: World) -> None:
    """A relay repeats the address in its answer: a thousand of those are one reason."""
    issue = going(world)
    for n in range(1, 5):
        put(world.db, [n], state="failed", reply=f"550 5.1.1 <p{n}@x.example>: no such user")
    put(world.db, [5], state="failed", reply=f"given up after 8 tries{LAST_ANSWER}452 4.2.2 over quota")
    put(world.db, [6, 7], state="suppressed", reply="the address is suppressed")
    with world.db.reading() as session:
        found = account(session, session.get_one(Issue, issue)).reasons
    assert [(r.state, r.meaning, r.count, r.otherwise) for r in found] == [
        ("failed", "no such user", 4, 3), ("suppressed", "", 2, 0), ("failed", "mailbox full", 1, 0),
    ]  # fmt: skip


def test_nothing_in_the_csv_is_a_formula(world: World) -> None:
    issue = going(world)
    for n, sign in enumerate("=+-@\t\r\n＝＋－＠", 1):
        put(world.db, [n], reply=f"{sign}1+1", state="failed")
    assert all(row["reply"].startswith("'") for row in rows(world, issue, "failed"))


@pytest.mark.parametrize("state", ["done", "empty", "cancelled"])
def test_what_is_over_cannot_be_paused(world: World, state: str) -> None:
    """It would stay so, and who is tried again later would wait for ever."""
    issue = going(world, 1)
    with world.db.transaction() as session:
        session.execute(update(Issue).values(state=state))
    with world.db.transaction() as session, pytest.raises(Conflict, match=f"is {state}"):
        issues.pause(session, issue)
