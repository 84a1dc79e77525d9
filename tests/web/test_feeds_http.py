"""Feeds over HTTP, held against the HTTP row of the feed rules."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Coroutine, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
import requests
from lxml import etree
from sqlalchemy import select, update
from starlette.testclient import TestClient

from syndication import clock
from syndication.ledger.content import Artifact, Entry, Feed
from syndication.ledger.db import Database
from syndication.publishing import publish
from syndication.web.conditional import http_date
from syndication.web.feeds import Feeds
from syndication.web.shelf import Shelf
from syndication.wiring import Wiring
from tests.feeds.feed_world import breaks
from tests.sink import free_port
from tests.web.live import serving
from tests.web.web_world import BASE, NewEntry, browser, redraft

ATOM = "/feeds/all.atom"
TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}


def get(client: TestClient, path: str = ATOM, encoding: str = "identity", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, headers={"Accept-Encoding": encoding, **named})


def raw(client: TestClient, path: str, encoding: str) -> tuple[httpx.Response, bytes]:
    with client.stream("GET", path, headers={"Accept-Encoding": encoding}) as response:
        return response, b"".join(response.iter_raw())


def in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: the browser of other tests has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


@pytest.mark.parametrize("fmt", TYPES)
def test_each_format_with_its_type_and_self_link(client: TestClient, new_entry: NewEntry, fmt: str) -> None:
    new_entry("tides")
    for name in ("all", "ferries"):
        response = get(client, f"/feeds/{name}.{fmt}")
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{TYPES[fmt]}; charset=utf-8"
        own = f'<{BASE}/feeds/{name}.{fmt}>; rel="self"; type="{TYPES[fmt]}"'
        assert response.headers["link"] == f'{own}, <{BASE}/hub>; rel="hub"'
        assert response.headers["vary"] == "accept-encoding"
        assert "On tides" in response.text
        assert int(response.headers["content-length"]) == len(response.content)


def test_one_strong_validator_for_each_encoding(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    plain, identity = raw(client, ATOM, "identity")
    zipped, gz = raw(client, ATOM, "gzip")
    brotlied, br = raw(client, ATOM, "gzip, br")
    assert "content-encoding" not in plain.headers
    assert (zipped.headers["content-encoding"], brotlied.headers["content-encoding"]) == ("gzip", "br")
    assert gzip.decompress(gz) == brotli.decompress(br) == identity
    tags = [r.headers["etag"] for r in (plain, zipped, brotlied)]
    assert len(set(tags)) == 3
    assert all(tag.startswith('"') for tag in tags)
    # The other encoding's validator does not prove that the client has these bytes.
    assert get(client, encoding="gzip", If_None_Match=tags[0]).status_code == 200
    assert get(client, encoding="gzip", If_None_Match=tags[1]).status_code == 304


@pytest.mark.parametrize("path", [ATOM, "/feeds/ferries.rss", "/feeds/all.json"])
def test_either_validator_alone_and_both(client: TestClient, new_entry: NewEntry, path: str) -> None:
    new_entry("tides")
    with clock.shifted(timedelta(seconds=5)):
        first = get(client, path, "gzip")
        tag, date = first.headers["etag"], first.headers["last-modified"]
        for asked in (
            {"If_None_Match": tag},
            {"If_Modified_Since": date},
            {"If_None_Match": tag, "If_Modified_Since": date},
            {"If_None_Match": f'"other", W/{tag}'},
        ):
            answer = get(client, path, "gzip", **asked)
            assert answer.status_code == 304, asked
            assert answer.content == b""
            assert (answer.headers["etag"], answer.headers["last-modified"]) == (tag, date)
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["cache-control"] == first.headers["cache-control"]
        assert get(client, path, "gzip", If_None_Match='"other"', If_Modified_Since=date).status_code == 200
        assert parsedate_to_datetime(date) <= clock.now()


def test_a_date_that_has_not_come_is_not_said(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    new_entry("tides")
    ahead = clock.now().replace(microsecond=0) + timedelta(seconds=30)
    with db.transaction() as session:
        session.execute(update(Artifact).values(last_modified=ahead, etag="other"))
        session.execute(update(Feed).values(rendered_seq=Feed.rendered_seq + 1))
    answer = get(client)
    assert answer.status_code == 200
    assert "last-modified" not in answer.headers
    assert get(client, If_Modified_Since=http_date(clock.now())).status_code == 200
    with clock.shifted(timedelta(seconds=31)):
        assert get(client).headers["last-modified"] == http_date(ahead)
        assert get(client, If_Modified_Since=http_date(ahead)).status_code == 304


def test_head_says_what_get_says(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    with clock.shifted(timedelta(seconds=5)):
        for encoding in ("identity", "gzip", "br"):
            asked = get(client, encoding=encoding)
            head = client.head(ATOM, headers={"Accept-Encoding": encoding})
            assert (head.status_code, head.content) == (200, b"")
            assert dict(head.headers) == dict(asked.headers)


def test_absent_gone_private_and_refused(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    new_entry("tides")
    for path in ("/feeds/nothing.atom", "/feeds/all.xml", "/feeds/all", "/feeds/all/x", "/feeds/all.atom/"):
        assert get(client, path).status_code == 404, path
    assert get(client, "/feeds/floods.rss").status_code == 200
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(gone=True))
        session.execute(update(Feed).where(Feed.name == "ferries").values(private=True))
    assert get(client, "/feeds/floods.rss").status_code == 410
    assert get(client, "/feeds/ferries.rss").status_code == 404
    opml = get(client, "/feeds.opml").text
    assert "floods" not in opml
    assert "ferries" not in opml
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = client.request(method, ATOM)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_a_feed_whose_bytes_are_owed_asks_for_patience(client: TestClient, publication: int, db: Database) -> None:
    with db.transaction() as session:
        session.add(Feed(publication_id=publication, name="new", kind="scope", series_ids=[1], wanted_seq=1))
    answer = get(client, "/feeds/new.atom")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.sqlite_only
def test_two_real_processes_say_the_same_after_a_publish(
    wiring: Wiring, new_entry: NewEntry, db: Database, tmp_path: Path
) -> None:
    """Whichever process answers: all have the new bytes, under one validator, and say 304 to it."""
    first = new_entry("tides")
    with serving(db.url, tmp_path, free_port()) as one, serving(db.url, tmp_path, free_port()) as two:
        addresses = [f"{live.base}{ATOM}" for live in (one, two)]
        before = {requests.get(address, timeout=5).headers["etag"] for address in addresses}
        assert len(before) == 1
        with db.transaction() as session:
            redraft(session, first, title="On gales")
        publish(db, BASE, [first])
        for address in addresses:
            for _ in range(100):
                answer = requests.get(address, timeout=5)
                if answer.headers["etag"] not in before:
                    break
                time.sleep(0.05)
            assert "On gales" in answer.text
            head = requests.head(address, timeout=5)
            same = {k: v for k, v in answer.headers.items() if k != "date"}
            assert {k: v for k, v in head.headers.items() if k != "date"} == same
            assert abs(parsedate_to_datetime(answer.headers["date"]) - clock.now()) < timedelta(seconds=30)
        tags = {requests.get(address, timeout=5).headers["etag"] for address in addresses}
        assert len(tags) == 1
        (tag,) = tags
        for address in addresses:
            assert requests.get(address, headers={"If-None-Match": tag}, timeout=5).status_code == 304


def test_two_processes_say_the_same_after_a_publish(wiring: Wiring, new_entry: NewEntry, db: Database) -> None:
    new_entry("tides")
    with browser(wiring) as one, browser(wiring) as two:
        for client in (one, two):
            assert get(client, encoding="gzip").status_code == 200
        late = new_entry("storms")
        tags = {get(client, encoding="gzip").headers["etag"] for client in (one, two)}
        assert len(tags) == 1
        assert all("On storms" in get(client, encoding=e).text for client in (one, two) for e in ("gzip", "br"))
        with db.transaction() as session:
            redraft(session, late, title="On gales")
        publish(db, BASE, [late])
        assert all("On gales" in get(client, encoding="br").text for client in (one, two))


def test_between_two_checks_nothing_is_asked(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    object.__setattr__(wiring.settings, "feed_check_seconds", 3600.0)
    with browser(wiring) as client:
        before = get(client).headers["etag"]
        new_entry("storms")
        assert get(client, If_None_Match=before).status_code == 304


def test_after_a_change_it_looks_four_times_as_often(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(wiring.settings, "feed_check_seconds", 4.0)
    at = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: at)
    new_entry("tides")
    with browser(wiring) as client:
        assert "On tides" in get(client).text
        looks = [("storms", 3.9, 4.0), ("gales", 4.9, 5.0), ("squalls", 9.9, 10.0)]
        for title, before, after in looks:  # the third after a second in which nothing changed
            new_entry(title)
            at = before
            assert f"On {title}" not in get(client).text
            at = after
            assert f"On {title}" in get(client).text
            at = 6.0 if title == "gales" else after
            get(client)


def test_a_look_that_takes_long_leaves_as_much_time_before_the_next(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(wiring.settings, "feed_check_seconds", 4.0)
    at, took, compare = 0.0, 3.0, Shelf.compare
    monkeypatch.setattr(clock, "monotonic", lambda: at)

    def slow(shelf: Shelf) -> set[str]:
        nonlocal at
        at += took
        return compare(shelf)

    monkeypatch.setattr(Shelf, "compare", slow)
    new_entry("tides")
    with browser(wiring) as client:
        assert "On tides" in get(client).text
        looks = [("storms", 5.9, 6.0), ("gales", 11.9, 12.0)]  # each ends three seconds after it began
        for title, before, after in looks:
            new_entry(title)
            at = before
            assert f"On {title}" not in get(client).text
            at = after
            assert f"On {title}" in get(client).text
        new_entry("squalls")
        at, took = 18.0, 9.0  # a ledger that hung is asked again soon
        get(client)
        new_entry("floes")
        at = 31.0
        assert "On floes" in get(client).text


def test_bytes_newer_than_the_check_go_with_their_own_validators(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    object.__setattr__(wiring.settings, "feed_check_seconds", 3600.0)
    with browser(wiring) as client:
        assert client.get("/feeds/all.rss").status_code == 200
        new_entry("storms")
        kept = get(client, encoding="br")
        assert "On storms" in kept.text  # not in memory yet: read now
        new_entry("gales")
        fresh = get(client, encoding="gzip")
        assert "On gales" in fresh.text
        assert get(client, encoding="gzip", If_None_Match=fresh.headers["etag"]).status_code == 304
        assert "On gales" in get(client, encoding="br").text  # what was in memory is not what is said to be
        with browser(wiring) as another:
            assert get(another, encoding="gzip").headers["etag"] == fresh.headers["etag"]
            assert get(another, encoding="br").headers["etag"] != kept.headers["etag"]


def test_a_validator_that_was_said_never_goes_with_other_bytes(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    object.__setattr__(wiring.settings, "feed_check_seconds", 3600.0)
    with browser(wiring) as client, clock.shifted(timedelta(seconds=30)):
        before = get(client, encoding="br")
        new_entry("storms")
        with clock.shifted(timedelta(seconds=30)):
            assert "On storms" in get(client, encoding="gzip").text  # read now: it is not in memory
            after = get(client, encoding="br")
    assert "On storms" in after.text
    assert after.headers["etag"] != before.headers["etag"]


def test_a_small_memory_still_serves_everything(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    for room in (0, 1_500):
        object.__setattr__(wiring.settings, "feed_cache_bytes", room)
        with browser(wiring) as client:
            for _ in range(2):
                for name in ("all", "ferries"):
                    for fmt in TYPES:
                        assert "On tides" in get(client, f"/feeds/{name}.{fmt}", "br").text


def test_a_ledger_that_fails_leaves_the_last_known_bytes(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_entry("tides")
    with browser(wiring) as client:
        assert get(client, encoding="gzip").status_code == 200
        with wiring.db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE feed RENAME TO elsewhere")
        assert "On tides" in get(client, encoding="gzip").text
        with wiring.db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO feed")


def test_a_ledger_that_fails_is_said_where_nothing_is_known(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    with browser(wiring) as client:
        assert get(client, encoding="gzip").status_code == 200
        with wiring.db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE artifact RENAME TO elsewhere")
        answer = get(client, encoding="br")
        assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
        assert int(answer.headers["retry-after"]) > 0
        assert "On tides" in get(client, encoding="gzip").text
        with wiring.db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO artifact")
        assert get(client, encoding="br").status_code == 200


@pytest.mark.sqlite_only
def test_where_the_ledger_was_never_read_no_feed_is_said_to_be_missing(wiring: Wiring) -> None:
    wiring.__dict__["db"] = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with browser(wiring) as client:
        answer = get(client)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_only_one_poll_waits_for_a_ledger_that_hangs(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_entry("tides")
    feeds, goes_on = Feeds(wiring), threading.Event()
    compare = feeds.shelf.compare
    waits = iter([0.05, 60.0])

    def hanging() -> set[str]:
        goes_on.wait(20)
        return compare()

    async def poll() -> int:
        sent: list[MutableMapping[str, Any]] = []

        async def keep(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        async def never() -> MutableMapping[str, Any]:
            raise AssertionError("nothing is read")

        await feeds({"path": ATOM, "method": "HEAD", "headers": [(b"accept-encoding", b"br")]}, never, keep)
        assert [message.get("body") for message in sent] == [None, b""]
        return int(sent[0]["status"])

    async def visit() -> None:
        assert await poll() == 200
        monkeypatch.setattr(feeds.shelf, "compare", hanging)
        for wait in waits:
            monkeypatch.setattr("syndication.web.feeds._LONGEST_WAIT", wait)
            assert await asyncio.wait_for(poll(), 30) == 200
        goes_on.set()

    in_a_thread(visit())


def test_the_list_of_feeds_is_known_by_its_tag_alone(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    """A feed that leaves it leaves no date behind."""
    new_entry("tides")
    before = get(client, "/feeds.opml", "gzip")
    assert get(client, "/feeds.opml", "gzip", If_None_Match=before.headers["etag"]).status_code == 304
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "floods").values(gone=True))
    after = get(client, "/feeds.opml", "gzip", If_Modified_Since=http_date(clock.now()))
    assert after.status_code == 200
    assert "last-modified" not in after.headers
    assert "floods" not in after.text


def test_a_feed_that_turns_private_is_gone_at_once(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    new_entry("tides")
    assert get(client, "/feeds/ferries.rss").status_code == 200
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "ferries").values(private=True))
    assert get(client, "/feeds/ferries.rss").status_code == 404


@pytest.mark.parametrize(
    "path", ["/feeds/a%00.atom", "/feeds/a%00/", "/feeds/all/archive/%00.atom", "/series/a%00/", "/series/ferries/%00/",
             "/media/%00.png", "/feeds/key/%00/feed.atom", "/unsubscribe/%00"],
)  # fmt: skip
def test_a_name_with_a_nul_is_no_name(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_opml_lists_each_public_feed_once(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    answer = get(client, "/feeds.opml")
    assert answer.headers["content-type"] == "text/x-opml; charset=utf-8"
    root = etree.fromstring(answer.content)
    outlines = root.findall("body/outline")
    assert [o.get("xmlUrl") for o in outlines] == [f"{BASE}/feeds/{n}.atom" for n in ("all", "ferries", "floods")]
    assert all(o.get("type") == "rss" and o.get("text") and o.get("htmlUrl") for o in outlines)
    assert root.findtext("head/title") == "Tideway Institute"


def test_an_embargoed_entry_is_in_no_feed(client: TestClient, new_entry: NewEntry, db: Database) -> None:
    new_entry("tides")
    before = {p: get(client, p).headers["etag"] for p in (ATOM, "/feeds/ferries.rss", "/feeds.opml")}
    hidden = new_entry("secret", draft=True)
    with db.transaction() as session:
        entry = session.get_one(Entry, hidden)
        entry.state, entry.scheduled_at = "scheduled", clock.now() + timedelta(days=1)
    assert {p: get(client, p).headers["etag"] for p in before} == before
    with db.reading() as session:
        assert session.scalars(select(Entry.seq).where(Entry.id == hidden)).one() == 0


@pytest.mark.parametrize("headers", [
    {"Range": "bytes=0-9"}, {"Range": "bytes=0-9", "If-Range": '"x"'}, {"Range": "bytes=999999999-"}, {"A-IM": "feed, gzip"},
    {"If-Match": "*"}, {"Accept": "text/html"}, {"Accept-Encoding": ""}, {"If-None-Match": ""}, {"If-Modified-Since": ""},
])  # fmt: skip
def test_what_we_do_not_do_is_answered_with_the_whole(
    client: TestClient, new_entry: NewEntry, headers: dict[str, str]
) -> None:
    new_entry("tides")
    answer = client.get(ATOM, headers=headers)
    assert answer.status_code == 200
    assert "accept-ranges" not in answer.headers
    assert "content-range" not in answer.headers
    etree.fromstring(answer.content)


def test_who_names_other_bytes_gets_none(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    tag = get(client).headers["etag"]
    assert get(client, If_Match=tag).status_code == 200
    refused = get(client, If_Match='"another"')
    assert (refused.status_code, refused.headers["cache-control"]) == (412, "no-store")
    assert "On tides" not in refused.text


def test_two_headers_of_one_name_are_one_list(client: TestClient, new_entry: NewEntry) -> None:
    new_entry("tides")
    tag = get(client).headers["etag"]
    answer = client.get(
        ATOM, headers=[("accept-encoding", "identity"), ("if-none-match", '"x"'), ("if-none-match", tag)]
    )
    assert answer.status_code == 304
    answer = client.get(ATOM, headers=[("accept-encoding", "identity"), ("accept-encoding", "gzip")])
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", [*(f"/feeds/all.{fmt}" for fmt in TYPES), "/feeds.opml"])
def test_a_document_keeps_to_its_schema_over_http(client: TestClient, new_entry: NewEntry, path: str) -> None:
    new_entry("tides", authors=[{"name": "Ana"}], related=[{"title": "T", "url": "https://t.example/"}])
    new_entry("faehre", title="Die Fähre", language="de")
    answer = get(client, path)
    assert breaks(path.rsplit(".", 1)[1], answer.content) == []
    assert answer.headers["content-type"].endswith("; charset=utf-8")
    assert f'<{BASE}{path}>; rel="self"' in answer.headers["link"]
    assert answer.content.decode("utf-8").count(f"{BASE}{path}") == (0 if path == "/feeds.opml" else 1)


async def polled(feeds: Feeds, name: str, encoding: bytes) -> bytes:
    """The body of an Atom feed, asked for without a server between."""
    sent: list[MutableMapping[str, Any]] = []

    async def keep(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def never() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    scope = {"path": f"/feeds/{name}.atom", "method": "GET", "headers": [(b"accept-encoding", encoding)]}
    await feeds(scope, never, keep)
    assert sent[0]["status"] == 200
    body: bytes = sent[1]["body"]
    return body


def test_memory_holds_what_was_asked_for_last(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    with browser(wiring) as client:
        sizes = {name: len(raw(client, f"/feeds/{name}.atom", "br")[1]) for name in ("all", "ferries", "floods")}
    object.__setattr__(wiring.settings, "feed_cache_bytes", sizes["all"] + sizes["ferries"] + 1)
    feeds = Feeds(wiring)

    async def visit() -> None:
        for name in ("all", "ferries", "all", "floods", "all"):
            assert len(await polled(feeds, name, b"br")) == sizes[name]
            assert "/feeds/all.atom" in [path for path, _ in feeds._bodies]  # asked for more lately than ferries
            assert feeds._kept == sum(len(body) for _, body in feeds._bodies.values()) <= feeds._room
        assert [path for path, _ in feeds._bodies] == ["/feeds/floods.atom", "/feeds/all.atom"]  # ferries had to go

    in_a_thread(visit())


def test_many_who_ask_at_once_are_one_look_at_the_ledger(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_entry("tides")
    feeds = Feeds(wiring)
    read, looks = feeds.shelf.read, []

    def noted(path: str, encoding: str) -> Any:
        looks.append(path)
        return read(path, encoding)

    monkeypatch.setattr(feeds.shelf, "read", noted)

    async def visit() -> None:
        bodies = await asyncio.gather(*(polled(feeds, "all", b"br") for _ in range(20)))
        assert len(set(bodies)) == 1
        assert looks == ["/feeds/all.atom"]

    in_a_thread(visit())


def test_memory_counts_what_replaces_something_once(wiring: Wiring, new_entry: NewEntry) -> None:
    new_entry("tides")
    object.__setattr__(wiring.settings, "feed_check_seconds", 3600.0)
    feeds = Feeds(wiring)

    async def visit() -> None:
        await polled(feeds, "all", b"br")
        await asyncio.to_thread(new_entry, "storms")
        await polled(feeds, "all", b"gzip")  # which finds the new bytes, so that those kept are old
        await polled(feeds, "all", b"br")
        assert len(feeds._bodies) == 2
        assert feeds._kept == sum(len(body) for _, body in feeds._bodies.values())

    in_a_thread(visit())
