"""The archive of each kind of feed: from the start by part, private, by day or week; and feeds that are whole without one."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from syndication import defining, publishing
from syndication.defining import Definition
from syndication.feeds import layout, lint
from syndication.feeds.archives import Key, Link, address, forget_digests
from syndication.feeds.formats import FORMATS
from syndication.feeds.periods import bound
from syndication.intake.importer import import_paths
from syndication.ledger.content import Entry, Feed, FeedPage, Publication
from syndication.ledger.db import Database
from syndication.logs import without_secrets
from syndication.press import touch
from syndication.publishing import catch_up, publish
from syndication.settings import Settings
from tests.feeds.feed_world import breaks
from tests.feeds.test_archives import Reader, pages
from tests.publishing.conftest import NewEntry, redraft
from tests.web.web_world import BASE

START = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday


def define(db: Database, name: str, **said: Any) -> str:
    with db.transaction() as session:
        feed = defining.define(session, session.get_one(Publication, 1), Definition(name, "Title", **said))
        token = defining.new_token(session, feed) if feed.private else ""
    catch_up(db, BASE)
    return token


def days(db: Database, new_entry: NewEntry, count: int, first: int = 0) -> list[int]:
    """Two entries on each of so many days."""
    ids = [
        new_entry(f"d{day}-{n}", published_at=START + timedelta(days=day, hours=n))
        for day in range(first, first + count)
        for n in range(2)
    ]
    publish(db, BASE, ids, mail=False)
    return ids


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_feed_by_part_is_whole_by_its_chain(db: Database, client: TestClient, new_entry: NewEntry, fmt: str) -> None:
    order = list(range(1, 51))
    random.Random(3).shuffle(order)
    ids = []
    for n, part in enumerate(order):
        ids.append(new_entry(f"e{part}", published_at=START + timedelta(days=n)))
        with db.transaction() as session:
            session.get_one(Entry, ids[-1]).part = part
    publish(db, BASE, ids[:45], mail=False)
    define(db, "course", order="part")
    for one in ids[45:]:
        publish(db, BASE, [one], mail=False)
        catch_up(db, BASE)
    reader = Reader(client)
    with db.reading() as session:
        part_of = dict(session.execute(select(Entry.tag_uri, Entry.part)).all())
    found = reader.ids(fmt, "course")
    assert sorted(part_of[one] for one in found) == sorted(order)
    start = 0
    for body in reader.documents(fmt, "course"):
        size = len(FORMATS[fmt].full_texts(body))
        parts = [part_of[one] for one in found[start : start + size]]
        assert parts == sorted(parts)
        start += size
    assert start == 50


def test_the_newest_so_many_are_whole_without_an_archive(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry(f"e{n}") for n in range(60)])
    define(db, "fifty", newest=50)
    for n in range(3):
        publish(db, BASE, [new_entry(f"more{n}")])
        catch_up(db, BASE)
        said = client.get("/feeds/fifty.json").json()
        assert len(said["items"]) == 50
        assert "next_url" not in said
    assert pages(db, "fifty") == []


def test_a_private_feed_leads_back_to_its_first_entry(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry(f"e{n}") for n in range(70)])
    token = define(db, "board", private=True)

    def chain(token: str) -> tuple[list[str], list[str]]:
        """(ids, addresses of pages), from either way in; the pages need no token."""
        bodies = [
            client.get("/feeds/private/board.json", headers={"Authorization": f"Bearer {token}"}),
            client.get(f"/feeds/key/{token}/feed.json"),
        ]
        assert bodies[0].content == bodies[1].content
        document, ids, addresses = bodies[0].json(), [], []
        while True:
            ids += [one["id"] for one in document["items"]]
            if "next_url" not in document:
                return ids, addresses
            addresses.append(document["next_url"].removeprefix(BASE))
            answer = client.get(addresses[-1])
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "private, no-store"
            assert "link" not in answer.headers
            assert token not in answer.text + addresses[-1]
            document = answer.json()

    ids, addresses = chain(token)
    assert len(ids) == len(set(ids)) == 70
    assert len(addresses) == 2
    key = addresses[0].split("/")[3]
    assert key not in without_secrets(f'GET "{addresses[0]}" 200')
    for wrong in (
        addresses[0].replace(key, "0" * 32),
        addresses[0].replace(f"key/{key}/", ""),
        addresses[0].replace("board", "all"),
    ):
        assert client.get(wrong).status_code == 404
    with db.transaction() as session:
        newer = defining.new_token(session, defining.feed_named(session, "board"))
    catch_up(db, BASE)
    assert client.get(addresses[0]).status_code == 404
    assert chain(newer)[0] == ids
    with db.transaction() as session:
        defining.end(session, defining.feed_named(session, "board"))
    assert client.get(addresses[0]).status_code == 404


def test_a_private_feed_without_a_token_opens_for_nobody(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry(f"e{n}") for n in range(45)])
    with db.transaction() as session:
        defining.define(session, session.get_one(Publication, 1), Definition("board", "Board", private=True))
    catch_up(db, BASE)
    with db.reading() as session:
        feed = defining.feed_named(session, "board")
        [page] = session.scalars(select(FeedPage).where(FeedPage.feed_id == feed.id))
        inside = address("", feed, Link(page.upto_id, page.generation), "atom")
    assert client.get(inside).status_code == 404


def wanted(count: int, every: int) -> list[str]:
    """The first days of so many days' digests, the newest first."""
    return [(START + timedelta(days=n)).date().isoformat() for n in range(0, count, every)][::-1]


