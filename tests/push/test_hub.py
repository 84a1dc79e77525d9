"""The hub against the W3C Recommendation: subscribe, verify, renew, unsubscribe, deny, distribute, sign, retry, end.

`docs/websub.md` names the test for each requirement.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from syndication import clock, sweeping
from syndication.errors import BadInput
from syndication.ledger.content import Feed
from syndication.ledger.db import Database
from syndication.ledger.machines import HubSubscription, Push
from syndication.ledger.states import PUSH
from syndication.publishing import publish, rerender_all
from syndication.push import reports
from syndication.push.fanout import anything_owed, fan_out_owed
from syndication.push.sender import send_due
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry
from tests.push.conftest import Subscribe
from tests.push.machine import Machine
from tests.web.web_world import BASE

ALL = f"{BASE}/feeds/all.atom"


def subscriptions(db: Database) -> list[HubSubscription]:
    with db.reading() as session:
        return list(session.scalars(select(HubSubscription).order_by(HubSubscription.id)))


def pushes(db: Database, kind: str = "document") -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Push.state).where(Push.kind == kind).order_by(Push.id)))


def test_a_subscription_begins_when_the_callback_returns_the_challenge(
    subscribe: Subscribe, machine: Machine, db: Database
) -> None:
    assert subscribe("/callback?mine=1&b=%20") == 202
    (asked,) = machine.got
    assert asked.method == "GET"
    assert asked.query["mine"] == "1"
    assert asked.query["b"] == " "
    assert asked.query["hub.mode"] == "subscribe"
    assert asked.query["hub.topic"] == ALL
    assert asked.query["hub.lease_seconds"] == str(10 * 86_400)
    assert len(asked.query["hub.challenge"]) >= 32
    (subscription,) = subscriptions(db)
    assert subscription.state == "active"
    assert timedelta(days=9) < subscription.lease_until - clock.now() <= timedelta(days=10)


def test_a_question_rings_at_once(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(db, "ring", lambda name, *_: rung.append(name))
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://reader.example/cb"}
    assert client.post("/hub", data=form).status_code == 202
    assert rung == ["push.send"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/callback", "/callback?hub.mode=subscribe&hub.topic="),
        ("/callback?a=%2F&a=+&b", "/callback?a=%2F&a=+&b&hub.mode=subscribe&hub.topic="),
        ("/callback?hub.mode=x&hub.challenge=y", "/callback?hub.mode=x&hub.challenge=y&hub.mode=subscribe&hub.topic="),
    ],
)
def test_the_callbacks_own_query_stays_as_it_is(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, path: str, asked: str
) -> None:
    subscribe(path)
    publish(wiring.db, BASE, [new_entry("one")])
    send_due(wiring)
    question, document = machine.got
    assert question.path.startswith(asked)
    assert (document.method, document.path) == ("POST", path)


@pytest.mark.parametrize("does", ["wrong", "more", 404, 400, 301, "away"])
def test_a_callback_that_does_not_agree_is_not_subscribed(
    subscribe: Subscribe, machine: Machine, db: Database, does: str | int
) -> None:
    machine.does["/callback"] = f"away:{machine.url}/elsewhere" if does == "away" else does
    assert subscribe() == 202
    assert subscriptions(db) == []
    assert pushes(db, "verify") == ["failed"]
    assert machine.at("/elsewhere") == []  # a redirect is not followed


def test_a_silent_callback_is_asked_again_and_then_let_go(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, db: Database
) -> None:
    machine.does["/callback"] = 503
    subscribe()
    for hours in range(1, 8):
        with clock.shifted(timedelta(hours=hours)):
            send_due(wiring)
    assert len(machine.got) == 4
    assert len({got.query["hub.challenge"] for got in machine.got}) == 1
    assert pushes(db, "verify") == ["failed"]


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"hub.mode": "publish"}, 400, "hub.mode"),
        ({"hub.callback": "ftp://example.org/"}, 400, "hub.callback"),
        ({"hub.callback": "https://user:pass@example.org/"}, 400, "hub.callback"),
        ({"hub.callback": "https://example.org/#there"}, 400, "hub.callback"),
        ({"hub.callback": "https://exa mple.org/"}, 400, "hub.callback"),
        ({"hub.callback": "https://example.org:0/"}, 400, "hub.callback"),
        ({"hub.callback": "https://example.org:99999/"}, 400, "hub.callback"),
        ({"hub.callback": "https://example.org/" + "a" * 3_000}, 400, "hub.callback"),
        ({"hub.callback": ""}, 400, "hub.callback"),
        ({"hub.callback": f"https://{'a.' * 127}example/"}, 400, "hub.callback"),
        ({"hub.lease_seconds": "soon"}, 400, "hub.lease_seconds"),
        ({"hub.lease_seconds": "-5"}, 400, "hub.lease_seconds"),
        ({"hub.secret": "s" * 200}, 400, "hub.secret"),
        ({"hub.secret": "ö" * 100}, 400, "hub.secret"),
        ({"hub.callback": "https://user@example.org/"}, 400, "hub.callback"),
        ({"hub.callback": "https://exämple.org/"}, 400, "hub.callback"),
        ({"hub.topic": "all.atom"}, 404, "hub.topic"),
        ({"hub.topic": "https://somebody.example/feed.atom"}, 404, "hub.topic"),
        ({"hub.topic": f"{BASE}/feeds/nothing.atom"}, 404, "hub.topic"),
        ({"hub.topic": f"{BASE}/feeds/all.xml"}, 404, "hub.topic"),
        ({"hub.topic": f"{BASE}/feeds/all.atom?x"}, 404, "hub.topic"),
        ({"hub.topic": ""}, 404, "hub.topic"),
        ({"hub.topic": f"{BASE}/feeds/a\0.atom"}, 404, "hub.topic"),
    ],
)
def test_a_request_that_is_wrong_is_told_so(
    client: TestClient, db: Database, form: dict[str, str], status: int, says: str
) -> None:
    whole = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://reader.example/cb"} | form
    answer = client.post("/hub", data=whole)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert pushes(db, "verify") == []


def test_a_request_is_a_form(client: TestClient, db: Database) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://reader.example/cb"}
    for answer in (
        client.post("/hub", json=form),
        client.post("/hub", data=form, files={"hub.secret": b"s"}),
        client.post("/hub"),
    ):
        assert answer.status_code == 415
    assert pushes(db, "verify") == []


def test_fields_nobody_knows_are_ignored_and_199_bytes_of_secret_are_taken(client: TestClient, db: Database) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://reader.example/cb", "hub.x": "1"}
    assert client.post("/hub", data=form | {"hub.secret": "s" * 199}).status_code == 202
    assert pushes(db, "verify") == ["pending"]


@pytest.mark.parametrize(("wanted", "given"), [("1", 300), ("86400", 86_400), ("99999999999", 30 * 86_400)])
def test_the_hub_decides_the_lease(subscribe: Subscribe, machine: Machine, wanted: str, given: int) -> None:
    subscribe(lease_seconds=wanted)
    assert machine.got[0].query["hub.lease_seconds"] == str(given)


def test_a_private_feed_is_no_topic(client: TestClient, db: Database, publication: int) -> None:
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(private=True))
    form = {"hub.mode": "subscribe", "hub.topic": f"{BASE}/feeds/floods.atom", "hub.callback": "https://a.example/"}
    assert client.post("/hub", data=form).status_code == 404


def test_a_renewal_replaces_the_old_one_only_once_verified(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, db: Database
) -> None:
    subscribe(secret="old", lease_seconds="1000")
    machine.does["/callback"] = 503
    subscribe(secret="new", lease_seconds="5000")
    (before,) = subscriptions(db)
    assert before.secret == b"old"
    del machine.does["/callback"]
    subscribe(secret="new", lease_seconds="5000")
    (after,) = subscriptions(db)
    assert (after.id, after.secret) == (before.id, b"new")
    assert after.lease_until > before.lease_until + timedelta(seconds=3_000)
    assert pushes(db, "verify") == ["done", "superseded", "done"]
    subscribe()
    assert subscriptions(db)[0].secret is None


def test_each_question_has_a_challenge_of_its_own(subscribe: Subscribe, machine: Machine) -> None:
    for _ in range(3):
        subscribe()
    assert len({got.query["hub.challenge"] for got in machine.got}) == 3


def test_nobody_unsubscribes_somebody_else(subscribe: Subscribe, machine: Machine, db: Database) -> None:
    subscribe()
    machine.does["/callback"] = 404  # "I did not ask for this"
    subscribe(mode="unsubscribe")
    assert subscriptions(db)[0].state == "active"
    del machine.does["/callback"]
    assert subscribe(mode="unsubscribe", lease_seconds="of no account") == 202
    assert machine.got[-1].query["hub.mode"] == "unsubscribe"
    assert "hub.lease_seconds" not in machine.got[-1].query
    assert (subscriptions(db)[0].state, subscriptions(db)[0].ended_reason) == ("ended", "unsubscribed")


def test_a_publish_brings_the_whole_document_with_its_links(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    client: TestClient,
    new_entry: NewEntry,
) -> None:
    for fmt in ("rss", "atom", "json"):
        subscribe(f"/{fmt}", topic=f"{BASE}/feeds/all.{fmt}")
    publish(wiring.db, BASE, [new_entry("one")])
    send_due(wiring)
    for fmt, media in (
        ("rss", "application/rss+xml"),
        ("atom", "application/atom+xml"),
        ("json", "application/feed+json"),
    ):
        (_, push) = machine.at(f"/{fmt}")
        assert push.method == "POST"
        assert push.body == client.get(f"/feeds/all.{fmt}").content
        assert push.headers["content-type"].split(";")[0] == media
        assert f'<{BASE}/hub>; rel="hub"' in push.headers["link"]
        assert f'<{BASE}/feeds/all.{fmt}>; rel="self"' in push.headers["link"]
        assert "x-hub-signature" not in push.headers
        assert "cookie" not in push.headers


def test_feeds_name_the_hub_in_their_headers_and_inside(wiring: Wiring, client: TestClient) -> None:
    rerender_all(wiring.db, BASE, ["https://other.example/hub"])
    for fmt in ("rss", "atom", "json"):
        answer = client.get(f"/feeds/all.{fmt}")
        links = answer.headers["link"]
        assert links.count('rel="self"') == 1
        assert answer.text.count(f"{BASE}/feeds/all.{fmt}") == 1
        for hub in (f"{BASE}/hub", "https://other.example/hub"):
            assert f'<{hub}>; rel="hub"' in links
            assert answer.text.count(hub) == 1


@pytest.mark.parametrize("method", ["sha256", "sha384", "sha512"])
def test_a_secret_signs_the_body(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    method: str,
) -> None:
    object.__setattr__(wiring, "settings", wiring.settings.model_copy(update={"hub_signature": method}))
    subscribe(secret="schöne Flut")
    publish(wiring.db, BASE, [new_entry("one")])
    send_due(wiring)
    push = machine.at("/callback")[-1]
    wanted = hmac.new("schöne Flut".encode(), push.body, getattr(hashlib, method)).hexdigest()
    assert push.headers["x-hub-signature"] == f"{method}={wanted}"


def test_a_version_is_handed_out_once_and_the_newest_supersedes(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    subscribe()
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    publish(db, BASE, [new_entry("two")])
    for _ in range(3):
        send_due(wiring)
    assert pushes(db) == ["superseded", "done"]
    assert [got.body.count(b"<entry") for got in machine.at("/callback") if got.method == "POST"] == [2]


def test_what_fails_is_tried_again_until_the_lease_ends(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    subscribe(lease_seconds="3600")
    machine.does["/callback"] = 500
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    tries = [len(machine.at("/callback")) - 1]
    for minutes in range(1, 58):
        with clock.shifted(timedelta(minutes=minutes)):
            send_due(wiring)
        tries.append(len(machine.at("/callback")) - 1)
    assert tries[0] == 1
    assert 4 <= tries[-1] <= 6  # after 10 s, 40 s, 160 s, 640 s, 2,560 s, each ± 20 %
    with clock.shifted(timedelta(minutes=61)):
        sweeping.sweep_all(wiring)
        assert subscriptions(db)[0].ended_reason == "lease ended"
        assert pushes(db) == ["failed"]
        machine.does.clear()
        send_due(wiring)
    assert len(machine.at("/callback")) - 1 == tries[-1]


def test_one_that_comes_back_gets_the_newest(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    subscribe()
    machine.does["/callback"] = "hang"
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    assert subscriptions(db)[0].failures == 1
    assert "no answer within" in subscriptions(db)[0].last_answer
    machine.does.clear()
    with clock.shifted(timedelta(minutes=1)):
        send_due(wiring)
    assert (subscriptions(db)[0].failures, pushes(db)) == (0, ["done"])


def test_410_ends_the_subscription(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    subscribe()
    machine.does["/callback"] = 410
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    publish(db, BASE, [new_entry("two")])
    send_due(wiring)
    assert (subscriptions(db)[0].state, subscriptions(db)[0].ended_reason) == ("ended", "gone")
    assert pushes(db) == ["gone"]
    assert len(machine.at("/callback")) == 2


def test_a_redirect_of_a_document_is_a_failure(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    subscribe()
    machine.does["/callback"] = f"away:{machine.url}/elsewhere"
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    assert machine.at("/elsewhere") == []
    assert pushes(db) == ["pending"]


def test_a_feed_that_ends_denies_its_subscribers(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, db: Database
) -> None:
    subscribe(topic=f"{BASE}/feeds/floods.rss")
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(gone=True))
    for _ in range(2):
        send_due(wiring)
    (denied,) = [got for got in machine.got if got.query.get("hub.mode") == "denied"]
    assert denied.query["hub.topic"] == f"{BASE}/feeds/floods.rss"
    assert denied.query["hub.reason"]
    assert (subscriptions(db)[0].state, subscriptions(db)[0].ended_reason) == ("ended", "feed ended")
    assert subscriptions(db)[0].ended_at is not None
    with db.reading() as session:
        assert not anything_owed(session)  # else every sweep would ring


def test_other_hubs_are_pinged_at_each_change(
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    rerender_all(db, BASE, [f"{machine.url}/superhub"])
    send_due(wiring)  # the topics are known now
    assert machine.at("/superhub") == []  # it is not called for every feed there is
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    pings = machine.at("/superhub")
    assert {got.method for got in pings} == {"POST"}
    told = {got.body.decode() for got in pings}
    for fmt in ("rss", "atom", "json"):
        address = quote(f"{BASE}/feeds/all.{fmt}", safe="")
        assert any(f"hub.mode=publish&hub.url={address}" in body for body in told)
    assert len(pings) == 6  # all and ferries in three formats; floods did not change


def test_an_answer_with_a_nul_spoils_nobody_elses(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    subscribe("/good")
    subscribe("/nul")
    machine.does["/nul"] = "nul"
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    assert sorted(pushes(db)) == ["done", "pending"]


def test_a_slow_subscriber_delays_nobody(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    for number in range(6):
        subscribe(f"/hang{number}")
        machine.does[f"/hang{number}"] = "hang"
    for number in range(20):
        subscribe(f"/quick{number}")
    before = len(machine.got)
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    order = [got.path for got in machine.got[before:]]
    assert sorted(order) == sorted([*(f"/hang{n}" for n in range(6)), *(f"/quick{n}" for n in range(20))])
    assert pushes(db).count("done") == 20
    with db.reading() as session:
        lanes = session.scalars(select(Push.priority).where(Push.state == "pending")).all()
    assert set(lanes) == {2}  # those who hung wait in a lane of their own


def test_a_crash_in_the_middle_sends_the_same_push_again(
    subscribe: Subscribe,
    machine: Machine,
    wiring: Wiring,
    new_entry: NewEntry,
    db: Database,
) -> None:
    from syndication.ledger import pushes as claims

    subscribe()
    publish(db, BASE, [new_entry("one")])
    fan_out_owed(db, BASE)
    with db.transaction() as session:
        claim = claims.claim(session, priorities=range(4), size=10, lease_seconds=60)
    assert claim is not None  # and the worker dies here
    send_due(wiring)
    assert len(machine.at("/callback")) == 1
    with clock.shifted(timedelta(seconds=61)):
        send_due(wiring)
    (_, push) = machine.at("/callback")
    assert push.headers["x-syndication-push"] == str(claim.rows[0].id)
    assert pushes(db) == ["done"]
    with db.transaction() as session:  # the dead one's answer comes after all: it is not its claim any more
        claims.finish(session, claim.token, [claims.Result(claim.rows[0].id, "failed", "late")])
    assert pushes(db) == ["done"]


def test_every_state_of_a_push_is_reached(db: Database) -> None:
    """By the tests above, by name: done, gone, failed, superseded, pending again."""
    assert set(PUSH) == {"pending", "sending", "done", "gone", "failed", "superseded"}


def test_the_operator_sees_who_does_not_answer(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    subscribe("/good")
    subscribe("/bad")
    machine.does["/bad"] = 502
    publish(db, BASE, [new_entry("one")])
    send_due(wiring)
    with db.reading() as session:
        assert reports.topics(session, BASE) == [{"topic": ALL, "subscriptions": 2, "failing": 1, "waiting": 1}]
        (dead,) = reports.subscriptions(session, dead=True)
        assert (dead["callback"], dead["failures"], dead["last_answer"]) == (f"{machine.url}/bad", 1, "502 Bad Gateway")
        assert len(reports.subscriptions(session, topic="all.atom")) == 2
        assert reports.subscriptions(session, topic="all.rss") == []
        with pytest.raises(BadInput, match=r"all\.atom"):
            reports.subscriptions(session, topic="all")


def test_the_operator_sees_the_worst_first_and_those_that_ended_when_asked(
    subscribe: Subscribe, machine: Machine, wiring: Wiring, new_entry: NewEntry, db: Database
) -> None:
    for path in ("/good", "/bad", "/worse", "/left"):
        subscribe(path)
    subscribe("/left", mode="unsubscribe")
    for path in ("/worse", "/bad"):
        machine.does[path] = 502
        publish(db, BASE, [new_entry(path.strip("/"))])
        send_due(wiring)
    with db.reading() as session:
        seen = [(row["callback"], row["failures"]) for row in reports.subscriptions(session)]
        assert seen == [(machine.url + path, failures) for path, failures in (("/worse", 2), ("/bad", 1), ("/good", 0))]
        (left,) = [row for row in reports.subscriptions(session, ended=True) if row["state"] != "active"]
        assert (left["callback"], left["state"]) == (f"{machine.url}/left", "ended: unsubscribed")
