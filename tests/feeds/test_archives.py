"""The chain of a feed's archive: every entry once, back to the first, whatever happens; an address never changes its bytes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from lxml import etree
from sqlalchemy import select, update
from starlette.testclient import TestClient

from syndication import publishing
from syndication.feeds import archives, layout
from syndication.ledger.content import Entry, Feed, FeedPage
from syndication.ledger.db import Database
from syndication.publishing import catch_up, publish
from tests.publishing.conftest import NewEntry, redraft
from tests.web.web_world import BASE

ATOM = "{http://www.w3.org/2005/Atom}"
HISTORY = "{http://purl.org/syndication/history/1.0}"


class Reader:
    """Follows the chain as RFC 5005 says, and holds what it fetched against what it fetched before."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.seen: dict[str, bytes] = {}

    def get(self, address: str) -> bytes:
        answer = self.client.get(address.removeprefix(BASE))
        assert answer.status_code == 200, (address, answer.status_code, answer.text)
        if "/archive/" in address:
            assert "immutable" in answer.headers["cache-control"]
            assert self.seen.setdefault(address, answer.content) == answer.content, f"{address} has other bytes now"
        return answer.content

    def documents(self, fmt: str, name: str = "all") -> list[bytes]:
        """From the feed itself to the oldest page."""
        found = [self.get(f"{BASE}/feeds/{name}.{fmt}")]
        while older := self.older(found[-1], fmt):
            found.append(self.get(older))
            assert len(found) < 100
        return found

    def older(self, body: bytes, fmt: str) -> str | None:
        if fmt == "json":
            return orjson.loads(body).get("next_url")
        links = etree.fromstring(body).iter(f"{ATOM}link")
        found = [link.get("href") for link in links if link.get("rel") == "prev-archive"]
        assert len(found) <= 1
        return found[0] if found else None

    def ids(self, fmt: str, name: str = "all") -> list[str]:
        """Of all documents, the newest first."""
        found: list[str] = []
        for body in self.documents(fmt, name):
            if fmt == "json":
                found += [item["id"] for item in orjson.loads(body)["items"]]
            elif fmt == "rss":
                found += [item.findtext("guid") or "" for item in etree.fromstring(body).iter("item")]
            else:
                found += [e.findtext(f"{ATOM}id") or "" for e in etree.fromstring(body).iter(f"{ATOM}entry")]
        return found


def published(db: Database, series: int | None = None) -> list[str]:
    with db.reading() as session:
        query = select(Entry.tag_uri).where(Entry.state == "published")
        query = query.where(Entry.series_id == series) if series else query
        return list(session.scalars(query.order_by(Entry.published_at.desc(), Entry.id.desc())))


def pages(db: Database, name: str = "all") -> list[tuple[int, int]]:
    """(bound's entry, generation), the oldest first."""
    with db.reading() as session:
        rows = session.execute(
            select(FeedPage.upto_id, FeedPage.generation)
            .join(Feed, Feed.id == FeedPage.feed_id)
            .where(Feed.name == name)
            .order_by(FeedPage.upto_at, FeedPage.upto_id)
        )
        return [(upto, generation) for upto, generation in rows]


@pytest.mark.parametrize("fmt", ["rss", "atom", "json"])
def test_the_chain_goes_back_to_the_first(db: Database, client: TestClient, new_entry: NewEntry, fmt: str) -> None:
    publish(db, BASE, [new_entry(f"e{n}", series=1 + n % 2) for n in range(107)])
    reader = Reader(client)
    assert reader.ids(fmt) == published(db)
    assert reader.ids(fmt, "ferries") == published(db, 1)
    newest, *archive = reader.documents(fmt)
    assert len(archive) == 4
    for body in archive:
        if fmt == "json":
            continue
        root = etree.fromstring(body)
        assert len(list(root.iter(f"{HISTORY}archive"))) == 1
        rels = [link.get("rel") for link in root.iter(f"{ATOM}link")]
        assert rels.count("current") == 1
        assert "next-archive" not in rels
        assert "hub" not in rels
    assert b"history/1.0" not in newest


