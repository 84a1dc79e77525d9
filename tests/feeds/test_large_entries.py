"""Very large and very old documents on their whole way from import to mail: all of it ends, all of it is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication.feeds import layout, lint
from syndication.feeds.formats import FORMATS
from syndication.feeds.naming import MOST_MARKS
from syndication.intake.importer import import_paths
from syndication.ledger import notices
from syndication.ledger.db import Database
from syndication.ledger.lookup import entry_named, the_publication
from syndication.mail.loading import Press, frame_of, text_of
from syndication.mail.splice import fill
from syndication.publishing import publish, rerender_all
from syndication.rendering import Renderer
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.feeds.feed_world import breaks
from tests.mail.hard_mail import FILLED
from tests.partners import partner_world
from tests.web.web_world import BASE, browser

pytestmark = pytest.mark.sqlite_only
PARAGRAPH = "When the last boat goes, a town *loses* its evenings, and [nobody](https://h.example/x) can say why. "


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "boats").mkdir(parents=True)
    (tree / "publication.toml").write_text('[publication]\nslug = "h"\nname = "Harbour"\nurl = "https://h.example"\n')
    (tree / "boats/series.toml").write_text('title = "Boats"\n')
    return tree


@pytest.fixture
def settings(tmp_path: Path, db: Database) -> Settings:
    return Settings(data_dir=tmp_path, database_url=db.url, feed_check_seconds=1e-9)


@pytest.fixture
def client(settings: Settings, db: Database) -> Iterator[TestClient]:
    wiring = Wiring(settings, BASE, "")
    wiring.__dict__["db"] = db
    with browser(wiring) as client:
        yield client


def brought_out(db: Database, tree: Path, settings: Settings, text: str) -> None:
    (tree / "boats/big.md").write_text(text, "utf-8")
    report = import_paths(db, [tree], settings=settings)
    assert report.failures == []
    publish(db, BASE, [report.entries[0].entry_id])
    rerender_all(db, BASE)


def test_a_document_beyond_the_limit_is_refused(db: Database, tree: Path, settings: Settings) -> None:
    (tree / "boats/big.md").write_bytes(b"# Big\n\n" + b"a" * settings.document_max_bytes)
    [failure] = import_paths(db, [tree], settings=settings).failures
    assert "10,000,007 bytes" in failure.reason
    assert failure.remedy


def test_two_megabytes_are_whole_where_there_is_room(
    db: Database, tree: Path, settings: Settings, client: TestClient
) -> None:
    brought_out(db, tree, settings, "# Big\n\n" + (PARAGRAPH * 4 + "\n\n") * 5_000)
    partner = partner_world.add(db, "The Quay")
    page = client.get("/series/boats/big/")
    assert page.text.count("<em>loses</em>") == 20_000
    for fmt in FORMATS:
        body = client.get(f"/feeds/boats.{fmt}").content
        assert len(body) <= layout.MAX_BYTES
        assert breaks(fmt, body) == []
        assert lint.document(fmt, body, f"{BASE}/feeds/boats.{fmt}") == []
        assert b"Read the whole text of" in body
    [record] = client.get("/partners/v1/entries", headers=partner).json()["entries"]
    assert record["content_html"].count("<em>loses</em>") == 20_000
    with db.reading() as session:
        entry, publication = entry_named(session, "big"), the_publication(session)
        assert entry.revision is not None
        text = text_of(entry.revision, entry, publication, BASE)
        notice = notices.current(session, publication.id, "en").id
        source = frame_of(session, publication, [text], BASE, "en", notice, "i1:daily")
    message = fill(Press(Renderer().render, BASE, settings.mail_max_html_bytes).compile(source, [text]), FILLED)
    assert len(message) < 2 * settings.mail_max_html_bytes


def test_five_hundred_authors(db: Database, tree: Path, settings: Settings, client: TestClient) -> None:
    names = [f"Author {n}, née “Ö” <{n}>" for n in range(500)]
    brought_out(db, tree, settings, f"---\ntitle: Big\nauthors: {names!r}\n---\nText.\n")
    page = client.get("/series/boats/big/").text
    assert page.count("née “Ö”") >= 500
    for fmt in FORMATS:
        body = client.get(f"/feeds/boats.{fmt}").content
        assert breaks(fmt, body) == []
        assert body.decode().count("Author 499") == 1
    found = client.get("/feeds/").text
    assert found.count('<li><a href="/feeds/by.') == MOST_MARKS
    assert client.get("/feeds/by.author-0-nee-o-0.atom").status_code == 200


@pytest.mark.parametrize(
    ("said", "shown"), [("1955-07-01", "1955-07-01T00:00"), ("1969-12-31 23:59", "1969-12-31T23:59")]
)
def test_an_old_date_is_that_date_everywhere(
    db: Database, tree: Path, settings: Settings, client: TestClient, said: str, shown: str
) -> None:
    brought_out(db, tree, settings, f"---\ntitle: Old\npublished: {said}\n---\nText.\n")
    [item] = client.get("/feeds/boats.json").json()["items"]
    assert item["date_published"].startswith(shown)
    assert said[:4] in client.get("/feeds/boats.rss").text
    assert f'datetime="{shown}' in client.get("/series/boats/big/").text
    digest = client.get("/feeds/all.daily.json").json()["items"]
    assert [one["id"].rpartition(":")[2] for one in digest] == [said[:10]]


def test_a_date_after_2038_is_held_or_published_now(
    db: Database, tree: Path, settings: Settings, client: TestClient
) -> None:
    (tree / "boats/held.md").write_text("---\ntitle: Held\npublish_at: 2061-07-28\n---\nText.\n")
    brought_out(db, tree, settings, "---\ntitle: Late\npublished: 2061-07-28\n---\nText.\n")
    [item] = client.get("/feeds/boats.json").json()["items"]
    assert item["title"] == "Late"
    assert item["date_published"] < "2061"
    with db.reading() as session:
        held = entry_named(session, "held")
        assert (held.state, held.scheduled_at.year if held.scheduled_at else None) == ("scheduled", 2061)