@pytest.mark.parametrize(("name", "every"), [("all.daily", 1), ("ferries.weekly", 7)])
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_digest_leads_back_to_its_first_day(
    db: Database,
    client: TestClient,
    new_entry: NewEntry,
    name: str,
    every: int,
    fmt: str,
) -> None:
    count = 90 * every
    dates = [START + timedelta(days=n) for n in range(-count, 0, every)] if every > 1 else []
    publish(db, BASE, [new_entry(f"w{n}", published_at=at) for n, at in enumerate(dates)], mail=False)
    days(db, new_entry, 90 if every == 1 else 7)
    assert client.get(f"/feeds/{name}.{fmt}").status_code == 200
    catch_up(db, BASE)
    reader = Reader(client)
    found = [one.rpartition(":")[2] for one in reader.ids(fmt, name)]
    assert found == (wanted(90, 1) if every == 1 else [*wanted(7, 7), *(d.date().isoformat() for d in dates[::-1])])
    for body in reader.documents(fmt, name):
        assert breaks(fmt, body) == []
        assert not [one for one in lint.document(fmt, body, "") if one.level == "error" and "itself" not in one.what]


@pytest.mark.parametrize(("digest", "days"), [("daily", 1), ("weekly", 7)])
def test_a_bound_lies_between_two_days(digest: str, days: int) -> None:
    zone = ZoneInfo("Europe/Lisbon")
    begin = date(2026, 3, 28)  # the clocks change within
    end = datetime.combine(begin + timedelta(days=days), time(), zone).astimezone(UTC)
    assert Key(end - timedelta(microseconds=1), 10**12) < bound(begin, digest, zone) < Key(end, 1)
    assert bound(begin, digest, zone).id != bound(begin + timedelta(days=days), digest, zone).id


