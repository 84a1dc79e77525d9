"""A correction or a withdrawal reaches the mail that waits, and only that."""

from __future__ import annotations

from datetime import timedelta

from digest_world import EVERYTHING, START, World, freeze_owed
from sqlalchemy import select

from syndication import clock
from syndication.digests import issues
from syndication.digests.repoint import NOTHING_LEFT, renewed, repoint
from syndication.ledger.tables import Delivery, Edition, Entry, Revision


def freeze_at_once(world: World) -> int:
    with clock.frozen(START):
        [issue] = issues.cut_due(world.db)
        freeze_owed(world.db)
    return issue


def withdraw(world: World, entry_id: int) -> int:
    with world.db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.state = "withdrawn"
        session.flush()
        return repoint(session, entry, None)


def correct(world: World, entry_id: int) -> int:
    with world.db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        revision = Revision(
            entry_id=entry_id, number=2, title="better", content={"title": "better", "body_html": "<p>x"}, source_hash="",
            created_at=clock.now(),
        )  # fmt: skip
        entry.revision = revision
        session.add(revision)
        session.flush()
        repoint(session, entry, revision)
        return revision.id


def pinned(world: World, who: int) -> list[int]:
    with world.db.reading() as session:
        query = select(Edition.revisions).join(Delivery).where(Delivery.subscriber_id == who)
        return list(session.scalars(query).one())


def test_a_correction_changes_waiting_mail_and_leaves_sent_mail(world: World) -> None:
    with clock.frozen(START):
        early, late = world.join(EVERYTHING, "at-once"), world.join(world.series[0], "at-once")
        first, second = world.publish(0), world.publish(1)
    freeze_at_once(world)
    with world.db.transaction() as session:
        session.scalars(select(Delivery).where(Delivery.subscriber_id == early)).one().state = "sent"
    before = pinned(world, early)
    revision = correct(world, first)
    assert pinned(world, early) == before
    assert pinned(world, late) == [revision]
    assert world.got(early) == [first, second]
    world.equation()


def test_deferred_mail_keeps_its_other_entries_in_their_order(world: World) -> None:
    with clock.frozen(START):
        who = world.join(EVERYTHING, "at-once")
        first, second, third = world.publish(0), world.publish(1), world.publish(2)
    freeze_at_once(world)
    world.deliver("deferred")
    old = pinned(world, who)
    revision = correct(world, second)
    assert pinned(world, who) == [old[0], revision, old[2]]
    assert withdraw(world, first) == 1
    assert pinned(world, who) == [revision, old[2]]
    assert world.got(who) == [second, third]


def test_a_mail_with_nothing_left_is_cancelled_and_the_issue_is_done(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0], "at-once")
        entry = world.publish()
    issue = freeze_at_once(world)
    assert withdraw(world, entry) == 1
    with world.db.reading() as session:
        delivery = session.scalars(select(Delivery).where(Delivery.subscriber_id == who)).one()
    assert (delivery.state, delivery.reply) == ("cancelled", NOTHING_LEFT)
    assert [i.state for i in world.issues() if i.id == issue] == ["done"]
    world.equation()


def test_published_again_it_goes_to_those_whose_mail_was_cancelled(world: World) -> None:
    with clock.frozen(START):
        who = world.join(world.series[0], "at-once")
        entry = world.publish()
    freeze_at_once(world)
    withdraw(world, entry)
    world.publish(entry=entry)
    with clock.frozen(START + timedelta(minutes=5)):
        issues.cut_due(world.db)
        freeze_owed(world.db)
    assert world.got(who, "pending") == [entry]


def test_renewed_is_the_same_edition_while_nothing_changed(world: World) -> None:
    with clock.frozen(START):
        who = world.join(EVERYTHING, "at-once")
        entry = world.publish()
    freeze_at_once(world)
    with world.db.transaction() as session:
        delivery = session.scalars(select(Delivery).where(Delivery.subscriber_id == who)).one()
        edition = delivery.edition_id
        delivery.state = "sending"
        assert edition is not None
        assert renewed(session, edition) == edition
    assert withdraw(world, entry) == 0  # a worker has it: its gate asks
    with world.db.transaction() as session:
        assert renewed(session, edition) is None
