"""Feeds beyond `all` and the series: of authors, topics, languages, named by the publisher, put together by a reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import time_machine
from sqlalchemy import func, select
from starlette.testclient import TestClient

from syndication import composing, defining, publishing
from syndication.content import Author
from syndication.defining import Definition
from syndication.errors import BadInput, Conflict
from syndication.feeds import checking
from syndication.feeds.disclaimers import count_html
from syndication.feeds.formats import FORMATS
from syndication.ledger import notices
from syndication.ledger.content import Entry, Feed, Publication, Series
from syndication.ledger.db import Database
from syndication.logs import without_secrets
from syndication.press import touch
from syndication.sweeping import do
from syndication.web import ondemand
from syndication.wiring import Wiring
from tests.feeds.feed_world import breaks
from tests.web.web_world import BASE, NewEntry, browser, redraft


def slugs(client: TestClient, name: str) -> list[str]:
    response = client.get(f"/feeds/{name}.json")
    assert response.status_code == 200, (name, response.status_code)
    assert response.json()["feed_url"] == f"{BASE}/feeds/{name}.json"
    return [item["url"].split("/")[-2] for item in response.json()["items"]]


def define(db: Database, name: str, **said: Any) -> str:
    with db.transaction() as session:
        feed = defining.define(session, session.get_one(Publication, 1), Definition(name, f"Title of {name}", **said))
        return defining.new_token(session, feed) if feed.private else ""


@pytest.fixture
def coast(wiring: Wiring, new_entry: NewEntry) -> None:
    ana, bo = Author(name="Ana Ré"), Author(name="Bo")
    new_entry("one", "ferries", part=1, authors=(ana,), topics=("Night trains",))
    new_entry("two", "floods", authors=(ana, bo), topics=("Dikes", "night trains"), language="de", title="Zwei")
    new_entry("three", "floods", authors=(bo,), part=3)
    do(wiring, "publish.render_owed")


def test_authors_topics_and_languages_have_feeds(client: TestClient, coast: None) -> None:
    assert slugs(client, "by.ana-re") == ["two", "one"]
    assert slugs(client, "by.bo") == ["three", "two"]
    assert slugs(client, "on.night-trains") == ["two", "one"]
    assert slugs(client, "in.de") == ["two"]
    assert client.get("/feeds/by.ana-re.json").json()["title"] == "Tideway Institute: Ana Ré"
    assert client.get("/feeds/in.de.json").json()["title"] == "Tideway Institute: Deutsch"
    assert client.get("/feeds/by.nobody.atom").status_code == 404


def test_a_correction_moves_an_entry_between_feeds(wiring: Wiring, client: TestClient, coast: None) -> None:
    with wiring.db.transaction() as session:
        redraft(session, 1, title="On one", authors=(Author(name="Bo"),))
    publishing.correct(wiring.db, BASE, 1)
    do(wiring, "publish.render_owed")
    assert slugs(client, "by.ana-re") == ["two"]
    assert slugs(client, "by.bo") == ["three", "two", "one"]
    assert slugs(client, "on.night-trains") == ["two"]
    publishing.withdraw(wiring.db, BASE, 2, "Wrong.")
    do(wiring, "publish.render_owed")
    assert slugs(client, "by.ana-re") == slugs(client, "in.de") == []


def test_a_publish_touches_only_the_feeds_that_show_it(wiring: Wiring, coast: None, new_entry: NewEntry) -> None:
    for n in range(30):
        define(wiring.db, f"f{n}", topics=(f"Topic {n}",))
    do(wiring, "publish.render_owed")
    new_entry("four", "ferries", topics=("Topic 7",))
    with wiring.db.reading() as session:
        behind = session.scalars(select(Feed.name).where(Feed.rendered_seq < Feed.wanted_seq)).all()
    assert sorted(behind) == ["f7", "in.en", "on.topic-7"]


def test_a_named_feed_is_what_the_publisher_says(wiring: Wiring, client: TestClient, coast: None) -> None:
    define(wiring.db, "picks", series=("floods",), authors=("Ana Ré", "Bo"), description="What we like.")
    define(wiring.db, "both", authors=("bo",), languages=("DE",))
    define(wiring.db, "newest", newest=1)
    define(wiring.db, "course", order="part")
    do(wiring, "publish.render_owed")
    assert slugs(client, "picks") == ["three", "two"]
    assert slugs(client, "both") == ["two"]
    assert slugs(client, "newest") == ["three"]
    assert slugs(client, "course") == ["one", "three", "two"]
    said = client.get("/feeds/picks.json").json()
    assert (said["title"], said["description"]) == ("Title of picks", "What we like.")
    assert said["home_page_url"] == f"{BASE}/feeds/picks/"
    assert "What we like." in client.get("/feeds/picks/").text
    opml = client.get("/feeds.opml").text
    assert "/feeds/picks.atom" in opml
    assert "/feeds/by.bo.atom" not in opml


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_feed_of_standfirsts_has_the_notice_in_each_summary(
    wiring: Wiring, client: TestClient, new_entry: NewEntry, fmt: str
) -> None:
    new_entry("one", standfirst="Who pays for the boats?", body_html="<p>The whole text.</p>")
    define(wiring.db, "short", full=False)
    do(wiring, "publish.render_owed")
    body = client.get(f"/feeds/short.{fmt}").content
    assert breaks(fmt, body) == []
    assert b"The whole text" not in body
    with wiring.db.reading() as session:
        notice = notices.current(session, 1, "en").text
    texts = FORMATS[fmt].full_texts(body)
    assert [count_html(text, notice) for text in texts] == [1]
    assert "Who pays for the boats?" in texts[0]


def test_names_mean_one_thing(db: Database, publication: int) -> None:
    with pytest.raises(Conflict, match="there is a series 'floods'"):
        define(db, "floods")
    for name in ("all", "on", "by.ana", "a+b", "Short", "scope-1"):
        with pytest.raises(BadInput, match="cannot be the name of a feed"):
            define(db, name)
    with pytest.raises(BadInput, match="order"):
        define(db, "x", order="size")
    with pytest.raises(BadInput, match="999 entries"):
        define(db, "x", newest=999)


def test_a_changed_definition_gives_its_archive_new_addresses(
    wiring: Wiring, client: TestClient, new_entry: NewEntry
) -> None:
    for n in range(45):
        new_entry(f"e{n}", topics=("odd",) if n % 2 else ("even",), draft=True)
    publishing.publish(wiring.db, BASE, list(range(1, 46)))
    define(wiring.db, "many")
    do(wiring, "publish.render_owed")
    older = client.get("/feeds/many.json").json()["next_url"].removeprefix(BASE)
    assert len(client.get(older).json()["items"]) == 20
    define(wiring.db, "many", topics=("odd",))
    do(wiring, "publish.render_owed")
    assert len(slugs(client, "many")) == 22
    assert client.get(older).status_code == 404


def test_a_private_feed_needs_its_token(wiring: Wiring, client: TestClient, coast: None) -> None:
    token = define(wiring.db, "board", private=True, series=("floods",))
    do(wiring, "publish.render_owed")
    assert client.get("/feeds/board.atom").status_code == 404
    assert client.get("/feeds/board/").status_code == 404
    assert "board" not in client.get("/feeds.opml").text + client.get("/feeds/").text
    at = "/feeds/private/board.json"
    assert client.get(at).status_code == client.get("/feeds/private/nothing.json").status_code == 401
    assert client.get(at, headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = client.get(at, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.json()["feed_url"] == f"{BASE}{at}"
    assert token not in answer.text
    assert "private" in answer.headers["cache-control"]
    assert client.get(at, auth=("anyone", token)).status_code == 200
    same = client.get(at, headers={"Authorization": f"Bearer {token}", "If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    other = client.get(at, headers={"Authorization": f"Bearer {token}", "If-Match": '"another"'})
    assert (other.status_code, other.content) == (412, b"")
    secret = f"/feeds/key/{token}/feed.atom"
    assert client.get(secret).headers["cache-control"] == "private, no-store"
    assert client.get("/feeds/key/wrong/feed.atom").status_code == 404
    assert token not in without_secrets(f'GET "{secret}" 200')
    with wiring.db.transaction() as session:
        defining.new_token(session, defining.feed_named(session, "board"))
    assert client.get(secret).status_code == 404


def test_a_reader_puts_a_feed_together(wiring: Wiring, client: TestClient, coast: None, new_entry: NewEntry) -> None:
    moved = client.get("/feeds/floods+ferries.atom")
    assert (moved.status_code, moved.headers["location"]) == (301, f"{BASE}/feeds/ferries+floods.atom")
    assert slugs(client, "ferries+floods") == ["three", "two", "one"]
    assert slugs(client, "ferries+in.de") == ["two", "one"]
    assert client.get("/feeds/ferries+floods.json").json()["title"] == "Tideway Institute: Ferries, Floods"
    assert client.get("/feeds/all+floods.rss").headers["location"] == f"{BASE}/feeds/all.rss"
    new_entry("four", "ferries")
    do(wiring, "publish.render_owed")
    assert slugs(client, "ferries+floods")[0] == "four"
    for absent in ("ferries+nothing", "nothing.daily", "+".join(f"s{n}" for n in range(20)), "ferries+ferries2"):
        assert client.get(f"/feeds/{absent}.atom").status_code == 404
    with wiring.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Feed).where(Feed.kind == "composed")) == 2


def test_a_digest_feed_has_one_item_for_each_day_that_is_over(
    wiring: Wiring, publication: int, new_entry: NewEntry
) -> None:
    with time_machine.travel(datetime(2026, 11, 25, 9, tzinfo=UTC), tick=True) as clocks, browser(wiring) as client:
        assert client.get("/feeds/all.daily.json").json()["items"] == []
        new_entry("one")
        new_entry("two", "floods")
        do(wiring, "publish.render_owed")
        assert client.get("/feeds/all.daily.json").json()["items"] == []  # the day is not over
        clocks.move_to(datetime(2026, 11, 26, 1, tzinfo=UTC))
        do(wiring, "publish.render_owed")
        with browser(wiring) as later:
            [item] = later.get("/feeds/all.daily.json").json()["items"]
            assert item["title"] == "Tideway Institute: 25 November 2026"
            assert item["date_published"] == item["date_modified"] == "2026-11-26T00:00:00+00:00"
            assert item["content_html"].index("On one") < item["content_html"].index("On two")
            before = item["id"]
            publishing.withdraw(wiring.db, BASE, 1, "Wrong.")
            do(wiring, "publish.render_owed")
        with browser(wiring) as later:
            [item] = later.get("/feeds/all.daily.json").json()["items"]
            assert item["id"] == before
            assert "On one" not in item["content_html"]
            assert item["date_modified"] > item["date_published"]
            for fmt in FORMATS:
                assert breaks(fmt, later.get(f"/feeds/all.daily.{fmt}").content) == []
            assert later.get("/feeds/all.weekly.json").json()["items"] == []


def test_made_up_names_fill_nothing(wiring: Wiring, coast: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "COMPOSED", 3)
    monkeypatch.setattr(ondemand, "A_MINUTE", 6)
    names = [
        f"{a}+{b}"
        for a, b in (("by.ana-re", "by.bo"), ("by.bo", "ferries"), ("ferries", "floods"), ("ferries", "in.de"))
    ]
    names += ["floods.daily", "ferries.daily", "all.daily", "all.weekly"]
    with browser(wiring) as client:
        answers = [client.get(f"/feeds/{name}.atom") for name in names]
        assert [a.status_code for a in answers] == [200] * 6 + [503] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1
    with wiring.db.reading() as session:
        kept = session.scalars(select(Feed.name).where(Feed.kind == "composed").order_by(Feed.id)).all()
    assert kept == names[3:6]  # the longest not asked for went first


def test_a_forgotten_feed_comes_back_as_it_was(wiring: Wiring, client: TestClient, coast: None) -> None:
    before = client.get("/feeds/ferries+floods.atom")
    with wiring.db.transaction() as session:
        feed = defining.feed_named(session, "ferries+floods")
        assert feed.asked_at is not None
        feed.asked_at -= composing.UNUSED + timedelta(days=1)
    do(wiring, "publish.forget_unused")
    with wiring.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Feed).where(Feed.kind == "composed")) == 0
    assert client.get("/feeds/ferries+floods.atom").content == before.content


def test_a_feed_made_after_another_was_forgotten_is_seen(wiring: Wiring, coast: None) -> None:
    """By a web process that was not asked in between."""
    object.__setattr__(wiring.settings, "feed_check_seconds", 3600.0)
    with browser(wiring) as client:
        assert client.get("/feeds/ferries+floods.atom").status_code == 200
        with wiring.db.transaction() as session:
            composing._forget(session, [defining.feed_named(session, "ferries+floods").id])
        assert client.get("/feeds/ferries+in.de.atom").status_code == 200
        assert client.get("/feeds/ferries+floods.atom").status_code == 200


def test_a_feed_that_ended_is_gone(wiring: Wiring, client: TestClient, coast: None) -> None:
    define(wiring.db, "short-lived")
    do(wiring, "publish.render_owed")
    assert client.get("/feeds/short-lived.atom").status_code == 200
    with wiring.db.transaction() as session:
        defining.end(session, defining.feed_named(session, "short-lived"))
        with pytest.raises(Conflict):
            defining.end(session, defining.feed_named(session, "all"))
    assert client.get("/feeds/short-lived.atom").status_code == 410


def test_a_feed_that_moved_leads_to_another(wiring: Wiring, client: TestClient, coast: None) -> None:
    define(wiring.db, "old")
    define(wiring.db, "board", private=True)
    do(wiring, "publish.render_owed")
    with wiring.db.transaction() as session:
        old = defining.feed_named(session, "old")
        with pytest.raises(Conflict):
            defining.end(session, old, defining.feed_named(session, "board"))
        defining.end(session, old, defining.feed_named(session, "floods"))
    for fmt in FORMATS:
        answer = client.get(f"/feeds/old.{fmt}")
        assert (answer.status_code, answer.headers["location"]) == (301, f"{BASE}/feeds/floods.{fmt}")
    define(wiring.db, "old")
    do(wiring, "publish.render_owed")
    assert client.get("/feeds/old.atom").status_code == 200


def test_a_series_that_ended_says_that_it_is_whole(wiring: Wiring, client: TestClient, coast: None) -> None:
    with wiring.db.transaction() as session:
        session.query(Series).filter_by(slug="floods").one().ended = True
        touch(session, 1)
    do(wiring, "publish.render_owed")
    for fmt in ("rss", "atom"):
        body = client.get(f"/feeds/floods.{fmt}").content
        assert breaks(fmt, body) == []
        assert b"<fh:complete" in body
        assert b"<fh:complete" not in client.get(f"/feeds/ferries.{fmt}").content


def test_nothing_reappears_when_the_host_changes(wiring: Wiring, coast: None) -> None:
    with wiring.db.reading() as session:
        found = checking.compare(session, "https://else.example")
    assert found.reappear == []
    assert found.items == found.moved_items > 5
    assert found.moved_feeds[f"{BASE}/feeds/all.json"] == "https://else.example/feeds/all.json"
    assert checking.in_words(found).startswith("0 items will reappear")
    with wiring.db.transaction() as session:  # a fault that must not be: an id is minted anew
        session.get_one(Entry, 1).tag_uri = "tag:else.example,2026:1"
    with wiring.db.reading() as session:
        found = checking.compare(session, BASE)
    assert ["all", "tag:tideway.example,2026-01-01:one", "tag:else.example,2026:1"] in found.reappear
    assert found.moved_items == 0
    assert found.moved_feeds == {}


def test_people_see_which_feeds_there_are(client: TestClient, coast: None) -> None:
    page = client.get("/feeds/").text
    for name in ("ferries", "by.ana-re", "on.dikes", "in.de"):
        assert f'href="/feeds/{name}/"' in page
    page = client.get("/feeds/?part=floods&part=ferries&part=nonsense&every=daily").text
    assert f"{BASE}/feeds/ferries+floods.daily.atom" in page
    assert "<h1>Tideway Institute: Ana Ré</h1>" in client.get("/feeds/by.ana-re/").text
    assert client.get("/feeds/nothing/").status_code == 404
    assert client.get("/feeds").headers["location"] == f"{BASE}/feeds/"
    assert orjson.loads(client.get("/feeds/by.ana-re.json").content)["home_page_url"] == f"{BASE}/feeds/by.ana-re/"
