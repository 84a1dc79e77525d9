"""A series or an entry gets another slug: the old addresses lead to the new ones, and nothing comes back as new."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from syndication import clock, composing, defining, publishing
from syndication.audience.wishes import known_series
from syndication.defining import Definition
from syndication.errors import BadInput, Conflict
from syndication.feeds import checking
from syndication.feeds.formats import FORMATS
from syndication.ledger.content import Entry, Feed, Publication
from syndication.ledger.db import Database
from syndication.ledger.lookup import entry_named, series_named
from syndication.publishing import catch_up
from syndication.push import hub
from syndication.renaming import rename_entry, rename_series
from syndication.wiring import Wiring
from tests.partners import partner_world
from tests.web.web_world import BASE, NewEntry


def to(client: TestClient, path: str) -> str:
    """Where a path leads, without the base address; the path itself where it is answered."""
    answer = client.get(path)
    if answer.status_code == 200:
        return path
    assert answer.status_code == 301, (path, answer.status_code)
    return answer.headers["location"].removeprefix(BASE)


def rename(db: Database, old: str, new: str) -> None:
    with db.transaction() as session:
        rename_series(session, series_named(session, old), new)
    catch_up(db, BASE)


def identities(client: TestClient, name: str) -> list[tuple[str, str, str]]:
    """(id, published, modified) of all items back to the first."""
    found, path = [], f"/feeds/{name}.json"
    while path:
        document = client.get(path).json()
        found += [(one["id"], one["date_published"], one["date_modified"]) for one in document["items"]]
        path = document.get("next_url", "").removeprefix(BASE)
    return found


@pytest.fixture
def coast(db: Database, new_entry: NewEntry) -> list[int]:
    """45 ferries, so that there is an archive, and a flood; a named feed and what readers put together."""
    days = [clock.now() - timedelta(days=60 - n) for n in range(45)]
    ids = [
        new_entry(f"e{n}", draft=True, part=n + 1, topics=("boats",), published_at=day) for n, day in enumerate(days)
    ]
    publishing.publish(db, BASE, ids)
    new_entry("dikes", "floods")
    with db.transaction() as session:
        wanted = Definition("picks", "Picks", series=("ferries",), topics=("boats",))
        defining.define(session, session.get_one(Publication, 1), wanted)
    catch_up(db, BASE)
    return ids


def test_a_series_keeps_everything_but_its_address(
    wiring: Wiring, db: Database, client: TestClient, coast: list[int], new_entry: NewEntry
) -> None:
    names = ("all", "ferries", "picks", "ferries+in.en", "ferries+floods", "ferries.daily", "floods+ferries.weekly")
    kept = {name: to(client, f"/feeds/{name}.json") for name in names}
    before = {
        name: identities(client, path.removeprefix("/feeds/").removesuffix(".json")) for name, path in kept.items()
    }
    feed_ids = {
        name: client.get(path[:-4] + "atom").content.split(b"<id>")[1].split(b"<")[0] for name, path in kept.items()
    }
    archive = client.get("/feeds/ferries.json").json()["next_url"].removeprefix(BASE)
    rename(db, "ferries", "slow-boats")

    assert to(client, "/series/ferries/") == "/series/slow-boats/"
    assert to(client, "/series/ferries/e3/") == "/series/slow-boats/e3/"
    assert to(client, "/series/ferries/page/2/") == "/series/slow-boats/page/2/"
    assert client.get("/series/slow-boats/e3/").status_code == 200
    assert to(client, "/feeds/ferries/") == "/feeds/slow-boats/"
    for fmt in FORMATS:
        assert to(client, f"/feeds/ferries.{fmt}") == f"/feeds/slow-boats.{fmt}"
    assert to(client, "/feeds/ferries+floods.atom") == "/feeds/floods+slow-boats.atom"
    assert to(client, "/feeds/ferries.daily.atom") == "/feeds/slow-boats.daily.atom"
    assert to(client, "/feeds/ferries+on.boats.atom") == "/feeds/on.boats+slow-boats.atom"  # nobody made it yet
    moved = to(client, archive)
    assert to(client, to(client, moved)).startswith("/feeds/slow-boats/archive/")
    assert len(identities(client, "slow-boats")) == 45

    for name in names:
        now = to(client, f"/feeds/{name}.json").removeprefix("/feeds/").removesuffix(".json")
        now = to(client, f"/feeds/{now}.json").removeprefix("/feeds/").removesuffix(".json")
        assert "ferries" not in now
        assert identities(client, now) == before[name]
        assert client.get(f"/feeds/{now}.atom").content.split(b"<id>")[1].split(b"<")[0] == feed_ids[name]
    new_entry("latest", "slow-boats", topics=("boats",))
    catch_up(db, BASE)
    for name in ("slow-boats", "picks", "floods+slow-boats", "in.en+slow-boats"):
        assert client.get(f"/feeds/{name}.json").json()["items"][0]["url"] == f"{BASE}/series/slow-boats/latest/"


def test_a_feed_that_is_forgotten_comes_back_with_its_ids(db: Database, client: TestClient, coast: list[int]) -> None:
    was = client.get("/feeds/ferries+floods.atom").content.split(b"<id>")[1].split(b"<")[0]
    rename(db, "ferries", "slow-boats")
    with db.transaction() as session:
        feed = defining.feed_named(session, "floods+slow-boats")
        assert feed.asked_at is not None
        feed.asked_at -= composing.UNUSED * 2
    composing.forget_unused(db)
    again = client.get("/feeds/floods+slow-boats.atom").content
    assert again.split(b"<id>")[1].split(b"<")[0] == was


def test_who_follows_it_goes_on(
    wiring: Wiring, db: Database, client: TestClient, coast: list[int], new_entry: NewEntry
) -> None:
    partner = partner_world.add(db, "The Quay", "ferries")
    cursor = client.get("/partners/v1/entries?limit=100", headers=partner).json()["next_cursor"]
    with db.transaction() as session:
        topic = hub._topic(session, f"{BASE}/feeds/ferries.atom", BASE).id
    rename(db, "ferries", "slow-boats")
    with db.transaction() as session:
        for address in ("ferries", "slow-boats"):
            assert hub._topic(session, f"{BASE}/feeds/{address}.atom", BASE).id == topic
        assert known_series(session, 1)["ferries"] == known_series(session, 1)["slow-boats"] == 1
        assert entry_named(session, "ferries/e3").id == coast[3]
    page = client.get("/subscribe?series=ferries").text
    assert 'value="slow-boats" checked' in page
    said = client.get(f"/partners/v1/entries?limit=100&cursor={cursor}", headers=partner).json()
    assert len(said["entries"]) == 45
    assert {one["series"] for one in said["entries"]} == {"slow-boats"}
    assert said["entries"][0]["canonical_url"] == f"{BASE}/series/slow-boats/e0/"
    after = client.get(f"/partners/v1/entries?series=ferries&cursor={said['next_cursor']}", headers=partner)
    assert after.json()["entries"] == []


def test_nothing_reappears_and_it_is_said_before(db: Database, client: TestClient, coast: list[int]) -> None:
    with db.reading() as session:
        before = checking.compare(session, BASE, {"ferries": "slow-boats"})
    assert before.reappear == []
    assert before.moved_items > 20
    assert before.moved_feeds == {f"{BASE}/feeds/ferries.json": f"{BASE}/feeds/slow-boats.json"}
    with db.transaction() as session:
        rename_series(session, series_named(session, "ferries"), "slow-boats")
    with db.reading() as session:
        assert checking.compare(session, BASE) == before


def test_the_old_address_leads_on_before_anything_is_rendered(
    db: Database, client: TestClient, coast: list[int]
) -> None:
    assert client.get("/feeds/ferries.atom").status_code == 200
    with db.transaction() as session:
        rename_series(session, series_named(session, "ferries"), "slow-boats")
    assert to(client, "/feeds/ferries.atom") == "/feeds/slow-boats.atom"
    assert client.get("/feeds/slow-boats.atom").status_code == 200


def test_a_slug_belongs_to_one_series_for_ever(db: Database, client: TestClient, coast: list[int]) -> None:
    rename(db, "ferries", "slow-boats")
    with db.transaction() as session:
        floods, boats = series_named(session, "floods"), series_named(session, "ferries")
        for slug, error in (("ferries", Conflict), ("slow-boats", Conflict), ("picks", Conflict), ("All ", BadInput)):
            with pytest.raises(error):
                rename_series(session, floods, slug)
        with pytest.raises(Conflict, match="or was"):
            defining.define(session, session.get_one(Publication, 1), Definition("ferries", "X"))
        renamed = defining.define(
            session, session.get_one(Publication, 1), Definition("again", "X", series=("ferries",))
        )
        assert renamed.wants == [["series:slow-boats"]]
        assert boats.slug == "slow-boats"
    rename(db, "slow-boats", "ferries")  # and back
    assert to(client, "/feeds/slow-boats.atom") == "/feeds/ferries.atom"
    assert to(client, "/feeds/ferries.atom") == "/feeds/ferries.atom"
    assert to(client, "/series/slow-boats/e1/") == "/series/ferries/e1/"


def test_an_entry_keeps_its_id_and_its_dates(db: Database, client: TestClient, coast: list[int]) -> None:
    before = {name: identities(client, name) for name in ("all", "ferries", "floods")}
    newest = client.get("/feeds/ferries.json").json()["next_url"]
    elsewhere = client.get("/feeds/floods.atom").content
    for was, now in (("e3", "the-quay"), ("the-quay", "the-old-quay"), ("e44", "last")):
        with db.transaction() as session:
            rename_entry(session, entry_named(session, f"ferries/{was}"), now)
    catch_up(db, BASE)
    for was in ("e3", "the-quay"):
        assert to(client, f"/series/ferries/{was}/") == "/series/ferries/the-old-quay/"
    assert to(client, "/series/ferries/the-old-quay/") == "/series/ferries/the-old-quay/"
    assert {name: identities(client, name) for name in before} == before
    assert client.get("/feeds/ferries.json").json()["items"][0]["url"] == f"{BASE}/series/ferries/last/"
    assert client.get("/feeds/ferries.json").json()["next_url"] != newest  # a page of the archive names the address too
    assert client.get("/feeds/floods.atom").content == elsewhere
    assert "/series/ferries/the-old-quay/" in client.get("/series/ferries/e4/").text  # its neighbour
    rename(db, "ferries", "slow-boats")
    assert to(client, "/series/ferries/e3/") == "/series/slow-boats/the-old-quay/"


def test_what_an_entry_cannot_be_called(
    db: Database, client: TestClient, coast: list[int], new_entry: NewEntry
) -> None:
    draft = new_entry("hidden", draft=True)
    with db.transaction() as session:
        rename_entry(session, session.get_one(Entry, coast[0]), "first")
        other = session.get_one(Entry, coast[1])
        for slug in ("e0", "first", "e2", "hidden"):
            with pytest.raises(Conflict, match="another entry's address"):
                rename_entry(session, other, slug)
        for slug in ("", "Ä", "a/b", "../x"):
            with pytest.raises(BadInput):
                rename_entry(session, other, slug)
        with pytest.raises(Conflict, match="draft"):
            rename_entry(session, session.get_one(Entry, draft), "else")
        rename_entry(session, session.get_one(Entry, coast[0]), "e0")  # its own, taken back
    catch_up(db, BASE)
    assert to(client, "/series/ferries/first/") == "/series/ferries/e0/"


def test_nothing_of_a_draft_can_be_told(
    db: Database, client: TestClient, coast: list[int], new_entry: NewEntry
) -> None:
    new_entry("hidden", draft=True)
    rename(db, "ferries", "slow-boats")
    hidden, nothing = (client.get(f"/series/ferries/{slug}/") for slug in ("hidden", "nothing"))
    assert hidden.status_code == nothing.status_code
    assert hidden.headers["location"].replace("hidden", "nothing") == nothing.headers["location"]
    assert client.get("/series/slow-boats/hidden/").status_code == 404


def test_a_withdrawn_entry_is_gone_under_every_name(db: Database, client: TestClient, coast: list[int]) -> None:
    publishing.withdraw(db, BASE, coast[5], "Wrong.")
    with db.transaction() as session:
        rename_entry(session, session.get_one(Entry, coast[5]), "mistake")
    assert to(client, "/series/ferries/e5/") == "/series/ferries/mistake/"
    assert client.get("/series/ferries/mistake/").status_code == 410


def test_a_name_too_long_for_an_address_stays(db: Database, client: TestClient, coast: list[int]) -> None:
    long = [f"on.{letter * 70}" for letter in "abc"]
    with db.transaction() as session:
        session.add_all(
            Feed(publication_id=1, name=name, kind="mark", series_ids=[], wants=[[f"topic:{name[3:]}"]])
            for name in long
        )
    name = "+".join(["ferries", *sorted(long)])
    assert client.get(f"/feeds/{name}.atom").status_code == 200
    rename(db, "ferries", "x" * 100)
    assert client.get(f"/feeds/{name}.atom").status_code == 200
    with db.reading() as session:
        assert session.scalars(select(Feed.name).where(Feed.kind == "composed")).all() == [name]


def test_dates_of_pages_and_feeds_do_not_move(db: Database, client: TestClient, coast: list[int]) -> None:
    with db.reading() as session:
        stamps: dict[int, datetime | None] = dict(session.execute(select(Entry.id, Entry.updated_at)).all())
    rename(db, "ferries", "slow-boats")
    with db.transaction() as session:
        rename_entry(session, session.get_one(Entry, coast[7]), "seven")
    with db.reading() as session:
        assert dict(session.execute(select(Entry.id, Entry.updated_at)).all()) == stamps
        numbers = session.scalars(select(Entry.seq)).all()
        assert len(numbers) == len(set(numbers))
        assert max(numbers) <= session.get_one(Publication, 1).seq
    assert json.loads(client.get("/feeds/slow-boats.json").content)["items"]
