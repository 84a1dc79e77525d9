"""Subscribers that want too much, answer too late or not at all: nobody else waits for them, and nothing grows without end."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from syndication import clock
from syndication.errors import Conflict, NotFound
from syndication.ledger.content import Feed
from syndication.ledger.db import Database
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.ledger.pushes import DOCUMENT, NEW, SOON, SUSPECT, claim
from syndication.publishing import publish, rerender_all
from syndication.push import hub, sender
from syndication.push.answer import Answer
from syndication.push.fanout import fan_out_owed
from syndication.push.sender import send_due
from syndication.web import hub as door
from syndication.web.app import create_app
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry
from tests.push.conftest import Subscribe
from tests.push.machine import Machine
from tests.web.web_world import BASE

ALL = f"{BASE}/feeds/all.atom"


def states(db: Database, kind: str = "document") -> list[str]:
    with db.reading() as session:
        return sorted(session.scalars(select(Push.state).where(Push.kind == kind)))


def lanes(db: Database) -> dict[str, int]:
    """Path of the callback → lane of the document that waits for it."""
    with db.reading() as session:
        rows = session.execute(
            select(Push.target, Push.priority).where(Push.kind == "document", Push.state == "pending")
        ).all()
    return {"/" + target.rpartition("/")[2]: lane for target, lane in rows}


def change(wiring: Wiring, **settings: object) -> None:
    object.__setattr__(wiring, "settings", wiring.settings.model_copy(update=settings))


def asks(client: TestClient, callback: str, topic: str = ALL, mode: str = "subscribe", **more: str) -> int:
    form = {"hub.mode": mode, "hub.topic": topic, "hub.callback": callback}
    return client.post("/hub", data=form | {f"hub.{name}": value for name, value in more.items()}).status_code


def test_a_host_with_many_slow_callbacks_keeps_no_other_waiting(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, client: TestClient, new_entry: NewEntry, db: Database
) -> None:
    """They hold on until the other one has been reached; were it to wait for them, they would fail."""
    change(wiring, push_per_host=4, push_timeout_seconds=20.0)
    for number in range(20):
        subscribe(f"/slow{number}")
        machine.does[f"/slow{number}"] = "hold"
    assert asks(client, machine.url.replace("127.0.0.1", "127.1") + "/quick") == 202
    send_due(wiring)
    machine.does["/quick"] = "release"
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    assert states(db) == ["done"] * 21


def crowd(wiring: Wiring, url: str, size: int, **shown: object) -> None:
    """So many subscribers to the one topic there is, each of which has taken a document; `shown`: what else it did."""
    with wiring.db.transaction() as session:
        now, topic = clock.now(), session.scalars(select(HubTopic.id)).one()
        session.add_all(
            HubSubscription(
                topic_id=topic, callback=f"{url}/crowd{n}", callback_hash=str(n), host="127.0.0.1", active_at=now,
                lease_until=now + timedelta(days=1), delivered_etag="old", **{"delivered_at": now, **shown},
            )
            for n in range(size)
        )  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "lane", "share"),
    [({}, (DOCUMENT,), 1.0), ({"delivered_at": None}, (SOON, NEW), 0.5), ({"failures": 1}, (SUSPECT,), 0.25)],
)
def test_each_lane_has_its_share_of_the_threads(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database,
    monkeypatch: pytest.MonkeyPatch, shown: dict[str, object], lane: tuple[int, ...], share: float,
) -> None:  # fmt: skip
    change(wiring, push_per_host=100)
    subscribe()
    with db.transaction() as session:
        session.execute(update(HubSubscription).values(state="ended"))
    crowd(wiring, machine.url, 40, **shown)
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    over = threading.Event()
    monkeypatch.setattr(sender.Caller, "call", lambda *_, **__: over.wait(60) and Answer(204, "No Content"))
    one_round = sender._Round(wiring, sender.Caller(seconds=1))
    with ThreadPoolExecutor(wiring.settings.push_threads) as pool:
        while one_round._claim(pool):
            assert len(one_round.lanes) == 1
        over.set()
    assert one_round.lanes == {lane: wiring.settings.push_threads * share}


def test_what_no_thread_is_free_for_stays_in_the_ledger(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What is claimed runs a lease: more of a full host's than can soon be sent is left to others."""
    change(wiring, push_per_host=1)
    subscribe()
    crowd(wiring, machine.url, 60)
    claimed: list[int] = []

    def count(*_: object, **__: object) -> Answer:
        claimed.append(len([state for state in states(db) if state == "sending"]))
        return Answer(204, "No Content")

    monkeypatch.setattr(sender.Caller, "call", count)
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    assert states(db) == ["done"] * 61
    assert max(claimed) <= wiring.settings.push_threads


