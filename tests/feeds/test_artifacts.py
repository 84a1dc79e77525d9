"""Feeds as documents: how large they may grow, and what a change of the notice does to them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from lxml import etree
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.feeds.archives import PAGE
from syndication.feeds.disclaimers import count_html
from syndication.feeds.formats import FORMATS
from syndication.feeds.layout import FEWEST, MAX_BYTES
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Entry, Feed, Publication, Series
from syndication.ledger.db import Database
from syndication.press import touch
from syndication.publishing import catch_up, correct, publish, rerender_all, set_notice, withdraw
from syndication.rendering import SHIPPED
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.publishing.conftest import NewEntry, redraft
from tests.web.web_world import browser

BASE = "https://n.example"


def document(db: Database, name: str = "all", fmt: str = "json") -> bytes:
    with db.reading() as session:
        found = session.scalars(
            select(Artifact).join(Feed, Feed.id == Artifact.feed_id).where(Feed.name == name, Artifact.format == fmt)
        ).one()
        return gzip.decompress(found.gzip)


def items(db: Database) -> list[dict[str, str]]:
    found: list[dict[str, str]] = orjson.loads(document(db))["items"]
    return found


def test_no_document_is_larger_than_readers_take(db: Database, new_entry: NewEntry) -> None:
    whole = "<p>" + "tide " * 12_000 + "</p>"
    publish(db, BASE, [new_entry(f"e{n}", body_html=whole) for n in range(PAGE)])
    sizes = [len(document(db, "all", fmt)) for fmt in FORMATS]
    assert max(sizes) <= MAX_BYTES
    shown = items(db)
    assert FEWEST < len(shown) < PAGE
    assert all("tide tide" in i["content_html"] for i in shown)


def test_an_entry_too_long_for_a_feed_is_shown_by_its_beginning(db: Database, new_entry: NewEntry) -> None:
    others = [new_entry(f"e{n}") for n in range(FEWEST)]
    book = new_entry("book", body_html="<p>" + "tide " * 700_000 + "</p>", standfirst="A whole book.")
    publish(db, BASE, [*others, book])
    assert max(len(document(db, "all", fmt)) for fmt in FORMATS) <= MAX_BYTES
    shown = {i["url"].split("/")[-2]: i for i in items(db)}
    assert "book" in shown
    assert len(shown) == FEWEST
    text = shown["book"]["content_html"]
    assert "A whole book." in text
    assert f'<a href="{BASE}/series/ferries/book/">Read the whole text of “On book”</a>' in text
    with db.reading() as session:
        notice = notices.current(session, 1, "en").text
    assert [count_html(i["content_html"], notice) for i in shown.values()] == [1] * FEWEST
    assert "Water" in shown["e4"]["content_html"]


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_new_notice_is_in_every_document_and_no_entry_looks_new(
    db: Database,
    new_entry: NewEntry,
    publication: int,
    fmt: str,
) -> None:
    publish(db, BASE, [new_entry("one"), new_entry("two")])
    before = document(db, "all", fmt)
    with db.reading() as session:
        dates = session.execute(select(Entry.id, Entry.published_at, Entry.updated_at, Entry.seq)).all()
        old = notices.current(session, publication, "en")
    version = set_notice(db, BASE, publication, "en", "{{ name }} speaks for {{ name }}, and for nobody else.")
    assert (version.version, version.fresh) == (2, True)
    after = document(db, "all", fmt)
    said = "Tideway Institute speaks for Tideway Institute, and for nobody else."
    for text in FORMATS[fmt].full_texts(after):
        assert (count_html(text, said), count_html(text, old.text)) == (1, 0)
    old_texts, new_texts = FORMATS[fmt].full_texts(before), FORMATS[fmt].full_texts(after)
    for was, now in zip(old_texts, new_texts, strict=True):  # nothing else moved, not a date, not an id
        assert now == was.replace(old.html, f'<p lang="en">{said}</p>')
    with db.reading() as session:
        assert session.execute(select(Entry.id, Entry.published_at, Entry.updated_at, Entry.seq)).all() == dates


def test_a_feed_knows_why_it_changed(db: Database, new_entry: NewEntry, publication: int) -> None:
    def why(name: str = "ferries") -> list[str]:
        with db.reading() as session:
            newest: list[str] = session.scalars(select(Feed).where(Feed.name == name)).one().history[0]["why"]
            return newest

    one = new_entry("one")
    publish(db, BASE, [one])
    assert why() == ["it is new"]
    publish(db, BASE, [new_entry("two"), new_entry("three", series=2)])
    assert why() == ["entry 2 “On two” came in"]
    with db.transaction() as session:
        redraft(session, one, title="On one, again")
    correct(db, BASE, one)
    assert why() == ["entry 1 “On one, again” went from revision 1 to 2"]
    withdraw(db, BASE, 2)
    assert why() == ["entry 2 “On two” left"]
    set_notice(db, BASE, publication, "en", "{{ name }} speaks for {{ name }} alone.")
    assert why() == ["the notice (en) went from version 1 to 2"]
    rerender_all(db, "https://other.example")
    assert any("the address was https://n.example/feeds/ferries.atom and is" in line for line in why())
    publish(db, "https://other.example", [new_entry(f"e{n}") for n in range(45)])
    assert "its archive has another newest page" in why()
    with db.reading() as session:
        assert len(session.scalars(select(Feed).where(Feed.name == "ferries")).one().history) == 7


def _rename_publication(session: Session) -> None:
    session.get_one(Publication, 1).name = "Tideway House"


def _retitle_series(session: Session) -> None:
    session.get_one(Series, 1).title = "Slow Boats"


def _other_hubs(session: Session) -> None:
    session.get_one(Publication, 1).hubs = "https://hub.example/"


def _other_part(session: Session) -> None:
    session.get_one(Entry, 1).part = 7


@pytest.mark.parametrize("change", [_rename_publication, _retitle_series, _other_hubs, _other_part, None])
def test_what_is_no_change_of_an_entry_moves_no_date(
    db: Database,
    new_entry: NewEntry,
    change: Callable[[Session], None] | None,
) -> None:
    """Names, settings and (None) the notice: other bytes, the same ids and dates in the feed and in its archive."""
    publish(db, BASE, [new_entry(f"e{n}", series=1) for n in range(45)])
    catch_up(db, BASE)
    before = {fmt: document(db, "all", fmt) for fmt in FORMATS}
    dates = [_dates(fmt, body) for fmt, body in before.items()]
    if change is None:
        set_notice(db, BASE, 1, "en", "{{ name }} speaks for itself alone.")
    else:
        with db.transaction() as session:
            change(session)
            touch(session, 1)
    catch_up(db, BASE)
    after = {fmt: document(db, "all", fmt) for fmt in FORMATS}
    assert all(after[fmt] != before[fmt] for fmt in FORMATS)
    assert [_dates(fmt, body) for fmt, body in after.items()] == dates


def _dates(fmt: str, body: bytes) -> list[tuple[str, ...]]:
    """The feed's own date, then of each item its id and dates."""
    if fmt == "json":
        return [(i["id"], i["date_published"], i["date_modified"]) for i in orjson.loads(body)["items"]]
    names = ("guid", "pubDate", "lastBuildDate", "{*}id", "{*}published", "{*}updated")
    root = etree.fromstring(body)
    return [
        tuple(one.findtext(name) or "" for name in names)
        for one in (*root.iter("channel", "{*}feed", "item", "{*}entry"),)
    ]


def test_an_overridden_template_changes_pages_and_no_feed(db: Database, tmp_path: Path, new_entry: NewEntry) -> None:
    publish(db, BASE, [new_entry("tides")])
    catch_up(db, BASE)
    before = {fmt: document(db, "all", fmt) for fmt in FORMATS}
    (tmp_path / "web").mkdir()
    shipped = (SHIPPED / "web/entry.html").read_text("utf-8")
    (tmp_path / "web/entry.html").write_text(shipped.replace("<article", "<p>Our own frame.</p><article"), "utf-8")
    rerender_all(db, BASE)
    pages = []
    for overridden in (None, tmp_path):
        wiring = Wiring(Settings(data_dir=tmp_path, database_url=db.url, templates_dir=overridden), BASE, "")
        wiring.__dict__["db"] = db
        with browser(wiring, base_url=BASE) as client:
            pages.append(client.get("/series/ferries/tides/").text)
    assert "Our own frame." in pages[1]
    assert pages[1].replace("<p>Our own frame.</p>", "") == pages[0]  # its dates too
    assert {fmt: document(db, "all", fmt) for fmt in FORMATS} == before
