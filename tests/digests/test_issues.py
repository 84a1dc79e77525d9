"""Cut and freeze: who gets what, once; and what is written down where nobody gets anything."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from digest_world import EVERYTHING, START, World, freeze_owed
from sqlalchemy import select

from syndication import clock
from syndication.digests import freezing, issues
from syndication.digests.control import counts
from syndication.errors import BadInput, Conflict, NotFound
from syndication.ledger.claims import claim
from syndication.ledger.mailings import Delivery

EVENING = START + timedelta(hours=8)
NEXT_DAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)  # 07:00 in Berlin, a Monday


def tick(world: World, at: datetime) -> list[int]:
    with clock.frozen(at):
        made = issues.cut_due(world.db)
        freeze_owed(world.db, chunk=2)
    world.equation()
    return made


def open_day(world: World) -> None:
    """The slots before START are behind us."""
    tick(world, START)


def test_a_daily_digest_has_what_came_since_and_only_once(world: World) -> None:
    with clock.frozen(START):
        before = world.publish()
        who = world.join(world.series[0])
        open_day(world)
        first, second = world.publish(), world.publish()
        other = world.publish(1)
    assert tick(world, EVENING) == []
    [issue] = tick(world, NEXT_DAY)
    assert world.got(who) == [first, second]
    assert before not in world.got(who)
    assert other not in world.got(who)
    assert tick(world, NEXT_DAY + timedelta(hours=1)) == []
    assert [i.state for i in world.issues() if i.id == issue] == ["frozen"]
    assert tick(world, NEXT_DAY + timedelta(days=1)) == []
    assert world.got(who) == [first, second]


def test_what_is_wanted_at_once_goes_before_a_digest_that_was_cut_earlier(world: World) -> None:
    with clock.frozen(START):
        slow = world.join(world.series[0])
        quick = world.join(world.series[0], "at-once")
        open_day(world)
        world.publish()
    tick(world, NEXT_DAY)
    with clock.frozen(NEXT_DAY + timedelta(minutes=1)):
        world.publish()
    tick(world, NEXT_DAY + timedelta(minutes=1))
    kinds = ("digest",)
    with world.db.transaction() as session:
        taken = [claim(session, host="h", journal=f"j{n}", size=1, lease_seconds=60, kinds=kinds) for n in range(3)]
    assert [one.rows[0].subscriber_id for one in taken if one] == [quick, quick, slow]


def test_zones_that_share_an_instant_share_an_issue(world: World) -> None:
    with clock.frozen(START):
        people = [world.join(EVERYTHING, zone=zone) for zone in ("Europe/Berlin", "Europe/Paris", "Asia/Tokyo")]
        open_day(world)
        entry = world.publish()
    tick(world, NEXT_DAY - timedelta(hours=6))
    assert [world.got(who) for who in people] == [[], [], [entry]]
    [issue] = tick(world, NEXT_DAY)
    assert [world.got(who) for who in people] == [[entry]] * 3
    [made] = [i for i in world.issues() if i.id == issue]
    assert made.zones == ["Europe/Berlin", "Europe/Paris"]
    assert made.slot == "2026-03-02T06:00:00Z"
    assert made.eligible == 2


def test_at_once_is_cut_when_something_came_and_not_again(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0], "at-once")
        assert issues.cut_due(world.db) == []
        entry = world.publish()
    [issue] = tick(world, START + timedelta(seconds=5))
    assert [i.slot for i in world.issues() if i.id == issue] == ["seq:1"]
    assert tick(world, START + timedelta(seconds=10)) == []
    assert world.got(who) == [entry]


def test_who_changes_to_at_once_gets_what_the_old_cadence_still_owed(world: World) -> None:
    with clock.frozen(START):
        world.join(world.series[0], "at-once")
        entry = world.publish()
        tick(world, START)
        late = world.join(world.series[0], "at-once", cursor=0)
    tick(world, START + timedelta(minutes=2))
    tick(world, START + timedelta(minutes=4))
    assert world.got(late) == [entry]


def test_a_slot_without_news_is_written_down_so_that_news_waits_for_the_next(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0])
        open_day(world)
    assert tick(world, NEXT_DAY) == []
    with clock.frozen(NEXT_DAY + timedelta(hours=1)):
        entry = world.publish()
    assert tick(world, NEXT_DAY + timedelta(hours=2)) == []
    assert world.got(who) == []
    assert len(tick(world, NEXT_DAY + timedelta(days=1))) == 1
    assert world.got(who) == [entry]


def test_a_late_tick_cuts_the_newest_slot_only(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0])
        open_day(world)
        entry = world.publish()
    [issue] = tick(world, NEXT_DAY + timedelta(days=5, hours=3))
    assert world.got(who) == [entry]
    assert [i.slot for i in world.issues() if i.id == issue] == ["2026-03-07T06:00:00Z"]


def test_a_late_slot_does_not_matter_to_who_came_after_it(world: World) -> None:
    with clock.frozen(START):
        old = world.join(world.series[0])
        open_day(world)
        entry = world.publish()
    with clock.frozen(NEXT_DAY + timedelta(hours=1)):
        new = world.join(world.series[0], cursor=0)
    tick(world, NEXT_DAY + timedelta(hours=2))
    assert (world.got(old), world.got(new)) == ([entry], [])
    tick(world, NEXT_DAY + timedelta(days=1))
    assert world.got(new) == [entry]


def test_all_leaves_out_what_a_series_subscription_shields(world: World) -> None:
    with clock.frozen(START):
        who = world.join(EVERYTHING)
        world.join(world.series[1], "weekly", who=who)
        open_day(world)
        mine, theirs = world.publish(0), world.publish(1)
    tick(world, NEXT_DAY - timedelta(minutes=1))
    with clock.frozen(NEXT_DAY):
        [daily] = issues.cut(world.db, "daily")
        issues.freeze(world.db, daily)
    assert world.got(who) == [mine]
    with clock.frozen(NEXT_DAY):
        [weekly] = issues.cut(world.db, "weekly")
        issues.freeze(world.db, weekly)
    assert world.got(who) == [mine, theirs]


def test_all_starts_a_series_where_it_was_told_and_only_once(world: World) -> None:
    with clock.frozen(START):
        earlier = world.publish(1)
        skipped = world.publish(2)
        who = world.join(EVERYTHING)  # cursor 2
        world.start(who, world.series[1], 0)
        world.start(who, world.series[2], 5)
        open_day(world)
    issue = tick(world, NEXT_DAY)
    assert issue
    assert world.got(who) == [earlier]
    with clock.frozen(NEXT_DAY):
        later = [world.publish(1), world.publish(2), world.publish(2), world.publish(2)]  # 3, 4, 5, 6
    tick(world, NEXT_DAY + timedelta(days=1))
    assert world.got(who) == [earlier, later[0], later[3]]
    assert skipped not in world.got(who)


def test_a_suppressed_address_counts_and_gets_nothing(world: World) -> None:
    with clock.frozen(START):
        who, barred = world.join(world.series[0]), world.join(world.series[0])
        world.suppress(barred)
        open_day(world)
        entry = world.publish()
    [issue] = tick(world, NEXT_DAY)
    with world.db.reading() as session:
        found = counts(session, issue)
    assert (found["pending"], found["suppressed"]) == (1, 1)
    assert world.got(who, "pending") == [entry]
    assert world.got(barred, "suppressed") == [entry]


def test_an_issue_for_the_suppressed_alone_is_done(world: World) -> None:
    with clock.frozen(START):
        world.suppress(world.join(world.series[0]))
        open_day(world)
        world.publish()
    [issue] = tick(world, NEXT_DAY)
    assert [i.state for i in world.issues() if i.id == issue] == ["done"]


def test_what_was_withdrawn_before_the_cut_is_left_out_and_the_cursor_moves(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0])
        keeps = world.join(world.series[1])
        open_day(world)
        gone, stays = world.publish(0), world.publish(1)
        world.set_state(gone, "withdrawn")
    tick(world, NEXT_DAY)
    assert world.got(who) == []
    assert world.cursors(who) == {world.series[0]: 2}
    assert world.got(keeps) == [stays]


def test_an_issue_in_which_nothing_is_left_for_anybody_is_empty(world: World) -> None:
    with clock.frozen(START):
        world.join(world.series[0])
        open_day(world)
        world.publish(1)
    [issue] = tick(world, NEXT_DAY)
    assert [(i.state, i.eligible) for i in world.issues() if i.id == issue] == [("empty", 0)]


def test_an_entry_that_comes_anew_goes_to_who_never_got_it(world: World) -> None:
    with clock.frozen(START):
        had, unlucky = world.join(world.series[0], "at-once"), world.join(world.series[0], "at-once")
        entry = world.publish()
        tick(world, START)
        world.deliver("sent")
        world.set_state(entry, "withdrawn")
        world.publish(entry=entry)
        late = world.join(world.series[0], "at-once", cursor=0)
    with world.db.transaction() as session:
        from syndication.ledger.tables import Delivery

        for delivery in session.query(Delivery).filter_by(subscriber_id=unlucky):
            delivery.state = "failed"
    tick(world, START + timedelta(minutes=5))
    assert world.got(had) == [entry]
    assert world.got(unlucky) == [entry, entry]
    assert world.got(late) == [entry]


def test_equal_windows_share_an_edition_and_languages_do_not_split_without_a_notice(world: World) -> None:
    with clock.frozen(START):
        for language in ("en", "en", "fr"):
            world.join(world.series[0], "at-once", language=language)
        both = world.join(EVERYTHING, "at-once")
        first, second = world.publish(0), world.publish(1)
    [issue] = tick(world, START)
    assert sorted(len(e.revisions) for e in world.editions(issue)) == [1, 2]
    assert world.got(both) == [first, second]


@pytest.mark.parametrize("cadence", ["daily", "at-once"])
def test_an_issue_spread_over_a_window_is_due_evenly_in_its_minutes(world: World, cadence: str) -> None:
    with clock.frozen(START):
        for _ in range(12):
            world.join(world.series[0], cadence)
        world.publish(0)
        [issue] = issues.cut(world.db, cadence, now=True)
        freezing.freeze(world.db, issue, chunk=5, spread_minutes=4)
    with world.db.reading() as session:
        due = Counter((at - START) / timedelta(minutes=1) for at in session.scalars(select(Delivery.due_at)))
    assert due == ({0: 3, 1: 3, 2: 3, 3: 3} if cadence == "daily" else {0: 12})


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 50])
def test_chunks_of_any_size_give_the_same(world: World, chunk: int) -> None:
    with clock.frozen(START):
        people = [world.join(world.series[n % 2], "at-once") for n in range(7)]
        entries = [world.publish(0), world.publish(1)]
        [issue] = issues.cut_due(world.db)
        issues.freeze(world.db, issue, chunk=chunk)
        issues.freeze(world.db, issue, chunk=chunk)
    world.equation()
    assert [world.got(who) for who in people] == [[entries[n % 2]] for n in range(7)]


def test_a_freezer_that_died_is_followed_by_one_that_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock.frozen(START):
        people = [world.join(world.series[0], "at-once") for _ in range(5)]
        entry = world.publish()
        [issue] = issues.cut_due(world.db)
        real, calls = issues.freeze.__globals__["_chunk"], []

        def dies(*args: object, **kwargs: object) -> object:
            calls.append(1)
            done = real(*args, **kwargs)
            if len(calls) == 2:
                raise RuntimeError("killed")  # after the chunk's work, before its commit
            return done

        monkeypatch.setitem(issues.freeze.__globals__, "_chunk", dies)
        with pytest.raises(RuntimeError):
            issues.freeze(world.db, issue, chunk=2)
        world.equation()
        assert sum(len(world.got(who)) for who in people) == 2
        assert freeze_owed(world.db, chunk=2) == 1
    world.equation()
    assert [world.got(who) for who in people] == [[entry]] * 5


def test_a_second_freezer_stands_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock.frozen(START):
        people = [world.join(world.series[0], "at-once") for _ in range(6)]
        entry = world.publish()
        [issue] = issues.cut_due(world.db)
        real = issues.freeze.__globals__["_try_chunk"]
        nested = []

        def overtaken(*args: object, **kwargs: object) -> object:
            if not nested:
                nested.append(1)
                issues.freeze(world.db, issue, chunk=4)  # the other one does it all meanwhile
            return real(*args, **kwargs)

        monkeypatch.setitem(issues.freeze.__globals__, "_try_chunk", overtaken)
        issues.freeze(world.db, issue, chunk=2)
    world.equation()
    assert [world.got(who) for who in people] == [[entry]] * 6
    assert [i.eligible for i in world.issues() if i.id == issue] == [6]


def test_hints_ring_after_the_first_chunk_and_at_the_end(world: World) -> None:
    rung: list[tuple[object, ...]] = []
    world.db.ring = lambda name, *args: rung.append((name, *args))
    with clock.frozen(START):
        for _ in range(3):
            world.join(world.series[0], "at-once")
        world.publish()
        [issue] = issues.cut_due(world.db)
        assert rung == [("digests.freeze_at_once", issue)]
        issues.freeze(world.db, issue, chunk=1)
    assert rung[1:] == [("mail.send_at_once", issue), ("mail.send_due", issue)]


def test_a_cut_by_hand_is_for_everybody_at_that_cadence(world: World) -> None:
    with clock.frozen(START):
        people = [world.join(EVERYTHING, zone=zone) for zone in ("Europe/Berlin", "Asia/Tokyo")]
        entry = world.publish()
    with clock.frozen(EVENING):
        [issue] = issues.cut(world.db, "daily", now=True)
        issues.freeze(world.db, issue)
    assert [world.got(who) for who in people] == [[entry], [entry]]
    assert [i.slot for i in world.issues() if i.id == issue] == ["now:2026-03-01T20:00:00.000000Z"]
    with pytest.raises(BadInput, match="hourly"):
        issues.cut(world.db, "hourly", now=True)


def test_a_cancelled_issue_names_everybody_also_those_not_frozen_yet(world: World) -> None:
    with clock.frozen(START):
        people = [world.join(world.series[0], "at-once") for _ in range(3)]
        entry = world.publish()
        [issue] = issues.cut_due(world.db)
        with world.db.transaction() as session:
            issues.cancel(session, issue)
        freeze_owed(world.db)
        assert freeze_owed(world.db) == 0
    world.equation()
    assert [world.got(who, "cancelled") for who in people] == [[entry]] * 3
    tick(world, START + timedelta(minutes=5))
    assert [world.got(who, "pending") for who in people] == [[]] * 3


def test_cancel_takes_what_is_pending_and_refuses_what_is_done(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0], "at-once")
        world.publish()
    [issue] = tick(world, START)
    with world.db.transaction() as session:
        issues.cancel(session, issue)
    assert len(world.got(who, "cancelled")) == 1
    world.equation()
    with world.db.transaction() as session, pytest.raises(Conflict):
        issues.cancel(session, issue)
    with world.db.transaction() as session, pytest.raises(NotFound):
        issues.pause(session, 999)


def test_settle_waits_for_the_last_delivery(world: World) -> None:
    with clock.frozen(START):
        world.join(world.series[0], "at-once")
        world.publish()
    [issue] = tick(world, START)
    with world.db.transaction() as session:
        assert not issues.settle(session, issue)
    world.deliver("deferred")
    with world.db.transaction() as session:
        assert not issues.settle(session, issue)
        for state in ("pause", "resume"):
            getattr(issues, state)(session, issue)
    with world.db.transaction() as session:
        from syndication.ledger.tables import Delivery

        for delivery in session.query(Delivery):
            delivery.state = "sent"
    with world.db.transaction() as session:
        assert issues.settle(session, issue)
    assert [(i.state, i.paused) for i in world.issues() if i.id == issue] == [("done", False)]