def test_what_is_held_when_the_time_is_over_is_given_back(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    change(wiring, push_per_host=1)
    for number in range(4):
        subscribe(f"/cb{number}")
    publish(db, BASE, [new_entry("one")])
    claim_some = sender._Round._claim

    def then_late(self: sender._Round, pool: ThreadPoolExecutor) -> bool:
        found = claim_some(self, pool)
        monkeypatch.setattr(sender.clock, "monotonic", lambda: 1e12)
        return found

    monkeypatch.setattr(sender._Round, "_claim", then_late)
    monkeypatch.setattr(sender.Caller, "call", lambda *_, **__: Answer(204, "No Content"))
    send_due(wiring)
    assert states(db) == ["done", "pending", "pending", "pending"]
    monkeypatch.undo()
    send_due(wiring)
    assert states(db) == ["done"] * 4


def test_a_fault_of_ours_in_one_call_ends_no_round(
    subscribe: Subscribe, wiring: Wiring, new_entry: NewEntry, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/good", "/odd"):
        subscribe(path)
    publish(db, BASE, [new_entry("one")])
    call = sender.Caller.call

    def broken(self: sender.Caller, method: str, url: str, **more: Any) -> Answer:
        if url.endswith("/odd"):
            raise RuntimeError("nobody thought of it")
        return call(self, method, url, **more)

    monkeypatch.setattr(sender.Caller, "call", broken)
    send_due(wiring)
    assert states(db) == ["done", "pending"]


def test_one_host_however_it_is_written_has_one_share(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, client: TestClient, new_entry: NewEntry, db: Database
) -> None:
    change(wiring, push_per_host=1)
    at_once, most, lock = 0, 0, threading.Lock()
    call = sender.Caller.call

    def counted(self: sender.Caller, method: str, url: str, **more: object) -> sender.Answer:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return call(self, method, url, **more)  # type: ignore[arg-type]
        finally:
            with lock:
                at_once -= 1

    port = machine.url.rpartition(":")[2]
    for spelled in ("LocalHost", "LOCALHOST", "localhost", "localHost", "localhost."):
        asks(client, f"http://{spelled}:{port}/cb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender.Caller, "call", counted)
        send_due(wiring)
    assert most == 1


def test_questions_that_hang_leave_threads_for_documents(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, client: TestClient, new_entry: NewEntry, db: Database
) -> None:
    change(wiring, push_timeout_seconds=20.0)
    subscribe("/quick")
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    for number in range(30):
        machine.does[f"/ask{number}"] = "hold"
        assert asks(client, f"{machine.url}/ask{number}") == 202
    machine.does["/quick"] = "release"
    with ThreadPoolExecutor(1) as pool:
        rounds = pool.submit(send_due, wiring)
        while sum(got.path.startswith("/ask") for got in list(machine.got)) < wiring.settings.push_threads // 2:
            assert not rounds.done()
            time.sleep(0.01)
        publish(db, BASE, [new_entry("two")])
        fan_out_owed(db, BASE)
        rounds.result()
    assert states(db) == ["done", "done"]
    paths = [got.path.partition("?")[0] for got in machine.got]
    last = len(paths) - 1 - paths[::-1].index("/quick")
    assert sum(path.startswith("/ask") for path in paths[:last]) == wiring.settings.push_threads // 2
    with db.reading() as session:  # and the round did not end before everybody had been asked
        unasked = select(Push.target).where(Push.kind == "verify", Push.attempts == 0, Push.state == "pending")
        assert session.scalars(unasked).all() == []


def test_each_goes_by_what_it_has_shown(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for path in ("/good", "/bad"):
        subscribe(path)
    machine.does["/bad"] = 503
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    assert lanes(db) == {"/good": NEW, "/bad": NEW}
    send_due(wiring)
    subscribe("/late")
    subscribe("/bad")  # it says yes once more, and has taken nothing yet
    publish(db, BASE, [new_entry("two")])
    fan_out_owed(db, BASE)
    assert lanes(db) == {"/good": DOCUMENT, "/bad": SUSPECT, "/late": NEW}
    monkeypatch.setattr(sender, "SLOW", -1.0)
    send_due(wiring)
    publish(db, BASE, [new_entry("three")])
    fan_out_owed(db, BASE)
    assert lanes(db) == {"/good": SUSPECT, "/bad": SUSPECT, "/late": SUSPECT}
    monkeypatch.undo()
    machine.does.clear()
    send_due(wiring)
    publish(db, BASE, [new_entry("four")])
    fan_out_owed(db, BASE)
    assert lanes(db) == {"/good": DOCUMENT, "/bad": DOCUMENT, "/late": DOCUMENT}


def test_who_is_slow_to_agree_is_known_as_slow(
    subscribe: Subscribe, wiring: Wiring, new_entry: NewEntry, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "SLOW", -1.0)
    subscribe("/slow")
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    assert lanes(db) == {"/slow": SUSPECT}


def test_a_host_has_only_so_many_subscriptions_to_a_feed(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, client: TestClient
) -> None:
    object.__setattr__(wiring.settings, "hub_per_host", 2)
    assert [subscribe(f"/cb?n={n}") for n in range(3)] == [202, 202, 403]
    assert subscribe("/cb?n=1") == 202  # a renewal
    assert subscribe("/cb?n=2", topic=f"{BASE}/feeds/floods.rss") == 202
    assert asks(client, "https://else.example/") == 202
    assert subscribe("/cb?n=0", mode="unsubscribe") == 202
    assert subscribe("/cb?n=2") == 202


def test_a_host_is_asked_only_so_much_at_a_time(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "OPEN_QUESTIONS", 3)
    assert [asks(client, f"https://victim.example/?n={n}") for n in range(4)] == [202, 202, 202, 429]
    assert asks(client, "https://VICTIM.example.:8443/other", topic=f"{BASE}/feeds/floods.rss") == 429
    assert asks(client, "https://victim.example/?n=2") == 202  # in the place of the one that waits
    assert asks(client, "https://else.example/") == 202
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://victim.example/?n=9"}
    refused = client.post("/hub", data=form)
    assert int(refused.headers["retry-after"]) > 0
    assert "has not answered" in refused.text
    assert len(states(db, "verify")) == 5


def test_one_visitor_asks_only_so_often(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_RATES", "2/minute")
    app = create_app(wiring)
    one, other = (TestClient(app, base_url=BASE, client=(peer, 50_000)) for peer in ("81.2.69.142", "81.2.69.143"))
    assert [asks(one, f"https://reader{n}.example/") for n in range(3)] == [202, 202, 429]
    assert asks(other, "https://reader.example/") == 202


def test_a_question_under_way_is_open_too(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "OPEN_QUESTIONS", 3)
    for number in range(3):
        assert asks(client, f"https://victim.example/?n={number}") == 202
    with db.transaction() as session:
        assert claim(session, priorities=[SOON], size=3, lease_seconds=60)
    assert asks(client, "https://victim.example/?n=3") == 429


def test_a_feed_that_is_private_now_is_sent_to_nobody(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe(topic=f"{BASE}/feeds/floods.rss")
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(private=True))
    publish(db, BASE, [new_entry("one", series=2)])
    rerender_all(db, BASE)
    send_due(wiring)
    assert [got for got in machine.got if got.method == "POST"] == []
    assert [got.query["hub.mode"] for got in machine.got] == ["subscribe", "denied"]
    with db.reading() as session:
        assert session.scalars(select(HubSubscription.state)).all() == ["ended"]


@pytest.mark.parametrize("turns", ["private", "gone"])
def test_a_document_that_waits_when_its_feed_turns_private_or_ends_is_not_sent(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database,
    monkeypatch: pytest.MonkeyPatch, turns: str,
) -> None:  # fmt: skip
    subscribe(topic=f"{BASE}/feeds/floods.rss")
    publish(db, BASE, [new_entry("one", series=2)])
    rerender_all(db, BASE)
    fan_out_owed(db, BASE)
    under_way = sender._Round(wiring, sender.Caller(seconds=1))
    with db.transaction() as session:
        (topic,) = session.scalars(select(HubTopic.id))
        under_way._read_documents({topic})
        session.execute(update(Feed).where(Feed.name == "floods").values({turns: True}))
    under_way._read_documents({topic})
    assert under_way.documents == {}
    monkeypatch.setattr(sender.fanout, "fan_out_owed", lambda *_: 0)  # it was at work a moment before
    send_due(wiring)
    assert [got for got in machine.got if got.method == "POST"] == []


def test_the_operators_end_is_told_to_the_callback(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, db: Database
) -> None:
    subscribe()
    with db.transaction() as session:
        (number,) = session.scalars(select(HubSubscription.id))
        assert hub.end_by_hand(session, number, BASE).ended_reason == "ended by hand"
    send_due(wiring)
    assert machine.got[-1].query["hub.mode"] == "denied"
    assert machine.got[-1].query["hub.topic"] == ALL
    with db.transaction() as session:
        with pytest.raises(Conflict):
            hub.end_by_hand(session, number, BASE)
        with pytest.raises(NotFound):
            hub.end_by_hand(session, number + 1, BASE)


def test_what_ended_is_forgotten_in_the_end(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe("/stays", lease_seconds=str(30 * 86_400))
    subscribe("/goes")
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    subscribe("/goes", mode="unsubscribe")
    with clock.shifted(timedelta(days=14, hours=1)):
        send_due(wiring)
        with db.reading() as session:
            assert session.scalar(select(func.count()).select_from(HubSubscription)) == 2
    with clock.shifted(timedelta(days=15, hours=1)):
        send_due(wiring)
        send_due(wiring)
    with db.reading() as session:
        (left,) = session.scalars(select(HubSubscription))
        assert left.callback.endswith("/stays")
        assert session.scalar(select(func.count()).select_from(Push)) == 0


def test_one_that_ended_is_kept_while_a_push_names_it(
    subscribe: Subscribe, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe()
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    subscribe(mode="unsubscribe")
    with db.transaction() as session:  # its worker was asleep for ten days
        session.execute(update(Push).where(Push.kind == "document").values(done_at=clock.now() + timedelta(days=10)))
    for days, left in ((16, 1), (25, 0)):
        with clock.shifted(timedelta(days=days)):
            assert hub.expire_leases(db) == 0
        with db.reading() as session:
            assert session.scalar(select(func.count()).select_from(HubSubscription)) == left
