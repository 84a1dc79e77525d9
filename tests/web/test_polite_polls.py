"""Who polls without a word of what they have waits for a while; nobody else ever does; and what aggregators say is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.testclient import TestClient

from syndication.ledger import readership as ledger
from syndication.ledger.db import Database
from syndication.ledger.operations import Reader
from syndication.ledger.readership import Said, by_aggregator, by_feed, keep
from syndication.web import politeness, readership
from syndication.web.politeness import Politeness, counted_as
from syndication.web.readership import Aggregator, Readership, said_by
from syndication.wiring import Wiring
from tests.sink import free_port
from tests.web.test_metrics import numbers
from tests.web.web_world import NewEntry, browser

HOME, OFFICE = "81.2.69.142", "2a02:6b8::1"


@pytest.fixture
def stranger(wiring: Wiring, new_entry: NewEntry) -> Iterator[TestClient]:
    new_entry("tides")
    object.__setattr__(wiring.settings, "poll_limit", "3/hour")
    with browser(wiring, peer=HOME) as client:
        yield client


def status(client: TestClient, path: str = "/feeds/all.atom", **headers: str) -> int:
    return client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}).status_code


def test_who_never_says_what_they_have_waits(stranger: TestClient) -> None:
    assert [status(stranger) for _ in range(4)] == [200, 200, 200, 429]
    refused = stranger.get("/feeds/all.atom")
    assert 0 < int(refused.headers["retry-after"]) <= 1200  # a third of an hour
    assert refused.headers["cache-control"] == "no-store"
    assert "If-None-Match" in refused.text
    # Another feed, another program, a conditional request, a HEAD: all are other things.
    assert status(stranger, "/feeds/ferries.atom") == 200
    assert status(stranger, user_agent="another") == 200
    assert status(stranger, if_none_match='"an-old-one"') == 200
    assert stranger.head("/feeds/all.atom").status_code == 200


def test_conditional_polls_are_never_refused(stranger: TestClient) -> None:
    tag = stranger.get("/feeds/all.atom").headers["etag"]
    assert {status(stranger, if_none_match=tag) for _ in range(50)} == {304}
    assert status(stranger) == 200  # and none of them counted


@pytest.mark.parametrize(
    ("name", "value"),
    [("if_none_match", '"{}"'), ("if_none_match", "x"), ("if_modified_since", "Mon, 01 Jan 2024 00:00:0{} GMT")],
)
def test_who_never_says_what_they_got_last_waits_too(
    stranger: TestClient, new_entry: NewEntry, name: str, value: str
) -> None:
    def poll(n: int) -> int:
        return status(stranger, **{name: value.format(n)})

    assert [poll(n) for n in range(4)] == [200, 200, 200, 429]
    assert [status(stranger) for _ in range(4)] == [200, 200, 200, 429]  # which is counted by itself
    new_entry("storms")
    assert [poll(n) for n in range(4)] == [200, 200, 200, 429]  # each version once is what a reader is there for
    tag = stranger.head("/feeds/all.atom").headers["etag"]
    assert status(stranger, if_none_match=tag) == 304


def test_a_hosted_reader_of_many_feeds_is_not_shut_out(wiring: Wiring, new_entry: NewEntry) -> None:
    limit = Politeness("3/hour")
    assert {limit.wait(HOME, b"reader", f"/feeds/f{n}.atom", 0.0) for n in range(5_000) for _ in range(3)} == {0}
    assert limit.wait(HOME, b"reader", "/feeds/f7.atom", 0.0) > 0


def test_a_proxy_that_is_named_is_looked_behind(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    for name, value in (("poll_limit", "2/hour"), ("trusted_proxies", "10.0.0.7")):
        object.__setattr__(wiring.settings, name, value)
    with browser(wiring, peer="10.0.0.7") as client:
        assert [status(client, x_forwarded_for=HOME) for _ in range(3)] == [200, 200, 429]
        assert status(client, x_forwarded_for="81.2.69.143") == 200
        assert status(client, x_forwarded_for=f"{HOME}, 81.2.69.144") == 200  # only the last hop is believed
    with browser(wiring, peer="10.0.0.8") as client:  # a proxy that nobody named is not everybody behind it
        assert {status(client, x_forwarded_for=HOME) for _ in range(9)} == {200}


def test_no_limit(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    object.__setattr__(wiring.settings, "poll_limit", "")
    with browser(wiring, peer=HOME) as client:
        assert {status(client) for _ in range(200)} == {200}


def test_the_wait_is_true() -> None:
    limit = Politeness("6/minute")
    assert [limit.wait(HOME, b"", "/", 100.0) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]
    assert limit.wait(HOME, b"", "/", 108.5) == 2  # whole seconds, and never too few
    assert limit.wait(HOME, b"", "/", 109.0) == 1
    assert limit.wait(HOME, b"", "/", 110.0) == 0
    assert limit.wait(HOME, b"", "/", 110.0) == 10
    assert [limit.wait(HOME, b"", "/", 900.0) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(politeness, "MOST", 100)
    limit = Politeness("1/hour")
    for n in range(10_000):
        limit.wait(HOME, b"%d" % n, "/", 0.0)
        assert len(limit._young) + len(limit._old) <= 200
    assert limit.wait(HOME, b"9999", "/", 1.0) > 0  # who came last is remembered
    assert limit.wait(HOME, b"9850", "/", 1.0) > 0  # and who came a while before


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        (HOME, HOME),
        (OFFICE, "2a02:6b8::/64"),
        (f"::ffff:{HOME}", HOME),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("10.1.2.3", ""),
        ("100.64.0.1", ""),
        ("::ffff:192.168.0.1", ""),
        ("", ""),
        ("not an address", ""),
    ],
)
def test_whom_an_address_stands_for(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)", ("Feedly", "", 16)),
        ("NewsBlur Feed Fetcher - 42 subscribers - http://n.example/x (Mozilla/5.0)", ("NewsBlur Feed Fetcher", "", 42)),
        ("Feedbin feed-id:1373711 - 142 subscribers", ("Feedbin", "1373711", 142)),
        ("Mozilla/5.0 (compatible; BazQux/2.4; +https://bazqux.com/fetcher; 1 subscribers)", ("BazQux", "", 1)),
        ("Mozilla/5.0 (compatible; inoreader.com; +http://inoreader.com; 7 subscribers)", ("inoreader.com", "", 7)),
        ("Mozilla/5.0 (compatible; theoldreader.com; 3 subscribers; feed-id=5b1e)", ("theoldreader.com", "5b1e", 3)),
        ("Feedbin feed-id:1 - 99999999999 subscribers", None),
        ("Feedbin - 999999999 subscribers", ("Feedbin", "", 10_000_000)),
        ("newsboat/2.21 (Linux)", None),
        ("subscribers", None),
        ("5 subscribers", None),
        ("<script>alert(1)</script> - 5 subscribers", None),
        ("x" * 300 + " - 5 subscribers", ("x" * 60, "", 5)),
        ("a" + " " * 400 + "7 subscribers", None),
        ("A\x00\x1b[31mB/1 (5 subscribers)", ("A", "", 5)),
        ("Leser\xe9\xff/1 (5 subscribers)", ("Leser", "", 5)),
    ],
)  # fmt: skip
def test_what_an_aggregator_says(agent: str, said: tuple[str, str, int] | None) -> None:
    assert said_by(agent.encode("latin-1")) == (Aggregator(*said) if said else None)


@given(st.binary(max_size=600))
def test_no_agent_does_harm(agent: bytes) -> None:
    for text in (agent, agent + b" 5 subscribers", b"X/1 (5 subscribers" + agent):
        found = said_by(text)
        if found is not None:
            assert found.name.isascii()
            assert found.name.isprintable()
            assert 0 < len(found.name) <= 60
            assert 0 <= found.subscribers <= 10_000_000
            assert found.feed == "" or found.feed.isalnum()


def test_readership_over_http(
    client: TestClient, new_entry: NewEntry, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readership, "EVERY", 0.0)
    new_entry("tides")
    tag = client.get("/feeds/all.atom").headers["etag"]
    for headers in (
        {"user-agent": "Feedly/1.0 (15 subscribers)"},
        {"user-agent": "Feedly/1.0 (16 subscribers)", "if-none-match": tag},  # the last word counts, 304 or 200
        {"user-agent": "Feedbin feed-id:7 - 4 readers"},
        {"user-agent": "newsboat/2.21"},
    ):
        client.get("/feeds/all.atom", headers=headers)
    client.get("/feeds/ferries.rss", headers={"user-agent": "Feedly/1.0 (2 subscribers)"})
    for _ in range(500):  # written in the background, beside a look at the ledger
        client.get("/feeds/all.atom", headers={"if-none-match": tag})
        with db.reading() as session:
            rows = {row["feed"]: row for row in by_feed(session)}
        if set(rows) == {"all", "ferries"} and rows["all"]["subscribers"] == 20:
            break
        time.sleep(0.01)
    assert (rows["all"]["subscribers"], rows["all"]["aggregators"]) == (20, 2)
    assert rows["ferries"]["subscribers"] == 2
    with db.reading() as session:
        named = [(row["aggregator"], row["their_feed"], row["subscribers"]) for row in by_aggregator(session, "all")]
    assert named == [("Feedly", "", 16), ("Feedbin", "7", 4)]
    assert numbers(client)['syndication_readers{feed="all"}'] == 20
    with db.reading() as session:
        kept = repr([tuple(row) for row in session.execute(select(Reader.__table__))])
    assert "testclient" not in kept
    assert "newsboat" not in kept


@pytest.mark.sqlite_only
def test_what_a_ledger_that_is_away_does_not_take_is_said_again_later(db: Database, publication: int) -> None:
    noted = Readership(Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none"))
    noted.note(1, "rss", b"Feedly/1 (9 subscribers)")
    assert noted.due(0.0)
    noted.write(0.0)
    noted.note(1, "rss", b"Feedly/1 (9 subscribers)")
    assert not noted.due(readership.EVERY - 1)  # once a minute
    assert noted.due(readership.EVERY)


def test_readership_is_bounded_and_forgotten(db: Database, publication: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "AT_MOST", 10)
    monkeypatch.setattr(readership, "MOST", 50)
    noted = Readership(db)
    for n in range(500):
        noted.note(1, "rss", b"Liar%d/1 (9 subscribers)" % n)
    assert len(noted._waiting) == 50
    noted.note(1, "rss", b"Liar7/1 (8 subscribers)")  # one that has said something may correct it
    assert noted._waiting[1, "rss", "Liar7", ""] == 8
    noted.write(0.0)
    assert not noted.due(30.0)
    for n in range(30):
        with db.transaction() as session:
            keep(
                session,
                [Said(1, "rss", f"Liar{n}", "", 3), Said(2, "atom", "Feedly", "", n), Said(999, "rss", "x", "", 1)],
            )
    with db.reading() as session:
        counts = dict(session.execute(select(Reader.feed_id, func.count()).group_by(Reader.feed_id)).tuples().all())
        assert counts[2] == 1
        assert counts[1] <= 60
        assert 999 not in counts
        assert session.scalar(select(Reader.subscribers).where(Reader.aggregator == "Feedly")) == 29
    with db.transaction() as session:
        for row in session.scalars(select(Reader)):
            row.seen_at -= timedelta(days=15)
    with db.reading() as session:
        assert by_feed(session) == []
    with db.transaction() as session:
        keep(session, [Said(1, "rss", "Feedly", "", 1)])
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Reader)) == 1
