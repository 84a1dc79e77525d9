"""The linter: it finds what a validator or a reader trips over, and nothing in what we make of the hardest documents."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from syndication.content import Author, Related
from syndication.errors import BadInput
from syndication.feeds import lint
from syndication.feeds.formats import FORMATS
from syndication.feeds.linting import of_entries, of_feeds
from syndication.ledger.content import Entry, Feed, Publication, Revision
from syndication.ledger.db import Database
from syndication.publishing import catch_up, publish, withdraw
from tests.feeds.feed_world import BASE, DAY, VIEW, feed, hard_view, item
from tests.publishing.conftest import NewEntry

NOW = DAY + timedelta(days=300)


def said(**content: object) -> list[tuple[str, str]]:
    return [(one.level, one.what) for one in lint.item(item(1, **{"title": "Tides", **content}), NOW, BASE)]


def test_a_good_entry_has_nothing() -> None:
    assert said() == []


@pytest.mark.parametrize(
    ("content", "level", "words"),
    [
        ({"title": " "}, "error", "no title"),
        ({"title": "A <b>bold</b> claim"}, "warning", "markup"),
        ({"body_html": "<p>CafÃ© au lait</p>"}, "warning", "CafÃ© au lait"),
        ({"standfirst": "It doesnâ€™t."}, "warning", "wrong encoding"),
        ({"body_html": "<p>a\u0085b</p>"}, "warning", "U+0085"),
        ({"body_html": '<p><a href="/rel">x</a></p>'}, "error", "/rel is relative"),
        ({"body_html": '<p><a href="gopher://x.example/">x</a></p>'}, "error", "no reader follows gopher:"),
        ({"body_html": '<p><a href="https:///x">x</a></p>'}, "error", "names no host"),
        ({"body_html": '<p><a href="http://localhost:3000/x">x</a></p>'}, "warning", "nowhere but on this machine"),
        (
            {"body_html": '<p><img src="media:a.png" srcset="/b.png 2x" alt="A boat"></p>'},
            "error",
            "/b.png is relative",
        ),
        ({"body_html": '<p><img src="media:a.png" alt=""></p>'}, "warning", "has no description"),
        ({"body_html": "<p><img src='media:a.png'></p>"}, "error", "follows media:"),
        ({"body_html": "<p onclick='x()'>x</p>"}, "error", "<p> has no place"),
        ({"body_html": "<p>x</p><script>1</script>"}, "error", "<script> has no place"),
        ({"authors": (Author(name="A", url="ftp://a.example/"),)}, "error", "ftp:"),
        ({"related": (Related(title="T", url="tides.html"),)}, "error", "relative"),
        ({"canonical_url": "notes.html"}, "error", "relative"),
        ({"body_html": "<p>" + "tide " * 60_000 + "</p>"}, "warning", "bytes"),
    ],
)
def test_each_fault_is_named(content: dict[str, object], level: str, words: str) -> None:
    found = said(**content)
    assert any(one == level and words in what for one, what in found), found


def test_a_service_on_a_laptop_is_no_fault_of_its_entries() -> None:
    link = '<p><a href="http://localhost:8000/series/x/">x</a></p>'
    assert lint.item(item(1, title="Tides", body_html=link), NOW, "http://localhost:8000") == []


def test_dates_to_come_are_errors() -> None:
    late = replace(item(1, title="Tides"), published=NOW + timedelta(days=2), updated=NOW + timedelta(days=2))
    assert [(one.level, one.where) for one in lint.item(late, NOW, BASE)] == [
        ("error", "published"),
        ("error", "updated"),
    ]
    turned = replace(item(1, title="Tides"), updated=DAY - timedelta(days=2))
    assert [(one.level, one.where) for one in lint.item(turned, NOW, BASE)] == [("warning", "updated")]
    soon = replace(item(1, title="Tides"), published=NOW + timedelta(hours=1), updated=NOW + timedelta(hours=1))
    assert lint.item(soon, NOW, BASE) == []


@pytest.mark.parametrize("fmt", FORMATS)
def test_our_own_documents_have_nothing(fmt: str) -> None:
    for view in (VIEW, hard_view()):
        assert lint.document(fmt, FORMATS[fmt].render(view), view.self_urls[fmt]) == []


@pytest.mark.parametrize("fmt", FORMATS)
def test_faults_of_a_document(fmt: str) -> None:
    twice = feed(item(1), item(1))
    body = FORMATS[fmt].render(twice)
    levels = {one.level: one.what for one in lint.document(fmt, body, f"{BASE}/feeds/all.{fmt}")}
    assert "2 items have the id" in levels["error"]
    assert ("warning" in levels) == (fmt == "atom")
    assert "it calls itself" in lint.document(fmt, body, f"{BASE}/feeds/other.{fmt}")[0].what
    assert "cannot be read" in lint.document(fmt, body[:-20], "")[0].what
    large = lint.document(
        fmt, FORMATS[fmt].render(feed(item(1, body_html="<p>" + "tide " * 52_000 + "</p>"))), twice.self_urls[fmt]
    )
    assert [one.level for one in large] == ["warning"]
    larger = feed(item(1, body_html="<p>" + "tide " * 110_000 + "</p>"))
    assert [one.level for one in lint.document(fmt, FORMATS[fmt].render(larger), twice.self_urls[fmt])] == ["error"]


@pytest.mark.parametrize(
    ("fmt", "sound", "faulty", "words"),
    [
        ("rss", 'isPermaLink="false"', 'isPermaLink="true"', "a guid says that it is an address"),
        ("rss", "<language>.*?</language>", "", "the channel has no language"),
        ("rss", "<pubDate>[^<]*</pubDate><", "<pubDate>yesterday</pubDate><", "yesterday is no date"),
        ("rss", "<guid .*?</guid>", "", "a guid says"),
        ("atom", 'rel="self"', 'rel="odd"', "the relation odd"),
        ("atom", '(<link [^>]*rel="alternate"[^>]*>)', r"\1\1", "two links are the alternate"),
        ("atom", "<updated>[^<]*</updated>", "", "no updated"),
        ("json", '"id":', '"guid":', "an item has no id"),
        ("json", '"content_html":', '"content":', "an item has no text"),
        ("json", '"items":', '"_ours":1,"items":', "_ours is ours and no object"),
        ("json", '"version":', '"edition":', "it has no version"),
    ],
)
def test_each_fault_of_a_document_is_named(fmt: str, sound: str, faulty: str, words: str) -> None:
    body = FORMATS[fmt].render(VIEW).decode()
    faults = lint.document(fmt, re.sub(sound, faulty, body).encode(), VIEW.self_urls[fmt])
    assert any(one.level == "error" and words in one.what for one in faults), faults


def test_an_error_stops_the_publish_with_entry_place_and_remedy(db: Database, new_entry: NewEntry) -> None:
    with pytest.raises(BadInput) as refused:
        publish(db, BASE, [new_entry("good"), new_entry("bad", body_html='<p><a href="tides.html">x</a></p>')])
    assert str(refused.value) == (
        "entry ferries/bad, text, href of <a>: tides.html is relative; a reader has no place it could start from; "
        "write it whole."
    )
    with db.reading() as session:
        states = dict(session.execute(select(Entry.slug, Entry.state)).all())
    assert states == {"good": "published", "bad": "draft"}  # it stops its own entry and no other


def test_what_has_an_error_can_be_withdrawn(db: Database, new_entry: NewEntry) -> None:
    entry = new_entry("one")
    publish(db, BASE, [entry])
    with db.transaction() as session:  # published by a version that knew less
        revision = session.scalars(select(Revision)).one()
        revision.content = {**revision.content, "body_html": '<p><a href="tides.html">x</a></p>'}
    withdraw(db, BASE, entry)
    with db.reading() as session:
        assert session.scalars(select(Entry.state)).all() == ["withdrawn"]


def test_warnings_publish_and_are_told(db: Database, new_entry: NewEntry) -> None:
    entry = new_entry("one", title="Fish &amp; chips")
    publish(db, BASE, [entry])
    catch_up(db, BASE)
    with db.reading() as session:
        owner = session.get_one(Publication, 1)
        [(name, found)] = of_entries(session, owner, [entry], BASE, owner.last_updated or NOW)
        assert (name, found.level, found.where) == ("ferries/one", "warning", "title")
        assert of_feeds(session, list(session.scalars(select(Feed))), BASE) == []
        assert {one.what for _, one in of_feeds(session, list(session.scalars(select(Feed))), "https://else.example")}
