"""One sentence for each way a question can end, and the rows it rests on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from digest_world import EVERYTHING, START, World, freeze_owed
from sqlalchemy import select

from syndication import clock
from syndication.digests import issues
from syndication.digests.why import Answer, why
from syndication.ledger.tables import Delivery, Entry, Subscriber, Subscription

MONDAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def ask(world: World, who: int | str, entry: int) -> Answer:
    with world.db.reading() as session:
        address = who if isinstance(who, str) else session.get_one(Subscriber, who).address
        return why(session, address, session.get_one(Entry, entry))


def freeze(world: World, at: datetime = START) -> None:
    with clock.frozen(at):
        issues.cut_due(world.db)
        freeze_owed(world.db)


@pytest.mark.parametrize(
    ("state", "verdict", "words"),
    [
        ("sent", "got", "got “Entry 1” on Sunday 1 March 2026, 13:00 (Europe/Berlin) with the at-once issue"),
        ("unknown", "maybe", "may have got"),
        ("failed", "not", "was refused for good (550 no such user)"),
        ("suppressed", "not", "was suppressed"),
        ("cancelled", "not", "was cancelled"),
        ("pending", "will", "waits to be sent"),
        ("sending", "will", "is being sent now"),
        ("deferred", "will", "is tried again on Sunday 1 March 2026, 13:00 (Europe/Berlin)"),
    ],
)
def test_by_the_delivery(world: World, state: str, verdict: str, words: str) -> None:
    with clock.frozen(START):
        who, entry = world.join(world.series[0], "at-once"), world.publish()
    freeze(world)
    with world.db.transaction() as session:
        delivery = session.scalars(select(Delivery)).one()
        delivery.state, delivery.sent_at, delivery.due_at = state, START, START
        delivery.reply = "550 no such user" if state == "failed" else ""
    answer = ask(world, who, entry)
    assert answer.verdict == verdict
    assert words in answer.sentence
    assert {"entry", "subscriber", "delivery", "issue", "edition"} == {row.table for row in answer.rows}


def test_when_they_will_in_their_own_time(world: World) -> None:
    with clock.frozen(START):
        freeze(world)
        berlin, tokyo = world.join(EVERYTHING), world.join(world.series[0], "weekly", zone="Asia/Tokyo")
        freeze(world)
        entry = world.publish()
        assert (
            "with the daily issue of Monday 2 March 2026, 07:00 (Europe/Berlin)" in ask(world, berlin, entry).sentence
        )
        assert "with the weekly issue of Monday 2 March 2026, 07:00 (Asia/Tokyo)" in ask(world, tokyo, entry).sentence
    with clock.frozen(MONDAY):
        issues.cut_due(world.db)
        assert "which is being made now" in ask(world, berlin, entry).sentence


def test_an_issue_at_once_that_is_made_now_is_for_its_own_followers(world: World) -> None:
    a, b, _ = world.series
    with clock.frozen(START):
        late, passed, first, last = (world.join(*wish) for wish in ((b,), (a,), (a, "at-once"), (a, "at-once")))
        missed = world.publish(1)
        issues.cut(world.db, "at-once")
        entry = world.publish(0)
        [issue] = issues.cut(world.db, "at-once")
        issues.freeze(world.db, issue, chunk=1, beginning=True)
        with world.db.transaction() as session:
            for wish in session.scalars(select(Subscription).where(Subscription.subscriber_id.in_((late, passed)))):
                wish.cadence = "at-once"
        assert "waits to be sent" in ask(world, first, entry).sentence
        assert f"with issue {issue}, which is being made now" in ask(world, last, entry).sentence
        assert "with the next at-once issue" in ask(world, passed, entry).sentence, "it has gone past them"
        assert "with the next at-once issue" in ask(world, late, missed).sentence, "it is for others"


def test_a_slot_that_nobody_cut_yet_is_the_one(world: World) -> None:
    with clock.frozen(START):
        who, entry = world.join(EVERYTHING), world.publish()
    with clock.frozen(MONDAY + timedelta(hours=3)):
        assert "Monday 2 March 2026, 07:00" in ask(world, who, entry).sentence


def test_why_not(world: World) -> None:
    with clock.frozen(START):
        before = world.publish()
        who = world.join(world.series[0])
        other = world.publish(1)
        backfill = world.publish(mail=False)
        barred = world.join(world.series[0])
        world.suppress(barred)
        after = world.publish()
        assert ask(world, "nobody@example.org", before).sentence == "nobody@example.org is not in the ledger."
        assert "published before that" in ask(world, who, before).sentence
        assert "does not follow the series b, nor all" in ask(world, who, other).sentence
        assert "--no-mail" in ask(world, who, backfill).sentence
        assert "suppressed" in ask(world, barred, after).sentence
        assert ask(world, who, after).verdict == "will"
        world.set_state(after, "withdrawn")
        assert "it was withdrawn" in ask(world, who, after).sentence
        world.set_state(after, "scheduled")
        assert "it is scheduled" in ask(world, who, after).sentence
        world.set_state(after, "draft")
        assert "it is a draft" in ask(world, who, after).sentence


def test_why_not_by_how_they_follow(world: World) -> None:
    with clock.frozen(START):
        who = world.join(EVERYTHING)
        world.join(world.series[0], who=who)
        entry, other = world.publish(0), world.publish(1)
        with world.db.transaction() as session:
            for wish in session.scalars(select(Subscription).where(Subscription.scope == world.series[0])):
                wish.state, wish.ended_at, wish.ended_reason = "ended", START, "left"
        shielded = ask(world, who, entry)
        assert "follows all series but a: their own subscription to it ended on 1 March 2026, 12:00 UTC (left)" in (
            shielded.sentence
        )
        assert ask(world, who, other).verdict == "will"
        world.start(who, world.series[1], 99)
        assert "from number 99 on" in ask(world, who, other).sentence
        with world.db.transaction() as session:
            for wish in session.scalars(select(Subscription).where(Subscription.scope == 0)):
                wish.state = "asked"
        assert "has not confirmed" in ask(world, who, other).sentence
        assert "their subscription to the series a ended" in ask(world, who, entry).sentence
