"""Destinations that ask for less, through the sender: who waits for them, who does not, and how all of it gets there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta

import pytest
from mail_world import ScriptedRelay, new_issue
from sqlalchemy import select, update

from syndication import clock
from syndication.doctor import examine
from syndication.errors import NotFound
from syndication.ledger import claims, destinations
from syndication.ledger.audience import Subscriber
from syndication.ledger.claims import Outcome
from syndication.ledger.db import ledger_now
from syndication.ledger.letters import post
from syndication.ledger.mailings import Delivery
from syndication.mail.manners import Told, hear
from syndication.mail.pacing import Pace
from syndication.mail.restrictions import listing, release_named
from syndication.mail.sender import send_due
from syndication.mail.smtp import Relay
from syndication.wiring import Wiring

BLOCKED = b"550 5.7.1 mail from your network was blocked by our policy"
SLOW = b"451 4.7.0 slow down"
STOP = b"450 4.7.28 unusual rate of mail"
THERE = "there.example"


def world(wiring: Wiring, people: int, there: Iterable[int]) -> set[str]:
    """An issue for `people`, of whom some are at there.example; their addresses."""
    new_issue(wiring.db, people)
    moved = {number: f"p{number}@{THERE}" for number in there}
    with wiring.db.transaction() as session:
        for number, address in moved.items():
            session.execute(
                update(Subscriber)
                .where(Subscriber.id == number)
                .values(address=address, address_key=address, domain=THERE)
            )
    return set(moved.values())


def through(wiring: Wiring, relay: ScriptedRelay, **options: object) -> int:
    return send_due(wiring, Relay(relay.url, timeout=5), **options)  # type: ignore[arg-type]


def states(wiring: Wiring) -> Counter[str]:
    with wiring.db.reading() as session:
        return Counter(session.scalars(select(Delivery.state)))


def the_one(wiring: Wiring) -> dict[str, object]:
    with wiring.db.reading() as session:
        (found,) = listing(session)
    return found


def test_a_healthy_world_has_no_restricted_destination(wiring: Wiring, relay: ScriptedRelay) -> None:
    world(wiring, 10, range(1, 4))
    through(wiring, relay)
    with wiring.db.reading() as session:
        assert listing(session) == []


def test_a_block_holds_its_own_mail_and_a_release_sends_all_of_it(wiring: Wiring, relay: ScriptedRelay) -> None:
    relay.script, relay.only = {"rcpt": BLOCKED}, world(wiring, 20, range(1, 9))
    through(wiring, relay)
    assert states(wiring) == {"sent": 12, "deferred": 8}, "nobody else waits, nobody fails"
    held = the_one(wiring)
    assert (held["name"], held["state"], held["waiting"], held["reply"]) == (THERE, "blocked", 8, BLOCKED.decode())
    (found,) = [f for f in examine(wiring) if f.about == "destination"]
    assert found.level == "wrong"
    assert f"destinations release {THERE}" in found.remedy
    with wiring.db.reading() as session:
        assert set(session.scalars(select(Delivery.attempts).where(Delivery.state == "deferred"))) == {0}
    with clock.shifted(timedelta(minutes=30)):
        assert through(wiring, relay) == 0, "it is left alone"
    relay.script = {}
    with wiring.db.transaction() as session:
        assert release_named(session, THERE) == "blocked"
    through(wiring, relay)
    assert states(wiring) == {"sent": 20}


def test_new_mail_to_a_blocked_destination_waits_with_the_old(wiring: Wiring, relay: ScriptedRelay) -> None:
    relay.script, relay.only = {"rcpt": BLOCKED}, world(wiring, 20, range(1, 9))
    through(wiring, relay)
    asked = len([line for talk in relay.talks for line in talk if line.startswith(b"RCPT")])
    with wiring.db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.state == "deferred").values(due_at=clock.now(), held_by=None))
    assert through(wiring, relay) == 8
    assert len([line for talk in relay.talks for line in talk if line.startswith(b"RCPT")]) == asked, "none was tried"
    assert the_one(wiring)["waiting"] == 8


def test_a_probe_that_gets_through_opens_a_blocked_destination(wiring: Wiring, relay: ScriptedRelay) -> None:
    relay.script, relay.only = {"rcpt": BLOCKED}, world(wiring, 12, range(1, 9))
    through(wiring, relay)
    asked = len([line for talk in relay.talks for line in talk if line.startswith(b"RCPT")])
    with clock.shifted(timedelta(hours=1, minutes=1)):
        through(wiring, relay)
    again = len([line for talk in relay.talks for line in talk if line.startswith(b"RCPT")])
    assert again - asked == 1, "one message asks"
    assert the_one(wiring)["state"] == "blocked"
    relay.script = {}
    with clock.shifted(timedelta(hours=4)):
        through(wiring, relay)
        assert the_one(wiring)["state"] == "opening"


def test_stop_leaves_it_alone_for_ten_minutes_and_then_one_goes_at_a_time(wiring: Wiring, relay: ScriptedRelay) -> None:
    relay.script, relay.only = {"rcpt": STOP}, world(wiring, 9, range(1, 6))
    through(wiring, relay)
    assert states(wiring) == {"sent": 4, "deferred": 5}
    assert the_one(wiring)["state"] == "stopped"
    relay.script = {}
    with clock.shifted(timedelta(minutes=9)):
        assert through(wiring, relay) == 0
    with clock.shifted(timedelta(minutes=10, seconds=5)):
        through(wiring, relay, limit=2)
        assert the_one(wiring)["state"] == "opening"
        assert the_one(wiring)["at_once"] == 1
        through(wiring, relay)
    assert states(wiring) == {"sent": 9}


def test_who_is_refused_for_our_speed_waits_for_a_turn_and_then_goes(wiring: Wiring, relay: ScriptedRelay) -> None:
    addresses = world(wiring, 20, range(1, 11))
    relay.script, relay.only = {"rcpt": SLOW}, set(sorted(addresses)[:4])
    through(wiring, relay, limit=20)
    held = the_one(wiring)
    assert (held["state"], held["waiting"]) == ("slow", 4)
    relay.script = {}
    through(wiring, relay)
    assert states(wiring) == {"sent": 20}


def test_turns_are_shared_by_all_workers(wiring: Wiring, relay: ScriptedRelay) -> None:
    relay.script, relay.only = {"rcpt": BLOCKED}, world(wiring, 40, range(1, 31))
    through(wiring, relay)
    relay.script = {}
    with wiring.db.transaction() as session:
        release_named(session, THERE)
        (row,) = destinations.locked(session, destinations.restricted(session).values())
        row.rate = 2.0
    through(wiring, relay, limit=30)
    with wiring.db.reading() as session:
        slots = session.scalars(select(Delivery.slot_at).where(Delivery.slot_at.is_not(None))).all()
        now = ledger_now(session)
    assert len(set(slots)) == len(slots) > 10, "each has a turn of its own"
    assert all(at is not None and at < now + timedelta(seconds=11) for at in slots)
    assert states(wiring)["sent"] < 15


def test_a_letter_overtakes_those_who_wait_for_a_turn(wiring: Wiring, relay: ScriptedRelay) -> None:
    relay.script, relay.only = {"rcpt": BLOCKED}, world(wiring, 40, range(1, 31))
    through(wiring, relay)
    relay.script = {}
    with wiring.db.transaction() as session:
        release_named(session, THERE)
        (row,) = destinations.locked(session, destinations.restricted(session).values())
        row.rate, row.next_free = 0.2, ledger_now(session) + timedelta(minutes=1)
        post(
            session, publication_id=1, subscriber_id=1, address=f"new@{THERE}", language="en", template="confirm",
            context={"confirm": [[0, "daily"]], "cadence": "daily"},
        )  # fmt: skip
    through(wiring, relay, kinds=("transactional",))
    assert relay.received[-1][0] == f"new@{THERE}"


def test_releasing_what_is_free_says_so(wiring: Wiring) -> None:
    with wiring.db.transaction() as session, pytest.raises(NotFound, match="not held up"):
        release_named(session, THERE)


def test_turns_of_a_destination_that_became_free_are_none_when_it_complains_again(wiring: Wiring) -> None:
    world(wiring, 12, range(1, 9))
    with wiring.db.transaction() as session:
        now = ledger_now(session)
        slow = Pace("slow", 20.0, 10.0, now, now, now - timedelta(minutes=2), now - timedelta(minutes=1), reply="421")
        destination = destinations.named(session, THERE, fresh=asdict(slow))
        assert destination is not None
        later = now + timedelta(seconds=1)
        mine = update(Delivery).where(Delivery.id <= 8)
        session.execute(mine.values(held_by=destination.id, slot_at=later, due_at=later))
        destinations.forget(session, destination)
    with wiring.db.reading() as session:
        rows = session.execute(select(Delivery.held_by, Delivery.slot_at, Delivery.due_at < now)).all()
    assert set(rows) == {(None, None, True)}


def test_what_another_worker_has_claimed_and_not_let_go_is_not_under_way(wiring: Wiring) -> None:
    """Two that looked at the same time would each wait for the other."""
    world(wiring, 12, range(1, 9))
    with wiring.db.transaction() as session:
        now = ledger_now(session)
        opening = Pace("opening", 1.0, 10.0, now, now, now, now, most=1, reply="450")
        destination = destinations.named(session, THERE, fresh=asdict(opening))
        assert destination is not None
        session.execute(update(Delivery).where(Delivery.id <= 8).values(held_by=destination.id))
        one = claims.claim(session, host="h", journal="one", size=4, lease_seconds=60, kinds=("digest",))
        assert one is not None
        assert destinations.under_way(session, destination.id, []) == 0
        destinations.mark(session, destination.id, [one.rows[0].id])
        assert destinations.under_way(session, destination.id, []) == 1


def test_a_complaint_about_mail_that_went_before_the_pace_was_known_does_not_count_again(wiring: Wiring) -> None:
    """Another worker lets a slice go while the first complaint is being written down."""
    world(wiring, 4, (1, 2))
    with wiring.db.transaction() as session:
        now = ledger_now(session)
        pace = Pace("slow", 5.0, 10.0, now, now, now - timedelta(seconds=1), now, reply="421")
        destinations.named(session, THERE, fresh=asdict(pace))
        told = Told(domains={1: THERE, 2: THERE}, seconds=0.1)
        words = SLOW.decode()
        outcomes = [Outcome(1, "deferred", words), Outcome(2, "deferred", words)]
        held, _ = hear(session, told, outcomes, timedelta(seconds=10), {THERE: THERE})
        assert all(outcome.held_by for outcome in held)
        told.turns.to = {1: THERE}
    assert the_one(wiring)["rate"] == 5.0
    with wiring.db.transaction() as session:
        hear(session, told, outcomes, timedelta(seconds=10), {THERE: THERE})
    assert the_one(wiring)["rate"] == 2.5, "one that had its turn counts"


def test_a_block_that_follows_a_stop_fails_nobody(wiring: Wiring, relay: ScriptedRelay) -> None:
    """One goes at a time then, so that each is refused alone."""
    addresses = world(wiring, 16, range(1, 13))
    relay.script, relay.only = {"rcpt": STOP}, addresses
    through(wiring, relay)
    relay.script = {"rcpt": BLOCKED}
    for minutes in range(11, 60, 2):
        with clock.shifted(timedelta(minutes=minutes)):
            through(wiring, relay, limit=30)
    assert the_one(wiring)["state"] == "blocked"
    assert "failed" not in states(wiring)
    relay.script = {}
    with clock.shifted(timedelta(hours=1)):
        with wiring.db.transaction() as session:
            release_named(session, THERE)
        through(wiring, relay)
    assert states(wiring) == {"sent": 16}
