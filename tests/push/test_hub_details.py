"""What one request, question or push leaves alone: other callbacks, other topics, other versions, claims of others."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from syndication import clock
from syndication.ledger import pushes
from syndication.ledger.content import Artifact, Feed
from syndication.ledger.db import Database
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.ledger.pushes import Claim, Result
from syndication.publishing import publish
from syndication.push.fanout import fan_out_owed
from syndication.push.http import Caller
from syndication.push.sender import _Round, send_due
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry
from tests.push.conftest import Subscribe
from tests.push.machine import Machine
from tests.sink import free_port
from tests.web.web_world import BASE

ALL, FLOODS = f"{BASE}/feeds/all.atom", f"{BASE}/feeds/floods.atom"


def asks(client: TestClient, callback: str, topic: str) -> int:
    form = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": callback}
    return client.post("/hub", data=form).status_code


def test_a_question_replaces_only_the_one_of_its_topic_and_callback(client: TestClient, db: Database) -> None:
    for callback, topic in (("/a", ALL), ("/b", ALL), ("/a", FLOODS), ("/a", ALL)):
        assert asks(client, f"https://reader.example{callback}", topic) == 202
    with db.reading() as session:
        states = session.scalars(select(Push.state).order_by(Push.id)).all()
    assert states == ["superseded", "pending", "pending", "pending"]


def test_one_callback_may_follow_two_topics(subscribe: Subscribe, db: Database) -> None:
    subscribe(topic=ALL)
    subscribe(topic=FLOODS)
    subscribe(topic=FLOODS, mode="unsubscribe")
    with db.reading() as session:
        assert session.scalars(select(HubSubscription.state).order_by(HubSubscription.id)).all() == ["active", "ended"]


def test_a_feed_that_ended_is_no_topic(client: TestClient, db: Database, publication: int) -> None:
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(gone=True))
    assert asks(client, "https://reader.example/", FLOODS) == 404


@pytest.mark.sqlite_only
def test_a_ledger_that_is_away_is_said_in_plain_text(client: TestClient, wiring: Wiring) -> None:
    there, wiring.__dict__["db"] = wiring.db, Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://reader.example/"}
    answer = client.post("/hub", data=form)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert int(answer.headers["retry-after"]) > 0
    assert "127.0.0.1" not in answer.text
    wiring.__dict__["db"] = there
    assert client.post("/hub", data=form).status_code == 202


def test_two_workers_hand_a_version_out_once(
    subscribe: Subscribe, wiring: Wiring, new_entry: NewEntry, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe()
    publish(db, BASE, [new_entry("one")])
    begin = db.transaction

    def late() -> AbstractContextManager[Session]:
        monkeypatch.undo()
        assert fan_out_owed(db, BASE) == 1  # another worker has found the same
        return begin()

    monkeypatch.setattr(db, "transaction", late)
    fan_out_owed(db, BASE)
    with db.reading() as session:
        assert session.scalars(select(Push.state).where(Push.kind == "document")).all() == ["pending"]


def test_a_feed_that_ends_takes_back_only_what_waits_for_it(
    subscribe: Subscribe, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe("/floods", topic=FLOODS)
    publish(db, BASE, [new_entry("one", series=2)])
    send_due(wiring)
    subscribe("/all", topic=ALL)
    publish(db, BASE, [new_entry("two", series=2)])
    fan_out_owed(db, BASE)
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(gone=True))
    fan_out_owed(db, BASE)
    with db.reading() as session:
        found = session.execute(select(Push.target, Push.state).where(Push.kind == "document").order_by(Push.id)).all()
    assert [(target.rpartition("/")[2], state) for target, state in found] == [
        ("floods", "done"), ("floods", "failed"), ("all", "pending"),
    ]  # fmt: skip


def test_what_waits_for_one_who_left_is_not_sent(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe()
    machine.does["/callback"] = 503
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    machine.does.clear()
    subscribe(mode="unsubscribe")
    with clock.shifted(timedelta(hours=1)):
        send_due(wiring)
    assert [got.method for got in machine.got].count("POST") == 1
    with db.reading() as session:
        assert session.scalars(select(Push.state).where(Push.kind == "document")).all() == ["failed"]
    subscribe()  # and comes back
    publish(db, BASE, [new_entry("two")])
    send_due(wiring)
    with db.reading() as session:
        (back,) = session.scalars(select(HubSubscription))
    assert (back.state, back.ended_reason, back.ended_at, back.failures) == ("active", "", None, 0)
    assert machine.got[-1].method == "POST"


def test_two_documents_are_never_under_way_to_one_subscriber(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe()
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    with db.transaction() as session:  # a worker that is slow
        slow = pushes.claim(session, priorities=range(4), size=9, lease_seconds=60)
    assert slow is not None
    publish(db, BASE, [new_entry("two")])
    send_due(wiring)
    assert [got.method for got in machine.got] == ["GET"]
    with db.transaction() as session:
        pushes.finish(session, slow.token, [Result(slow.rows[0].id, "done", "204", etag="one")])
    send_due(wiring)
    assert [got.body.count(b"<entry") for got in machine.got] == [0, 2]


def claimed_twice(db: Database) -> tuple[Claim, Claim]:
    """The claim whose lease ran out, and the present one of the same push."""
    claims = []
    for minutes in (0, 5):
        with clock.shifted(timedelta(minutes=minutes)), db.transaction() as session:
            claim = pushes.claim(session, priorities=range(4), size=1, lease_seconds=60)
            assert claim is not None
            claims.append(claim)
    late, present = claims
    return late, present


def test_a_late_word_about_what_somebody_else_has_claimed_counts_for_nothing(
    subscribe: Subscribe, new_entry: NewEntry, db: Database
) -> None:
    subscribe()
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    late, present = claimed_twice(db)
    with db.transaction() as session:
        pushes.finish(session, late.token, [Result(late.rows[0].id, "failed", "late")])
        pushes.give_back(session, late.token, [late.rows[0].id])
    with db.transaction() as session:
        pushes.finish(session, present.token, [Result(present.rows[0].id, "done", "204")])
    with db.reading() as session:
        assert session.scalars(select(Push.state).where(Push.kind == "document")).all() == ["done"]


def test_who_has_a_version_gets_it_no_second_time(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    """A document that changes and changes back before the change was sent."""
    subscribe()
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    mine = (Artifact.format == "atom", Artifact.feed_id.in_(select(Feed.id).where(Feed.name == "all")))
    with db.transaction() as session:
        before = session.scalars(select(Artifact.etag).where(*mine)).one()
    for etag in ("between", before):
        with db.transaction() as session:
            session.execute(update(Artifact).where(*mine).values(etag=etag))
        fan_out_owed(db, BASE)
    send_due(wiring)
    assert [got.method for got in machine.got] == ["GET", "POST"]


def test_nothing_is_owed_beyond_a_lease(subscribe: Subscribe, new_entry: NewEntry, db: Database) -> None:
    subscribe(lease_seconds="300")
    publish(db, BASE, [new_entry("one")])
    with clock.shifted(timedelta(seconds=301)):
        assert fan_out_owed(db, BASE) == 1
    with db.reading() as session:
        assert session.scalars(select(Push.state).where(Push.kind == "document")).all() == []


def test_a_publish_leaves_questions_as_they_were(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    assert asks(client, "https://reader.example/", ALL) == 202
    publish(db, BASE, [new_entry("one")])
    assert fan_out_owed(db, BASE) == 1
    with db.reading() as session:
        assert session.scalars(select(Push.state).where(Push.kind == "verify")).all() == ["pending"]


def test_one_who_leaves_takes_nothing_from_others(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    for path in ("/leaves", "/stays"):
        subscribe(path)
        machine.does[path] = 503
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    machine.does.clear()
    subscribe("/leaves", mode="unsubscribe")
    with clock.shifted(timedelta(hours=1)):
        send_due(wiring)
    with db.reading() as session:
        found = session.execute(select(Push.target, Push.state).where(Push.kind == "document")).all()
    assert {target.rpartition("/")[2]: state for target, state in found} == {"leaves": "failed", "stays": "done"}


def test_the_newest_document_goes_out_also_within_one_round(
    wiring: Wiring, new_entry: NewEntry, db: Database, subscribe: Subscribe
) -> None:
    subscribe()
    with db.reading() as session:
        topic = session.scalars(select(HubTopic.id)).one()
    one_round = _Round(wiring, Caller(seconds=1))
    one_round._read_documents({topic})
    before = one_round.documents[topic]
    publish(db, BASE, [new_entry("one")])
    one_round._read_documents({topic})
    after = one_round.documents[topic]
    assert before.etag != after.etag
    assert b"On one" in after.body


def test_a_yes_that_comes_after_its_claim_ran_out_counts_for_nothing(
    client: TestClient, wiring: Wiring, db: Database
) -> None:
    assert asks(client, "https://reader.example/", ALL) == 202
    late, good = claimed_twice(db)
    with db.transaction() as session:
        pushes.finish(session, good.token, [Result(good.rows[0].id, "failed", "404")])
    one_round = _Round(wiring, Caller(seconds=1))
    one_round.results = {late.token: [Result(late.rows[0].id, "done", "200")]}
    one_round._finish()
    with db.reading() as session:
        assert session.scalars(select(HubSubscription)).all() == []


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_callback_that_is_busy_is_asked_again(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, db: Database, status: int
) -> None:
    machine.does["/callback"] = status
    subscribe()
    machine.does.clear()
    with clock.shifted(timedelta(minutes=1)):
        send_due(wiring)
    with db.reading() as session:
        assert session.scalars(select(HubSubscription.state)).all() == ["active"]
