"""Partners: who may pull what, changes each once and in order, the notice once, every pull on record."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from syndication.feeds.artifacts import render_owed
from syndication.feeds.disclaimers import count_html
from syndication.ledger import notices
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Partner, Pull
from syndication.partners import keys
from syndication.publishing import correct, publish, withdraw
from syndication.settings import Settings
from syndication.web.partners import routes
from syndication.wiring import Wiring

_spec = importlib.util.spec_from_file_location(
    "press_fixtures", Path(__file__).parents[1] / "publishing" / "conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
press = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(press)
publication, new_entry = press.publication, press.new_entry
BASE = "http://testserver"


@pytest.fixture
def client(db, publication, tmp_path: Path) -> TestClient:
    settings = Settings(data_dir=tmp_path, database_url=db.url, secret_keys="k" * 32)
    return TestClient(Starlette(routes=routes(Wiring(settings=settings, base_url=BASE, broker_url=""))))


def add(db, name: str, *series: str) -> dict[str, str]:
    with db.transaction() as session:
        token = keys.add(session, the_publication(session), name, series).token
    render_owed(db, BASE)
    return {"Authorization": f"Bearer {token}"}


def rows(db, model) -> list:
    with db.reading() as session:
        return list(session.query(model))


def test_keys(client, db) -> None:
    auth = add(db, "Gazette", "ferries")
    token = auth["Authorization"].split()[1]
    assert token not in str([vars(p) for p in rows(db, Partner)])
    assert client.get("/partners/v1/entries", headers=auth).status_code == 200
    assert client.get("/partners/v1/entries", auth=("gazette", token)).status_code == 200
    for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic !"}, {"Authorization": "Bearer"}):
        refused = client.get("/partners/v1/feed.rss", headers=wrong)
        assert refused.status_code == 401
        assert "Basic" in refused.headers["www-authenticate"]
    with db.transaction() as session:
        keys.revoke(keys.partner_named(session, "Gazette"))
    assert client.get("/partners/v1/entries", headers=auth).status_code == 401


def test_scope_and_shared_feeds(client, db, new_entry) -> None:
    mine, other = new_entry("one"), new_entry("two", series=2)
    publish(db, BASE, [mine, other])
    auth = add(db, "Gazette", "ferries")
    add(db, "Herald", "ferries")
    assert len({p.feed_id for p in rows(db, Partner)}) == 1
    assert [e["number"] for e in client.get("/partners/v1/entries", headers=auth).json()["entries"]] == [mine]
    assert client.get(f"/partners/v1/entries/{other}", headers=auth).status_code == 404
    assert client.get("/partners/v1/entries?series=floods", headers=auth).status_code == 404
    for fmt in ("rss", "atom", "json"):
        feed = client.get(f"/partners/v1/feed.{fmt}", headers=auth)
        assert feed.status_code == 200
        assert "On one" in feed.text
        assert "On two" not in feed.text
        again = client.get(f"/partners/v1/feed.{fmt}", headers=auth | {"If-None-Match": feed.headers["etag"]})
        assert again.status_code == 304


def test_changes_each_once_in_order_while_entries_are_published(client, db, new_entry) -> None:
    first = [new_entry(f"e{i}") for i in range(5)]
    new_entry("draft")
    publish(db, BASE, first)
    auth = add(db, "Gazette")
    seen, cursor, later = [], "0", []
    for step in range(6):
        page = client.get(f"/partners/v1/entries?limit=2&cursor={cursor}", headers=auth).json()
        seen += [(e["number"], e["state"]) for e in page["entries"]]
        cursor = page["next_cursor"]
        if step == 0:
            later = [new_entry("late")]
            publish(db, BASE, later)
            withdraw(db, BASE, first[4], "wrong figures")
    assert seen == [(i, "published") for i in (*first[:4], *later)] + [(first[4], "withdrawn")]
    gone = client.get(f"/partners/v1/entries/{first[4]}", headers=auth)
    assert (gone.status_code, gone.json()["withdrawn_reason"], gone.json()["content_html"]) == (
        410,
        "wrong figures",
        None,
    )


def test_a_correction_comes_again_and_the_notice_stands_once(client, db, new_entry) -> None:
    entry = new_entry("one", licence_url="https://creativecommons.org/licenses/by/4.0/")
    publish(db, BASE, [entry])
    auth = add(db, "Gazette")
    page = client.get("/partners/v1/entries", headers=auth)
    assert client.get("/partners/v1/entries", headers=auth | {"If-None-Match": page.headers["etag"]}).status_code == 304
    with db.transaction() as session:
        press.redraft(session, entry, title="Corrected")
    correct(db, BASE, entry)
    (record,) = client.get(f"/partners/v1/entries?cursor={page.json()['next_cursor']}", headers=auth).json()["entries"]
    assert (record["title"], record["revision"]) == ("Corrected", 2)
    with db.reading() as session:
        notice = notices.current(session, 1, "en").text
    assert count_html(str(record), notice) == 1
    pulls = rows(db, Pull)
    assert [(p.what, p.status) for p in pulls] == [("entries", 200), ("entries", 304), ("entries", 200)]
    assert pulls[0].revisions
    assert pulls[0].bytes == len(page.content)


def test_the_capability_address(client, db, new_entry) -> None:
    publish(db, BASE, [new_entry("one")])
    add(db, "Gazette")
    assert client.get("/partners/c/None/feed.rss").status_code == 404
    with db.transaction() as session:
        secret = keys.switch_capability(keys.partner_named(session, "Gazette"), True)
    feed = client.get(f"/partners/c/{secret}/feed.rss")
    assert feed.status_code == 200
    assert feed.headers["cache-control"] == "no-store"
    assert "noindex" in feed.headers["x-robots-tag"]
    for path in ("feed.rss", "feed.atom", "feed.json", "entries"):
        assert secret not in client.get(f"/partners/c/{secret}/{path}").text
    with db.transaction() as session:
        keys.switch_capability(keys.partner_named(session, "Gazette"), False)
    assert client.get(f"/partners/c/{secret}/feed.rss").status_code == 404


def test_the_page_about_it_needs_nobody_else(client) -> None:
    page = client.get("/partners/docs")
    assert "/v1/entries" in page.text
    assert "https://" not in page.text
    assert "/c/" not in client.get("/partners/openapi.json").text
