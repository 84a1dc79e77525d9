"""Finished issues become bundles and then numbers, and nobody who asks can tell the difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from digest_world import START, World, freeze_owed
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from syndication import clock
from syndication.audience.leaving import erase
from syndication.audience.records import whole_record
from syndication.digests import bundling, issues
from syndication.digests.why import why
from syndication.ledger import cursors, past
from syndication.ledger.past import Bundle, IssueEntry, PastDelivery, PastEdition, pack, unpack
from syndication.ledger.tables import Delivery, Edition, EditionEntry, Entry, Issue, Letter, Subscriber
from syndication.mail import deliveries
from syndication.mail.resolving import Chosen, retry

DAY = timedelta(days=1)
LATER = START + timedelta(days=40)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, 10**16).map(lambda micros: EPOCH + timedelta(microseconds=micros))
whole_seconds = st.integers(0, 10**10).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


@given(st.data())
def test_what_is_packed_comes_out_again(data: st.DataObject) -> None:
    editions = {
        number: PastEdition(number, language, notice, tuple(entries))
        for number, (language, notice, entries) in data.draw(
            st.dictionaries(
                st.integers(1, 10**9),
                st.tuples(
                    st.sampled_from(["en", "zh-Hant"]),
                    st.integers(1, 99),
                    st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), max_size=5),
                ),
                min_size=1,
                max_size=5,
            )
        ).items()
    }
    row = st.builds(
        PastDelivery,
        id=st.integers(1, 2**62),
        subscriber_id=st.integers(0, 2**62),
        edition_id=st.sampled_from(sorted(editions)),
        attempts=st.integers(0, 99),
        created_at=moments,
        sent_at=whole_seconds,
    )
    rows = sorted(data.draw(st.lists(row, min_size=1, max_size=30, unique_by=lambda d: d.id)))
    out, found = unpack(pack(rows, editions))
    assert out == rows
    assert found == {id_: editions[id_] for id_ in {d.edition_id for d in rows}}


def an_issue(world: World, people: int = 7) -> tuple[int, list[int], list[int]]:
    """A daily issue of two entries for `people`: two of them get one entry only, one was suppressed, one failed."""
    with clock.frozen(START):
        first, second = world.publish(0), world.publish(1)
        everybody = [world.join(0, cursor=0) for _ in range(people - 2)]
        everybody += [world.join(world.series[1], cursor=0) for _ in range(2)]
        world.suppress(everybody[0])
    with clock.frozen(START + DAY):
        (issue,) = issues.cut(world.db, "daily", now=True)
        freeze_owed(world.db)
        with world.db.transaction() as session:
            session.execute(update(Delivery).where(Delivery.state == "pending").values(state="sent", attempts=1))
            session.execute(update(Delivery).where(Delivery.state == "sent").values(sent_at=clock.now()))
            session.execute(
                update(Delivery).where(Delivery.subscriber_id == everybody[1]).values(state="failed", sent_at=None)
            )
            issues.settle(session, issue)
    return issue, everybody, [first, second]


def look_through(world: World, at: datetime, keep_days: float = 730) -> int:
    with clock.frozen(at):
        return bundling.look_through(
            world.db, bundle_after=timedelta(days=30), keep_for=timedelta(days=keep_days), seconds=60
        )


def told(world: World, people: list[int], entries: list[int]) -> list[tuple[str, str]]:
    with world.db.reading() as session, clock.frozen(LATER):
        return [
            (answer.verdict, answer.sentence)
            for who in people
            for entry in entries
            for answer in [why(session, session.get_one(Subscriber, who).address, session.get_one(Entry, entry))]
        ]


def taken_along(world: World, people: list[int]) -> list[object]:
    """What each may take along: the mail of their record."""
    with world.db.reading() as session:
        return [whole_record(session, session.get_one(Subscriber, who))["mail"] for who in people]


def counted(world: World, issue: int) -> dict[str, int]:
    with world.db.reading() as session:
        found = issues.counts(session, issue)
        assert sum(found.values()) == session.get_one(Issue, issue).eligible
        return found


def test_a_finished_issue_is_bundled_and_every_answer_stays(world: World) -> None:
    issue, people, entries = an_issue(world)
    before, numbers = told(world, people, entries), counted(world, issue)
    along = taken_along(world, people)
    assert all(along)
    with world.db.reading() as session:
        listed = deliveries.listing(session, Chosen(issue=issue))
        explained = {row["id"]: deliveries.explain(session, row["id"]) for row in listed}
    assert look_through(world, START + 20 * DAY) == 0
    assert look_through(world, LATER) > 0
    with world.db.reading() as session:
        states = session.scalars(select(Delivery.state).where(Delivery.issue_id == issue)).all()
        assert sorted(states) == ["failed", "suppressed"]
        assert session.scalar(select(func.count()).select_from(Bundle)) == 1
        assert session.scalar(select(func.count()).select_from(IssueEntry)) == 2
        assert session.scalar(select(func.count()).select_from(Edition)) == 1  # of those who did not get it
    assert counted(world, issue) == numbers
    assert told(world, people, entries) == before
    assert taken_along(world, people) == along
    with world.db.reading() as session:
        again = deliveries.listing(session, Chosen(issue=issue))
        assert sorted(again, key=lambda row: row["id"]) == sorted(listed, key=lambda row: row["id"])
        assert deliveries.listing(session, Chosen(issue=issue, domain="nowhere.example")) == []
        for id_, said in explained.items():
            assert deliveries.explain(session, id_) == said
    assert look_through(world, LATER + DAY) == 0  # nothing is left to do


def test_every_step_leaves_the_equation_and_the_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundling, "SIZE", 2)
    monkeypatch.setattr(bundling, "_AT_A_TIME", 1)
    issue, people, entries = an_issue(world)
    before, numbers = told(world, people, entries), counted(world, issue)
    more = True
    while more:
        with world.db.transaction() as session, clock.frozen(LATER):
            more = bundling.bundle_some(session, issue)
        assert counted(world, issue) == numbers
        assert told(world, people, entries) == before
    more = True
    while more:
        with world.db.transaction() as session, clock.frozen(LATER):
            more = bundling.forget_some(session, issue)
        assert counted(world, issue) == numbers
    with world.db.reading() as session:
        for table in (Bundle, Delivery, IssueEntry, EditionEntry, Edition):
            assert session.scalar(select(func.count()).select_from(table)) == 0, table
        assert session.get_one(Issue, issue).tally == {"sent": 5, "suppressed": 1, "failed": 1}


def test_after_the_retention_date_why_says_that_it_no_longer_knows(world: World) -> None:
    issue, people, entries = an_issue(world)
    numbers = counted(world, issue)
    look_through(world, LATER, keep_days=35)
    assert counted(world, issue) == numbers
    ((verdict, sentence),) = told(world, people[3:4], entries[:1])
    assert verdict == "maybe"
    assert "no longer kept" in sentence


def test_who_has_an_entry_in_a_bundle_does_not_get_it_again(world: World) -> None:
    _, people, entries = an_issue(world)
    look_through(world, LATER)
    world.set_state(entries[1], "withdrawn")
    with clock.frozen(LATER):
        world.publish(1, entry=entries[1])
        (issue,) = issues.cut(world.db, "daily", now=True)
        freeze_owed(world.db)
    with world.db.reading() as session:
        again = session.scalars(select(Delivery.subscriber_id).where(Delivery.issue_id == issue)).all()
        assert sorted(again) == sorted(people[:2])  # suppressed and failed then: they never had it
        had = cursors.already_had(session, [entries[1]], 0, max(people))
        assert had.keys() >= set(people[2:])
        assert cursors.already_had(session, [entries[1]], people[3], people[4]) == {people[4]: {entries[1]}}


def test_what_is_not_finished_is_left_alone(world: World) -> None:
    issue, _, _ = an_issue(world)
    with world.db.transaction() as session:
        session.execute(update(Issue).where(Issue.id == issue).values(state="frozen", done_at=None))
    assert look_through(world, LATER, keep_days=1) == 0
    with world.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 7


def test_an_issue_that_was_opened_again_is_bundled_again(world: World) -> None:
    issue, people, entries = an_issue(world)
    look_through(world, LATER)
    with clock.frozen(LATER + DAY), world.db.transaction() as session:
        retry(session, Chosen(issue=issue))
        session.execute(update(Delivery).where(Delivery.state == "pending").values(state="sent", sent_at=clock.now()))
        issues.settle(session, issue)
    assert look_through(world, LATER + 40 * DAY) > 0
    with world.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Bundle)) == 2
        found = [one.subscriber_id for _, (one, _, _) in past.got(session, [entries[0]], people[1], people[1])]
        assert found == [people[1]]
    assert counted(world, issue)["sent"] == 6


def test_erased_people_stay_numbers(world: World) -> None:
    issue, people, entries = an_issue(world)
    with world.db.transaction() as session:
        erase(session, session.get_one(Subscriber, people[3]))
    look_through(world, LATER)
    with world.db.reading() as session:
        addresses = [row["address"] for row in deliveries.listing(session, Chosen(issue=issue))]
        assert addresses.count("(erased)") == 1
        assert not list(past.got(session, entries, people[3], people[3]))


def test_letters_go_with_their_addresses(world: World) -> None:
    with world.db.transaction() as session:
        old = Delivery(
            publication_id=world.publication,
            kind="transactional",
            priority=0,
            state="sent",
            due_at=START,
            created_at=START,
        )
        waiting = Delivery(
            publication_id=world.publication, kind="transactional", priority=0, state="pending", due_at=START,
            created_at=START,
        )  # fmt: skip
        session.add_all([old, waiting])
        session.flush()
        for one in (old, waiting):
            session.add(
                Letter(delivery_id=one.id, template="confirm", address="a@example.org", language="en", context={})
            )
    look_through(world, LATER)
    with world.db.reading() as session:
        assert session.scalars(select(Delivery.state)).all() == ["pending"]
        assert session.scalar(select(func.count()).select_from(Letter)) == 1


def test_it_is_owed_once_an_hour(world: World) -> None:
    with world.db.reading() as session:
        assert bundling.anything_to_look_through(session)
    look_through(world, LATER)
    with world.db.reading() as session, clock.frozen(LATER + timedelta(minutes=59)):
        assert not bundling.anything_to_look_through(session)
    with world.db.reading() as session, clock.frozen(LATER + timedelta(minutes=61)):
        assert bundling.anything_to_look_through(session)