def test_publishing_one_entry_makes_one_page_at_most(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    reader = Reader(client)
    for n in range(61):
        before = pages(db)
        publish(db, BASE, [new_entry(f"e{n}")])
        after = pages(db)
        assert after[: len(before)] == before
        assert len(after) - len(before) <= 1
        assert reader.ids("atom") == published(db)
    assert len(pages(db)) == 2
    assert {generation for _, generation in pages(db)} == {0}


def test_whatever_happens_each_entry_stands_once(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    """A long walk: publish, correct, withdraw, publish again, backfill, another notice. Pages keep their bytes or move."""
    chance, reader = random.Random(5), Reader(client)
    ids = [new_entry(f"first{n}", series=1 + n % 2) for n in range(70)]
    publish(db, BASE, ids)
    for step in range(40):
        act = chance.choice(["publish", "publish", "correct", "withdraw", "again", "backfill", "notice"])
        with db.reading() as session:
            states = dict(session.execute(select(Entry.id, Entry.state)).all())
        public = [i for i in ids if states[i] == "published"]
        gone = [i for i in ids if states[i] == "withdrawn"]
        if act == "correct":
            one = chance.choice(public)
            with db.transaction() as session:
                redraft(session, one, title=f"Corrected {step}")
            publishing.correct(db, BASE, one)
        elif act == "withdraw":
            publishing.withdraw(db, BASE, chance.choice(public))
        elif act == "again" and gone:
            publish(db, BASE, [chance.choice(gone)])
        elif act == "backfill":
            old = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(3_000))
            ids.append(new_entry(f"old{step}", series=1 + step % 2, published_at=old))
            publish(db, BASE, ids[-1:], mail=False)
        elif act == "notice":
            publishing.set_notice(db, BASE, 1, "en", f"The positions of {{{{ name }}}} are its own, {step}.")
        else:
            ids.append(new_entry(f"new{step}", series=1 + step % 2))
            publish(db, BASE, ids[-1:])
        for name, series in (("all", None), ("ferries", 1), ("floods", 2)):
            assert reader.ids("json", name) == published(db, series), (step, act, name)
        if chance.random() < 0.3:
            catch_up(db, BASE)
            assert reader.ids("json") == published(db)
    assert len(reader.seen) > 20


def test_a_correction_moves_its_page_and_the_newer_ones_and_no_other(
    db: Database,
    client: TestClient,
    new_entry: NewEntry,
) -> None:
    ids = [new_entry(f"e{n}") for n in range(100)]
    publish(db, BASE, ids)
    before = pages(db)
    reader = Reader(client)
    old = [reader.older(body, "atom") for body in reader.documents("atom")][:-1]
    with db.transaction() as session:
        redraft(session, ids[25], title="Corrected")
    publishing.correct(db, BASE, ids[25])
    after = pages(db)
    assert [new - was for (_, was), (_, new) in zip(before, after, strict=True)] == [0, 1, 1, 1]
    assert reader.ids("atom") == published(db)
    moved = client.get(old[0].removeprefix(BASE))
    assert moved.status_code == 301
    assert client.get(moved.headers["location"].removeprefix(BASE)).status_code == 200
    assert client.get(old[-1].removeprefix(BASE)).status_code == 200  # the oldest page is what it was


def test_a_withdrawn_text_is_in_no_page(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    ids = [new_entry(f"e{n}", standfirst=f"Unique standfirst {n}.") for n in range(90)]
    publish(db, BASE, ids)
    reader = Reader(client)
    old = [older for body in reader.documents("json") if (older := reader.older(body, "json"))]
    publishing.withdraw(db, BASE, ids[3], "It was wrong.")
    for address in old:
        answer = client.get(address.removeprefix(BASE))
        assert b"Unique standfirst 3." not in answer.content
    assert all(b"Unique standfirst 3." not in body for body in reader.documents("json"))


def test_a_bulk_load_and_a_backfill_are_cut_by_the_worker(
    db: Database,
    client: TestClient,
    new_entry: NewEntry,
) -> None:
    publish(db, BASE, [new_entry(f"new{n}") for n in range(45)])
    start = datetime(2001, 1, 1, tzinfo=UTC)
    old = [new_entry(f"old{n}", published_at=start + timedelta(days=n)) for n in range(150)]
    publish(db, BASE, old, mail=False)
    with db.reading() as session:
        assert archives.uneven(session)
    reader = Reader(client)
    assert reader.ids("json") == published(db)  # one long page meanwhile
    catch_up(db, BASE)
    assert reader.ids("json") == published(db)
    sizes = [len(orjson.loads(body)["items"]) for body in reader.documents("json")]
    assert max(sizes) < 2 * archives.PAGE
    with db.transaction() as session:
        assert not archives.uneven(session)
        session.execute(update(Feed).values(uneven=True))
    before = pages(db)
    catch_up(db, BASE)
    assert pages(db) == before  # nothing to do changes nothing


def test_entries_of_one_moment_stand_once(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    """A page's bound lies between two that were published at the same time."""
    moment = datetime(2001, 1, 1, tzinfo=UTC)
    publish(db, BASE, [new_entry(f"e{n}", published_at=moment) for n in range(45)], mail=False)
    assert len(pages(db)) == 1
    assert Reader(client).ids("json") == published(db)
    publish(db, BASE, [new_entry("later")])
    assert Reader(client).ids("json") == published(db)


def test_an_archive_that_was_never_cut_is_caught_up(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry(f"e{n}") for n in range(200)])
    with db.transaction() as session:
        session.query(FeedPage).delete()
    publish(db, BASE, [new_entry("last")])
    assert len(Reader(client).ids("json")) == archives.PAGE  # the newest, until the worker has cut
    catch_up(db, BASE)
    assert Reader(client).ids("json") == published(db)


def test_large_entries_make_smaller_documents(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    text = "<p>" + "The tide comes in. " * 2_000 + "</p>"
    publish(db, BASE, [new_entry(f"e{n}", body_html=f"{text}<p>{n}</p>") for n in range(30)])
    reader = Reader(client)
    assert reader.ids("rss") == published(db)
    assert max(len(body) for body in reader.documents("rss")) <= layout.MAX_BYTES


def test_every_page_keeps_to_http(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry(f"e{n}") for n in range(45)])
    address = Reader(client).older(client.get("/feeds/all.atom").content, "atom")
    assert address is not None
    path = address.removeprefix(BASE)
    plain = client.get(path, headers={"accept-encoding": "identity"})
    packed = client.get(path, headers={"accept-encoding": "gzip"})
    assert plain.content == packed.content
    assert plain.headers["etag"] != packed.headers["etag"]
    assert f'<{BASE}/feeds/all.atom>; rel="current"' in plain.headers["link"]
    again = client.get(path, headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405
    for wrong in ("x", "1-0.0.xml", "999999-0.0.atom", "1-0.0.atom/..", "1-99999999999.0.atom"):
        assert client.get(f"/feeds/all/archive/{wrong}").status_code == 404
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "all").values(private=True))
    assert client.get(path).status_code == 404


def test_a_partners_feed_has_no_archive(db: Database, publication: int, new_entry: NewEntry) -> None:
    with db.transaction() as session:
        session.execute(update(Feed).where(Feed.name == "ferries").values(private=True, kind="scope"))
    publish(db, BASE, [new_entry(f"e{n}") for n in range(60)])
    catch_up(db, BASE)
    assert pages(db, "ferries") == []
    assert len(pages(db)) == 2
