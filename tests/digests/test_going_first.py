"""Mail at once waits for no digest: frozen by the hint of its own, claimed without the others, by workers of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from digest_world import EVERYTHING, START, World
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from syndication import clock
from syndication.cli.up import NICE, _commands, _workers
from syndication.digests import concerning, freezing, issues
from syndication.hints import QUEUES
from syndication.ledger import claims, cursors, due
from syndication.ledger.due import Cut
from syndication.ledger.tables import Subscription
from syndication.mail.sender import DIGESTS
from syndication.settings import Settings
from syndication.sweeping import OWED


def both_cut(world: World) -> tuple[int, int]:
    """An entry, and the issues that bring it: (at once, daily)."""
    world.join(world.series[0], "at-once")
    world.join(world.series[0], "daily")
    world.publish()
    [at_once] = issues.cut(world.db, "at-once", now=True)
    [daily] = issues.cut(world.db, "daily", now=True)
    return at_once, daily


def test_each_freeze_is_found_by_its_own_sweep(world: World) -> None:
    with clock.frozen(START):
        at_once, daily = both_cut(world)
        with world.db.reading() as session:
            assert OWED["digests.freeze_at_once"].find(session) == [(at_once,)]
            assert OWED["digests.freeze"].find(session) == [(daily,)]
            assert freezing.owed(session) == [at_once, daily]


def test_the_beginning_is_as_much_as_somebody_is_owed_and_another_worker_is_rung_for_the_rest(world: World) -> None:
    rung: list[tuple[object, ...]] = []
    with clock.frozen(START):
        for series in (1, 1, 0, 0, 0):
            world.join(world.series[series], "at-once")
        entry = world.publish()
        [issue] = issues.cut_due(world.db)
        world.db.ring = lambda name, *args: rung.append((name, *args))
        freezing.freeze_counted(world.db, issue, chunk=1, beginning=True)
        assert rung == [("mail.send_at_once", issue), ("digests.freeze", issue)]
        world.equation()
        with world.db.reading() as session:
            assert OWED["digests.freeze_at_once"].find(session) == []
            assert OWED["digests.freeze"].find(session) == [(issue,)]
        freezing.freeze_counted(world.db, issue, chunk=1)
        world.equation()
        assert [i.eligible for i in world.issues() if i.id == issue] == [3]
        assert entry is not None


def test_an_entry_at_once_leaves_the_rows_of_who_follows_something_else(world: World) -> None:
    a, b, _ = world.series
    with clock.frozen(START):
        follows_a, follows_b, follows_all = (world.join(scope, "at-once") for scope in (a, b, EVERYTHING))
        first = world.publish(0)
        issues.freeze(world.db, *issues.cut_due(world.db))
        assert [world.cursors(who) for who in (follows_a, follows_b, follows_all)] == [{a: 1}, {b: 0}, {EVERYTHING: 1}]
        second = world.publish(1)
        issues.freeze(world.db, *issues.cut_due(world.db))
        assert [world.cursors(who) for who in (follows_a, follows_b, follows_all)] == [{a: 1}, {b: 2}, {EVERYTHING: 2}]
        assert [world.got(who) for who in (follows_a, follows_b)] == [[first], [second]]
        assert world.got(follows_all) == [first, second]
        world.publish(2)
        issues.freeze(world.db, *issues.cut_due(world.db))
        assert world.got(follows_all, "pending")[2:]
        assert len(world.got(follows_a)) == len(world.got(follows_b)) == 1
    with clock.frozen(START + timedelta(hours=1)):  # to stand behind where nothing came is not to be behind
        assert issues.cut_due(world.db) == []


def test_its_followers_are_found_by_an_index(world: World) -> None:
    """On SQLite, whose planner asks no statistics; PostgreSQL reads a small table whole, and does so with many rows."""
    if not world.db.is_sqlite:
        return
    cut = Cut(world.publication, "at-once", (), 1, at_once=True, carried=False, scopes=(0, world.series[0]))
    query = select(Subscription.id).where(*due.behind(cut, 0, 9))
    with world.db.reading() as session:
        said = str(query.compile(world.db.engine, compile_kwargs={"literal_binds": True}))
        plan = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {said}"))]
    assert any("USING INDEX ix_subscription_at_once (scope=? AND subscriber_id<?)" in step for step in plan), plan


def test_with_more_series_than_are_named_everybody_is_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concerning, "_MANY", 1)
    a, b, _ = world.series
    with clock.frozen(START):
        people = [world.join(scope, "at-once") for scope in (a, b, EVERYTHING)]
        one, two = world.publish(0), world.publish(1)
        issues.freeze(world.db, *issues.cut_due(world.db))
    assert [world.got(who) for who in people] == [[one], [two], [one, two]]


def test_who_comes_to_mail_at_once_is_found_behind_within_a_minute(world: World) -> None:
    _, b, _ = world.series
    with clock.frozen(START):
        who = world.join(b, "daily")
        world.join(world.series[0], "at-once")
        missed = world.publish(1)
        assert issues.cut(world.db, "at-once") == []
        with world.db.transaction() as session:
            session.scalars(select(Subscription).where(Subscription.subscriber_id == who)).one().cadence = "at-once"
        world.publish(0)
        [other] = issues.cut(world.db, "at-once")
        issues.freeze(world.db, other)
        assert world.got(who) == []
    with clock.frozen(START + timedelta(minutes=2)):
        [later] = issues.cut(world.db, "at-once")
        issues.freeze(world.db, later)
        assert world.got(who) == [missed]
        assert issues.cut(world.db, "at-once") == []
    world.equation()


def test_who_stood_where_nothing_came_makes_no_digest_read_what_came_elsewhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = world.series
    read: list[dict[int, int]] = []
    mailable = cursors.mailable

    def seen(
        session: Session, publication: int, after: dict[int, int], upto: int
    ) -> list[tuple[int, int, int, int, bool]]:
        read.append(dict(after))
        return mailable(session, publication, after, upto)

    monkeypatch.setattr(cursors, "mailable", seen)
    with clock.frozen(START):
        who, stood = world.join(a), world.join(b, cursor=0)
        for _ in range(3):
            world.publish(0)
        [issue] = issues.cut(world.db, "daily", now=True)
        issues.freeze(world.db, issue)
        with world.db.transaction() as session:
            session.scalars(select(Subscription).where(Subscription.subscriber_id == stood)).one().cursor = 0
        entry = world.publish(0)
    with clock.frozen(START + timedelta(hours=1)):
        [issue] = issues.cut(world.db, "daily", now=True)
        issues.freeze(world.db, issue)
    assert read[-1] == {a: 3, b: 0}
    assert world.got(who)[-1:] == [entry]
    assert world.got(stood) == []


def test_entries_are_read_from_where_each_series_stood(world: World) -> None:
    a, b, c = world.series
    with clock.frozen(START):
        entries = [world.publish(n % 3) for n in range(9)]
    series = [a, b, c] * 3
    for after in (
        {a: 0},
        {a: 4, b: 7},
        {EVERYTHING: 6, a: 0},
        {EVERYTHING: 2},
        dict.fromkeys(range(1000, 1500), 0) | {c: 3},
    ):
        expected = [
            entry
            for number, (entry, scope) in enumerate(zip(entries, series, strict=True), 1)
            if number <= 8 and (number > after.get(scope, 9) or number > after.get(EVERYTHING, 9))
        ]
        with world.db.reading() as session:
            assert [row[0] for row in cursors.mailable(session, world.publication, after, 8)] == expected


def test_who_sends_at_once_leaves_digests_and_who_sends_digests_takes_what_goes_first(world: World) -> None:
    with clock.frozen(START):
        at_once, daily = both_cut(world)
        issues.freeze(world.db, daily)
    with clock.frozen(START + timedelta(seconds=5)):
        with world.db.reading() as session:
            assert OWED["mail.send_at_once"].find(session) == []
            assert OWED["mail.send_due"].find(session) == [()]
        issues.freeze(world.db, at_once)

        def claimed(*, only_at_once: bool) -> list[int | None]:
            with world.db.transaction() as session:
                claim = claims.claim(
                    session, host="h", journal="j", size=1, lease_seconds=60, kinds=DIGESTS, at_once=only_at_once
                )
                found = [row.issue_id for row in claim.rows] if claim else []
                session.rollback()
                return found

        assert claimed(only_at_once=True) == [at_once]
        assert claimed(only_at_once=False) == [at_once]
        with world.db.reading() as session:
            assert OWED["mail.send_at_once"].find(session) == [()]


def test_what_can_wait_yields_the_processors() -> None:
    heard = {name: queues.split(",") for name, queues, _ in _workers(Settings())}
    for name, command in _commands(Settings()):
        assert command[:2] == ["nice", "-n"] if name in NICE else command[0] != "nice"
    unhurried = {queue for name in NICE for queue in heard[name]}
    assert {QUEUES[hint] for hint in ("digests.freeze", "mail.send_due")} <= unhurried
    for hint in ("publish.render_owed", "digests.cut_due", "digests.freeze_at_once", "mail.send_at_once"):
        assert QUEUES[hint] not in unhurried