def test_days_stand_once_whatever_happens(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    ids = days(db, new_entry, 50)
    client.get("/feeds/all.daily.json")
    catch_up(db, BASE)
    reader, chance = Reader(client), random.Random(7)

    def walk() -> dict[str, str]:
        """day → text; every day once, none of them empty."""
        items = [one for body in reader.documents("json", "all.daily") for one in orjson.loads(body)["items"]]
        counted = Counter(one["id"] for one in items)
        assert set(counted.values()) == {1}
        begins = [one["id"].rpartition(":")[2] for one in items]
        assert begins == sorted(begins, reverse=True)
        return {one["id"].rpartition(":")[2]: one["content_html"] for one in items}

    assert list(walk()) == wanted(50, 1)
    for step in range(12):
        one = chance.choice(ids)
        act = ("correct", "withdraw", "again", "backfill", "midnight")[step % 5]
        with db.reading() as session:
            entry = session.get_one(Entry, one)
            state, slug, day = entry.state, entry.slug, entry.published_at
        assert day is not None
        if act == "correct" and state == "published":
            with db.transaction() as session:
                redraft(session, one, title=f"Corrected {step}")
            publishing.correct(db, BASE, one)
            catch_up(db, BASE)
            assert f"Corrected {step}" in walk()[day.date().isoformat()]
        elif act == "withdraw" and state == "published":
            publishing.withdraw(db, BASE, one)
            catch_up(db, BASE)
            assert f"/{slug}/" not in walk().get(day.date().isoformat(), "")
        elif act == "again":
            publish(db, BASE, ids, mail=False)
        elif act == "midnight":  # the first instant of a day belongs to it and not to the day before
            at = datetime(2026, 1, 5 + step, tzinfo=UTC)
            ids.append(new_entry(f"m{step}", published_at=at))
            publish(db, BASE, ids[-1:], mail=False)
            catch_up(db, BASE)
            assert f"/m{step}/" in walk()[at.date().isoformat()]
        else:
            ids += days(db, new_entry, 3, first=-10 * (step + 1))
        catch_up(db, BASE)
        walk()
    with db.transaction() as session:  # where a day begins changes
        session.execute(update(Publication).values(timezone="Pacific/Auckland"))
        forget_digests(session, 1)
        touch(session, 1)
    catch_up(db, BASE)
    assert len(walk()) > 50


@pytest.mark.sqlite_only
def test_no_day_of_many_is_shown_in_part(db: Database, client: TestClient, new_entry: NewEntry) -> None:
    """As many as one act may not cut: the newest are shown whole, the rest is there once the pages are."""
    publish(db, BASE, [new_entry(f"e{n}", published_at=START - timedelta(days=n // 3)) for n in range(450)], mail=False)
    shown = client.get("/feeds/all.daily.json").json()
    assert len(shown["items"]) == 20
    assert all(one["content_html"].count("<h3>") == 3 for one in shown["items"])
    assert "next_url" not in shown
    catch_up(db, BASE)
    assert len(Reader(client).ids("json", "all.daily")) == 150


@pytest.mark.sqlite_only
def test_an_import_with_another_zone_cuts_digests_anew(db: Database, tmp_path: Path) -> None:
    (tmp_path / "publication.toml").write_text('[publication]\nslug = "h"\nname = "H"\nurl = "https://h.example"\n')
    import_paths(db, [tmp_path], settings=Settings())
    with db.transaction() as session:
        feed = Feed(publication_id=1, name="all.daily", kind="composed", series_ids=[], digest="daily")
        session.add(feed)
        session.flush()
        session.add(FeedPage(feed_id=feed.id, upto_at=START, upto_id=1))
    import_paths(db, [tmp_path], settings=Settings())
    with db.reading() as session:
        assert len(session.scalars(select(FeedPage)).all()) == 1
    with (tmp_path / "publication.toml").open("a") as file:
        file.write('timezone = "Europe/Lisbon"\n')
    import_paths(db, [tmp_path], settings=Settings())
    with db.reading() as session:
        assert session.scalars(select(FeedPage)).all() == []
        assert session.scalars(select(Feed.uneven).where(Feed.name == "all.daily")).one()


@pytest.mark.sqlite_only
def test_a_day_of_very_many_entries_is_shown_by_its_beginning(
    db: Database, client: TestClient, new_entry: NewEntry
) -> None:
    ids = [new_entry(f"e{n}", title=f"Title {n} " + "long " * 60, published_at=START) for n in range(900)]
    publish(db, BASE, ids, mail=False)
    days(db, new_entry, 3, first=2)
    for fmt in FORMATS:
        body = client.get(f"/feeds/all.daily.{fmt}").content
        assert len(body) <= layout.MAX_BYTES
        assert breaks(fmt, body) == []
        assert b"Title 3 " in body
        assert b"Read the whole text of" in body
