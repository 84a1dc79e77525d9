"""A cancelled issue hands what it did not bring to people's next windows: once, to those who still follow, at their cadence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from digest_world import START, World, freeze_owed
from sqlalchemy import select, update

from syndication import clock
from syndication.audience.leaving import erase, leave
from syndication.audience.wishes import Evidence
from syndication.digests import issues
from syndication.digests.repoint import repoint
from syndication.digests.why import why
from syndication.ledger import carrying, claims
from syndication.ledger.claims import Outcome
from syndication.ledger.tables import Carried, Delivery, Entry, Issue, Lease, Subscriber, Subscription

DAY = timedelta(days=1)
BY_HAND = Evidence(via="test")


def cut(world: World, days: int, cadence: str = "daily") -> int:
    with clock.frozen(START + days * DAY):
        (issue,) = issues.cut(world.db, cadence, now=True)
        freeze_owed(world.db)
    return issue


def cancel(world: World, issue: int) -> None:
    with world.db.transaction() as session:
        issues.cancel(session, issue, carry_over=True)


@pytest.fixture
def cancelled(world: World) -> tuple[int, int, int, int]:
    """(issue, entry, who has it, who has not): an issue cancelled when one of two had got it."""
    with clock.frozen(START):
        entry = world.publish(0)
        has, has_not = world.join(0, cursor=0), world.join(0, cursor=0)
    issue = cut(world, 1)
    with world.db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.subscriber_id == has).values(state="sent", sent_at=START))
    cancel(world, issue)
    return issue, entry, has, has_not


def test_the_next_issue_brings_it_to_who_has_not_got_it(world: World, cancelled: tuple[int, int, int, int]) -> None:
    issue, entry, has, has_not = cancelled
    stood = world.cursors(has_not)
    with world.db.reading() as session:
        person = session.get_one(Subscriber, has_not)
        assert why(session, person.address, session.get_one(Entry, entry)).verdict == "will"
    with clock.frozen(START + DAY):
        newer = world.publish(1)
    again = cut(world, 2)
    world.deliver()
    assert world.got(has, "sent") == [entry, newer]
    assert world.got(has_not, "sent") == [entry, newer]
    assert world.cursors(has_not)[0] >= stood[0], "no cursor moved back"
    with world.db.reading() as session:
        assert carrying.people(session, issue) == 1
        assert session.scalars(select(Carried.taken_by)).all() == [again]
    cut(world, 3)
    assert world.got(has_not, "sent", "pending") == [entry, newer], "once"
    world.equation()


def test_it_comes_though_nothing_new_was_published(world: World, cancelled: tuple[int, int, int, int]) -> None:
    _, entry, has, has_not = cancelled
    issue = cut(world, 2)
    world.deliver()
    assert world.got(has_not, "sent") == [entry]
    assert world.got(has) == [entry]
    with world.db.reading() as session:
        assert session.get_one(Issue, issue).eligible == 1
    empty = cut(world, 3)
    with world.db.reading() as session:
        assert session.get_one(Issue, empty).state == "empty", "nothing is on anybody's list any more"


def test_cancelled_twice_it_is_carried_twice(world: World, cancelled: tuple[int, int, int, int]) -> None:
    _, entry, _, has_not = cancelled
    cancel(world, cut(world, 2))
    cut(world, 3)
    world.deliver()
    assert world.got(has_not, "sent") == [entry]


def test_an_older_issue_that_is_frozen_later_moves_no_cursor_back(world: World) -> None:
    """It brings what was carried over, to somebody whose cursor is beyond it already."""
    with clock.frozen(START):
        first = world.publish(0)
        who = world.join(0, cursor=0)
    with clock.frozen(START + DAY):
        (older,) = issues.cut(world.db, "daily", now=True)
        second = world.publish(0)
    with clock.frozen(START + DAY + timedelta(hours=1)):
        (newer,) = issues.cut(world.db, "daily", now=True)
    issues.freeze(world.db, newer)
    cancel(world, newer)
    stood = world.cursors(who)
    issues.freeze(world.db, older)
    assert world.cursors(who) == stood
    assert world.got(who, "pending") == [first, second]
    with clock.frozen(START + 2 * DAY):
        third = world.publish(0)
    cut(world, 3)
    assert world.got(who, "pending") == [first, second, third]


def test_a_cancelled_issue_that_is_not_to_be_carried_over_is_not(world: World) -> None:
    with clock.frozen(START):
        world.publish(0)
        who = world.join(0, cursor=0)
    issue = cut(world, 1)
    with world.db.transaction() as session:
        issues.cancel(session, issue)
    cut(world, 2)
    assert world.got(who, "pending", "sent") == []


def test_what_a_worker_brings_back_later_is_carried_too(world: World) -> None:
    with clock.frozen(START):
        entry = world.publish(0)
        who = world.join(0, cursor=0)
    issue = cut(world, 1)
    with world.db.transaction() as session:
        lease = Lease(host="h", journal="j", until=START + 9 * DAY, size=1, created_at=START)
        session.add(lease)
        session.flush()
        session.execute(update(Delivery).values(state="sending", lease_id=lease.id))
        held = lease.id
    cancel(world, issue)
    with world.db.transaction() as session:
        (delivery,) = session.scalars(select(Delivery.id)).all()
        for concerned in claims.fold(session, held, [Outcome(delivery, "pending")], (60,)):
            issues.settle(session, concerned)
    cut(world, 2)
    assert world.got(who, "cancelled") == [entry]
    assert world.got(who, "pending") == [entry]


def test_a_half_frozen_issue_is_carried_over_to_all(world: World) -> None:
    with clock.frozen(START):
        entry = world.publish(0)
        everybody = [world.join(0, cursor=0) for _ in range(5)]
    with clock.frozen(START + DAY):
        (issue,) = issues.cut(world.db, "daily", now=True)
    cancel(world, issue)
    issues.freeze(world.db, issue, chunk=2)
    cut(world, 2)
    assert [world.got(who, "cancelled") for who in everybody] == [[entry]] * 5
    assert [world.got(who, "pending") for who in everybody] == [[entry]] * 5
    world.equation()


def test_withdrawn_meanwhile_it_stays_away(world: World, cancelled: tuple[int, int, int, int]) -> None:
    _, entry, _, has_not = cancelled
    with world.db.transaction() as session:
        row = session.get_one(Entry, entry)
        row.state = "withdrawn"
        session.flush()
        repoint(session, row, None)
    cut(world, 2)
    assert world.got(has_not, "pending") == []
    with clock.frozen(START + 2 * DAY):
        world.publish(entry=entry)
    cut(world, 3)
    assert world.got(has_not, "pending") == [entry], "published again, it is new to them"


def test_who_left_gets_nothing_and_who_comes_back_begins_anew(
    world: World, cancelled: tuple[int, int, int, int]
) -> None:
    _, _, _, has_not = cancelled
    with world.db.transaction() as session:
        leave(session, session.get_one(Subscriber, has_not), BY_HAND)
    with world.db.transaction() as session:
        session.execute(update(Subscription).values(state="active"))
    cut(world, 2)
    assert world.got(has_not, "pending") == []


def test_what_they_left_before_it_was_cancelled_is_not_listed(world: World) -> None:
    """Else it would wait for ever, and every issue at once would look at everybody for it."""
    a, b, _ = world.series
    with clock.frozen(START):
        who = world.join(a)
        world.join(b, who=who)
        follows_all = world.join(0)
        world.join(a, "weekly", who=follows_all)
        left, kept = world.publish(0), world.publish(1)
    issue = cut(world, 1)
    with world.db.transaction() as session:
        leave(session, session.get_one(Subscriber, who), BY_HAND, series_id=a)
    cancel(world, issue)
    with world.db.reading() as session:
        listed = session.execute(select(Carried.subscriber_id, Carried.entry_id)).all()
        assert sorted(map(tuple, listed)) == [(who, kept), (follows_all, kept)]
        person = session.get_one(Subscriber, who)
        assert why(session, person.address, session.get_one(Entry, left)).verdict == "not"
    cut(world, 2)
    assert world.got(who, "pending") == [kept]
    with world.db.reading() as session:
        assert not carrying.anything(session)


def test_erased_with_the_person(world: World, cancelled: tuple[int, int, int, int]) -> None:
    issue, _, _, has_not = cancelled
    with world.db.transaction() as session:
        erase(session, session.get_one(Subscriber, has_not))
        issues.settle(session, issue)
    with world.db.reading() as session:
        assert session.scalars(select(Carried)).all() == []


def test_another_cadence_takes_it_along_and_a_strange_one_does_not(world: World) -> None:
    """Daily for one series, weekly for another: the weekly issue does not bring what belongs to the daily one."""
    with clock.frozen(START):
        entry = world.publish(0)
        who = world.join(world.series[0], "daily", cursor=0)
        world.join(world.series[1], "weekly", who=who, cursor=0)
    cancel(world, cut(world, 1))
    cut(world, 2, "weekly")
    assert world.got(who, "pending") == []
    with world.db.transaction() as session:
        session.execute(update(Subscription).where(Subscription.scope == world.series[0]).values(cadence="weekly"))
    cut(world, 3, "weekly")
    assert world.got(who, "pending") == [entry]


def test_at_once_it_waits_for_the_next_entry_whoever_looks_for_stragglers_meanwhile(world: World) -> None:
    """Who stops the presses has them stopped: nothing goes again by itself a minute later."""
    with clock.frozen(START):
        who = world.join(0, "at-once", cursor=0)
        first = world.publish(0)
        (issue,) = issues.cut(world.db, "at-once")
        freeze_owed(world.db)
    cancel(world, issue)
    for minutes in (2, 5):
        with clock.frozen(START + timedelta(minutes=minutes)):
            assert issues.cut(world.db, "at-once") == []
    late = world.join(0, "at-once", cursor=0)
    with clock.frozen(START + timedelta(minutes=10)):
        assert len(issues.cut(world.db, "at-once")) == 1
        freeze_owed(world.db)
    assert (world.got(late, "pending"), world.got(who, "pending")) == ([first], [])
    with clock.frozen(START + timedelta(minutes=20)):
        second = world.publish(1)
        issues.cut(world.db, "at-once")
        freeze_owed(world.db)
    assert world.got(who, "pending") == [first, second]
